// A process that runs the seeds that it is sent, one after the other.
import type { SimulationResult } from '@podplane/testing/simulation/simulation';
import { runSeed } from './one.js';
import type { CommandOptions } from './options.js';

/** What becomes of a task. */
export interface Done {
  readonly result: SimulationResult;
  /** CPU time that the process took for it, ms; of the first one with loading the program. */
  readonly cpuMs: number;
}

export interface Task {
  readonly seed: number;
  readonly options: CommandOptions;
}

let counted = 0;

/** CPU time of this process since it was asked last, ms. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  const before = counted;
  counted = (user + system) / 1000;
  return counted - before;
}

process.on('message', (task: Task) => {
  runSeed(task.seed, task.options).then(
    (result) => process.send?.({ result, cpuMs: cpuMs() } satisfies Done),
    (error: unknown) => {
      process.stderr.write(`seed ${task.seed}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
      process.exit(1);
    },
  );
});
