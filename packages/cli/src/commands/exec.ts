// `podplane exec`: a command in a container, with its streams, its terminal and its exit code as if it ran here.
import type { ExecRequest } from '@podplane/api/gen/podplane/api/v1/pods';
import type { Command } from 'commander';
import type { Conversation } from '../cluster.js';
import { CliError, usage } from '../exit-codes.js';
import type { Io } from '../io.js';
import type { Session } from '../session.js';
import { pumpInput, type StreamInput, terminal } from '../terminal.js';
import { containerOf, onePod, parseTarget } from '../workloads.js';

interface ExecOptions {
  readonly stdin?: boolean;
  readonly tty?: boolean;
  readonly container?: string;
  readonly quiet?: boolean;
}

export function registerExec(program: Command, session: Session): void {
  program
    .command('exec')
    .summary('run a command in a container')
    .description('Runs a command in a container. Its exit code becomes that of podplane.')
    .argument('<target>', 'POD or KIND/NAME (then one of its pods)')
    .argument('[command...]', 'after --: the command with its arguments')
    .option('-i, --stdin', 'pass standard input on')
    .option('-t, --tty', 'with a terminal')
    .option('-c, --container <name>', 'in this container')
    .option('-q, --quiet', 'only what the command prints')
    .addHelpText('after', '\nExamples:\n  podplane exec deploy/web -- hostname\n  podplane exec -it web-1 -c web -- sh')
    .action(async (target: string, words: string[], options: ExecOptions, command: Command) => {
      const [program_] = words;
      if (program_ === undefined) throw usage('you must say which command', 'For example: podplane exec deploy/web -- hostname');
      const { io } = session;
      const { cluster, namespace } = await session.open(command);
      const pod = await onePod(cluster, namespace, parseTarget(target));
      const name = pod.metadata?.name ?? '';
      const phase = pod.status?.phase;
      if (phase === 'Succeeded' || phase === 'Failed')
        throw new CliError(`cannot exec into a container in a completed pod; current phase is ${phase}`);
      const container = containerOf(pod, options.container, options.quiet ? undefined : (text) => io.err(text));
      let tty = options.tty === true;
      if (tty && (io.stdin.isTTY !== true || !options.stdin)) {
        if (!options.quiet) io.err('Unable to use a TTY: standard input is not a terminal, or -i is missing.\n');
        tty = false;
      }
      const stop = new AbortController();
      // On a terminal Ctrl-C belongs to the command; elsewhere it ends us.
      const signal = tty ? stop.signal : AbortSignal.any([stop.signal, io.signal]);
      const call = cluster.exec(signal);
      process.exitCode = await converse(io, call, { namespace, pod: name, container, command: words, stdin: options.stdin === true, tty });
    });
}

/** Runs one conversation to its end. Answers the exit code. */
export async function converse(
  io: Io,
  call: Conversation<ExecRequest, { readonly message?: ExecResponseMessage | undefined }>,
  start: {
    readonly namespace: string;
    readonly pod: string;
    readonly container: string;
    readonly command: string[];
    readonly stdin: boolean;
    readonly tty: boolean;
  },
): Promise<number> {
  const undo: (() => void)[] = [];
  try {
    await call.write({ message: { $case: 'start', value: start } });
    const send = (message: StreamInput): Promise<void> => call.write({ message });
    if (start.tty) undo.push(terminal(io, send));
    if (start.stdin) undo.push(pumpInput(io, send));
    for await (const { message } of call) {
      switch (message?.$case) {
        case 'stdout':
          await io.write('stdout', message.value);
          break;
        case 'stderr':
          await io.write('stderr', message.value);
          break;
        case 'exit':
          return message.value.code;
        case undefined:
          break; // of a newer server
      }
    }
    throw new CliError('the connection ended before the command did', { advice: 'It may still run in the container.' });
  } finally {
    for (const one of undo.toReversed()) one();
    call.cancel();
  }
}

export type ExecResponseMessage =
  | { readonly $case: 'stdout'; readonly value: Uint8Array }
  | { readonly $case: 'stderr'; readonly value: Uint8Array }
  | { readonly $case: 'exit'; readonly value: { readonly code: number } };
