// When fenced pods may start, and with which epochs, after a server has started: its data may be an older copy, put back by somebody, so that
// pods run of which it does not know, and epochs were given that it has forgotten. What nodes remember and the clock tell. The reasons are in
// docs/architecture.md, "At most one"; how long leases last is in leases.ts.
import { epochOf, isFenced, withEpoch } from '@podplane/api/fencing';
import type { Hello, PodReport } from '@podplane/api/gen/podplane/node/v1/session';
import { isPodTerminal } from '@podplane/api/pod-state';
import type { System } from '@podplane/api/system';
import { defaultNodeLifecycleConfig } from '@podplane/controllers/node-lifecycle/config';
import { EPOCH_BASE, epochAt } from '@podplane/store/epochs';
import type { Store } from '@podplane/store/types';
import type { LeaseGrants } from './leases.js';

/** What nodes and clocks say counts up to here: half of what a number can be told exactly, so that nobody can use up the other half. */
const MOST_EPOCH = 2 ** 52;
/** Epochs follow the clock in µs: no server makes that many transactions in a second. */
const EPOCHS_PER_MS = 1000;

/** What is known of the data as a server finds them. */
export interface FoundEpochs {
  /** The highest epoch that servers before this one can have given, or told, by these data. */
  readonly inherited: number;
}

/**
 * To be called before anything else is written: from now on epochs are above all that were ever given, as far as the clock tells. Resolves
 * when that is durable. Rejects with StoreError.
 */
export async function raiseEpochs(store: Store, { clock }: Pick<System, 'clock'>): Promise<FoundEpochs> {
  const inherited = epochAt(store.meta, store.revision);
  await raiseAbove(store, Math.min(MOST_EPOCH, clock.now() * EPOCHS_PER_MS));
  return { inherited };
}

/** No epoch up to this one is given from now on. */
function raiseAbove(store: Store, epoch: number): Promise<void> {
  if (epoch <= epochAt(store.meta, store.revision)) return Promise.resolve();
  return store.meta.set(EPOCH_BASE, String(epoch - store.revision));
}

export interface FencedStartsOptions {
  readonly store: Store;
  readonly system: Pick<System, 'clock'>;
  readonly leases: LeaseGrants;
  /** So long after the end of a lease nothing runs under it, ms. */
  readonly fencingMarginMs?: number | undefined;
  /** Left out: nothing was there before this server. */
  readonly found?: FoundEpochs | undefined;
  /** Epochs that were told meanwhile may be too low: all other nodes have to say hello again. */
  readonly again: (exceptNode: string) => void;
  /** Something that people should know. */
  readonly tell: (nodeName: string, message: string) => void;
}

export class FencedStarts {
  /** Nodes that have said hello to this server, and what each of them guards that is not bound to it: uids. */
  private readonly strangers = new Map<string, Set<string>>();
  /** Nodes that have followed up on their hello: they know whether they may start anything. */
  private readonly heard = new Set<string>();
  private settled: boolean;
  /** The data are an older copy for sure: that everybody was heard is not enough, as nodes may have joined that they do not know. */
  private restored = false;
  /** All leases of before are over, monotonic ms. */
  private deadline: number;
  private readonly inherited: number;
  /** Pods with a higher epoch were made, or given it, since all that is known of the past was counted in. */
  private floor: number;

  constructor(private readonly options: FencedStartsOptions) {
    const { leases, found } = options;
    this.settled = found === undefined || leases.previousTerm === 0;
    this.inherited = found?.inherited ?? 0;
    this.floor = this.newest;
    this.deadline = leases.over('') + this.marginMs;
  }

  private get marginMs(): number {
    return this.options.fencingMarginMs ?? defaultNodeLifecycleConfig.fencingMarginMs;
  }

  /** No epoch up to this one is given again. */
  get epoch(): number {
    const { store } = this.options;
    return epochAt(store.meta, store.durableRevision);
  }

  /** The same of the head. */
  private get newest(): number {
    const { store } = this.options;
    return epochAt(store.meta, store.revision);
  }

