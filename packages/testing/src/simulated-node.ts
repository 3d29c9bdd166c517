// A node without an engine: it speaks the real session protocol over any link and pretends to run what it is assigned. For simulations
// and benchmarks with thousands of nodes. What a real agent does with containers is not repeated here (see fake-runtime.ts for that).

import { Redial } from '@podplane/agent/session/redial';
import { NodeStatus } from '@podplane/api/gen/podplane/core/v1/node';
import type { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import { ConnectRequest, type ConnectResponse, type PodReport } from '@podplane/api/gen/podplane/node/v1/session';
import type { System, Timer } from '@podplane/api/system';
import { endOf, reportOf, type SimulatedPod, simulatedPod } from './simulated-pod.js';

/** One open stream, from the node's side. */
export interface NodeLink {
  send(message: ConnectRequest): void;
  /** Ends the stream; reset: as when the process was killed and the kernel closed its sockets; silent: as when the cable was cut. */
  close(how: 'reset' | 'silent'): void;
}

export interface NodeLinkEvents {
  message(message: ConnectResponse): void;
  closed(): void;
}

export interface SimulatedNodeOptions {
  readonly name: string;
  readonly cpu?: string;
  readonly memory?: string;
  readonly pods?: number;
  readonly labels?: Readonly<Record<string, string>>;
  /** Ms from an assignment to a pod's Ready; jittered by a quarter. */
  readonly startMs?: number;
  /** Ms from a pod's Ready to its success, where it is one that shall end (restartPolicy other than Always); undefined: it runs for ever. */
  readonly runMs?: number | undefined;
  /** Ms from a deletion to the report that the pod ended. */
  readonly stopMs?: number;
  readonly connect: (events: NodeLinkEvents) => NodeLink;
}

const STATUS_BATCH_MS = 20;
const ACK_TIMEOUT_MS = 3000;
/** A process full of nodes that is late finds answers that it has not read yet. */
const LAST_LOOK_MS = 20;
/** So long before the end of its lease a node has ended its fenced pods. */
const STOP_BEFORE_MS = 2000;

export class SimulatedNode {
  readonly name: string;
  /** Pods that "run" here now, by uid; survives a cut, not a kill. */
  readonly pods = new Map<string, SimulatedPod>();
  private link: NodeLink | undefined;
  private linkGeneration = 0;
  private bootId: string;
  private readonly machineId: string;
  private period = 1000;
  private beat: Timer | undefined;
  private redial: Timer | undefined;
  private flush: Timer | undefined;
  private heartbeatSeq = 0;
  private beatSentAt = 0;
  private fence: Timer | undefined;
  private fenceAt = 0;
  private statusSeq = 0;
  private awaiting: number | undefined;
  private readonly dirty = new Map<string, PodReport>();
  private lastAck = 0;
  private patience = 0;
  private readonly pace: Redial;
  private revision = -1;
  private alive = false;
  private podCIDR = '';
  private nextIp = 2;
  /** Counters for tests and tables. */
  readonly stats = { sessions: 0, assignments: 0, resyncs: 0, refused: 0 };

  constructor(
    private readonly system: System,
    private readonly options: SimulatedNodeOptions,
  ) {
    this.name = options.name;
    this.pace = new Redial(system);
    this.machineId = system.random.uid();
    this.bootId = system.random.uid();
  }

  /** Starts (or starts again after kill): dials, registers, runs what it is told. */
  start(): void {
    if (this.alive) return;
    this.alive = true;
    this.bootId = this.system.random.uid();
    this.dial();
  }

  /** The hard way: everything on the node is gone at once. silent: nobody is told (no reset reaches the server). */
  kill(how: 'reset' | 'silent'): void {
    this.alive = false;
    for (const pod of this.pods.values()) pod.timer?.cancel();
    this.pods.clear();
    this.dirty.clear();
    this.hangUp(how);
  }

  /** The network is cut; pods go on. */
  cut(): void {
    this.alive = false;
    this.hangUp('silent');
    // It has begun with pods before it had a lease; a real agent waits.
    if (this.system.clock.monotonic() >= this.fenceAt) this.endFenced();
  }

  /** The network is back; the same boot dials again. */
  heal(): void {
    if (this.alive) return;
    this.alive = true;
    this.dial();
  }

  get connected(): boolean {
    return this.link !== undefined && this.revision >= 0;
  }

  private hangUp(how: 'reset' | 'silent'): void {
    this.linkGeneration++;
    this.beat?.cancel();
    this.redial?.cancel();
    this.flush?.cancel();
    this.beat = this.redial = this.flush = undefined;
    this.link?.close(how);
    this.link = undefined;
    this.awaiting = undefined;
    this.revision = -1;
  }

  private dial(): void {
    if (!this.alive) return;
    const generation = ++this.linkGeneration;
    const current = (): boolean => this.alive && generation === this.linkGeneration;
    this.lastAck = this.system.clock.monotonic();
    this.patience = this.pace.patience();
    this.link = this.options.connect({
      message: (message) => {
        if (current()) this.receive(message);
      },
      closed: () => {
        if (current()) this.lost();
      },
    });
    this.send({ $case: 'hello', value: this.hello() });
    this.schedule();
  }

  private lost(): void {
    this.hangUp('reset');
    const leased = this.system.clock.monotonic() < this.fenceAt + STOP_BEFORE_MS;
    this.redial = this.system.timers.after(this.pace.delay(leased), () => this.dial());
  }

  private hello(): NonNullable<Extract<ConnectRequest['message'], { $case: 'hello' }>>['value'] {
    const resources = { cpu: this.options.cpu ?? '4', memory: this.options.memory ?? '32Gi', pods: String(this.options.pods ?? 110) };
    const time = new Date(this.system.clock.now()).toISOString();
    return {
      nodeName: this.name,
      bootId: this.bootId,
      machineId: this.machineId,
      agentVersion: 'simulated',
      labels: { 'kubernetes.io/hostname': this.name, ...this.options.labels },
      status: NodeStatus.fromPartial({
        capacity: resources,
        allocatable: resources,
        conditions: [{ type: 'Ready', status: 'True', reason: 'SimulatedNodeReady', message: '', lastTransitionTime: time }],
        addresses: [{ type: 'Hostname', address: this.name }],
      }),
      inventory: [...this.pods.values()].map(({ uid, namespace, name }) => ({ uid, namespace, name, guarded: true })),
      podCIDR: this.podCIDR,
      taints: [],
      dial: 0,
      epoch: 0,
      term: 0,
    };
  }

  private send(message: NonNullable<ConnectRequest['message']>): void {
    this.link?.send({ message });
  }

  private schedule(): void {
    this.beat?.cancel();
    this.beat = this.system.timers.after(this.period, () => {
      if (this.deadForMs() > 0) {
        this.beat = this.system.timers.after(LAST_LOOK_MS, () => (this.deadForMs() > LAST_LOOK_MS ? this.lost() : this.schedule()));
        return;
      }
      if (this.revision >= 0) {
        this.beatSentAt = this.system.clock.monotonic();
        this.send({ $case: 'heartbeat', value: { seq: ++this.heartbeatSeq } });
      }
      this.schedule();
    });
  }

  /** Ms since its patience with the connection ended. */
  private deadForMs(): number {
    const patience = this.revision < 0 ? this.patience : Math.max(ACK_TIMEOUT_MS, 3 * this.period);
    return this.system.clock.monotonic() - this.lastAck - patience;
  }

  private receive(message: ConnectResponse): void {
    const body = message.message;
    this.lastAck = this.system.clock.monotonic();
    switch (body?.$case) {
      case 'welcome':
        this.stats.sessions++;
        this.pace.succeeded();
        this.period = body.value.heartbeatPeriodMillis;
        this.podCIDR = body.value.podCIDR;
        return;
      case 'heartbeatAck':
        this.period = body.value.heartbeatPeriodMillis || this.period;
        if (body.value.seq === this.heartbeatSeq) this.leased(this.beatSentAt + body.value.leaseMillis);
        return;
      case 'assignments':
        this.assign(body.value);
        return;
      case 'podStatusesAck':
        if (body.value.seq === this.awaiting) this.awaiting = undefined;
        this.flushSoon();
        return;
      case 'reconnect':
        this.lost();
        return;
      case 'refused':
        this.stats.refused++;
        this.lost();
        return;
      case 'openTunnel':
        this.send({
          $case: 'tunnelRefused',
          value: { tunnelId: body.value.tunnelId, reason: 'Unavailable', message: 'a simulated node has no containers' },
        });
        return;
      case 'tokenReply': // it asks for none
      case undefined:
        return;
    }
  }

  private assign(message: { complete: boolean; from: number; to: number; pods: Pod[]; removedPodUids: string[] }): void {
    this.stats.assignments++;
    if (!message.complete && message.from !== this.revision) {
      this.stats.resyncs++;
      this.send({ $case: 'resync', value: true });
      return;
    }
    const first = this.revision < 0;
    this.revision = message.to;
    if (message.complete) {
      const named = new Set(message.pods.map((pod) => pod.metadata?.uid));
      for (const uid of [...this.pods.keys()]) if (!named.has(uid)) this.drop(uid);
    }
    for (const uid of message.removedPodUids) this.drop(uid);
    for (const pod of message.pods) this.want(pod);
    if (first) for (const pod of this.pods.values()) this.report(pod);
  }

  /** Fenced pods are stopped before the lease is over, connected or not; the next complete assignment starts them again. */
  private leased(until: number): void {
    this.fence?.cancel();
    this.fenceAt = until - STOP_BEFORE_MS;
    this.fence = this.system.timers.after(this.fenceAt - this.system.clock.monotonic(), () => this.endFenced(), { background: true });
  }

  private endFenced(): void {
    for (const { uid, fenced } of this.pods.values()) if (fenced) this.drop(uid);
  }

  private drop(uid: string): void {
    this.pods.get(uid)?.timer?.cancel();
    this.pods.delete(uid);
    this.dirty.delete(uid);
  }

  private want(pod: Pod): void {
    const uid = pod.metadata?.uid ?? '';
    let mine = this.pods.get(uid);
    if (pod.metadata?.deletionTimestamp !== undefined) {
      mine ??= simulatedPod(pod);
      if (mine.phase === 'stopping') return;
      mine.phase = 'stopping';
      mine.timer?.cancel();
      this.pods.set(uid, mine);
      mine.timer = this.system.timers.after(this.jitter(this.options.stopMs ?? 50), () => this.ended(uid));
      return;
    }
    if (mine !== undefined) return;
    const started = simulatedPod(pod);
    this.pods.set(uid, started);
    started.timer = this.system.timers.after(this.jitter(this.options.startMs ?? 100), () => this.run(started));
  }

  private run(pod: SimulatedPod): void {
    const { runMs } = this.options;
    pod.phase = 'running';
    pod.ran = { startedAt: this.timeText(), ip: `${this.podCIDR.split('.').slice(0, 3).join('.')}.${(this.nextIp++ % 250) + 2}` };
    pod.timer = runMs === undefined || !pod.ends ? undefined : this.system.timers.after(this.jitter(runMs), () => this.succeed(pod));
    this.report(pod);
  }

  private succeed(pod: SimulatedPod): void {
    if (pod.ran === undefined) return;
    pod.phase = 'over';
    pod.ran = { ...pod.ran, finishedAt: this.timeText() };
    this.report(pod);
  }

  private ended(uid: string): void {
    const pod = this.pods.get(uid);
    if (pod === undefined) return;
    this.pods.delete(uid);
    this.queue(endOf(pod));
  }

  private timeText(): string {
    return `${new Date(this.system.clock.now()).toISOString().slice(0, 19)}Z`;
  }

  private jitter(ms: number): number {
    return ms * (0.875 + 0.25 * this.system.random.next());
  }

  private report(pod: SimulatedPod): void {
    const report = reportOf(pod);
    if (report !== undefined) this.queue(report);
  }

  private queue(report: PodReport): void {
    this.dirty.set(report.uid, report);
    this.flushSoon();
  }

  private flushSoon(): void {
    if (this.flush !== undefined || this.dirty.size === 0 || this.awaiting !== undefined || !this.connected) return;
    this.flush = this.system.timers.after(STATUS_BATCH_MS, () => {
      this.flush = undefined;
      if (this.awaiting !== undefined || !this.connected || this.dirty.size === 0) return;
      const reports = [...this.dirty.values()];
      this.dirty.clear();
      this.awaiting = ++this.statusSeq;
      this.send({ $case: 'podStatuses', value: { seq: this.awaiting, reports } });
    });
  }
}
