// Brings objects of manifests to the cluster: makes what is missing, merges what has changed. Three ways: what was applied last (kept
// in an annotation), what is applied now, what is there; so that fields and elements of lists which others have set stay.
import type { DecodedObject } from '@podplane/api/decode/decode';
import { toManifest } from '@podplane/api/decode/manifest';
import { isObject, type JsonObject } from '@podplane/api/decode/tree';
import { ApiError, fieldErrorText } from '@podplane/api/errors';
import { kindInfo } from '@podplane/api/kinds/catalogue';
import type { KindInfo } from '@podplane/api/kinds/kind-info';
import type { Kind, KindMap } from '@podplane/api/kinds/kind-map';
import { kindNames } from '@podplane/api/kinds/kind-names';
import { lastApplied, PatchError, withLastApplied } from '@podplane/api/patch';
import { kindSchema } from '@podplane/api/schema/model';
import { threeWayMergePatch } from '@podplane/api/three-way';
import type { Cluster } from './cluster.js';
import { CliError, usage } from './exit-codes.js';
import { isNotFound } from './failure.js';
import type { AnyObject } from './kinds.js';
import { refuseAll } from './manifests.js';

/** What others lean on comes first. */
const FIRST: readonly Kind[] = [
  'Namespace',
  'StorageClass',
  'PersistentVolume',
  'PersistentVolumeClaim',
  'ServiceAccount',
  'Secret',
  'ConfigMap',
  'Service',
];

export interface Planned {
  readonly kind: Kind;
  readonly namespace: string;
  readonly name: string;
  readonly decoded: DecodedObject;
  /** What is there now. */
  readonly current: AnyObject | undefined;
}

export interface Applied extends Planned {
  readonly outcome: 'created' | 'configured' | 'unchanged';
  readonly object: AnyObject;
  readonly warnings: readonly string[];
}

/** Where an object belongs: what it says, or the namespace of the command. explicit: given by -n, then they must agree. */
export function namespaceOf(decoded: DecodedObject, namespace: string, explicit: boolean): string {
  const said = decoded.object.metadata?.namespace ?? '';
  if (!kindNames[decoded.kind].namespaced) return '';
  if (explicit && said !== '' && said !== namespace) {
    throw usage(
      `${placeOf(decoded, 'metadata.namespace')}: the namespace of ${called(decoded)} is "${said}", which is not the one given by -n: "${namespace}"`,
    );
  }
  return said === '' ? namespace : said;
}

/** In an order in which they can be made: stable, so that a file's own order counts among equals. */
export function inOrder(objects: readonly DecodedObject[]): readonly DecodedObject[] {
  const rank = ({ kind }: DecodedObject): number => {
    const at = FIRST.indexOf(kind);
    return at < 0 ? FIRST.length : at;
  };
  return objects.toSorted((a, b) => rank(a) - rank(b));
}

/** The manifest as written, at its place, with itself in the annotation. A status is never a wish. */
function annotated(raw: JsonObject, namespace: string): JsonObject {
  const { status: _status, ...wish } = raw;
  const metadata: JsonObject = isObject(raw['metadata']) ? raw['metadata'] : {};
  return withLastApplied({ ...wish, metadata: { ...metadata, ...(namespace === '' ? {} : { namespace }) } });
}

/** What was applied last; nothing where that is not known, so that nothing is taken away. */
function appliedBefore(manifest: JsonObject): JsonObject {
  try {
    return lastApplied(manifest) ?? {};
  } catch (error) {
    if (error instanceof PatchError) return {}; // damaged by hand
    throw error;
  }
}

function withPlace(decoded: DecodedObject, namespace: string, annotations: Readonly<Record<string, string>>): AnyObject {
  const { object } = decoded;
  const metadata = object.metadata;
  if (metadata === undefined) throw new CliError(`${decoded.source}: metadata.name: Required value`);
  return {
    ...object,
    metadata: { ...metadata, ...(namespace === '' ? {} : { namespace }), annotations: { ...metadata.annotations, ...annotations } },
  };
}

/** Longest name that messages repeat whole. */
const LONGEST_NAME = 70;

function called({ kind, object }: DecodedObject): string {
  const name = object.metadata?.name || object.metadata?.generateName || '';
  return `${kind} "${name.length > LONGEST_NAME ? `${name.slice(0, LONGEST_NAME)}...` : name}"`;
}

/** file:line:column of a field, or of what is nearest to it; field "": of the object. */
export function placeOf(decoded: DecodedObject, field: string): string {
  const { line, column } = field === '' ? decoded.position : decoded.locate(field);
  return `${decoded.source}:${line}:${column}`;
}

/** What the server refused, with its place in the file. */
export function refusalOf(decoded: DecodedObject, error: ApiError): ApiError {
  const { reason, message, target, causes, advice } = error;
  return new ApiError(reason, `${placeOf(decoded, causes[0]?.field ?? '')}: ${message}`, { target, causes, advice, cause: error });
}

