// The process behind the command: gives the commands the real world, turns errors into exit codes, ends on Ctrl-C.
import { realSystem } from '@podplane/api/system';
import { type Command, CommanderError } from 'commander';
import { connect } from './connect.js';
import { EXIT_INTERRUPTED, EXIT_USAGE } from './exit-codes.js';
import { failureOf } from './failure.js';
import { processIo, timeToEnd } from './io.js';
import { Session } from './session.js';
import { collectBuffersYoung } from './young-buffers.js';

/** Runs what the process's arguments say, by this tree of commands; at its end the process has its exit code. */
export async function run(makeProgram: (session: Session) => Command): Promise<void> {
  collectBuffersYoung();
  const stop = new AbortController();
  const io = processIo(realSystem(), stop.signal);
  const session = new Session(io, connect);

  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (stop.signal.aborted) process.exit(EXIT_INTERRUPTED);
      stop.abort(new Error(signal));
      io.system.timers.after(timeToEnd(), () => process.exit(EXIT_INTERRUPTED), { background: true });
    });
  }

  try {
    await makeProgram(session).parseAsync(process.argv);
    if (stop.signal.aborted && process.exitCode === undefined) process.exitCode = EXIT_INTERRUPTED;
  } catch (error) {
    if (error instanceof CommanderError) {
      // Its words are out already. Help that was asked for is no error.
      process.exitCode =
        error.exitCode === 0 || error.code === 'commander.helpDisplayed' || error.code === 'commander.help'
          ? error.code === 'commander.help'
            ? EXIT_USAGE
            : 0
          : EXIT_USAGE;
    } else {
      const { text, exitCode } = failureOf(error, { interrupted: stop.signal.reason, debug: io.env['PODPLANE_DEBUG'] !== undefined });
      if (text !== '') io.err(`${text}\n`);
      process.exitCode = exitCode;
    }
  } finally {
    await session.close();
  }
}
