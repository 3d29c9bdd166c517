// A process that runs the seeds that it is sent, one after the other.

import { runSeed } from './one.js';
import type { CommandOptions } from './options.js';

export interface Task {
  readonly seed: number;
  readonly options: CommandOptions;
}

process.on('message', (task: Task) => {
  runSeed(task.seed, task.options).then(
    (result) => process.send?.(result),
    (error: unknown) => {
      process.stderr.write(`seed ${task.seed}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
      process.exit(1);
    },
  );
});
