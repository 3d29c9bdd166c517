// The agent: puts session, pod workers, engine and state file together. What each of them decides is its own business; here is only
// who tells whom. How a process is made of it is main.ts.
import type { Assignments, Hello, OpenTunnel, PodReport, Refused, Welcome } from '@podplane/api/gen/podplane/node/v1/session';
import type { System, Timer } from '@podplane/api/system';
import type { AgentOptions } from './agent-options.js';
import { EngineMonitor } from './engine-monitor.js';
import { fencedReader } from './fencing/fenced-reader.js';
import { FenceKeeper } from './fencing/keeper.js';
import type { Log } from './log.js';
import { labelledAddresses, PodAddresses } from './network/pod-addresses.js';
import { GracefulShutdown } from './node/graceful-shutdown.js';
import { NodeCare } from './node/node-care.js';
import { NodeState } from './node/node-state.js';
import { roomBeside } from './pods/admission.js';
import { ContainerCache } from './pods/container-cache.js';
import { ImagePulls } from './pods/image-pulls.js';
import { podRef, refFromLabels } from './pods/names.js';
import { isTerminalPhase } from './pods/planner/plan.js';
import { PodWorker } from './pods/worker.js';
import type { NodeFacts, PodReportSource, WorkerHost } from './pods/worker-types.js';
import { networkProbeExecutor, type ProbeExecutor } from './probes/executor.js';
import type { ContainerRuntime } from './runtime/types.js';
import { AssignmentStore } from './session/assignments.js';
import { helloOf } from './session/hello.js';
import type { PortClosed } from './session/port.js';
import { type AfterRefusal, Refusals } from './session/refusals.js';
import { SessionClient } from './session/session.js';
import { loadState } from './state/load-state.js';
import { stateText } from './state/state-of.js';
import { StateWriter } from './state/state-store.js';
import { atMost } from './time.js';
import { type TunnelTarget, tunnelTarget } from './tunnel-target.js';
import { VolumeKeeper } from './volumes/keeper.js';
import type { VolumeFiles } from './volumes/pod-files.js';

const NODE_STATUS_MS = 300_000;
/** Of pods whose objects were removed without waiting for their end. */
const GONE_GRACE_SECONDS = 1;
/** How long the first answer of the engine is waited for. */
const ENGINE_ANSWER_MS = 2_000;
/** How long the server has to say what shall run here before pods from before a restart are started again. */
const HOLD_MS = 3_000;
/** How long an engine that hangs is waited for at the end. */
const STOP_MS = 2_000;

export class Agent implements WorkerHost {
  readonly system: System;
  readonly runtime: ContainerRuntime;
  readonly log: Log;
  readonly nodeName: string;
  readonly cache: ContainerCache;
  readonly addresses: PodAddresses;
  readonly references = new AssignmentStore();
  readonly pulls: ImagePulls;
  readonly messages: WorkerHost['messages'];
  readonly probes: ProbeExecutor;
  readonly files: VolumeFiles | undefined;
  readonly cgroups: AgentOptions['cgroups'];
  readonly session: SessionClient;
  readonly fence: FenceKeeper;
  /** For the host that shuts down. */
  readonly ending: GracefulShutdown;

  private readonly workers = new Map<string, PodWorker>();
  /** Reports of pods that are gone, until the server has them. */
  private readonly farewells = new Map<string, PodReport>();
  private readonly terminated = new Set<string>();
  private readonly node: NodeState;
  private readonly monitor: EngineMonitor;
  private readonly writer: StateWriter;
  readonly volumes: VolumeKeeper;
  private readonly care: NodeCare;
  private readonly tunnels: { open(request: OpenTunnel): void; close(): Promise<void> } | undefined;
  private clusterCIDR = '';
  private clusterId = '';
  /** The server has said completely what shall run here: whatever else runs is an orphan. */
  private synced = false;
  private readonly timers: Timer[] = [];
  private stopped = false;
  private connecting = false;
  private held = true;

