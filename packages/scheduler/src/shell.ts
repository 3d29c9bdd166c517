// The scheduler's place in the process: reads changes from the store's head, lets the core decide for a few milliseconds, commits
// all decisions of that pass in one transaction, tells why a pod fits nowhere. It decides nothing itself.
import { deepEqual } from '@podplane/api/kinds/equal';
import type { Kind, Obj } from '@podplane/api/kinds/kind-map';
import { podCondition } from '@podplane/api/pod-state';
import type { System } from '@podplane/api/system';
import { Follower } from '@podplane/store/follower';
import { timeText } from '@podplane/store/metadata';
import type { Change, ChangeBatch, Cursor, Store, Tx } from '@podplane/store/types';
import { type Decision, SchedulerCore } from './core.js';
import type { NodeVerdict } from './model.js';
import { defaultPlugins, type Plugins } from './plugins/registry.js';
import { podsConcerned } from './volume-changes.js';
import { reserveVolumes, volumeModel } from './volumes.js';

export interface SchedulerEvent {
  readonly regarding: { readonly kind: string; readonly namespace: string; readonly name: string; readonly uid: string };
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly message: string;
}

export interface SchedulerConfig {
  /** Longest that one pass decides before others get a turn, ms. */
  readonly passMs: number;
  /** Most decisions committed in one transaction. */
  readonly bindingsPerCommit: number;
  readonly plugins: Plugins;
}

export const defaultSchedulerConfig: SchedulerConfig = { passMs: 8, bindingsPerCommit: 400, plugins: defaultPlugins };

export interface SchedulerOptions {
  readonly store: Store;
  readonly system: System;
  readonly config?: Partial<SchedulerConfig>;
  /** Called after the commit. */
  readonly event: (event: SchedulerEvent) => void;
  /** A pass failed for a reason other than a store that is sealed or closed; it is tried again. */
  readonly onError?: (error: unknown) => void;
}

export interface SchedulerStats {
  passes: number;
  bound: number;
  refused: number;
  /** Decisions that no longer held when they were to be committed. */
  outdated: number;
  restarts: number;
  errors: number;
}

/** How long the drained batches of one pass may be, so that a flood of changes does not hold the process. */
const DRAIN_BATCHES = 500;
const CLOCK_EVERY = 16;

const KINDS: readonly Kind[] = ['Pod', 'Node', 'PersistentVolumeClaim', 'PersistentVolume', 'StorageClass'];

/** Starts with start(), ends with stop(). One for each store. */
export class Scheduler {
  readonly stats: SchedulerStats = { passes: 0, bound: 0, refused: 0, outdated: 0, restarts: 0, errors: 0 };
  readonly #store: Store;
  readonly #system: System;
  readonly #config: SchedulerConfig;
  readonly #event: SchedulerOptions['event'];
  readonly #onError: (error: unknown) => void;
  #core: SchedulerCore;
  readonly #follower: Follower;
  /** The newest revision read; what decisions are because of. */
  #revision = 0;

  constructor(options: SchedulerOptions) {
    this.#store = options.store;
    this.#system = options.system;
    this.#config = { ...defaultSchedulerConfig, ...options.config };
    this.#event = options.event;
    this.#onError = options.onError ?? (() => {});
    this.#core = new SchedulerCore(this.#config.plugins, (pod) => volumeModel(pod, this.#store));
    this.#follower = new Follower(this.#store, this.#system, {
      open: () => this.#open(),
      turn: (cursor) => this.#pass(cursor),
      // Changes may have been read and not taken in: what the ledger says can no longer be relied on.
      failed: (error) => {
        this.stats.errors++;
        this.#onError(error);
      },
    });
  }

  /** Pods that wait, by state of the queue. */
  get waiting(): SchedulerCore['queue']['counts'] {
    return this.#core.queue.counts;
  }

  /** What each node says to a pod as things are now. */
  explain(pod: Obj<'Pod'>): readonly NodeVerdict[] {
    return this.#core.explain(pod);
  }

  start(): void {
    this.#follower.start();
  }

  stop(): void {
    this.#follower.stop();
  }

  /** Everything anew from the store: at start, after it recovered, and after falling off the ring. */
  #open(): Cursor {
    this.stats.restarts++;
    const now = this.#system.clock.monotonic();
    const core = new SchedulerCore(this.#config.plugins, (pod) => volumeModel(pod, this.#store));
    const { cursor } = this.#store.snapshotAndWatch({ kinds: KINDS }, 'head', (view) => {
      for (const node of view.list('Node')) core.nodeChanged(node, now);
      for (const pod of view.list('Pod')) core.podChanged(pod, now);
      this.#revision = view.revision;
    });
    this.#core = core;
    return cursor;
  }

  /** Returns whether there is more to do at once. */
  #pass(cursor: Cursor): boolean {
    this.stats.passes++;
    const { clock } = this.#system;
    const started = clock.monotonic();
    const core = this.#core;
    const batches = cursor.drain(DRAIN_BATCHES);
    for (const batch of batches) this.#apply(batch, started);
    const wakeAt = core.queue.advance(started);
    if (wakeAt !== undefined) this.#follower.wakeAt(wakeAt);
    const decisions: Decision[] = [];
    const until = started + this.#config.passMs;
    let done = false;
    while (decisions.length < this.#config.bindingsPerCommit) {
      if (decisions.length % CLOCK_EVERY === CLOCK_EVERY - 1 && clock.monotonic() >= until) break;
      const decision = core.next(started);
      if (decision === undefined) {
        done = true;
        break;
      }
      decisions.push(decision);
    }
    if (decisions.length > 0) this.#commit(decisions, started);
    const next = core.queue.advance(started);
    if (next !== undefined) this.#follower.wakeAt(next);
    return !done || batches.length === DRAIN_BATCHES || core.queue.counts.active > 0;
  }

  #apply(batch: ChangeBatch, now: number): void {
    this.#revision = batch.revision;
    for (const change of batch.changes) {
      if (isKind(change, 'Pod')) {
        if (change.type === 'deleted') this.#core.podRemoved(change.object.metadata?.uid ?? '', now);
        else this.#core.podChanged(change.object, now);
      } else if (isKind(change, 'Node')) {
        if (change.type === 'deleted') this.#core.nodeRemoved(change.object.metadata?.name ?? '');
        else this.#core.nodeChanged(change.object, now);
      }
      if (change.kind !== 'Node') for (const pod of podsConcerned(change, this.#store)) this.#core.podChanged(pod, now);
    }
  }

  #commit(decisions: readonly Decision[], now: number): void {
    const placed = decisions.filter((d) => d.kind === 'place').length;
    const reason = placed > 0 ? `bind ${placed} pod${placed === 1 ? '' : 's'}` : 'tell why pods fit nowhere';
    const byUid = new Map(decisions.map((decision) => [decision.entry.uid, decision]));
    const nodes = this.#core.ledger.nodeCount;
    const about = ({ object }: Change): string | undefined => {
      const decision = byUid.get(object.metadata?.uid ?? '');
      return decision === undefined ? undefined : wordsOf(decision, nodes);
    };
    let outcomes: readonly boolean[];
    try {
      outcomes = this.#store.transact({ actor: 'scheduler', reason, becauseOf: this.#revision, about }, (tx) =>
        decisions.map((d) => write(tx, d)),
      ).result;
    } catch (error) {
      for (const d of decisions) if (d.kind === 'place') this.#core.undo(d.entry, now);
      throw error;
    }
    decisions.forEach((d, i) => {
      if (outcomes[i] !== true) {
        // The pod changed since we read it; what became of it is on its way to us.
        this.stats.outdated++;
        if (d.kind === 'place') this.#core.undo(d.entry, now);
      } else if (d.kind === 'place') {
        this.stats.bound++;
        this.#core.bound(d.entry);
        this.#tell(d, 'Normal', 'Scheduled', `Successfully assigned ${d.entry.namespace}/${d.entry.name} to ${d.node}`);
      } else {
        this.stats.refused++;
        this.#tell(d, 'Warning', 'FailedScheduling', d.verdict.message);
      }
    });
  }

  #tell({ entry }: Decision, type: SchedulerEvent['type'], reason: string, message: string): void {
    this.#event({ regarding: { kind: 'Pod', namespace: entry.namespace, name: entry.name, uid: entry.uid }, type, reason, message });
  }
}

