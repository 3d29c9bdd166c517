// `npm run bench -- deletion [--pods N]`: what it costs to delete and to resize much, each at N, 2 N and 4 N: the server's core in this process
// with simulated nodes, journal in memory. That a cost grows with the square shows in its ratios; figures are CPU time, nodes included.
// BENCH_ONLY: only what has one of these words in its name, separated by commas.
import { CoreBed, type Figures } from './core-bed.js';
import { PODS_A_NODE, type Scenario, scenarios } from './deletion-scenarios.js';
import type { Sizes } from './main.js';
import { printHead, printTable, type Row } from './table.js';

function chosen(): readonly Scenario[] {
  const words = process.env.BENCH_ONLY?.split(',');
  return words === undefined ? scenarios : scenarios.filter(({ name }) => words.some((word) => name.includes(word)));
}

export async function deletionBenchmark(sizes: Sizes): Promise<void> {
  const base = sizes.pods ?? 1000;
  const rounds = (process.env.BENCH_ROUNDS ?? '1,2,4').split(',').map(Number);
  printHead('deletion', 'none (journal in memory); CPU of the core and its simulated nodes in one process');
  const measured = new Map<string, { n: number; figures: Figures }[]>();
  for (const { name, options, run } of chosen()) {
    for (const round of rounds) {
      const n = base * round;
      const bed = await CoreBed.open({ nodes: Math.ceil(n / PODS_A_NODE) + 2, podsEach: 150, ...options?.(n) });
      try {
        for (const [step, figures] of Object.entries(await run(bed, n))) {
          const key = `${name}: ${step}`;
          measured.set(key, [...(measured.get(key) ?? []), { n, figures }]);
          process.stderr.write(
            `${key} n=${n} cpu ${figures.cpuSeconds.toFixed(2)} s, ${figures.seconds.toFixed(1)} s, turn ${figures.turnMs.toFixed(0)} ms, tx ${figures.transactionMs.toFixed(0)} ms ${figures.by}\n`,
          );
        }
      } finally {
        await bed.stop();
      }
    }
  }
  const rows: Row[] = [];
  for (const [what, all] of measured) {
    const row: Record<string, string | number> = { what };
    for (const { n, figures } of all) row[`CPU s, ${n}`] = figures.cpuSeconds;
    const [one, two, four] = all.map(({ figures }) => figures.cpuSeconds);
    if (one !== undefined && two !== undefined && four !== undefined)
      row['ratios'] = `${(two / one).toFixed(1)} ${(four / two).toFixed(1)}`;
    row['longest turn ms'] = Math.max(...all.map(({ figures }) => figures.turnMs));
    row['longest transaction ms'] = Math.max(...all.map(({ figures }) => figures.transactionMs));
    row.by = all.at(-1)?.figures.by ?? '';
    rows.push(row);
  }
  printTable(rows);
}
