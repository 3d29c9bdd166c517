// One worker for each pod. Keeps only the newest desired state, asks the planner, starts the steps that it answers with, and asks
// again when anything has changed. Idle it costs nothing: no polling, one timer at most besides those of probes. What to do is
// decided by planner/, how it is done is in steps.ts, what is reported in status.ts.

import { isFenced } from '@podplane/api/fencing';
import type { Container } from '@podplane/api/gen/podplane/core/v1/container';
import type { Pod, PodStatus } from '@podplane/api/gen/podplane/core/v1/pod';
import { deepEqual } from '@podplane/api/kinds/equal';
import type { Timer } from '@podplane/api/system';
import type { Fence } from '../fencing/fence.js';
import { type ContainerInfo, PAUSE_CONTAINER } from '../runtime/types.js';
import { activeMsLeft, DEADLINE_EXCEEDED } from './deadline.js';
import { graceSecondsOf } from './grace.js';
import { type PodRef, podRef } from './names.js';
import { admissionVerdict } from './node-verdict.js';
import { allDone, findContainer } from './planner/containers.js';
import { alive, containerNameOf } from './planner/observed.js';
import { isTerminalPhase, plan } from './planner/plan.js';
import { containerTarget, DEFAULT_GRACE_SECONDS, EVICTED, NODE_SHUTDOWN, type Plan, type PodMemory, type Step } from './planner/types.js';
import { withAddress } from './pod-address.js';
import { memoryFor, noteObserved, withContainer } from './pod-memory.js';
import { PodProbers } from './pod-probers.js';
import { refreshFiles } from './refresh-files.js';
import { isUrgent, podStatus } from './status.js';
import { waitingEvents } from './status-events.js';
import { runStep } from './steps.js';
import type { KeptProbes, PodReportSource, StepContext, WorkerHost } from './worker-types.js';

/** What timers take. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** What is known of a pod from before the agent was restarted. */
export interface KeptPod {
  readonly memory: PodMemory;
  readonly probes: ReadonlyMap<string, KeptProbes>;
  readonly status: PodStatus | undefined;
  readonly acceptedAt: number;
}

/** As in Kubernetes, whatever the pod's own grace is. */
const EVICTION_GRACE_MS = 1_000;

interface Busy {
  readonly abort: AbortController;
  readonly step: Step['kind'];
}

export class PodWorker implements StepContext, PodReportSource {
  readonly ref: PodRef;
  pod: Pod | undefined;
  memory: PodMemory;
  status: PodStatus | undefined;
  readonly stopping = new Map<string, number>();
  readonly acceptedAt: number;

  private readonly busy = new Map<string, Busy>();
  private readonly probers: PodProbers;
  private adopting = true;
  /** The node has said yes to it. */
  private taken = false;
  /** It had containers and has none: an agent that was killed writes no more down that it has just ended a pod. */
  private vanished = false;
  private wake: Timer | undefined;
  private scheduled = false;
  private fileProblems = '';
  private stopped = false;
  /** Set while its end has to wait: in how many seconds somebody wanted it. */
  private held: { end: number | undefined } | undefined;
  /** Once the pod has ended its status stands, whatever is removed afterwards. */
  private final = false;

  constructor(
    readonly host: WorkerHost,
    what: Pod | PodRef,
    kept?: KeptPod,
  ) {
    this.pod = 'uid' in what ? undefined : what;
    this.ref = 'uid' in what ? what : podRef(what);
    this.memory = kept?.memory ?? memoryFor(this.pod);
    this.probers = new PodProbers(this, kept?.probes ?? new Map());
    this.status = kept?.status;
    this.acceptedAt = kept?.acceptedAt ?? host.system.clock.now();
    if (this.pod?.metadata?.deletionTimestamp !== undefined) this.update(this.pod);
  }

  get terminated(): boolean {
    return this.memory.phase === 'terminated';
  }

  get fence(): Fence | undefined {
    return this.pod !== undefined && isFenced(this.pod) ? this.host.fence.fence : undefined;
  }

