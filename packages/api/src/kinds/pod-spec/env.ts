// Environment variables of containers: names, and one source each.

import { type FieldError, invalid, notSupported, type Path, required } from '../../errors.js';
import type { EnvFromSource, EnvVar, EnvVarSource } from '../../gen/podplane/core/v1/env.js';
import type { ObjectFieldSelector, ResourceFieldSelector } from '../../gen/podplane/core/v1/reference.js';
import { configKeyProblems, dnsSubdomainProblems, envNameProblems, qualifiedNameProblems } from '../../names.js';
import { compareQuantities, parseQuantity, tryParseQuantity } from '../../quantity.js';
import type { DeepReadonly } from '../kind-map.js';

/** Fields of a pod that a variable may take its value from. */
const FIELD_PATHS = [
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
  'spec.nodeName',
  'spec.serviceAccountName',
  'status.hostIP',
  'status.hostIPs',
  'status.podIP',
  'status.podIPs',
] as const;
/** Fields that can be taken in one place or another. */
const LABELS: ReadonlySet<string> = new Set([
  ...FIELD_PATHS,
  'metadata.annotations',
  'metadata.labels',
  'spec.restartPolicy',
  'spec.schedulerName',
  'status.phase',
]);
const SUBSCRIPT = /^(metadata\.(?:labels|annotations))\['([^']*)'\]$/;

/** Resources of a container that a variable may take its value from. */
const RESOURCES = [
  'limits.cpu',
  'limits.ephemeral-storage',
  'limits.memory',
  'requests.cpu',
  'requests.ephemeral-storage',
  'requests.memory',
] as const;
const CPU_DIVISORS = ['1', '1m'].map(parseQuantity);
const MEMORY_DIVISORS = ['1', '1k', '1M', '1G', '1T', '1P', '1E', '1Ki', '1Mi', '1Gi', '1Ti', '1Pi', '1Ei'].map(parseQuantity);

const ONE_SOURCE = 'may not have more than one field specified at a time';

/** A field path of one label or annotation, taken apart; undefined where it is a plain one. */
export function subscriptOf(
  fieldPath: string,
): { readonly map: 'metadata.labels' | 'metadata.annotations'; readonly key: string } | undefined {
  const match = SUBSCRIPT.exec(fieldPath);
  if (match === null) return undefined;
  return { map: match[1] as 'metadata.labels' | 'metadata.annotations', key: match[2] ?? '' };
}

/** Why this is no field that a value can be taken from, anywhere; what may be taken where is asked after that. */
function conversionProblem(version: string, fieldPath: string): string | undefined {
  if (version !== 'v1') return `unsupported pod version: ${version}`;
  if (subscriptOf(fieldPath) !== undefined || LABELS.has(fieldPath)) return undefined;
  return /\['.*'\]$/.test(fieldPath) ? `field label does not support subscript: ${fieldPath}` : `field label not supported: ${fieldPath}`;
}

/** allowed: the paths besides those of a single label or annotation. */
export function validateFieldRef(
  ref: DeepReadonly<ObjectFieldSelector>,
  path: Path,
  allowed: readonly string[] = FIELD_PATHS,
): FieldError[] {
  const at = path.child('fieldPath');
  if (!ref.apiVersion) return [required(path.child('apiVersion'))];
  if (ref.fieldPath === '') return [required(at)];
  const unknown = conversionProblem(ref.apiVersion, ref.fieldPath);
  if (unknown !== undefined) return [invalid(at, ref.fieldPath, `error converting fieldPath: ${unknown}`)];
  const subscript = subscriptOf(ref.fieldPath);
  if (subscript !== undefined) {
    const key = subscript.map === 'metadata.annotations' ? subscript.key.toLowerCase() : subscript.key;
    return qualifiedNameProblems(key).map((problem) => invalid(path, subscript.key, problem));
  }
  return allowed.includes(ref.fieldPath) ? [] : [notSupported(at, ref.fieldPath, [...allowed].sort())];
}