  constructor(private readonly options: AgentOptions) {
    const { system, runtime, log, flags } = options;
    this.system = system;
    this.runtime = runtime;
    this.log = log;
    this.nodeName = flags.nodeName;
    this.addresses = new PodAddresses(system.clock, log);
    this.pulls = new ImagePulls(runtime, (name, before, id) => this.care.pulled.pulled(name, before, id, system.clock.now()));
    this.files = options.files;
    this.cgroups = options.cgroups;
    this.probes = options.probes ?? networkProbeExecutor(runtime, system.timers);
    this.messages = options.messages;
    const { leaseClock, watchdog } = options;
    this.fence = new FenceKeeper({ system, clock: leaseClock, watchdog, log, changed: () => this.wakeFenced() });
    this.cache = new ContainerCache(fencedReader(options.messages?.reader() ?? runtime, this.fence), flags.nodeName, (uid) => {
      this.fence.settle(this.cache);
      this.workers.get(uid)?.soon();
    });
    this.node = new NodeState({ ...options, clock: system.clock, report: (status) => this.session.reportNode(status) });
    this.monitor = new EngineMonitor({
      system,
      runtime,
      log,
      cache: this.cache,
      nodeName: flags.nodeName,
      handlers: {
        up: (info, network) => {
          this.node.engineUp(info, network);
          this.fence.engineUp();
          this.care.measure();
          this.connect();
          for (const worker of this.workers.values()) worker.soon();
        },
        down: (error) => {
          this.node.engineDown(error.advice === '' ? error.message : `${error.message} (${error.advice})`);
          this.connect();
        },
        listed: () => {
          this.fence.prune(this.cache);
          this.adoptOrphans();
        },
        hint: (containerId) => this.fence.hint(containerId),
      },
    });
    this.session = new SessionClient({
      system,
      log,
      connect: options.connect,
      leaseClock: options.leaseClock,
      handlers: {
        hello: () => this.hello(),
        welcome: (welcome) => this.welcome(welcome),
        assignments: (assignments) => this.assign(assignments),
        openTunnel: (request) => this.openTunnel(request),
        leased: (until, { leaseMillis, epoch, startsHeld }) => {
          this.references.told(epoch);
          this.fence.holdStarts(startsHeld);
          this.fence.renewed(until, leaseMillis, this.cache);
        },
        tokenReply: (reply) => this.volumes.tokens.take(reply),
        acknowledged: (reports) => this.acknowledged(reports),
        refused: (refused) => this.refused(refused),
        disconnected: (reason) => this.disconnected(reason),
      },
    });
    this.ending = new GracefulShutdown({ system, log, session: this.session, pods: () => this.workers.values() });
    this.writer = new StateWriter(system, options.state, () => this.stateText(), log);
    this.volumes = new VolumeKeeper(this, this.workers);
    const care = { system, runtime, log, cgroups: this.cgroups, cache: this.cache, node: this.node, settings: options.care ?? {} };
    this.care = new NodeCare({ ...care, changed: () => this.changed(), pods: () => this.workers.values(), event: this.event });
    this.tunnels = options.tunnels?.(this);
  }

  /** Takes up what the state file knows, then engine and server, whichever is there first. Throws where the state may not be read. */
  start(): void {
    this.fence.start();
    this.restore();
    this.monitor.start();
    this.timers.push(this.system.timers.after(ENGINE_ANSWER_MS, () => this.connect()));
    this.volumes.start();
    this.care.start();
    this.every(NODE_STATUS_MS, () => this.session.reportNode(this.node.status));
  }

  /** The server hears of this node when it is known whether the engine answers: a node that was Ready stays so over a restart. */
  private connect(): void {
    if (this.stopped || this.connecting) return;
    this.connecting = true;
    this.session.start();
    this.timers.push(
      this.system.timers.after(HOLD_MS, () => {
        this.held = false;
        for (const worker of this.workers.values()) worker.soon();
      }),
    );
  }

  /** Lets go of everything and leaves the pods as they are. */
  async stop(): Promise<void> {
    if (this.stopped) return;
    this.stopped = true;
    for (const timer of this.timers) timer.cancel();
    this.fence.stop();
    this.volumes.stop();
    this.care.stop();
    const ending = Promise.all([this.tunnels?.close(), this.monitor.stop()]);
    this.session.stop();
    for (const worker of this.workers.values()) worker.stop();
    this.probes.close?.();
    this.writer.changed();
    await this.writer.flush(); // before anything is waited for
    await atMost(this.system.timers, STOP_MS, ending);
  }

