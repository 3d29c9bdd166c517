// The status of a pod as Kubernetes reports it: phase, conditions, addresses. Pure. Containers are in container-status.ts.
import type { Pod, PodCondition, PodStatus } from '@podplane/api/gen/podplane/core/v1/pod';
import { qosClass } from '@podplane/api/kinds/pod-spec/qos';
import type { ContainerInfo } from '../runtime/types.js';
import { rfc3339 } from '../time.js';
import { type ContainerView, containerStatus } from './container-status.js';
import { podRef } from './names.js';
import { group, viewSandbox } from './planner/observed.js';
import { isTerminalPhase } from './planner/plan.js';
import type { PodMemory } from './planner/types.js';

export interface StatusInput {
  readonly pod: Pod;
  readonly memory: PodMemory;
  readonly observed: readonly ContainerInfo[];
  /** Ids of containers that are ready, and of those whose start-up is over. */
  readonly ready: ReadonlySet<string>;
  readonly started: ReadonlySet<string>;
  readonly hostIP: string;
  /** The status reported before; times of conditions that did not change are kept. */
  readonly previous: PodStatus | undefined;
  /** When the agent took the pod on; ms since 1970. */
  readonly acceptedAt: number;
  /** All containers have ended for good (after the end of a pod that was to end). */
  readonly ended: boolean;
  readonly now: { readonly wall: number; readonly monotonic: number };
}

/** Conditions that the agent owns; others are left as the server has them. */
const OWN_CONDITIONS = new Set(['PodReadyToStartContainers', 'Initialized', 'ContainersReady', 'Ready', 'PodScheduled']);

export function podStatus(input: StatusInput): PodStatus {
  const { pod, memory } = input;
  const { sandboxes, apps } = group(input.observed);
  const ref = podRef(pod);
  const views = (pod.spec?.containers ?? []).map((container) => {
    const list = apps.get(container.name) ?? [];
    return containerStatus({
      container,
      restartPolicy: pod.spec?.restartPolicy,
      podText: `${ref.name}_${ref.namespace}(${ref.uid})`,
      memory: memory.containers.get(container.name),
      list,
      restartable: memory.phase === 'sync' && memory.evicted === undefined && !isTerminalPhase(pod.status?.phase),
      ready: list.some((info) => input.ready.has(info.id)),
      started: list.some((info) => input.started.has(info.id)),
      now: input.now.monotonic,
    });
  });
  // Failed is said when nothing of it runs any more.
  const evicted = memory.evicted !== undefined && !views.some((view) => view.counts === 'running');
  const phase = evicted ? 'Failed' : podPhase(pod, views, input.ended && memory.phase !== 'sync');
  const sandboxReady = viewSandbox(sandboxes, memory.sandbox).state === 'ready';
  const ip = memory.ip;
  const shownIP = ip !== undefined && (sandboxReady || isTerminalPhase(phase) || input.previous?.podIP === ip) ? ip : undefined;
  return {
    phase,
    conditions: conditions(input, phase, views, sandboxReady),
    ...(memory.evicted !== undefined
      ? { message: memory.evicted.message, reason: 'Evicted' }
      : {
          ...(pod.status?.message ? { message: pod.status.message } : {}),
          ...(pod.status?.reason ? { reason: pod.status.reason } : {}),
        }),
    ...(input.hostIP === '' ? {} : { hostIP: input.hostIP }),
    hostIPs: input.hostIP === '' ? [] : [{ ip: input.hostIP }],
    ...(shownIP === undefined ? {} : { podIP: shownIP }),
    podIPs: shownIP === undefined ? [] : [{ ip: shownIP }],
    startTime: input.previous?.startTime ?? pod.status?.startTime ?? rfc3339(input.acceptedAt),
    initContainerStatuses: [],
    containerStatuses: views.map((view) => view.status),
    ...(pod.spec === undefined ? {} : { qosClass: pod.status?.qosClass || qosClass(pod.spec) }),
    ephemeralContainerStatuses: [],
    resourceClaimStatuses: [],
  };
}

