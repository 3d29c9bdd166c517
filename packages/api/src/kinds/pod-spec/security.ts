// Faults of securityContext, of pods and of containers. What nothing implements is refused by ../support.ts.

import { duplicate, type FieldError, forbidden, invalid, notSupported, type Path, required, tooLong } from '../../errors.js';
import type { PodSpec } from '../../gen/podplane/core/v1/pod.js';
import type { AppArmorProfile, SeccompProfile, SecurityContext } from '../../gen/podplane/core/v1/security.js';
import type { DeepReadonly } from '../kind-map.js';

const MAX_ID = 2 ** 31 - 1;
const CHANGE_POLICIES = ['Always', 'OnRootMismatch'] as const;
const GROUP_POLICIES = ['Merge', 'Strict'] as const;
const SECCOMP_TYPES = ['Localhost', 'RuntimeDefault', 'Unconfined'] as const;
const SYSCTL_MAX = 253;
const SYSCTL_NAME = /^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$/;

/** What belongs to the pod alone (its network and its memory segments) and cannot harm others on the node. */
export const SAFE_SYSCTLS: readonly string[] = [
  'kernel.shm_rmid_forced',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.ip_local_reserved_ports',
  'net.ipv4.ip_unprivileged_port_start',
  'net.ipv4.ping_group_range',
  'net.ipv4.tcp_fin_timeout',
  'net.ipv4.tcp_keepalive_intvl',
  'net.ipv4.tcp_keepalive_probes',
  'net.ipv4.tcp_keepalive_time',
  'net.ipv4.tcp_rmem',
  'net.ipv4.tcp_syncookies',
  'net.ipv4.tcp_wmem',
];

function validateId(id: number | undefined, path: Path): FieldError[] {
  if (id === undefined || (Number.isInteger(id) && id >= 0 && id <= MAX_ID)) return [];
  return [invalid(path, id, `must be between 0 and ${MAX_ID}, inclusive`)];
}

function validateSeccomp(profile: DeepReadonly<SeccompProfile> | undefined, path: Path): FieldError[] {
  if (profile === undefined) return [];
  const { type, localhostProfile } = profile;
  const at = path.child('seccompProfile');
  if (type === '') return [required(at.child('type'), 'type is required when seccompProfile is set')];
  if (!SECCOMP_TYPES.some((one) => one === type)) return [notSupported(at.child('type'), type, SECCOMP_TYPES)];
  if (type === 'Localhost' && !localhostProfile)
    return [required(at.child('localhostProfile'), 'must be set when seccomp type is Localhost')];
  if (type !== 'Localhost' && localhostProfile !== undefined)
    return [invalid(at.child('localhostProfile'), localhostProfile, 'can only be set when seccomp type is Localhost')];
  return localhostProfile === undefined ? [] : descendingPathFaults(localhostProfile, at.child('localhostProfile'));
}

/** A path below a folder of the node, which must not lead out of it. */
function descendingPathFaults(value: string, path: Path): FieldError[] {
  if (value.startsWith('/')) return [invalid(path, value, 'must be a relative path')];
  return value.split('/').includes('..') ? [invalid(path, value, "must not contain '..'")] : [];
}

const PATH_MAX = 4095;

function validateAppArmor(profile: DeepReadonly<AppArmorProfile> | undefined, path: Path): FieldError[] {
  if (profile === undefined) return [];
  const { type, localhostProfile } = profile;
  const at = path.child('appArmorProfile');
  const name = at.child('localhostProfile');
  if (type === '') return [required(at.child('type'), 'type is required when appArmorProfile is set')];
  if (!SECCOMP_TYPES.some((one) => one === type)) return [notSupported(at.child('type'), type, SECCOMP_TYPES)];
  if (type !== 'Localhost')
    return localhostProfile === undefined ? [] : [invalid(name, localhostProfile, 'can only be set when AppArmor type is Localhost')];
  if (!localhostProfile) return [required(name, 'must be set when AppArmor type is Localhost')];
  const padded =
    localhostProfile === localhostProfile.trim() ? [] : [invalid(name, localhostProfile, 'must not be padded with whitespace')];
  return [...padded, ...(localhostProfile.length > PATH_MAX ? [tooLong(name, PATH_MAX)] : [])];
}

