// The one way to read and write objects, for every face: admission, preconditions, causes, durability. A rule that only one face
// enforces would be a bug, so all rules are here or in what this calls. Lists and watches are in lists.ts and watches.ts.
import { ApiError, alreadyExists, badRequest, conflict, notFound, serviceUnavailable } from '@podplane/api/errors';
import { kindInfo } from '@podplane/api/kinds/catalogue';
import { setJobSelector } from '@podplane/api/kinds/job';
import type { Kind, KindMap, Obj } from '@podplane/api/kinds/kind-map';
import { kindNames } from '@podplane/api/kinds/kind-names';
import type { System } from '@podplane/api/system';
import { checkNamespace } from '@podplane/controllers/admission/namespace';
import { checkSecrets } from '@podplane/controllers/admission/service-account';
import { createAccountObjects } from '@podplane/controllers/serviceaccount/bootstrap';
import { createPod } from '@podplane/controllers/shared/create-pod';
import { roomForWrites } from '@podplane/store/backlog';
import { StoreError } from '@podplane/store/errors';
import type { Cause, Change, Store, Tx } from '@podplane/store/types';
import { actorOf, type Identity } from '../auth/identity.js';
import type { Memberships } from '../auth/memberships.js';
import { admitChange, admitNew, parseSubresource, type Subresource } from './admission.js';
import { askWords } from './ask-words.js';
import { checkClaimGrowth } from './claim-growth.js';
import { checkDeleteOptions, type Deleted, type DeleteOptions, deleteObject } from './deletion.js';
import { type EvictOptions, evict } from './eviction.js';
import { type Place, parsePlace } from './kinds.js';
import { Lists } from './lists.js';
import type { PatchKind } from './patching.js';
import { checkSize } from './size.js';
import { type WatchInput, type WatchStep, watch } from './watches.js';

export interface Writer {
  readonly identity: Identity;
  /** The program that writes, as it calls itself; may be "". */
  readonly fieldManager: string;
  /** Decide everything, keep nothing. */
  readonly dryRun: boolean;
}

export interface Written {
  readonly kind: Kind;
  readonly object: Obj;
  readonly warnings: readonly string[];
}

/** An object to be written, as it was decoded; the registry owns it from then on. */
export type Given = { readonly [K in Kind]: { readonly kind: K; readonly object: KindMap[K] } }[Kind];

/** Objects of a batch that go into one transaction, and are judged and written in one turn: about ten milliseconds. */
const BATCH_SLICE = 100;

type Strict = typeof import('./strict.js');

let loading: Promise<Strict> | undefined;

/** Strict decoding, loaded with the first write. */
function strict(): Promise<Strict> {
  loading ??= import('./strict.js');
  return loading;
}

/** Carries the result of a dry run out of the transaction that it undoes. */
class DryRun<T> extends Error {
  constructor(readonly result: T) {
    super('dry run');
  }
}

export interface RegistryParts {
  /** The certificate (PEM) of the cluster's authority, which every namespace has from the start; undefined: none is known. */
  readonly rootCa?: string;
  /** Told before a node is removed. */
  readonly memberships?: Pick<Memberships, 'removed'> | undefined;
}

export class Registry {
  readonly lists: Lists;
  /** Resolves when the next slice of a batch may have its turn. */
  private nextSlice = Promise.resolve();

  constructor(
    private readonly store: Store,
    private readonly system: System,
    private readonly parts: RegistryParts = {},
  ) {
    this.lists = new Lists(store, system);
  }

  /** Throws ApiError: BadRequest, NotFound. */
  get(request: { readonly kind: string; readonly namespace: string; readonly name: string }): {
    readonly kind: Kind;
    readonly object: Obj;
  } {
    const { kind, namespace, name } = parsePlace(request);
    const object = this.store.durableView.get(kind, namespace, name);
    if (object === undefined) throw notFound(kind, namespace, name);
    return { kind, object };
  }

  watch(input: WatchInput, signal: AbortSignal): AsyncGenerator<WatchStep, never, void> {
    return watch(this.store, this.system, input, signal);
  }

  /** Resolves when durable. Rejects with ApiError. */
  async create(given: Given, writer: Writer): Promise<Written> {
    const { kind } = given;
    const { admitBytes } = await strict();
    const admitted = admitOne(given, this.system.clock.now(), admitBytes);
    const object = await this.write(kind, nameOf(admitted), 'create', writer, (tx) => place(tx, admitted, this.parts.rootCa));
    return { kind, object, warnings: kindInfo<Kind>(kind).newWarnings(object) };
  }

