// `podplane`, with all its commands.
import { makeProgram } from './program.js';
import { run } from './run.js';

await run(makeProgram);
