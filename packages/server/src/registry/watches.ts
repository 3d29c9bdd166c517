// Watches: a cursor of the store, seen through a selection. Holds one place in the ring and nothing else, however slow its reader is.
import { badRequest, expired } from '@podplane/api/errors';
import type { Kind, Obj } from '@podplane/api/kinds/kind-map';
import type { System, Timer } from '@podplane/api/system';
import { StoreError } from '@podplane/store/errors';
import type { Change, ChangeType, Cursor, Selector, Store } from '@podplane/store/types';
import { parseScope } from './kinds.js';
import { parseSelection, type Selection } from './selection.js';

/** Objects of the current state in one message, and bookmarks while nothing happens. */
const SLICE = 500;
const BOOKMARK_MS = 30_000;
/** Transactions taken from the cursor at a time, which are one step: a message for each would be most of the work where thousands follow each other. */
const DRAIN = 256;

export interface WatchInput {
  readonly kind: string;
  readonly namespace: string;
  readonly labelSelector: string;
  readonly fieldSelector: string;
  readonly resourceVersion: string;
}

export interface WatchedChange {
  readonly type: ChangeType;
  readonly object: Obj;
}

/** No changes: a bookmark. */
export interface WatchStep {
  readonly kind: Kind;
  readonly changes: readonly WatchedChange[];
  /** Resume from here. */
  readonly revision: number;
  /** The current state has been told completely. */
  readonly synced: boolean;
}

/**
 * What a watcher is told, one step after another; the next one is computed when it is asked for. Ends only by the signal (rejects
 * with its reason). Throws ApiError: BadRequest, Expired.
 */
export async function* watch(store: Store, system: System, input: WatchInput, signal: AbortSignal): AsyncGenerator<WatchStep, never, void> {
  const { kind, namespace } = parseScope(input);
  const selection = parseSelection(kind, { ...input, namespace });
  const selector = { kinds: [kind], ...(namespace === '' ? {} : { namespace }) };
  const begun =
    input.resourceVersion === ''
      ? fromNow(store, selection, selector)
      : { cursor: resume(store, selector, input.resourceVersion), state: undefined };
  const { cursor, state } = begun;
  try {
    if (state !== undefined) {
      for (let i = 0; i < state.objects.length; i += SLICE) {
        const changes = state.objects.slice(i, i + SLICE).map((object) => ({ type: 'added' as const, object }));
        // Nobody may resume inside of the state: without the rest it is no state.
        yield { kind, changes, revision: 0, synced: false };
      }
      yield { kind, changes: [], revision: state.revision, synced: true };
    }
    let told = system.clock.monotonic();
    for (;;) {
      for await (const step of steps(cursor, kind, selection, system, signal)) {
        told = system.clock.monotonic();
        yield step;
      }
      // Where all that happens passes the selection by, there is no pause in which to say how far it has been read.
      if (system.clock.monotonic() - told < BOOKMARK_MS) continue;
      told = system.clock.monotonic();
      yield { kind, changes: [], revision: cursor.revision, synced: false };
    }
  } catch (error) {
    throw asGone(error);
  } finally {
    cursor[Symbol.dispose]();
  }
}

function fromNow(
  store: Store,
  selection: Selection,
  selector: Selector,
): { readonly cursor: Cursor; readonly state: { readonly objects: readonly Obj[]; readonly revision: number } } {
  return store.snapshotAndWatch(selector, 'durable', (view) => ({
    objects: [...selection.candidates(view)].filter((object) => selection.matches(object)),
    revision: view.revision,
  }));
}

function resume(store: Store, selector: Selector, text: string): Cursor {
  if (!/^\d{1,15}$/.test(text)) throw badRequest(`resourceVersion: ${JSON.stringify(text.slice(0, 50))} is no revision`);
  try {
    return store.watchFrom(selector, 'durable', Number(text));
  } catch (error) {
    throw asGone(error);
  }
}

function asGone(error: unknown): unknown {
  return error instanceof StoreError && error.code === 'gone' ? expired(`too old resource version: ${error.message}`) : error;
}

/** What is there now, or else what comes next. */
async function* steps(
  cursor: Cursor,
  kind: Kind,
  selection: Selection,
  system: System,
  signal: AbortSignal,
): AsyncGenerator<WatchStep, void, void> {
  signal.throwIfAborted();
  const batches = cursor.drain(DRAIN);
  const told = batches.flatMap(({ changes }) => changes.flatMap((change) => through(change, selection) ?? []));
  if (told.length > 0) yield { kind, changes: told, revision: batches.at(-1)?.revision ?? cursor.revision, synced: false };
  if (batches.length > 0) return;
  if ((await ready(cursor, system, signal)) === 'bookmark') yield { kind, changes: [], revision: cursor.revision, synced: false };
}

/** A change as it looks through a selection; undefined: not seen. */
function through({ type, object, previous }: Change, selection: Selection): WatchedChange | undefined {
  if (!selection.selective) return { type, object };
  const now = type !== 'deleted' && selection.matches(object);
  // The last state of a deleted object is what it was found by before. What a change of before the last start came from may be
  // unknown: then an object that does not match now is told as gone, for a watcher that has it must not keep it.
  const before =
    type === 'deleted' ? selection.matches(previous ?? object) : previous === undefined ? type === 'modified' : selection.matches(previous);
  if (now) return { type: before ? 'modified' : 'added', object };
  return before ? { type: 'deleted', object } : undefined;
}

function ready(cursor: Cursor, system: System, signal: AbortSignal): Promise<'changes' | 'bookmark'> {
  return new Promise((resolve, reject) => {
    let timer: Timer | undefined;
    const settle = (what: 'changes' | 'bookmark' | 'aborted'): void => {
      timer?.cancel();
      signal.removeEventListener('abort', aborted);
      if (what === 'aborted') reject(signal.reason as Error);
      else resolve(what);
    };
    const aborted = (): void => settle('aborted');
    signal.addEventListener('abort', aborted, { once: true });
    timer = system.timers.after(BOOKMARK_MS, () => settle('bookmark'), { background: true });
    cursor.onReady(() => settle('changes'));
  });
}
