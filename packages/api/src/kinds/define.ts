// Puts a kind together from what its file says and from what all kinds have in common: metadata, status, refused fields. No kind itself.

import { codecs } from '../decode/codecs.js';
import { type FieldError, Path } from '../errors.js';
import type { ObjectMeta } from '../gen/podplane/meta/v1/meta.js';
import { dnsLabelProblems } from '../names.js';
import { specDiffers } from './equal.js';
import type { Codec, Column, KindInfo, OneofCase, Readable } from './kind-info.js';
import type { Kind, KindMap } from './kind-map.js';
import { kindNames } from './kind-names.js';
import { cleanNewMeta, type NameRule, validateMeta, validateMetaUpdate } from './object-meta.js';
import { refusedFields, unsupportedWarnings } from './support-check.js';

/** What a kind's file says; all that is left out is as for most kinds. */
export interface KindParts<K extends Kind> {
  readonly kind: K;
  readonly oneofCase: OneofCase;
  readonly columns: readonly Column<K>[];
  readonly selectableFields?: Readonly<Record<string, (object: Readable<K>) => string>>;
  readonly hasGeneration?: boolean;
  /** Default: names are DNS subdomains. */
  readonly nameRule?: NameRule;
  readonly setDefaults?: (object: KindMap[K]) => void;
  /** After status and metadata have been cleaned. */
  readonly prepareForCreate?: (object: KindMap[K], now: number) => void;
  readonly prepareForUpdate?: (next: KindMap[K], previous: Readable<K>) => void;
  /** Without metadata and refused fields. */
  readonly validate?: (object: Readable<K>) => FieldError[];
  /** Only what a new object must not say; validate is called besides. */
  readonly validateNew?: (object: Readable<K>) => FieldError[];
  /** Only what must not change; validate is called besides. */
  readonly validateUpdate?: (next: Readable<K>, previous: Readable<K>) => FieldError[];
  readonly validateStatusUpdate?: (next: Readable<K>, previous: Readable<K>) => FieldError[];
  readonly warnings?: (object: Readable<K>) => string[];
  /** Whose names come of its own, which should be a DNS label then: those of its pods, or its host's. */
  readonly names?: 'pods' | 'host';
  /** A write of the status leaves labels alone. */
  readonly keepsLabels?: boolean;
}

/** All objects, as far as they are alike. */
interface Common {
  apiVersion: string;
  kind: string;
  metadata?: ObjectMeta | undefined;
  status?: unknown;
}

const META = Path.of('metadata');

function codecOf<K extends Kind>(kind: K): Codec<K> {
  const message = codecs[kind];
  return {
    // Encoding only reads, so frozen objects may be handed to it.
    encode: (object) => message.encode(object as KindMap[K]).finish(),
    decode: (bytes) => message.decode(bytes),
    fromJSON: (json) => message.fromJSON(json),
    toJSON: (object) => message.toJSON(object as KindMap[K]),
  };
}

/** What an update neither changes nor is refused for: times are the server's, and a manifest that was read back has old ones. */
function keepTimes(meta: ObjectMeta, previous: ObjectMeta | undefined): void {
  meta.managedFields = [];
  if (previous === undefined) return;
  meta.uid ||= previous.uid;
  if (previous.creationTimestamp !== undefined) meta.creationTimestamp = previous.creationTimestamp;
  if (previous.deletionTimestamp !== undefined) meta.deletionTimestamp = previous.deletionTimestamp;
  meta.deletionGracePeriodSeconds ??= previous.deletionGracePeriodSeconds;
}

/** A name that will do, but of which a host name will be made. */
function nameWarnings(name: string, whose: 'pods' | 'host' | undefined): string[] {
  const problems = whose === undefined || name === '' ? [] : dnsLabelProblems(name);
  if (problems.length === 0) return [];
  const where = whose === 'pods' ? 'Pod names and hostnames' : "the Pod's hostname";
  const text = `this is used in ${where}, which can result in surprising behavior; a DNS label is recommended`;
  return [`metadata.name: ${text}: [${problems.join(' ')}]`];
}

