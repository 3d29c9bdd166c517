// What a node refuses to run although it was placed there: it lacks what the pod demands for its safety. Such a pod fails, as with the kubelet,
// and its controller makes another one. Pure.
import type { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import { qosClass } from '@podplane/api/kinds/pod-spec/qos';
import { PRESSURE_TAINTS, tolerationFor } from '@podplane/api/taints';
import type { PressureType } from '../node/thresholds.js';
import { fitVerdict } from './fit.js';
import { podRef } from './names.js';
import { podContainers } from './planner/containers.js';
import { EVICTED } from './planner/types.js';
import type { WorkerHost } from './worker-types.js';

export interface NodeVerdict {
  readonly reason: string;
  readonly message: string;
}

/** Pods of this priority are the system's own: the node needs them most when it is short of something. */
const SYSTEM_CRITICAL = 2_000_000_000;

/** The node never ends it for its own sake: the kubelet's rule. */
export const isCritical = ({ spec }: Pod): boolean => (spec?.priority ?? 0) >= SYSTEM_CRITICAL;

/** Why a node that is short of something takes no such pod; undefined: it does. The kubelet's rule and words. */
export function pressureVerdict(pod: Pod, pressures: ReadonlySet<PressureType>): NodeVerdict | undefined {
  if (pressures.size === 0 || pod.spec === undefined || isCritical(pod)) return undefined;
  if (pressures.size === 1 && pressures.has('MemoryPressure')) {
    const taint = { key: PRESSURE_TAINTS['MemoryPressure'] ?? '', effect: 'NoSchedule' };
    if (qosClass(pod.spec) !== 'BestEffort' || tolerationFor(pod.spec.tolerations, taint) !== undefined) return undefined;
  }
  return { reason: EVICTED, message: `The node had condition: [${[...pressures].join(' ')}]. ` };
}

/** Why a pod that just came to this node is not taken; undefined: it is, or the engine was not asked yet. In the kubelet's order. */
export function admissionVerdict(pod: Pod, host: Pick<WorkerHost, 'facts' | 'cache' | 'room'>): NodeVerdict | undefined {
  const { security, pressures, devices } = host.facts();
  if (security === undefined) return undefined;
  const shortage = devices?.shortage(podRef(pod).uid, pod.spec, host.cache);
  const allocated = shortage === undefined ? undefined : { reason: 'UnexpectedAdmissionError', message: shortage };
  return pressureVerdict(pod, pressures) ?? allocated ?? fitVerdict(pod, host.room(podRef(pod).uid)) ?? nodeVerdict(pod, security);
}

/** features: what the engine enforces, as it names them ("seccomp", "apparmor", "selinux"). undefined: nothing speaks against the pod. */
export function nodeVerdict(pod: Pod, features: readonly string[]): NodeVerdict | undefined {
  const ofPod = pod.spec?.securityContext;
  const contexts = podContainers(pod).map(({ container }) => container.securityContext);
  const profiles = contexts.map((own) => own?.appArmorProfile ?? ofPod?.appArmorProfile);
  if (!features.includes('apparmor') && profiles.some((profile) => profile !== undefined && profile.type !== 'Unconfined'))
    return { reason: 'AppArmor', message: 'Cannot enforce AppArmor: AppArmor is not enabled on the host' };
  if (!features.includes('selinux') && [ofPod, ...contexts].some((one) => one?.seLinuxOptions !== undefined))
    return { reason: 'SELinux', message: 'Cannot enforce seLinuxOptions: the container engine of this node does not use SELinux' };
  return undefined;
}
