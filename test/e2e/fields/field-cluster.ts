// A cluster for tests of fields: pods from objects or manifests, looks into their containers, and reads of objects: as the command prints them
// (see, until, ready) or typed, over gRPC (get, podUntil, podReady, podEnded), where a command a question would cost half a second each. What is
// checked is in the tests beside; everything else of the harness is in ../harness.ts. The rows of the support table that a test proves stand in
// its title.
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { ApiError } from '@podplane/api/errors';
import type { Kind, KindMap } from '@podplane/api/kinds/kind-map';
import { PodplaneClient } from '@podplane/client/client';
import { readContext } from '@podplane/client/context';
import type { Outcome } from '../harness.js';
import { eventually, Playground } from '../harness.js';

type Pod = KindMap['Pod'];
type Node = KindMap['Node'];

/** Has a shell, node and the usual small tools. */
export const IMAGE = 'podplane-example/web:1';

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
    readonly conditions: readonly { readonly type: string; readonly status: string; readonly reason?: string; readonly message?: string }[];
    readonly containerStatuses?: readonly ContainerSeen[];
    readonly initContainerStatuses?: readonly ContainerSeen[];
  };
}

/** A container that runs a shell script. */
export function shell(name: string, script: string, more: Fields = {}): Fields {
  return { name, image: IMAGE, imagePullPolicy: 'IfNotPresent', command: ['sh', '-c', script], ...more };
}

export class FieldCluster extends Playground {
  private files = 0;
  private opened: PodplaneClient | undefined;

  override async start(nodes = 1, flags: readonly string[] = []): Promise<number> {
    const ms = await super.start(nodes, flags);
    this.opened?.[Symbol.dispose]();
    this.opened = new PodplaneClient(await readContext(path.join(this.data, 'context.json')));
    return ms;
  }

  override async remove(): Promise<void> {
    this.opened?.[Symbol.dispose]();
    await super.remove();
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

  see(name: string): Promise<PodSeen> {
    return this.json<PodSeen>('get', 'pod', name);
  }

  /** The pod, as soon as it is like that. */
  until(name: string, what: string, like: (pod: PodSeen) => boolean, timeoutMs = 60_000): Promise<PodSeen> {
    return eventually(`pod ${name} ${what}`, () => this.see(name), like, timeoutMs);
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
  async podUntil(name: string, what: string, satisfied: (pod: Pod) => boolean, timeoutMs = 60_000): Promise<Pod> {
    const found = await eventually(
      `pod ${name} ${what}`,
      () => this.pods(name),
      ([pod]) => pod !== undefined && satisfied(pod),
      timeoutMs,
    );
    return found[0] as Pod;
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
  if (found === undefined) throw new Error(`pod ${pod.metadata.name} has no status of container ${name}`);
  return found;
}

export function isReady({ status }: Pod): boolean {
  return status?.conditions.some(({ type, status: value }) => type === 'Ready' && value === 'True') === true;
}

/** A container of the example image that runs a script; more: further lines of YAML flow, like `ports: [{containerPort: 80}]`. */
export function scriptContainer(name: string, script: string, more = ''): string {
  const rest = more === '' ? '' : `, ${more}`;
  return `{name: ${name}, image: "podplane-example/web:1", imagePullPolicy: IfNotPresent, command: [node, -e, ${JSON.stringify(script)}]${rest}}`;
}

/** Runs until it is told to end. */
export const FOREVER = 'setInterval(() => {}, 1e6)';

/** A TCP port of this machine that is free now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, '127.0.0.1', resolve);
  await promise;
  const address = server.address();
  server.close();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
