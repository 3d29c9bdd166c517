// What happens to an object on its way into the store, the same for every face: defaults, what clients may not say, validation,
// warnings, the namespace it goes to. Pure but for the transaction. The rules of each kind are in @podplane/api/kinds.
import { badRequest, conflict, invalidObject } from '@podplane/api/errors';
import { kindInfo } from '@podplane/api/kinds/catalogue';
import type { Kind, KindMap, Obj } from '@podplane/api/kinds/kind-map';
import { qualifiedResource } from '@podplane/api/kinds/kind-names';
import { keepOnlyEphemeral, validateEphemeralWrite } from '@podplane/api/kinds/pod-spec/ephemeral';
import { refusedFields } from '@podplane/api/kinds/support-check';
import { CONTENT_FINALIZER, SPEC_FINALIZER } from '@podplane/controllers/namespace/bootstrap';

export type Subresource = '' | 'status' | 'ephemeralcontainers';

const WITH_STATUS: ReadonlySet<Kind> = new Set<Kind>([
  'Pod',
  'Node',
  'Namespace',
  'Service',
  'Deployment',
  'ReplicaSet',
  'DaemonSet',
  'StatefulSet',
  'Job',
  'CronJob',
  'ReplicationController',
  'PodDisruptionBudget',
  'PersistentVolume',
  'PersistentVolumeClaim',
]);

/** Throws ApiError BadRequest for one that the kind does not have. */
export function parseSubresource(kind: Kind, text: string): Subresource {
  if (text === '') return '';
  if (text === 'status' && WITH_STATUS.has(kind)) return 'status';
  if (text === 'ephemeralcontainers' && kind === 'Pod') return 'ephemeralcontainers';
  throw badRequest(`${qualifiedResource(kind)} have no subresource ${JSON.stringify(text.slice(0, 50))}`, { target: { kind } });
}

/** Makes a new object ready for tx.create; changes it in place. now: ms since 1970. Throws ApiError: BadRequest, Invalid. */
export function admitNew<K extends Kind>(kind: K, object: KindMap[K], now: number): void {
  const info = kindInfo(kind);
  if (object.metadata?.resourceVersion !== undefined && object.metadata.resourceVersion !== '') {
    throw badRequest('resourceVersion should not be set on objects to be created', {
      target: { kind, namespace: object.metadata.namespace ?? '', name: object.metadata.name ?? '' },
      advice: 'Leave it out, or update the object instead.',
    });
  }
  info.setDefaults(object);
  info.prepareForCreate(object, now);
  if (kind === 'Namespace') holdContent(object as KindMap['Namespace']);
  const errors = info.validateCreate(object as Obj<K>);
  if (errors.length > 0)
    throw invalidObject(kind, object.metadata?.namespace ?? '', object.metadata?.name || object.metadata?.generateName || '', errors);
}

/** A namespace is held until it is empty, from its first moment on; the namespace controller lets it go. */
function holdContent(namespace: KindMap['Namespace']): void {
  const { metadata } = namespace;
  if (metadata !== undefined && !metadata.finalizers.includes(CONTENT_FINALIZER)) metadata.finalizers.push(CONTENT_FINALIZER);
  namespace.spec = { finalizers: [...new Set([...(namespace.spec?.finalizers ?? []), SPEC_FINALIZER])] };
}

/** Makes a changed object ready for tx.update; changes it in place. Throws ApiError: Conflict, Invalid. */
export function admitChange<K extends Kind>(kind: K, next: KindMap[K], previous: Obj<K>, subresource: Subresource): void {
  const info = kindInfo(kind);
  const old = previous.metadata;
  const namespace = old?.namespace ?? '';
  const name = old?.name ?? '';
  const { metadata } = next;
  if (metadata !== undefined) {
    const { uid, resourceVersion } = metadata;
    if (uid !== undefined && uid !== '' && uid !== old?.uid) {
      throw conflict(kind, namespace, name, `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${old?.uid ?? ''}`);
    }
    if (resourceVersion !== undefined && resourceVersion !== '' && resourceVersion !== old?.resourceVersion)
      throw conflict(kind, namespace, name);
    if (old?.generation !== undefined) metadata.generation = old.generation;
  }
  info.setDefaults(next);
  if (subresource === 'ephemeralcontainers') return admitEphemeral(next as KindMap['Pod'], previous as Obj<'Pod'>);
  if (subresource === 'status') info.prepareForStatusUpdate(next, previous);
  else info.prepareForUpdate(next, previous);
  const changed = next as Obj<K>;
  const errors = subresource === 'status' ? info.validateStatusUpdate(changed, previous) : info.validateUpdate(changed, previous);
  if (errors.length > 0) throw invalidObject(kind, namespace, name, errors);
}

/** A write to a pod's ephemeral containers adds some and changes nothing else. Throws ApiError Invalid. */
function admitEphemeral(next: KindMap['Pod'], previous: Obj<'Pod'>): void {
  keepOnlyEphemeral(next, previous);
  const pod: Obj<'Pod'> = next;
  const errors = [...refusedFields('Pod', pod), ...validateEphemeralWrite(pod, previous)];
  if (errors.length > 0) throw invalidObject('Pod', previous.metadata?.namespace ?? '', previous.metadata?.name ?? '', errors);
}
