// The probes of a pod's containers: which are running, what they say about start-up and readiness, and whom they want killed. How one
// probe runs is in ../probes/; what follows from a verdict is the planner's business.
import type { Container } from '@podplane/api/gen/podplane/core/v1/container';
import type { ProbeKind } from '../probes/probe-state.js';
import { Prober } from '../probes/prober.js';
import { probesReported } from '../probes/reported.js';
import { type ContainerInfo, PAUSE_CONTAINER } from '../runtime/types.js';
import { alive, containerNameOf, group, viewSandbox } from './planner/observed.js';
import type { ProbeVerdict } from './planner/types.js';
import { containerField } from './pod-events.js';
import type { Now } from './pod-memory.js';
import type { KeptProbes, StepContext } from './worker-types.js';

export interface ProbedPod extends StepContext {
  /** The start of this container waits for its hook: it is not probed yet. */
  inPostStart(container: Container): boolean;
  /** A probe has said something new. */
  soon(): void;
}

export class PodProbers {
  /** By container id: whom a probe wants killed. */
  readonly verdicts = new Map<string, ProbeVerdict>();
  private readonly probers = new Map<string, Prober>();

  /** kept: results from before the agent was restarted, by container id. */
  constructor(
    private readonly worker: ProbedPod,
    private readonly kept: ReadonlyMap<string, KeptProbes>,
  ) {}

  /** Probes the containers that run, and no others. adopting: they may have run for long, unknown to this process. */
  sync(observed: readonly ContainerInfo[], now: Now, adopting: boolean): void {
    const { memory } = this.worker;
    const running = new Map(
      observed.filter((info) => alive(info) && containerNameOf(info) !== PAUSE_CONTAINER).map((info) => [info.id, info]),
    );
    for (const id of this.probers.keys()) if (!running.has(id)) this.drop(id);
    const { sandboxes } = group(observed);
    if (memory.phase !== 'sync' || viewSandbox(sandboxes, memory.sandbox).state !== 'ready') {
      for (const id of this.probers.keys()) if (memory.phase !== 'sync') this.drop(id);
      return;
    }
    for (const info of running.values()) {
      const container = this.worker.container(containerNameOf(info));
      if (container === undefined || this.probers.has(info.id) || this.worker.stopping.has(info.id)) continue;
      if (!this.worker.inPostStart(container)) this.begin(container, info, now, adopting);
    }
  }

  drop(containerId: string): void {
    if (this.probers.has(containerId)) this.worker.host.probes.drop?.(containerId);
    this.probers.get(containerId)?.stop();
    this.probers.delete(containerId);
    this.verdicts.delete(containerId);
  }

  /** Probes no more; what they know can still be asked for. */
  stop(): void {
    for (const prober of this.probers.values()) prober.stop();
  }

  /** Ids of containers that run and whose start-up is over. */
  started(): ReadonlySet<string> {
    return new Set([...this.probers].filter(([, prober]) => prober.started).map(([id]) => id));
  }

  /** Ids of containers whose probes say that they are ready. */
  ready(): ReadonlySet<string> {
    return new Set([...this.probers].filter(([, prober]) => prober.ready).map(([id]) => id));
  }

  /** Results to be kept over a restart of the agent. */
  toKeep(): ReadonlyMap<string, KeptProbes> {
    const kept = new Map<string, KeptProbes>();
    for (const [id, prober] of this.probers) kept.set(id, { startup: prober.state('startup'), readiness: prober.state('readiness') });
    return kept.size === 0 ? this.kept : kept;
  }

  private begin(container: Container, info: ContainerInfo, now: Now, adopting: boolean): void {
    const { worker } = this;
    const { host } = worker;
    const age = adopting ? Math.max(0, now.wall - (info.startedAt ?? now.wall)) : 0;
    const prober = new Prober({
      system: host.system,
      executor: host.probes,
      container,
      containerId: info.id,
      podIP: worker.memory.ip ?? '',
      startedAt: now.monotonic - age,
      kept: adopting ? (this.kept.get(info.id) ?? probesReported(worker.pod, container.name, info.id)) : undefined,
      events: {
        changed: (kind, state, message) => {
          if (state.verdict === 'failure' && kind !== 'readiness') this.kill(kind, container, info.id, message);
          host.changed();
          worker.soon();
        },
        unhealthy: (kind, message) => {
          const words = { startup: 'Startup', liveness: 'Liveness', readiness: 'Readiness' }[kind];
          host.event({
            pod: worker.ref,
            fieldPath: containerField(worker.pod, container.name),
            type: 'Warning',
            reason: 'Unhealthy',
            message: `${words} probe failed: ${message}`,
          });
        },
      },
    });
    this.probers.set(info.id, prober);
    prober.start();
  }

  private kill(kind: Exclude<ProbeKind, 'readiness'>, container: Container, id: string, message: string): void {
    const { host, ref } = this.worker;
    const probe = kind === 'liveness' ? container.livenessProbe : container.startupProbe;
    const text = `Container ${container.name} failed ${kind} probe, will be restarted`;
    host.log.info({ pod: ref, container: container.name, probe: kind, message }, 'a probe failed for good');
    this.verdicts.set(id, { kind, message: text, graceSeconds: probe?.terminationGracePeriodSeconds });
  }
}
