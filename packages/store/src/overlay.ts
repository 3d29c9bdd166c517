// Reads of a state with some objects replaced: a transaction's own writes over the head, or what was before over writes that are
// not durable yet. Who fills the overlay is in tx.ts and durable-view.ts.
import type { Kind, Obj } from '@podplane/api/kinds/kind-map';
import { type AnyObject, idOf, uidOf } from './object.js';
import { byNamespaceAndName, type State } from './state.js';
import type { ListOptions, ReadView } from './types.js';

/** One replaced object; undefined: none there. */
export interface OverlayEntry {
  readonly namespace: string;
  readonly name: string;
  object: AnyObject | undefined;
}

/** Costs nothing beyond the state's own reads for kinds without entries, and one pass over a kind's entries otherwise. */
export abstract class OverlayView<E extends OverlayEntry> implements ReadView {
  protected readonly state: State;
  protected readonly entries = new Map<Kind, Map<string, E>>();

  constructor(state: State) {
    this.state = state;
  }

  abstract get revision(): number;

  protected entry(kind: Kind, namespace: string, name: string): E | undefined {
    return this.entries.get(kind)?.get(idOf(namespace, name));
  }

  protected setEntry(kind: Kind, entry: E): void {
    let ofKind = this.entries.get(kind);
    if (ofKind === undefined) {
      ofKind = new Map();
      this.entries.set(kind, ofKind);
    }
    ofKind.set(idOf(entry.namespace, entry.name), entry);
  }

  get<K extends Kind>(kind: K, namespace: string, name: string): Obj<K> | undefined {
    const entry = this.entry(kind, namespace, name);
    return entry === undefined ? this.state.get(kind, namespace, name) : (entry.object as Obj<K> | undefined);
  }

  byUid<K extends Kind>(kind: K, uid: string): Obj<K> | undefined {
    const ofKind = this.entries.get(kind);
    if (ofKind === undefined || ofKind.size === 0) return this.state.byUid(kind, uid);
    const base = this.state.byUid(kind, uid);
    if (base !== undefined) {
      const entry = ofKind.get(idOf(base.metadata?.namespace ?? '', base.metadata?.name ?? ''));
      if (entry === undefined) return base;
      if (entry.object !== undefined && uidOf(entry.object) === uid) return entry.object as Obj<K>;
    }
    for (const { object } of ofKind.values()) if (object !== undefined && uidOf(object) === uid) return object as Obj<K>;
    return undefined;
  }

  list<K extends Kind>(kind: K, namespace?: string, options?: ListOptions): Iterable<Obj<K>> {
    const ofKind = this.entries.get(kind);
    if (ofKind === undefined || ofKind.size === 0) return this.state.list(kind, namespace, options);
    const replaced = new Set<AnyObject>();
    for (const { namespace: place, name } of ofKind.values()) {
      const object = this.state.get(kind, place, name);
      if (object !== undefined) replaced.add(object);
    }
    const objects: Obj<K>[] = [];
    for (const object of this.state.list(kind, namespace)) if (!replaced.has(object)) objects.push(object);
    for (const entry of ofKind.values()) {
      if (entry.object !== undefined && (namespace === undefined || entry.namespace === namespace)) objects.push(entry.object as Obj<K>);
    }
    return options?.ordered === true ? objects.sort(byNamespaceAndName) : objects;
  }

  count(kind: Kind, namespace?: string): number {
    let count = this.state.count(kind, namespace);
    for (const entry of this.entries.get(kind)?.values() ?? []) {
      if (namespace !== undefined && entry.namespace !== namespace) continue;
      if (this.state.get(kind, entry.namespace, entry.name) !== undefined) count--;
      if (entry.object !== undefined) count++;
    }
    return count;
  }

  index<K extends Kind>(kind: K, index: string, value: string): Iterable<Obj<K>> {
    const found = this.state.index(kind, index, value);
    const ofKind = this.entries.get(kind);
    if (ofKind === undefined || ofKind.size === 0) return found;
    const valuesOf = this.state.indexValues(kind, index);
    const out = found.filter((object) => !ofKind.has(idOf(object.metadata?.namespace ?? '', object.metadata?.name ?? '')));
    for (const { object } of ofKind.values()) {
      if (object !== undefined && valuesOf(object).includes(value)) out.push(object as Obj<K>);
    }
    return out;
  }

  countIndex(kind: Kind, index: string, value: string): number {
    let count = this.state.countIndex(kind, index, value);
    const ofKind = this.entries.get(kind);
    if (ofKind === undefined || ofKind.size === 0) return count;
    const valuesOf = this.state.indexValues(kind, index);
    for (const { namespace, name, object } of ofKind.values()) {
      const base = this.state.get(kind, namespace, name);
      if (base !== undefined && valuesOf(base).includes(value)) count--;
      if (object !== undefined && valuesOf(object).includes(value)) count++;
    }
    return count;
  }
}
