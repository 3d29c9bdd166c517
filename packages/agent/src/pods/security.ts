// What securityContext of pod and container ask of the engine. Pure. Which sysctls and values are allowed at all is validated by the API.
import type { Container } from '@podplane/api/gen/podplane/core/v1/container';
import type { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import type { SELinuxOptions } from '@podplane/api/gen/podplane/core/v1/security';
import type { Security } from '../runtime/types.js';

/** ok false: CreateContainerConfigError. */
export type SecurityResult =
  | {
      readonly ok: true;
      readonly security: Security;
      /** A file in the node's folder of seccomp profiles, whose content is still to be put in. */
      readonly seccompProfile: string | undefined;
    }
  | { readonly ok: false; readonly message: string };

/** A field of the container, else of the pod. */
function effective<K extends 'runAsUser' | 'runAsGroup' | 'runAsNonRoot' | 'seccompProfile' | 'appArmorProfile' | 'seLinuxOptions'>(
  pod: Pod,
  container: Container,
  field: K,
) {
  return container.securityContext?.[field] ?? pod.spec?.securityContext?.[field];
}

/** True where the answer depends on the user that the image names. */
export function needsImageUser(pod: Pod, container: Container): boolean {
  if (effective(pod, container, 'runAsUser') !== undefined) return false;
  return effective(pod, container, 'runAsNonRoot') === true || effective(pod, container, 'runAsGroup') !== undefined;
}

/** True where the image's own lists of users and groups decide about groups in a way that the engine does not do by itself. */
export function needsImageAccounts(pod: Pod, container: Container): boolean {
  return pod.spec?.securityContext?.supplementalGroupsPolicy === 'Strict' || effective(pod, container, 'runAsGroup') !== undefined;
}

function seLinuxLabels(options: SELinuxOptions | undefined): readonly string[] {
  const { user, role, type, level } = options ?? {};
  return Object.entries({ user, role, type, level }).flatMap(([part, value]) => (value ? [`${part}:${value}`] : []));
}

/** imageUser: as the image has it ("1000", "web:web", "" for root); looked at only where needsImageUser says so. */
export function containerSecurity(pod: Pod, container: Container, imageUser: string): SecurityResult {
  const own = container.securityContext;
  const ofPod = pod.spec?.securityContext;
  const uid = effective(pod, container, 'runAsUser');
  const gid = effective(pod, container, 'runAsGroup');
  const [imageName = ''] = imageUser.split(':');
  if (effective(pod, container, 'runAsNonRoot') === true) {
    const problem = rootProblem(uid, imageName);
    if (problem !== undefined) {
      const { name, namespace, uid: podUid } = pod.metadata ?? {};
      return { ok: false, message: `${problem} (pod: "${name}_${namespace}(${podUid})", container: ${container.name})` };
    }
  }
  const user = uid === undefined ? (gid === undefined ? undefined : imageName || '0') : String(uid);
  const groups = new Set([...(ofPod?.supplementalGroups ?? []), ...(ofPod?.fsGroup === undefined ? [] : [ofPod.fsGroup])]);
  const seccomp = effective(pod, container, 'seccompProfile');
  const appArmor = effective(pod, container, 'appArmorProfile');
  return {
    ok: true,
    seccompProfile: seccomp?.type === 'Localhost' ? seccomp.localhostProfile : undefined,
    security: {
      user: user === undefined || gid === undefined ? user : `${user}:${gid}`,
      groups: [...groups],
      addCapabilities: own?.capabilities?.add ?? [],
      dropCapabilities: own?.capabilities?.drop ?? [],
      privileged: own?.privileged === true,
      readOnlyRootFilesystem: own?.readOnlyRootFilesystem === true,
      noNewPrivileges: own?.allowPrivilegeEscalation === false,
      seccompUnconfined: seccomp?.type === 'Unconfined',
      appArmor: appArmor?.type === 'Unconfined' ? 'unconfined' : appArmor?.type === 'Localhost' ? appArmor.localhostProfile : undefined,
      seLinuxLabels: seLinuxLabels(effective(pod, container, 'seLinuxOptions')),
    },
  };
}

/** Why it cannot be said that the container does not run as root; undefined: it does not. */
function rootProblem(uid: number | undefined, imageName: string): string | undefined {
  if (uid !== undefined) return uid === 0 ? "container's runAsUser breaks non-root policy" : undefined;
  if (imageName === '' || /^0+$/.test(imageName)) return 'container has runAsNonRoot and image will run as root';
  if (!/^\d+$/.test(imageName))
    return `container has runAsNonRoot and image has non-numeric user (${imageName}), cannot verify user is non-root`;
  return undefined;
}
