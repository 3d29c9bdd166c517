// Whether everything is as people asked for, by the API and by the engines; said as the first thing that is not.
import type { Obj } from '@podplane/api/kinds/kind-map';
import { controllerOf, isBeingDeleted, isPodLost, isPodReady, isPodTerminal } from '@podplane/api/pod-state';
import { DRAINED, drainOf } from '@podplane/controllers/drain/request';
import type { ReadView } from '@podplane/store/types';
import type { AgentMachine } from './agent-machine.js';
import type { ContainerChecks } from './container-checks.js';

/** What is not settled; undefined: everything is. */
export function unsettled(view: ReadView, nodes: readonly AgentMachine[], containers: ContainerChecks): string | undefined {
  return (
    nodesReady(view, nodes) ?? namespacesWhole(view) ?? podsQuiet(view) ?? workloadsWhole(view) ?? enginesAgree(view, nodes, containers)
  );
}

function nodesReady(view: ReadView, nodes: readonly AgentMachine[]): string | undefined {
  for (const { name } of nodes) {
    const node = view.get('Node', '', name);
    if (node === undefined) return `node ${name} is not registered`;
    const ready = node.status?.conditions.find(({ type }) => type === 'Ready');
    if (ready?.status !== 'True') return `node ${name} is ${ready?.status ?? 'nothing'}: ${ready?.reason ?? ''}`;
    const [taint] = node.spec?.taints ?? [];
    if (taint !== undefined) return `node ${name} has the taint ${taint.key}`;
    const drain = drainOf(node);
    if (drain !== undefined && drain.outcome === undefined) {
      const { message = '' } = node.status?.conditions.find(({ type }) => type === DRAINED) ?? {};
      return `node ${name} is still being drained: ${message}`;
    }
    if (node.spec?.unschedulable === true) return `node ${name} is cordoned`;
  }
  return undefined;
}

function namespacesWhole(view: ReadView): string | undefined {
  for (const one of view.list('Namespace')) {
    if (isBeingDeleted(one))
      return `namespace ${one.metadata?.name ?? ''} is being deleted: ${one.status?.conditions.map(({ message }) => message).join('; ') ?? ''}`;
  }
  return undefined;
}

function podsQuiet(view: ReadView): string | undefined {
  for (const pod of view.list('Pod')) {
    const name = pod.metadata?.name ?? '';
    if (isBeingDeleted(pod)) return `pod ${name} on ${pod.spec?.nodeName ?? 'no node'} is being deleted`;
    if (isPodLost(pod)) return `pod ${name} is marked as lost`;
    if (!isPodTerminal(pod) && controllerOf(pod)?.kind !== 'Job' && !isPodReady(pod))
      return `pod ${name} is not ready (${pod.status?.phase ?? ''})`;
  }
  return undefined;
}

function workloadsWhole(view: ReadView): string | undefined {
  const podsOf = (owner: Obj): Obj<'Pod'>[] =>
    [...view.index('Pod', 'controller', owner.metadata?.uid ?? '')].filter((pod) => !isPodTerminal(pod));
  const observed = (
    object: { readonly metadata?: { readonly generation?: number | undefined } | undefined },
    generation: number | undefined,
  ): boolean => object.metadata?.generation === generation;
  for (const deployment of view.list('Deployment')) {
    const name = deployment.metadata?.name ?? '';
    const want = deployment.spec?.replicas ?? 1;
    const { status } = deployment;
    const refused = status?.conditions.find(({ type, status: is }) => type === 'ReplicaFailure' && is === 'True');
    if (refused !== undefined) return `Deployment ${name} is said to have pods that are refused: ${refused.message ?? ''}`;
    if (!observed(deployment, status?.observedGeneration)) return `Deployment ${name} is not observed`;
    if ((status?.updatedReplicas ?? 0) !== want || (status?.availableReplicas ?? 0) !== want || (status?.replicas ?? 0) !== want)
      return `Deployment ${name} wants ${want}: ${status?.replicas ?? 0} there, ${status?.updatedReplicas ?? 0} updated, ${status?.availableReplicas ?? 0} available`;
    const sets = [...view.index('ReplicaSet', 'controller', deployment.metadata?.uid ?? '')];
    const count = sets.reduce((sum, set) => sum + podsOf(set).length, 0);
    if (count !== want) return `Deployment ${name} wants ${want} and has ${count} pods`;
  }
  for (const set of view.list('StatefulSet')) {
    const name = set.metadata?.name ?? '';
    const want = set.spec?.replicas ?? 1;
    const { status } = set;
    if (!observed(set, status?.observedGeneration)) return `StatefulSet ${name} is not observed`;
    if ((status?.readyReplicas ?? 0) !== want || (status?.updatedReplicas ?? 0) !== want || podsOf(set).length !== want)
      return `StatefulSet ${name} wants ${want}: ${podsOf(set).length} pods, ${status?.readyReplicas ?? 0} ready, ${status?.updatedReplicas ?? 0} updated`;
  }
  for (const set of view.list('DaemonSet')) {
    const want = view.count('Node');
    const mine = podsOf(set);
    if (mine.length !== want || new Set(mine.map((pod) => pod.spec?.nodeName)).size !== want)
      return `DaemonSet ${set.metadata?.name ?? ''} has ${mine.length} pods on ${want} nodes`;
    if ((set.status?.updatedNumberScheduled ?? 0) !== want) return `DaemonSet ${set.metadata?.name ?? ''} is not updated everywhere`;
  }
  for (const job of view.list('Job')) {
    const isOver =
      job.status?.conditions.some(({ type, status }) => status === 'True' && (type === 'Complete' || type === 'Failed')) === true;
    // They go a minute after their end; those of CronJobs stay as its history.
    if (controllerOf(job)?.kind !== 'CronJob' || !isOver) return `Job ${job.metadata?.name ?? ''} is there`;
  }
  return undefined;
}

function enginesAgree(view: ReadView, nodes: readonly AgentMachine[], containers: ContainerChecks): string | undefined {
  for (const { name, host } of nodes) {
    const runs = containers.on(host);
    for (const pod of view.index('Pod', 'node', name)) {
      const uid = pod.metadata?.uid ?? '';
      if (!isPodTerminal(pod) && !runs.delete(uid)) return `pod ${pod.metadata?.name ?? ''} does not run on ${name}`;
    }
    const [extra] = runs;
    if (extra !== undefined) return `${name} runs ${extra}, which nobody wants`;
  }
  return undefined;
}