function podPhase(pod: Pod, views: readonly ContainerView[], ended: boolean): string {
  const given = pod.status?.phase;
  if (given !== undefined && isTerminalPhase(given)) return given;
  const count = (what: ContainerView['counts']): number => views.filter((view) => view.counts === what).length;
  const succeeded = count('succeeded');
  const failed = count('failed');
  if (ended) return failed === 0 && succeeded === views.length ? 'Succeeded' : 'Failed';
  if (count('waiting') > 0) return 'Pending';
  if (count('running') > 0 || count('restarting') > 0) return 'Running';
  if (views.length === 0) return 'Pending';
  if (pod.spec?.restartPolicy === 'Always' || pod.spec?.restartPolicy === undefined) return 'Running';
  return failed === 0 ? 'Succeeded' : pod.spec.restartPolicy === 'Never' ? 'Failed' : 'Running';
}

interface Verdict {
  readonly status: 'True' | 'False';
  readonly reason?: string;
  readonly message?: string;
}

function conditions(input: StatusInput, phase: string, views: readonly ContainerView[], sandboxReady: boolean): PodCondition[] {
  const containersReady = containersReadyVerdict(phase, views, input.memory.phase !== 'sync');
  const own: readonly (readonly [string, Verdict])[] = [
    ['PodReadyToStartContainers', { status: sandboxReady ? 'True' : 'False' }],
    ['Initialized', phase === 'Succeeded' ? { status: 'True', reason: 'PodCompleted' } : { status: 'True' }],
    ['Ready', readyVerdict(input.pod, containersReady)],
    ['ContainersReady', containersReady],
    ['PodScheduled', { status: 'True' }],
  ];
  const before = new Map((input.pod.status?.conditions ?? []).map((condition) => [condition.type, condition]));
  for (const condition of input.previous?.conditions ?? []) if (OWN_CONDITIONS.has(condition.type)) before.set(condition.type, condition);
  const result = own.map(([type, verdict]): PodCondition => {
    const old = before.get(type);
    const kept = old?.status === verdict.status ? old.lastTransitionTime : undefined;
    return { type, ...verdict, lastTransitionTime: kept ?? rfc3339(input.now.wall) };
  });
  for (const condition of before.values()) if (!OWN_CONDITIONS.has(condition.type)) result.push(condition);
  const { evicted } = input.memory;
  if (evicted !== undefined && !before.has('DisruptionTarget')) {
    const since = input.previous?.conditions.find((condition) => condition.type === 'DisruptionTarget')?.lastTransitionTime;
    const why = { status: 'True', reason: 'TerminationByKubelet', message: evicted.message };
    result.push({ type: 'DisruptionTarget', ...why, lastTransitionTime: since ?? rfc3339(input.now.wall) });
  }
  return result;
}

function containersReadyVerdict(phase: string, views: readonly ContainerView[], ending: boolean): Verdict {
  if (phase === 'Succeeded') return { status: 'False', reason: 'PodCompleted' };
  if (phase === 'Failed') return { status: 'False', reason: 'PodFailed' };
  const unready = views.filter((view) => !view.status.ready).map((view) => view.status.name);
  if (unready.length > 0)
    return { status: 'False', reason: 'ContainersNotReady', message: `containers with unready status: [${unready.join(' ')}]` };
  // Nobody shall send it anything new, whatever its probes still say.
  return ending ? { status: 'False', reason: 'PodTerminating' } : { status: 'True' };
}

function readyVerdict(pod: Pod, containersReady: Verdict): Verdict {
  if (containersReady.status === 'False') return containersReady;
  const missing = (pod.spec?.readinessGates ?? []).find(
    (gate) => pod.status?.conditions.find((condition) => condition.type === gate.conditionType)?.status !== 'True',
  );
  if (missing === undefined) return { status: 'True' };
  return {
    status: 'False',
    reason: 'ReadinessGatesNotReady',
    message: `the condition "${missing.conditionType}" of a readiness gate is not "True"`,
  };
}

/** True where the status says something that must not wait: the pod's end, or a change of readiness. */
export function isUrgent(before: PodStatus | undefined, after: PodStatus): boolean {
  if (before?.phase !== after.phase) return true;
  const ready = (status: PodStatus | undefined): string | undefined =>
    status?.conditions.find((condition) => condition.type === 'Ready')?.status;
  return ready(before) !== ready(after);
}
