// `podplane server` and `podplane agent`: only these two commands, as what the others are made of would stay in the memory of a process that runs
// for months.
import { registerAgent } from './commands/agent.js';
import { registerServer } from './commands/server.js';
import { emptyProgram, tellUsage } from './program-frame.js';
import { run } from './run.js';

await run(({ io }) => {
  const program = emptyProgram(io);
  registerServer(program, io);
  registerAgent(program, io);
  tellUsage(program, program.name());
  return program;
});
