// `podplane debug`: one more container in a pod that runs, to look around with tools that its own images lack.
import type { Command } from 'commander';
import type { Cluster } from '../cluster.js';
import { CliError, usage } from '../exit-codes.js';
import { isConflict } from '../failure.js';
import type { Io } from '../io.js';
import { observe } from '../observe.js';
import type { Session } from '../session.js';
import { containersOf, onePod, type Pod, parseTarget } from '../workloads.js';
import { attach } from './attach.js';

interface DebugOptions {
  readonly image?: string;
  readonly container?: string;
  readonly target?: string;
  readonly stdin?: boolean;
  readonly tty?: boolean;
  readonly attach?: boolean;
  readonly env: readonly (readonly [string, string])[];
  readonly imagePullPolicy?: string;
  readonly profile: string;
  readonly quiet?: boolean;
}

/** What the container may do, by the names that kubectl has for it. */
const PROFILES: Readonly<Record<string, object>> = {
  legacy: {},
  general: { capabilities: { add: ['SYS_PTRACE'] } },
  baseline: {},
  restricted: {
    allowPrivilegeEscalation: false,
    runAsNonRoot: true,
    capabilities: { drop: ['ALL'] },
    seccompProfile: { type: 'RuntimeDefault' },
  },
  netadmin: { capabilities: { add: ['NET_ADMIN', 'NET_RAW'] } },
  sysadmin: { privileged: true },
};
const CONFLICT_TRIES = 5;

function variable(text: string, before: readonly (readonly [string, string])[]): readonly (readonly [string, string])[] {
  const at = text.indexOf('=');
  if (at <= 0) throw usage(`--env: "${text}" is not of the form NAME=VALUE`);
  return [...before, [text.slice(0, at), text.slice(at + 1)]];
}

export function registerDebug(program: Command, session: Session): void {
  program
    .command('debug')
    .summary('look around in a pod with another image')
    .description(
      'Adds an ephemeral container to a pod that runs. It shares network and shared memory with the pod, and with --target the processes of one of its containers. It is never restarted, and stays in the pod until that ends.',
    )
    .argument('<target>', 'POD or KIND/NAME (then one of its pods)')
    .argument('[command...]', 'after --: the command with its arguments (default: as the image says)')
    .option('--image <image>', 'what runs in it')
    .option('-c, --container <name>', 'its name (default: debugger-XXXXX)')
    .option('--target <container>', 'see the processes of this container')
    .option('-i, --stdin', 'with standard input')
    .option('-t, --tty', 'with a terminal')
    .option('--attach', 'wait for it and show what it prints (default with -i)')
    .option('--no-attach', 'only add it')
    .option('--env <variable>', 'NAME=VALUE, may be given several times', variable, [])
    .option('--image-pull-policy <policy>', 'Always, IfNotPresent or Never')
    .option('--profile <name>', `what it may do: ${Object.keys(PROFILES).join(', ')}`, 'general')
    .option('-q, --quiet', 'only what the container prints')
    .addHelpText(
      'after',
      '\nExamples:\n  podplane debug -it web-1 --image busybox --target web\n  podplane debug web-1 --image tools --attach -- netstat -l',
    )
    .action(async (target: string, words: string[], options: DebugOptions, command: Command) => {
      if (!options.image) throw usage('--image is needed: what shall run in the container');
      const profile = PROFILES[options.profile];
      if (profile === undefined) throw usage(`--profile: "${options.profile}" is none of ${Object.keys(PROFILES).join(', ')}`);
      if (options.tty && !options.stdin) throw usage('-i is needed with -t');
      const named = parseTarget(target);
      if (named.kind === 'Node')
        throw usage('nodes cannot be debugged this way', 'Run a pod with hostPID, hostIPC and a hostPath volume there.');
      const { io } = session;
      const { cluster, namespace } = await session.open(command);
      const pod = await onePod(cluster, namespace, named);
      const podName = pod.metadata?.name ?? '';
      if (options.target !== undefined && !containersOf(pod, { all: true }).includes(options.target))
        throw new CliError(`container ${options.target} is not valid for pod ${podName}`, {
          advice: `It has: ${containersOf(pod, { all: true }).join(', ')}`,
        });
      const say = options.quiet ? () => undefined : (text: string) => io.err(text);
      if (options.target !== undefined) say(`Targeting container "${options.target}".\n`);
      const name = options.container ?? `debugger-${session.io.system.random.suffix(5)}`;
      if (options.container === undefined) say(`Defaulting debug container name to ${name}.\n`);
      const [first, ...rest] = words;
      const container = {
        name,
        image: options.image,
        ...(first === undefined ? {} : { command: [first, ...rest] }),
        env: options.env.map(([key, value]) => ({ name: key, value })),
        ...(options.imagePullPolicy === undefined ? {} : { imagePullPolicy: options.imagePullPolicy }),
        ...(options.target === undefined ? {} : { targetContainerName: options.target }),
        ...(options.stdin ? { stdin: true } : {}),
        ...(options.tty ? { tty: true } : {}),
        ...(Object.keys(profile).length === 0 ? {} : { securityContext: profile }),
      };
      await add(cluster, namespace, podName, container);
      if (!(options.attach ?? options.stdin === true)) return;
      const begun = await started(io, cluster, namespace, podName, name, say);
      if (options.stdin === true && statusOf(begun, name)?.state?.running !== undefined) {
        await attach(io, cluster, { namespace, pod: begun, container: name, stdin: true, tty: options.tty === true, say });
        return;
      }
      // Who only listens, or comes too late to say anything, gets it from the log: there is also what it said before anybody could listen.
      const request = { namespace, pod: podName, container: name, follow: true, previous: false, sinceTime: '', timestamps: false };
      for await (const part of cluster.logs(request, io.signal)) await io.write('stdout', part);
    });
}

