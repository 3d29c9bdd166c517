// From a pod to what the engine is asked to make: pause container, app containers, mounts, resources, ports. Pure.
import type { Container } from '@podplane/api/gen/podplane/core/v1/container';
import type { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import { type QosClass, qosClass } from '@podplane/api/kinds/pod-spec/qos';
import { milliValue, wholeValue } from '@podplane/api/quantity';
import { LABEL_DEVICES } from '../node/devices.js';
import type { ContainerSpec, Mount, PauseSpec, Resources } from '../runtime/types.js';
import { containerEnv, type EnvContext } from './env.js';
import { expand } from './expand.js';
import { containerMounts, isEmptyDir, type MountToFind } from './mounts.js';
import { containerLabels, containerName, pauseLabels, podRef, volumeName } from './names.js';
import { podContainers } from './planner/containers.js';
import { hostAliases, podFqdn, podHostname } from './pod-names.js';
import { containerSecurity } from './security.js';
import { LABEL_MESSAGE } from './termination-messages.js';

/** A pod that cannot be made as it is. Becomes CreateContainerConfigError. */
export type SpecResult =
  | {
      readonly ok: true;
      readonly spec: ContainerSpec;
      readonly skippedEnv: readonly string[];
      /** Mounts whose source is not known yet. */
      readonly find: readonly MountToFind[];
      /** The name of a seccomp profile whose content is not known yet. */
      readonly seccompProfile: string | undefined;
    }
  | { readonly ok: false; readonly message: string };

export interface SpecContext extends EnvContext {
  readonly memoryCapacityBytes: number;
  /** The pod's own cgroup, which holds its limits. */
  readonly cgroupParent?: string | undefined;
  /** Processes that each container may have, where the pod has no cgroup. */
  readonly pidsLimit?: number | undefined;
  /** The user that the image names; needed only where needsImageUser (security.ts) says so. */
  readonly imageUser?: string | undefined;
  /** File on the host that is mounted at the container's terminationMessagePath. */
  readonly messageFile?: string | undefined;
}

/** hostname: what the pod's containers are called (pod-names.ts). dns: where the engine shall not give it the node's. cgroupParent: the pod's own. */
export function pauseSpec(
  pod: Pod,
  nodeName: string,
  attempt: number,
  network: string,
  ip: string,
  {
    hostname,
    dns,
    cgroupParent,
  }: { readonly hostname: string; readonly dns?: PauseSpec['dns']; readonly cgroupParent?: string | undefined } = {
    hostname: podHostname(pod),
  },
): PauseSpec {
  const ref = podRef(pod);
  const hostNetwork = pod.spec?.hostNetwork === true;
  const fqdn = podFqdn(pod);
  // The agent's own hosts file says it too, where the engine sees that file.
  const own = hostNetwork || fqdn === undefined ? [] : [{ ip, names: [fqdn] }];
  const listening = podContainers(pod).filter(({ role }) => role !== 'init');
  const ports = listening.flatMap(({ container }) =>
    container.ports
      .filter((port) => (port.hostPort ?? 0) > 0)
      .map((port) => ({
        containerPort: port.containerPort,
        hostPort: port.hostPort ?? 0,
        hostIP: port.hostIP ?? '',
        protocol: protocolOf(port.protocol),
      })),
  );
  return {
    name: containerName(ref, 'POD', attempt),
    labels: pauseLabels(pod, nodeName, attempt, ip, cgroupParent),
    hostname,
    network,
    ip,
    hostNetwork,
    dns,
    // With the host's network a port is the host's without more ado.
    ports: hostNetwork ? [] : ports,
    hosts: [...own, ...hostAliases(pod)],
    // The pause program opens them to every user, as Kubernetes does; and one in memory lives as long as it is mounted somewhere.
    mounts: podVolumes(pod).map((volume) => ({ type: 'volume', source: volume.name, target: `/volumes/${volume.name}`, readOnly: false })),
    cgroupParent,
    volumeGroup: pod.spec?.securityContext?.fsGroup,
    sysctls: Object.fromEntries((pod.spec?.securityContext?.sysctls ?? []).map((sysctl) => [sysctl.name, sysctl.value])),
  };
}

function protocolOf(protocol: string | undefined): 'tcp' | 'udp' | 'sctp' {
  return protocol === 'UDP' ? 'udp' : protocol === 'SCTP' ? 'sctp' : 'tcp';
}

/** The specification of one run of a container. */
export function containerSpec(container: Container, attempt: number, sandboxId: string, context: SpecContext): SpecResult {
  const { pod } = context;
  const env = containerEnv(container, context);
  if (!env.ok) return env;
  const mounts = containerMounts(pod, container, env.lookup);
  if (!mounts.ok) return mounts;
  const security = containerSecurity(pod, container, context.imageUser ?? '');
  if (!security.ok) return security;
  const expandAll = (list: readonly string[]): readonly string[] | undefined =>
    list.length === 0 ? undefined : list.map((text) => expand(text, env.lookup));
  return {
    ok: true,
    skippedEnv: env.skipped,
    find: mounts.find,
    seccompProfile: security.seccompProfile,
    spec: {
      name: containerName(podRef(pod), container.name, attempt),
      labels: { ...containerLabels(pod, context.nodeName, container, attempt, sandboxId), ...messageLabel(container), ...NO_DEVICES },
      image: container.image ?? '',
      pauseId: sandboxId,
      command: expandAll(container.command),
      // A command without args: the image's own arguments do not count.
      args: expandAll(container.args) ?? (container.command.length > 0 ? [] : undefined),
      env: env.env,
      workingDir: container.workingDir || undefined,
      mounts: [...mounts.mounts, ...messageMount(container, context.messageFile)],
      resources: containerResources(pod, container, context),
      tty: container.tty === true,
      stdin: container.stdin === true,
      stdinOnce: container.stdinOnce === true,
      stopSignal: container.lifecycle?.stopSignal,
      security: security.security,
      processes: processesOf(pod, sandboxId),
      hostIPC: pod.spec?.hostIPC === true,
      cgroupParent: context.cgroupParent,
      execProbes: [container.livenessProbe, container.readinessProbe, container.startupProbe].some((probe) => probe?.exec !== undefined),
    },
  };
}

/** Shared processes are those of the pause container: it is process 1 and takes in what loses its parent. */
function processesOf({ spec }: Pod, sandboxId: string): ContainerSpec['processes'] {
  if (spec?.hostPID === true) return 'host';
  return spec?.shareProcessNamespace === true ? { of: sandboxId } : undefined;
}

/** Given when it is made, if any. What is not said here an image could say in its own labels, which the engine adds. */
const NO_DEVICES = { [LABEL_DEVICES]: '' };

function messageLabel(container: Container): Readonly<Record<string, string>> {
  return container.terminationMessagePolicy === undefined ? {} : { [LABEL_MESSAGE]: container.terminationMessagePolicy };
}

/** Not where the container mounts something of its own. */
function messageMount({ terminationMessagePath: target, volumeMounts }: Container, source: string | undefined): readonly Mount[] {
  if (source === undefined || !target || volumeMounts.some(({ mountPath }) => mountPath === target)) return [];
  return [{ type: 'bind', source, target, readOnly: false }];
}

export interface VolumeSpec {
  readonly name: string;
  readonly memory: boolean;
  readonly sizeBytes: number | undefined;
}

/** The engine volumes that a pod needs. */
export function podVolumes(pod: Pod): readonly VolumeSpec[] {
  return (pod.spec?.volumes ?? []).filter(isEmptyDir).map((volume) => ({
    name: volumeName(pod.metadata?.uid ?? '', volume.name),
    memory: volume.emptyDir?.medium === 'Memory',
    sizeBytes: volume.emptyDir?.sizeLimit ? wholeValue(volume.emptyDir.sizeLimit) : undefined,
  }));
}

function containerResources(pod: Pod, container: Container, { memoryCapacityBytes, pidsLimit, cgroupParent }: SpecContext): Resources {
  const limits = container.resources?.limits ?? {};
  const requests = container.resources?.requests ?? {};
  const cpuRequest = requests.cpu ?? limits.cpu;
  return {
    cpuLimitMillis: positive(limits.cpu, milliValue),
    cpuRequestMillis: positive(cpuRequest, milliValue),
    memoryLimitBytes: positive(limits.memory, wholeValue),
    pidsLimit: cgroupParent === undefined ? pidsLimit : undefined,
    oomScoreAdj: oomScoreAdj(
      pod.spec === undefined ? 'BestEffort' : qosClass(pod.spec),
      requests.memory ?? limits.memory,
      memoryCapacityBytes,
    ),
  };
}

function positive(text: string | undefined, read: (text: string) => number): number | undefined {
  const value = text === undefined || text === '' ? 0 : read(text);
  return value > 0 ? value : undefined;
}

const GUARANTEED_SCORE = -997;
const BEST_EFFORT_SCORE = 1000;

/** Who is killed first when memory is short, as Kubernetes computes it. */
export function oomScoreAdj(qos: QosClass, memoryRequest: string | undefined, memoryCapacityBytes: number): number {
  if (qos === 'Guaranteed') return GUARANTEED_SCORE;
  if (qos === 'BestEffort') return BEST_EFFORT_SCORE;
  const request = memoryRequest === undefined ? 0 : wholeValue(memoryRequest);
  const score = BEST_EFFORT_SCORE - Math.floor((BEST_EFFORT_SCORE * request) / Math.max(1, memoryCapacityBytes));
  return Math.min(Math.max(score, BEST_EFFORT_SCORE + GUARANTEED_SCORE), BEST_EFFORT_SCORE - 1);
}
