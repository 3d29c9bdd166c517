// The words of storage: provisioners, drivers, annotations and finalizers that several rooms use. No logic but reading them.
import type { PersistentVolumeSpec } from '../gen/podplane/core/v1/persistent_volume.js';
import type { DeepReadonly } from '../kinds/kind-map.js';

/** Makes volumes of the node's engine, where the first pod that uses the claim runs. */
export const NODE_LOCAL = 'podplane.dev/node-local';
/** Makes directories below one that all nodes mount. */
export const SHARED_DIRECTORY = 'podplane.dev/shared-directory';
export const NO_PROVISIONER = 'kubernetes.io/no-provisioner';
/** The drivers that PersistentVolumes made by these provisioners name. */
export const NODE_LOCAL_DRIVER = 'node-local.podplane.dev';
export const SHARED_DIRECTORY_DRIVER = 'shared-directory.podplane.dev';

export const DEFAULT_CLASS_ANNOTATION = 'storageclass.kubernetes.io/is-default-class';
/** The older way to name a volume's class. */
export const CLASS_ANNOTATION = 'volume.beta.kubernetes.io/storage-class';
export const SELECTED_NODE = 'volume.kubernetes.io/selected-node';
export const STORAGE_PROVISIONER = 'volume.kubernetes.io/storage-provisioner';
export const PROVISIONED_BY = 'pv.kubernetes.io/provisioned-by';
export const BIND_COMPLETED = 'pv.kubernetes.io/bind-completed';
export const BOUND_BY_CONTROLLER = 'pv.kubernetes.io/bound-by-controller';
/** Which node shall remove the data of a volume that all nodes reach. */
export const RECLAIM_NODE = 'podplane.dev/reclaim-node';

/** A claim stays while pods use it. */
export const CLAIM_PROTECTION = 'kubernetes.io/pvc-protection';
/** A volume stays while a claim has it. */
export const VOLUME_PROTECTION = 'kubernetes.io/pv-protection';
/** A volume stays until its data has been removed from the node. */
export const DATA_PROTECTION = 'podplane.dev/volume-data';

const SHORT_MODES: Readonly<Record<string, string>> = {
  ReadWriteOnce: 'RWO',
  ReadOnlyMany: 'ROX',
  ReadWriteMany: 'RWX',
  ReadWriteOncePod: 'RWOP',
};

/** "RWO,RWX", in Kubernetes' order. */
export function modesText(modes: readonly string[]): string {
  return Object.entries(SHORT_MODES)
    .flatMap(([mode, short]) => (modes.includes(mode) ? [short] : []))
    .join(',');
}

const NOT_SOURCES: ReadonlySet<string> = new Set([
  'capacity',
  'accessModes',
  'claimRef',
  'persistentVolumeReclaimPolicy',
  'storageClassName',
  'mountOptions',
  'volumeMode',
  'nodeAffinity',
  'volumeAttributesClassName',
]);

/** The fields of a volume's spec that say what it is; one in a right one. */
export function volumeSourceOf(spec: DeepReadonly<PersistentVolumeSpec>): (keyof PersistentVolumeSpec)[] {
  return (Object.keys(spec) as (keyof PersistentVolumeSpec)[]).filter((field) => !NOT_SOURCES.has(field) && spec[field] !== undefined);
}

/** The key of a claim in maps and messages. */
export function claimKey(namespace: string, name: string): string {
  return `${namespace}/${name}`;
}
