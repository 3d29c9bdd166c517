// What securityContext of pod and container ask of the engine. Pure. Which sysctls and values are allowed at all is validated by the API.
import type { Container } from '@podplane/api/gen/podplane/core/v1/container';
import type { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import type { Security } from '../runtime/types.js';

/** ok false: CreateContainerConfigError. */
export type SecurityResult = { readonly ok: true; readonly security: Security } | { readonly ok: false; readonly message: string };

/** A field of the container, else of the pod. */
function effective<K extends 'runAsUser' | 'runAsGroup' | 'runAsNonRoot' | 'seccompProfile'>(pod: Pod, container: Container, field: K) {
  return container.securityContext?.[field] ?? pod.spec?.securityContext?.[field];
}

/** True where the answer depends on the user that the image names. */
export function needsImageUser(pod: Pod, container: Container): boolean {
  if (effective(pod, container, 'runAsUser') !== undefined) return false;
  return effective(pod, container, 'runAsNonRoot') === true || effective(pod, container, 'runAsGroup') !== undefined;
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
  return {
    ok: true,
    security: {
      user: user === undefined || gid === undefined ? user : `${user}:${gid}`,
      groups: [...groups],
      addCapabilities: own?.capabilities?.add ?? [],
      dropCapabilities: own?.capabilities?.drop ?? [],
      privileged: own?.privileged === true,
      readOnlyRootFilesystem: own?.readOnlyRootFilesystem === true,
      noNewPrivileges: own?.allowPrivilegeEscalation === false,
      seccompUnconfined: effective(pod, container, 'seccompProfile')?.type === 'Unconfined',
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
