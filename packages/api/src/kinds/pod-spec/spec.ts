// Faults of a whole pod spec. Its parts are in the files beside; refused fields are in ../support.ts.

import { duplicate, type FieldError, forbidden, invalid, notSupported, type Path, required } from '../../errors.js';
import type { PodSpec } from '../../gen/podplane/core/v1/pod.js';
import { dnsLabelProblems, dnsSubdomainProblems, ipProblems, qualifiedNameProblems } from '../../names.js';
import type { DeepReadonly } from '../kind-map.js';
import { validateLabels } from '../object-meta.js';
import { type ContainerContext, validateContainers, validateInitContainers } from './containers.js';
import { validateDns } from './dns.js';
import { validateEphemeralContainers } from './ephemeral.js';
import { validateHostNetworkPorts, validateHostPorts } from './ports.js';
import { RESTART_POLICIES } from './restart-rules.js';
import { validateNodeSelector, validatePreferences, validateTolerations } from './scheduling.js';
import { validatePodSecurity } from './security.js';
import { validateVolumes } from './volumes.js';

const MAX_INT32 = 2 ** 31 - 1;

type Spec = DeepReadonly<PodSpec>;

function oneOf(value: string | undefined, supported: readonly string[], path: Path): FieldError[] {
  if (!value) return [required(path)];
  return supported.includes(value) ? [] : [notSupported(path, value, supported)];
}

function validateHostAliases(aliases: Spec['hostAliases'], path: Path): FieldError[] {
  const out: FieldError[] = [];
  for (const [i, { ip, hostnames }] of aliases.entries()) {
    const at = path.index(i);
    for (const problem of ipProblems(ip)) out.push(invalid(at.child('ip'), ip, problem));
    for (const [h, name] of hostnames.entries()) {
      for (const problem of dnsSubdomainProblems(name)) out.push(invalid(at.child('hostnames').index(h), name, problem));
    }
  }
  return out;
}

function validatePlacement(spec: Spec, path: Path): FieldError[] {
  const out = validateLabels(spec.nodeSelector, path.child('nodeSelector'));
  const affinity = spec.affinity?.nodeAffinity;
  const at = path.child('affinity', 'nodeAffinity');
  const must = affinity?.requiredDuringSchedulingIgnoredDuringExecution;
  if (must !== undefined) out.push(...validateNodeSelector(must, at.child('requiredDuringSchedulingIgnoredDuringExecution')));
  out.push(
    ...validatePreferences(
      affinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [],
      at.child('preferredDuringSchedulingIgnoredDuringExecution'),
    ),
  );
  if (spec.nodeName)
    for (const problem of dnsSubdomainProblems(spec.nodeName)) out.push(invalid(path.child('nodeName'), spec.nodeName, problem));
  return [...out, ...validateTolerations(spec.tolerations, path.child('tolerations'))];
}

/** Faults of a pod spec that has its defaults. ofPod: it is a pod's own and no template's. */
export function validatePodSpec(spec: Spec, path: Path, ofPod = false): FieldError[] {
  const out = validateVolumes(spec.volumes, path.child('volumes'));
  const context: ContainerContext = {
    volumes: new Set(spec.volumes.map((one) => one.name)),
    graceSeconds: spec.terminationGracePeriodSeconds ?? 30,
    os: spec.os?.name,
    taken: new Set(),
  };
  if (spec.containers.length === 0) out.push(required(path.child('containers')));
  out.push(...validateContainers(spec.containers, path.child('containers'), context));
  out.push(...validateHostPorts(spec.containers, (index) => path.child('containers').index(index)));
  if (spec.hostNetwork === true) out.push(...validateHostNetworkPorts(spec.containers, path.child('containers'), ofPod));
  out.push(...validateInitContainers(spec.initContainers, path.child('initContainers'), context));
  out.push(...validateEphemeralContainers(spec, path));
  // A template is for pods that are not there yet.
  if (!ofPod && spec.ephemeralContainers.length > 0)
    out.push(forbidden(path.child('ephemeralContainers'), 'ephemeral containers not allowed in pod template'));
  out.push(...validatePodSecurity(spec, path.child('securityContext')));
  if (spec.hostPID === true && spec.shareProcessNamespace === true) {
    const at = path.child('securityContext', 'shareProcessNamespace'); // Kubernetes' path, though the field is not in there
    out.push(invalid(at, true, 'ShareProcessNamespace and HostPID cannot both be enabled'));
  }
  out.push(...oneOf(spec.restartPolicy, RESTART_POLICIES, path.child('restartPolicy')));
  out.push(...validateDns(spec.dnsPolicy, spec.dnsConfig, path));
  out.push(...validatePlacement(spec, path));
  const grace = spec.terminationGracePeriodSeconds;
  if (grace !== undefined && grace < 0)
    out.push(invalid(path.child('terminationGracePeriodSeconds'), grace, 'must be greater than or equal to 0'));
  if (grace !== undefined && grace > MAX_INT32) {
    out.push(invalid(path.child('terminationGracePeriodSeconds'), grace, `must be less than or equal to ${MAX_INT32}`));
  }
  const active = spec.activeDeadlineSeconds;
  if (active !== undefined && (active < 1 || active > MAX_INT32))
    out.push(invalid(path.child('activeDeadlineSeconds'), active, `must be between 1 and ${MAX_INT32}, inclusive`));
  const gates = new Set<string>();
  for (const [i, { name }] of spec.schedulingGates.entries()) {
    const at = path.child('schedulingGates').index(i);
    for (const problem of qualifiedNameProblems(name)) out.push(invalid(at, name, problem));
    if (gates.has(name)) out.push(duplicate(at, name));
    gates.add(name);
  }
  for (const [i, { conditionType }] of spec.readinessGates.entries()) {
    const at = path.child('readinessGates').index(i).child('conditionType');
    for (const problem of qualifiedNameProblems(conditionType)) out.push(invalid(at, conditionType, problem));
  }
  const account = spec.serviceAccountName;
  if (account) for (const problem of dnsSubdomainProblems(account)) out.push(invalid(path.child('serviceAccountName'), account, problem));
  if (spec.hostname)
    for (const problem of dnsLabelProblems(spec.hostname)) out.push(invalid(path.child('hostname'), spec.hostname, problem));
  if (spec.subdomain)
    for (const problem of dnsLabelProblems(spec.subdomain)) out.push(invalid(path.child('subdomain'), spec.subdomain, problem));
  return [...out, ...validateHostAliases(spec.hostAliases, path.child('hostAliases'))];
}
