// A cluster in which one node can be cut off, frozen or robbed of its agent, and a StatefulSet of one pod that runs there; and what the Docker
// Engine says about when its containers ran. Used by the end-to-end test and by `npm run bench -- partition`.
import { type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import http from 'node:http';
import { connect, createServer, type Server, type Socket } from 'node:net';
import path from 'node:path';
import { removePodFiles } from '@podplane/agent/volumes/clean-up';
import { engine, eventually, Playground, removeContainer } from './harness.js';
import { ShellImage } from './shell-image.js';

/** Between the agent and the server: passes bytes on, or swallows all of them without a word to anybody. */
export class Cable {
  private readonly sockets = new Set<Socket>();
  private readonly server: Server;
  private cut = false;
  /** When the server's end was last passed something of the agent's, ms since 1970. */
  heardAt = 0;

  constructor(target: string) {
    const [host = '', port = ''] = target.split(':');
    this.server = createServer((near) => {
      const far = connect({ host, port: Number(port) });
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        this.sockets.add(from);
        from.on('data', (data) => {
          if (this.cut) return;
          if (from === near) this.heardAt = Date.now();
          to.write(data);
        });
        from.on('error', () => undefined);
        // Whoever is behind the cut hears nothing of an end either.
        from.on('close', () => {
          this.sockets.delete(from);
          if (!this.cut) to.destroy();
        });
      }
    });
  }

  async listen(): Promise<string> {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    const address = this.server.address();
    return `127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
  }

  pull(): void {
    this.cut = true;
  }

  /** What was connected through the cut is dead; new connections work. */
  plug(): void {
    for (const socket of this.sockets) socket.destroy();
    this.cut = false;
  }

  close(): void {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
  }
}

/** One run of an app container, by the engine's own clock, ms since 1970. */
export interface Run {
  readonly id: string;
  readonly node: string;
  readonly podUid: string;
  readonly startedAt: number;
  /** undefined: it runs. */
  endedAt: number | undefined;
}

interface EngineEvent {
  readonly Action: string;
  readonly id: string;
  readonly timeNano: number;
  readonly Actor: { readonly Attributes: Readonly<Record<string, string>> };
}

/** What the engine tells of the containers of pods of one name, as it happens. */
export class EngineWitness {
  readonly runs: Run[] = [];
  readonly lines: { readonly at: number; readonly text: string }[] = [];
  private request: http.ClientRequest | undefined;
  private readonly ready = Promise.withResolvers<void>();

  constructor(podName: string, socketPath = '/var/run/docker.sock') {
    const filters = JSON.stringify({ type: ['container'], label: [`podplane.dev/pod-name=${podName}`] });
    let rest = '';
    this.request = http.request({ socketPath, path: `/events?filters=${encodeURIComponent(filters)}` }, (response) => {
      this.ready.resolve();
      response.setEncoding('utf8').on('data', (piece: string) => {
        const parts = (rest + piece).split('\n');
        rest = parts.pop() ?? '';
        for (const part of parts) if (part.trim() !== '') this.take(JSON.parse(part) as EngineEvent);
      });
      response.on('error', () => undefined);
    });
    this.request.on('error', (error) => this.ready.reject(error)).end();
  }

  opened(): Promise<void> {
    return this.ready.promise;
  }

  note(text: string, at = Date.now()): void {
    this.lines.push({ at, text });
  }

  get running(): readonly Run[] {
    return this.runs.filter(({ endedAt }) => endedAt === undefined);
  }

  /** Pairs of runs of different pods that ran at the same time. */
  overlaps(): readonly string[] {
    const out: string[] = [];
    for (const [i, a] of this.runs.entries()) {
      for (const b of this.runs.slice(i + 1)) {
        const end = Math.min(a.endedAt ?? Number.POSITIVE_INFINITY, b.endedAt ?? Number.POSITIVE_INFINITY);
        const ms = end - Math.max(a.startedAt, b.startedAt);
        if (ms > 0) out.push(`${a.podUid} on ${a.node} and ${b.podUid} on ${b.node} for ${ms} ms`);
      }
    }
    return out;
  }

  /** The time line, in seconds from `zero`. */
  timeLine(zero: number): string {
    return this.lines
      .filter(({ at }) => at >= zero - 1)
      .sort((a, b) => a.at - b.at)
      .map(({ at, text }) => `${((at - zero) / 1000).toFixed(3).padStart(9)} s  ${text}`)
      .join('\n');
  }

  close(): void {
    this.request?.destroy();
  }

  /** A busy engine tells of an end late; when it was it still knows. */
  private async lookAtEnd(run: Run): Promise<void> {
    const found = await engine<{ readonly State: { readonly FinishedAt: string } }>('GET', `/containers/${run.id}/json`).catch(
      () => undefined,
    );
    const at = Date.parse(found?.State.FinishedAt ?? '');
    if (at > run.startedAt && run.endedAt !== undefined) run.endedAt = Math.min(run.endedAt, at);
  }

  private take({ Action, id, timeNano, Actor }: EngineEvent): void {
    const { Attributes } = Actor;
    if (Attributes['podplane.dev/container'] === 'POD') return;
    const at = timeNano / 1e6;
    const node = Attributes['podplane.dev/node'] ?? '';
    const podUid = Attributes['podplane.dev/pod-uid'] ?? '';
    const text = (what: string): string => `${node}: container ${id.slice(0, 12)} of pod ${podUid.slice(0, 8)} ${what}`;
    if (Action === 'start') {
      this.runs.push({ id, node, podUid, startedAt: at, endedAt: undefined });
      this.note(text('starts'), at);
    } else if (Action === 'die') {
      const run = this.runs.find((one) => one.id === id && one.endedAt === undefined);
      if (run !== undefined) {
        run.endedAt = at;
        void this.lookAtEnd(run);
      }
      this.note(text(`has ended (exit code ${Attributes.exitCode})`), at);
    }
  }
}

export interface PodSeen {
  readonly metadata: { readonly uid: string; readonly creationTimestamp: string; readonly annotations: Readonly<Record<string, string>> };
  readonly spec: { readonly nodeName?: string };
  readonly status?: {
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
    readonly containerStatuses?: readonly {
      readonly restartCount: number;
      readonly lastState?: { readonly terminated?: { readonly reason: string } };
    }[];
  };
}

export class FencingStage {
  readonly play = new Playground();
  readonly witness = new EngineWitness('db-0');
  readonly image = new ShellImage();
  cable!: Cable;
  /** The node whose agent reaches the server by the cable. */
  node = '';
  agent!: ChildProcess;
  agentLog = '';
  private serverByCable = '';

  /** Two nodes of `up`, and the one at the cable. */
  async open(): Promise<void> {
    await Promise.all([this.image.load(), this.witness.opened(), this.play.start(2)]);
    this.node = this.play.node(9);
    this.cable = new Cable(this.play.upFile.server.address);
    this.serverByCable = await this.cable.listen();
    const token = /--token (\S+)/.exec(await this.play.must('token', 'create'))?.[1] ?? '';
    this.startAgent('--token', token, '--name', this.node);
    await this.play.readyAgain(this.node);
  }

  startAgent(...flags: readonly string[]): void {
    const data = path.join(this.play.directory, 'cut-node');
    this.agent = this.play.run(['agent', '--data', data, '--server', this.serverByCable, ...flags]);
    this.agent.stderr?.on('data', (piece: Buffer) => {
      this.agentLog += piece.toString();
    });
    this.agent.stdout?.resume();
  }

  /** Which start of the node's agent the server knows. */
  async startKnown(): Promise<string> {
    const { status } = await this.play.json<{ readonly status?: { readonly nodeInfo?: { readonly bootID?: string } } }>(
      'get',
      'node',
      this.node,
    );
    return status?.nodeInfo?.bootID ?? '';
  }

  async pod(): Promise<PodSeen> {
    const { items } = await this.play.json<{ readonly items: readonly PodSeen[] }>('get', 'pods', '-l', 'app=db');
    const [pod] = items;
    return pod ?? { metadata: { uid: '', creationTimestamp: '', annotations: {} }, spec: {} };
  }

  isReady = (pod: PodSeen): boolean => pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false;

  /** The pod runs on the node at the cable, and may go elsewhere from now on. */
  async settle(): Promise<PodSeen> {
    const others = [this.play.node(1), this.play.node(2)];
    await this.play.must('cordon', ...others);
    const { uid } = (await this.pod()).metadata;
    if (uid === '') {
      // It ends on no signal but the last one, as a program that hangs does.
      const script = 'echo "epoch $PODPLANE_EPOCH"; trap "" TERM; while :; do sleep 1; done';
      const applied = await this.play.cli(
        ['apply', '-f', '-'],
        JSON.stringify({
          apiVersion: 'apps/v1',
          kind: 'StatefulSet',
          metadata: { name: 'db' },
          spec: {
            replicas: 1,
            selector: { matchLabels: { app: 'db' } },
            template: {
              metadata: { labels: { app: 'db' } },
              spec: {
                terminationGracePeriodSeconds: 1,
                containers: [{ name: 'db', image: this.image.name, command: ['/bin/sh', '-c', script] }],
              },
            },
          },
        }),
      );
      if (applied.code !== 0) throw new Error(applied.stderr);
    } else await this.play.must('delete', 'pod', 'db-0');
    const pod = await eventually(
      'db-0 is Ready on the node at the cable',
      () => this.pod(),
      (one) => one.metadata.uid !== uid && one.spec.nodeName === this.node && this.isReady(one),
      180_000,
    );
    await this.play.must('uncordon', ...others);
    return pod;
  }

  /** Resolves when the pod's successor is Ready elsewhere. */
  async replaced(before: PodSeen): Promise<PodSeen> {
    const pod = await eventually(
      'db-0 is Ready elsewhere',
      () => this.pod(),
      (one) => one.metadata.uid !== before.metadata.uid && one.spec.nodeName !== this.node && this.isReady(one),
      180_000,
    );
    this.witness.note(`db-0 is Ready on ${pod.spec.nodeName}, epoch ${pod.metadata.annotations['podplane.dev/epoch']}`);
    return pod;
  }

  async close(): Promise<void> {
    this.witness.close();
    if (this.agent.exitCode === null && this.agent.signalCode === null) {
      const ended = once(this.agent, 'exit');
      this.agent.kill('SIGCONT');
      this.agent.kill('SIGKILL');
      await ended;
    }
    // The node is none of `up`'s: what it has is removed by its own name.
    for (const { Id } of await this.play.containers(this.node)) await removeContainer(Id);
    await this.play.cli(['down', '--leftovers', this.node]);
    this.cable.close();
    await removePodFiles(path.join(this.play.directory, 'cut-node'));
    await this.play.remove();
    await this.image[Symbol.asyncDispose]();
  }
}
