// Drains: carries out what is asked for on Node objects, pod by pod as the budgets allow, until the node is empty, the time is over or the
// node is uncordoned. All that it knows is on the Node object, so a server that starts anew goes on. Which pods go is in pods.ts.
import type { Obj } from '@podplane/api/kinds/kind-map';
import { isBeingDeleted } from '@podplane/api/pod-state';
import type { Change, ReadView } from '@podplane/store/types';
import { evictPod, type Judgements, sendAway } from '../disruption/eviction.js';
import type { ReconcileContext, ReconcileResult, Reconciler } from '../runtime/types.js';
import { NO_NODE_STATUS } from '../shared/node-status.js';
import { countText, nameOf, regarding } from '../shared/objects.js';
import { timeText } from '../shared/time.js';
import { leftText, type PodProgress, podsToDrain, progressOf } from './pods.js';
import { DRAIN_ANNOTATION, DRAINED, type Drain, drainOf, withDrain } from './request.js';

type Node = Obj<'Node'>;
type Pod = Obj<'Pod'>;

/** Most pods sent away in one reconcile, so that no turn is long. */
const BURST = 50;
/** How often a blocked drain is looked at again where nothing tells of a change, ms, as kubectl does. */
const RETRY_MS = 5000;

export class DrainController implements Reconciler {
  readonly name = 'drain';
  /** Nodes whose drain goes on: those that a budget's change may concern. */
  readonly #going = new Set<string>();
  /** What was last told of a node, so that a budget that blocks is told once. */
  readonly #told = new Map<string, string>();

  *keysFor(change: Change): Iterable<string> {
    if (change.kind === 'Node') {
      const node = change.object as Node;
      if (DRAIN_ANNOTATION in (node.metadata?.annotations ?? {}) || this.#going.has(nameOf(node))) yield nameOf(node);
    } else if (change.kind === 'Pod') {
      const { nodeName } = (change.object as Pod).spec ?? {};
      if (nodeName && this.#going.has(nodeName)) yield nodeName;
    } else if (change.kind === 'PodDisruptionBudget') yield* this.#going;
  }

  *allKeys(view: ReadView): Iterable<string> {
    for (const node of view.list('Node')) if (drainOf(node) !== undefined) yield nameOf(node);
  }

  reconcile(name: string, context: ReconcileContext): ReconcileResult {
    const node = context.tx.get('Node', '', name);
    const drain = node === undefined ? undefined : drainOf(node);
    if (node === undefined || drain === undefined) {
      this.#going.delete(name);
      this.#told.delete(name);
      return undefined;
    }
    if (node.spec?.unschedulable !== true) return this.#cancel(node, drain, context);
    if (drain.outcome !== undefined) {
      this.#going.delete(name);
      return undefined;
    }
    this.#going.add(name);
    return this.#proceed(node, drain, context);
  }

  /** The node was uncordoned. */
  #cancel(node: Node, drain: Drain, context: ReconcileContext): undefined {
    this.#going.delete(nameOf(node));
    this.#told.delete(nameOf(node));
    context.because(`node ${nameOf(node)} was uncordoned: its drain ends`, node);
    context.tx.update('Node', withDrain(node, undefined), 'any');
    if (drain.outcome === undefined) {
      const message = `Node ${nameOf(node)} was uncordoned: its drain ends`;
      context.event({ regarding: regarding('Node', node), type: 'Normal', reason: 'DrainCancelled', message });
    }
    return undefined;
  }

  #proceed(node: Node, drain: Drain, context: ReconcileContext): ReconcileResult {
    const { tx, now } = context;
    const name = nameOf(node);
    const late = drain.deadline !== undefined && now >= drain.deadline;
    const forced = late && drain.onTimeout === 'Delete';
    const known: Judgements = new Map();
    const more = sendPodsAway(name, drain, forced, known, context);
    const left = podsToDrain(tx, name, drain)
      .map((pod) => progressOf(tx, pod, drain, now, known))
      .filter(({ state }) => state !== 'ignored');
    if (left.length === 0) return this.#end(node, drain, 'Drained', [], context);
    // What the options do not allow is not deleted by force either.
    if (late && (!forced || left.every(({ state }) => state === 'objects'))) return this.#end(node, drain, 'TimedOut', left, context);
    if (forced && this.#told.get(name) !== 'forced') {
      this.#told.set(name, 'forced');
      const message = `The time for draining node ${name} is over: deleting what is left, whatever its budgets say: ${leftText(left)}`;
      context.event({ regarding: regarding('Node', node), type: 'Warning', reason: 'DrainForced', message });
    }
    this.#describe(node, drain, left, context);
    context.because(
      `drain of node ${name} by ${drain.by}: ${left.length} of ${countText(Math.max(drain.total, left.length), 'pod')} left`,
      node,
    );
    if (more) return { requeueAfterMs: 0 };
    const blocked = left.some(({ state }) => state !== 'leaving');
    const untilDeadline = drain.deadline === undefined || late ? Number.POSITIVE_INFINITY : Math.max(1, drain.deadline - now);
    const retry = blocked || drain.skipWaitForDeleteSeconds !== undefined ? RETRY_MS : Number.POSITIVE_INFINITY;
    const wait = Math.min(untilDeadline, retry);
    return Number.isFinite(wait) ? { requeueAfterMs: wait } : undefined;
  }

