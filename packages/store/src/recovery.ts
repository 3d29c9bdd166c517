// Coming back: objects from a journal's bodies, and trying again while the journal does not answer. What a recovery means for
// cursors and promises is in store.ts.

import type { Kind } from '@podplane/api/kinds/kind-map';
import type { Timer, Timers } from '@podplane/api/system';
import { JournalError } from './errors.js';
import { type AnyObject, type Codecs, decode, metadataOf, uidOf } from './object.js';
import { Sharing } from './sharing.js';
import type { State } from './state.js';
import type { CommittedTx, Journal, Recovered } from './types.js';

export interface LoadedObject {
  readonly kind: Kind;
  readonly object: AnyObject;
}

/**
 * The frozen objects of a journal. reuse gives an object that is in memory already, so that equal versions are not there twice.
 * Throws JournalError "newer-format" for a kind that is not known, "corrupt" for bytes that are no such message.
 */
export function decodeObjects(codecs: Codecs, recovered: Recovered, reuse?: ReadonlyMap<string, AnyObject>): LoadedObject[] {
  const sharings = new Map<Kind, Sharing<AnyObject>>();
  return recovered.objects.map(({ kind, body }) => {
    if (!Object.hasOwn(codecs, kind)) {
      throw new JournalError('newer-format', `the journal holds objects of kind ${String(kind)}, which this version does not know`, {
        advice: 'start the version that wrote it, or a newer one',
      });
    }
    let object: AnyObject;
    try {
      object = decode(codecs, kind, body);
    } catch (cause) {
      throw new JournalError('corrupt', `an object of kind ${kind} in the journal cannot be decoded`, {
        advice: 'restore a backup',
        cause,
      });
    }
    let sharing = sharings.get(kind);
    if (sharing === undefined) sharings.set(kind, (sharing = new Sharing()));
    const known = reuse?.get(`${kind}/${uidOf(object)}`);
    const same = known !== undefined && metadataOf(known).resourceVersion === metadataOf(object).resourceVersion;
    return { kind, object: same ? known : sharing.take(object) };
  });
}

/** All objects of a state by kind and uid. */
export function objectsByUid(state: State): Map<string, AnyObject> {
  const out = new Map<string, AnyObject>();
  for (const kind of state.kinds()) for (const object of state.list(kind)) out.set(`${kind}/${uidOf(object)}`, object);
  return out;
}

/** How long to wait between attempts to recover, ms. */
export interface RetryDelays {
  readonly firstMs: number;
  readonly mostMs: number;
}

export const defaultRetryDelays: RetryDelays = { firstMs: 200, mostMs: 5000 };

interface RegainEvents {
  /** Takes in what was recovered (or throws, to try again later) and says the bookmark that shall prove that writes are taken. */
  accept(recovered: Recovered): CommittedTx;
  failed(error: unknown): void;
}

/** Recovers a failed journal, again and again with growing delays, until a write has been taken or it is stopped. */
export class Regain {
  readonly #journal: Journal;
  readonly #timers: Timers;
  readonly #delays: RetryDelays;
  #stopped = false;
  #sleep: { readonly timer: Timer; readonly wake: () => void } | undefined;

  constructor(journal: Journal, timers: Timers, delays: RetryDelays) {
    this.#journal = journal;
    this.#timers = timers;
    this.#delays = delays;
  }

  /** Undefined when it was stopped. Never rejects. */
  async run(events: RegainEvents): Promise<{ readonly recovered: Recovered; readonly revision: number } | undefined> {
    for (let delay = this.#delays.firstMs; !this.#stopped; delay = Math.min(delay * 2, this.#delays.mostMs)) {
      try {
        const recovered = await this.#journal.recover();
        const bookmark = events.accept(recovered);
        await this.#journal.probe?.();
        await this.#journal.append([bookmark]);
        return this.#stopped ? undefined : { recovered, revision: bookmark.revision };
      } catch (error) {
        if (this.#stopped) return undefined;
        events.failed(error);
        await this.#pause(delay);
      }
    }
    return undefined;
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#sleep = { timer: this.#timers.after(ms, resolve, { background: true }), wake: resolve };
    });
  }

  stop(): void {
    this.#stopped = true;
    this.#sleep?.timer.cancel();
    this.#sleep?.wake();
  }
}