/** Why this sysctl cannot be set for one pod: it is the host's where the pod has the host's namespace. */
function hostSysctlProblem(dotted: string, spec: DeepReadonly<PodSpec>): string | undefined {
  if (spec.hostNetwork === true && dotted.startsWith('net.')) return "may not be specified when 'hostNetwork' is true";
  if (spec.hostIPC === true && /^(kernel\.(shm|msg|sem)|fs\.mqueue\.)/.test(dotted)) return "may not be specified when 'hostIPC' is true";
  return undefined;
}

function validateSysctls(spec: DeepReadonly<PodSpec>, path: Path): FieldError[] {
  const out: FieldError[] = [];
  const names = new Set<string>();
  for (const [i, { name }] of (spec.securityContext?.sysctls ?? []).entries()) {
    const at = path.index(i).child('name');
    // Both ways of writing it are one.
    const dotted = name.replaceAll('/', '.');
    if (name === '') out.push(required(at));
    else if (name.length > SYSCTL_MAX || !SYSCTL_NAME.test(name))
      out.push(
        invalid(
          at,
          name,
          `must have at most ${SYSCTL_MAX} characters and match regex ${SYSCTL_NAME.source.replace('[./]', String.raw`[\./]`)}`,
        ),
      );
    else if (names.has(dotted)) out.push(duplicate(at, name));
    else if (!SAFE_SYSCTLS.includes(dotted)) out.push(forbidden(at, `not allowed; these sysctls are safe: ${SAFE_SYSCTLS.join(', ')}`));
    const problem = hostSysctlProblem(dotted, spec);
    if (problem !== undefined) out.push(invalid(at, name, problem));
    names.add(dotted);
  }
  return out;
}

/** Faults of a pod's securityContext. */
export function validatePodSecurity(spec: DeepReadonly<PodSpec>, path: Path): FieldError[] {
  const context = spec.securityContext;
  if (context === undefined) return [];
  const policy = context.fsGroupChangePolicy;
  const groups = context.supplementalGroupsPolicy;
  return [
    ...validateId(context.runAsUser, path.child('runAsUser')),
    ...validateId(context.runAsGroup, path.child('runAsGroup')),
    ...validateId(context.fsGroup, path.child('fsGroup')),
    ...context.supplementalGroups.flatMap((id, i) => validateId(id, path.child('supplementalGroups').index(i))),
    ...(policy !== undefined && !CHANGE_POLICIES.some((one) => one === policy)
      ? [notSupported(path.child('fsGroupChangePolicy'), policy, CHANGE_POLICIES)]
      : []),
    ...(groups !== undefined && !GROUP_POLICIES.some((one) => one === groups)
      ? [notSupported(path.child('supplementalGroupsPolicy'), groups, GROUP_POLICIES)]
      : []),
    ...validateSeccomp(context.seccompProfile, path),
    ...validateAppArmor(context.appArmorProfile, path),
    ...validateSysctls(spec, path.child('sysctls')),
  ];
}

/** Faults of a container's securityContext. */
export function validateSecurity(context: DeepReadonly<SecurityContext> | undefined, path: Path): FieldError[] {
  if (context === undefined) return [];
  const out = [
    ...validateId(context.runAsUser, path.child('runAsUser')),
    ...validateId(context.runAsGroup, path.child('runAsGroup')),
    ...validateSeccomp(context.seccompProfile, path),
    ...validateAppArmor(context.appArmorProfile, path),
  ];
  if (context.allowPrivilegeEscalation === false) {
    if (context.privileged === true)
      out.push(invalid(path, context, 'cannot set `allowPrivilegeEscalation` to false and `privileged` to true'));
    for (const capability of context.capabilities?.add ?? []) {
      if (capability === 'CAP_SYS_ADMIN' || capability === 'SYS_ADMIN')
        out.push(invalid(path, context, 'cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN'));
    }
  }
  return out;
}
