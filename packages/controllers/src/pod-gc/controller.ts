// Pods that nobody else will remove: bound to nodes that are no more, being deleted without ever having had a node, and too many that are over.
import { isFenced } from '@podplane/api/fencing';
import type { Obj } from '@podplane/api/kinds/kind-map';
import { isBeingDeleted, isPodTerminal, podCondition } from '@podplane/api/pod-state';
import type { Change, ReadView, Tx } from '@podplane/store/types';
import type { NodeLiveness, ReconcileContext, ReconcileResult, Reconciler } from '../runtime/types.js';
import { Backlog } from '../shared/backlog.js';
import { keyOf, nameOf, namespaceOf, parseKey, regarding } from '../shared/objects.js';
import { timeText } from '../shared/time.js';

export interface PodGcConfig {
  /** Pods that are over (Succeeded, Failed) beyond this number are removed, the oldest first. */
  readonly terminatedThreshold: number;
  /** A pod stays so long after its node object has gone, ms: an agent that still runs registers again within that. */
  readonly orphanGraceMs: number;
  /** A fenced one stays so long after its node's lease is over, ms. */
  readonly fencingMarginMs: number;
}

export const defaultPodGcConfig: PodGcConfig = { terminatedThreshold: 12_500, orphanGraceMs: 5000, fencingMarginMs: 2000 };

const TERMINATED = '#terminated';
const OVER = ['Succeeded', 'Failed'] as const;
const CLEAR_EVERY_MS = 1000;
/** Most pods removed in one reconcile. */
const BURST = 250;

export class PodGcController implements Reconciler {
  readonly name = 'pod-gc';
  readonly #config: PodGcConfig;
  readonly #liveness: Pick<NodeLiveness, 'leaseOver'>;
  /** Since when a pod is seen without its node, monotonic. */
  readonly #orphanedSince = new Map<string, number>();
  /** Monotonic. */
  #nextClearing = 0;
  /** Those that were found to be too many, the oldest first. Losing it costs one look at all that are over. */
  #excess = new Backlog();

  constructor(liveness: Pick<NodeLiveness, 'leaseOver'>, config: Partial<PodGcConfig> = {}) {
    this.#liveness = liveness;
    this.#config = { ...defaultPodGcConfig, ...config };
  }

  *keysFor(change: Change, view: ReadView): Iterable<string> {
    if (change.kind === 'Node') {
      if (change.type === 'modified') return;
      for (const pod of view.index('Pod', 'node', nameOf(change.object))) yield keyOf(pod);
    } else if (change.kind === 'Pod') {
      const pod = change.object as Obj<'Pod'>;
      if (change.type === 'deleted') this.#orphanedSince.delete(keyOf(pod));
      else if (isCandidate(pod, view)) yield keyOf(pod);
      else if (isPodTerminal(pod) && countOver(view) > this.#config.terminatedThreshold) yield TERMINATED;
    }
  }

  *allKeys(view: ReadView): Iterable<string> {
    this.#excess = new Backlog();
    for (const pod of view.list('Pod')) if (isCandidate(pod, view)) yield keyOf(pod);
    yield TERMINATED;
  }

  reconcile(key: string, context: ReconcileContext): ReconcileResult {
    if (key === TERMINATED) return this.#clearTerminated(context);
    const { tx } = context;
    const { namespace, name } = parseKey(key);
    const pod = tx.get('Pod', namespace, name);
    if (pod === undefined || !isCandidate(pod, tx)) {
      this.#orphanedSince.delete(key);
      return undefined;
    }
    if (!pod.spec?.nodeName) {
      context.because('deleted before it had a node', pod);
      removePod(tx, pod);
      return undefined;
    }
    const since = this.#orphanedSince.get(key) ?? context.monotonic;
    this.#orphanedSince.set(key, since);
    // That its object is gone does not say that the machine is.
    const over = isFenced(pod) ? this.#liveness.leaseOver(pod.spec.nodeName) + this.#config.fencingMarginMs : 0;
    const left = Math.max(since + this.#config.orphanGraceMs, over) - context.monotonic;
    if (left > 0) return { requeueAfterMs: left };
    this.#orphanedSince.delete(key);
    const message = `node ${pod.spec.nodeName} is no more`;
    context.because(message, { kind: 'Node', namespace: '', name: pod.spec.nodeName });
    removePod(tx, failed(pod, message, tx));
    context.event({ regarding: regarding('Pod', pod), type: 'Warning', reason: 'DeletionByPodGC', message: `Removed the pod: ${message}` });
    return undefined;
  }

  #clearTerminated(context: ReconcileContext): ReconcileResult {
    const { tx, monotonic } = context;
    if (countOver(tx) <= this.#config.terminatedThreshold) {
      this.#excess = new Backlog();
      return undefined;
    }
    if (this.#excess.size === 0) {
      // To find the oldest, all are looked at: once a second at most, whatever ends meanwhile.
      const wait = this.#nextClearing - monotonic;
      if (wait > 0) return { requeueAfterMs: wait };
      this.#nextClearing = monotonic + CLEAR_EVERY_MS;
      const over = OVER.flatMap((phase) => [...tx.index('Pod', 'over', phase)]).filter((pod) => !isBeingDeleted(pod));
      over.sort(byCreation);
      for (const pod of over.slice(0, Math.max(0, over.length - this.#config.terminatedThreshold))) this.#excess.add('Pod', pod);
    }
    const burst = this.#excess.take(tx, Math.min(BURST, countOver(tx) - this.#config.terminatedThreshold));
    if (burst.length > 0)
      context.because(`${countOver(tx)} pods are over, at most ${this.#config.terminatedThreshold} are kept: the oldest go`);
    for (const { object } of burst) if (!isBeingDeleted(object)) tx.markDeleted('Pod', namespaceOf(object), nameOf(object), 0);
    return this.#excess.size > 0 ? { requeueAfterMs: 0 } : undefined;
  }
}

/** Older first. */
function byCreation({ metadata: a }: Obj<'Pod'>, { metadata: b }: Obj<'Pod'>): number {
  const [one, other] = [a?.creationTimestamp ?? '', b?.creationTimestamp ?? ''];
  return one === other ? 0 : one < other ? -1 : 1;
}

const countOver = (view: ReadView): number => OVER.reduce((sum, phase) => sum + view.countIndex('Pod', 'over', phase), 0);

function isCandidate(pod: Obj<'Pod'>, view: ReadView): boolean {
  const nodeName = pod.spec?.nodeName;
  return nodeName ? view.get('Node', '', nodeName) === undefined : isBeingDeleted(pod) && (pod.metadata?.finalizers.length ?? 0) === 0;
}

/** Its last state says why it ended. */
function failed(pod: Obj<'Pod'>, message: string, tx: Tx): Obj<'Pod'> {
  if (isPodTerminal(pod) || pod.status === undefined) return pod;
  const condition = { type: 'DisruptionTarget', status: 'True', reason: 'DeletionByPodGC', message, lastTransitionTime: timeText(tx.now) };
  const known = podCondition(pod, 'DisruptionTarget');
  const conditions = [...pod.status.conditions.filter((c) => c !== known), condition];
  return tx.update('Pod', { ...pod, status: { ...pod.status, phase: 'Failed', conditions } }, 'any');
}

/** Gone at once; where finalizers hold it, as soon as they let go. */
function removePod(tx: Tx, pod: Obj<'Pod'>): void {
  tx.markDeleted('Pod', namespaceOf(pod), nameOf(pod), 0);
}
