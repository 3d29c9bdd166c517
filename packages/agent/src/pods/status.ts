// The status of a pod as Kubernetes reports it: phase, conditions, addresses. Pure. Containers are in container-status.ts.
import type { ContainerStatus } from '@podplane/api/gen/podplane/core/v1/container_status';
import type { Pod, PodCondition, PodStatus } from '@podplane/api/gen/podplane/core/v1/pod';
import { qosClass } from '@podplane/api/kinds/pod-spec/qos';
import type { ContainerInfo } from '../runtime/types.js';
import { rfc3339 } from '../time.js';
import { type ContainerView, containerStatus } from './container-status.js';
import { podRef } from './names.js';
import { allDone, podContainers, type Role } from './planner/containers.js';
import { group, viewSandbox } from './planner/observed.js';
import { isTerminalPhase } from './planner/plan.js';
import { EVICTED, type PodFailure, type PodMemory, TERMINATED } from './planner/types.js';

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
  if (memory.failed?.rejected === true) return rejectedStatus(input, memory.failed);
  const { sandboxes, apps } = group(input.observed);
  const ref = podRef(pod);
  const initializing =
    (pod.spec?.initContainers ?? []).length > 0 &&
    !(pod.spec?.containers ?? []).some(({ name }) => (memory.containers.get(name)?.started ?? -1) >= 0);
  const done = memory.failed !== undefined || allDone(pod, input.observed, memory.containers);
  const reported = new Map(
    [input.previous?.initContainerStatuses, input.previous?.containerStatuses, input.previous?.ephemeralContainerStatuses].flatMap((list) =>
      (list ?? []).map((status) => [status.name, status]),
    ),
  );
  const all = podContainers(pod).map(({ container, role }) => {
    const list = apps.get(container.name) ?? [];
    const view = containerStatus({
      container,
      role,
      initializing,
      restartPolicy: pod.spec?.restartPolicy,
      podText: `${ref.name}_${ref.namespace}(${ref.uid})`,
      memory: memory.containers.get(container.name),
      list,
      restartable: memory.phase === 'sync' && !done && !isTerminalPhase(pod.status?.phase),
      ready: role !== 'ephemeral' && list.some((info) => input.ready.has(info.id)),
      started: list.some((info) => input.started.has(info.id)),
      previous: reported.get(container.name),
      now: input.now.monotonic,
    });
    return { ...view, role };
  });
  const views = all.filter(({ role }) => role === 'main');
  const inits = all.filter(({ role }) => role === 'init' || role === 'sidecar');
  const phase = podPhase(input, { views, inits, initializing, done });
  const sandboxReady = viewSandbox(sandboxes, memory.sandbox).state === 'ready';
  const ip = memory.ip;
  const shownIP = ip !== undefined && (sandboxReady || isTerminalPhase(phase) || input.previous?.podIP === ip) ? ip : undefined;
  return {
    phase,
    ...(pod.metadata?.generation === undefined ? {} : { observedGeneration: pod.metadata.generation }),
    conditions: conditions(input, phase, { views, inits, initializing, done }, sandboxReady),
    ...reasonOf(pod, memory, phase),
    ...(input.hostIP === '' ? {} : { hostIP: input.hostIP }),
    hostIPs: input.hostIP === '' ? [] : [{ ip: input.hostIP }],
    ...(shownIP === undefined ? {} : { podIP: shownIP }),
    podIPs: shownIP === undefined ? [] : [{ ip: shownIP }],
    startTime: input.previous?.startTime ?? pod.status?.startTime ?? rfc3339(input.acceptedAt),
    initContainerStatuses: inits.map((view) => view.status),
    containerStatuses: byName(views.map((view) => view.status)),
    ...(pod.spec === undefined ? {} : { qosClass: pod.status?.qosClass || qosClass(pod.spec) }),
    ephemeralContainerStatuses: byName(all.filter(({ role }) => role === 'ephemeral').map((view) => view.status)),
    resourceClaimStatuses: [],
  };
}

