// How a pod looks in a table: READY, STATUS, RESTARTS as kubectl prints them. Only reads status; what writes it is elsewhere.

import type { ContainerStatus } from '../gen/podplane/core/v1/container_status.js';
import { age, humanDuration, NONE, orNone } from '../print.js';
import { nameColumn, textColumn } from './define.js';
import type { Column } from './kind-info.js';
import type { DeepReadonly, Obj } from './kind-map.js';

type Pod = Obj<'Pod'>;
type Status = DeepReadonly<ContainerStatus>;

/** What a table says of a pod. */
export interface PodSummary {
  /** STATUS: phase, or what is more telling ("CrashLoopBackOff", "Init:0/2", "Terminating"). */
  readonly status: string;
  readonly readyContainers: number;
  readonly totalContainers: number;
  readonly restarts: number;
  /** Ms since 1970 of the end of the newest earlier run; undefined where nothing was restarted. */
  readonly lastRestart: number | undefined;
}

function condition(pod: Pod, type: string): { readonly status: string; readonly reason?: string | undefined } | undefined {
  return pod.status?.conditions.find((one) => one.type === type);
}

/** Containers that started before the others and run beside them. */
function isSidecar(pod: Pod, name: string): boolean {
  return pod.spec?.initContainers.some((one) => one.name === name && one.restartPolicy === 'Always') ?? false;
}

function terminatedText(state: NonNullable<NonNullable<Status['state']>['terminated']>): string {
  if (state.reason) return state.reason;
  return state.signal ? `Signal:${state.signal}` : `ExitCode:${state.exitCode}`;
}

class Restarts {
  count = 0;
  last: number | undefined;

  add(status: Status): void {
    this.count += status.restartCount;
    const finished = status.lastState?.terminated?.finishedAt;
    if (finished === undefined) return;
    const at = Date.parse(finished);
    if (!Number.isNaN(at) && (this.last === undefined || at > this.last)) this.last = at;
  }
}

/** What of an init container's state stands in the way; undefined where it is done. */
function initProgress(pod: Pod, status: Status, index: number): string | undefined {
  const terminated = status.state?.terminated;
  if (terminated?.exitCode === 0) return undefined;
  if (isSidecar(pod, status.name) && status.started === true) return undefined;
  if (terminated !== undefined) return `Init:${terminatedText(terminated)}`;
  const waiting = status.state?.waiting?.reason;
  if (waiting && waiting !== 'PodInitializing') return `Init:${waiting}`;
  return `Init:${index}/${pod.spec?.initContainers.length ?? 0}`;
}

/** Sums a pod up. Pure; the age of the last restart is left to the caller. */
export function summarizePod(pod: Pod): PodSummary {
  const containers = pod.status?.containerStatuses ?? [];
  const inits = pod.status?.initContainerStatuses ?? [];
  let text = pod.status?.reason || pod.status?.phase || 'Unknown';
  if (condition(pod, 'PodScheduled')?.reason === 'SchedulingGated') text = 'SchedulingGated';

  const sidecarRestarts = new Restarts();
  const initRestarts = new Restarts();
  let ready = 0;
  let initializing = false;
  for (const [i, status] of inits.entries()) {
    initRestarts.add(status);
    if (isSidecar(pod, status.name)) {
      sidecarRestarts.add(status);
      if (status.started === true && status.ready) ready++;
    }
    const progress = initProgress(pod, status, i);
    if (progress === undefined) continue;
    // Those after it do not count yet.
    initializing = true;
    text = progress;
    break;
  }

  let restarts = initRestarts;
  if (!initializing || condition(pod, 'Initialized')?.status === 'True') {
    restarts = sidecarRestarts;
    let running = false;
    // The first container's word counts most: it is taken last.
    for (const status of containers.toReversed()) {
      restarts.add(status);
      const { waiting, terminated } = status.state ?? {};
      if (waiting?.reason) text = waiting.reason;
      else if (terminated !== undefined) text = terminatedText(terminated);
      else if (status.ready && status.state?.running !== undefined) {
        running = true;
        ready++;
      }
    }
    if (text === 'Completed' && running) text = condition(pod, 'Ready')?.status === 'True' ? 'Running' : 'NotReady';
  }

  const phase = pod.status?.phase;
  if (pod.metadata?.deletionTimestamp !== undefined) {
    if (pod.status?.reason === 'NodeLost') text = 'Unknown';
    else if (phase !== 'Succeeded' && phase !== 'Failed') text = 'Terminating';
  }
  const sidecars = pod.spec?.initContainers.filter((one) => one.restartPolicy === 'Always').length ?? 0;
  return {
    status: text,
    readyContainers: ready,
    totalContainers: (pod.spec?.containers.length ?? 0) + sidecars,
    restarts: restarts.count,
    lastRestart: restarts.last,
  };
}

function restartsText(pod: Pod, now: number): string {
  const { restarts, lastRestart } = summarizePod(pod);
  return restarts > 0 && lastRestart !== undefined ? `${restarts} (${humanDuration(now - lastRestart)} ago)` : String(restarts);
}

function gatesText(pod: Pod): string {
  const gates = pod.spec?.readinessGates ?? [];
  if (gates.length === 0) return NONE;
  const passed = gates.filter((gate) => condition(pod, gate.conditionType)?.status === 'True').length;
  return `${passed}/${gates.length}`;
}

export const podColumns: readonly Column<'Pod'>[] = [
  nameColumn(),
  textColumn('Ready', (pod) => {
    const { readyContainers, totalContainers } = summarizePod(pod);
    return `${readyContainers}/${totalContainers}`;
  }),
  textColumn('Status', (pod) => summarizePod(pod).status),
  textColumn('Restarts', (pod, { now }) => restartsText(pod, now)),
  textColumn('Age', (pod, { now }) => age(pod.metadata?.creationTimestamp, now)),
  textColumn('IP', (pod) => orNone(pod.status?.podIPs[0]?.ip || pod.status?.podIP), true),
  textColumn('Node', (pod) => orNone(pod.spec?.nodeName), true),
  textColumn('Nominated Node', (pod) => orNone(pod.status?.nominatedNodeName), true),
  textColumn('Readiness Gates', gatesText, true),
];
