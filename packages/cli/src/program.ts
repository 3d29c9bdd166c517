// The tree of commands, and what they have in common: options for all, help, messages about misspelt words. Which world they run in is
// main.ts's business.
import { Command } from 'commander';
import { registerAbout } from './commands/about.js';
import { registerApply, registerCreate } from './commands/apply.js';
import { registerAttach } from './commands/attach.js';
import { registerCompletion } from './commands/completion.js';
import { registerContext } from './commands/context.js';
import { registerCp } from './commands/cp.js';
import { registerDebug } from './commands/debug.js';
import { registerDelete } from './commands/delete.js';
import { registerDescribe } from './commands/describe.js';
import { registerDrain } from './commands/drain.js';
import { registerEvents } from './commands/events.js';
import { registerExec } from './commands/exec.js';
import { registerGet } from './commands/get.js';
import { registerImage } from './commands/image.js';
import { registerLocal } from './commands/local.js';
import { registerLogs } from './commands/logs.js';
import { registerPortForward } from './commands/port-forward.js';
import { registerRollout } from './commands/rollout.js';
import { registerCordon, registerScale } from './commands/scale.js';
import { registerSim } from './commands/sim.js';
import { registerToken } from './commands/token.js';
import { registerTop } from './commands/top.js';
import { registerWhoAmI } from './commands/whoami.js';
import { registerWhy } from './commands/why.js';
import type { Session } from './session.js';
import { VERSION } from './version.js';

/** All commands, ready to parse. Errors of parsing are thrown as CommanderError, its words go to standard error. */
export function makeProgram(session: Session): Command {
  const { io } = session;
  const program = new Command('podplane');
  program
    .description(
      "Kubernetes Pods on plain Docker hosts.\nExit codes: 0 done, 1 refused or failed, 2 wrong command line, 3 not in time, 4 no server answers; exec gives the command's own.",
    )
    .version(VERSION, '-V, --version', 'the version of this command')
    .option('-n, --namespace <name>', 'the namespace to work in')
    .option('--context <file>', 'how to reach the cluster: a context file (default: $PODPLANE_CONTEXT, or that of the checkout)')
    .helpCommand('help [command]', 'what a command does')
    .configureHelp({ showGlobalOptions: true, sortSubcommands: false, helpWidth: Math.min(120, io.columns()) })
    .configureOutput({
      writeOut: (text) => io.out(text),
      writeErr: (text) => io.err(text),
      getOutHelpWidth: () => Math.min(120, io.columns()),
      getErrHelpWidth: () => Math.min(120, io.columns()),
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .showSuggestionAfterError(true)
    .exitOverride();

  program.commandsGroup('A cluster on this machine:');
  registerLocal(program, session, 'cluster');
  program.commandsGroup('Objects:');
  registerApply(program, session);
  registerCreate(program, session);
  registerGet(program, session);
  registerDescribe(program, session);
  registerDelete(program, session);
  registerScale(program, session);
  registerRollout(program, session);
  registerEvents(program, session);
  registerWhy(program, session);
  program.commandsGroup('Inside of pods:');
  registerLogs(program, session);
  registerExec(program, session);
  registerAttach(program, session);
  registerDebug(program, session);
  registerCp(program, session);
  registerPortForward(program, session);
  registerTop(program, session);
  program.commandsGroup('Nodes and servers:');
  registerCordon(program, session);
  registerDrain(program, session);
  registerSim(program, session);
  registerImage(program, session);
  registerToken(program, session);
  registerWhoAmI(program, session);
  registerLocal(program, session, 'processes');
  program.commandsGroup('The command itself:');
  registerContext(program, session);
  registerAbout(program, session);
  registerCompletion(program, session);
  return program;
}
