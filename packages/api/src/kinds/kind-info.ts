// What the rest of the project may ask about a kind. The answers are in one file a kind; catalogue.ts collects them.
import type { Object as AnyObject } from '../gen/podplane/api/v1/object.js';
import type { FieldError } from '../errors.js';
import type { Kind, KindMap, Obj } from './kind-map.js';
import type { KindNames } from './kind-names.js';

/** A column of `get`. */
export interface Column<K extends Kind> {
  /** As Kubernetes names it ("Up-to-date"); printed in capitals. */
  readonly name: string;
  /** Shown only with -o wide. */
  readonly wide: boolean;
  /** Numbers stay numbers where the table is sent as data. */
  readonly type: 'string' | 'integer';
  /** now: ms since 1970, for ages. */
  readonly value: (object: Obj<K>, context: { readonly now: number }) => string;
}

/** Bytes and JSON of one kind's message. fromJSON is lenient: decode hostile input with decode/ first. */
export interface Codec<K extends Kind> {
  encode(object: KindMap[K] | Obj<K>): Uint8Array;
  /** Throws on bytes that are no such message. */
  decode(bytes: Uint8Array): KindMap[K];
  fromJSON(json: unknown): KindMap[K];
  toJSON(object: KindMap[K] | Obj<K>): unknown;
}

/** Case of a kind in podplane.api.v1.Object. */
export type OneofCase = NonNullable<AnyObject['kind']>['$case'];

export interface KindInfo<K extends Kind> extends KindNames {
  readonly kind: K;
  readonly oneofCase: OneofCase;
  readonly codec: Codec<K>;
  /** Fields of field selectors besides metadata.name and metadata.namespace, each with how its text is read. */
  readonly selectableFields: Readonly<Record<string, (object: Obj<K>) => string>>;
  readonly columns: readonly Column<K>[];
  /** Whether metadata.generation counts changes of the spec. */
  readonly hasGeneration: boolean;

  /** Sets what may be left out, also apiVersion and kind. Doing it twice changes nothing. */
  setDefaults(object: KindMap[K]): void;
  /** Before validation of a new object: drops what clients may not say (status), sets what only creation sets. now: ms since 1970. */
  prepareForCreate(object: KindMap[K], now: number): void;
  /** Before validation of a changed object: status and other things that this way of writing does not change come from previous. */
  prepareForUpdate(next: KindMap[K], previous: Obj<K>): void;
  /** The same for a write of the status: everything but status, labels, annotations and finalizers comes from previous. */
  prepareForStatusUpdate(next: KindMap[K], previous: Obj<K>): void;
  /** Faults of a new object that has its defaults, refused fields included. */
  validateCreate(object: Obj<K>): FieldError[];
  /** Faults of a changed object: its own, and fields that must not change. */
  validateUpdate(next: Obj<K>, previous: Obj<K>): FieldError[];
  validateStatusUpdate(next: Obj<K>, previous: Obj<K>): FieldError[];
  /** Sentences about fields that are accepted without effect yet, each with its path. */
  warnings(object: Obj<K>): string[];
  /** Whether two states differ in what the user wishes (everything but metadata and status). */
  specChanged(a: Obj<K>, b: Obj<K>): boolean;
}
