// The objects of one state with their indexes. Knows nothing of transactions, revisions of history, or journals: it applies changes and answers reads.
import type { Kind, Obj } from '@podplane/api/kinds/kind-map';
import { invalid } from './errors.js';
import { type IndexValues, indexesOf, sameValues } from './indexes.js';
import { type AnyObject, nameOf, namespaceOf, uidOf } from './object.js';
import type { ListOptions, ReadView } from './types.js';

/** Where an object sits: all maps point to the same slot, so that a change of the object touches one place. */
interface Slot {
  object: AnyObject;
}

interface Index {
  readonly valuesOf: IndexValues;
  readonly entries: Map<string, Set<Slot>>;
}

interface Table {
  readonly namespaces: Map<string, Map<string, Slot>>;
  readonly uids: Map<string, Slot>;
  readonly indexes: ReadonlyMap<string, Index>;
  count: number;
}

const noSlots: ReadonlySet<Slot> = new Set();

function newTable(kind: Kind): Table {
  const indexes = new Map<string, Index>();
  for (const [name, valuesOf] of indexesOf(kind)) indexes.set(name, { valuesOf, entries: new Map() });
  return { namespaces: new Map(), uids: new Map(), indexes, count: 0 };
}

export function byNamespaceAndName(a: AnyObject, b: AnyObject): number {
  const left = namespaceOf(a);
  const right = namespaceOf(b);
  if (left !== right) return left < right ? -1 : 1;
  const first = nameOf(a);
  const second = nameOf(b);
  return first === second ? 0 : first < second ? -1 : 1;
}

/** Throws StoreError "invalid" for a kind or an index that does not exist. */
export class State implements ReadView {
  revision = 0;
  readonly #tables = new Map<Kind, Table>();

  constructor(kinds: Iterable<Kind>) {
    for (const kind of kinds) this.#tables.set(kind, newTable(kind));
  }

  #table(kind: Kind): Table {
    const table = this.#tables.get(kind);
    if (table === undefined) throw invalid(`there is no kind ${kind}`, { kind });
    return table;
  }

  get<K extends Kind>(kind: K, namespace: string, name: string): Obj<K> | undefined {
    return this.#table(kind).namespaces.get(namespace)?.get(name)?.object as Obj<K> | undefined;
  }

  byUid<K extends Kind>(kind: K, uid: string): Obj<K> | undefined {
    return this.#table(kind).uids.get(uid)?.object as Obj<K> | undefined;
  }

  list<K extends Kind>(kind: K, namespace?: string, options?: ListOptions): Iterable<Obj<K>> {
    const objects = this.#objects(kind, namespace) as Iterable<Obj<K>>;
    return options?.ordered === true ? [...objects].sort(byNamespaceAndName) : objects;
  }

  *#objects(kind: Kind, namespace: string | undefined): Generator<AnyObject> {
    const { namespaces } = this.#table(kind);
    if (namespace === undefined) {
      for (const names of namespaces.values()) for (const slot of names.values()) yield slot.object;
    } else {
      const names = namespaces.get(namespace);
      if (names !== undefined) for (const slot of names.values()) yield slot.object;
    }
  }

  count(kind: Kind, namespace?: string): number {
    const table = this.#table(kind);
    return namespace === undefined ? table.count : (table.namespaces.get(namespace)?.size ?? 0);
  }

  index<K extends Kind>(kind: K, index: string, value: string): readonly Obj<K>[] {
    const out: AnyObject[] = [];
    for (const slot of this.#index(kind, index).entries.get(value) ?? noSlots) out.push(slot.object);
    return out as Obj<K>[];
  }

  countIndex(kind: Kind, index: string, value: string): number {
    return this.#index(kind, index).entries.get(value)?.size ?? 0;
  }

  /** The function behind an index, for objects that are not in this state. */
  indexValues(kind: Kind, index: string): IndexValues {
    return this.#index(kind, index).valuesOf;
  }

  #index(kind: Kind, index: string): Index {
    const found = this.#table(kind).indexes.get(index);
    if (found === undefined) throw invalid(`kind ${kind} has no index "${index}"`, { kind });
    return found;
  }

  has(kind: string): kind is Kind {
    return this.#tables.has(kind as Kind);
  }

  kinds(): Iterable<Kind> {
    return this.#tables.keys();
  }

  /** Puts an object, in place of the one of the same namespace and name where there is one. */
  put(kind: Kind, object: AnyObject): void {
    const table = this.#table(kind);
    const namespace = namespaceOf(object);
    let names = table.namespaces.get(namespace);
    if (names === undefined) {
      names = new Map();
      table.namespaces.set(namespace, names);
    }
    const name = nameOf(object);
    const slot = names.get(name);
    if (slot !== undefined) {
      this.#replace(table, slot, object);
      return;
    }
    const added: Slot = { object };
    names.set(name, added);
    table.uids.set(uidOf(object), added);
    table.count++;
    for (const index of table.indexes.values()) for (const value of index.valuesOf(object)) enter(index, value, added);
  }

  #replace(table: Table, slot: Slot, object: AnyObject): void {
    const before = slot.object;
    slot.object = object;
    const uid = uidOf(before);
    if (uid !== uidOf(object)) {
      table.uids.delete(uid);
      table.uids.set(uidOf(object), slot);
    }
    for (const index of table.indexes.values()) {
      const old = index.valuesOf(before);
      const next = index.valuesOf(object);
      if (sameValues(old, next)) continue;
      for (const value of old) leave(index, value, slot);
      for (const value of next) enter(index, value, slot);
    }
  }

  delete(kind: Kind, namespace: string, name: string): void {
    const table = this.#table(kind);
    const names = table.namespaces.get(namespace);
    const slot = names?.get(name);
    if (names === undefined || slot === undefined) return;
    names.delete(name);
    if (names.size === 0) table.namespaces.delete(namespace);
    table.uids.delete(uidOf(slot.object));
    table.count--;
    for (const index of table.indexes.values()) for (const value of index.valuesOf(slot.object)) leave(index, value, slot);
  }

  /** Empties it; the revision stays for the caller to set. */
  clear(): void {
    for (const kind of this.#tables.keys()) this.#tables.set(kind, newTable(kind));
  }
}

function enter(index: Index, value: string, slot: Slot): void {
  const slots = index.entries.get(value);
  if (slots === undefined) index.entries.set(value, new Set([slot]));
  else slots.add(slot);
}

function leave(index: Index, value: string, slot: Slot): void {
  const slots = index.entries.get(value);
  if (slots === undefined) return;
  slots.delete(slot);
  if (slots.size === 0) index.entries.delete(value);
}
