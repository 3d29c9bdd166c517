// What agents report of their pods, into the store: one transaction for each batch. Which batches are taken is session.ts's decision.
import type { PodCondition, PodStatus } from '@podplane/api/gen/podplane/core/v1/pod';
import type { PodReport } from '@podplane/api/gen/podplane/node/v1/session';
import { deepEqual } from '@podplane/api/kinds/equal';
import type { DeepReadonly, Obj } from '@podplane/api/kinds/kind-map';
import { isPodTerminal } from '@podplane/api/pod-state';
import { timeText } from '@podplane/store/metadata';
import { SharedList, Sharing } from '@podplane/store/sharing';
import type { Store, Tx } from '@podplane/store/types';
import { podWords } from './pod-words.js';
import { reportedPodStatus } from './reported.js';

/** Conditions of which the agent alone knows. All others (the scheduler's, the node lifecycle's, readiness gates) are the server's. */
const AGENT_CONDITIONS = new Set(['PodReadyToStartContainers', 'Initialized', 'ContainersReady', 'Ready']);

type ContainerStatus = NonNullable<Obj<'Pod'>['status']>['containerStatuses'][number];

/** Reason of a pod that its node has ended though nobody deleted it. */
const REASON_ENDED = 'EndedByNode';

/** Most of a hundred thousand pods' statuses is the same. */
const sharing = new Sharing<PodStatus>();
const lists = new SharedList<DeepReadonly<PodCondition>>();

export interface Intake {
  /** Wait for it before the answer. */
  readonly revision: number;
  /** Uids that the node reported though they are not its own. */
  readonly refused: readonly string[];
  /** What was no status: namespace/name of the pod, and what is wrong. Nothing of it was taken. */
  readonly faulty: readonly string[];
  /** Of the statuses that were looked at. */
  readonly bytes: number;
}

/** Commits one batch. Throws StoreError "sealed". */
export function takeStatuses(store: Store, nodeName: string, reports: readonly PodReport[]): Intake {
  const cause = {
    actor: `node:${nodeName}`,
    reason: 'status of its pods',
    about: podWords,
  };
  const faulty: string[] = [];
  let bytes = 0;
  const found: Findings = {
    fault: (pod, problem) => void faulty.push(`${pod.metadata?.namespace}/${pod.metadata?.name}: ${problem}`),
    bytes: (count) => void (bytes += count),
  };
  const { result, revision } = store.transact(cause, (tx) =>
    reports.filter((report) => !takeOne(tx, nodeName, report, found)).map(({ uid }) => uid),
  );
  return { revision, refused: result, faulty, bytes };
}

/** What is found out while a batch is taken. */
interface Findings {
  fault(pod: Obj<'Pod'>, problem: string): void;
  bytes(count: number): void;
}

/** False: the pod is not this node's to report. */
function takeOne(tx: Tx, nodeName: string, report: PodReport, found: Findings): boolean {
  const pod = tx.byUid('Pod', report.uid);
  if (pod === undefined) return true; // gone meanwhile; the node is told, or has been
  if (pod.spec?.nodeName !== nodeName) return false;
  const namespace = pod.metadata?.namespace ?? '';
  const name = pod.metadata?.name ?? '';
  const { status } = report;
  if (report.terminated && pod.metadata?.deletionTimestamp !== undefined) {
    // With finalizers the object stays, so that what became of the pod is written in any case.
    if (status !== undefined && pod.metadata.finalizers.length > 0) write(tx, pod, status, found);
    tx.markDeleted('Pod', namespace, name, 0);
    return true;
  }
  if (status !== undefined) write(tx, pod, status, found);
  if (report.terminated) fail(tx, report.uid);
  return true;
}

/**
 * The node has ended a pod for good that nobody deletes: it was told once that the pod is not its own any more (the node was removed and came
 * back, or an older copy of the data was put back). It never starts it again, so who wants the pod must make another one.
 */
function fail(tx: Tx, uid: string): void {
  const pod = tx.byUid('Pod', uid);
  if (pod?.status === undefined || isPodTerminal(pod)) return;
  const conditions = pod.status.conditions.map((one) =>
    one.type === 'Ready' || one.type === 'ContainersReady'
      ? { ...one, status: 'False', reason: 'PodFailed', lastTransitionTime: timeText(tx.now) }
      : one,
  );
  const message = 'The node has ended the pod, and does not start it again';
  // As the kubelet says of containers that nobody can find any more.
  const terminated = { exitCode: 137, reason: 'ContainerStatusUnknown', message };
  const ended = (one: ContainerStatus): ContainerStatus =>
    one.state?.terminated === undefined ? { ...one, ready: false, started: false, state: { terminated } } : one;
  const { containerStatuses, initContainerStatuses } = pod.status;
  const states = { containerStatuses: containerStatuses.map(ended), initContainerStatuses: initContainerStatuses.map(ended) };
  tx.update('Pod', { ...pod, status: { ...pod.status, ...states, phase: 'Failed', reason: REASON_ENDED, message, conditions } }, 'any');
}

function write(tx: Tx, pod: Obj<'Pod'>, said: PodStatus, found: Findings): void {
  const before = pod.status;
  // A pod that has ended stays ended, whatever an agent that lost its memory believes.
  if (isPodTerminal(pod) && said.phase !== before?.phase) return;
  const held = reportedPodStatus(pod, said);
  if (!held.ok) {
    found.fault(pod, held.problem);
    return;
  }
  found.bytes(held.bytes);
  const reported = sharing.take(held.value);
  const { observedGeneration } = reported;
  const kept = (before?.conditions ?? [])
    .filter(({ type }) => !AGENT_CONDITIONS.has(type))
    // The node has the pod: that holds for each generation that it has seen.
    .map((one) => {
      const known = one.type !== 'PodScheduled' || observedGeneration === undefined || one.observedGeneration === observedGeneration;
      return known ? one : { ...one, observedGeneration };
    });
  const known = new Set(kept.map(({ type }) => type));
  const status: DeepReadonly<PodStatus> = {
    ...reported,
    // What an agent repeats of others' conditions is as old as the last assignment it got: it would bring back what was taken off since.
    conditions: lists.take([
      ...reported.conditions.filter((one) => AGENT_CONDITIONS.has(one.type) || (!known.has(one.type) && isOwnWord(one))),
      ...kept,
    ]),
    // Preemption's and the resource claims' controllers'.
    nominatedNodeName: before?.nominatedNodeName,
    resize: before?.resize,
    resourceClaimStatuses: before?.resourceClaimStatuses ?? [],
    qosClass: reported.qosClass ?? before?.qosClass,
    startTime: reported.startTime ?? before?.startTime,
  };
  // Said again, as after each reconnect: nothing is written.
  if (deepEqual(before, status)) return;
  // Not an edit: everything but the status is shared with the old object, so nothing is copied nor compared.
  tx.update('Pod', { ...pod, status }, 'any');
}

/** Conditions that others may set and the agent, too: it evicts a pod itself, or runs one that was never scheduled. */
function isOwnWord({ type, reason }: PodCondition): boolean {
  return type === 'PodScheduled' || (type === 'DisruptionTarget' && reason === 'TerminationByKubelet');
}
