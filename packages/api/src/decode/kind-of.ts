// Which kind a JSON tree says it is, and whether there is such a kind. The fields of a kind are strict.ts's business.
import type { Kind } from '../kinds/kind-map.js';
import { kindSchema, kindSchemas } from '../schema/model.js';
import { nearest } from '../schema/nearest.js';
import { isKind } from './codecs.js';
import type { DecodeProblem } from './problems.js';
import { shown } from './strict.js';
import { isObject, type JsonObject, type JsonValue, nameOfType, type Steps } from './tree.js';

type KindProblem = Extract<
  DecodeProblem,
  { code: 'not_an_object' | 'missing_api_version' | 'missing_kind' | 'unknown_kind' | 'wrong_api_version' }
>;
type WithoutPlace<P> = P extends DecodeProblem ? Omit<P, 'source' | 'position'> : never;

/** A tree that names a kind we have, a list of such trees, or what is wrong. */
export type Identified =
  | { readonly is: 'object'; readonly kind: Kind; readonly tree: JsonObject }
  | { readonly is: 'list'; readonly items: readonly JsonValue[]; readonly tree: JsonObject }
  | { readonly is: 'wrong'; readonly problem: WithoutPlace<KindProblem>; readonly steps: Steps };

/** Kinds of Kubernetes that manifests often hold and that are not here: told as such, not as unknown. */
const NOT_HERE = new Set(
  `Ingress IngressClass NetworkPolicy PersistentVolume PersistentVolumeClaim StorageClass Role
  RoleBinding ClusterRole ClusterRoleBinding HorizontalPodAutoscaler CustomResourceDefinition LimitRange
  ResourceQuota PriorityClass RuntimeClass Endpoints EndpointSlice ReplicationController PodTemplate MutatingWebhookConfiguration
  ValidatingWebhookConfiguration APIService CSIDriver VolumeAttachment`.split(/\s+/),
);

/** apiVersion of a kind's manifests: "v1", "apps/v1". */
export function apiVersionOf(kind: Kind): string {
  const version = kindSchema(kind)?.apiVersion;
  if (version === undefined) throw new Error(`the message of kind ${kind} has no option apiVersion`);
  return version;
}

/** implied: apiVersion and kind that the list around it gives to an object that says neither. */
export function identify(value: JsonValue, implied?: { readonly kind: Kind }): Identified {
  if (!isObject(value)) {
    const message = `expected an object with apiVersion and kind, got ${nameOfType(value)}`;
    return wrong({ code: 'not_an_object', message, advice: 'is this a manifest?' }, []);
  }
  const tree = implied === undefined ? value : withKind(value, implied.kind);
  const { kind, apiVersion } = tree;
  if (typeof kind !== 'string' || kind === '') {
    const message =
      kind === undefined || kind === null || kind === '' ? 'kind is not set' : `kind must be a string, not ${nameOfType(kind)}`;
    return wrong({ code: 'missing_kind', message, advice: 'for example kind: Pod' }, ['kind']);
  }
  if (typeof apiVersion !== 'string' || apiVersion === '') {
    const is =
      apiVersion === undefined || apiVersion === null || apiVersion === ''
        ? 'is not set'
        : `must be a string, not ${nameOfType(apiVersion)}`;
    const advice = `for example apiVersion: ${isKind(kind) ? apiVersionOf(kind) : 'v1'}`;
    return wrong({ code: 'missing_api_version', message: `apiVersion ${is}`, advice }, ['apiVersion']);
  }
  if (isKind(kind)) return apiVersion === apiVersionOf(kind) ? { is: 'object', kind, tree } : wrongVersion(kind, apiVersion);
  return identifyList(tree, kind, apiVersion) ?? unknownKind(kind, apiVersion);
}

/** v1 List, and the lists that single kinds have: PodList. Their items may leave kind and apiVersion out. */
function identifyList(tree: JsonObject, kind: string, apiVersion: string): Identified | undefined {
  if (!kind.endsWith('List')) return undefined;
  const of = kind.slice(0, -'List'.length);
  if (of !== '' && !isKind(of)) return undefined;
  const expected = of === '' ? 'v1' : apiVersionOf(of);
  if (apiVersion !== expected) return wrongVersion(kind, apiVersion, expected);
  const items = tree['items'] ?? [];
  if (!Array.isArray(items)) {
    return wrong({ code: 'not_an_object', message: `items: expected a list, got ${nameOfType(items)}`, advice: '' }, ['items']);
  }
  return { is: 'list', tree, items: of === '' ? items : items.map((it) => (isObject(it) ? withKind(it, of) : it)) };
}

function withKind(tree: JsonObject, kind: Kind): JsonObject {
  if (tree['kind'] !== undefined && tree['apiVersion'] !== undefined) return tree;
  return { ...tree, apiVersion: tree['apiVersion'] ?? apiVersionOf(kind), kind: tree['kind'] ?? kind };
}

function wrongVersion(kind: string, apiVersion: string, expected = isKind(kind) ? apiVersionOf(kind) : 'v1'): Identified {
  const message = noMatch(kind, apiVersion);
  return wrong({ code: 'wrong_api_version', message, advice: `write apiVersion: ${expected}`, kind, expected }, ['apiVersion']);
}

function unknownKind(kind: string, apiVersion: string): Identified {
  const known = [...kindSchemas().keys()];
  // Commands take "pods" and "deploy"; people then write these into manifests too.
  const suggestion = nearest(kind, known) ?? nearest(kind.replace(/s$/i, ''), known);
  const advice = NOT_HERE.has(kind)
    ? `this version of Podplane has no ${kind}`
    : suggestion === undefined
      ? `known kinds: ${known.toSorted().join(', ')}`
      : `did you mean "${suggestion}"?`;
  const message = noMatch(kind, apiVersion);
  const hint = suggestion === undefined || NOT_HERE.has(kind) ? {} : { suggestion };
  return wrong({ code: 'unknown_kind', message, advice, kind, ...hint }, ['kind']);
}

function noMatch(kind: string, apiVersion: string): string {
  return `no matches for kind "${shown(kind)}" in version "${shown(apiVersion)}"`;
}

function wrong(problem: WithoutPlace<KindProblem>, steps: Steps): Identified {
  return { is: 'wrong', problem, steps };
}
