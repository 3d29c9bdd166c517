// What a node refuses to run although it was placed there: it lacks what the pod demands for its safety. Such a pod fails, as with the kubelet,
// and its controller makes another one. Pure.
import type { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import { podContainers } from './planner/containers.js';

export interface NodeVerdict {
  readonly reason: string;
  readonly message: string;
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
