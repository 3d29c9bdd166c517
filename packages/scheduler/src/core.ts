// The scheduler as a pure decider: changes in, decisions out, no I/O, time as an argument (ms, monotonic). shell.ts connects it to the store.
import type { Obj } from '@podplane/api/kinds/kind-map';
import { isBeingDeleted, isPodLost, isPodTerminal } from '@podplane/api/pod-state';
import { Ledger, type NodeInfo } from './ledger.js';
import type { NodeEvent, NodeVerdict, PodClass, Verdict, VolumeModel } from './model.js';
import { defaultPlugins, type Plugins } from './plugins/registry.js';
import { roomFor } from './plugins/resources.js';
import { PodClasses } from './pod-class.js';
import { type Entry, SchedulingQueue } from './queue.js';
import { Rankings } from './rankings.js';
import { explainNodes, verdictOf } from './verdict.js';
import { type Stages, stagesOf, worthOf } from './worth.js';

export const DEFAULT_SCHEDULER = 'default-scheduler';

export type Decision =
  | { readonly kind: 'place'; readonly entry: Entry; readonly node: string }
  | { readonly kind: 'refuse'; readonly entry: Entry; readonly verdict: Verdict };

/** Verdicts of a class are told again for so long; the thousandth pod of a class needs no look at all nodes. */
const VERDICT_MS = 1000;
const VERDICTS_MAX = 1000;
const POD_LEFT: readonly NodeEvent[] = ['pod-left'];

interface KnownVerdict {
  readonly verdict: Verdict;
  readonly at: number;
  readonly raised: number;
}

export class SchedulerCore {
  readonly ledger = new Ledger();
  readonly queue = new SchedulingQueue();
  readonly #classes = new PodClasses();
  readonly #plugins: Plugins;
  readonly #stages: Stages;
  readonly #rankings: Rankings;
  readonly #verdicts = new Map<string, KnownVerdict>();
  readonly #wakers: ReadonlyMap<string, ReadonlySet<NodeEvent>>;

  readonly #volumes: (pod: Obj<'Pod'>) => VolumeModel | undefined;

  /** volumes: what the claims of a pod that waits for a node ask for. */
  constructor(plugins: Plugins = defaultPlugins, volumes: (pod: Obj<'Pod'>) => VolumeModel | undefined = () => undefined) {
    this.#plugins = plugins;
    this.#volumes = volumes;
    this.#stages = stagesOf(plugins);
    this.#rankings = new Rankings(this.ledger, this.#stages);
    this.#wakers = new Map(plugins.filters.map((plugin) => [plugin.name, plugin.wakesOn]));
  }

  nodeChanged(node: Obj<'Node'>, now: number): void {
    const events = this.ledger.setNode(node);
    const info = this.ledger.node(node.metadata?.name ?? '');
    if (events.length > 0 && info !== undefined) this.#wake(info, events, now);
  }

  nodeRemoved(name: string): void {
    this.ledger.removeNode(name);
  }

