// What a pod spec may leave out, as in Kubernetes 1.32. Used for pods and for the templates of workloads. No validation.
import type { Container } from '../../gen/podplane/core/v1/container.js';
import type { EnvVar } from '../../gen/podplane/core/v1/env.js';
import type { Pod, PodSpec, PodTemplateSpec } from '../../gen/podplane/core/v1/pod.js';
import type { HTTPGetAction, LifecycleHandler, Probe } from '../../gen/podplane/core/v1/probe.js';
import { ResourceRequirements } from '../../gen/podplane/core/v1/resources.js';
import { PodSecurityContext } from '../../gen/podplane/core/v1/security.js';
import { EmptyDirVolumeSource, type Volume } from '../../gen/podplane/core/v1/volume.js';
import { compareQuantities, formatQuantity, fromMilli, milliValue, tryParseQuantity } from '../../quantity.js';
import { setClaimDefaults } from '../claim-spec.js';

const FILE_MODE = 0o644;

/** Sets the defaults of a pod spec, alone or in a template. */
export function setPodSpecDefaults(spec: PodSpec): void {
  spec.dnsPolicy ??= 'ClusterFirst';
  spec.restartPolicy ??= 'Always';
  spec.securityContext ??= PodSecurityContext.create();
  spec.terminationGracePeriodSeconds ??= 30;
  spec.schedulerName ??= 'default-scheduler';
  // Two names of one field; the older one is only kept for those who read it.
  const account = spec.serviceAccountName || spec.serviceAccount;
  if (account) {
    spec.serviceAccountName = account;
    spec.serviceAccount = account;
  }
  for (const container of spec.containers) setContainerDefaults(container);
  for (const container of spec.initContainers) setContainerDefaults(container);
  for (const container of spec.ephemeralContainers) setContainerDefaults(container);
  for (const volume of spec.volumes) setVolumeDefaults(volume);
}

export function setTemplateDefaults(template: PodTemplateSpec | undefined): void {
  if (template?.spec !== undefined) setPodSpecDefaults(template.spec);
}

/** Sets what only pods have, besides the defaults of their spec. */
export function setPodDefaults(pod: Pod): void {
  const { spec } = pod;
  if (spec === undefined) return;
  setPodSpecDefaults(spec);
  spec.enableServiceLinks ??= true;
  // Not in templates: there it would look like a change of what was applied.
  if (spec.hostNetwork === true) {
    for (const port of [...spec.containers, ...spec.initContainers].flatMap((one) => one.ports)) port.hostPort ||= port.containerPort;
  }
  for (const container of [...spec.containers, ...spec.initContainers]) {
    const { resources } = container;
    if (resources === undefined) continue;
    for (const [name, limit] of Object.entries(resources.limits)) {
      if (!Object.hasOwn(resources.requests, name)) resources.requests[name] = limit;
    }
  }
}

function setContainerDefaults(container: Container): void {
  container.imagePullPolicy ??= pullPolicyFor(container.image ?? '');
  container.terminationMessagePath ??= '/dev/termination-log';
  container.terminationMessagePolicy ??= 'File';
  container.resources ??= ResourceRequirements.create();
  roundToMilli(container.resources.limits);
  roundToMilli(container.resources.requests);
  for (const port of container.ports) port.protocol ??= 'TCP';
  for (const variable of container.env) setEnvDefaults(variable);
  setProbeDefaults(container.livenessProbe);
  setProbeDefaults(container.readinessProbe);
  setProbeDefaults(container.startupProbe);
  setHookDefaults(container.lifecycle?.postStart);
  setHookDefaults(container.lifecycle?.preStop);
}

/** Always for the tag latest (which an image without tag and digest has), else IfNotPresent. */
export function pullPolicyFor(image: string): 'Always' | 'IfNotPresent' {
  const [name = '', digest] = image.split('@');
  const tag = /:([^:/]+)$/.exec(name)?.[1];
  if (tag === undefined) return digest === undefined ? 'Always' : 'IfNotPresent';
  return tag === 'latest' ? 'Always' : 'IfNotPresent';
}

/** Nothing finer than a thousandth is kept of resources. Texts that are no quantities stay for validation to refuse. */
function roundToMilli(resources: Record<string, string>): void {
  for (const [name, text] of Object.entries(resources)) {
    const quantity = tryParseQuantity(text);
    if (quantity === undefined || quantity.nano % 1_000_000n === 0n) continue;
    const rounded = fromMilli(milliValue(text));
    // milliValue cuts at the safe integers; a quantity so large keeps its text.
    if (compareQuantities(rounded, quantity) >= 0) resources[name] = formatQuantity(rounded);
  }
}

function setEnvDefaults(variable: EnvVar): void {
  const source = variable.valueFrom;
  if (source?.fieldRef !== undefined) source.fieldRef.apiVersion ??= 'v1';
  if (source?.resourceFieldRef !== undefined) source.resourceFieldRef.divisor ??= '0';
}

function setHttpGetDefaults(action: HTTPGetAction | undefined): void {
  if (action === undefined) return;
  action.path ||= '/';
  action.scheme ||= 'HTTP';
}

// For these numbers 0 means "not said", as in Kubernetes.
function setProbeDefaults(probe: Probe | undefined): void {
  if (probe === undefined) return;
  setHttpGetDefaults(probe.httpGet);
  probe.timeoutSeconds ||= 1;
  probe.periodSeconds ||= 10;
  probe.successThreshold ||= 1;
  probe.failureThreshold ||= 3;
  if (probe.grpc !== undefined) probe.grpc.service ??= '';
}

function setHookDefaults(hook: LifecycleHandler | undefined): void {
  setHttpGetDefaults(hook?.httpGet);
}

function setVolumeDefaults(volume: Volume): void {
  if (volumeSources(volume).length === 0) volume.emptyDir = EmptyDirVolumeSource.create();
  if (volume.secret !== undefined) volume.secret.defaultMode ??= FILE_MODE;
  if (volume.configMap !== undefined) volume.configMap.defaultMode ??= FILE_MODE;
  if (volume.hostPath !== undefined) volume.hostPath.type ??= '';
  setClaimDefaults(volume.ephemeral?.volumeClaimTemplate?.spec);
  if (volume.downwardAPI !== undefined) {
    volume.downwardAPI.defaultMode ??= FILE_MODE;
    for (const item of volume.downwardAPI.items) if (item.fieldRef !== undefined) item.fieldRef.apiVersion ??= 'v1';
  }
  if (volume.projected !== undefined) {
    volume.projected.defaultMode ??= FILE_MODE;
    for (const source of volume.projected.sources) {
      if (source.serviceAccountToken !== undefined) source.serviceAccountToken.expirationSeconds ??= 3600;
      for (const item of source.downwardAPI?.items ?? []) if (item.fieldRef !== undefined) item.fieldRef.apiVersion ??= 'v1';
    }
  }
}

/** The fields of a volume that say what it is; one in a correct volume. emptyDir first, as the first of two is the one that counts. */
export function volumeSources(volume: object): string[] {
  return Object.entries(volume)
    .filter(([field, source]) => field !== 'name' && source !== undefined)
    .map(([field]) => field)
    .sort((a, b) => Number(b === 'emptyDir') - Number(a === 'emptyDir'));
}
