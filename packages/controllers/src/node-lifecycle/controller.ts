// Nodes that fall silent, shut down and return: their Ready condition, their taints, and when their pods have to go. Whether a node
// lives is judged in judge.ts from what its session knows, never from the store; which pods go is in
// evictions.ts.
//
// Besides the store it remembers only durations (since when a session is gone, a taint stands) and what a node last said of itself.
// Losing that memory costs time or detail, never correctness.
import type { Obj } from '@podplane/api/kinds/kind-map';
import { TAINT_NOT_READY, TAINT_SHUTTING_DOWN, TAINT_SUSPECT, TAINT_UNREACHABLE } from '@podplane/api/taints';
import type { Change, ReadView } from '@podplane/store/types';
import { DRAINED } from '../drain/request.js';
import type { NodeLiveness, ReconcileContext, ReconcileResult, Reconciler } from '../runtime/types.js';
import { NO_NODE_STATUS } from '../shared/node-status.js';
import { nameOf, regarding } from '../shared/objects.js';
import { clockText, durationText, timeText } from '../shared/time.js';
import { defaultNodeLifecycleConfig, type NodeLifecycleConfig } from './config.js';
import { Evictions, type Turn } from './evictions.js';
import { assessFleet, type Fleet, isLost, judge, type Life } from './judge.js';

import { restore } from './pods.js';
import { Stays } from './stays.js';
import { addedAt, both, pressures, type Standing, type Taint, taintsWith, type Wanted } from './taints.js';

type Node = Obj<'Node'>;
type Condition = NonNullable<Node['status']>['conditions'][number];

/** Reason of conditions that are Unknown because nothing is heard. */
const UNKNOWN = 'NodeStatusUnknown';
const SHUTDOWN = 'NodeShutdown';
/** A fleet is not counted anew for every one of a hundred nodes that fall silent in the same moment; a large one, which takes longer, more seldom. */
const FLEET_MS = 20;
const FLEET_MS_A_NODE = 0.05;
/** So many lost nodes are looked at as often as one; of more, each so much more seldom, up to LONGEST_RECHECKS times. */
const LOST_AT_ONCE = 50;
const LONGEST_RECHECKS = 10;

interface Memory {
  readonly knownSince: number;
  /** It was heard since we know of it. */
  heard: boolean;
  disconnectedSince: number | undefined;
  /** Its session broke since it was last seen alive; then the agent reports anew what it has. */
  sessionLost: boolean;
  /** What the node last said of itself, before we set its conditions to Unknown. */
  conditions: readonly Condition[] | undefined;
  aliveSince: number | undefined;
  told: Life['state'] | 'held' | undefined;
  /** It was quiet when we doubted ourselves because many were; until they have had time to return. */
  together: boolean;
  /** Its pods may carry marks of an absence. */
  marked: boolean;
  turn: Turn;
  /** Since when each NoExecute taint stands, monotonic. */
  readonly standing: Map<string, number>;
  readonly stays: Stays;
}

export class NodeLifecycleController implements Reconciler {
  readonly name = 'node-lifecycle';
  readonly #liveness: NodeLiveness;
  readonly #config: NodeLifecycleConfig;
  readonly #evictions: Evictions;
  readonly #memory = new Map<string, Memory>();
  #fleet: { readonly at: number; readonly fleet: Fleet } | undefined;
  /** When last a node that we knew of was heard for the first time, or one that was held back was heard again, monotonic. */
  #lastReturn: number | undefined;
  /** When last a node that we knew of was heard for the first time, monotonic. */
  #lastFirst: number | undefined;
  /** When last so many were silent that we doubted ourselves, monotonic. */
  #lastSuspicion: number | undefined;

  constructor(liveness: NodeLiveness, config: Partial<NodeLifecycleConfig> = {}) {
    this.#liveness = liveness;
    this.#config = { ...defaultNodeLifecycleConfig, ...config };
    this.#evictions = new Evictions(liveness, this.#config);
  }

  *keysFor(change: Change, view: ReadView): Iterable<string> {
    if (change.kind === 'Node') yield nameOf(change.object);
    else if (change.kind === 'Pod' && change.type !== 'deleted') {
      // A pod that comes to a node with a NoExecute taint, or whose tolerations change there.
      const pod = change.object as Obj<'Pod'>;
      const before = change.previous as Obj<'Pod'> | undefined;
      const nodeName = pod.spec?.nodeName;
      if (!nodeName || before?.spec === pod.spec) return;
      const node = view.get('Node', '', nodeName);
      if (node?.spec?.taints.some((taint) => taint.effect === 'NoExecute')) yield nodeName;
    }
  }

  *allKeys(view: ReadView): Iterable<string> {
    for (const node of view.list('Node')) yield nameOf(node);
  }

