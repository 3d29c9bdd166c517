// Event objects: what controllers, the scheduler and nodes tell about objects, counted together, written in small batches in
// transactions of their own, kept in a bounded table. Events may be lost under load; they are for people, never state.
import { Event } from '@podplane/api/gen/podplane/core/v1/event';
import type { Obj } from '@podplane/api/kinds/kind-map';
import { isKind, kindNames } from '@podplane/api/kinds/kind-names';
import type { System, Timer } from '@podplane/api/system';
import type { Store, Tx } from '@podplane/store/types';
import { hashText } from '../shared/hash.js';
import { timeText } from '../shared/time.js';
import type { EventInput } from './types.js';

export interface EventSource {
  /** "scheduler", "replicaset-controller", "agent". */
  readonly component?: string;
  /** Node that tells it. */
  readonly host?: string;
  /** How often it happened since last told; default 1. */
  readonly count?: number;
}

export interface EventRecorderConfig {
  /** Most Event objects; the ones not seen for longest are removed. */
  readonly maxObjects: number;
  /** Most different events that wait to be written. When full, Normal ones are dropped first. */
  readonly maxPending: number;
  /** From the first event to its being written, ms. */
  readonly flushMs: number;
  /** Most events written at once, so that a storm of events leaves room for what matters. */
  readonly batch: number;
}

export const defaultEventRecorderConfig: EventRecorderConfig = { maxObjects: 10_000, maxPending: 2000, flushMs: 100, batch: 60 };

export interface EventRecorderStats {
  recorded: number;
  written: number;
  /** Lost because too many were waiting. */
  dropped: number;
  /** Not written because their namespace is going or gone. */
  homeless: number;
  removed: number;
}

interface Pending {
  readonly input: EventInput;
  readonly source: EventSource;
  readonly namespace: string;
  readonly name: string;
  first: number;
  last: number;
  count: number;
}

interface Place {
  readonly namespace: string;
  readonly name: string;
}

const RETRY_MS = 1000;
const LONGEST_OBJECT_NAME = 230; // of 253, with room for the hash
const LONGEST_MESSAGE = 1024; // Kubernetes' limits for events
const LONGEST_REASON = 128;
const LONGEST_FIELD_PATH = 256; // "spec.containers{...}" with the longest name has 80

export class EventRecorder {
  readonly stats: EventRecorderStats = { recorded: 0, written: 0, dropped: 0, homeless: 0, removed: 0 };
  readonly #store: Store;
  readonly #system: System;
  readonly #config: EventRecorderConfig;
  readonly #onError: (error: unknown) => void;
  /** Warnings and others apart: Warnings are written first and dropped last. */
  readonly #warnings = new Map<string, Pending>();
  readonly #normals = new Map<string, Pending>();
  /** Events there are, the one not seen for longest first. Filled when it is first needed. */
  #ages: Map<string, Place> | undefined;
  /** Stands at the oldest of #ages. One that is begun anew each time walks over the places of all that were taken before. */
  #oldest: MapIterator<[string, Place]> | undefined;
  #timer: Timer | undefined;
  #stopped = false;

  constructor(options: {
    readonly store: Store;
    readonly system: System;
    readonly config?: Partial<EventRecorderConfig>;
    readonly onError?: (error: unknown) => void;
  }) {
    this.#store = options.store;
    this.#system = options.system;
    this.#config = { ...defaultEventRecorderConfig, ...options.config };
    this.#onError = options.onError ?? (() => {});
  }

