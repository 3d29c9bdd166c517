// What is on which node: kept up to date change by change, never recomputed. It counts; whether a pod may go somewhere is for the plugins.
import type { Obj } from '@podplane/api/kinds/kind-map';
import { milliValue, tryParseQuantity, wholeValue } from '@podplane/api/quantity';
import type { NodeEvent, PodClass } from './model.js';

/** Where a node's own limit on pods is missing (Kubernetes' default). */
const DEFAULT_MAX_PODS = 110;

type NodeObject = Obj<'Node'>;

/** One node, or only the place of one: a name that pods are bound to before (or after) there is such a node. */
export class NodeInfo {
  readonly name: string;
  /** A small number for arrays; used again after the node has gone. */
  readonly slot: number;
  /** New with every change of anything below; never the same for two states of two nodes. */
  version = 0;
  /** As version, but only for what pods do not change: labels, taints, allocatable, state. */
  fixedVersion = 0;
  node: NodeObject | undefined;

  allocatableCpu = 0;
  allocatableMemory = 0;
  allocatableEphemeral = 0;
  allocatablePods = 0;
  allocatableExtended: ReadonlyMap<string, number> = new Map();
  labels: Readonly<Record<string, string>> = {};
  taints: readonly { readonly key: string; readonly value?: string | undefined; readonly effect: string }[] = [];
  unschedulable = false;
  ready = false;

  cpu = 0;
  memory = 0;
  ephemeral = 0;
  podCount = 0;
  scoreCpu = 0;
  scoreMemory = 0;
  readonly extended = new Map<string, number>();
  /** Ports of the host in use: how often, by protocol, port and address. */
  readonly ports = new Map<string, Map<string, number>>();
  /** Living pods by owner, for spreading. */
  readonly owners = new Map<string, number>();

  constructor(name: string, slot: number) {
    this.name = name;
    this.slot = slot;
  }
}

export const portKey = (protocol: string, port: number): string => `${protocol}/${port}`;

interface PodEntry {
  readonly uid: string;
  readonly class: PodClass;
  readonly info: NodeInfo;
  /** Being deleted or lost: it holds its resources, but is not counted for spreading. */
  readonly leaving: boolean;
}

const amount = (text: string | undefined, read: (t: string) => number): number =>
  text !== undefined && tryParseQuantity(text) ? read(text) : 0;

export class Ledger {
  readonly #byName = new Map<string, NodeInfo>();
  /** By slot; undefined: free. */
  readonly slots: (NodeInfo | undefined)[] = [];
  readonly #free: number[] = [];
  readonly #pods = new Map<string, PodEntry>();
  /** On how many nodes each owner has living pods. */
  readonly #reach = new Map<string, number>();
  #nodes = 0;
  #versions = 0;

  /**
   * Slots whose worth may have risen, in order. A ranking that is behind catches up from here; what only fell is noticed by the
   * version when it matters. Trimmed at the front; firstRaise tells the number of the first kept.
   */
  readonly raises: number[] = [];
  firstRaise = 0;

  /** Number of nodes there are. */
  get nodeCount(): number {
    return this.#nodes;
  }

  get podCount(): number {
    return this.#pods.size;
  }

  get raised(): number {
    return this.firstRaise + this.raises.length;
  }

  node(name: string): NodeInfo | undefined {
    return this.#byName.get(name);
  }

  /** Where the ledger has a pod, if it has it. */
  nodeOf(uid: string): NodeInfo | undefined {
    return this.#pods.get(uid)?.info;
  }

  /** On how many nodes an owner has living pods. */
  reachOf(owner: string): number {
    return this.#reach.get(owner) ?? 0;
  }

  /** Nodes that exist. */
  *nodes(): Generator<NodeInfo> {
    for (const info of this.slots) if (info?.node !== undefined) yield info;
  }

