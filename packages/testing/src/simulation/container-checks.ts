// The truth about what runs, from the engines themselves: each start of a container on any node is held against all that runs just then.
import { LABEL_EPOCH } from '@podplane/agent/pods/planner/types';
import { LABEL_CONTAINER, LABEL_POD_UID, PAUSE_CONTAINER } from '@podplane/agent/runtime/types';
import type { FakeContainer } from '../fake-runtime-types.js';
import type { Trace } from './trace.js';
import type { Violations } from './violations.js';

/** What the API said of a pod, once it was durable. */
export interface PodFacts {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  /** Kind of the controller; "" for none. */
  readonly ownerKind: string;
}

interface Running {
  readonly node: string;
  readonly id: string;
  /** How often an older copy of the data had been put back. */
  readonly era: number;
}

/** After so long every node that hears the server knows of an epoch, ms. */
const HEARD_MS = 5_000;

/** Who showed an epoch last. */
interface Holder {
  readonly epoch: number;
  readonly uid: string;
  readonly node: string;
}

export class ContainerChecks {
  /** App containers and pause containers that run now: uid -> container -> where. */
  readonly running = new Map<string, Map<string, Running>>();
  private readonly facts = new Map<string, PodFacts>();
  /** Uids by namespace/name, of pods of StatefulSets. */
  private readonly numbered = new Map<string, Set<string>>();
  /** Pods whose end their own agent has confirmed. */
  private readonly over = new Set<string>();
  private readonly ips = new Map<string, { readonly uid: string; readonly node: string }>();
  /** The highest epoch that a container has started with, by namespace/name of its pod: what a storage would remember. */
  private readonly holders = new Map<string, Holder>();
  private era = 0;
  /** Machines whose name another one has: what they run is nobody's, but for what is under at-most-one. */
  private readonly retired = new Set<string>();
  /** Exit codes by uid and container, the newest. */
  readonly exits = new Map<string, Map<string, number>>();
  started = 0;
  /** When a pod of a StatefulSet was last made, ms of the world. */
  private newestAt = 0;

  constructor(
    private readonly violations: Violations,
    private readonly trace: Trace,
    /** Whether nothing runs on a node just now, as its whole machine is suspended. */
    private readonly isSuspended: (node: string) => boolean,
    /** Ms of the world. */
    private readonly now: () => number,
  ) {}

  /** Every node that hears the server knows of all epochs. */
  get epochsKnown(): boolean {
    return this.now() - this.newestAt > HEARD_MS;
  }

  /** A pod that is durable. */
  known(facts: PodFacts): void {
    if (this.facts.has(facts.uid)) return;
    this.facts.set(facts.uid, facts);
    if (facts.ownerKind !== 'StatefulSet') return;
    this.newestAt = this.now();
    const key = `${facts.namespace}/${facts.name}`;
    const uids = this.numbered.get(key);
    if (uids === undefined) this.numbered.set(key, new Set([facts.uid]));
    else uids.add(facts.uid);
  }

  /** Its own node said that it has ended, and that is durable. */
  ended(uid: string): void {
    this.over.add(uid);
  }

  /** An older copy of the data was put back, in which these have not ended. */
  restored(alive: Iterable<string>): void {
    this.era++;
    for (const uid of alive) this.over.delete(uid);
  }

  retire(node: string): void {
    this.retired.add(node);
  }

