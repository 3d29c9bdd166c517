// When is an object ready, and if it is not: why. Pure: states in, a verdict out.
import type { ContainerStatus } from '@podplane/api/gen/podplane/core/v1/container_status';
import type { Kind, KindMap } from '@podplane/api/kinds/kind-map';
import type { Verdict } from './observe.js';
import { isReady, type Pod } from './workloads.js';

/** Kinds that take time to get ready; all others are as soon as they exist. */
export const TAKES_TIME: readonly Kind[] = ['Deployment', 'ReplicaSet', 'Pod'];

/** Waiting reasons that are the ordinary course of a start. */
const ORDINARY = new Set(['ContainerCreating', 'PodInitializing', '']);

function trouble(status: ContainerStatus): string | undefined {
  const { waiting, terminated } = status.state ?? {};
  if (waiting !== undefined && !ORDINARY.has(waiting.reason ?? ''))
    return `container ${status.name}: ${waiting.reason}${waiting.message ? ` (${waiting.message})` : ''}`;
  if (terminated !== undefined && terminated.exitCode !== 0)
    return `container ${status.name} ended with exit code ${terminated.exitCode}${terminated.reason === 'OOMKilled' ? ' (out of memory)' : ''}`;
  return undefined;
}

/** Why a pod is not ready, in a few words; undefined where it just takes its time. */
export function podTrouble(pod: Pod): string | undefined {
  const scheduled = pod.status?.conditions.find(({ type }) => type === 'PodScheduled');
  if (scheduled?.status === 'False') return `not scheduled: ${scheduled.message ?? scheduled.reason ?? 'no reason given'}`;
  for (const status of [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])]) {
    const found = trouble(status);
    if (found !== undefined) return found;
  }
  return pod.status?.phase === 'Failed' ? (pod.status.message ?? pod.status.reason ?? 'failed') : undefined;
}

/** The first trouble among pods, with the pod's name; empty where there is none. */
function firstTrouble(pods: Iterable<Pod>): string {
  for (const pod of pods) {
    if (pod.metadata?.deletionTimestamp !== undefined) continue;
    const found = podTrouble(pod);
    if (found !== undefined) return `; ${pod.metadata?.name}: ${found}`;
  }
  return '';
}

/** A Deployment's rollout, as kubectl judges it. pods: those that are its own. */
export function deploymentVerdict(deployment: KindMap['Deployment'], pods: Iterable<Pod> = []): Verdict {
  const { spec, status, metadata } = deployment;
  const wanted = spec?.replicas ?? 1;
  if ((status?.observedGeneration ?? 0) < (metadata?.generation ?? 0))
    return { state: 'waiting', text: 'waiting for the change to be observed' };
  if (spec?.paused === true) return { state: 'done', text: 'is paused' };
  const progressing = status?.conditions.find(({ type }) => type === 'Progressing');
  if (progressing?.reason === 'ProgressDeadlineExceeded')
    return { state: 'failed', text: `exceeded its progress deadline${firstTrouble(pods)}` };
  const updated = status?.updatedReplicas ?? 0;
  const total = status?.replicas ?? 0;
  const available = status?.availableReplicas ?? 0;
  const ready = `${status?.readyReplicas ?? 0} of ${wanted} pods ready`;
  if (updated < wanted) return { state: 'waiting', text: `${updated} of ${wanted} new pods made, ${ready}${firstTrouble(pods)}` };
  if (total > updated) return { state: 'waiting', text: `${total - updated} old pods still there, ${ready}${firstTrouble(pods)}` };
  if (available < updated) return { state: 'waiting', text: `${available} of ${updated} pods available${firstTrouble(pods)}` };
  return { state: 'done', text: wanted === 0 ? 'has no pods, as wanted' : `is ready (${available} of ${wanted} pods)` };
}

export function replicaSetVerdict(set: KindMap['ReplicaSet'], pods: Iterable<Pod> = []): Verdict {
  const wanted = set.spec?.replicas ?? 1;
  if ((set.status?.observedGeneration ?? 0) < (set.metadata?.generation ?? 0))
    return { state: 'waiting', text: 'waiting for the change to be observed' };
  const available = set.status?.availableReplicas ?? 0;
  if ((set.status?.replicas ?? 0) !== wanted || available < wanted)
    return { state: 'waiting', text: `${available} of ${wanted} pods available${firstTrouble(pods)}` };
  return { state: 'done', text: `is ready (${available} of ${wanted} pods)` };
}

export function podVerdict(pod: Pod): Verdict {
  if (pod.status?.phase === 'Succeeded') return { state: 'done', text: 'has succeeded' };
  if (pod.status?.phase === 'Failed') return { state: 'failed', text: podTrouble(pod) ?? 'has failed' };
  if (isReady(pod)) return { state: 'done', text: 'is ready' };
  const containers = pod.status?.containerStatuses ?? [];
  const known = podTrouble(pod);
  if (known !== undefined) return { state: 'waiting', text: known };
  if (!pod.spec?.nodeName) return { state: 'waiting', text: 'waiting for a node' };
  return {
    state: 'waiting',
    text: `${containers.filter(({ ready }) => ready).length} of ${pod.spec.containers.length} containers ready on ${pod.spec.nodeName}`,
  };
}