  /** A node appeared or changed. Returns what changed that could help a waiting pod. */
  setNode(node: NodeObject): readonly NodeEvent[] {
    const name = node.metadata?.name ?? '';
    const info = this.#place(name);
    const before = info.node;
    if (before === undefined) this.#nodes++;
    const events: NodeEvent[] = [];
    if (before === undefined) events.push('node-added');
    if (before?.metadata?.labels !== node.metadata?.labels) {
      info.labels = node.metadata?.labels ?? {};
      events.push('labels');
    }
    const taints = node.spec?.taints ?? [];
    if (!sameTaints(info.taints, taints)) {
      info.taints = taints;
      events.push('taints');
    }
    const ready = node.status?.conditions.find((c) => c.type === 'Ready')?.status === 'True';
    const unschedulable = node.spec?.unschedulable === true;
    if (ready !== info.ready || unschedulable !== info.unschedulable) {
      info.ready = ready;
      info.unschedulable = unschedulable;
      events.push('state');
    }
    if (
      before === undefined ||
      before.status?.allocatable !== node.status?.allocatable ||
      before.status?.capacity !== node.status?.capacity
    ) {
      if (this.#setAllocatable(info, node)) events.push('allocatable');
    }
    info.node = node;
    // A heartbeat's worth of status (addresses, images) is no reason to rank anew.
    if (events.length > 0) this.#raiseFixed(info);
    return events;
  }

  removeNode(name: string): void {
    const info = this.#byName.get(name);
    if (info?.node === undefined) return;
    info.node = undefined;
    this.#nodes--;
    this.#raiseFixed(info);
    this.#dropIfEmpty(info);
  }

  /** The pod is on a node, as of this version of it. Idempotent. Returns the node that it left room on, if so. */
  setPod(uid: string, podClass: PodClass, nodeName: string, leaving: boolean): NodeInfo | undefined {
    const known = this.#pods.get(uid);
    if (known !== undefined) {
      if (known.info.name === nodeName && known.leaving === leaving && known.class.key === podClass.key) return undefined;
      this.#count(known, -1);
      this.#pods.delete(uid);
    }
    const entry: PodEntry = { uid, class: podClass, info: this.#place(nodeName), leaving };
    this.#pods.set(uid, entry);
    this.#count(entry, 1);
    if (known === undefined) {
      entry.info.version = ++this.#versions;
      return undefined;
    }
    this.#raise(entry.info);
    if (known.info !== entry.info) {
      this.#raise(known.info);
      this.#dropIfEmpty(known.info);
    }
    return known.info;
  }

  /** The pod is gone or will never run again. Returns the node that it left room on. */
  removePod(uid: string): NodeInfo | undefined {
    const known = this.#pods.get(uid);
    if (known === undefined) return undefined;
    this.#pods.delete(uid);
    this.#count(known, -1);
    this.#raise(known.info);
    this.#dropIfEmpty(known.info);
    return known.info;
  }

  #place(name: string): NodeInfo {
    let info = this.#byName.get(name);
    if (info === undefined) {
      const slot = this.#free.pop() ?? this.slots.length;
      info = new NodeInfo(name, slot);
      this.slots[slot] = info;
      this.#byName.set(name, info);
      this.#raiseFixed(info);
    }
    return info;
  }

  #dropIfEmpty(info: NodeInfo): void {
    if (info.node !== undefined || info.podCount > 0) return;
    this.#byName.delete(info.name);
    this.slots[info.slot] = undefined;
    this.#free.push(info.slot);
  }

  #raiseFixed(info: NodeInfo): void {
    this.#raise(info);
    info.fixedVersion = info.version;
  }

  #raise(info: NodeInfo): void {
    info.version = ++this.#versions;
    this.raises.push(info.slot);
    // Rankings further behind than this are made anew, which costs about as much.
    const keep = Math.max(4096, this.slots.length * 2);
    if (this.raises.length > keep * 2) {
      this.raises.splice(0, keep);
      this.firstRaise += keep;
    }
  }

  #count(entry: PodEntry, sign: 1 | -1): void {
    const { info, class: podClass } = entry;
    const { requests } = podClass;
    info.cpu += sign * requests.cpu;
    info.memory += sign * requests.memory;
    info.ephemeral += sign * requests.ephemeral;
    info.scoreCpu += sign * podClass.scoreCpu;
    info.scoreMemory += sign * podClass.scoreMemory;
    info.podCount += sign;
    if (requests.extended !== undefined) for (const [name, value] of requests.extended) bump(info.extended, name, sign * value);
    for (const { protocol, port, ip } of podClass.hostPorts) {
      const key = portKey(protocol, port);
      let addresses = info.ports.get(key);
      if (addresses === undefined) info.ports.set(key, (addresses = new Map()));
      bump(addresses, ip, sign);
      if (addresses.size === 0) info.ports.delete(key);
    }
    if (podClass.owner !== '' && !entry.leaving) {
      const before = info.owners.size;
      bump(info.owners, podClass.owner, sign);
      bump(this.#reach, podClass.owner, info.owners.size - before);
    }
  }

  #setAllocatable(info: NodeInfo, node: NodeObject): boolean {
    const has = Object.keys(node.status?.allocatable ?? {}).length > 0;
    const from = (has ? node.status?.allocatable : node.status?.capacity) ?? {};
    const extended = new Map<string, number>();
    for (const name in from) {
      if (name !== 'cpu' && name !== 'memory' && name !== 'ephemeral-storage' && name !== 'pods')
        extended.set(name, amount(from[name], wholeValue));
    }
    const cpu = amount(from['cpu'], milliValue);
    const memory = amount(from['memory'], wholeValue);
    const ephemeral = amount(from['ephemeral-storage'], wholeValue);
    const pods = from['pods'] === undefined ? DEFAULT_MAX_PODS : amount(from['pods'], wholeValue);
    const same =
      cpu === info.allocatableCpu &&
      memory === info.allocatableMemory &&
      ephemeral === info.allocatableEphemeral &&
      pods === info.allocatablePods &&
      extended.size === info.allocatableExtended.size &&
      [...extended].every(([name, value]) => info.allocatableExtended.get(name) === value);
    if (same) return false;
    info.allocatableCpu = cpu;
    info.allocatableMemory = memory;
    info.allocatableEphemeral = ephemeral;
    info.allocatablePods = pods;
    info.allocatableExtended = extended;
    return true;
  }
}

function bump(map: Map<string, number>, key: string, by: number): void {
  if (by === 0) return;
  const value = (map.get(key) ?? 0) + by;
  if (value === 0) map.delete(key);
  else map.set(key, value);
}

function sameTaints(a: NodeInfo['taints'], b: NodeInfo['taints']): boolean {
  return (
    a === b || (a.length === b.length && a.every((t, i) => t.key === b[i]?.key && t.value === b[i]?.value && t.effect === b[i]?.effect))
  );
}
