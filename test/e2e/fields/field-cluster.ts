// A cluster for tests of fields: pods from objects or manifests, looks into their containers, and reads of objects: as the command prints them
// (see, until, ready) or typed, over gRPC (get, podUntil, podReady, podEnded). Asked again and again it is over gRPC in any case, as a command a
// question would cost half a second each. What lasts only a moment is looked for among all changes (passing). What is checked is in the tests
// beside; everything else of the harness is in ../harness.ts. The rows of the support table that a test proves stand in its title.
import { randomInt } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { toManifest } from '@podplane/api/decode/manifest';
import { ApiError } from '@podplane/api/errors';
import { Pod as PodMessage } from '@podplane/api/gen/podplane/core/v1/pod';
import type { Kind, KindMap } from '@podplane/api/kinds/kind-map';
import { PodplaneClient } from '@podplane/client/client';
import { readContext } from '@podplane/client/context';
import { type Door, leadIn } from '../door.js';
import type { Outcome } from '../harness.js';
import { eventually, Playground } from '../harness.js';

type Pod = KindMap['Pod'];
type Node = KindMap['Node'];

/** Has a shell, node and the usual small tools. */
export const IMAGE = 'podplane-example/web:1';

/** How long a test waits for what shall come: a busy machine takes long, and waiting costs nothing where it comes. */
export const PATIENCE_MS = 180_000;

/** A script that stays until it is told to end. */
export const STAY = 'trap "exit 0" TERM; sleep 100000 & wait';

type Fields = Readonly<Record<string, unknown>>;

export interface ContainerSeen {
  readonly name: string;
  readonly ready: boolean;
  readonly started: boolean;
  readonly restartCount: number;
  readonly imageID: string;
  readonly containerID?: string;
  readonly state: Readonly<Record<string, { readonly [field: string]: unknown } | undefined>>;
  readonly lastState?: Readonly<Record<string, { readonly [field: string]: unknown } | undefined>>;
}

export interface PodSeen {
  readonly metadata: { readonly name: string; readonly uid: string; readonly generation?: number };
  readonly spec: Fields & { readonly nodeName: string; readonly containers: readonly Fields[] };
  readonly status: {
    readonly phase: string;
    readonly reason?: string;
    readonly message?: string;
    readonly qosClass?: string;
    readonly podIP?: string;
    readonly podIPs?: readonly { readonly ip: string }[];
    readonly hostIP?: string;
    readonly hostIPs?: readonly { readonly ip: string }[];
    readonly observedGeneration?: number;
    readonly conditions: readonly {
      readonly type: string;
      readonly status: string;
      readonly reason?: string;
      readonly message?: string;
      readonly lastTransitionTime?: string;
    }[];
    readonly containerStatuses?: readonly ContainerSeen[];
    readonly initContainerStatuses?: readonly ContainerSeen[];
  };
}

/** A container that runs a shell script. */
export function shell(name: string, script: string, more: Fields = {}): Fields {
  return { name, image: IMAGE, imagePullPolicy: 'IfNotPresent', command: ['sh', '-c', script], ...more };
}

/** The pod's status does not name the container (yet). */
class NotTold extends Error {}

export class FieldCluster extends Playground {
  private files = 0;
  private opened: PodplaneClient | undefined;
  /** To a server in a network namespace of its own. */
  private door: Door | undefined;

  override async start(nodes = 1, flags: readonly string[] = []): Promise<number> {
    this.upOutput = ''; // an earlier start said the same words
    const ms = await super.start(nodes, flags);
    await this.leave();
    const context = await readContext(path.join(this.data, 'context.json'));
    if (this.wrap.length > 0) {
      const port = Number(context.server.split(':').at(-1));
      this.door = await leadIn(port, path.join(this.directory, `${port}.sock`), this.wrap);
    }
    this.opened = new PodplaneClient(this.door === undefined ? context : { ...context, server: `127.0.0.1:${this.door.port}` });
    return ms;
  }

  override async remove(): Promise<void> {
    await this.leave();
    await super.remove();
  }

  private async leave(): Promise<void> {
    this.opened?.[Symbol.dispose]();
    await this.door?.[Symbol.asyncDispose]();
    this.door = undefined;
  }

  get client(): PodplaneClient {
    if (this.opened === undefined) throw new Error('the cluster is not started');
    return this.opened;
  }

