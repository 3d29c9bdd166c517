// What is allowed in a pod spec and yet most likely a slip, in Kubernetes' words. Faults are in the files beside.
import type { Path } from '../../errors.js';
import type { Container, ContainerPort } from '../../gen/podplane/core/v1/container.js';
import type { PodSpec, PodTemplateSpec } from '../../gen/podplane/core/v1/pod.js';
import { tryParseQuantity } from '../../quantity.js';
import type { DeepReadonly } from '../kind-map.js';
import { overlapWarnings } from './overlaps.js';

type Spec = DeepReadonly<PodSpec>;

/** Labels of nodes that have other names now. */
const OLD_LABELS: Readonly<Record<string, string>> = {
  'beta.kubernetes.io/arch': 'deprecated since v1.14; use "kubernetes.io/arch" instead',
  'beta.kubernetes.io/os': 'deprecated since v1.14; use "kubernetes.io/os" instead',
  'failure-domain.beta.kubernetes.io/region': 'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
  'failure-domain.beta.kubernetes.io/zone': 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
  'beta.kubernetes.io/instance-type': 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
  'app.kubernetes.io/created-by': 'deprecated since v1.9',
  'scheduler.alpha.kubernetes.io/preferAvoidPods': 'deprecated since v1.22; use Taints and Tolerations instead',
  'node-role.kubernetes.io/master': 'use "node-role.kubernetes.io/control-plane" instead',
};

/** Annotations of pods that have become fields. */
const OLD_ANNOTATIONS: Readonly<Record<string, string>> = {
  'scheduler.alpha.kubernetes.io/critical-pod': 'non-functional in v1.16+; use the "priorityClassName" field instead',
  'security.alpha.kubernetes.io/sysctls': 'non-functional in v1.11+; use the "sysctls" field instead',
  'security.alpha.kubernetes.io/unsafe-sysctls': 'non-functional in v1.11+; use the "sysctls" field instead',
};

const BYTES = ['memory', 'ephemeral-storage'] as const;

/** Sentences about slips in a template of pods, each with its path. */
export function templateWarnings(template: DeepReadonly<PodTemplateSpec> | undefined, path: Path): string[] {
  const old = annotationWarnings(template?.metadata?.annotations, path.child('metadata', 'annotations'));
  return [...old, ...podSpecWarnings(template?.spec, path.child('spec'))];
}

/** Sentences about annotations of pods that mean nothing any more. */
export function annotationWarnings(annotations: Readonly<Record<string, string>> | undefined, path: Path): string[] {
  return Object.keys(annotations ?? {}).flatMap((key) => told(OLD_ANNOTATIONS, key, path.key(key)));
}

function told(table: Readonly<Record<string, string>>, key: string, at: Path): string[] {
  return Object.hasOwn(table, key) ? [`${at.toString()}: ${table[key] ?? ''}`] : [];
}

/** Sentences about slips in a pod's spec, each with its path. */
export function podSpecWarnings(spec: Spec | undefined, path: Path): string[] {
  if (spec === undefined) return [];
  const all = (['initContainers', 'containers', 'ephemeralContainers'] as const).flatMap((list) =>
    spec[list].map((container, i) => ({ container, at: path.child(list).index(i) })),
  );
  return [
    ...Object.keys(spec.nodeSelector).flatMap((key) => told(OLD_LABELS, key, path.child('nodeSelector').key(key))),
    ...affinityWarnings(spec.affinity, path.child('affinity')),
    ...spec.volumes.flatMap((volume, i) => {
      const at = path.child('volumes').index(i).child('ephemeral', 'volumeClaimTemplate', 'spec', 'resources');
      return byteWarnings(volume.ephemeral?.volumeClaimTemplate?.spec?.resources, at, ['storage']);
    }),
    ...overlapWarnings(spec.volumes),
    ...repeated(spec.hostAliases, 'ip', path.child('hostAliases')),
    ...repeated(spec.imagePullSecrets, 'name', path.child('imagePullSecrets')),
    ...spec.imagePullSecrets.flatMap(({ name }, i) =>
      name ? [] : [`${path.child('imagePullSecrets').index(i).child('name').toString()}: invalid empty name ""`],
    ),
    ...all.flatMap(({ container, at }) => [...byteWarnings(container.resources, at.child('resources')), ...envWarnings(container.env, at)]),
    ...portWarnings(all),
  ];
}

