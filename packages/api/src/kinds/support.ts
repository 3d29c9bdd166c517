// Which fields work. This table is the only place that says so: admission refuses and warns by it, docs/support.md is made from
// it, and a test sees to it that no field of any kind is missing. To turn a field on, change its line. No logic here.
import { NO_PROVISIONER, NODE_LOCAL, NODE_LOCAL_DRIVER, SHARED_DIRECTORY, SHARED_DIRECTORY_DRIVER } from '../storage/words.js';
import type { Kind } from './kind-map.js';

/** Where a path starts: at a kind, at every pod spec (of pods and of templates), or at every container of one. */
export type SupportScope = Kind | 'PodSpec' | 'Container';

export interface SupportRule {
  readonly scope: SupportScope;
  /** Fields by dots; name[] is every item of a list, name{} the keys of a map. Covers everything below it that has no line of its own. */
  readonly path: string;
  /** refused: an error; warned: accepted without effect, with a warning. */
  readonly support: 'supported' | 'refused' | 'warned';
  readonly note: string;
  /** Values (or keys of a map) that are accepted all the same: they ask for what happens anyway. */
  readonly except?: readonly (string | number | boolean)[];
  /** Accepted all the same where a sibling field has this value. */
  readonly exceptWhere?: readonly [field: string, value: string];
}

type Except = SupportRule['except'];

const yes = (scope: SupportScope, paths: readonly string[], note = ''): SupportRule[] =>
  paths.map((path) => ({ scope, path, support: 'supported', note }));
const no = (scope: SupportScope, paths: readonly string[], note = ''): SupportRule[] =>
  paths.map((path) => ({ scope, path, support: 'refused', note }));
const only = (scope: SupportScope, path: string, except: NonNullable<Except>, note = ''): SupportRule => ({
  scope,
  path,
  support: 'refused',
  note,
  except,
});
const warn = (scope: SupportScope, path: string, note: string, except?: Except): SupportRule =>
  except === undefined ? { scope, path, support: 'warned', note } : { scope, path, support: 'warned', note, except };

const NEEDS_SELINUX = 'where the engine uses SELinux; a node without it fails the pod';
const NEEDS_APPARMOR = 'where the engine has AppArmor; a node without it fails the pod';
const SECCOMP_FOLDER = "a file below seccomp/ of the agent's data directory";

/** What may be said of a claim that is made for a pod. note: of what works. */
const claimTemplate = (scope: SupportScope, path: string, note = ''): SupportRule[] => [
  ...yes(scope, [`${path}.metadata`]),
  ...yes(
    scope,
    ['accessModes', 'selector', 'volumeName', 'storageClassName', 'resources'].map((field) => `${path}.spec.${field}`),
    note,
  ),
  only(scope, `${path}.spec.volumeMode`, ['Filesystem']),
  ...no(
    scope,
    ['dataSource', 'dataSourceRef', 'volumeAttributesClassName'].map((field) => `${path}.spec.${field}`),
  ),
];