  /** Applies objects, or manifests as text, and does not wait for what they lead to. */
  async tryApply(...what: readonly (string | Fields)[]): Promise<Outcome> {
    const texts = what.map((one) => (typeof one === 'string' ? one : JSON.stringify(one)));
    const file = path.join(this.directory, `m${++this.files}.yaml`);
    writeFileSync(file, texts.join('\n---\n'));
    return this.cli(['apply', '-f', file, '--wait=false']);
  }

  /** The same; what the command printed, warnings included. */
  async apply(...what: readonly (string | Fields)[]): Promise<string> {
    const { code, stdout, stderr } = await this.tryApply(...what);
    if (code !== 0) throw new Error(`apply ended with ${code}:\n${stdout}${stderr}`);
    return stdout + stderr;
  }

  /** Makes a pod that ends without grace. */
  async pod(name: string, spec: Fields, metadata: Fields = {}): Promise<void> {
    await this.apply(podOf(name, spec, metadata));
  }

  /** The same over gRPC, where a command would take too long. */
  async make(name: string, spec: Fields): Promise<void> {
    await this.client.create('Pod', PodMessage.fromJSON(podOf(name, spec, { namespace: 'default' })));
  }

  async see(name: string): Promise<PodSeen> {
    return complete(await this.json<PodSeen>('get', 'pod', name));
  }

  /** The pod, as soon as it is like that; a pod without a status of a container that is asked for is not. */
  async until(name: string, what: string, like: (pod: PodSeen) => boolean, timeoutMs = PATIENCE_MS): Promise<PodSeen> {
    const isLike = (pod: PodSeen): boolean => {
      try {
        return like(pod);
      } catch (error) {
        if (error instanceof NotTold) return false;
        throw error;
      }
    };
    const found = await this.podUntil(name, what, (pod) => isLike(printed(pod)), timeoutMs);
    return printed(found);
  }

  /** The pod, as soon as all its containers are ready. */
  ready(name: string): Promise<PodSeen> {
    return this.until(name, 'ready', ({ status }) => status.conditions.some(({ type, status: is }) => type === 'Ready' && is === 'True'));
  }

  get<K extends Kind>(kind: K, name: string): Promise<KindMap[K]> {
    return this.client.get(kind, 'default', name);
  }

  /** Changes a node, again from its newest state where its agent or a controller wrote in between. */
  async changeNode(
    name: string,
    change: (node: { metadata: NonNullable<Node['metadata']>; spec: NonNullable<Node['spec']> }) => void,
  ): Promise<Node> {
    for (;;) {
      const node = await this.client.get('Node', '', name);
      if (node.metadata === undefined || node.spec === undefined) throw new Error(`node ${name} has no metadata or spec`);
      change({ metadata: node.metadata, spec: node.spec });
      try {
        return (await this.client.update('Node', node)).object;
      } catch (error) {
        if (!(error instanceof ApiError) || error.reason !== 'Conflict') throw error;
      }
    }
  }

  /** The pod when it is as wanted. */
  async podUntil(name: string, what: string, satisfied: (pod: Pod) => boolean, timeoutMs = PATIENCE_MS): Promise<Pod> {
    const found = await eventually(
      `pod ${name} ${what}`,
      () => this.pods(name),
      ([pod]) => pod !== undefined && satisfied(pod),
      timeoutMs,
    );
    return found[0] as Pod;
  }

  /** The first state of the object after a revision that is as wanted, also one that did not last until somebody asked. */
  async passing<K extends Kind>(
    kind: K,
    name: string,
    from: string | undefined,
    what: string,
    satisfied: (object: KindMap[K]) => boolean,
  ): Promise<KindMap[K]> {
    if (from === undefined) throw new Error(`${kind} ${name}: from which revision on?`);
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const query = { namespace: 'default', fieldSelector: `metadata.name=${name}` };
    let last: KindMap[K] | undefined;
    for await (const event of this.client.watch(kind, query, { from, signal, reset: false })) {
      if (event.type !== 'ADDED' && event.type !== 'MODIFIED') continue;
      last = event.object;
      if (satisfied(last)) return last;
    }
    throw new Error(`${kind} ${name} ${what}: not within ${PATIENCE_MS} ms; last seen: ${JSON.stringify(last)?.slice(0, 4000)}`);
  }