  get idle(): boolean {
    return this.busy.size === 0 && !this.scheduled;
  }

  // --- what may happen ---

  /** The newest desired state. A pod that is to end never comes back. */
  update(pod: Pod): void {
    this.pod = pod;
    if (pod.metadata?.deletionTimestamp !== undefined) {
      this.end(pod.metadata.deletionGracePeriodSeconds ?? pod.spec?.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS);
    }
    this.referencesChanged();
    this.soon();
  }

  /** The pod shall end within that many seconds; undefined: its own grace. A later, shorter grace counts; a longer one does not. */
  end(graceSeconds: number | undefined): void {
    if (this.memory.phase === 'terminated') return;
    const seconds = graceSeconds ?? graceSecondsOf(this.pod, this.host.cache.ofPod(this.ref.uid));
    if (this.held !== undefined) {
      this.held.end = Math.min(seconds, this.held.end ?? seconds);
      return;
    }
    const deadline = this.host.system.clock.monotonic() + seconds * 1000;
    if (this.memory.phase === 'sync') {
      this.memory = { ...this.memory, phase: 'terminating', deadline };
      this.abortWaiting();
      this.host.changed();
    } else if (deadline < (this.memory.deadline ?? Number.POSITIVE_INFINITY)) {
      this.memory = { ...this.memory, deadline };
    }
    this.soon();
  }

  /** The pod as long as the node may take its volumes' size for a reason to evict it. */
  get limited(): Pod | undefined {
    const over = this.memory.phase !== 'sync' || this.memory.failed !== undefined || isTerminalPhase(this.pod?.status?.phase);
    return over ? undefined : this.pod;
  }

  /** Nothing of it runs any more; of one whose object is to go, nothing is left. */
  get ended(): boolean {
    return this.terminated || (this.memory.phase === 'sync' && this.held === undefined && isTerminalPhase(this.status?.phase));
  }

  /** The host shuts down: the pod ends when its turn has come, whoever asks for its end before. */
  hold(): void {
    if (this.memory.phase === 'sync') this.held ??= { end: undefined };
  }

  /** Its turn has come: it ends as failed within so many ms, or its own grace where that is less. */
  release(reason: string, message: string, limitMs: number): void {
    const held = this.held;
    this.held = undefined;
    const graceMs = Math.min(limitMs, graceSecondsOf(this.pod, this.host.cache.ofPod(this.ref.uid)) * 1000);
    this.fail(reason, message, graceMs);
    if (held?.end !== undefined) this.end(Math.min(held.end, graceMs / 1000));
  }

  /** What it asks for of the node is its own. Once its end was told the scheduler gives it to others, though remains may take a moment to go. */
  get placed(): boolean {
    const isOver = this.ended || isTerminalPhase(this.status?.phase) || isTerminalPhase(this.pod?.status?.phase);
    return (this.taken || this.memory.sandbox.attempt >= 0) && !isOver;
  }

  /** It ends or has ended: none of its containers will be started again. */
  get over(): boolean {
    return this.memory.phase !== 'sync' || isTerminalPhase(this.status?.phase);
  }

  /** Ends the pod as failed because it used more of the node than it may. */
  evict(message: string): void {
    this.fail(EVICTED, message, EVICTION_GRACE_MS);
  }

  /** Ends the pod as failed, whatever its containers do; one that is over already, or on its way out, stays what it is. */
  fail(reason: string, message: string, graceMs: number): void {
    if (this.limited === undefined) return;
    const { host } = this;
    host.event({ pod: this.ref, fieldPath: '', type: 'Warning', reason, message });
    const rejected = reason === NODE_SHUTDOWN ? { rejected: true } : {};
    this.memory = { ...this.memory, failed: { reason, message, ...rejected }, deadline: host.system.clock.monotonic() + graceMs };
    this.abortWaiting();
    host.changed();
    this.soon();
  }