  /** A pod appeared or changed. Pods of other schedulers count for what they use, and are otherwise left alone. */
  podChanged(pod: Obj<'Pod'>, now: number): void {
    const uid = pod.metadata?.uid ?? '';
    if (pod.spec === undefined || isPodTerminal(pod)) {
      this.podRemoved(uid, now);
      return;
    }
    const leaving = isBeingDeleted(pod);
    if (pod.spec.nodeName) {
      this.#dequeue(uid, now);
      const left = this.ledger.setPod(uid, this.#classes.of(pod), pod.spec.nodeName, leaving || isPodLost(pod));
      if (left !== undefined) this.#wake(left, POD_LEFT, now);
    } else if (leaving || (pod.spec.schedulerName || DEFAULT_SCHEDULER) !== DEFAULT_SCHEDULER) {
      this.#dequeue(uid, now);
    } else {
      this.queue.set(pod, this.classOf(pod), now);
    }
  }

  /** The pod is gone, or will never run again. */
  podRemoved(uid: string, now: number): void {
    this.#dequeue(uid, now);
    const left = this.ledger.removePod(uid);
    if (left !== undefined) this.#wake(left, POD_LEFT, now);
  }

  /** Decides on the next pod. A placed one stands in the ledger at once; say undo if it could not be bound. undefined: nothing to do now. */
  next(now: number): Decision | undefined {
    const entry = this.queue.pop();
    if (entry === undefined) return undefined;
    const podClass = entry.class;
    const best = this.#rankings.best(podClass);
    if (best !== undefined) {
      this.ledger.setPod(entry.uid, podClass, best.name, false);
      this.#wakeNext(podClass, now);
      return { kind: 'place', entry, node: best.name };
    }
    const verdict = this.#verdict(podClass.base, now);
    if (verdict === undefined) {
      this.queue.postpone(entry, now);
      throw new Error(`the ranking and the plugins disagree on class ${podClass.key}`);
    }
    this.queue.fail(entry, verdict.plugins, now);
    return { kind: 'refuse', entry, verdict };
  }

  /** The decision is committed. */
  bound(entry: Entry): void {
    this.queue.remove(entry.uid);
  }

  /** The decision could not be committed; the pod is tried again later. */
  undo(entry: Entry, now: number): void {
    this.queue.postpone(entry, now);
    const left = this.ledger.removePod(entry.uid);
    if (left !== undefined) this.#wake(left, POD_LEFT, now);
  }

  /** What each node says to a pod; no reasons: it would do. For `why` and for people. */
  explain(pod: Obj<'Pod'>): readonly NodeVerdict[] {
    return explainNodes(this.#plugins, this.classOf(pod), this.ledger);
  }

  /** The class that decides on a pod. */
  classOf(pod: Obj<'Pod'>): PodClass {
    return this.#classes.of(pod, this.#volumes(pod));
  }

  #dequeue(uid: string, now: number): void {
    const entry = this.queue.get(uid);
    if (entry === undefined) return;
    const { state } = entry;
    this.queue.remove(uid);
    if (state !== 'active' && state !== 'backoff') return;
    // It may have been woken for room that it does not take now.
    this.#wakeNext(entry.class, now);
  }

  /** Wakes one more pod like this one, if there is a node for it. */
  #wakeNext(podClass: PodClass, now: number): void {
    const group = this.queue.groupOf(podClass);
    if (group !== undefined && this.#rankings.best(podClass.base) !== undefined) this.queue.wake(group, 1, now);
  }

  /** Wakes as many pods of each waiting class as the node now has room for; none where the change cannot help. */
  #wake(info: NodeInfo, events: readonly NodeEvent[], now: number): void {
    for (const group of this.queue.groups()) {
      if (!this.#cares(group.plugins, events)) continue;
      if (worthOf(this.#stages, group.class, info) === Number.NEGATIVE_INFINITY) {
        // What refuses now may have begun to after the verdict; its end must not be missed.
        for (const plugin of this.#plugins.filters) if (!plugin.fits(group.class, info)) group.plugins.add(plugin.name);
        continue;
      }
      this.queue.wake(group, Math.max(1, roomFor(group.class, info)), now);
    }
  }

  #cares(plugins: ReadonlySet<string>, events: readonly NodeEvent[]): boolean {
    for (const plugin of plugins) {
      const wakesOn = this.#wakers.get(plugin);
      if (wakesOn !== undefined && events.some((event) => wakesOn.has(event))) return true;
    }
    return false;
  }

  /** undefined: a node does after all, which would be a fault of a plugin. */
  #verdict(podClass: PodClass, now: number): Verdict | undefined {
    const known = this.#verdicts.get(podClass.key);
    if (known !== undefined && known.raised === this.ledger.raised && now - known.at < VERDICT_MS) return known.verdict;
    const verdict = verdictOf(this.#plugins, podClass, this.ledger);
    if (verdict === undefined) return undefined;
    if (this.#verdicts.size >= VERDICTS_MAX) this.#verdicts.clear();
    this.#verdicts.set(podClass.key, { verdict, at: now, raised: this.ledger.raised });
    return verdict;
  }
}
