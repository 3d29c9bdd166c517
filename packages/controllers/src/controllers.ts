// All controllers, in the order in which they act on a change within one turn of the pump.
import { CronJobController } from './cronjob/controller.js';
import { DaemonSetController } from './daemonset/controller.js';
import { DeploymentController } from './deployment/controller.js';
import { DisruptionController } from './disruption/controller.js';
import { DrainController } from './drain/controller.js';
import { JobController } from './job/controller.js';
import { NamespaceController } from './namespace/controller.js';
import type { NodeLifecycleConfig } from './node-lifecycle/config.js';
import { NodeLifecycleController } from './node-lifecycle/controller.js';
import { OwnerGcController } from './owner-gc/controller.js';
import { type PodGcConfig, PodGcController } from './pod-gc/controller.js';
import { ReplicaSetController } from './replicaset/controller.js';
import type { NodeLiveness, Reconciler } from './runtime/types.js';

import { ServiceAccountController } from './serviceaccount/controller.js';
import { RootCaController } from './serviceaccount/root-ca.js';
import { StatefulSetController } from './statefulset/controller.js';
import { VolumesController } from './volumes/controller.js';
import { EphemeralVolumeController } from './volumes/ephemeral.js';

export interface ControllersOptions {
  readonly liveness: NodeLiveness;
  readonly nodeLifecycle?: Partial<NodeLifecycleConfig>;
  readonly podGc?: Partial<PodGcConfig>;
  /** The certificate (PEM) of the cluster's authority; undefined: nobody publishes it. */
  readonly rootCa?: string | undefined;
}

/** What removes comes before what replaces; Deployments and CronJobs come last because they go by the status of what they own,
 * budgets because they only count. */
export function createControllers(options: ControllersOptions): Reconciler[] {
  const fencingMarginMs = options.nodeLifecycle?.fencingMarginMs;
  const margin = fencingMarginMs === undefined ? {} : { fencingMarginMs };
  return [
    new NodeLifecycleController(options.liveness, options.nodeLifecycle),
    new DrainController(),
    new PodGcController(options.liveness, { ...margin, ...options.podGc }),
    new NamespaceController(),
    new OwnerGcController(),
    new ServiceAccountController(),
    ...(options.rootCa === undefined ? [] : [new RootCaController(options.rootCa)]),
    new EphemeralVolumeController(),
    new VolumesController(),
    new ReplicaSetController('ReplicaSet'),
    new ReplicaSetController('ReplicationController'),
    new DaemonSetController(),
    new StatefulSetController(),
    new JobController(),
    new CronJobController(),
    new DeploymentController(),
    new DisruptionController(),
  ];
}
