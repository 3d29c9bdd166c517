// The environment of a container: values, references to fields, resources, ConfigMaps and Secrets, expansion. Pure. Files made
// from ConfigMaps and Secrets are not here.
import { EPOCH_ANNOTATION, EPOCH_VARIABLE, isFenced } from '@podplane/api/fencing';
import type { ConfigMap } from '@podplane/api/gen/podplane/core/v1/config_map';
import type { Container } from '@podplane/api/gen/podplane/core/v1/container';
import type { EnvVar } from '@podplane/api/gen/podplane/core/v1/env';
import type { PersistentVolume } from '@podplane/api/gen/podplane/core/v1/persistent_volume';
import type { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import type { ResourceFieldSelector } from '@podplane/api/gen/podplane/core/v1/reference';
import type { Secret } from '@podplane/api/gen/podplane/core/v1/secret';
import { parseQuantity } from '@podplane/api/quantity';
import type { PodTokens } from '../volumes/pod-tokens.js';
import { expand } from './expand.js';
import { findContainer } from './planner/containers.js';

/** What env may refer to besides the pod. Undefined: there is no such object. */
export interface References {
  configMap(namespace: string, name: string): ConfigMap | undefined;
  secret(namespace: string, name: string): Secret | undefined;
}

/** What claims of pods have. Undefined: no volume yet. */
export interface Claims {
  claim(namespace: string, name: string): PersistentVolume | undefined;
}

export interface EnvContext {
  readonly pod: Pod;
  readonly references: References;
  readonly podIP: string;
  readonly hostIP: string;
  readonly nodeName: string;
  /** What limits count as that a container does not set: the node's allocatable, by resource name. */
  readonly allocatable: Readonly<Record<string, string>>;
  /** Tokens of the pod's service account; for volumes only. */
  readonly tokens?: Pick<PodTokens, 'find'> | undefined;
}

export interface EnvVariable {
  readonly name: string;
  readonly value: string;
}

export type EnvResult =
  | {
      readonly ok: true;
      readonly env: readonly EnvVariable[];
      readonly lookup: (name: string) => string | undefined;
      readonly skipped: readonly string[];
    }
  /** Becomes CreateContainerConfigError. */
  | { readonly ok: false; readonly message: string };

/** Something that is referred to is not there. The message says what. */
export class MissingReference extends Error {}

const VARIABLE_NAME = /^[-._a-zA-Z][-._a-zA-Z0-9]*$/;

/** The environment of a container, in the order of first appearance; later definitions of a name win. `skipped`: sentences about keys of ConfigMaps and Secrets that are no variable names. */
export function containerEnv(container: Container, context: EnvContext): EnvResult {
  const values = new Map<string, string>();
  const skipped: string[] = [];
  const epoch = context.pod.metadata?.annotations[EPOCH_ANNOTATION];
  if (epoch !== undefined && isFenced(context.pod)) values.set(EPOCH_VARIABLE, epoch);
  const lookup = (name: string): string | undefined => values.get(name);
  try {
    for (const from of container.envFrom) {
      const invalid: string[] = [];
      for (const [key, value] of sourceEntries(from, context)) {
        const name = `${from.prefix ?? ''}${key}`;
        if (VARIABLE_NAME.test(name)) values.set(name, value);
        else invalid.push(name);
      }
      if (invalid.length > 0) skipped.push(skippedText(invalid.sort(), from, context.pod.metadata?.namespace ?? ''));
    }
    for (const variable of container.env) {
      const value = variable.valueFrom === undefined ? expand(variable.value ?? '', lookup) : valueFrom(variable, container, context);
      if (value !== undefined) values.set(variable.name, value);
    }
  } catch (error) {
    if (error instanceof MissingReference) return { ok: false, message: error.message };
    throw error;
  }
  const env = [...values].map(([name, value]) => ({ name, value }));
  return { ok: true, env, lookup, skipped };
}

/** The kubelet's words. */
function skippedText(keys: readonly string[], from: Container['envFrom'][number], namespace: string): string {
  const source =
    from.configMapRef === undefined ? `secret ${namespace}/${from.secretRef?.name}` : `configMap ${namespace}/${from.configMapRef.name}`;
  return `Keys [${keys.join(', ')}] from the EnvFrom ${source} were skipped since they are considered invalid environment variable names.`;
}

function sourceEntries(from: Container['envFrom'][number], context: EnvContext): readonly (readonly [string, string])[] {
  const namespace = context.pod.metadata?.namespace ?? '';
  if (from.configMapRef !== undefined) {
    const name = from.configMapRef.name ?? '';
    const map = context.references.configMap(namespace, name);
    if (map === undefined && from.configMapRef.optional !== true) throw new MissingReference(`configmap "${name}" not found`);
    return Object.entries(map?.data ?? {});
  }
  if (from.secretRef !== undefined) {
    const name = from.secretRef.name ?? '';
    const secret = context.references.secret(namespace, name);
    if (secret === undefined && from.secretRef.optional !== true) throw new MissingReference(`secret "${name}" not found`);
    return Object.entries(secret?.data ?? {}).map(([key, value]) => [key, Buffer.from(value).toString('utf8')] as const);
  }
  return [];
}

/** undefined: an optional reference to something that is not there; the variable is not set. */
function valueFrom(variable: EnvVar, container: Container, context: EnvContext): string | undefined {
  const source = variable.valueFrom;
  const namespace = context.pod.metadata?.namespace ?? '';
  if (source?.fieldRef !== undefined) return fieldValue(source.fieldRef.fieldPath, context);
  if (source?.resourceFieldRef !== undefined) return resourceValue(source.resourceFieldRef, container, context);
  if (source?.configMapKeyRef !== undefined) {
    const { name = '', key, optional } = source.configMapKeyRef;
    const map = context.references.configMap(namespace, name);
    const value = map !== undefined && Object.hasOwn(map.data, key) ? map.data[key] : undefined;
    if (value !== undefined || optional === true) return value;
    throw new MissingReference(
      map === undefined ? `configmap "${name}" not found` : `couldn't find key ${key} in ConfigMap ${namespace}/${name}`,
    );
  }
  if (source?.secretKeyRef !== undefined) {
    const { name = '', key, optional } = source.secretKeyRef;
    const secret = context.references.secret(namespace, name);
    const value = secret !== undefined && Object.hasOwn(secret.data, key) ? secret.data[key] : undefined;
    if (value !== undefined) return Buffer.from(value).toString('utf8');
    if (optional === true) return undefined;
    throw new MissingReference(
      secret === undefined ? `secret "${name}" not found` : `couldn't find key ${key} in Secret ${namespace}/${name}`,
    );
  }
  throw new MissingReference(`env ${variable.name}: valueFrom names no source`);
}

const KEYED = /^metadata\.(labels|annotations)\['([^']+)'\]$/;