function isKind<K extends 'Pod' | 'Node'>(change: Change, kind: K): change is Change<K> {
  return change.kind === kind;
}

/** Why a pod is where it is, or nowhere. nodes: how many there are. */
function wordsOf(decision: Decision, nodes: number): string {
  if (decision.kind === 'refuse') return `fits nowhere: ${decision.verdict.message}`;
  return nodes === 1 ? `to ${decision.node}, the only node` : `to ${decision.node}, the best for it of ${nodes} nodes`;
}

/** Carries one decision out; false: the pod is no longer as it was when the decision was made. */
function write(tx: Tx, decision: Decision): boolean {
  const { entry } = decision;
  const pod = tx.get('Pod', entry.namespace, entry.name);
  if (pod?.metadata?.uid !== entry.uid || pod.spec === undefined || pod.spec.nodeName || pod.metadata.deletionTimestamp !== undefined)
    return false;
  if (decision.kind === 'place') {
    if (!reserveVolumes(tx, pod, decision.node)) return false;
    const status = scheduled(pod, 'True', undefined, undefined, tx.now);
    tx.update('Pod', { ...pod, spec: { ...pod.spec, nodeName: decision.node }, status }, 'any');
  } else {
    const { message, perNode } = decision.verdict;
    const text = perNode.length > 0 ? `${message}\n${perNode.join('\n')}` : message;
    const known = podCondition(pod, 'PodScheduled');
    if (known?.status === 'False' && known.message === text) return true;
    tx.update('Pod', { ...pod, status: scheduled(pod, 'False', 'Unschedulable', text, tx.now) }, 'any');
  }
  return true;
}

type Status = NonNullable<Obj<'Pod'>['status']>;

const noStatus: Status = {
  phase: 'Pending',
  conditions: [],
  hostIPs: [],
  podIPs: [],
  initContainerStatuses: [],
  containerStatuses: [],
  ephemeralContainerStatuses: [],
  resourceClaimStatuses: [],
};

type Condition = Status['conditions'][number];

/** The one made last: pods that are bound in the same second have the same. */
let lastCondition: Condition | undefined;

function common(made: Condition): Condition {
  if (!deepEqual(lastCondition, made)) lastCondition = made;
  return lastCondition ?? made;
}

/** The pod's status with the condition PodScheduled as given. */
function scheduled(
  pod: Obj<'Pod'>,
  status: 'True' | 'False',
  reason: string | undefined,
  message: string | undefined,
  now: number,
): Status {
  const before = pod.status ?? noStatus;
  const known = podCondition(pod, 'PodScheduled');
  const lastTransitionTime = known?.status === status && known.lastTransitionTime !== undefined ? known.lastTransitionTime : timeText(now);
  const observedGeneration = pod.metadata?.generation;
  const condition = common({ type: 'PodScheduled', status, lastTransitionTime, reason, message, observedGeneration });
  return { ...before, conditions: [...before.conditions.filter((c) => c.type !== 'PodScheduled'), condition] };
}