  /** Each object is judged alone; results in the order given. Resolves when all of them are durable. Rejects only where nothing can be written. */
  async createBatch(given: readonly (Given | undefined)[], writer: Writer): Promise<readonly (Written | ApiError)[]> {
    const { admitBytes } = await strict();
    const now = this.system.clock.now();
    const results: (Written | ApiError)[] = [];
    let durable = Promise.resolve();
    for (let i = 0; i < given.length; i += BATCH_SLICE) {
      await this.turnForSlice();
      await roomForWrites(this.store);
      const slice = given.slice(i, i + BATCH_SLICE);
      const admitted = slice.map((one) => attempt(() => admitOne(one, now, admitBytes)));
      try {
        const { result, revision } = this.transact(causeOf(writer, `create ${slice.length} objects`), writer.dryRun, (tx) =>
          admitted.map((one) =>
            one instanceof ApiError
              ? one
              : attempt((): Written => ({ kind: one.kind, object: place(tx, one, this.parts.rootCa), warnings: [] })),
          ),
        );
        results.push(...result);
        durable = this.store.durable(revision);
        durable.catch(() => undefined); // awaited below
      } catch (error) {
        // Sealed in the middle: what came before has been done, and is told.
        if (i === 0 || !(error instanceof ApiError)) throw error;
        for (const _ of slice) results.push(error);
      }
    }
    await this.durable(durable);
    return results;
  }

  /** Resolves when durable. Rejects with ApiError. */
  async update(given: Given, subresource: string, writer: Writer): Promise<Written> {
    const { kind } = given;
    const { admitBytes } = await strict();
    const next = admitBytes<Kind>(kind, given.object);
    const { metadata } = next;
    const { namespace, name } = parsePlace({ kind, namespace: metadata?.namespace ?? '', name: metadata?.name ?? '' });
    const what = parseSubresource(kind, subresource);
    const object = await this.write(kind, name, what === '' ? 'update' : `update ${what}`, writer, (tx) =>
      replace(tx, { kind, namespace, name }, next, what),
    );
    return { kind, object, warnings: warningsOf(kind, object, what) };
  }

  /** Resolves when durable. Rejects with ApiError. */
  async patch(at: Place, patchKind: PatchKind, patch: Uint8Array, subresource: string, writer: Writer): Promise<Written> {
    const { kind, namespace, name } = parsePlace(at);
    const what = parseSubresource(kind, subresource);
    const { applyPatch } = await import('./patching.js');
    const object = await this.write(kind, name, what === '' ? 'patch' : `patch ${what}`, writer, (tx) => {
      const previous = tx.get(kind, namespace, name);
      if (previous === undefined) throw notFound(kind, namespace, name);
      return replace(tx, { kind, namespace, name }, applyPatch<Kind>(kind, previous, patchKind, patch), what);
    });
    return { kind, object, warnings: warningsOf(kind, object, what) };
  }

  /** Resolves when durable. Rejects with ApiError. */
  async delete(at: Place, options: DeleteOptions, writer: Writer): Promise<Deleted & { readonly kind: Kind }> {
    const target = parsePlace(at);
    checkDeleteOptions(options);
    // Before, not after: a server that dies in between must not have forgotten it.
    if (target.kind === 'Node' && !writer.dryRun && this.store.get('Node', '', target.name) !== undefined)
      await this.parts.memberships?.removed(target.name);
    const deleted = await this.write(target.kind, target.name, 'delete', writer, (tx) => deleteObject(tx, target, options));
    return { ...deleted, kind: target.kind };
  }

  /** Deletes a pod where its budgets let it go. Resolves when durable. Rejects with ApiError, TooManyRequests for a budget that does not. */
  async evict(at: Pick<Place, 'namespace' | 'name'>, options: EvictOptions, writer: Writer): Promise<Deleted> {
    const { namespace, name } = parsePlace({ kind: 'Pod', ...at });
    checkDeleteOptions(options);
    return this.write('Pod', name, 'evict', writer, (tx) => evict(tx, namespace, name, options));
  }

  /** One slice a turn, whoever's it is: thirty batches that came together must not hold heartbeats for a quarter of a second. */
  private turnForSlice(): Promise<void> {
    const turn = this.nextSlice;
    this.nextSlice = turn.then(() => new Promise<void>((resolve) => this.system.timers.soon(resolve)));
    return turn;
  }

  private async write<T>(kind: Kind, name: string, verb: string, writer: Writer, fn: (tx: Tx) => T): Promise<T> {
    const plain = causeOf(writer, `${verb} ${kindNames[kind].singular} ${name}`);
    const about = (change: Change): string | undefined => {
      const words = askWords(change);
      return words === undefined ? undefined : `${plain.reason}: ${words}`;
    };
    const cause: Cause = { ...plain, about };
    let done: { readonly result: T; readonly revision: number };
    try {
      done = this.transact(cause, writer.dryRun, fn);
    } catch (error) {
      // A refusal is an answer as well: "already exists" must not be told of an object that may yet be lost.
      if (error instanceof ApiError && this.store.health.state === 'ok') await this.durable(this.store.durable(this.store.revision));
      throw error;
    }
    await this.durable(this.store.durable(done.revision));
    return done.result;
  }