function fieldValue(path: string, context: EnvContext): string {
  const { pod } = context;
  const keyed = KEYED.exec(path);
  if (keyed !== null) {
    const map = keyed[1] === 'labels' ? pod.metadata?.labels : pod.metadata?.annotations;
    return map?.[keyed[2] ?? ''] ?? '';
  }
  switch (path) {
    case 'metadata.name':
      return pod.metadata?.name ?? '';
    case 'metadata.namespace':
      return pod.metadata?.namespace ?? '';
    case 'metadata.uid':
      return pod.metadata?.uid ?? '';
    case 'spec.nodeName':
      return pod.spec?.nodeName || context.nodeName;
    case 'spec.serviceAccountName':
      return pod.spec?.serviceAccountName ?? '';
    case 'status.podIP':
    case 'status.podIPs':
      return context.podIP;
    case 'status.hostIP':
    case 'status.hostIPs':
      return context.hostIP;
    default:
      throw new MissingReference(`fieldRef.fieldPath ${path} is not supported`);
  }
}

/** A resource of a container of the pod, in whole divisors, rounded up. own: the container where the reference names none. */
export function resourceValue(ref: ResourceFieldSelector, own: Container | undefined, context: EnvContext): string {
  const container = ref.containerName ? findContainer(context.pod, ref.containerName)?.container : own;
  if (container === undefined) throw new MissingReference(`resourceFieldRef: the pod has no container ${ref.containerName}`);
  const [list, ...rest] = ref.resource.split('.');
  const resource = rest.join('.');
  if ((list !== 'limits' && list !== 'requests') || resource === '')
    throw new MissingReference(`resourceFieldRef.resource ${ref.resource} is not supported`);
  const set = container.resources?.[list][resource] ?? (list === 'limits' ? context.allocatable[resource] : undefined);
  const value = parseQuantity(set ?? '0').nano;
  const divisor = ref.divisor === undefined || ref.divisor === '' ? 0n : parseQuantity(ref.divisor).nano;
  const by = divisor === 0n ? 1_000_000_000n : divisor;
  return String((value + by - 1n) / by);
}