const podSpec: readonly SupportRule[] = [
  ...yes('PodSpec', ['ephemeralContainers'], 'added to pods that are there, by the subresource ephemeralcontainers (podplane debug)'),
  ...yes('PodSpec', ['restartPolicy', 'terminationGracePeriodSeconds', 'nodeSelector', 'nodeName', 'hostname', 'tolerations']),
  ...yes('PodSpec', ['hostAliases'], 'in /etc/hosts, which the agent keeps as Kubernetes does'),
  ...yes(
    'PodSpec',
    ['subdomain', 'setHostnameAsFQDN'],
    'in /etc/hosts and the host name; there is no cluster DNS yet that would tell others',
  ),
  ...yes('PodSpec', ['affinity.nodeAffinity']),
  ...no('PodSpec', ['affinity.podAffinity', 'affinity.podAntiAffinity', 'topologySpreadConstraints']),
  ...yes('PodSpec', ['activeDeadlineSeconds', 'readinessGates']),
  ...yes('PodSpec', ['imagePullSecrets']),
  ...no('PodSpec', ['runtimeClassName', 'overhead']),
  ...yes('PodSpec', ['schedulingGates']),
  ...no('PodSpec', ['resourceClaims', 'resources', 'priorityClassName']),
  only('PodSpec', 'priority', [0]),
  only('PodSpec', 'preemptionPolicy', ['PreemptLowerPriority']),
  only('PodSpec', 'schedulerName', ['default-scheduler']),
  ...yes('PodSpec', ['dnsPolicy'], 'there is no cluster DNS yet: all but None use the DNS of the node'),
  ...yes('PodSpec', ['dnsConfig']),
  ...yes('PodSpec', ['hostNetwork'], 'the network of the machine that the engine runs on: nodes that share an engine share it'),
  ...yes('PodSpec', ['hostPID', 'hostIPC', 'shareProcessNamespace']),
  only('PodSpec', 'hostUsers', [true]),
  only('PodSpec', 'os.name', ['linux']),
  ...yes('PodSpec', ['serviceAccountName'], 'whose token its containers have; a pod whose account is not there is refused'),
  ...yes('PodSpec', ['serviceAccount'], 'the older name of serviceAccountName'),
  ...yes('PodSpec', ['automountServiceAccountToken'], `counts before the account's; true where neither says anything`),
  ...yes('PodSpec', ['enableServiceLinks'], 'without effect while nothing routes to Services'),
  ...no('PodSpec', ['securityContext.windowsOptions']),
  ...yes('PodSpec', ['securityContext.seLinuxOptions'], NEEDS_SELINUX),
  ...yes('PodSpec', ['securityContext.appArmorProfile'], NEEDS_APPARMOR),
  only('PodSpec', 'securityContext.seLinuxChangePolicy', ['Recursive']),
  ...yes('PodSpec', ['securityContext.seccompProfile.localhostProfile'], SECCOMP_FOLDER),
  ...yes('PodSpec', [
    'securityContext.runAsUser',
    'securityContext.runAsGroup',
    'securityContext.runAsNonRoot',
    'securityContext.supplementalGroups',
  ]),
  ...yes(
    'PodSpec',
    ['securityContext.fsGroup'],
    'owns emptyDir volumes and volumes of claims, with all that is made in them, and what the agent writes into projected ones',
  ),
  ...yes('PodSpec', ['securityContext.fsGroupChangePolicy'], 'without effect on emptyDir, as in Kubernetes'),
  ...yes('PodSpec', ['securityContext.sysctls'], 'the safe ones; others are refused'),
  ...yes('PodSpec', ['securityContext.supplementalGroupsPolicy', 'securityContext.seccompProfile.type']),
];

const volumes: readonly SupportRule[] = [
  ...yes('PodSpec', ['volumes[].name']),
  only('PodSpec', 'volumes[].emptyDir.medium', ['', 'Memory']),
  ...yes('PodSpec', ['volumes[].emptyDir.sizeLimit'], 'on disk: looked at every 10 s, and a pod that holds more is evicted'),
  ...yes('PodSpec', ['volumes[].configMap', 'volumes[].secret', 'volumes[].downwardAPI'], 'changes reach running containers'),
  ...yes('PodSpec', ['volumes[].projected.defaultMode']),
  ...yes(
    'PodSpec',
    ['volumes[].projected.sources[].secret', 'volumes[].projected.sources[].configMap', 'volumes[].projected.sources[].downwardAPI'],
    'changes reach running containers',
  ),
  ...yes('PodSpec', ['volumes[].projected.sources[].serviceAccountToken'], 'renewed at four fifths of its life; bound to the pod'),
  ...no('PodSpec', ['volumes[].projected.sources[].clusterTrustBundle']),
  ...yes('PodSpec', ['volumes[].hostPath'], 'the agent must see the same files as its engine'),
  ...yes('PodSpec', ['volumes[].persistentVolumeClaim'], 'also read-only'),
  ...claimTemplate('PodSpec', 'volumes[].ephemeral.volumeClaimTemplate', 'a claim POD-VOLUME that goes with the pod'),
  ...no('PodSpec', [
    'volumes[].image',
    'volumes[].csi',
    'volumes[].nfs',
    'volumes[].iscsi',
    'volumes[].gcePersistentDisk',
    'volumes[].awsElasticBlockStore',
    'volumes[].gitRepo',
    'volumes[].glusterfs',
    'volumes[].rbd',
    'volumes[].flexVolume',
    'volumes[].cinder',
    'volumes[].cephfs',
    'volumes[].flocker',
    'volumes[].fc',
    'volumes[].azureFile',
    'volumes[].vsphereVolume',
    'volumes[].quobyte',
    'volumes[].azureDisk',
    'volumes[].photonPersistentDisk',
    'volumes[].portworxVolume',
    'volumes[].scaleIO',
    'volumes[].storageos',
  ]),
];

