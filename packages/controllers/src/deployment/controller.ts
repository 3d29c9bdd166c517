// Deployments: which changes concern which of them, one pass of the rollout, the status that follows, and what is done about a rollout that
// failed. How a rollout goes is in rollout.ts, what a failure leads to in on-failure.ts.
import type { DeploymentCondition, DeploymentStatus } from '@podplane/api/gen/podplane/apps/v1/deployment';
import type { Obj } from '@podplane/api/kinds/kind-map';
import { type OnFailure, onFailureOf } from '@podplane/api/kinds/on-failure';
import { controllerOf, isBeingDeleted } from '@podplane/api/pod-state';
import type { Change, ReadView } from '@podplane/store/types';
import type { ReconcileContext, ReconcileResult, Reconciler } from '../runtime/types.js';
import { keyOf, nameOf, namespaceOf, parseKey, regarding } from '../shared/objects.js';
import { selectorOf } from '../shared/selectors.js';
import { CHANGE_CAUSE, FAILED, REVISION, ROLLBACK_OF } from './annotations.js';
import { isRolling } from './bounds.js';
import { isAbout, isCrashLooping, isResumed, ROLLOUT_FAILED, responseTo, withFailure, wordsOf } from './on-failure.js';
import { Rollout } from './rollout.js';
import { withoutHash } from './sets.js';
import {
  AVAILABLE,
  conditionOf,
  countStatus,
  deadlineInMs,
  deadlineOf,
  type StatusInput,
  TIMED_OUT,
  withProgress,
  withReason,
} from './status.js';

type Deployment = Obj<'Deployment'>;

export class DeploymentController implements Reconciler {
  readonly name = 'deployment';

  *keysFor(change: Change, view: ReadView): Iterable<string> {
    if (change.kind === 'Deployment') yield keyOf(change.object);
    else if (change.kind === 'ReplicaSet') {
      const set = change.object as Obj<'ReplicaSet'>;
      const owner = controllerOf(set);
      const before = change.previous && controllerOf(change.previous);
      if (owner?.kind === 'Deployment') yield `${namespaceOf(set)}/${owner.name}`;
      if (before?.kind === 'Deployment' && before.uid !== owner?.uid) yield `${namespaceOf(set)}/${before.name}`;
      if (owner === undefined && change.type !== 'deleted') {
        const labels = set.metadata?.labels ?? {};
        for (const deployment of view.list('Deployment', namespaceOf(set))) if (selectorOf(deployment)(labels)) yield keyOf(deployment);
      }
    } else if (change.kind === 'Pod') {
      // Recreate waits for the last old pod to be gone, and a crash loop ends a bake: no status of a set tells either.
      const pod = change.object as Obj<'Pod'>;
      if (change.type === 'added' || (change.type === 'modified' && !isCrashLooping(pod))) return;
      const deployment = deploymentOf(view, pod);
      if (deployment === undefined) return;
      if (change.type === 'deleted' ? !isRolling(deployment) : onFailureOf(deployment) !== undefined) yield keyOf(deployment);
    }
  }

  *allKeys(view: ReadView): Iterable<string> {
    for (const deployment of view.list('Deployment')) yield keyOf(deployment);
  }

  reconcile(key: string, context: ReconcileContext): ReconcileResult {
    const { namespace, name } = parseKey(key);
    const { tx, now } = context;
    const deployment = tx.get('Deployment', namespace, name);
    if (deployment?.spec === undefined || deployment.metadata === undefined) return undefined;
    const onFailure = onFailureOf(deployment);
    const bakeMs = onFailure?.bakeMs ?? 0;
    const rollout = new Rollout(context, deployment);
    rollout.run();
    const { newSet, sets, collisionCount } = rollout;
    const input: StatusInput = { deployment, sets, newSet, collisionCount, now, bakeMs };
    let status = countStatus(input);
    status = { ...status, conditions: withEvents(deployment, status, rollout, now) as DeploymentStatus['conditions'] };
    if (!deployment.spec.paused) status = withProgress(input, status);
    const annotations =
      rollout.revision === undefined
        ? deployment.metadata.annotations
        : { ...deployment.metadata.annotations, [REVISION]: rollout.revision };
    const next = { ...deployment, metadata: { ...deployment.metadata, annotations }, status };
    tx.update('Deployment', afterFailure(context, onFailure, next, rollout), 'any');
    const wait = deadlineInMs(deployment, status, bakeMs, now);
    return wait === undefined ? undefined : { requeueAfterMs: wait };
  }
}

