// The Node object of a node that says hello, and its status as the agent reports it. What follows from silence is the node lifecycle
// controller's; when a node says something is session.ts's.
import { type Node, type NodeCondition, NodeStatus } from '@podplane/api/gen/podplane/core/v1/node';
import type { Hello } from '@podplane/api/gen/podplane/node/v1/session';
import { kindNames } from '@podplane/api/kinds/kind-names';
import { labelValueProblems, qualifiedNameProblems } from '@podplane/api/names';
import { StoreError } from '@podplane/store/errors';
import type { Change, Cursor, Store, Tx } from '@podplane/store/types';
import { type Cidr, CidrPool } from './cidr.js';
import { nodeStanding } from './node-standing.js';
import { mayLabel } from './node-words.js';

/** Which machine holds the name: set at the first hello, gone with the Node object. */
export const MACHINE_ID_ANNOTATION = 'podplane.dev/machine-id';

export type Registration =
  /** leftOut: labels that the agent may not give its node. */
  | { readonly state: 'registered'; readonly podCIDR: string; readonly revision: number; readonly leftOut: readonly string[] }
  | { readonly state: 'refused'; readonly reason: 'NodeNameTaken' | 'NoPodCIDR'; readonly message: string };

type Registered = Extract<Registration, { state: 'registered' }>;
type Refusal = Extract<Registration, { state: 'refused' }>;

/** Why a machine may not use a node's name; undefined: it may. */
export function nameTaken(nodeName: string, holder: string | undefined, machineId: string): Refusal | undefined {
  if (holder === undefined || holder === machineId) return undefined;
  const message =
    `node name "${nodeName}" belongs to another machine (${holder.slice(0, 8)}, this one is ${machineId.slice(0, 8)}): ` +
    `start this agent under another name (--name), or, where the other machine is gone for good, stop its agent and free the name: podplane delete node ${nodeName}`;
  return { state: 'refused', reason: 'NodeNameTaken', message };
}

/** What the agent of a node is told whose object somebody deleted. */
export function removedRefusal(nodeName: string): { readonly reason: string; readonly message: string } {
  return {
    reason: 'NodeRemoved',
    message: `node "${nodeName}" was removed from the cluster; to bring it back, start its agent with a new token: podplane token create`,
  };
}

/** Registers nodes and gives each its range of pod addresses, in one transaction. */
export class NodeRegistrar implements Disposable {
  private readonly pool: CidrPool;
  private cursor: Cursor | undefined;

  constructor(
    private readonly store: Store,
    clusterCidr: Cidr,
    nodeBits: number,
  ) {
    this.pool = new CidrPool(clusterCidr, nodeBits);
  }

  /** Machine that holds a node's name now. */
  holder(nodeName: string): string | undefined {
    return this.store.get('Node', '', nodeName)?.metadata?.annotations[MACHINE_ID_ANNOTATION];
  }

  /** Whether a node has an object. */
  exists(nodeName: string): boolean {
    return this.store.get('Node', '', nodeName) !== undefined;
  }

  /** Creates the node's object, or brings it up to date. Throws StoreError "sealed". */
  register(hello: Hello): Registration {
    this.catchUp();
    const { nodeName } = hello;
    const cause = { actor: `node:${nodeName}`, reason: `agent ${hello.agentVersion} says hello` };
    const { result, revision } = this.store.transact(cause, (tx): Omit<Registered, 'revision'> | Refusal => {
      const existing = tx.get('Node', '', nodeName);
      const taken = nameTaken(nodeName, existing?.metadata?.annotations[MACHINE_ID_ANNOTATION], hello.machineId);
      if (taken !== undefined) return taken;
      const podCIDR = existing?.spec?.podCIDR ?? this.pool.pick(nodeName, hello.podCIDR);
      if (podCIDR === undefined) {
        const message =
          'all ranges of pod addresses are taken: start the server with a larger --cluster-cidr, or delete nodes that are gone for good';
        return { state: 'refused', reason: 'NoPodCIDR', message };
      }
      const otherNode = (name: string): boolean => name !== nodeName && tx.get('Node', '', name) !== undefined;
      const leftOut = Object.keys(hello.labels).filter((key) => !mayLabel(key, hello.labels[key] ?? '', otherNode));
      const own = { ...hello, labels: Object.fromEntries(Object.entries(hello.labels).filter(([key]) => !leftOut.includes(key))) };
      if (existing === undefined) tx.create('Node', newNode(own, podCIDR, tx));
      else tx.edit('Node', '', nodeName, (draft) => renew(draft, own, podCIDR, tx));
      return { state: 'registered', podCIDR, leftOut };
    });
    if (result.state === 'refused') return result;
    this.pool.hold(result.podCIDR, nodeName);
    return { ...result, revision };
  }