  private async pods(name: string): Promise<Pod[]> {
    try {
      return [await this.get('Pod', name)];
    } catch (error) {
      if (error instanceof ApiError && error.reason === 'NotFound') return [];
      throw error;
    }
  }

  podReady(name: string): Promise<Pod> {
    return this.podUntil(name, 'Ready', isReady);
  }

  /** When it has ended, whichever way. */
  podEnded(name: string): Promise<Pod> {
    return this.podUntil(name, 'ended', ({ status }) => status?.phase === 'Succeeded' || status?.phase === 'Failed');
  }

  /** What a pod's container wrote. */
  logs(pod: string, ...flags: readonly string[]): Promise<string> {
    return this.must('logs', pod, ...flags);
  }

  /** What a shell script says in a container, as soon as it says that: programs of a container that runs may have only just begun. */
  async says(pod: string, script: string, wanted: (said: string) => boolean, container?: string): Promise<string> {
    return eventually(`${pod}: ${script}`, () => this.sh(pod, script, container), wanted, PATIENCE_MS);
  }

  /** What a shell script says in a container. */
  async sh(pod: string, script: string, container?: string): Promise<string> {
    const chosen = container === undefined ? [] : ['-c', container];
    return (await this.must('exec', pod, ...chosen, '--', 'sh', '-c', script)).trim();
  }

  /** What a JavaScript expression is worth in a container. */
  async js(pod: string, expression: string, container?: string): Promise<string> {
    const chosen = container === undefined ? [] : ['-c', container];
    return (await this.must('exec', pod, ...chosen, '--', 'node', '-p', expression)).trim();
  }
}

export function podOf(name: string, spec: Fields, metadata: Fields = {}): Fields {
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name, ...metadata }, spec: { terminationGracePeriodSeconds: 0, ...spec } };
}

export function containerSeen(pod: PodSeen, name: string): ContainerSeen {
  const all = [...(pod.status.containerStatuses ?? []), ...(pod.status.initContainerStatuses ?? [])];
  const found = all.find((one) => one.name === name);
  if (found === undefined) throw new NotTold(`pod ${pod.metadata.name} has no status of container ${name}`);
  return found;
}

/** As the command prints it. */
function printed(pod: Pod): PodSeen {
  return complete(JSON.parse(JSON.stringify(toManifest('Pod', pod))) as PodSeen);
}

/** Empty lists are not printed: a pod that nobody has said anything of has no conditions. */
function complete(pod: PodSeen): PodSeen {
  return { ...pod, status: { ...pod.status, conditions: (pod.status as Partial<PodSeen['status']> | undefined)?.conditions ?? [] } };
}

export function isReady({ status }: Pod): boolean {
  return status?.conditions.some(({ type, status: value }) => type === 'Ready' && value === 'True') === true;
}

/** A container of the example image that runs a script; more: further lines of YAML flow, like `ports: [{containerPort: 80}]`. */
export function scriptContainer(name: string, script: string, more = ''): string {
  const rest = more === '' ? '' : `, ${more}`;
  return `{name: ${name}, image: "podplane-example/web:1", imagePullPolicy: IfNotPresent, command: [node, -e, ${JSON.stringify(script)}]${rest}}`;
}

/** How long a container that was started again so often, each time soon after it had begun, waits for its next start, in the node's words. */
export function backOff(restarts: number): string {
  const seconds = Math.min(10 * 2 ** (restarts - 1), 300);
  return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${seconds % 60}s`;
}

/** Runs until it is told to end. */
export const FOREVER = 'setInterval(() => {}, 1e6)';

/**
 * A TCP port of this machine that is free, and stays so: none of those that the kernel gives to connections and to who asks for any. Chosen by
 * chance, so that tests beside do not choose the same.
 */
export async function freePort(): Promise<number> {
  const [first = 32_768] = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').split(/\s+/).map(Number);
  for (let tries = 0; tries < 100; tries++) {
    const port = randomInt(Math.min(10_000, first - 1), first);
    if (await isFree(port)) return port;
  }
  throw new Error('no port');
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  const { promise, resolve } = Promise.withResolvers<boolean>();
  server.once('error', () => resolve(false)).listen(port, () => server.close(() => resolve(true)));
  return await promise;
}
