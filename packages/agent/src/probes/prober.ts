// Runs the probes of one container run on injected timers and tells what changed. Verdicts are decided in probe-state.ts; what a
// verdict leads to is decided by the planner.
import type { Container } from '@podplane/api/gen/podplane/core/v1/container';
import type { Probe } from '@podplane/api/gen/podplane/core/v1/probe';
import type { System, Timer } from '@podplane/api/system';
import type { ProbeExecutor } from './executor.js';
import {
  afterProbe,
  FRESH_PROBE,
  firstTry,
  nextTry,
  type ProbeKind,
  type ProbeSchedule,
  type ProbeState,
  timingsOf,
} from './probe-state.js';

export interface ProberEvents {
  /** A verdict changed. */
  changed(kind: ProbeKind, state: ProbeState, message: string): void;
  /** A try failed that counts. */
  unhealthy(kind: ProbeKind, message: string): void;
}

export interface ProberOptions {
  readonly system: System;
  readonly executor: ProbeExecutor;
  readonly container: Container;
  readonly containerId: string;
  readonly podIP: string;
  /** When the container started; monotonic ms. */
  readonly startedAt: number;
  /** What was known before the agent was restarted. */
  readonly kept: { readonly startup?: ProbeState | undefined; readonly readiness?: ProbeState | undefined } | undefined;
  readonly events: ProberEvents;
}

/** The probes of one run of a container. Holds timers until stop(). */
export class Prober {
  private readonly stopper = new AbortController();
  private readonly timers = new Map<ProbeKind, Timer>();
  private readonly states = new Map<ProbeKind, ProbeState>();
  private endingOnly = false;

  constructor(private readonly options: ProberOptions) {
    const { container, kept } = options;
    if (container.startupProbe !== undefined) this.states.set('startup', kept?.startup ?? FRESH_PROBE);
    if (container.readinessProbe !== undefined) this.states.set('readiness', kept?.readiness ?? FRESH_PROBE);
    if (container.livenessProbe !== undefined) this.states.set('liveness', FRESH_PROBE);
  }

  start(): void {
    if (!this.started) this.begin('startup');
    else this.beginAfterStartup(false);
  }

  stop(): void {
    // Making the error that an abort carries takes longer than all else here.
    if (this.states.size > 0) this.stopper.abort();
    for (const timer of this.timers.values()) timer.cancel();
    this.timers.clear();
  }

  /** The pod ends: nothing may be killed by a probe any more. */
  stopKilling(): void {
    this.endingOnly = true;
    for (const kind of ['liveness', 'startup'] as const) {
      this.timers.get(kind)?.cancel();
      this.timers.delete(kind);
    }
  }

  /** Start-up is over, or there is no probe for it. */
  get started(): boolean {
    const state = this.states.get('startup');
    return state === undefined || state.verdict === 'success';
  }

  get ready(): boolean {
    if (!this.started) return false;
    const state = this.states.get('readiness');
    return state === undefined || state.verdict === 'success';
  }

  state(kind: ProbeKind): ProbeState | undefined {
    return this.states.get(kind);
  }

  private probe(kind: ProbeKind): Probe | undefined {
    const { container } = this.options;
    return kind === 'startup' ? container.startupProbe : kind === 'liveness' ? container.livenessProbe : container.readinessProbe;
  }

  private beginAfterStartup(justNow: boolean): void {
    for (const kind of ['readiness', 'liveness'] as const) this.begin(kind, justNow);
  }

  private begin(kind: ProbeKind, startupJustOver = false): void {
    const probe = this.probe(kind);
    if (probe === undefined || this.stopper.signal.aborted || (this.endingOnly && kind !== 'readiness')) return;
    const { system, startedAt, kept } = this.options;
    const now = system.clock.monotonic();
    const timings = timingsOf(probe);
    // After a restart of the agent all probes of all containers would come at the same moment.
    const spread = kept === undefined || startupJustOver ? 0 : system.random.next() * timings.periodMs;
    const at = Math.max(now + spread, startedAt + timings.initialDelayMs);
    const first = firstTry(kind, timings, at);
    if (first.at <= now) void this.attempt(kind, first.schedule, first.early);
    else this.schedule(kind, first.schedule, first.at, first.early);
  }

  private schedule(kind: ProbeKind, schedule: ProbeSchedule, at: number, early: boolean): void {
    const { system } = this.options;
    const delay = at - system.clock.monotonic();
    this.timers.set(
      kind,
      system.timers.after(Math.max(0, delay), () => void this.attempt(kind, schedule, early), { background: true }),
    );
  }

  private async attempt(kind: ProbeKind, schedule: ProbeSchedule, early: boolean): Promise<void> {
    const probe = this.probe(kind);
    const before = this.states.get(kind);
    if (probe === undefined || before === undefined) return;
    const { executor, container, containerId, podIP, events, system } = this.options;
    const timings = timingsOf(probe);
    const outcome = await executor.run(probe, { container, containerId, podIP }, timings.timeoutMs, this.stopper.signal);
    if (this.stopper.signal.aborted || (this.endingOnly && kind !== 'readiness')) return;
    const step = afterProbe(kind, timings, before, outcome, early);
    this.states.set(kind, step.state);
    if (!step.done) {
      const next = nextTry(kind, timings, step.state, schedule, system.clock.monotonic(), early);
      this.schedule(kind, next.schedule, next.at, next.early);
    }
    if (step.report) events.unhealthy(kind, outcome.message);
    if (step.state.verdict !== before.verdict) {
      events.changed(kind, step.state, outcome.message);
      if (kind === 'startup' && step.state.verdict === 'success') this.beginAfterStartup(true);
    }
  }
}