/** As the kubelet lists them; init containers stay in their order. */
function byName(statuses: readonly ContainerStatus[]): ContainerStatus[] {
  return statuses.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** Of a pod that the node did not take there is nothing to tell but that. */
function rejectedStatus({ pod, previous, acceptedAt }: StatusInput, { reason, message }: PodFailure): PodStatus {
  return {
    phase: 'Failed',
    ...(pod.metadata?.generation === undefined ? {} : { observedGeneration: pod.metadata.generation }),
    conditions: (pod.status?.conditions ?? []).filter(({ type }) => type === 'PodScheduled' || !OWN_CONDITIONS.has(type)),
    reason,
    message: `Pod was rejected: ${message}`,
    hostIPs: [],
    podIPs: [],
    startTime: previous?.startTime ?? pod.status?.startTime ?? rfc3339(acceptedAt),
    initContainerStatuses: [],
    containerStatuses: [],
    ...(pod.spec === undefined ? {} : { qosClass: pod.status?.qosClass || qosClass(pod.spec) }),
    ephemeralContainerStatuses: [],
    resourceClaimStatuses: [],
  };
}

/** What is said about the pod as a whole. */
function reasonOf(pod: Pod, memory: PodMemory, phase: string): { readonly reason?: string; readonly message?: string } {
  if (memory.failed !== undefined && phase === 'Failed') return memory.failed;
  const { reason, message } = pod.status ?? {};
  return { ...(message ? { message } : {}), ...(reason ? { reason } : {}) };
}

type RoleView = ContainerView & { readonly role: Role };

interface Views {
  /** Main containers. */
  readonly views: readonly RoleView[];
  /** Init containers and sidecars. */
  readonly inits: readonly RoleView[];
  /** There are init containers, and no main container was started yet. */
  readonly initializing: boolean;
  /** Nothing will run again, sidecars aside. */
  readonly done: boolean;
}

function podPhase({ pod, memory, ended }: StatusInput, { views, inits, initializing, done }: Views): string {
  const given = pod.status?.phase;
  if (given !== undefined && isTerminalPhase(given)) return given;
  const count = (what: ContainerView['counts']): number => views.filter((view) => view.counts === what).length;
  const succeeded = count('succeeded');
  const failed = count('failed');
  if (ended && memory.phase !== 'sync')
    return memory.failed === undefined && failed === 0 && succeeded === views.length ? 'Succeeded' : 'Failed';
  // The end is told when the last process is gone, sidecars included.
  const late = inits.some((view) => view.counts === 'running');
  if (memory.failed !== undefined) {
    if (!late && count('running') === 0) return 'Failed';
    return initializing || count('waiting') > 0 ? 'Pending' : 'Running';
  }
  if (initializing || count('waiting') > 0) return done && !late ? 'Failed' : 'Pending';
  if (count('running') > 0 || count('restarting') > 0) return 'Running';
  if (views.length === 0) return 'Pending';
  // Containers may have policies of their own: what counts is that nothing starts again.
  if (!done || late) return 'Running';
  return failed === 0 ? 'Succeeded' : 'Failed';
}

interface Verdict {
  readonly status: 'True' | 'False';
  readonly reason?: string;
  readonly message?: string;
}

function conditions(input: StatusInput, phase: string, all: Views, sandboxReady: boolean): PodCondition[] {
  const containersReady = containersReadyVerdict(phase, all, input.memory.phase !== 'sync');
  const own: readonly (readonly [string, Verdict])[] = [
    ['PodReadyToStartContainers', { status: sandboxReady ? 'True' : 'False' }],
    ['Initialized', initializedVerdict(phase, all)],
    ['Ready', readyVerdict(input.pod, containersReady)],
    ['ContainersReady', containersReady],
    ['PodScheduled', { status: 'True' }],
  ];
  const before = new Map((input.pod.status?.conditions ?? []).map((condition) => [condition.type, condition]));
  for (const condition of input.previous?.conditions ?? []) if (OWN_CONDITIONS.has(condition.type)) before.set(condition.type, condition);
  const result = own.map(([type, verdict]): PodCondition => {
    const old = before.get(type);
    const kept = old?.status === verdict.status ? old.lastTransitionTime : undefined;
    const { generation } = input.pod.metadata ?? {};
    const observed = generation === undefined ? {} : { observedGeneration: generation };
    return { type, ...verdict, lastTransitionTime: kept ?? rfc3339(input.now.wall), ...observed };
  });
  const foreign = [...before.values()].filter(({ type }) => !OWN_CONDITIONS.has(type));
  const { failed } = input.memory;
  if ((failed?.reason === EVICTED || failed?.reason === TERMINATED) && !before.has('DisruptionTarget')) {
    const since = input.previous?.conditions.find((condition) => condition.type === 'DisruptionTarget')?.lastTransitionTime;
    const why = { status: 'True', reason: 'TerminationByKubelet', message: failed.message };
    foreign.push({ type: 'DisruptionTarget', ...why, lastTransitionTime: since ?? rfc3339(input.now.wall) });
  }
  // In the kubelet's order.
  return [...foreign, ...result];
}

function initializedVerdict(phase: string, { inits, initializing }: Views): Verdict {
  if (phase === 'Succeeded') return { status: 'True', reason: 'PodCompleted' };
  if (!initializing) return { status: 'True' };
  const incomplete = inits.filter(({ role, status }) => !(role === 'sidecar' ? status.started === true : status.ready));
  if (incomplete.length === 0) return { status: 'True' };
  const names = incomplete.map(({ status }) => status.name).join(' ');
  return { status: 'False', reason: 'ContainersNotInitialized', message: `containers with incomplete status: [${names}]` };
}

function containersReadyVerdict(phase: string, { views, inits }: Views, ending: boolean): Verdict {
  if (phase === 'Succeeded') return { status: 'False', reason: 'PodCompleted' };
  if (phase === 'Failed') return { status: 'False', reason: 'PodFailed' };
  const unready = [...inits.filter(({ role }) => role === 'sidecar'), ...views]
    .filter((view) => !view.status.ready)
    .map((view) => view.status.name);
  if (unready.length > 0)
    return { status: 'False', reason: 'ContainersNotReady', message: `containers with unready status: [${unready.join(' ')}]` };
  // Nobody shall send it anything new, whatever its probes still say.
  return ending ? { status: 'False', reason: 'PodTerminating' } : { status: 'True' };
}

function readyVerdict(pod: Pod, containersReady: Verdict): Verdict {
  if (containersReady.status === 'False') return containersReady;
  const missing = (pod.spec?.readinessGates ?? []).flatMap(({ conditionType }) => {
    const found = pod.status?.conditions.find((condition) => condition.type === conditionType)?.status;
    if (found === undefined) return [`corresponding condition of pod readiness gate "${conditionType}" does not exist.`];
    return found === 'True' ? [] : [`the status of pod readiness gate "${conditionType}" is not "True", but ${found}`];
  });
  return missing.length === 0 ? { status: 'True' } : { status: 'False', reason: 'ReadinessGatesNotReady', message: missing.join(', ') };
}

/** True where the status says something that must not wait: the pod's end, or a change of readiness. */
export function isUrgent(before: PodStatus | undefined, after: PodStatus): boolean {
  if (before?.phase !== after.phase) return true;
  const ready = (status: PodStatus | undefined): string | undefined =>
    status?.conditions.find((condition) => condition.type === 'Ready')?.status;
  return ready(before) !== ready(after);
}