  reconcile(name: string, context: ReconcileContext): ReconcileResult {
    const node = context.tx.get('Node', '', name);
    if (node === undefined) {
      this.#memory.delete(name);
      return undefined;
    }
    const memory = this.#remember(name, context.monotonic);
    const life = this.#judge(name, memory, context);
    const silent = life.state === 'silent' && !isLost(node);
    // Also where one is given time because we have only just started: when that is over, the others may have returned.
    if (silent || (life.state === 'starting' && memory.heard)) this.#assess(context);
    const held = this.#holdsBack(memory, silent, context);
    const settled = this.#settle(node, life, held, memory, context);
    this.#tell(settled, life, held, isLost(node), memory, context);
    const wait = this.#movePods(settled, life, held, memory, context);
    return { requeueAfterMs: Math.max(1, Math.min(wait, this.#nextLook(settled, life))) };
  }

  #remember(name: string, now: number): Memory {
    let memory = this.#memory.get(name);
    if (memory === undefined) {
      memory = {
        knownSince: now,
        heard: this.#liveness.lastHeard(name) !== undefined,
        disconnectedSince: undefined,
        sessionLost: false,
        conditions: undefined,
        aliveSince: undefined,
        told: undefined,
        together: false,
        marked: true,
        turn: { given: false, told: false },
        standing: new Map(),
        stays: new Stays(),
      };
      this.#memory.set(name, memory);
    }
    if (!memory.heard && this.#liveness.lastHeard(name) !== undefined) {
      memory.heard = true;
      this.#lastReturn = this.#lastFirst = now;
    }
    if (this.#liveness.connected(name)) memory.disconnectedSince = undefined;
    else {
      memory.disconnectedSince ??= now;
      memory.sessionLost = true;
    }
    return memory;
  }

  #judge(name: string, memory: Memory, context: ReconcileContext): Life {
    const now = context.monotonic;
    const { knownSince, disconnectedSince } = memory;
    const input = { name, liveness: this.#liveness, config: this.#config, now, knownSince, disconnectedSince };
    return judge({ ...input, lastReturn: this.#lastReturn, lastFirst: this.#lastFirst });
  }

  /**
   * Whether a silent node is not given up because many are silent. Those that fell silent together also return together, but not in one
   * moment: who was quiet then is held back until nobody has returned for as long as an agent may take to dial again. That somebody is heard
   * in between says little: what a connection that its agent has given up still had in flight comes when the network is whole again.
   */
  #holdsBack(memory: Memory, silent: boolean, context: ReconcileContext): boolean {
    const now = context.monotonic;
    if (!memory.together) return false;
    const since = Math.max(this.#lastSuspicion ?? Number.NEGATIVE_INFINITY, this.#lastReturn ?? Number.NEGATIVE_INFINITY);
    memory.together = now - since < this.#config.returnMs;
    return silent && memory.together;
  }

  #assess(context: ReconcileContext): Fleet {
    const now = context.monotonic;
    const known = this.#fleet;
    if (known !== undefined && now - known.at < Math.max(FLEET_MS, FLEET_MS_A_NODE * known.fleet.all)) return known.fleet;
    const fleet = assessFleet(context.tx.list('Node'), this.#liveness, this.#config, now);
    this.#fleet = { at: now, fleet };
    if (fleet.suspicious) {
      this.#lastSuspicion = now;
      for (const name of fleet.quiet) {
        const memory = this.#memory.get(name);
        if (memory !== undefined) memory.together = true;
      }
    }
    return fleet;
  }

  /** For lost nodes. That one is heard again is told besides. */
  get #recheckMs(): number {
    const { all = 0, nodes = 0 } = this.#fleet?.fleet ?? {};
    return this.#config.recheckMs * Math.min(LONGEST_RECHECKS, Math.max(1, (all - nodes) / LOST_AT_ONCE));
  }

  #nextLook(node: Node, life: Life): number {
    if (life.state === 'silent' || life.state === 'shutdown') return this.#recheckMs;
    // Heard again, but its own report is not here yet.
    if (life.state === 'alive' && isOurs(readyOf(node.status?.conditions ?? []))) return Math.min(life.nextInMs, this.#config.recheckMs);
    return life.state === 'starting' ? Math.min(life.nextInMs, this.#config.silenceMs) : life.nextInMs;
  }

  // ------------------------------------------------------------------------------------------------------- the node object

  /** Conditions and taints as the node's life asks for. */
  #settle(node: Node, life: Life, held: boolean, memory: Memory, context: ReconcileContext): Node {
    const spec = node.spec ?? noSpec;
    const status = node.status ?? NO_NODE_STATUS;
    let { conditions } = status;
    let wanted: Wanted[] | undefined;
    switch (life.state) {
      case 'starting':
      case 'between':
        break;
      case 'alive':
        memory.aliveSince ??= context.monotonic;
        if (memory.told === 'held') this.#lastReturn = context.monotonic;
        conditions = this.#ownConditions(conditions, memory, context);
        wanted = readyOf(conditions)?.status === 'False' ? both(TAINT_NOT_READY) : [];
        break;
      case 'suspect':
        wanted = [{ key: TAINT_SUSPECT, effect: 'NoSchedule' }];
        if (readyOf(conditions)?.status === 'False') wanted.push(...both(TAINT_NOT_READY));
        break;
      case 'silent':
        conditions = this.#unknownConditions(node, life.silentForMs, memory, context);
        wanted = held ? [{ key: TAINT_UNREACHABLE, effect: 'NoSchedule' }] : both(TAINT_UNREACHABLE);
        break;
      case 'shutdown':
        conditions = withReady(
          conditions,
          { type: 'Ready', status: 'False', reason: SHUTDOWN, message: 'the host shuts down' },
          context.now,
        );
        wanted = both(TAINT_SHUTTING_DOWN);
    }
    if (life.state !== 'alive') memory.aliveSince = undefined;
    const taints = wanted === undefined ? spec.taints : taintsWith(spec.taints, [...wanted, ...pressures(conditions)], context.now);
    if (taints === spec.taints && conditions === status.conditions) return node;
    const words = held ? 'silent, as many others are' : this.#wordsFor(nameOf(node), life);
    context.because(`node ${nameOf(node)} is ${words}`);
    return context.tx.update('Node', { ...node, spec: { ...spec, taints }, status: { ...status, conditions } }, 'any');
  }

  /** Conditions of a node that is heard: what it says itself, put back where we had set them. */
  #ownConditions(conditions: readonly Condition[], memory: Memory, context: ReconcileContext): readonly Condition[] {
    if (!isOurs(readyOf(conditions))) {
      memory.conditions = undefined;
      return conditions;
    }
    // A new session begins with the node's own report; that it only resumed its heartbeats says that nothing changed.
    const waited = context.monotonic - (memory.aliveSince ?? context.monotonic);
    if (memory.sessionLost && waited < this.#config.suspectMs) return conditions;
    if (memory.conditions !== undefined) {
      const own = memory.conditions.map((c) => (c.type === 'Ready' ? { ...c, lastTransitionTime: timeText(context.now) } : c));
      return [...own, ...conditions.filter(isServers)];
    }
    return withReady(
      conditions,
      { type: 'Ready', status: 'True', reason: 'HeartbeatsResumed', message: 'the agent is heard again' },
      context.now,
    );
  }

  #unknownConditions(node: Node, silentForMs: number, memory: Memory, context: ReconcileContext): readonly Condition[] {
    const all = node.status?.conditions ?? [];
    const conditions = all.filter((c) => !isServers(c));
    if (conditions.length > 0 && conditions.every((c) => c.status === 'Unknown')) return all;
    memory.conditions = conditions;
    const message = `nothing heard from the agent: ${this.#lastHeardText(nameOf(node), silentForMs)}`;
    const unknown = (type: string): Condition => ({
      type,
      status: 'Unknown',
      reason: UNKNOWN,
      message,
      lastTransitionTime: timeText(context.now),
    });
    const types = conditions.some((c) => c.type === 'Ready') ? conditions.map((c) => c.type) : [...conditions.map((c) => c.type), 'Ready'];
    return [...types.map(unknown), ...all.filter(isServers)];
  }

  #wordsFor(name: string, life: Life): string {
    return life.state === 'silent' ? `silent: ${this.#lastHeardText(name, life.silentForMs)}` : LIFE_WORDS[life.state];
  }

  #lastHeardText(name: string, silentForMs: number): string {
    const wall = this.#liveness.lastHeardWall(name);
    if (wall === undefined) return `not heard since this server started ${durationText(silentForMs)} ago`;
    return `last heartbeat ${clockText(wall)} (${durationText(silentForMs)} ago)`;
  }

  // ---------------------------------------------------------------------------------------------------------------- events

  #tell(node: Node, life: Life, held: boolean, wasLost: boolean, memory: Memory, context: ReconcileContext): void {
    const state = held ? 'held' : life.state;
    const before = memory.told;
    if (state === before || state === 'between' || state === 'starting') return;
    memory.told = state;
    // Told before this server started.
    if (state === 'silent' && wasLost && before === undefined) return;
    const event = (type: 'Normal' | 'Warning', reason: string, message: string): void =>
      context.event({ regarding: regarding('Node', node), type, reason, message });
    const name = nameOf(node);
    switch (state) {
      case 'alive':
        if (before === 'suspect') event('Normal', 'NodeReconnected', `Node ${name} is connected again`);
        else if (before !== undefined || wasLost) event('Normal', 'NodeReady', `Node ${name} is back`);
        break;
      case 'suspect':
        event(
          'Warning',
          'NodeSuspected',
          `The session of node ${name} closed and its agent did not return within ${durationText(this.#config.suspectMs)}; no new pods go there`,
        );
        break;
      case 'shutdown':
        event('Warning', 'NodeShutdown', `The host of node ${name} shuts down`);
        break;
      case 'silent':
      case 'held': {
        const silentForMs = life.state === 'silent' ? life.silentForMs : 0;
        if (before !== 'held' && before !== 'silent')
          event('Warning', 'NodeNotReady', `Node ${name} is silent: ${this.#lastHeardText(name, silentForMs)}`);
        if (state === 'silent') {
          event(
            'Warning',
            'NodeLost',
            `Node ${name} is lost (${this.#lastHeardText(name, silentForMs)}); its pods are replaced after their tolerations`,
          );
        } else {
          const { quiet, nodes } = this.#assess(context);
          event(
            'Warning',
            'EvictionsHeldBack',
            `${quiet.length} of ${nodes} nodes fell silent together, so this server doubts its own network: no pod is evicted`,
          );
        }
      }
    }
  }