/** The catalogue's own validation, so that a faulty object in a file stops everything before anything is sent. */
function faultsOf(planned: Planned, now: number): readonly string[] {
  const info = kindInfo(planned.kind) as KindInfo<Kind>;
  const object = structuredClone(withPlace(planned.decoded, planned.namespace, {})) as KindMap[Kind];
  info.setDefaults(object);
  info.prepareForCreate(object, now);
  return info
    .validateCreate(object)
    .map((error) => `${placeOf(planned.decoded, error.field)}: ${called(planned.decoded)}: ${fieldErrorText(error)}`);
}

/** Looks at what is there and checks everything that is new. Throws a CliError where anything is wrong; nothing was changed then. */
export async function planApply(
  cluster: Cluster,
  objects: readonly DecodedObject[],
  options: { readonly namespace: string; readonly explicit: boolean; readonly now: number },
): Promise<readonly Planned[]> {
  const seen = new Set<string>();
  const planned = await Promise.all(
    inOrder(objects).map(async (decoded) => {
      const name = decoded.object.metadata?.name ?? '';
      if (name === '')
        throw new CliError(
          `${placeOf(decoded, 'metadata.name')}: ${decoded.kind}: metadata.name: Required value (for metadata.generateName use create)`,
          { advice: 'Nothing was changed.' },
        );
      const namespace = namespaceOf(decoded, options.namespace, options.explicit);
      const key = `${decoded.kind} ${namespace}/${name}`;
      if (seen.has(key))
        throw new CliError(`${placeOf(decoded, '')}: ${called(decoded)} is given twice`, { advice: 'Nothing was changed.' });
      seen.add(key);
      const current = await cluster.get(decoded.kind, namespace, name).catch((error: unknown) => {
        if (isNotFound(error)) return undefined;
        throw error;
      });
      return { kind: decoded.kind, namespace, name, decoded, current };
    }),
  );
  refuseAll(planned.filter(({ current }) => current === undefined).flatMap((one) => faultsOf(one, options.now)));
  return planned;
}

/** The merge patch that makes current what the manifest wishes; undefined where nothing is to be done. */
export function patchFor(planned: Planned & { readonly current: AnyObject }): JsonObject | undefined {
  const wish = annotated(planned.decoded.raw, planned.namespace);
  const current = toManifest(planned.kind, planned.current);
  const patch = threeWayMergePatch(appliedBefore(current), wish, current, kindSchema(planned.kind));
  return Object.keys(patch).length > 0 ? patch : undefined;
}

/** A new object as it is sent: at its place, with what was applied in its annotation. */
export function newObject({ decoded, namespace }: Planned): AnyObject {
  const metadata = annotated(decoded.raw, namespace)['metadata'];
  const annotations =
    isObject(metadata) && isObject(metadata['annotations']) ? (metadata['annotations'] as Readonly<Record<string, string>>) : {};
  return withPlace(decoded, namespace, annotations);
}

/** Makes or changes one object. */
export async function applyOne(cluster: Cluster, planned: Planned, dryRun: boolean): Promise<Applied> {
  const { kind, namespace, name, current } = planned;
  if (current === undefined) {
    const { object, warnings } = await cluster.create(newObject(planned), { dryRun });
    return { ...planned, outcome: 'created', object, warnings };
  }
  const patch = patchFor({ ...planned, current });
  if (patch === undefined) return { ...planned, outcome: 'unchanged', object: current, warnings: [] };
  const { object, warnings } = await cluster.mergePatch(kind, namespace, name, patch, { dryRun });
  const same = object.metadata?.resourceVersion === current.metadata?.resourceVersion;
  return { ...planned, outcome: same && !dryRun ? 'unchanged' : 'configured', object, warnings };
}

/**
 * Asks the server to decide everything and keep nothing, before anything is changed: where one of several objects is refused, none is
 * touched. Objects of a namespace that is made with them cannot be asked for, nor pods
 * of a service account that is. Throws a CliError with all refusals.
 */
export async function tryAll(
  wanted: readonly {
    readonly decoded: DecodedObject;
    readonly namespace: string;
    readonly isNew: boolean;
    readonly dry: () => Promise<unknown>;
  }[],
): Promise<void> {
  if (wanted.length < 2) return; // one object is written whole or not at all
  const made = new Set(
    wanted.filter(({ decoded, isNew }) => isNew && decoded.kind === 'Namespace').map(({ decoded }) => decoded.object.metadata?.name),
  );
  const accounts = new Set(
    wanted.flatMap(({ decoded, namespace, isNew }) =>
      isNew && decoded.kind === 'ServiceAccount' ? [`${namespace}/${decoded.object.metadata?.name ?? ''}`] : [],
    ),
  );
  const runsAsNew = (decoded: DecodedObject, namespace: string): boolean =>
    decoded.kind === 'Pod' && accounts.has(`${namespace}/${decoded.object.spec?.serviceAccountName ?? ''}`);
  const refused = await Promise.all(
    wanted
      .filter(({ decoded, namespace }) => (namespace === '' || !made.has(namespace)) && !runsAsNew(decoded, namespace))
      .map(async ({ decoded, dry }) => {
        try {
          await dry();
          return [];
        } catch (error) {
          if (!(error instanceof ApiError) || error.reason === 'ServiceUnavailable' || error.reason === 'Timeout') throw error;
          const { message, advice } = refusalOf(decoded, error);
          return [`${message}${advice === '' ? '' : ` (${advice})`}`];
        }
      }),
  );
  refuseAll(refused.flat());
}
