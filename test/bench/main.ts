// `npm run bench -- NAME...`: runs benchmarks one after the other. Each prints one table; none of them judges.
import { failoverBenchmark } from './failover.js';
import { footprintBenchmark } from './footprint.js';
import { massFailoverBenchmark } from './mass-failover.js';
import { podstartBenchmark } from './podstart.js';
import { scheduleBenchmark } from './schedule.js';
import { storeBenchmark } from './store.js';

const benchmarks: Readonly<Record<string, () => Promise<void>>> = {
  store: storeBenchmark,
  schedule: scheduleBenchmark,
  podstart: podstartBenchmark,
  failover: failoverBenchmark,
  'mass-failover': massFailoverBenchmark,
  footprint: footprintBenchmark,
};

const names = process.argv.slice(2);
const unknown = names.filter((name) => !(name in benchmarks));
if (names.length === 0 || unknown.length > 0) {
  process.stderr.write(
    `${unknown.length > 0 ? `no such benchmark: ${unknown.join(', ')}\n` : ''}usage: npm run bench -- NAME...\nnames: ${Object.keys(benchmarks).join(', ')}\n`,
  );
  process.exit(2);
}
for (const name of names) await benchmarks[name]?.();