  /** A ConfigMap or Secret changed: what waited for one is tried again. */
  referencesChanged(): void {
    for (const [name, container] of this.memory.containers) {
      if (container.failure?.retryAt === undefined && container.failure !== undefined)
        this.memory = withContainer(this.memory, name, { failure: undefined });
    }
    if (this.memory.volumes.failure?.retryAt === undefined && this.memory.volumes.failure !== undefined) {
      this.memory = { ...this.memory, volumes: { ready: false, failure: undefined } };
    }
    this.fileProblems = refreshFiles(this, this.fileProblems);
    this.soon();
  }

  /** Images came to the node: what waited for one looks again. */
  imagesChanged(): void {
    for (const [name, { image }] of this.memory.containers) {
      if (image.state === 'failed') this.memory = withContainer(this.memory, name, { image: { state: 'unknown' } });
    }
    this.soon();
  }

  /** Looks at everything again in a moment: the pod's containers changed, or the node did. */
  soon(): void {
    if (this.scheduled || this.stopped) return;
    this.scheduled = true;
    queueMicrotask(() => {
      this.scheduled = false;
      this.run();
    });
  }

  /** Stops caring for the pod; its containers are left as they are. */
  stop(): void {
    this.stopped = true;
    this.wake?.cancel();
    // What they know is still written to the state file.
    this.probers.stop();
    for (const busy of this.busy.values()) if (busy.step === 'ensure-image') busy.abort.abort();
  }

  /** What takes long and is wanted no more: pulls, and hooks of containers that were started. */
  private abortWaiting(): void {
    for (const busy of this.busy.values()) if (busy.step === 'ensure-image' || busy.step === 'start-container') busy.abort.abort();
  }

  // --- what steps may do ---

  container(name: string): Container | undefined {
    return findContainer(this.pod, name)?.container;
  }

  progressed(): void {
    this.soon();
  }

  dropProbes(containerId: string): void {
    this.probers.drop(containerId);
  }

  /** Probe results to be kept over a restart of the agent. */
  probesToKeep(): ReadonlyMap<string, KeptProbes> {
    return this.probers.toKeep();
  }

  /** The start of this container waits for its hook. */
  inPostStart(container: Container): boolean {
    return container.lifecycle?.postStart !== undefined && this.busy.get(containerTarget(container.name))?.step === 'start-container';
  }

  // --- the turn of the wheel ---

  private run(): void {
    if (this.stopped) return;
    const { system, cache } = this.host;
    const observed = cache.ofPod(this.ref.uid);
    const now = { wall: system.clock.now(), monotonic: system.clock.monotonic() };
    const before = this.memory;
    // Nothing can be concluded from not seeing containers before the engine was asked once.
    const seeing = this.host.network() !== undefined;
    if (seeing) {
      if (this.adopting) this.vanished = observed.length === 0 && this.memory.sandbox.attempt >= 0;
      this.memory = noteObserved(this.memory, observed, now, this.adopting);
      this.adoptByFence(observed);
      this.admit();
      this.memory = withAddress(this, this.busy.has('sandbox'));
      this.checkDeadline(observed, now);
      this.probers.sync(observed, now, this.adopting);
      this.adopting = false;
      this.act(observed, now);
    }
    this.publish(observed, now);
    if (this.memory !== before) this.host.changed();
  }

  private act(observed: readonly ContainerInfo[], now: { readonly wall: number; readonly monotonic: number }): void {
    if (this.memory.phase === 'terminated') return;
    const next = plan({
      pod: this.pod,
      memory: this.memory,
      observed,
      verdicts: this.probers.verdicts,
      started: this.probers.started(),
      busy: new Set(this.busy.keys()),
      stopping: this.stopping,
      hold: this.host.holding(this.vanished),
      fence: this.fence,
      now: now.monotonic,
    });
    for (const step of next.steps) this.begin(step);
    this.outcome(next, observed, now);
    this.wake?.cancel();
    const wakeAt = Math.min(
      next.wakeAt ?? Number.POSITIVE_INFINITY,
      now.monotonic + activeMsLeft(this.pod, this.memory, this.status, this.acceptedAt, now.wall),
    );
    this.wake =
      wakeAt === Number.POSITIVE_INFINITY
        ? undefined
        : this.host.system.timers.after(Math.min(Math.max(0, wakeAt - now.monotonic), MAX_TIMER_MS), () => this.soon(), {
            background: true,
          });
  }

