// PodDisruptionBudgets: keeps what their status says up to date. What is counted is in budget.ts; the eviction itself in eviction.ts.
import type { Kind, Obj } from '@podplane/api/kinds/kind-map';
import { controllerOf, isBeingDeleted, isPodReady } from '@podplane/api/pod-state';
import { labelSelectorText } from '@podplane/api/selectors';
import type { Change, ReadView } from '@podplane/store/types';
import type { ReconcileContext, ReconcileResult, Reconciler } from '../runtime/types.js';
import { keyOf, namespaceOf, parseKey, regarding } from '../shared/objects.js';
import { type Assessment, assess, type Budget, covers, isScalable, statusWith } from './budget.js';

type Told = 'NoPods' | 'UnmanagedPods' | 'CalculateExpectedPodCountFailed';

export class DisruptionController implements Reconciler {
  readonly name = 'disruption';
  /** What was last told of a budget, so that it is told when it begins and not at every count. */
  readonly #told = new Map<string, Told>();

  *keysFor(change: Change, view: ReadView): Iterable<string> {
    if (change.kind === 'PodDisruptionBudget') {
      const before = change.previous as Budget | undefined;
      // A write of the status alone is our own, or says what we would count anyway.
      const object = change.object as Budget;
      if (before === undefined || change.type === 'deleted' || before.spec !== object.spec || namesDisrupted(object)) yield keyOf(object);
    } else if (change.kind === 'Pod') yield* ofPod(change as Change<'Pod'>, view);
    else if (isScalable(change.kind) && replicasOf(change.object) !== replicasOf(change.previous)) {
      const labels = (change.object as Obj<'ReplicaSet'>).spec?.template?.metadata?.labels ?? {};
      for (const budget of view.list('PodDisruptionBudget', namespaceOf(change.object))) if (covers(budget, labels)) yield keyOf(budget);
    }
  }

  *allKeys(view: ReadView): Iterable<string> {
    for (const budget of view.list('PodDisruptionBudget')) yield keyOf(budget);
  }

  reconcile(key: string, context: ReconcileContext): ReconcileResult {
    const { namespace, name } = parseKey(key);
    const budget = context.tx.get('PodDisruptionBudget', namespace, name);
    if (budget === undefined) {
      this.#told.delete(key);
      return undefined;
    }
    const assessment = assess(context.tx, budget, context.now);
    this.#tell(key, budget, assessment, context);
    const counted = statusWith(budget, assessment, context.now);
    if (counted !== budget) context.tx.update('PodDisruptionBudget', counted, 'any');
    return assessment.nextInMs === undefined ? undefined : { requeueAfterMs: Math.max(1, assessment.nextInMs) };
  }

  #tell(key: string, budget: Budget, { pods, problem, unmanaged, overdue }: Assessment, context: ReconcileContext): void {
    for (const pod of overdue) {
      const message = `Pod was expected by PDB ${keyOf(budget)} to be deleted but it wasn't`;
      context.event({ regarding: regarding('Pod', pod), type: 'Warning', reason: 'NotDeleted', message });
    }
    const found = sayingOf(budget, pods, problem, unmanaged.length);
    if (found === undefined) this.#told.delete(key);
    else if (this.#told.get(key) !== found.reason) {
      this.#told.set(key, found.reason);
      context.event({ regarding: regarding('PodDisruptionBudget', budget), ...found });
    }
  }
}

function sayingOf(
  budget: Budget,
  pods: number,
  problem: string | undefined,
  unmanaged: number,
): { readonly type: 'Normal' | 'Warning'; readonly reason: Told; readonly message: string } | undefined {
  if (problem !== undefined) {
    const message = `Failed to calculate the number of expected pods: ${problem}`;
    return { type: 'Warning', reason: 'CalculateExpectedPodCountFailed', message };
  }
  if (pods === 0) return { type: 'Normal', reason: 'NoPods', message: 'No matching pods found' };
  if (unmanaged === 0) return undefined;
  const selector = budget.spec?.selector === undefined ? '' : labelSelectorText(budget.spec.selector);
  const message =
    `Pods selected by this PodDisruptionBudget (selector: ${selector}) were found to be unmanaged: they do not count among the expected pods. ` +
    'To account for these pods set ".spec.minAvailable" to an integer value.';
  return { type: 'Warning', reason: 'UnmanagedPods', message };
}

/** Somebody other than our own eviction wrote the status: it names pods that shall count as gone. */
function namesDisrupted({ status }: Budget): boolean {
  return Object.keys(status?.disruptedPods ?? {}).length > 0;
}

function* ofPod({ type, object, previous }: Change<'Pod'>, view: ReadView): Iterable<string> {
  const labels = object.metadata?.labels ?? {};
  const before = previous?.metadata?.labels ?? {};
  const counted =
    type !== 'modified' ||
    previous === undefined ||
    labels !== before ||
    isPodReady(object) !== isPodReady(previous) ||
    isBeingDeleted(object) !== isBeingDeleted(previous) ||
    controllerOf(object)?.uid !== controllerOf(previous)?.uid;
  if (!counted) return;
  for (const budget of view.list('PodDisruptionBudget', namespaceOf(object))) {
    if (covers(budget, labels) || (labels !== before && covers(budget, before))) yield keyOf(budget);
  }
}

function replicasOf(object: Obj<Kind> | undefined): number | undefined {
  return (object as Obj<'ReplicaSet'> | undefined)?.spec?.replicas;
}
