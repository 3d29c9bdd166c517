// The generated code of each kind's message: its JSON and binary forms. Which fields a kind has is in the schema.
import { ControllerRevision } from '../gen/podplane/apps/v1/controller_revision.js';
import { DaemonSet } from '../gen/podplane/apps/v1/daemon_set.js';
import { Deployment } from '../gen/podplane/apps/v1/deployment.js';
import { ReplicaSet } from '../gen/podplane/apps/v1/replica_set.js';
import { StatefulSet } from '../gen/podplane/apps/v1/stateful_set.js';
import { CronJob } from '../gen/podplane/batch/v1/cron_job.js';
import { Job } from '../gen/podplane/batch/v1/job.js';
import { Lease } from '../gen/podplane/coordination/v1/lease.js';
import { ConfigMap } from '../gen/podplane/core/v1/config_map.js';
import { Event } from '../gen/podplane/core/v1/event.js';
import { Namespace } from '../gen/podplane/core/v1/namespace.js';
import { Node } from '../gen/podplane/core/v1/node.js';
import { PersistentVolume } from '../gen/podplane/core/v1/persistent_volume.js';
import { PersistentVolumeClaim } from '../gen/podplane/core/v1/persistent_volume_claim.js';
import { Pod } from '../gen/podplane/core/v1/pod.js';
import { PodTemplate } from '../gen/podplane/core/v1/pod_template.js';
import { ReplicationController } from '../gen/podplane/core/v1/replication_controller.js';
import { Secret } from '../gen/podplane/core/v1/secret.js';
import { Service } from '../gen/podplane/core/v1/service.js';
import { ServiceAccount } from '../gen/podplane/core/v1/service_account.js';
import { PodDisruptionBudget } from '../gen/podplane/policy/v1/pod_disruption_budget.js';
import { StorageClass } from '../gen/podplane/storage/v1/storage_class.js';
import type { Kind, KindMap } from '../kinds/kind-map.js';

export interface Codec<T> {
  /** Trusts its input: wrong types are bent, unknown fields dropped. For anything from outside use decodeObject. */
  fromJSON(tree: unknown): T;
  toJSON(object: T): unknown;
  encode(object: T): { finish(): Uint8Array };
  decode(bytes: Uint8Array): T;
}

export const codecs: { readonly [K in Kind]: Codec<KindMap[K]> } = {
  Pod,
  Node,
  Namespace,
  ConfigMap,
  Secret,
  Service,
  ServiceAccount,
  Event,
  Lease,
  Deployment,
  ReplicaSet,
  ControllerRevision,
  DaemonSet,
  StatefulSet,
  Job,
  CronJob,
  PodTemplate,
  ReplicationController,
  PodDisruptionBudget,
  PersistentVolume,
  PersistentVolumeClaim,
  StorageClass,
};

export function isKind(text: string): text is Kind {
  return Object.hasOwn(codecs, text);
}