const probes: readonly SupportRule[] = ['livenessProbe', 'readinessProbe', 'startupProbe'].flatMap((probe) => [
  ...yes('Container', [`${probe}.exec`, `${probe}.httpGet`, `${probe}.tcpSocket`, `${probe}.grpc`]),
  ...yes('Container', [`${probe}.initialDelaySeconds`, `${probe}.timeoutSeconds`, `${probe}.periodSeconds`]),
  ...yes('Container', [`${probe}.successThreshold`, `${probe}.failureThreshold`]),
  ...yes('Container', [`${probe}.terminationGracePeriodSeconds`], probe === 'readinessProbe' ? 'that is, refused, as in Kubernetes' : ''),
]);

const container: readonly SupportRule[] = [
  ...yes('Container', ['name', 'image', 'imagePullPolicy', 'command', 'args', 'workingDir', 'env', 'envFrom']),
  ...yes('Container', ['ports[].name', 'ports[].containerPort', 'ports[].hostPort', 'ports[].hostIP']),
  only('Container', 'ports[].protocol', ['TCP', 'UDP']),
  ...yes(
    'Container',
    ['resources.limits'],
    'cpu, memory, resources that a node offers (podplane agent --resource), and ephemeral-storage: looked at every 10 s, and a pod that keeps more is evicted; hugepages- are refused',
  ),
  ...yes('Container', ['resources.requests'], 'ephemeral-storage too, which is counted when pods are placed'),
  ...yes('Container', ['restartPolicy'], 'of init containers: Always makes a sidecar'),
  ...yes('Container', ['restartPolicyRules']),
  ...no('Container', ['resources.claims', 'resizePolicy', 'volumeDevices']),
  ...yes('Container', ['volumeMounts[].name', 'volumeMounts[].mountPath', 'volumeMounts[].readOnly']),
  only('Container', 'volumeMounts[].recursiveReadOnly', ['Disabled']),
  ...yes('Container', ['volumeMounts[].mountPropagation']),
  ...yes(
    'Container',
    ['volumeMounts[].subPath', 'volumeMounts[].subPathExpr'],
    'of emptyDir and hostPath: the agent must be root, and see the same files as its engine',
  ),
  ...probes,
  ...['lifecycle.preStop', 'lifecycle.postStart'].flatMap((hook) => [
    ...yes('Container', [`${hook}.exec`, `${hook}.httpGet`, `${hook}.sleep`]),
    warn('Container', `${hook}.tcpSocket`, 'deprecated; fails when it is run, as in Kubernetes'),
  ]),
  ...yes('Container', ['lifecycle.stopSignal']),
  ...yes('Container', ['terminationMessagePath', 'terminationMessagePolicy'], 'where the engine sees the files of the agent'),
  ...yes('Container', ['stdin', 'stdinOnce', 'tty']),
  ...no('Container', ['securityContext.windowsOptions']),
  ...yes('Container', ['securityContext.seLinuxOptions'], NEEDS_SELINUX),
  ...yes('Container', ['securityContext.appArmorProfile'], NEEDS_APPARMOR),
  ...yes('Container', ['securityContext.seccompProfile.localhostProfile'], SECCOMP_FOLDER),
  ...yes('Container', [
    'securityContext.runAsUser',
    'securityContext.runAsGroup',
    'securityContext.runAsNonRoot',
    'securityContext.capabilities',
    'securityContext.readOnlyRootFilesystem',
    'securityContext.allowPrivilegeEscalation',
  ]),
  ...yes('Container', ['securityContext.privileged'], 'where the node itself may do so; else the container fails to start'),
  ...yes('Container', ['securityContext.seccompProfile.type']),
  only('Container', 'securityContext.procMount', ['Default'], 'Unmasked needs hostUsers: false, which is refused'),
];

function jobSpec(scope: 'Job' | 'CronJob', prefix: string): SupportRule[] {
  const fields = [
    'parallelism',
    'completions',
    'activeDeadlineSeconds',
    'podFailurePolicy',
    'successPolicy',
    'backoffLimit',
    'backoffLimitPerIndex',
    'maxFailedIndexes',
    'selector',
    'manualSelector',
    'template.metadata',
    'ttlSecondsAfterFinished',
    'completionMode',
    'suspend',
    'podReplacementPolicy',
    'managedBy',
  ];
  return [
    ...yes(
      scope,
      fields.map((field) => `${prefix}.${field}`),
    ),
  ];
}

