// Calls the reconcilers: reads changes from the store's head, asks which keys they concern, lets each key be reconciled in a
// transaction of its own, for a few milliseconds at a time. What a reconciler decides is none of its business.
//
// A turn goes through the controllers in the order given, and reads new changes between them: what one of them writes is seen by the
// next ones in the same turn (an evicted pod is replaced in the turn of its eviction).

import type { Kind } from '@podplane/api/kinds/kind-map';
import { allKinds } from '@podplane/api/kinds/kind-names';
import type { System } from '@podplane/api/system';
import { isDecisive } from '@podplane/store/causes';
import { codeOf, Follower } from '@podplane/store/follower';
import type { Cursor, Store } from '@podplane/store/types';
import { defaultQueueLimits, type QueueLimits, type Trigger, WorkQueue } from './queue.js';
import { Reasons } from './reasons.js';
import type { EventInput, ReconcileContext, Reconciler } from './types.js';

export interface PumpConfig {
  /** Longest turn before others get theirs, ms. */
  readonly sliceMs: number;
  /** Most reconciles in a turn, for worlds in which no time passes meanwhile. */
  readonly sliceReconciles: number;
  /** Most reconciles of one controller before the next one has its turn. */
  readonly stage: number;
  readonly queue: QueueLimits;
}

export const defaultPumpConfig: PumpConfig = { sliceMs: 8, sliceReconciles: 5000, stage: 256, queue: defaultQueueLimits };

export interface PumpOptions {
  readonly store: Store;
  readonly system: System;
  /** In the order in which they shall act on a change. */
  readonly reconcilers: readonly Reconciler[];
  /** Called after the commit, with the controller's name. */
  readonly event: (input: EventInput, controller: string) => void;
  /** A reconcile threw and was undone; its key is tried again after a back-off. */
  readonly onError?: (controller: string, key: string, error: unknown) => void;
  readonly config?: Partial<PumpConfig>;
}

export interface ControllerStats {
  reconciles: number;
  /** Those that wrote something. */
  commits: number;
  errors: number;
  requeues: number;
  /** Longest reconcile so far, ms. */
  longestMs: number;
}

interface Member {
  readonly reconciler: Reconciler;
  /** As causes name it. */
  readonly actor: string;
  readonly queue: WorkQueue;
  /** Keys whose reconcile is long, with the moment from which changes may ask for it again. */
  readonly resting: Map<string, number>;
  readonly stats: ControllerStats;
}

/** Batches read at once. */
const DRAIN_BATCHES = 500;
/**
 * A reconcile that takes longer than this, ms (a set of tens of thousands of pods is counted), is not asked for anew by changes until
 * four times as long has passed: every change of such a set would cost one, and nothing else would have its turn.
 */
const LONG_MS = 4;
const REST = 4;
// Events never make a controller act, and they are many.
const UNWATCHED: ReadonlySet<Kind> = new Set<Kind>(['Event', 'Lease']);
const watchedKinds: readonly Kind[] = allKinds.filter((kind) => !UNWATCHED.has(kind));

export class ControllerPump {
  readonly #store: Store;
  readonly #system: System;
  readonly #members: readonly Member[];
  readonly #byName: ReadonlyMap<string, Member>;
  readonly #event: PumpOptions['event'];
  readonly #onError: NonNullable<PumpOptions['onError']>;
  readonly #config: PumpConfig;
  readonly #follower: Follower;

