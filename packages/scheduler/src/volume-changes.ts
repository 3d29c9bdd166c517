// Which waiting pods a change of a claim, a volume or a class may help: those must be judged anew. Pure.
import type { Obj } from '@podplane/api/kinds/kind-map';
import { isPodTerminal } from '@podplane/api/pod-state';
import { claimsOf } from '@podplane/api/storage/pod-claims';
import { claimKey } from '@podplane/api/storage/words';
import type { Change, ReadView } from '@podplane/store/types';

type Pod = Obj<'Pod'>;

/** Pods without a node that use claims which the change concerns. */
export function podsConcerned(change: Change, view: ReadView): readonly Pod[] {
  const found = new Map<string, Pod>();
  for (const key of new Set(claimsConcerned(change, view))) {
    for (const pod of view.index('Pod', 'claim', key)) if (!pod.spec?.nodeName) found.set(pod.metadata?.uid ?? '', pod);
  }
  return [...found.values()];
}

function* claimsConcerned(change: Change, view: ReadView): Generator<string> {
  switch (change.kind) {
    case 'PersistentVolumeClaim':
      yield keyOf(change.object);
      return;
    case 'PersistentVolume': {
      const { object, previous } = change as Change<'PersistentVolume'>;
      for (const ref of [object.spec?.claimRef, previous?.spec?.claimRef])
        if (ref !== undefined) yield claimKey(ref.namespace ?? '', ref.name ?? '');
      if (object.spec?.claimRef?.uid && previous?.spec?.claimRef?.uid) return;
      yield* unboundOf(object.spec?.storageClassName ?? '', view);
      return;
    }
    case 'StorageClass':
      yield* unboundOf(change.object.metadata?.name ?? '', view);
      return;
    case 'Pod': {
      // It uses a claim from now on, or does not any more.
      const { object, previous, type } = change as Change<'Pod'>;
      const ended = type === 'deleted' || isPodTerminal(object);
      if (!ended && (object.spec?.nodeName ?? '') === (previous?.spec?.nodeName ?? '')) return;
      for (const { name } of claimsOf(object)) yield claimKey(object.metadata?.namespace ?? '', name);
      return;
    }
    default:
      return;
  }
}

function* unboundOf(className: string, view: ReadView): Generator<string> {
  for (const claim of view.index('PersistentVolumeClaim', 'unbound', className)) yield keyOf(claim);
}

const keyOf = ({ metadata }: Obj): string => claimKey(metadata?.namespace ?? '', metadata?.name ?? '');