export function validateResourceRef(ref: DeepReadonly<ResourceFieldSelector>, path: Path): FieldError[] {
  if (ref.resource === '') return [required(path.child('resource'))];
  if (!RESOURCES.some((one) => one === ref.resource)) return [notSupported(path.child('resource'), ref.resource, RESOURCES)];
  const text = ref.divisor ?? '0';
  const at = path.child('divisor');
  const divisor = tryParseQuantity(text);
  if (divisor === undefined) return [invalid(at, text, 'must be a quantity')];
  if (divisor.nano === 0n) return []; // unset: 1
  const cpu = ref.resource.endsWith('.cpu');
  if ((cpu ? CPU_DIVISORS : MEMORY_DIVISORS).some((one) => compareQuantities(one, divisor) === 0)) return [];
  const known = cpu ? '1m and 1' : '1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei';
  const what = cpu ? 'cpu' : ref.resource.endsWith('.memory') ? 'memory' : 'local ephemeral storage';
  return [invalid(at, ref.resource, `only divisor's values ${known} are supported with the ${what} resource`)];
}

function validateKeyRef(ref: { readonly name?: string | undefined; readonly key: string }, path: Path): FieldError[] {
  const out: FieldError[] = [];
  const { name = '' } = ref;
  for (const problem of dnsSubdomainProblems(name)) out.push(invalid(path.child('name'), name, problem));
  if (ref.key === '') out.push(required(path.child('key')));
  else for (const problem of configKeyProblems(ref.key)) out.push(invalid(path.child('key'), ref.key, problem));
  return out;
}

function validateSource(source: DeepReadonly<EnvVarSource>, value: string | undefined, path: Path): FieldError[] {
  const out: FieldError[] = [];
  let sources = 0;
  if (source.fieldRef !== undefined) {
    sources++;
    out.push(...validateFieldRef(source.fieldRef, path.child('fieldRef')));
  }
  if (source.resourceFieldRef !== undefined) {
    sources++;
    out.push(...validateResourceRef(source.resourceFieldRef, path.child('resourceFieldRef')));
  }
  if (source.configMapKeyRef !== undefined) {
    sources++;
    out.push(...validateKeyRef(source.configMapKeyRef, path.child('configMapKeyRef')));
  }
  if (source.secretKeyRef !== undefined) {
    sources++;
    out.push(...validateKeyRef(source.secretKeyRef, path.child('secretKeyRef')));
  }
  if (sources === 0)
    out.push(invalid(path, '', 'must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`'));
  else if (value) out.push(invalid(path, '', 'may not be specified when `value` is not empty'));
  else if (sources > 1) out.push(invalid(path, '', ONE_SOURCE));
  return out;
}

/** Faults of variables. One name twice is no fault: the later one counts. */
export function validateEnv(variables: readonly DeepReadonly<EnvVar>[], path: Path): FieldError[] {
  const out: FieldError[] = [];
  for (const [i, variable] of variables.entries()) {
    const at = path.index(i);
    if (variable.name === '') out.push(required(at.child('name')));
    else for (const problem of envNameProblems(variable.name)) out.push(invalid(at.child('name'), variable.name, problem));
    if (variable.valueFrom !== undefined) out.push(...validateSource(variable.valueFrom, variable.value, at.child('valueFrom')));
  }
  return out;
}

/** Faults of whole maps taken as variables. */
export function validateEnvFrom(sources: readonly DeepReadonly<EnvFromSource>[], path: Path): FieldError[] {
  const out: FieldError[] = [];
  for (const [i, source] of sources.entries()) {
    const at = path.index(i);
    if (source.prefix) for (const problem of envNameProblems(source.prefix)) out.push(invalid(at.child('prefix'), source.prefix, problem));
    for (const field of ['configMapRef', 'secretRef'] as const) {
      const ref = source[field];
      if (ref === undefined) continue;
      if (!ref.name) out.push(required(at.child(field, 'name')));
      else for (const problem of dnsSubdomainProblems(ref.name)) out.push(invalid(at.child(field, 'name'), ref.name, problem));
    }
    if (source.configMapRef === undefined && source.secretRef === undefined) {
      out.push(invalid(at, '', 'must specify one of: `configMapRef` or `secretRef`'));
    } else if (source.configMapRef !== undefined && source.secretRef !== undefined) {
      out.push(invalid(at, '', ONE_SOURCE));
    }
  }
  return out;
}
