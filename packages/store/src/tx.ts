// One transaction: its reads see its own writes, which are kept in an overlay until the store takes them. What a committed
// transaction becomes (memory, ring, journal) is in store.ts; the rules for metadata are in metadata.ts.

import type { Kind, KindMap, Obj } from '@podplane/api/kinds/kind-map';
import type { Random } from '@podplane/api/system';
import { epochAt } from './epochs.js';
import { alreadyExists, conflict, invalid, notFound } from './errors.js';
import {
  askDeletion,
  GENERATED_SUFFIX_LENGTH,
  generatedName,
  keepIdentity,
  removable,
  stampChanged,
  stampNew,
  stampRemoved,
} from './metadata.js';
import { type AnyObject, metadataOf, uidOf } from './object.js';
import { type OverlayEntry, OverlayView } from './overlay.js';
import { clonePlain, freezePlain, shareWith } from './plain.js';
import type { State } from './state.js';
import type { Change, ListOptions, MetaTable, Tx } from './types.js';

interface Entry extends OverlayEntry {
  /** What was committed before this transaction. */
  readonly committed: AnyObject | undefined;
  /** The newest state it had, kept when it is removed. */
  last: AnyObject;
}

// As Kubernetes: after this many taken names something else is wrong.
const GENERATE_NAME_TRIES = 8;

// A date that JavaScript can write; beyond it the deadline has no text.
const LONGEST_GRACE_SECONDS = 100 * 365 * 24 * 3600;

const NO_META: Pick<MetaTable, 'get'> = { get: () => undefined };

export class Transaction extends OverlayView<Entry> implements Tx {
  readonly now: number;
  /** The revision it gets if it changes anything. */
  readonly revision: number;
  readonly #resourceVersion: string;
  readonly #random: Random;
  readonly #meta: Pick<MetaTable, 'get'>;
  readonly #touched: { readonly kind: Kind; readonly entry: Entry }[] = [];
  #open = true;

  constructor(state: State, revision: number, now: number, random: Random, meta: Pick<MetaTable, 'get'> = NO_META) {
    super(state);
    this.revision = revision;
    this.now = now;
    this.#resourceVersion = String(revision);
    this.#random = random;
    this.#meta = meta;
  }

  get epoch(): number {
    return epochAt(this.#meta, this.revision);
  }

  /** No use of it counts any more: what an object carries out of its transaction must not be able to write. */
  end(): void {
    this.#open = false;
  }

  #touch(kind: Kind, entry: Entry): void {
    this.setEntry(kind, entry);
    this.#touched.push({ kind, entry });
  }

  #check(): void {
    if (!this.#open) throw invalid('the transaction is over');
  }

  override get<K extends Kind>(kind: K, namespace: string, name: string): Obj<K> | undefined {
    this.#check();
    return super.get(kind, namespace, name);
  }

  override list<K extends Kind>(kind: K, namespace?: string, options?: ListOptions): Iterable<Obj<K>> {
    this.#check();
    return super.list(kind, namespace, options);
  }