  constructor(options: PumpOptions) {
    this.#store = options.store;
    this.#system = options.system;
    this.#event = options.event;
    this.#onError = options.onError ?? (() => {});
    this.#config = { ...defaultPumpConfig, ...options.config };
    this.#members = options.reconcilers.map((reconciler) => ({
      reconciler,
      actor: `controller:${reconciler.name}`,
      queue: new WorkQueue(this.#config.queue),
      resting: new Map(),
      stats: { reconciles: 0, commits: 0, errors: 0, requeues: 0, longestMs: 0 },
    }));
    this.#byName = new Map(this.#members.map((member) => [member.reconciler.name, member]));
    this.#follower = new Follower(this.#store, this.#system, {
      open: () => this.#open(),
      turn: (cursor) => this.#turn(cursor),
      // Not of one key: reading changes failed. All keys are looked at again, from the store.
      failed: (error) => this.#onError('pump', '', error),
    });
  }

  /** Counters by controller, with the lengths of their queues. */
  get stats(): ReadonlyMap<string, Readonly<ControllerStats> & { readonly waiting: number; readonly delayed: number }> {
    return new Map(
      this.#members.map(({ reconciler, stats, queue }) => [reconciler.name, { ...stats, waiting: queue.size, delayed: queue.delayed }]),
    );
  }

  start(): void {
    this.#follower.start();
  }

  stop(): void {
    this.#follower.stop();
  }

  /** Something outside the store changed that concerns a key (a session opened or broke). Throws RangeError for an unknown controller. */
  poke(controller: string, key: string): void {
    const member = this.#byName.get(controller);
    if (member === undefined) throw new RangeError(`there is no controller ${controller}`);
    member.queue.add(key, 'high');
    this.#follower.poke();
  }

  /** All keys anew: at the start, after the store recovered, and after falling off the ring. */
  #open(): Cursor {
    const kinds = watchedKinds;
    const { cursor } = this.#store.snapshotAndWatch({ kinds }, 'head', (view) => {
      for (const { reconciler, queue, resting } of this.#members) {
        queue.clear();
        resting.clear();
        for (const key of reconciler.allKeys(view)) queue.add(key, 'low');
      }
    });
    return cursor;
  }

  #turn(cursor: Cursor): boolean {
    const more = this.#slice(cursor);
    if (!more) this.#sleep();
    return more;
  }

  /** Returns whether there is more to do at once. */
  #slice(cursor: Cursor): boolean {
    const { clock } = this.#system;
    const until = clock.monotonic() + this.#config.sliceMs;
    let left = this.#config.sliceReconciles;
    for (;;) {
      let worked = this.#read(cursor);
      for (const member of this.#members) {
        let reconciled = 0;
        while (reconciled < this.#config.stage) {
          const taken = member.queue.take(clock.monotonic());
          if (taken === undefined) break;
          reconciled++;
          this.#reconcile(member, taken.key, taken.trigger);
          if (--left <= 0 || clock.monotonic() >= until) return true;
        }
        if (reconciled === 0) continue;
        worked = true;
        this.#read(cursor);
      }
      if (!worked) return false;
    }
  }

  #read(cursor: Cursor): boolean {
    const batches = cursor.drain(DRAIN_BATCHES);
    if (batches.length === 0) return false;
    const now = this.#system.clock.monotonic();
    for (const { changes, revision, cause } of batches) {
      for (const change of changes) {
        let trigger: Trigger | undefined;
        for (const { reconciler, queue, resting, actor } of this.#members) {
          for (const key of reconciler.keysFor(change, this.#store)) {
            trigger ??= { revision, change, weight: isDecisive(change, cause?.actor ?? '') ? 'decision' : 'report' };
            const asked: Trigger = cause?.actor === actor ? { ...trigger, weight: 'own' } : trigger;
            const rested = resting.size === 0 ? undefined : resting.get(key);
            if (rested !== undefined && rested > now) queue.addAt(key, rested, asked);
            else queue.add(key, 'normal', asked);
          }
        }
      }
    }
    return batches.length > 0;
  }

  #reconcile(member: Member, key: string, trigger: Trigger | undefined): void {
    const { reconciler, queue, stats } = member;
    const { clock, random } = this.#system;
    const started = clock.monotonic();
    // Filled in by the reconciler; the store takes it when the function has returned.
    const reasons = new Reasons(member.actor, key, trigger);
    const events: EventInput[] = [];
    stats.reconciles++;
    const before = this.#store.revision;
    try {
      const { result, revision } = this.#store.transact(reasons, (tx) => {
        const context: ReconcileContext = {
          tx,
          now: tx.now,
          monotonic: started,
          random,
          event: (input) => void events.push(input),
          trigger,
          because: reasons.because,
          becauseFor: reasons.becauseFor,
        };
        return reconciler.reconcile(key, context);
      });
      if (result?.refused === true) queue.addFailed(key, started, trigger);
      else queue.forget(key);
      if (revision !== before) stats.commits++;
      if (result?.requeueAfterMs !== undefined) {
        stats.requeues++;
        // The same work goes on: it has the same cause.
        if (result.requeueAfterMs <= 0) queue.add(key, 'normal', trigger);
        // What is left of a sum of floats may be too little to be seen in a clock's value: the wait would never be over.
        else queue.addAt(key, started + Math.max(1, result.requeueAfterMs));
      }
      for (const event of events) this.#event(event, reconciler.name);
    } catch (error) {
      const code = codeOf(error);
      if (code === 'sealed' || code === 'closed' || code === 'gone') throw error;
      stats.errors++;
      queue.addFailed(key, started, trigger);
      this.#onError(reconciler.name, key, error);
    } finally {
      const ended = clock.monotonic();
      stats.longestMs = Math.max(stats.longestMs, ended - started);
      if (ended - started > LONG_MS) member.resting.set(key, ended + REST * (ended - started));
      else member.resting.delete(key);
    }
  }

  #sleep(): void {
    let next = Number.POSITIVE_INFINITY;
    for (const { queue } of this.#members) next = Math.min(next, queue.nextAt() ?? Number.POSITIVE_INFINITY);
    this.#follower.sleepUntil(next);
  }
}
