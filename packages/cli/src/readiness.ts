// When is an object ready, and if it is not: why. Pure: states in, a verdict out.
import type { ContainerStatus } from '@podplane/api/gen/podplane/core/v1/container_status';
import type { Kind, KindMap } from '@podplane/api/kinds/kind-map';
import type { Verdict } from './observe.js';
import { isReady, type Pod } from './workloads.js';

/** Kinds that take time to get ready; all others are as soon as they exist. */
export const TAKES_TIME: readonly Kind[] = ['Deployment', 'ReplicaSet', 'ReplicationController', 'DaemonSet', 'StatefulSet', 'Job', 'Pod'];

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

/** A Deployment's rollout: one that is paused is what was asked for. pods: those that are its own. */
export function deploymentVerdict(deployment: KindMap['Deployment'], pods: Iterable<Pod> = []): Verdict {
  const { spec, status, metadata } = deployment;
  const isSeen = (status?.observedGeneration ?? 0) >= (metadata?.generation ?? 0);
  const hasFailed = status?.conditions.some(({ type, status: holds }) => type === 'RolloutFailed' && holds === 'True') === true;
  return spec?.paused === true && isSeen && !hasFailed ? { state: 'done', text: 'is paused' } : rolloutVerdict(deployment, pods);
}

/** As kubectl's `rollout status` judges it: one that is paused half-way is not complete. */
export function rolloutVerdict(deployment: KindMap['Deployment'], pods: Iterable<Pod> = []): Verdict {
  const { spec, status, metadata } = deployment;
  const wanted = spec?.replicas ?? 1;
  if ((status?.observedGeneration ?? 0) < (metadata?.generation ?? 0))
    return { state: 'waiting', text: 'waiting for the change to be observed' };
  const failed = status?.conditions.find(({ type, status: holds }) => type === 'RolloutFailed' && holds === 'True');
  if (failed !== undefined) return { state: 'failed', text: `has failed: ${failed.message ?? failed.reason ?? ''}` };
  const progressing = status?.conditions.find(({ type }) => type === 'Progressing');
  if (progressing?.reason === 'ProgressDeadlineExceeded')
    return { state: 'failed', text: `exceeded its progress deadline${firstTrouble(pods)}` };
  const updated = status?.updatedReplicas ?? 0;
  const total = status?.replicas ?? 0;
  const available = status?.availableReplicas ?? 0;
  const ready = `${status?.readyReplicas ?? 0} of ${wanted} pods ready${spec?.paused === true ? ' (it is paused)' : ''}`;
  if (updated < wanted) return { state: 'waiting', text: `${updated} of ${wanted} new pods made, ${ready}${firstTrouble(pods)}` };
  if (total > updated) return { state: 'waiting', text: `${total - updated} old pods still there, ${ready}${firstTrouble(pods)}` };
  if (available < updated) return { state: 'waiting', text: `${available} of ${updated} pods available${firstTrouble(pods)}` };
  if (progressing?.reason === 'Baking') return { state: 'waiting', text: `${ready}, which have to stay available for a while` };
  return { state: 'done', text: wanted === 0 ? 'has no pods, as wanted' : `is ready (${available} of ${wanted} pods)` };
}

/** A ReplicaSet or ReplicationController. */
export function replicaSetVerdict(set: KindMap['ReplicaSet' | 'ReplicationController'], pods: Iterable<Pod> = []): Verdict {
  const wanted = set.spec?.replicas ?? 1;
  if ((set.status?.observedGeneration ?? 0) < (set.metadata?.generation ?? 0))
    return { state: 'waiting', text: 'waiting for the change to be observed' };
  const available = set.status?.availableReplicas ?? 0;
  if ((set.status?.replicas ?? 0) !== wanted || available < wanted)
    return { state: 'waiting', text: `${available} of ${wanted} pods available${firstTrouble(pods)}` };
  return { state: 'done', text: `is ready (${available} of ${wanted} pods)` };
}

const UNOBSERVED: Verdict = { state: 'waiting', text: 'waiting for the change to be observed' };

/** A DaemonSet's rollout. With OnDelete old pods stay, and nothing is waited for but that all nodes have one. */
export function daemonSetVerdict({ spec, status, metadata }: KindMap['DaemonSet'], pods: Iterable<Pod> = []): Verdict {
  if ((status?.observedGeneration ?? 0) < (metadata?.generation ?? 0)) return UNOBSERVED;
  const wanted = status?.desiredNumberScheduled ?? 0;
  const updated = spec?.updateStrategy?.type === 'OnDelete' ? (status?.currentNumberScheduled ?? 0) : (status?.updatedNumberScheduled ?? 0);
  const available = status?.numberAvailable ?? 0;
  if (updated < wanted)
    return { state: 'waiting', text: `new pods on ${updated} of ${wanted} nodes, ${available} available${firstTrouble(pods)}` };
  if (available < wanted) return { state: 'waiting', text: `available on ${available} of ${wanted} nodes${firstTrouble(pods)}` };
  return { state: 'done', text: wanted === 0 ? 'has no pods, as no node fits' : `is ready (on ${available} of ${wanted} nodes)` };
}

/** A StatefulSet's rollout, as far as its partition lets it go. */
export function statefulSetVerdict({ spec, status, metadata }: KindMap['StatefulSet'], pods: Iterable<Pod> = []): Verdict {
  if ((status?.observedGeneration ?? 0) < (metadata?.generation ?? 0)) return UNOBSERVED;
  const wanted = spec?.replicas ?? 1;
  const total = status?.replicas ?? 0;
  const available = status?.availableReplicas ?? 0;
  if (available < wanted) return { state: 'waiting', text: `${available} of ${wanted} pods available${firstTrouble(pods)}` };
  if (total > wanted) return { state: 'waiting', text: `${total - wanted} pods more than wanted still there` };
  if (spec?.updateStrategy?.type !== 'OnDelete') {
    const partition = spec?.updateStrategy?.rollingUpdate?.partition ?? 0;
    const due = Math.max(0, wanted - partition);
    const updated = status?.updateRevision === status?.currentRevision ? wanted : (status?.updatedReplicas ?? 0);
    if (updated < due) return { state: 'waiting', text: `${updated} of ${due} pods updated${firstTrouble(pods)}` };
  }
  return { state: 'done', text: wanted === 0 ? 'has no pods, as wanted' : `is ready (${available} of ${wanted} pods)` };
}

/** Whether a Job is under way: how long it takes is its own affair. */
export function jobVerdict({ spec, status }: KindMap['Job'], pods: Iterable<Pod> = []): Verdict {
  const holds = (type: string): { readonly reason?: string | undefined; readonly message?: string | undefined } | undefined =>
    status?.conditions.find((one) => one.type === type && one.status === 'True');
  const failed = holds('Failed') ?? holds('FailureTarget');
  const done = `${status?.succeeded ?? 0} of ${spec?.completions ?? 1}`;
  if (failed !== undefined)
    return { state: 'failed', text: `has failed: ${failed.message ?? failed.reason ?? 'no reason given'}${firstTrouble(pods)}` };
  if (holds('Complete') !== undefined) return { state: 'done', text: `is complete (${done} succeeded)` };
  if (spec?.suspend === true) return { state: 'done', text: 'is suspended' };
  if ((status?.ready ?? 0) > 0 || (status?.succeeded ?? 0) > 0) return { state: 'done', text: `is running (${done} succeeded)` };
  if (spec?.parallelism === 0) return { state: 'done', text: 'has no pods, as wanted' };
  return { state: 'waiting', text: `waiting for its first pod${firstTrouble(pods)}` };
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
