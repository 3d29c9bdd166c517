// Claims and volumes: which changes concern which of them. What is done is in claims.ts and volumes.ts.
import type { Obj } from '@podplane/api/kinds/kind-map';
import { isPodTerminal } from '@podplane/api/pod-state';
import { claimsOf } from '@podplane/api/storage/pod-claims';
import type { Change, ReadView } from '@podplane/store/types';
import type { ReconcileContext, ReconcileResult, Reconciler } from '../runtime/types.js';
import { keyOf, nameOf, parseKey } from '../shared/objects.js';
import { reconcileClaim } from './claims.js';
import { isReady, reconcileVolume } from './volumes.js';

const CLAIM = 'claim/';
const VOLUME = 'volume/';

export class VolumesController implements Reconciler {
  readonly name = 'volumes';

  *keysFor(change: Change, view: ReadView): Iterable<string> {
    switch (change.kind) {
      case 'PersistentVolumeClaim':
        yield* claimKeys(change as Change<'PersistentVolumeClaim'>, view);
        return;
      case 'PersistentVolume':
        yield* volumeKeys(change as Change<'PersistentVolume'>, view);
        return;
      case 'StorageClass': {
        const sc = change.object as Obj<'StorageClass'>;
        for (const claim of view.index('PersistentVolumeClaim', 'unbound', nameOf(sc))) yield CLAIM + keyOf(claim);
        for (const claim of view.index('PersistentVolumeClaim', 'unbound', '')) yield CLAIM + keyOf(claim);
        return;
      }
      case 'Pod':
        yield* podKeys(change as Change<'Pod'>, view);
        return;
      case 'Node':
        if (change.type !== 'modified' || isReady(change.object as Obj<'Node'>) !== wasReady(change as Change<'Node'>))
          for (const volume of view.index('PersistentVolume', 'leaving', 'yes')) yield VOLUME + nameOf(volume);
        return;
      default:
        return;
    }
  }

  *allKeys(view: ReadView): Iterable<string> {
    for (const claim of view.list('PersistentVolumeClaim')) yield CLAIM + keyOf(claim);
    for (const volume of view.list('PersistentVolume')) yield VOLUME + nameOf(volume);
  }

  reconcile(key: string, context: ReconcileContext): ReconcileResult {
    if (key.startsWith(VOLUME)) reconcileVolume(context, key.slice(VOLUME.length));
    else {
      const { namespace, name } = parseKey(key.slice(CLAIM.length));
      reconcileClaim(context, namespace, name);
    }
    return undefined;
  }
}

const wasReady = (change: Change<'Node'>): boolean => change.previous !== undefined && isReady(change.previous);

function* claimKeys({ object, type }: Change<'PersistentVolumeClaim'>, view: ReadView): Generator<string> {
  if (type !== 'deleted') yield CLAIM + keyOf(object);
  for (const volume of view.index('PersistentVolume', 'claim', keyOf(object))) yield VOLUME + nameOf(volume);
}

function* volumeKeys({ object, previous, type }: Change<'PersistentVolume'>, view: ReadView): Generator<string> {
  if (type !== 'deleted') yield VOLUME + nameOf(object);
  for (const ref of [object.spec?.claimRef, previous?.spec?.claimRef]) {
    const key = `${ref?.namespace ?? ''}/${ref?.name ?? ''}`;
    if (ref !== undefined && view.get('PersistentVolumeClaim', ref.namespace ?? '', ref.name ?? '') !== undefined) yield CLAIM + key;
  }
  // One that is free now may be what others wait for.
  if (type === 'deleted' || object.spec?.claimRef !== undefined) return;
  for (const claim of view.index('PersistentVolumeClaim', 'unbound', object.spec?.storageClassName ?? '')) yield CLAIM + keyOf(claim);
}

/** A claim that is being deleted waits for the pods that use it, one without a volume for where the first of them runs. */
function* podKeys({ object, previous, type }: Change<'Pod'>, view: ReadView): Generator<string> {
  const ended = type === 'deleted' || isPodTerminal(object);
  if (!ended && (object.spec?.nodeName ?? '') === (previous?.spec?.nodeName ?? '')) return;
  for (const { name } of claimsOf(object)) {
    const claim = view.get('PersistentVolumeClaim', object.metadata?.namespace ?? '', name);
    if (claim !== undefined && (claim.metadata?.deletionTimestamp !== undefined || !claim.spec?.volumeName)) yield CLAIM + keyOf(claim);
  }
}
