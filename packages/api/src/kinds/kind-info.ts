// What the rest of the project may ask about a kind. The answers are in one file a kind; catalogue.ts collects them.

import type { FieldError } from '../errors.js';
import type { Object as AnyObject } from '../gen/podplane/api/v1/object.js';
import type { Kind, KindMap, Obj } from './kind-map.js';
import type { KindNames } from './kind-names.js';

/** An object as anybody may have it: the store's frozen one, or one's own. */
export type Readable<K extends Kind> = KindMap[K] | Obj<K>;

/** A column of `get`. */
export interface Column<K extends Kind> {
  /** As Kubernetes names it ("Up-to-date"); printed in capitals. */
  readonly name: string;
  /** Shown only with -o wide. */
  readonly wide: boolean;
  /** Numbers stay numbers where the table is sent as data. */
  readonly type: 'string' | 'integer';
  /** now: ms since 1970, for ages. */
  readonly value: (object: Readable<K>, context: { readonly now: number }) => string;
}

/** Bytes and JSON of one kind's message. fromJSON is lenient: decode hostile input with decode/ first. */
export interface Codec<K extends Kind> {
  encode(object: Readable<K>): Uint8Array;
  /** Throws on bytes that are no such message. */
  decode(bytes: Uint8Array): KindMap[K];
  fromJSON(json: unknown): KindMap[K];
  toJSON(object: Readable<K>): unknown;
}

/** Case of a kind in podplane.api.v1.Object. */
export type OneofCase = NonNullable<AnyObject['kind']>['$case'];

export interface KindInfo<K extends Kind> extends KindNames {
  readonly kind: K;
  readonly oneofCase: OneofCase;
  readonly codec: Codec<K>;
  /** Fields of field selectors besides metadata.name and metadata.namespace, each with how its text is read. */
  readonly selectableFields: Readonly<Record<string, (object: Readable<K>) => string>>;
  readonly columns: readonly Column<K>[];
  /** Whether metadata.generation counts changes of the spec. */
  readonly hasGeneration: boolean;

  /** Sets what may be left out, also apiVersion and kind. Doing it twice changes nothing. */
  setDefaults(object: KindMap[K]): void;
  /** Before validation of a new object: drops what clients may not say (status), sets what only creation sets. now: ms since 1970. */
  prepareForCreate(object: KindMap[K], now: number): void;
  /** Before validation of a changed object: status and other things that this way of writing does not change come from previous. */
  prepareForUpdate(next: KindMap[K], previous: Readable<K>): void;
  /** The same for a write of the status: everything but status, labels, annotations and finalizers comes from previous. */
  prepareForStatusUpdate(next: KindMap[K], previous: Readable<K>): void;
  /** Faults of a new object that has its defaults, refused fields included. */
  validateCreate(object: Readable<K>): FieldError[];
  /** Faults of a changed object: its own, and fields that must not change. */
  validateUpdate(next: Readable<K>, previous: Readable<K>): FieldError[];
  validateStatusUpdate(next: Readable<K>, previous: Readable<K>): FieldError[];
  /** Sentences about what is accepted and has no effect, or most likely is a slip; each with its path. */
  warnings(object: Readable<K>): string[];
  /** The same of a new object, with what is said of its name. */
  newWarnings(object: Readable<K>): string[];
  /** Whether two states differ in what the user wishes (everything but metadata and status). */
  specChanged(a: Readable<K>, b: Readable<K>): boolean;
}
