// Pods that wait for a node. Which node is not decided here.
//
//            add                      pop
//   (new) ---------> active --------------------> taken ---bound, deleted---> (gone)
//                      ^  ^                         |
//                      |  +------- backoff <--------+  a binding that failed
//                      |             ^  time        |
//                      +-------------+--- waiting <-+  it fits nowhere: sleeps until a change that could help its class
//   gated: has scheduling gates; leaves only when they are gone.
//
// #move is the one place where a pod changes its state.
import type { Obj } from '@podplane/api/kinds/kind-map';
import { Heap } from './heap.js';
import type { PodClass } from './model.js';

export type State = 'active' | 'taken' | 'backoff' | 'waiting' | 'gated' | 'gone';

export interface Entry {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  readonly priority: number;
  /** Order of arrival. */
  readonly seq: number;
  pod: Obj<'Pod'>;
  class: PodClass;
  state: State;
  /** Decisions that failed. */
  attempts: number;
  /** When the pod may be tried again after a failure; ms, monotonic. */
  notBefore: number;
  /** Since when it sleeps; ms, monotonic. */
  waitingSince: number;
  /** Moves so far: tells an old place in a heap from the present one. */
  turn: number;
}

/** Pods that fit nowhere and are of one class but for their owners, which no filter asks for. */
export interface WaitingGroup {
  /** Without an owner. */
  readonly class: PodClass;
  /** Names of the plugins that refused on some node; a change that none of them cares for wakes nobody. Only grows. */
  readonly plugins: Set<string>;
  readonly entries: Map<string, Entry>;
  /** The entries, the most important and oldest first; some places may be outdated. */
  order: Heap<Place>;
}

export interface Place {
  readonly entry: Entry;
  readonly turn: number;
  readonly at: number;
}

const BACKOFF_FIRST_MS = 1000;
const BACKOFF_MAX_MS = 10_000;
/** A safety net only: pods that sleep longer are tried once more. */
const WAITING_MAX_MS = 300_000;

const byImportance = (a: Place, b: Place): number => b.entry.priority - a.entry.priority || a.entry.seq - b.entry.seq;
const current = ({ entry, turn }: Place): boolean => entry.turn === turn;

export class SchedulingQueue {
  readonly #entries = new Map<string, Entry>();
  readonly #active = new Heap<Place>(byImportance);
  readonly #backoff = new Heap<Place>((a, b) => a.at - b.at || a.entry.seq - b.entry.seq);
  readonly #waiting = new Map<string, WaitingGroup>();
  readonly #flush = new Heap<Place>((a, b) => a.at - b.at || a.entry.seq - b.entry.seq);
  readonly #counts: Record<State, number> = { active: 0, taken: 0, backoff: 0, waiting: 0, gated: 0, gone: 0 };
  #seq = 0;

  /** How many pods are in each state. */
  get counts(): Readonly<Record<Exclude<State, 'gone'>, number>> {
    return this.#counts;
  }

  get(uid: string): Entry | undefined {
    return this.#entries.get(uid);
  }

  /** A pod without a node, new or changed. now: ms, monotonic. */
  set(pod: Obj<'Pod'>, podClass: PodClass, now: number): void {
    const uid = pod.metadata?.uid ?? '';
    const gated = (pod.spec?.schedulingGates.length ?? 0) > 0;
    const known = this.#entries.get(uid);
    if (known === undefined) {
      const entry: Entry = {
        uid,
        namespace: pod.metadata?.namespace ?? '',
        name: pod.metadata?.name ?? '',
        priority: pod.spec?.priority ?? 0,
        seq: this.#seq++,
        pod,
        class: podClass,
        state: 'gone',
        attempts: 0,
        notBefore: 0,
        waitingSince: 0,
        turn: 0,
      };
      this.#entries.set(uid, entry);
      this.#move(entry, gated ? 'gated' : 'active');
      return;
    }
    known.pod = pod;
    if (known.class.key !== podClass.key) {
      // What it asks for changed, so what was found out about it holds no more.
      const waiting = known.state === 'waiting';
      if (waiting) this.#leaveGroup(known);
      known.class = podClass;
      if (waiting) this.#retry(known, now);
    }
    if (known.state === 'gated' && !gated) this.#move(known, 'active');
  }

  /** Bound, deleted or done: no longer of interest. Returns what it was. */
  remove(uid: string): Entry | undefined {
    const entry = this.#entries.get(uid);
    if (entry === undefined) return undefined;
    this.#entries.delete(uid);
    if (entry.state === 'waiting') this.#leaveGroup(entry);
    this.#move(entry, 'gone');
    return entry;
  }