  // ------------------------------------------------------------------------------------------------------------------ pods

  /** Returns ms until a pod's time is up. */
  #movePods(node: Node, life: Life, held: boolean, memory: Memory, context: ReconcileContext): number {
    const { tx } = context;
    const name = nameOf(node);
    const silent = life.state === 'silent' && !held;
    if (life.state === 'alive') {
      if (memory.marked) for (const pod of Array.from(tx.index('Pod', 'node', name))) restore(context, pod, name, !memory.sessionLost);
      memory.marked = false;
      memory.turn = { given: false, told: false };
      if (!isOurs(readyOf(node.status?.conditions ?? []))) memory.sessionLost = false;
    }
    if (silent) memory.marked = true;
    const standing = this.#standing(node, life, memory, context);
    if (!silent && standing.length === 0 && !memory.stays.anySentenced) return Number.POSITIVE_INFINITY;
    const lastHeard = this.#lastHeardText(name, life.state === 'silent' ? life.silentForMs : 0);
    const shutdown = life.state === 'shutdown';
    return this.#evictions.move({ node, silent, shutdown, standing, turn: memory.turn, stays: memory.stays, lastHeard }, context);
  }

  /** The NoExecute taints that count now, with how long each has stood; of wall clocks only the first sight is used, as they jump. */
  #standing(node: Node, life: Life, memory: Memory, context: ReconcileContext): Standing[] {
    const taints = (node.spec?.taints ?? []).filter((taint) => taint.effect === 'NoExecute');
    const keyOf = (taint: Taint): string => `${taint.key}=${taint.value ?? ''}`;
    for (const key of memory.standing.keys()) if (!taints.some((taint) => keyOf(taint) === key)) memory.standing.delete(key);
    const standing: Standing[] = [];
    for (const taint of taints) {
      let since = memory.standing.get(keyOf(taint));
      if (since === undefined) {
        since = context.monotonic - Math.max(0, context.now - addedAt(taint, context.now));
        memory.standing.set(keyOf(taint), since);
      }
      // While we cannot tell, or doubt ourselves, nobody goes because a node is not heard.
      const doubtful =
        taint.key === TAINT_UNREACHABLE && (life.state === 'starting' || (life.state === 'silent' && this.#assess(context).suspicious));
      if (!doubtful) standing.push({ taint, forMs: context.monotonic - since });
    }
    return standing;
  }
}

