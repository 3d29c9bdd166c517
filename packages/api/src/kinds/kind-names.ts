// How each kind is called: group, plural, short names, scope. Nothing of what a kind means.
import type { Kind } from './kind-map.js';

export type { Kind } from './kind-map.js';

export interface KindNames {
  readonly apiVersion: string;
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
  /** Words that stand for several kinds: "all". */
  readonly categories: readonly string[];
  readonly namespaced: boolean;
  /** Full name of the message. */
  readonly typeName: string;
}

function names(
  group: string,
  message: string,
  plural: string,
  rest: { short?: string[]; categories?: string[]; namespaced?: boolean; singular: string },
): KindNames {
  return {
    apiVersion: group === '' ? 'v1' : `${group}/v1`,
    group,
    version: 'v1',
    plural,
    singular: rest.singular,
    shortNames: rest.short ?? [],
    categories: rest.categories ?? [],
    namespaced: rest.namespaced ?? true,
    typeName: `podplane.${message}`,
  };
}

const ALL = ['all'];

export const kindNames: { readonly [K in Kind]: KindNames } = {
  Pod: names('', 'core.v1.Pod', 'pods', { singular: 'pod', short: ['po'], categories: ALL }),
  Node: names('', 'core.v1.Node', 'nodes', { singular: 'node', short: ['no'], namespaced: false }),
  Namespace: names('', 'core.v1.Namespace', 'namespaces', { singular: 'namespace', short: ['ns'], namespaced: false }),
  ConfigMap: names('', 'core.v1.ConfigMap', 'configmaps', { singular: 'configmap', short: ['cm'] }),
  Secret: names('', 'core.v1.Secret', 'secrets', { singular: 'secret' }),
  Service: names('', 'core.v1.Service', 'services', { singular: 'service', short: ['svc'], categories: ALL }),
  ServiceAccount: names('', 'core.v1.ServiceAccount', 'serviceaccounts', { singular: 'serviceaccount', short: ['sa'] }),
  Event: names('', 'core.v1.Event', 'events', { singular: 'event', short: ['ev'] }),
  Lease: names('coordination.k8s.io', 'coordination.v1.Lease', 'leases', { singular: 'lease' }),
  Deployment: names('apps', 'apps.v1.Deployment', 'deployments', { singular: 'deployment', short: ['deploy'], categories: ALL }),
  ReplicaSet: names('apps', 'apps.v1.ReplicaSet', 'replicasets', { singular: 'replicaset', short: ['rs'], categories: ALL }),
  ControllerRevision: names('apps', 'apps.v1.ControllerRevision', 'controllerrevisions', { singular: 'controllerrevision' }),
  DaemonSet: names('apps', 'apps.v1.DaemonSet', 'daemonsets', { singular: 'daemonset', short: ['ds'], categories: ALL }),
  StatefulSet: names('apps', 'apps.v1.StatefulSet', 'statefulsets', { singular: 'statefulset', short: ['sts'], categories: ALL }),
  Job: names('batch', 'batch.v1.Job', 'jobs', { singular: 'job', categories: ALL }),
  CronJob: names('batch', 'batch.v1.CronJob', 'cronjobs', { singular: 'cronjob', short: ['cj'], categories: ALL }),
  PodTemplate: names('', 'core.v1.PodTemplate', 'podtemplates', { singular: 'podtemplate' }),
  ReplicationController: names('', 'core.v1.ReplicationController', 'replicationcontrollers', {
    singular: 'replicationcontroller',
    short: ['rc'],
    categories: ALL,
  }),
  PodDisruptionBudget: names('policy', 'policy.v1.PodDisruptionBudget', 'poddisruptionbudgets', {
    singular: 'poddisruptionbudget',
    short: ['pdb'],
  }),
  PersistentVolume: names('', 'core.v1.PersistentVolume', 'persistentvolumes', {
    singular: 'persistentvolume',
    short: ['pv'],
    namespaced: false,
  }),
  PersistentVolumeClaim: names('', 'core.v1.PersistentVolumeClaim', 'persistentvolumeclaims', {
    singular: 'persistentvolumeclaim',
    short: ['pvc'],
  }),
  StorageClass: names('storage.k8s.io', 'storage.v1.StorageClass', 'storageclasses', {
    singular: 'storageclass',
    short: ['sc'],
    namespaced: false,
  }),
};

export const allKinds: readonly Kind[] = Object.keys(kindNames) as Kind[];

/** "deployments.apps"; without the dot for the core group. How Kubernetes names resources in messages. */
export function qualifiedResource(kind: Kind): string {
  const { plural, group } = kindNames[kind];
  return group === '' ? plural : `${plural}.${group}`;
}

/** Whether a text is the name of a kind, exactly as in manifests. */
export function isKind(text: string): text is Kind {
  return Object.hasOwn(kindNames, text);
}