  /** Images came to the node by another way than a pull. */
  imagesChanged(): void {
    for (const worker of this.workers.values()) worker.imagesChanged();
  }

  /** The container that a tunnel is meant for. */
  tunnelTarget(podUid: string, container: string, previous: boolean): TunnelTarget | { readonly missingIn: string } {
    const worker = this.workers.get(podUid);
    const target = worker && tunnelTarget(worker.memory, this.cache.ofPod(podUid), container, previous);
    return target ?? { missingIn: worker?.ref.name ?? podUid };
  }

  /** True when no step of any pod is under way. For tests and for a quiet stop. */
  get idle(): boolean {
    return [...this.workers.values()].every((worker) => worker.idle);
  }

  private every(ms: number, fn: () => void): void {
    const turn = (): void => {
      if (this.stopped) return;
      fn();
      this.timers[index] = this.system.timers.after(ms, turn, { background: true });
    };
    const index = this.timers.push(this.system.timers.after(ms, turn, { background: true })) - 1;
  }

  private wakeFenced(): void {
    for (const worker of this.workers.values()) if (worker.fence !== undefined) worker.soon();
  }

  // --- what workers need ---

  event: WorkerHost['event'] = (event) => this.session.event(event);

  network(): string | undefined {
    return this.node.network;
  }

  holding(vanished: boolean): boolean {
    return !this.synced && (this.held || vanished);
  }

  readonly facts = (): NodeFacts => this.node.facts();
  readonly room: WorkerHost['room'] = (uid) => roomBeside(uid, this, this.workers.values());

  readonly engineTrouble = (): void => this.monitor.trouble();

  report(worker: PodReportSource, urgent: boolean): void {
    const report: PodReport = { ...worker.ref, status: worker.status, terminated: worker.terminated };
    if (worker.terminated) {
      this.farewells.set(worker.ref.uid, report);
      this.terminated.add(worker.ref.uid);
      this.workers.get(worker.ref.uid)?.stop();
      this.workers.delete(worker.ref.uid);
      this.changed();
    }
    // Orphans have no status, only an end.
    if (report.status !== undefined || report.terminated) this.session.report(report, urgent);
    this.ending.noticed();
  }

  changed(): void {
    this.writer.changed();
  }

  // --- session ---

  private hello(): Omit<Hello, 'dial'> {
    this.fence.greets(true);
    const { options, node, cache, fence, references } = this;
    const { lease } = this.session;
    return helloOf({ options, node, pods: this.workers.values(), cache, fence, podCIDR: this.addresses.cidr, references, lease });
  }

  private welcome(welcome: Welcome): void {
    this.log.info({ session: welcome.sessionId, podCIDR: welcome.podCIDR, leaseMillis: welcome.leaseMillis }, 'connected to the server');
    if (this.references.begin(welcome)) this.fence.hold();
    this.fence.holdStarts(welcome.startsHeld);
    this.clusterCIDR = welcome.clusterCIDR;
    this.clusterId = welcome.clusterId;
    if (welcome.podCIDR !== '') this.setPodCIDR(welcome.podCIDR);
    for (const worker of this.workers.values()) this.report(worker, true);
    for (const report of this.farewells.values()) this.session.report(report, true);
    this.changed();
  }

  private assign(message: Assignments): boolean {
    const applied = this.references.apply(message);
    if (applied.gap) return false;
    for (const uid of applied.removedUids) {
      const worker = this.workers.get(uid);
      worker?.end(message.complete && worker.fence === undefined ? undefined : GONE_GRACE_SECONDS);
      this.forgetTerminated(uid);
    }
    for (const pod of applied.pods) {
      const ref = podRef(pod);
      const worker = this.workers.get(ref.uid);
      if (worker !== undefined) worker.update(pod);
      else if (this.terminated.has(ref.uid))
        this.session.report(this.farewells.get(ref.uid) ?? { ...ref, status: undefined, terminated: true }, true);
      else this.takeOn(new PodWorker(this, pod));
    }
    for (const worker of this.workers.values()) if (applied.referencesIn.has(worker.ref.namespace)) worker.referencesChanged();
    if (message.complete) {
      for (const uid of this.terminated) if (!this.references.pods.has(uid)) this.forgetTerminated(uid);
      for (const worker of this.workers.values()) if (!this.references.pods.has(worker.ref.uid)) worker.end(undefined);
      this.synced = true;
      this.fence.greets(false);
      for (const worker of this.workers.values()) worker.soon();
      this.adoptOrphans();
    }
    this.volumes.assigned(message);
    this.changed();
    return true;
  }