  /** Nothing fenced may start now: what was told before this server may run elsewhere, and who knows of it has not been heard. */
  get held(): boolean {
    if (this.settled) return false;
    const { store, system, leases } = this.options;
    const now = system.clock.monotonic();
    for (const [node, uids] of this.strangers) if (uids.size > 0 && now >= leases.over(node) + this.marginMs) uids.clear();
    if ([...this.strangers.values()].some(({ size }) => size > 0)) return true;
    this.settled = now >= this.deadline || (!this.restored && this.allHeard(store));
    return !this.settled;
  }

  private allHeard(store: Store): boolean {
    if (this.heard.size < store.count('Node')) return false;
    for (const { metadata } of store.list('Node')) if (!this.heard.has(metadata?.name ?? '')) return false;
    return true;
  }

  /**
   * A node has said hello and is about to be welcome. isNew: it had no object. Resolves when what follows is durable: epochs above all that
   * the node knows, and new ones for those of its pods that do not run. Throws and rejects with StoreError.
   */
  greet({ nodeName, epoch, term, inventory }: Hello, isNew: boolean): Promise<unknown> {
    const { store, leases, tell, again } = this.options;
    const ready: Promise<unknown>[] = [leases.outbid(term)];
    const isFirst = !this.strangers.has(nodeName);
    const isLate = epoch > this.newest && epoch <= MOST_EPOCH;
    if ((isLate || (isFirst && epoch > this.inherited)) && !this.restored) {
      this.restored = true;
      if (this.inherited > 0) tell(nodeName, 'knows more than these data do: an older copy of them was put back');
    }
    if (isLate) {
      ready.push(raiseAbove(store, epoch));
      this.floor = this.newest;
      this.settled = false;
      this.deadline = Math.max(this.deadline, this.options.system.clock.monotonic() + leases.longestMs + this.marginMs);
      this.heard.clear();
      ready.push(store.durable(this.renew('', new Set(), this.floor)));
      again(nodeName);
    }
    const guarded = new Set(inventory.filter((one) => one.guarded).map(({ uid }) => uid));
    const isHere = (uid: string): boolean => store.byUid('Pod', uid)?.spec?.nodeName === nodeName;
    this.strangers.set(nodeName, new Set([...guarded].filter((uid) => !isHere(uid))));
    // Another machine under this name: what was given to the one before may be in use there still.
    const floor = isNew ? Number.POSITIVE_INFINITY : this.floor;
    if (isNew || !this.settled || !this.heard.has(nodeName)) ready.push(store.durable(this.renew(nodeName, guarded, floor)));
    return Promise.all(ready);
  }

  /** The node knows now whether it may start anything: what it said in its hello still holds. */
  beaten(nodeName: string): void {
    if (!this.heard.has(nodeName)) this.heard.add(nodeName);
  }

  /** A node says what became of pods. */
  ended(nodeName: string, reports: readonly PodReport[]): void {
    const strangers = this.strangers.get(nodeName);
    if (strangers === undefined || strangers.size === 0) return;
    for (const { uid, terminated } of reports) if (terminated) strangers.delete(uid);
  }

  /**
   * Fenced pods bound to a node ("": to none) that do not run get new epochs, where they have none above the floor: others of their names may
   * have run since they were given theirs. Returns the revision to wait for.
   */
  private renew(nodeName: string, running: ReadonlySet<string>, floor: number): number {
    const cause = { actor: 'server', reason: `new epochs for fenced pods that do not run on ${nodeName || 'any node'}` };
    return this.options.store.transact(cause, (tx) => {
      for (const pod of nodeName === '' ? [...tx.list('Pod')] : [...tx.index('Pod', 'node', nodeName)]) {
        if (!isFenced(pod) || isPodTerminal(pod) || (pod.spec?.nodeName ?? '') !== nodeName) continue;
        if (!running.has(pod.metadata?.uid ?? '') && (epochOf(pod) ?? 0) <= floor) tx.update('Pod', withEpoch(pod, tx.epoch), 'any');
      }
    }).revision;
  }
}
