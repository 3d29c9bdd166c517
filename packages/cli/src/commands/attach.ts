// `podplane attach`: this terminal at the first process of a container that runs already.
import type { Command } from 'commander';
import type { Cluster } from '../cluster.js';
import { CliError } from '../exit-codes.js';
import type { Io } from '../io.js';
import type { Session } from '../session.js';
import { pumpInput, type StreamInput, terminal } from '../terminal.js';
import { containerOf, onePod, type Pod, parseTarget } from '../workloads.js';

interface AttachOptions {
  readonly stdin?: boolean;
  readonly tty?: boolean;
  readonly container?: string;
  readonly quiet?: boolean;
}

export function registerAttach(program: Command, session: Session): void {
  program
    .command('attach')
    .summary('join the first process of a container')
    .description("Shows what a container's first process prints, and with -i passes standard input on. The process goes on afterwards.")
    .argument('<target>', 'POD or KIND/NAME (then one of its pods)')
    .option('-i, --stdin', 'pass standard input on (the container needs stdin: true)')
    .option('-t, --tty', 'with a terminal (the container needs tty: true)')
    .option('-c, --container <name>', 'of this container')
    .option('-q, --quiet', 'only what the container prints')
    .addHelpText('after', '\nExamples:\n  podplane attach web-1\n  podplane attach -it shell -c main')
    .action(async (target: string, options: AttachOptions, command: Command) => {
      const { io } = session;
      const { cluster, namespace } = await session.open(command);
      const pod = await onePod(cluster, namespace, parseTarget(target));
      const phase = pod.status?.phase;
      if (phase === 'Succeeded' || phase === 'Failed')
        throw new CliError(`cannot attach a container in a completed pod; current phase is ${phase}`);
      const say = options.quiet ? () => undefined : (text: string) => io.err(text);
      const container = containerOf(pod, options.container, say);
      await attach(io, cluster, { namespace, pod, container, stdin: options.stdin === true, tty: options.tty === true, say });
    });
}

export interface AttachTo {
  readonly namespace: string;
  readonly pod: Pod;
  readonly container: string;
  readonly stdin: boolean;
  readonly tty: boolean;
  /** Told what goes on besides. */
  readonly say: (text: string) => void;
}

/** Until the container has ended or Ctrl-C (on a terminal that is the container's). */
export async function attach(io: Io, cluster: Cluster, { namespace, pod, container, stdin, tty, say }: AttachTo): Promise<void> {
  const { containers = [], ephemeralContainers = [] } = pod.spec ?? {};
  const spec = [...containers, ...ephemeralContainers].find(({ name }) => name === container);
  const name = pod.metadata?.name ?? '';
  if (tty && spec?.tty !== true) say(`error: Unable to use a TTY - container ${container} did not allocate one\n`);
  const raw = tty && stdin && spec?.tty === true && io.stdin.isTTY === true;
  if (tty && spec?.tty === true && !raw) say('Unable to use a TTY: standard input is not a terminal, or -i is missing.\n');
  const stop = new AbortController();
  const call = cluster.attach(raw ? stop.signal : AbortSignal.any([stop.signal, io.signal]));
  const undo: (() => void)[] = [];
  try {
    await call.write({ message: { $case: 'start', value: { namespace, pod: name, container, stdin } } });
    const send = (message: StreamInput): Promise<void> => call.write({ message });
    for await (const { message } of call) {
      switch (message?.$case) {
        case 'attached':
          if (stdin && raw) say("If you don't see a command prompt, try pressing enter.\n");
          if (raw) undo.push(terminal(io, send));
          if (stdin) undo.push(pumpInput(io, send));
          break;
        case 'stdout':
        case 'stderr':
          await io.write(message.$case, message.value);
          break;
        case undefined:
          break; // of a newer server
      }
    }
    if (raw) say(`Session ended, resume using 'podplane attach ${name} -c ${container} -i -t' command when the pod is running\n`);
  } finally {
    for (const one of undo.toReversed()) one();
    call.cancel();
  }
}