  /** Before anything of it was started: a node that cannot keep the pod safe, or lacks what it needs, does not run it. */
  private admit(): void {
    if (this.taken || this.limited === undefined) return;
    const verdict = this.memory.sandbox.attempt >= 0 ? undefined : admissionVerdict(this.limited, this.host);
    this.taken = verdict === undefined;
    if (verdict === undefined) return;
    this.memory = { ...this.memory, failed: { ...verdict, rejected: true } };
    this.host.event({ pod: this.ref, fieldPath: '', type: 'Warning', ...verdict });
  }

  private checkDeadline(observed: readonly ContainerInfo[], now: { readonly wall: number }): void {
    const { pod, memory, status, acceptedAt } = this;
    if (pod === undefined || activeMsLeft(pod, memory, status, acceptedAt, now.wall) > 0 || allDone(pod, observed, memory.containers))
      return;
    this.memory = { ...memory, failed: DEADLINE_EXCEEDED };
    this.host.event({ pod: this.ref, fieldPath: '', type: 'Normal', ...DEADLINE_EXCEEDED });
    this.abortWaiting();
  }

  private outcome(next: Plan, observed: readonly ContainerInfo[], now: { readonly wall: number; readonly monotonic: number }): void {
    if (this.memory.phase !== 'terminating' || next.outcome === 'running') return;
    if (!this.final) {
      this.setStatus(this.computeStatus(observed, now, true));
      this.final = true;
    }
    if (next.outcome !== 'removed') return;
    this.memory = { ...this.memory, phase: 'terminated' };
    this.host.report(this, true);
  }

  private begin(step: Step): void {
    const abort = new AbortController();
    this.busy.set(step.target, { abort, step: step.kind });
    void runStep(step, this, abort.signal)
      .catch((error: unknown) => {
        this.host.log.error({ pod: this.ref, step: step.kind, err: error }, 'a step failed in an unexpected way');
        return 10_000;
      })
      .then((restMs) => {
        if (restMs <= 0 || this.stopped) {
          this.busy.delete(step.target);
          this.soon();
          return;
        }
        this.host.system.timers.after(
          restMs,
          () => {
            this.busy.delete(step.target);
            this.soon();
          },
          { background: true },
        );
        this.soon();
      });
  }

  private adoptByFence(observed: readonly ContainerInfo[]): void {
    if (this.pod === undefined || !isFenced(this.pod)) return;
    this.host.fence.adopt(observed.filter((info) => alive(info) && containerNameOf(info) !== PAUSE_CONTAINER).map(({ id }) => id));
  }

  // --- status ---

  private computeStatus(
    observed: readonly ContainerInfo[],
    now: { readonly wall: number; readonly monotonic: number },
    ended: boolean,
  ): PodStatus | undefined {
    const { pod } = this;
    if (pod === undefined) return undefined;
    const ready = this.memory.phase === 'sync' ? this.probers.ready() : new Set<string>();
    const started = this.probers.started();
    const { memory, acceptedAt, status: previous } = this;
    return podStatus({ pod, memory, observed, ready, started, hostIP: this.host.facts().hostIP, previous, acceptedAt, ended, now });
  }

  private publish(observed: readonly ContainerInfo[], now: { readonly wall: number; readonly monotonic: number }): void {
    // What was reported before the agent was restarted stands until the engine has been asked.
    if (this.final || (this.adopting && this.status !== undefined)) return;
    this.setStatus(this.computeStatus(observed, now, false));
  }

  private setStatus(status: PodStatus | undefined): void {
    const before = this.status;
    if (status === undefined || deepEqual(before, status)) return;
    this.status = status;
    for (const event of waitingEvents(this.ref, this.pod, before, status)) this.host.event(event);
    if (isTerminalPhase(status.phase)) this.host.facts().devices?.podEnded(this.ref.uid);
    this.host.changed();
    this.host.report(this, isUrgent(before, status));
  }
}