  /** Says on the node how far it is. */
  #describe(node: Node, drain: Drain, left: readonly PodProgress[], context: ReconcileContext): void {
    const stuck = left.filter(({ state }) => state === 'blocked' || state === 'objects');
    const going = `${left.length} of ${Math.max(drain.total, left.length)} pods left`;
    const reason = stuck.length > 0 && stuck.length === left.length ? 'Blocked' : 'Draining';
    const message = stuck.length === 0 ? going : `${going}; waiting: ${leftText(stuck)}`;
    writeCondition(node, { status: 'False', reason, message }, context);
    if (reason !== 'Blocked') return;
    const told = stuck.map(({ message: why }) => why).join();
    if (this.#told.get(nameOf(node)) === told) return;
    this.#told.set(nameOf(node), told);
    context.event({ regarding: regarding('Node', node), type: 'Warning', reason: 'DrainBlocked', message: leftText(stuck) });
  }

  #end(node: Node, drain: Drain, outcome: 'Drained' | 'TimedOut', left: readonly PodProgress[], context: ReconcileContext): undefined {
    const name = nameOf(node);
    this.#going.delete(name);
    this.#told.delete(name);
    context.because(`drain of node ${name} by ${drain.by}: ${outcome}`, node);
    const current = context.tx.update('Node', withDrain(node, { ...drain, outcome }), 'any');
    const about = { regarding: regarding('Node', node) };
    if (outcome === 'Drained') {
      const message = `${drain.total} pod${drain.total === 1 ? '' : 's'} left the node`;
      writeCondition(current, { status: 'True', reason: 'Drained', message }, context);
      context.event({ ...about, type: 'Normal', reason: 'NodeDrained', message: `Node ${name} is drained: ${message}` });
    } else {
      const message = `the time is over and ${left.length} pods are left: ${leftText(left)}`;
      writeCondition(current, { status: 'False', reason: 'TimedOut', message }, context);
      context.event({ ...about, type: 'Warning', reason: 'DrainTimedOut', message: `Draining node ${name}: ${message}` });
    }
    return undefined;
  }
}

/** Sends away what may go now. Returns whether more may go at once. known: what budgets say; brought up to date. */
function sendPodsAway(node: string, drain: Drain, forced: boolean, known: Judgements, context: ReconcileContext): boolean {
  const { tx, now } = context;
  const options = { graceSeconds: drain.gracePeriodSeconds, message: `Drain of node ${node}: evicting` };
  let sent = 0;
  for (const pod of podsToDrain(tx, node, drain)) {
    if (isBeingDeleted(pod)) continue;
    const { state } = progressOf(tx, pod, drain, now, known);
    if (state !== 'evict' && !(forced && state === 'blocked')) continue;
    if (sent++ >= BURST) return true;
    if (forced || drain.disableEviction) {
      sendAway(tx, pod, options);
      known.clear(); // budgets have less to give now
    } else evictPod(tx, pod, options, known);
    const how = forced ? ', its time is over: deleted whatever its budgets say' : '';
    context.becauseFor(pod, `drain of node ${node} by ${drain.by}${how}`);
  }
  return false;
}

function writeCondition(
  node: Node,
  condition: { readonly status: 'True' | 'False'; readonly reason: string; readonly message: string },
  { tx, now }: ReconcileContext,
): void {
  const current = tx.get('Node', '', nameOf(node)) ?? node;
  const status = current.status ?? NO_NODE_STATUS;
  const before = status.conditions.find(({ type }) => type === DRAINED);
  if (before?.status === condition.status && before.reason === condition.reason && before.message === condition.message) return;
  const lastTransitionTime = before?.status === condition.status ? before.lastTransitionTime : timeText(now);
  const conditions = [...status.conditions.filter(({ type }) => type !== DRAINED), { type: DRAINED, ...condition, lastTransitionTime }];
  tx.update('Node', { ...current, status: { ...status, conditions } }, 'any');
}