const LIFE_WORDS: Readonly<Record<Exclude<Life['state'], 'silent'>, string>> = {
  starting: 'not heard yet since this server started',
  between: 'not connected for a moment',
  alive: 'heard',
  suspect: 'suspect: its session closed and its agent did not return',
  shutdown: 'shutting down: its host said goodbye',
};

const noSpec: NonNullable<Node['spec']> = { podCIDRs: [], taints: [] };

/** What the server itself knows of a node: heard or not, it stays true. */
const isServers = ({ type }: Condition): boolean => type === DRAINED;

/** Whether a Ready condition is one that we set for want of the node's own. */
const isOurs = (ready: Condition | undefined): boolean =>
  ready !== undefined && ((ready.status === 'Unknown' && ready.reason === UNKNOWN) || ready.reason === SHUTDOWN);

const readyOf = (conditions: readonly Condition[]): Condition | undefined => conditions.find((c) => c.type === 'Ready');

function withReady(conditions: readonly Condition[], ready: Omit<Condition, 'lastTransitionTime'>, now: number): readonly Condition[] {
  const before = readyOf(conditions);
  if (before?.status === ready.status && before.reason === ready.reason) return conditions;
  const lastTransitionTime = before?.status === ready.status ? before.lastTransitionTime : timeText(now);
  return [...conditions.filter((c) => c.type !== 'Ready'), { ...ready, lastTransitionTime }];
}