function deploymentOf(view: ReadView, pod: Obj<'Pod'>): Deployment | undefined {
  const owner = controllerOf(pod);
  const set = owner?.kind === 'ReplicaSet' ? view.get('ReplicaSet', namespaceOf(pod), owner.name) : undefined;
  const above = set && controllerOf(set);
  return above?.kind === 'Deployment' ? view.get('Deployment', namespaceOf(pod), above.name) : undefined;
}

/** What the pass itself means for the condition Progressing: paused, resumed, a set made or found. */
function withEvents(
  deployment: Deployment,
  status: DeploymentStatus,
  rollout: Rollout,
  now: number,
): readonly NonNullable<Deployment['status']>['conditions'][number][] {
  const { conditions } = status;
  if (deadlineOf(deployment) === undefined) return conditions;
  const current = conditionOf(status, 'Progressing');
  const paused = deployment.spec?.paused === true;
  const set = rollout.newSet?.metadata?.name ?? '';
  if (rollout.found === 'created') return withReason(conditions, 'True', 'NewReplicaSetCreated', `Created new replica set "${set}"`, now);
  if (rollout.newSet !== undefined && isResumed(deployment, rollout.newSet)) {
    rollout.annotate(rollout.newSet, { [FAILED]: undefined });
    return withReason(conditions, 'Unknown', 'DeploymentResumed', 'Deployment is resumed', now);
  }
  if (current?.reason !== TIMED_OUT) {
    if (paused && current?.reason !== 'DeploymentPaused')
      return withReason(conditions, 'Unknown', 'DeploymentPaused', 'Deployment is paused', now);
    if (!paused && current?.reason === 'DeploymentPaused')
      return withReason(conditions, 'Unknown', 'DeploymentResumed', 'Deployment is resumed', now);
  }
  if (rollout.found === 'promoted' || (rollout.found === 'found' && current === undefined))
    return withReason(conditions, 'True', 'FoundNewReplicaSet', `Found new replica set "${set}"`, now);
  return conditions;
}

/** The Deployment as it is to be written: what is done about a rollout that failed, and what is said of it. */
function afterFailure(context: ReconcileContext, onFailure: OnFailure | undefined, deployment: Deployment, rollout: Rollout): Deployment {
  const { spec, status, metadata } = deployment;
  const { newSet } = rollout;
  if (spec === undefined || status === undefined || metadata === undefined) return deployment;
  // A rollout that is good after all has not failed.
  if (newSet !== undefined && conditionOf(status, 'Progressing')?.reason === AVAILABLE) rollout.annotate(newSet, { [FAILED]: undefined });
  const conditions = status.conditions.filter(({ type }) => type !== ROLLOUT_FAILED || isAbout(rollout.newSet)) as DeploymentCondition[];
  const told = conditions.length === status.conditions.length ? deployment : { ...deployment, status: { ...status, conditions } };
  if (onFailure === undefined || newSet === undefined || spec.paused || isBeingDeleted(deployment)) return told;
  const response = responseTo(onFailure, deployment, rollout.sets, rollout.newSet ?? newSet, conditions, context.tx);
  if (response.kind === 'none') return told;
  const { reason, message } = wordsOf(response, newSet);
  context.because(message, deployment);
  context.event({ regarding: regarding('Deployment', deployment), type: 'Warning', reason, message });
  rollout.annotate(newSet, { [FAILED]: message });
  const failed = { ...told, status: { ...status, conditions: withFailure(conditions, reason, message, context.now) } };
  if (response.kind === 'pause') return { ...failed, spec: { ...spec, paused: true } };
  if (response.kind === 'give-up') return failed;
  const { template } = response.to.spec ?? {};
  if (template === undefined) return failed;
  rollout.annotate(response.to, { [ROLLBACK_OF]: nameOf(newSet) });
  const annotations: Record<string, string> = { ...metadata.annotations };
  const cause = response.to.metadata?.annotations[CHANGE_CAUSE];
  if (cause === undefined) delete annotations[CHANGE_CAUSE];
  else annotations[CHANGE_CAUSE] = cause;
  return { ...failed, metadata: { ...metadata, annotations }, spec: { ...spec, template: withoutHash(template) } };
}
