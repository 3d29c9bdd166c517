// Which kinds exist, and which message each one is. What a kind means (names, defaults, validation, columns) is in the files beside.
import type { ControllerRevision } from '../gen/podplane/apps/v1/controller_revision.js';
import type { DaemonSet } from '../gen/podplane/apps/v1/daemon_set.js';
import type { Deployment } from '../gen/podplane/apps/v1/deployment.js';
import type { ReplicaSet } from '../gen/podplane/apps/v1/replica_set.js';
import type { StatefulSet } from '../gen/podplane/apps/v1/stateful_set.js';
import type { CronJob } from '../gen/podplane/batch/v1/cron_job.js';
import type { Job } from '../gen/podplane/batch/v1/job.js';
import type { Lease } from '../gen/podplane/coordination/v1/lease.js';
import type { ConfigMap } from '../gen/podplane/core/v1/config_map.js';
import type { Event } from '../gen/podplane/core/v1/event.js';
import type { Namespace } from '../gen/podplane/core/v1/namespace.js';
import type { Node } from '../gen/podplane/core/v1/node.js';
import type { PersistentVolume } from '../gen/podplane/core/v1/persistent_volume.js';
import type { PersistentVolumeClaim } from '../gen/podplane/core/v1/persistent_volume_claim.js';
import type { Pod } from '../gen/podplane/core/v1/pod.js';
import type { PodTemplate } from '../gen/podplane/core/v1/pod_template.js';
import type { ReplicationController } from '../gen/podplane/core/v1/replication_controller.js';
import type { Secret } from '../gen/podplane/core/v1/secret.js';
import type { Service } from '../gen/podplane/core/v1/service.js';
import type { ServiceAccount } from '../gen/podplane/core/v1/service_account.js';
import type { PodDisruptionBudget } from '../gen/podplane/policy/v1/pod_disruption_budget.js';
import type { StorageClass } from '../gen/podplane/storage/v1/storage_class.js';

export interface KindMap {
  Pod: Pod;
  Node: Node;
  Namespace: Namespace;
  ConfigMap: ConfigMap;
  Secret: Secret;
  Service: Service;
  ServiceAccount: ServiceAccount;
  Event: Event;
  Lease: Lease;
  Deployment: Deployment;
  ReplicaSet: ReplicaSet;
  ControllerRevision: ControllerRevision;
  DaemonSet: DaemonSet;
  StatefulSet: StatefulSet;
  Job: Job;
  CronJob: CronJob;
  PodTemplate: PodTemplate;
  ReplicationController: ReplicationController;
  PodDisruptionBudget: PodDisruptionBudget;
  PersistentVolume: PersistentVolume;
  PersistentVolumeClaim: PersistentVolumeClaim;
  StorageClass: StorageClass;
}

export type Kind = keyof KindMap;

/** Readonly all the way down: what the store hands out is frozen. */
export type DeepReadonly<T> = T extends (infer E)[]
  ? readonly DeepReadonly<E>[]
  : T extends Uint8Array
    ? T
    : T extends object
      ? { readonly [P in keyof T]: DeepReadonly<T[P]> }
      : T;

/** An object as the store holds it. */
export type Obj<K extends Kind = Kind> = { [P in K]: DeepReadonly<KindMap[P]> }[K];
