// `npm run bench -- NAME... [--OPTION NUMBER]`: runs benchmarks one after the other. Each prints one table; none of them judges.
import { parseArgs } from 'node:util';
import { accessBenchmark } from './access.js';
import { bigjobBenchmark } from './bigjob.js';
import { deletionBenchmark } from './deletion.js';
import { densityBenchmark } from './density.js';
import { execProbesBenchmark } from './exec-probes.js';
import { failoverBenchmark } from './failover.js';
import { footprintBenchmark } from './footprint.js';
import { heartbeatsBenchmark } from './heartbeats.js';
import { massFailoverBenchmark } from './mass-failover.js';
import { partitionBenchmark } from './partition.js';
import { podstartBenchmark } from './podstart.js';
import { rolloutBenchmark } from './rollout.js';
import { scheduleBenchmark } from './schedule.js';
import { storeBenchmark } from './store.js';

/** Sizes, each as the benchmark that has it says; missing: the size that is reported. */
export type Sizes = Readonly<Partial<Record<(typeof SIZES)[number], number>>>;

const SIZES = ['nodes', 'replicas', 'completions', 'parallelism', 'containers', 'seconds', 'pods', 'runs'] as const;

const benchmarks: Readonly<Record<string, (sizes: Sizes) => Promise<void>>> = {
  store: storeBenchmark,
  schedule: scheduleBenchmark,
  podstart: podstartBenchmark,
  failover: failoverBenchmark,
  'mass-failover': massFailoverBenchmark,
  footprint: footprintBenchmark,
  heartbeats: heartbeatsBenchmark,
  rollout: rolloutBenchmark,
  bigjob: bigjobBenchmark,
  partition: partitionBenchmark,
  access: accessBenchmark,
  'exec-probes': execProbesBenchmark,
  density: densityBenchmark,
  deletion: deletionBenchmark,
};

function refuse(why: string): never {
  process.stderr.write(
    `${why === '' ? '' : `${why}\n`}usage: npm run bench -- NAME... [--${SIZES.join(' N] [--')} N]\nnames: ${Object.keys(benchmarks).join(', ')}\n`,
  );
  process.exit(2);
}

function given(): { readonly names: readonly string[]; readonly sizes: Sizes } {
  try {
    const options = Object.fromEntries(SIZES.map((name) => [name, { type: 'string' as const }]));
    const { values, positionals } = parseArgs({ options, allowPositionals: true });
    const sizes: Record<string, number> = {};
    for (const [name, text] of Object.entries(values)) {
      if (!/^[1-9]\d*$/.test(String(text))) refuse(`--${name}: ${String(text)} is no number from 1 on`);
      sizes[name] = Number(text);
    }
    return { names: positionals, sizes };
  } catch (error) {
    refuse(error instanceof Error ? error.message : String(error));
  }
}

const { names, sizes } = given();
const unknown = names.filter((name) => !(name in benchmarks));
if (names.length === 0 || unknown.length > 0) refuse(unknown.length > 0 ? `no such benchmark: ${unknown.join(', ')}` : '');
for (const name of names) await benchmarks[name]?.(sizes);