  /** The server no longer names the pod: it will not ask for it again. */
  private forgetTerminated(uid: string): void {
    if (!this.farewells.has(uid)) this.terminated.delete(uid);
  }

  private takeOn(worker: PodWorker): void {
    this.workers.set(worker.ref.uid, worker);
    this.ending.came(worker);
    worker.soon();
  }

  private acknowledged(reports: readonly PodReport[]): void {
    for (const report of reports) {
      if (!report.terminated || this.farewells.get(report.uid) !== report) continue;
      this.farewells.delete(report.uid);
      if (this.synced && !this.references.pods.has(report.uid)) this.terminated.delete(report.uid);
      this.changed();
    }
  }

  private openTunnel(request: OpenTunnel): void {
    if (this.tunnels === undefined) this.session.refuseTunnel(request.tunnelId, 'Unavailable', 'this agent serves no tunnels');
    else this.tunnels.open(request);
  }

  private readonly refusals = new Refusals();
  private refused(refused: Refused): AfterRefusal {
    this.log.error({ reason: refused.reason }, `the server refuses this node: ${refused.message}`);
    const then = this.refusals.judge(refused.reason, this.system.clock.monotonic());
    if (then === 'stop') this.options.onRefused?.(refused);
    return then;
  }

  private lastDisconnect = ''; // the same words every second help nobody
  private disconnected({ code, message }: PortClosed): void {
    const text = `${code}: ${message}`;
    if (this.lastDisconnect !== text)
      this.log.warn({ code }, `no connection to the server; pods go on running, fenced ones as long as the lease lasts: ${message}`);
    this.lastDisconnect = text;
    this.fence.greets(false);
  }

  private setPodCIDR(cidr: string): void {
    const before = this.addresses.cidr;
    if (cidr === before) return;
    if (before !== '') this.log.warn({ from: before, to: cidr }, 'the node has other addresses now; its pods are made anew');
    const held = labelledAddresses(this.cache);
    for (const { memory, ref, status } of this.workers.values()) if (!isTerminalPhase(status?.phase)) held.push([ref.uid, memory.ip ?? '']);
    this.addresses.use(cidr, held);
    this.monitor.setPodCIDR(cidr);
  }

  /** Containers whose pod is not assigned here (any more) end. Only once the server has said what is. */
  private adoptOrphans(): void {
    if (!this.synced) return;
    for (const uid of this.cache.podUids()) {
      if (this.workers.has(uid)) continue;
      const ref = refFromLabels(uid, this.cache.ofPod(uid)[0]?.labels ?? {});
      this.log.info({ pod: ref }, 'containers of a pod that is not assigned to this node are removed');
      const worker = new PodWorker(this, ref);
      this.takeOn(worker);
      worker.end(undefined);
    }
  }

  private restore(): void {
    const state = loadState(this.options.state, this.nodeName, this.system.clock, this.log);
    if (state === undefined) return;
    this.clusterCIDR = state.clusterCIDR;
    this.clusterId = state.clusterId;
    for (const uid of state.terminated) this.terminated.add(uid);
    this.care.pulled.restore(state.images);
    this.references.restore(state);
    for (const pod of state.pods) {
      const { uid } = podRef(pod);
      if (!this.terminated.has(uid)) this.workers.set(uid, new PodWorker(this, pod, state.kept.get(uid)));
    }
    if (state.podCIDR !== '') this.setPodCIDR(state.podCIDR);
    for (const worker of this.workers.values()) worker.soon();
    this.log.info({ pods: this.workers.size, podCIDR: state.podCIDR }, 'took up what ran here before');
  }

  private stateText(): string {
    const { nodeName, clusterCIDR, clusterId, references, workers, terminated, care } = this;
    const sources = { nodeName, clusterCIDR, clusterId, references, workers, terminated, images: care.pulled.list };
    return stateText({ ...sources, podCIDR: this.addresses.cidr }, this.system.clock);
  }
}