  /** The next pod to decide on; it is taken until failed, postponed or removed. */
  pop(): Entry | undefined {
    for (;;) {
      const place = this.#active.pop();
      if (place === undefined) return undefined;
      if (!current(place)) continue;
      this.#move(place.entry, 'taken');
      return place.entry;
    }
  }

  /** It fits nowhere, refused by these plugins. */
  fail(entry: Entry, plugins: ReadonlySet<string>, now: number): void {
    if (entry.state !== 'taken') return;
    this.#strike(entry, now);
    entry.waitingSince = now;
    const { base } = entry.class;
    const { key } = base;
    let group = this.#waiting.get(key);
    if (group === undefined) {
      group = { class: base, plugins: new Set(), entries: new Map(), order: new Heap(byImportance) };
      this.#waiting.set(key, group);
    }
    for (const plugin of plugins) group.plugins.add(plugin);
    group.entries.set(entry.uid, entry);
    this.#move(entry, 'waiting');
    // Entries that left otherwise than by waking leave their places behind.
    if (group.order.size > 2 * group.entries.size + 64) {
      group.order = new Heap(byImportance);
      for (const one of group.entries.values()) if (one !== entry) group.order.push({ entry: one, turn: one.turn, at: 0 });
    }
    group.order.push({ entry, turn: entry.turn, at: 0 });
  }

  /** It has a node but could not be bound; again after a while. */
  postpone(entry: Entry, now: number): void {
    if (entry.state !== 'taken') return;
    this.#strike(entry, now);
    this.#retry(entry, now);
  }

  /** Groups of sleeping pods, to be asked whether a change helps them. */
  groups(): IterableIterator<WaitingGroup> {
    return this.#waiting.values();
  }

  /** The sleeping pods that are like a class but for its owner. */
  groupOf(podClass: PodClass): WaitingGroup | undefined {
    return this.#waiting.get(podClass.base.key);
  }

  /** Wakes up to count pods of a group, the most important and oldest first. */
  wake(group: WaitingGroup, count: number, now: number): void {
    for (let left = count; left > 0; ) {
      const place = group.order.pop();
      if (place === undefined) return;
      if (!current(place)) continue;
      this.#leaveGroup(place.entry);
      this.#retry(place.entry, now);
      left--;
    }
  }

  /** Lets time pass: pods whose back-off is over become active. Returns when to call again; undefined: nothing waits for time. */
  advance(now: number): number | undefined {
    for (let place = this.#backoff.peek(); place !== undefined; place = this.#backoff.peek()) {
      if (current(place)) {
        if (place.at > now) break;
        this.#move(place.entry, 'active');
      }
      this.#backoff.pop();
    }
    for (let place = this.#flush.peek(); place !== undefined; place = this.#flush.peek()) {
      if (current(place)) {
        if (place.at > now) break;
        this.#leaveGroup(place.entry);
        this.#move(place.entry, 'active');
      }
      this.#flush.pop();
    }
    const next = Math.min(this.#backoff.peek()?.at ?? Number.POSITIVE_INFINITY, this.#flush.peek()?.at ?? Number.POSITIVE_INFINITY);
    return Number.isFinite(next) ? next : undefined;
  }

  // The first failure costs nothing: when room appears, the pod goes there at once. Only pods that were woken for nothing wait.
  #strike(entry: Entry, now: number): void {
    entry.attempts++;
    entry.notBefore = entry.attempts <= 1 ? now : now + Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** Math.min(20, entry.attempts - 2));
  }

  #retry(entry: Entry, now: number): void {
    this.#move(entry, entry.notBefore <= now ? 'active' : 'backoff');
  }

  #leaveGroup(entry: Entry): void {
    const { key } = entry.class.base;
    const group = this.#waiting.get(key);
    if (group?.entries.delete(entry.uid) && group.entries.size === 0) this.#waiting.delete(key);
  }

  #move(entry: Entry, to: State): void {
    this.#counts[entry.state]--;
    this.#counts[to]++;
    entry.state = to;
    entry.turn++;
    const place = { entry, turn: entry.turn, at: 0 };
    if (to === 'active') this.#active.push(place);
    else if (to === 'backoff') this.#backoff.push({ ...place, at: entry.notBefore });
    else if (to === 'waiting') this.#flush.push({ ...place, at: entry.waitingSince + WAITING_MAX_MS });
  }
}