const others: readonly SupportRule[] = [
  ...yes('Node', ['spec.podCIDR', 'spec.podCIDRs', 'spec.unschedulable', 'spec.taints']),
  ...yes('Node', ['spec.providerID'], 'kept and shown; nothing reads it'),
  ...no('Node', ['spec.configSource', 'spec.externalID'], 'gone from Kubernetes'),
  warn('Namespace', 'spec.finalizers', 'nothing waits for it', ['kubernetes']),
  ...yes('ConfigMap', ['immutable', 'data'], ''),
  ...yes('ConfigMap', ['binaryData'], 'kept; environment variables take data only, as in Kubernetes'),
  ...yes('Secret', ['immutable', 'data', 'stringData', 'type']),
  warn('Service', 'spec', 'nothing routes to Services yet'),
  ...yes(
    'ServiceAccount',
    ['secrets'],
    'where the annotation kubernetes.io/enforce-mountable-secrets is "true": the only ones that its pods may use',
  ),
  ...yes('ServiceAccount', ['imagePullSecrets'], 'given to its pods that name none'),
  ...yes('ServiceAccount', ['automountServiceAccountToken'], 'for its pods that say nothing'),
  ...yes('Event', [
    'involvedObject',
    'reason',
    'message',
    'source',
    'firstTimestamp',
    'lastTimestamp',
    'count',
    'type',
    'eventTime',
    'series',
    'action',
    'related',
    'reportingComponent',
    'reportingInstance',
  ]),
  ...yes('Lease', ['spec.holderIdentity', 'spec.leaseDurationSeconds', 'spec.acquireTime', 'spec.renewTime', 'spec.leaseTransitions']),
  ...no('Lease', ['spec.strategy', 'spec.preferredHolder']),
  ...yes('Deployment', [
    'spec.replicas',
    'spec.selector',
    'spec.template.metadata',
    'spec.strategy',
    'spec.minReadySeconds',
    'spec.revisionHistoryLimit',
    'spec.paused',
    'spec.progressDeadlineSeconds',
  ]),
  ...yes('ReplicaSet', ['spec.replicas', 'spec.selector', 'spec.template.metadata', 'spec.minReadySeconds']),
  ...yes('ReplicationController', ['spec.replicas', 'spec.selector', 'spec.template.metadata', 'spec.minReadySeconds']),
  ...yes('PodTemplate', ['template.metadata']),
  ...yes('ControllerRevision', ['data', 'revision']),
  ...yes('DaemonSet', [
    'spec.selector',
    'spec.template.metadata',
    'spec.updateStrategy',
    'spec.minReadySeconds',
    'spec.revisionHistoryLimit',
  ]),
  ...yes('StatefulSet', [
    'spec.replicas',
    'spec.selector',
    'spec.template.metadata',
    'spec.podManagementPolicy',
    'spec.updateStrategy.type',
    'spec.updateStrategy.rollingUpdate.partition',
    'spec.updateStrategy.rollingUpdate.maxUnavailable',
    'spec.revisionHistoryLimit',
    'spec.minReadySeconds',
    'spec.ordinals',
  ]),
  ...yes('StatefulSet', ['spec.serviceName'], 'in the full host names of its pods; there is no cluster DNS yet that would tell others'),
  ...claimTemplate('StatefulSet', 'spec.volumeClaimTemplates[]'),
  ...yes('StatefulSet', ['spec.volumeClaimTemplates[].apiVersion', 'spec.volumeClaimTemplates[].kind'], 'what they are anyway'),
  warn('StatefulSet', 'spec.volumeClaimTemplates[].status', 'a status is no wish'),
  ...yes('StatefulSet', ['spec.persistentVolumeClaimRetentionPolicy']),
  ...jobSpec('Job', 'spec'),
  ...yes('CronJob', [
    'spec.schedule',
    'spec.timeZone',
    'spec.startingDeadlineSeconds',
    'spec.concurrencyPolicy',
    'spec.suspend',
    'spec.successfulJobsHistoryLimit',
    'spec.failedJobsHistoryLimit',
    'spec.jobTemplate.metadata',
  ]),
  ...jobSpec('CronJob', 'spec.jobTemplate.spec'),
  ...yes('PodDisruptionBudget', ['spec.minAvailable', 'spec.maxUnavailable', 'spec.selector', 'spec.unhealthyPodEvictionPolicy']),
];

