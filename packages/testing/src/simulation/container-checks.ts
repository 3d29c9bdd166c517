// The truth about what runs, from the engines themselves: each start of a container on any node is held against all that runs just then.
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
}

export class ContainerChecks {
  /** App containers and pause containers that run now: uid -> container -> where. */
  readonly running = new Map<string, Map<string, Running>>();
  private readonly facts = new Map<string, PodFacts>();
  /** Uids by namespace/name, of pods of StatefulSets. */
  private readonly numbered = new Map<string, Set<string>>();
  /** Pods whose end their own agent has confirmed. */
  private readonly over = new Set<string>();
  private readonly ips = new Map<string, string>();
  /** Exit codes by uid and container, the newest. */
  readonly exits = new Map<string, Map<string, number>>();
  started = 0;

  constructor(
    private readonly violations: Violations,
    private readonly trace: Trace,
    /** Whether nothing runs on a node just now, as its whole machine is suspended. */
    private readonly isSuspended: (node: string) => boolean,
  ) {}

  /** A pod that is durable. */
  known(facts: PodFacts): void {
    if (this.facts.has(facts.uid)) return;
    this.facts.set(facts.uid, facts);
    if (facts.ownerKind !== 'StatefulSet') return;
    const key = `${facts.namespace}/${facts.name}`;
    const uids = this.numbered.get(key);
    if (uids === undefined) this.numbered.set(key, new Set([facts.uid]));
    else uids.add(facts.uid);
  }

  /** Its own node said that it has ended, and that is durable. */
  ended(uid: string): void {
    this.over.add(uid);
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
      if ('ip' in spec && this.ips.get(spec.ip) === uid) this.ips.delete(spec.ip);
      let exits = this.exits.get(uid);
      if (exits === undefined) this.exits.set(uid, (exits = new Map()));
      exits.set(container, info.exitCode ?? 0);
      return;
    }
    this.started++;
    this.trace.note(`${node}: ${name} starts`);
    const facts = this.facts.get(uid);
    if (facts === undefined) this.violations.report('durable-first', `${name} starts on ${node}, but its pod ${uid} was never durable`);
    if (this.over.has(uid)) this.violations.report('no-restart-after-end', `${name} starts on ${node}, but pod ${uid} had ended there`);
    let mine = this.running.get(uid);
    if (mine === undefined) this.running.set(uid, (mine = new Map()));
    const other = mine.get(container);
    if (other !== undefined)
      this.violations.report('one-container', `${name} starts on ${node} while another of pod ${uid} runs on ${other.node}`);
    mine.set(container, { node, id: info.id });
    if ('ip' in spec) this.address(spec.ip, uid, node);
    if (facts?.ownerKind === 'StatefulSet' && container !== PAUSE_CONTAINER) this.ordinal(facts, node);
  }

  private address(ip: string, uid: string, node: string): void {
    if (ip === '') return;
    const holder = this.ips.get(ip);
    if (holder !== undefined && holder !== uid)
      this.violations.report('unique-ips', `pod ${uid} on ${node} starts with the address ${ip}, which pod ${holder} has`);
    this.ips.set(ip, uid);
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