  private async durable(promise: Promise<void>): Promise<void> {
    try {
      await promise;
    } catch (error) {
      throw fromStore(error);
    }
  }

  private transact<T>(cause: Cause, dryRun: boolean, fn: (tx: Tx) => T): { readonly result: T; readonly revision: number } {
    try {
      return this.store.transact<T>(cause, ((tx: Tx) => {
        const result = fn(tx);
        if (dryRun) throw new DryRun(result);
        return result;
      }) as Parameters<typeof this.store.transact<T>>[1]);
    } catch (error) {
      // Nothing was written, but what it was judged by must not be lost again.
      if (error instanceof DryRun) return { result: error.result as T, revision: this.store.revision };
      throw fromStore(error);
    }
  }
}

/** Who writes a status is not told of slips in the spec. */
function warningsOf(kind: Kind, object: Obj, what: Subresource): readonly string[] {
  return what === 'status' ? [] : kindInfo<Kind>(kind).warnings(object);
}

function nameOf({ object }: Given): string {
  return object.metadata?.name || object.metadata?.generateName || '';
}

function causeOf(writer: Writer, reason: string): Cause {
  return {
    actor: actorOf(writer.identity),
    reason: writer.fieldManager === '' ? reason : `${reason} (${writer.fieldManager.slice(0, 128)})`,
  };
}

function admitOne(given: Given | undefined, now: number, admitBytes: Strict['admitBytes']): Given {
  if (given === undefined) throw badRequest('the object is empty, or of a kind that this server does not know');
  const object = admitBytes<Kind>(given.kind, given.object);
  admitNew<Kind>(given.kind, object, now);
  return { kind: given.kind, object } as Given; // the object is of the kind it was given as
}

/** Puts an admitted object into the store. */
function place(tx: Tx, { kind, object }: Given, rootCa: string | undefined): Obj {
  const namespace = object.metadata?.namespace ?? '';
  const name = object.metadata?.name ?? '';
  checkNamespace(tx, kind, namespace, name || (object.metadata?.generateName ?? ''));
  // Asked before, not caught after: in a batch a throw inside of create must leave nothing behind.
  if (name !== '' && tx.get(kind, namespace, name) !== undefined) throw alreadyExists(kind, namespace, name);
  checkSize(kind, object as Obj);
  if (kind === 'Pod') return createPod(tx, object as Obj<'Pod'>);
  const made = tx.create<Kind>(kind, object);
  if (kind === 'Namespace') createAccountObjects(tx, name, rootCa);
  // Only now it has the uid by which its pods will be found.
  return kind === 'Job' ? tx.edit('Job', namespace, made.metadata?.name ?? '', setJobSelector) : made;
}

function replace(tx: Tx, { kind, namespace, name }: Place, next: KindMap[Kind], subresource: Subresource): Obj {
  const previous = tx.get(kind, namespace, name);
  if (previous === undefined) throw notFound(kind, namespace, name);
  admitChange<Kind>(kind, next, previous, subresource);
  checkSize(kind, next as Obj);
  if (subresource === 'ephemeralcontainers') checkSecrets(tx, next as Obj<'Pod'>);
  if (kind === 'PersistentVolumeClaim' && subresource === '')
    checkClaimGrowth(tx, next as KindMap['PersistentVolumeClaim'], previous as Obj<'PersistentVolumeClaim'>);
  return tx.update<Kind>(kind, next, 'any');
}

function attempt<T>(fn: () => T): T | ApiError {
  try {
    return fn();
  } catch (error) {
    const known = fromStore(error);
    if (known instanceof ApiError) return known;
    throw error;
  }
}

/** Errors of the store in the words of the API; others as they are. */
function fromStore(error: unknown): unknown {
  if (!(error instanceof StoreError)) return error;
  const kind = error.kind as Kind | undefined;
  const namespace = error.namespace ?? '';
  const name = error.objectName ?? '';
  switch (error.code) {
    case 'not-found':
      return kind === undefined ? badRequest(error.message) : notFound(kind, namespace, name);
    case 'already-exists':
      return kind === undefined ? badRequest(error.message) : alreadyExists(kind, namespace, name);
    case 'conflict':
      return kind === undefined ? badRequest(error.message) : conflict(kind, namespace, name);
    case 'invalid':
      return badRequest(error.message, { target: { kind: kind ?? '', namespace, name } });
    case 'sealed':
      return serviceUnavailable(error.message, { advice: error.advice ?? '', cause: error, retryAfterSeconds: 5 });
    case 'closed':
      return serviceUnavailable('the server is stopping', { advice: 'Try again in a moment.', cause: error });
    case 'gone':
      return error;
  }
}