  create<K extends Kind>(kind: K, object: KindMap[K] | Obj<K>): Obj<K> {
    this.#check();
    const given = object as AnyObject;
    if (given.metadata === undefined) throw invalid('metadata: Required value', { kind });
    const namespace = given.metadata.namespace ?? '';
    const name = this.#nameFor(kind, namespace, given);
    if (super.get(kind, namespace, name) !== undefined) throw alreadyExists({ kind, namespace, name });
    const stamp = { name, uid: this.#random.uid(), now: this.now, resourceVersion: this.#resourceVersion };
    return this.#write(kind, namespace, name, stampNew(kind, given, stamp)) as Obj<K>;
  }

  #nameFor(kind: Kind, namespace: string, object: AnyObject): string {
    const { name, generateName } = metadataOf(object);
    if (name !== undefined && name !== '') {
      if (name.includes('/')) throw invalid('metadata.name: a name holds no slash', { kind, namespace, name });
      return name;
    }
    if (generateName === undefined || generateName === '') {
      throw invalid('metadata.name: Required value: name or generateName is required', { kind, namespace });
    }
    for (let i = 0; i < GENERATE_NAME_TRIES; i++) {
      const generated = generatedName(generateName, this.#random.suffix(GENERATED_SUFFIX_LENGTH));
      if (super.get(kind, namespace, generated) === undefined) return generated;
    }
    throw alreadyExists({ kind, namespace, name: `${generateName}*` });
  }

  update<K extends Kind>(kind: K, object: KindMap[K] | Obj<K>, ifRevision: string): Obj<K> {
    this.#check();
    const given = object as AnyObject;
    const current = this.#current(kind, given.metadata?.namespace ?? '', given.metadata?.name ?? '');
    const revision = metadataOf(current).resourceVersion;
    if (ifRevision !== 'any' && ifRevision !== revision) {
      const subject = { kind, namespace: metadataOf(current).namespace, name: metadataOf(current).name };
      throw conflict(subject, `it has been modified: its resourceVersion is ${revision ?? ''}, not ${ifRevision}`);
    }
    return this.#change(kind, current, given) as Obj<K>;
  }

  edit<K extends Kind>(kind: K, namespace: string, name: string, edit: (draft: KindMap[K]) => void): Obj<K> {
    this.#check();
    const current = this.#current(kind, namespace, name);
    const draft = clonePlain(current) as KindMap[K];
    edit(draft);
    const edited = draft as AnyObject;
    if ((edited.metadata?.name ?? '') !== name || (edited.metadata?.namespace ?? '') !== namespace) {
      throw invalid('metadata.name, metadata.namespace: an edit cannot change them', { kind, namespace, name });
    }
    return this.#change(kind, current, edited) as Obj<K>;
  }

  markDeleted<K extends Kind>(kind: K, namespace: string, name: string, graceSeconds: number): Obj<K> | undefined {
    this.#check();
    const current = this.#current(kind, namespace, name);
    const asked = askDeletion(kind, current, Math.min(graceSeconds, LONGEST_GRACE_SECONDS), this.now);
    if (removable(asked)) {
      this.remove(kind, namespace, name);
      return undefined;
    }
    if (asked === current) return current as Obj<K>;
    const committed = this.#committed(kind, namespace, name);
    return this.#write(kind, namespace, name, stampChanged(kind, committed, asked, this.#resourceVersion)) as Obj<K>;
  }

  remove(kind: Kind, namespace: string, name: string): void {
    this.#check();
    const last = this.#current(kind, namespace, name);
    const entry = this.entry(kind, namespace, name);
    if (entry === undefined) this.#touch(kind, { namespace, name, committed: last, object: undefined, last });
    else entry.object = undefined;
  }

  #current(kind: Kind, namespace: string, name: string): AnyObject {
    const current = super.get(kind, namespace, name);
    if (current === undefined) throw notFound({ kind, namespace, name });
    return current;
  }

  #committed(kind: Kind, namespace: string, name: string): AnyObject | undefined {
    const entry = this.entry(kind, namespace, name);
    return entry === undefined ? this.state.get(kind, namespace, name) : entry.committed;
  }

  #change(kind: Kind, current: AnyObject, next: AnyObject): AnyObject {
    const shared = shareWith(current, keepIdentity(kind, current, next)) as AnyObject;
    if (shared === current) return current;
    const { namespace = '', name = '' } = metadataOf(current);
    const changed = stampChanged(kind, this.#committed(kind, namespace, name), shared, this.#resourceVersion);
    const written = this.#write(kind, namespace, name, changed);
    if (removable(written)) this.remove(kind, namespace, name);
    return written;
  }

  #write(kind: Kind, namespace: string, name: string, object: AnyObject): AnyObject {
    const frozen = freezePlain(object);
    const entry = this.entry(kind, namespace, name);
    if (entry === undefined) {
      this.#touch(kind, { namespace, name, committed: this.state.get(kind, namespace, name), object: frozen, last: frozen });
    } else {
      entry.object = frozen;
      entry.last = frozen;
    }
    return frozen;
  }

  /** What it changed, in the order in which objects were first touched. An object that it both created and removed is no change. */
  changes(): Change[] {
    const out: AnyChange[] = [];
    for (const { kind, entry } of this.#touched) {
      const { committed, object, last } = entry;
      const replaced = committed !== undefined && object !== undefined && uidOf(committed) !== uidOf(object);
      if (committed !== undefined && (object === undefined || replaced)) {
        const lastState = uidOf(last) === uidOf(committed) ? last : committed;
        out.push({ kind, type: 'deleted', object: freezePlain(stampRemoved(lastState, this.#resourceVersion)), previous: committed });
      }
      if (object !== undefined && (committed === undefined || replaced)) out.push({ kind, type: 'added', object, previous: undefined });
      if (object !== undefined && committed !== undefined && !replaced) out.push({ kind, type: 'modified', object, previous: committed });
    }
    return out as unknown as Change[];
  }
}

interface AnyChange {
  readonly kind: Kind;
  readonly type: Change['type'];
  readonly object: AnyObject;
  readonly previous: AnyObject | undefined;
}