  /** Takes an event; it is written within about flushMs. time: wall clock, ms, when it happened; default: now. */
  record(input: EventInput, time: number = this.#system.clock.now(), source: EventSource = {}): void {
    if (this.#stopped) return;
    this.stats.recorded++;
    const { type } = input;
    const reason = input.reason.slice(0, LONGEST_REASON);
    const regarding =
      (input.regarding.fieldPath?.length ?? 0) > LONGEST_FIELD_PATH
        ? { ...input.regarding, fieldPath: input.regarding.fieldPath?.slice(0, LONGEST_FIELD_PATH) ?? '' }
        : input.regarding;
    const message = input.message.length > LONGEST_MESSAGE ? `${input.message.slice(0, LONGEST_MESSAGE - 3)}...` : input.message;
    const key = [
      regarding.kind,
      regarding.namespace,
      regarding.name,
      regarding.uid,
      regarding.fieldPath ?? '',
      type,
      reason,
      message,
      source.component ?? '',
      source.host ?? '',
    ].join('\n');
    const pending = type === 'Warning' ? this.#warnings : this.#normals;
    const count = source.count ?? 1;
    const known = pending.get(key);
    if (known !== undefined) {
      known.count += count;
      known.first = Math.min(known.first, time);
      known.last = Math.max(known.last, time);
      return;
    }
    if (!this.#makeRoom(type)) return;
    // The name follows from what the event says: repetitions find their object again, also after a restart.
    const name = `${regarding.name.slice(0, LONGEST_OBJECT_NAME)}.${hashText(key)}`;
    const namespace = regarding.namespace || 'default';
    pending.set(key, { input: { regarding, type, reason, message }, source, namespace, name, first: time, last: time, count });
    this.#schedule(this.#config.flushMs);
  }

  /** Writes what waits, as far as the store takes it. For orderly stops and for tests. */
  flush(): void {
    while (this.#warnings.size + this.#normals.size > 0 && this.#store.health.state === 'ok') this.#write();
  }

  /** Takes no more events; what waits is written if the store takes it. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#timer?.cancel();
    this.#timer = undefined;
    try {
      this.flush();
    } catch (error) {
      this.#onError(error);
    }
  }

  #makeRoom(type: EventInput['type']): boolean {
    if (this.#warnings.size + this.#normals.size < this.#config.maxPending) return true;
    this.stats.dropped++;
    if (type === 'Normal') return false;
    const oldest = this.#normals.keys().next();
    if (oldest.done) return false;
    this.#normals.delete(oldest.value);
    return true;
  }

  #schedule(ms: number): void {
    if (this.#timer !== undefined || this.#stopped) return;
    this.#timer = this.#system.timers.after(
      ms,
      () => {
        this.#timer = undefined;
        this.#turn();
      },
      { background: true },
    );
  }

  #turn(): void {
    let wait = this.#config.flushMs;
    if (this.#store.health.state === 'ok') {
      try {
        this.#write();
      } catch (error) {
        wait = RETRY_MS;
        this.#onError(error);
      }
    } else {
      wait = RETRY_MS;
      this.#ages = undefined; // recovery may have taken some away
    }
    if (this.#warnings.size + this.#normals.size > 0) this.#schedule(wait);
  }

  #write(): void {
    const batch: [Map<string, Pending>, string, Pending][] = [];
    for (const pending of [this.#warnings, this.#normals]) {
      for (const [key, one] of pending) {
        if (batch.length >= this.#config.batch) break;
        batch.push([pending, key, one]);
      }
    }
    if (batch.length === 0) return;
    try {
      this.#commit(batch.map(([, , one]) => one));
    } catch (error) {
      if (this.#store.health.state !== 'ok') throw error;
      // One of them cannot be written; it must not hold up the others for ever.
      for (const [, , one] of batch) this.#commitAlone(one);
    }
    for (const [pending, key] of batch) pending.delete(key);
  }

  #commit(events: readonly Pending[]): void {
    this.#store.transact({ actor: 'server', reason: 'events' }, (tx) => {
      for (const one of events) this.#put(tx, one);
      this.#limit(tx);
    });
  }

  #commitAlone(event: Pending): void {
    try {
      this.#commit([event]);
    } catch (error) {
      if (this.#store.health.state !== 'ok') throw error;
      this.stats.dropped++;
      this.#onError(error);
    }
  }

  #put(tx: Tx, pending: Pending): void {
    const { namespace, name, first, last, count } = pending;
    const home = tx.get('Namespace', '', namespace);
    if (home === undefined ? namespace !== 'default' : home.metadata?.deletionTimestamp !== undefined) {
      this.stats.homeless++;
      return;
    }
    const known = tx.get('Event', namespace, name);
    if (known === undefined) tx.create('Event', eventObject(pending));
    else {
      const lastTimestamp = timeText(Math.max(last, Date.parse(known.lastTimestamp ?? '') || 0));
      tx.update(
        'Event',
        { ...known, count: (known.count ?? 1) + count, firstTimestamp: known.firstTimestamp ?? timeText(first), lastTimestamp },
        'any',
      );
    }
    this.stats.written++;
    const ages = this.#known();
    const key = `${namespace}/${name}`;
    ages.delete(key);
    ages.set(key, { namespace, name });
  }

  #known(): Map<string, Place> {
    if (this.#ages !== undefined) return this.#ages;
    const seen = [...this.#store.list('Event')].map((event) => ({ at: event.lastTimestamp ?? event.eventTime ?? '', ...placeOf(event) }));
    seen.sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0));
    this.#ages = new Map(seen.map(({ namespace, name }) => [`${namespace}/${name}`, { namespace, name }]));
    this.#oldest = undefined;
    return this.#ages;
  }

  #takeOldest(ages: Map<string, Place>): Place | undefined {
    let next = this.#oldest?.next();
    // One that has come to the end stays there, whatever is added later.
    if (next === undefined || next.done) {
      this.#oldest = ages.entries();
      next = this.#oldest.next();
    }
    if (next.done) return undefined;
    const [key, place] = next.value;
    ages.delete(key);
    return place;
  }

  #limit(tx: Tx): void {
    const ages = this.#known();
    for (let excess = tx.count('Event') - this.#config.maxObjects; excess > 0; ) {
      const oldest = this.#takeOldest(ages);
      if (oldest === undefined) {
        this.#ages = undefined; // others write events too; next time they are known
        return;
      }
      const { namespace, name } = oldest;
      if (tx.get('Event', namespace, name) === undefined) continue;
      tx.remove('Event', namespace, name);
      this.stats.removed++;
      excess--;
    }
  }
}

function placeOf(event: Obj<'Event'>): Place {
  return { namespace: event.metadata?.namespace ?? '', name: event.metadata?.name ?? '' };
}

function eventObject({ input, source, namespace, name, first, last, count }: Pending): Event {
  const { regarding, type, reason, message } = input;
  const { component, host } = source;
  return Event.fromPartial({
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name, namespace },
    involvedObject: {
      kind: regarding.kind,
      apiVersion: isKind(regarding.kind) ? kindNames[regarding.kind].apiVersion : undefined,
      namespace: regarding.namespace || undefined,
      name: regarding.name,
      uid: regarding.uid || undefined,
      fieldPath: regarding.fieldPath,
    },
    type,
    reason,
    message,
    source: { component, host },
    reportingComponent: component,
    reportingInstance: host,
    firstTimestamp: timeText(first),
    lastTimestamp: timeText(last),
    count,
  });
}