/** A whole kind from its parts. */
export function defineKind<K extends Kind>(parts: KindParts<K>): KindInfo<K> {
  const { kind } = parts;
  const names = kindNames[kind];
  const keepRest = (next: KindMap[K], previous: Readable<K>): void => {
    const target = next as unknown as Record<string, unknown>;
    const source = previous as unknown as Readonly<Record<string, unknown>>;
    for (const key of new Set([...Object.keys(target), ...Object.keys(source)])) {
      if (key !== 'status' && key !== 'metadata') target[key] = source[key];
    }
    const meta = (next as Common).metadata;
    const old = (previous as Common).metadata;
    if (meta === undefined || old === undefined) return;
    const { annotations, finalizers, resourceVersion } = meta;
    const labels = parts.keepsLabels === true ? old.labels : meta.labels;
    (next as Common).metadata = { ...old, labels, annotations, finalizers, resourceVersion };
  };
  const warnings = (object: Readable<K>): string[] => [...unsupportedWarnings(kind, object), ...(parts.warnings?.(object) ?? [])];
  return {
    ...names,
    kind,
    oneofCase: parts.oneofCase,
    codec: codecOf(kind),
    selectableFields: parts.selectableFields ?? {},
    columns: parts.columns,
    hasGeneration: parts.hasGeneration ?? false,
    setDefaults(object) {
      object.apiVersion = names.apiVersion;
      object.kind = kind;
      parts.setDefaults?.(object);
    },
    prepareForCreate(object, now) {
      const common: Common = object;
      delete common.status;
      cleanNewMeta(common, names.namespaced);
      parts.prepareForCreate?.(object, now);
    },
    prepareForUpdate(next, previous) {
      const common: Common = next;
      const before = previous as unknown as Common;
      if (before.status === undefined) delete common.status;
      else common.status = before.status;
      if (common.metadata !== undefined) keepTimes(common.metadata, before.metadata);
      parts.prepareForUpdate?.(next, previous);
    },
    prepareForStatusUpdate: keepRest,
    validateCreate(object) {
      return [
        ...validateMeta(object.metadata, META, { namespaced: names.namespaced, nameRule: parts.nameRule ?? 'subdomain' }),
        ...refusedFields(kind, object),
        ...(parts.validate?.(object) ?? []),
        ...(parts.validateNew?.(object) ?? []),
      ];
    },
    validateUpdate(next, previous) {
      return [
        ...validateMeta(next.metadata, META, { namespaced: names.namespaced, nameRule: undefined }),
        ...validateMetaUpdate(next.metadata, previous.metadata, META),
        ...refusedFields(kind, next),
        ...(parts.validate?.(next) ?? []),
        ...(parts.validateUpdate?.(next, previous) ?? []),
      ];
    },
    validateStatusUpdate(next, previous) {
      return [
        ...validateMeta(next.metadata, META, { namespaced: names.namespaced, nameRule: undefined }),
        ...validateMetaUpdate(next.metadata, previous.metadata, META),
        ...(parts.validateStatusUpdate?.(next, previous) ?? []),
      ];
    },
    warnings,
    newWarnings: (object) => [...nameWarnings(object.metadata?.name ?? '', parts.names), ...warnings(object)],
    specChanged: (a, b) => a !== b && specDiffers(a, b),
  };
}

/** The column that every kind begins with. */
export function nameColumn<K extends Kind>(): Column<K> {
  return textColumn('Name', (object) => object.metadata?.name ?? '');
}

/** A column of text; wide: only with -o wide. */
export function textColumn<K extends Kind>(name: string, value: Column<K>['value'], wide = false): Column<K> {
  return { name, wide, type: 'string', value };
}

export function intColumn<K extends Kind>(name: string, value: (object: Readable<K>) => number | undefined, wide = false): Column<K> {
  return { name, wide, type: 'integer', value: (object) => String(value(object) ?? 0) };
}