  changed(node: string, { info, spec }: FakeContainer, change: 'started' | 'ended'): void {
    const uid = info.labels[LABEL_POD_UID] ?? '';
    const container = info.labels[LABEL_CONTAINER] ?? '';
    const name = `${info.name}`;
    if (change === 'ended') {
      this.trace.note(`${node}: ${name} ends with ${info.exitCode ?? 0}`);
      const mine = this.running.get(uid);
      if (mine?.get(container)?.id === info.id) mine.delete(container);
      if (mine?.size === 0) this.running.delete(uid);
      if ('ip' in spec && this.ips.get(spec.ip)?.uid === uid) this.ips.delete(spec.ip);
      if (this.retired.has(node)) return;
      let exits = this.exits.get(uid);
      if (exits === undefined) this.exits.set(uid, (exits = new Map()));
      exits.set(container, info.exitCode ?? 0);
      return;
    }
    this.started++;
    this.trace.note(`${node}: ${name} starts`);
    const facts = this.facts.get(uid);
    if (facts === undefined) this.violations.report('durable-first', `${name} starts on ${node}, but its pod ${uid} was never durable`);
    const isFenced = info.labels[LABEL_EPOCH] !== undefined;
    const isStray = this.retired.has(node) && !isFenced;
    if (this.over.has(uid) && !isStray)
      this.violations.report('no-restart-after-end', `${name} starts on ${node}, but pod ${uid} had ended there`);
    let mine = this.running.get(uid);
    if (mine === undefined) this.running.set(uid, (mine = new Map()));
    const other = mine.get(container);
    // One that was placed since an older copy was made may be placed again elsewhere; what is fenced is not started before it has ended.
    const isAllowed = other === undefined || other.era !== this.era || isStray || this.retired.has(other.node);
    if (other !== undefined && (!isAllowed || isFenced))
      this.violations.report('one-container', `${name} starts on ${node} while another of pod ${uid} runs on ${other.node}`);
    if (isStray) return;
    mine.set(container, { node, id: info.id, era: this.era });
    if ('ip' in spec) this.address(spec.ip, uid, node);
    if (facts?.ownerKind === 'StatefulSet' && container !== PAUSE_CONTAINER) this.ordinal(facts, node);
    if (facts !== undefined && isFenced) this.epoch(facts, node, Number(info.labels[LABEL_EPOCH]));
  }

  /** A storage that refuses lower epochs than it has seen lets in each that starts, and nobody else with it. */
  private epoch({ namespace, name, uid }: PodFacts, node: string, epoch: number): void {
    const key = `${namespace}/${name}`;
    const before = this.holders.get(key);
    this.holders.set(key, { epoch, uid, node });
    if (before === undefined || before.epoch < epoch) return;
    const isSame = before.epoch === epoch && before.uid === uid && before.node === node;
    if (!isSame)
      this.violations.report(
        'epochs-grow',
        `${key} starts on ${node} as ${uid} with epoch ${epoch}, after ${before.uid} on ${before.node} with ${before.epoch}`,
      );
  }

  private address(ip: string, uid: string, node: string): void {
    if (ip === '' || this.retired.has(node)) return;
    const holder = this.ips.get(ip);
    if (holder !== undefined && holder.uid !== uid && !this.retired.has(holder.node))
      this.violations.report('unique-ips', `pod ${uid} on ${node} starts with the address ${ip}, which pod ${holder.uid} has`);
    this.ips.set(ip, { uid, node });
  }

  private ordinal(facts: PodFacts, node: string): void {
    for (const uid of this.numbered.get(`${facts.namespace}/${facts.name}`) ?? []) {
      if (uid === facts.uid) continue;
      for (const [container, where] of this.running.get(uid) ?? []) {
        // One that sleeps does nothing; what becomes of it is looked at when it goes on.
        if (container === PAUSE_CONTAINER || this.isSuspended(where.node)) continue;
        this.violations.report(
          'one-ordinal',
          `${facts.namespace}/${facts.name} starts on ${node} as ${facts.uid} while it runs on ${where.node} as ${uid}`,
        );
      }
    }
  }

  /** A machine has gone on after a sleep: whatever was replaced meanwhile has ended by now. */
  awake(node: string): void {
    for (const uid of this.on(node)) {
      const facts = this.facts.get(uid);
      if (facts?.ownerKind === 'StatefulSet') this.ordinal(facts, node);
    }
  }

  /** Uids with app containers that run on a node. */
  on(node: string): Set<string> {
    const out = new Set<string>();
    for (const [uid, containers] of this.running)
      for (const [container, where] of containers) if (where.node === node && container !== PAUSE_CONTAINER) out.add(uid);
    return out;
  }
}