/** Others may add theirs at the same time. */
async function add(cluster: Cluster, namespace: string, podName: string, container: object): Promise<void> {
  for (let tries = 1; ; tries++) {
    const { metadata, spec } = await cluster.get('Pod', namespace, podName);
    const patch = {
      metadata: { resourceVersion: metadata?.resourceVersion },
      spec: { ephemeralContainers: [...(spec?.ephemeralContainers ?? []), container] },
    };
    try {
      await cluster.mergePatch('Pod', namespace, podName, patch, { subresource: 'ephemeralcontainers' });
      return;
    } catch (error) {
      if (!isConflict(error) || tries >= CONFLICT_TRIES) throw error;
    }
  }
}

type Status = NonNullable<Pod['status']>['ephemeralContainerStatuses'][number];

function statusOf(pod: Pod, container: string): Status | undefined {
  return pod.status?.ephemeralContainerStatuses.find(({ name }) => name === container);
}

/** The pod when the container runs, or has ended already. Says why it does not, as long as it waits. */
async function started(
  io: Io,
  cluster: Cluster,
  namespace: string,
  podName: string,
  container: string,
  say: (text: string) => void,
): Promise<Pod> {
  const stop = new AbortController();
  const found = Promise.withResolvers<Pod>();
  let said = '';
  const look = (pods: ReadonlyMap<string, Pod>): void => {
    const [pod] = pods.values();
    const phase = pod?.status?.phase;
    if (pod === undefined || phase === 'Succeeded' || phase === 'Failed')
      return found.reject(new CliError(`pod ${podName} ended before container ${container} began`));
    const state = statusOf(pod, container)?.state;
    if (state?.running !== undefined || state?.terminated !== undefined) return found.resolve(pod);
    const { reason = '', message = '' } = state?.waiting ?? {};
    const word = `${reason}: ${message}`;
    if (message !== '' && word !== said) say(`container ${container} waits: ${word}\n`);
    said = word;
  };
  const signal = AbortSignal.any([stop.signal, io.signal]);
  observe(cluster, 'Pod', { namespace, fieldSelector: `metadata.name=${podName}` }, signal, look).then(
    () => found.reject(new CliError('interrupted')),
    (error: unknown) => found.reject(error),
  );
  try {
    return await found.promise;
  } finally {
    stop.abort();
  }
}