function affinityWarnings(affinity: Spec['affinity'], path: Path): string[] {
  const required = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
  const preferred = affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
  const at = path.child('nodeAffinity');
  const terms = [
    ...required.map((term, i) => ({
      term,
      where: at.child('requiredDuringSchedulingIgnoredDuringExecution', 'nodeSelectorTerms').index(i),
    })),
    ...preferred.map(({ preference }, i) => ({
      term: preference,
      where: at.child('preferredDuringSchedulingIgnoredDuringExecution').index(i).child('preference'),
    })),
  ];
  return terms.flatMap(({ term, where }) =>
    (term?.matchExpressions ?? []).flatMap(({ key }, i) =>
      Object.hasOwn(OLD_LABELS, key)
        ? [`${where.child('matchExpressions').index(i).child('key').toString()}: ${key} is ${OLD_LABELS[key] ?? ''}`]
        : [],
    ),
  );
}

/** Entries that say again what one before them says. */
function repeated<F extends string>(items: readonly { readonly [K in F]?: string | undefined }[], field: F, path: Path): string[] {
  const seen = new Set<string>();
  const out: string[] = [];
  for (const [i, item] of items.entries()) {
    const value = item[field] ?? '';
    if (seen.has(value)) out.push(`${path.index(i).child(field).toString()}: duplicate ${field} ${JSON.stringify(value)}`);
    seen.add(value);
  }
  return out;
}

type Amounts = { readonly limits: Readonly<Record<string, string>>; readonly requests: Readonly<Record<string, string>> };

/** Parts of bytes, which nobody can give. */
export function byteWarnings(resources: Amounts | undefined, path: Path, names: readonly string[] = BYTES): string[] {
  const out: string[] = [];
  for (const name of names) {
    for (const map of ['limits', 'requests'] as const) {
      const text = resources?.[map][name];
      const quantity = text === undefined ? undefined : tryParseQuantity(text);
      if (text !== undefined && quantity !== undefined && quantity.nano % 1_000_000_000n !== 0n) {
        const at = path.child(map).key(name).toString();
        out.push(`${at}: fractional byte value ${JSON.stringify(text)} is invalid, must be an integer`);
      }
    }
  }
  return out;
}

/** A variable that is there before and is not built upon: X=$(X):more is meant. */
function envWarnings(env: DeepReadonly<Container['env']>, path: Path): string[] {
  const seen = new Set<string>();
  const out: string[] = [];
  for (const [i, { name, value = '', valueFrom }] of env.entries()) {
    const before = `$(${name})`;
    if (seen.has(name) && (valueFrom !== undefined || value === before || !value.includes(before))) {
      const at = path.child('env').index(i).toString();
      out.push(`${at}: hides previous definition of ${JSON.stringify(name)}, which may be dropped when using apply`);
    }
    seen.add(name);
  }
  return out;
}

interface Port {
  readonly port: DeepReadonly<ContainerPort>;
  readonly at: Path;
}

function portWarnings(
  containers: readonly { readonly container: { readonly ports: readonly Port['port'][] }; readonly at: Path }[],
): string[] {
  const out: string[] = [];
  const ports: readonly Port[] = containers.flatMap(({ container, at }) =>
    container.ports.map((port, i) => ({ port, at: at.child('ports').index(i) })),
  );
  const same = new Map<string, Port[]>();
  for (const one of ports) {
    const key = `${one.port.containerPort}/${one.port.protocol ?? 'TCP'}`;
    const others = same.get(key) ?? [];
    for (const other of others) {
      const how = clash(one.port, other.port);
      if (how !== undefined) out.push(`${one.at.toString()}: ${how} port definition with ${other.at.toString()}`);
    }
    same.set(key, [...others, one]);
  }
  const names = new Map<string, Path>();
  for (const { port, at } of ports) {
    if (!port.name) continue;
    const other = names.get(port.name)?.toString();
    if (other === undefined) names.set(port.name, at);
    else {
      const name = JSON.stringify(port.name);
      out.push(
        `${at.toString()}: duplicate port name ${name} with ${other}, services and probes that select ports by name will use ${other}`,
      );
    }
  }
  return out;
}

/** How two definitions of one port get into each other's way. */
function clash(a: Port['port'], b: Port['port']): 'duplicate' | 'overlapping' | 'dangerously ambiguous' | undefined {
  const [hostA, hostB] = [a.hostPort ?? 0, b.hostPort ?? 0];
  const [ipA, ipB] = [a.hostIP ?? '', b.hostIP ?? ''];
  if (ipA === ipB && hostA === hostB) return 'duplicate';
  if (hostA === 0 || hostB === 0) return 'overlapping';
  return hostA === hostB && (ipA === '') !== (ipB === '') ? 'dangerously ambiguous' : undefined;
}
