// For tests of single fields: one cluster a file, manifests as text, pods read over gRPC (a command a question would cost half a second).
// What is checked is in the tests beside; everything else of the harness is in ../harness.ts.
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { ApiError } from '@podplane/api/errors';
import type { Kind, KindMap } from '@podplane/api/kinds/kind-map';
import { PodplaneClient } from '@podplane/client/client';
import { readContext } from '@podplane/client/context';
import { eventually, Playground } from '../harness.js';

type Pod = KindMap['Pod'];
type Node = KindMap['Node'];

export class FieldCluster {
  readonly play = new Playground();
  private made = 0;
  private opened: PodplaneClient | undefined;

  /** flags: of `up`. */
  async start(nodes = 1, flags: readonly string[] = []): Promise<void> {
    await this.play.start(nodes, flags);
    this.opened?.[Symbol.dispose]();
    this.opened = new PodplaneClient(await readContext(path.join(this.play.data, 'context.json')));
  }

  async remove(): Promise<void> {
    this.opened?.[Symbol.dispose]();
    await this.play.remove();
  }

  get client(): PodplaneClient {
    if (this.opened === undefined) throw new Error('the cluster is not started');
    return this.opened;
  }

  /** Applies a manifest and does not wait; what the command printed, warnings included. */
  async apply(manifest: string): Promise<string> {
    this.made += 1;
    const file = path.join(this.play.directory, `field-${this.made}.yaml`);
    writeFileSync(file, manifest);
    const { code, stdout, stderr } = await this.play.cli(['apply', '-f', file, '--wait=false']);
    if (code !== 0) throw new Error(`apply ended with ${code}\n${manifest}\n${stderr}`);
    return stdout + stderr;
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
  async pod(name: string, what: string, satisfied: (pod: Pod) => boolean, timeoutMs = 60_000): Promise<Pod> {
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

  ready(name: string): Promise<Pod> {
    return this.pod(name, 'Ready', isReady);
  }

  /** When it has ended, whichever way. */
  ended(name: string): Promise<Pod> {
    return this.pod(name, 'ended', ({ status }) => status?.phase === 'Succeeded' || status?.phase === 'Failed');
  }

  /** What a pod's container wrote. */
  logs(pod: string, ...flags: readonly string[]): Promise<string> {
    return this.play.must('logs', pod, ...flags);
  }

  /** The value of a JavaScript expression in a running pod of the example image, as text. */
  async inPod(pod: string, expression: string, ...flags: readonly string[]): Promise<string> {
    return (await this.play.must('exec', pod, ...flags, '--', 'node', '-p', expression)).trim();
  }
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