  /** Writes a status that the agent reports. Returns the revision to wait for; undefined: there is no such node. */
  report(nodeName: string, status: NodeStatus, reason: string): number | undefined {
    const about = (change: Change): string => `${reason}: ${nodeStanding(change) ?? ''}`;
    const { result, revision } = this.store.transact({ actor: `node:${nodeName}`, reason, about }, (tx) => {
      if (tx.get('Node', '', nodeName) === undefined) return false;
      tx.edit('Node', '', nodeName, (draft) => applyStatus(draft, status, tx));
      return true;
    });
    return result ? revision : undefined;
  }

  [Symbol.dispose](): void {
    this.cursor?.[Symbol.dispose]();
  }

  /** Ranges that were given and taken back by others since the last look (nodes deleted, nodes made by hand). */
  private catchUp(): void {
    if (this.cursor !== undefined) {
      try {
        for (const { changes } of this.cursor.drain()) {
          for (const { object, type, kind } of changes) {
            if (kind !== 'Node') continue;
            const { metadata, spec } = object as Node;
            if (spec?.podCIDR === undefined) continue;
            if (type === 'deleted') this.pool.release(spec.podCIDR, metadata?.name ?? '');
            else this.pool.hold(spec.podCIDR, metadata?.name ?? '');
          }
        }
        return;
      } catch (error) {
        if (!(error instanceof StoreError) || error.code !== 'gone') throw error;
        this.cursor[Symbol.dispose]();
      }
    }
    this.pool.clear();
    const { cursor } = this.store.snapshotAndWatch({ kinds: ['Node'] }, 'head', (view) => {
      for (const node of view.list('Node'))
        if (node.spec?.podCIDR !== undefined) this.pool.hold(node.spec.podCIDR, node.metadata?.name ?? '');
    });
    this.cursor = cursor;
  }
}

/** Labels that are labels: an agent cannot make an object that clients could not write back. */
function goodLabels(labels: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(labels).filter(([key, value]) => qualifiedNameProblems(key).length === 0 && labelValueProblems(value).length === 0),
  );
}

function newNode(hello: Hello, podCIDR: string, tx: Tx): Node {
  const node: Node = {
    apiVersion: kindNames.Node.apiVersion,
    kind: 'Node',
    metadata: {
      name: hello.nodeName,
      labels: goodLabels(hello.labels),
      annotations: { [MACHINE_ID_ANNOTATION]: hello.machineId },
      ownerReferences: [],
      finalizers: [],
      managedFields: [],
    },
    spec: { podCIDR, podCIDRs: [podCIDR], taints: hello.taints },
  };
  applyStatus(node, hello.status, tx);
  return node;
}

function renew(draft: Node, hello: Hello, podCIDR: string, tx: Tx): void {
  const { metadata } = draft;
  if (metadata !== undefined) {
    Object.assign(metadata.labels, goodLabels(hello.labels));
    metadata.annotations[MACHINE_ID_ANNOTATION] = hello.machineId;
  }
  draft.spec ??= { podCIDRs: [], taints: [] };
  draft.spec.podCIDR = podCIDR;
  draft.spec.podCIDRs = [podCIDR];
  applyStatus(draft, hello.status, tx);
}

/** The reported status, with conditions that know since when they are so. Conditions that others set stay. */
function applyStatus(node: Node, reported: NodeStatus | undefined, tx: Tx): void {
  const now = new Date(tx.now).toISOString().replace(/\.\d+Z$/, 'Z');
  const before = new Map((node.status?.conditions ?? []).map((condition) => [condition.type, condition]));
  const base: NodeStatus = reported ?? node.status ?? NodeStatus.fromPartial({});
  const conditions: NodeCondition[] = base.conditions.map((condition) => ({ ...condition }));
  if (!conditions.some(({ type }) => type === 'Ready')) {
    conditions.push({ type: 'Ready', status: 'True', reason: 'AgentReady', message: 'the agent is connected' });
  }
  for (const condition of conditions) {
    const old = before.get(condition.type);
    before.delete(condition.type);
    condition.lastHeartbeatTime = now;
    condition.lastTransitionTime = old?.status === condition.status ? (old.lastTransitionTime ?? now) : now;
  }
  node.status = { ...base, conditions: [...conditions, ...before.values()] };
}