const storage: readonly SupportRule[] = [
  ...yes('PersistentVolume', ['spec.capacity'], 'what claims are matched by; nothing stops a program from writing more'),
  ...yes('PersistentVolume', ['spec.accessModes', 'spec.claimRef', 'spec.storageClassName', 'spec.nodeAffinity']),
  only('PersistentVolume', 'spec.persistentVolumeReclaimPolicy', ['Retain', 'Delete']),
  only('PersistentVolume', 'spec.volumeMode', ['Filesystem']),
  ...yes('PersistentVolume', ['spec.hostPath', 'spec.local.path'], 'the agent must see the same files as its engine'),
  only('PersistentVolume', 'spec.csi.driver', [NODE_LOCAL_DRIVER, SHARED_DIRECTORY_DRIVER]),
  ...yes('PersistentVolume', ['spec.csi.volumeHandle'], "a volume of the node's engine, or a directory that nodes mount"),
  ...yes('PersistentVolume', ['spec.csi.readOnly']),
  only('PersistentVolume', 'spec.csi.volumeAttributes{}', ['requireMount']),
  ...no('PersistentVolume', [
    'spec.local.fsType',
    'spec.csi.fsType',
    'spec.csi.controllerPublishSecretRef',
    'spec.csi.nodeStageSecretRef',
    'spec.csi.nodePublishSecretRef',
    'spec.csi.controllerExpandSecretRef',
    'spec.csi.nodeExpandSecretRef',
    'spec.mountOptions',
    'spec.volumeAttributesClassName',
    'spec.gcePersistentDisk',
    'spec.awsElasticBlockStore',
    'spec.glusterfs',
    'spec.nfs',
    'spec.rbd',
    'spec.iscsi',
    'spec.cinder',
    'spec.cephfs',
    'spec.fc',
    'spec.flocker',
    'spec.flexVolume',
    'spec.azureFile',
    'spec.vsphereVolume',
    'spec.quobyte',
    'spec.azureDisk',
    'spec.photonPersistentDisk',
    'spec.portworxVolume',
    'spec.scaleIO',
    'spec.storageos',
  ]),
  ...yes('PersistentVolumeClaim', ['spec.accessModes', 'spec.selector', 'spec.volumeName', 'spec.storageClassName']),
  ...yes('PersistentVolumeClaim', ['spec.resources.requests'], 'what volumes are matched by; nothing stops a program from writing more'),
  ...yes('PersistentVolumeClaim', ['spec.resources.limits'], 'kept; nothing goes by it, as in Kubernetes'),
  only('PersistentVolumeClaim', 'spec.volumeMode', ['Filesystem']),
  ...no('PersistentVolumeClaim', ['spec.dataSource', 'spec.dataSourceRef', 'spec.volumeAttributesClassName']),
  only('StorageClass', 'provisioner', [NODE_LOCAL, SHARED_DIRECTORY, NO_PROVISIONER]),
  ...yes('StorageClass', ['parameters'], '`path` and `requireMount` of the shared directory'),
  ...yes('StorageClass', ['reclaimPolicy', 'allowVolumeExpansion', 'allowedTopologies']),
  ...yes('StorageClass', ['volumeBindingMode'], 'node-local volumes wait for their first pod'),
  ...no('StorageClass', ['mountOptions']),
];

/** Every field, or one above it. Metadata and status, which all kinds have, are not in it. */
export const supportTable: readonly SupportRule[] = [...podSpec, ...volumes, ...container, ...storage, ...others];

/** Where kinds hold a pod spec. */
export const podSpecPaths: Readonly<Partial<Record<Kind, string>>> = {
  Pod: 'spec',
  Deployment: 'spec.template.spec',
  ReplicaSet: 'spec.template.spec',
  ReplicationController: 'spec.template.spec',
  PodTemplate: 'template.spec',
  DaemonSet: 'spec.template.spec',
  StatefulSet: 'spec.template.spec',
  Job: 'spec.template.spec',
  CronJob: 'spec.jobTemplate.spec.template.spec',
};
