// Deployments: which changes concern which of them, one pass of the rollout, and the status that follows. How a rollout goes is in rollout.ts.
import type { DeploymentStatus } from '@podplane/api/gen/podplane/apps/v1/deployment';
import type { Obj } from '@podplane/api/kinds/kind-map';
import { controllerOf } from '@podplane/api/pod-state';
import type { Change, ReadView } from '@podplane/store/types';
import type { ReconcileContext, ReconcileResult, Reconciler } from '../runtime/types.js';
import { keyOf, namespaceOf, parseKey } from '../shared/objects.js';
import { selectorOf } from '../shared/selectors.js';
import { REVISION } from './annotations.js';
import { isRolling } from './bounds.js';
import { Rollout } from './rollout.js';
import { conditionOf, countStatus, deadlineInMs, deadlineOf, type StatusInput, TIMED_OUT, withProgress, withReason } from './status.js';

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
    } else if (change.kind === 'Pod' && change.type === 'deleted') {
      // Recreate waits for the last old pod to be gone, which no status of a set tells.
      const owner = controllerOf(change.object);
      const set = owner?.kind === 'ReplicaSet' ? view.get('ReplicaSet', namespaceOf(change.object), owner.name) : undefined;
      const above = set && controllerOf(set);
      const deployment = above?.kind === 'Deployment' ? view.get('Deployment', namespaceOf(change.object), above.name) : undefined;
      if (deployment !== undefined && !isRolling(deployment)) yield keyOf(deployment);
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
    const rollout = new Rollout(context, deployment);
    rollout.run();
    const { newSet, sets, collisionCount } = rollout;
    const input: StatusInput = { deployment, sets, newSet, collisionCount, now };
    let status = countStatus(input);
    status = { ...status, conditions: withEvents(deployment, status, rollout, now) as DeploymentStatus['conditions'] };
    if (!deployment.spec.paused) status = withProgress(input, status);
    const annotations =
      rollout.revision === undefined
        ? deployment.metadata.annotations
        : { ...deployment.metadata.annotations, [REVISION]: rollout.revision };
    tx.update('Deployment', { ...deployment, metadata: { ...deployment.metadata, annotations }, status }, 'any');
    const wait = deadlineInMs(deployment, status, now);
    return wait === undefined ? undefined : { requeueAfterMs: wait };
  }
}

/** What the pass itself means for the condition Progressing: paused, resumed, a set made or found. */
function withEvents(
  deployment: Obj<'Deployment'>,
  status: DeploymentStatus,
  rollout: Rollout,
  now: number,
): readonly NonNullable<Obj<'Deployment'>['status']>['conditions'][number][] {
  const { conditions } = status;
  if (deadlineOf(deployment) === undefined) return conditions;
  const current = conditionOf(status, 'Progressing');
  const paused = deployment.spec?.paused === true;
  const set = rollout.newSet?.metadata?.name ?? '';
  if (rollout.found === 'created') return withReason(conditions, 'True', 'NewReplicaSetCreated', `Created new replica set "${set}"`, now);
  if (current?.reason !== TIMED_OUT) {
    if (paused && current?.reason !== 'DeploymentPaused')
      return withReason(conditions, 'Unknown', 'DeploymentPaused', 'Deployment is paused', now);
    if (!paused && current?.reason === 'DeploymentPaused')
      return withReason(conditions, 'Unknown', 'DeploymentResumed', 'Deployment is resumed', now);
  }
  if (rollout.found === 'found' && current === undefined)
    return withReason(conditions, 'True', 'FoundNewReplicaSet', `Found new replica set "${set}"`, now);
  return conditions;
}
