// Ending the pods of a host that shuts down: in order of their priority, within the time there is, each told apart from a pod that ended by
// itself. That the host shuts down is found out in host-shutdown.ts; how a pod ends is its worker's business.
import type { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import type { System } from '@podplane/api/system';
import type { Log } from '../log.js';
import { NODE_SHUTDOWN, TERMINATED } from '../pods/planner/types.js';

export interface ShutdownLimits {
  /** For all pods together, ms. */
  readonly totalMs: number;
  /** What of it is kept for critical pods and those of DaemonSets, ms. */
  readonly criticalMs: number;
}

export const defaultShutdownLimits: ShutdownLimits = { totalMs: 30_000, criticalMs: 10_000 };

/** From here on priorities are those of system-node-critical and system-cluster-critical, as in Kubernetes. */
export const CRITICAL_PRIORITY = 2_000_000_000;

/** A pod's worker, as far as this is concerned. */
export interface EndingPod {
  readonly pod: Pod | undefined;
  /** Nothing of it runs any more. */
  readonly ended: boolean;
  /** Its end, whoever asks for it, waits for its turn. */
  hold(): void;
  /** Everything of it has ended and was removed. */
  readonly terminated: boolean;
  /** It shall end within so many seconds. */
  end(graceSeconds: number): void;
  /** Its turn: it ends as failed, within so many ms or its own grace, whichever is less. */
  release(reason: string, message: string, limitMs: number): void;
}

interface Phase<T> {
  readonly late: boolean;
  readonly pods: readonly T[];
}

function isLate(pod: Pod | undefined): boolean {
  const daemon = pod?.metadata?.ownerReferences.some(({ controller, kind }) => controller === true && kind === 'DaemonSet') ?? false;
  return daemon || (pod?.spec?.priority ?? 0) >= CRITICAL_PRIORITY;
}

/** Who ends together: by rising priority, critical pods and those of DaemonSets after all others. */
export function phasesOf<T extends { readonly pod: Pod | undefined }>(pods: Iterable<T>): Phase<T>[] {
  const groups = new Map<string, { late: boolean; priority: number; pods: T[] }>();
  for (const one of pods) {
    const late = isLate(one.pod);
    const priority = one.pod?.spec?.priority ?? 0;
    const key = `${late}/${priority}`;
    const group = groups.get(key) ?? { late, priority, pods: [] };
    group.pods.push(one);
    groups.set(key, group);
  }
  return [...groups.values()].sort((a, b) => Number(a.late) - Number(b.late) || a.priority - b.priority);
}

/** After its time a pod is killed; so much longer is waited for its end to be seen, ms. */
const KILL_MS = 1_500;
/** How long the server has to take in what became of the pods, ms. */
const LAST_WORD_MS = 2_000;
const LOOK_MS = 100;

export class GracefulShutdown {
  #look: (() => void) | undefined;
  #begun = false;

  constructor(
    private readonly parts: {
      readonly system: System;
      readonly log: Log;
      readonly pods: () => Iterable<EndingPod>;
      readonly session: { sayGoodbye(reason: string): Promise<void>; readonly told: boolean };
    },
  ) {}

  /** A pod came further. */
  noticed(): void {
    this.#look?.();
  }

  /** A pod came to the node: not while it shuts down. */
  came(pod: { fail(reason: string, message: string, graceMs: number): void }): void {
    if (this.#begun) pod.fail(NODE_SHUTDOWN, 'Pod was rejected as the node is shutting down.', 0);
  }

  /** Says goodbye and ends all pods. Resolves when they have ended and the server knows, or when the time is over. */
  async run(limits: ShutdownLimits): Promise<void> {
    if (this.#begun) return;
    this.#begun = true;
    const { system, log, session } = this.parts;
    void session.sayGoodbye('the host shuts down');
    const all = [...this.parts.pods()].filter(({ ended }) => !ended);
    for (const one of all) one.hold();
    const phases = phasesOf(all);
    const end = system.clock.monotonic() + limits.totalMs;
    for (const [i, phase] of phases.entries()) {
      const until = phase.late ? end : end - Math.min(limits.criticalMs, limits.totalMs);
      const alike = phases.slice(i).filter(({ late }) => late === phase.late).length;
      const limitMs = Math.max(0, until - system.clock.monotonic()) / alike;
      log.info({ pods: phase.pods.length, limitMs: Math.round(limitMs), late: phase.late }, 'the host shuts down: ending pods');
      for (const one of phase.pods) one.release(TERMINATED, 'Pod was terminated in response to imminent node shutdown.', limitMs);
      await this.#until(() => phase.pods.every(({ ended }) => ended), limitMs + KILL_MS);
    }
    for (let waited = 0; waited < LAST_WORD_MS && !session.told; waited += LOOK_MS) {
      await new Promise<void>((resolve) => void system.timers.after(LOOK_MS, resolve));
    }
    log.info({ left: all.filter(({ ended }) => !ended).length }, 'the pods have ended');
  }

  /** The node is removed from its cluster: all pods end, and what they leave is removed. Resolves then, or after mostMs. */
  async leave(graceSeconds: number, mostMs: number): Promise<void> {
    const all = [...this.parts.pods()];
    for (const one of all) one.end(graceSeconds);
    await this.#until(() => all.every(({ terminated }) => terminated), mostMs);
  }

  async #until(satisfied: () => boolean, mostMs: number): Promise<void> {
    if (satisfied()) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#look = () => {
      if (satisfied()) resolve();
    };
    const timer = this.parts.system.timers.after(mostMs, resolve);
    await promise;
    timer.cancel();
    this.#look = undefined;
  }
}
