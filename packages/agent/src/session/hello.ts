// The first message of a session: who this node is, what runs here, and what it knows of servers before. Pure.
import type { Hello, RunningPod } from '@podplane/api/gen/podplane/node/v1/session';
import type { AgentOptions } from '../agent-options.js';
import type { FenceKeeper } from '../fencing/keeper.js';
import type { NodeState } from '../node/node-state.js';
import type { ContainerCache } from '../pods/container-cache.js';
import { type PodRef, refFromLabels } from '../pods/names.js';
import type { AssignmentStore } from './assignments.js';
import type { Lease } from './lease.js';

export interface HelloSources {
  readonly options: Pick<AgentOptions, 'flags' | 'taints'>;
  readonly node: Pick<NodeState, 'labels' | 'status'>;
  /** Pods that the agent knows. */
  readonly pods: Iterable<{ readonly ref: PodRef }>;
  readonly cache: Pick<ContainerCache, 'podUids' | 'ofPod' | 'get'>;
  readonly fence: Pick<FenceKeeper, 'guards'>;
  readonly podCIDR: string;
  readonly references: Pick<AssignmentStore, 'epoch' | 'term'>;
  readonly lease: Pick<Lease, 'newestTerm'>;
}

export function helloOf({ options, node, pods, cache, fence, podCIDR, references, lease }: HelloSources): Omit<Hello, 'dial'> {
  const { nodeName, bootId, machineId, agentVersion } = options.flags;
  const { labels, status } = node;
  const known = { epoch: references.epoch, term: Math.max(references.term, lease.newestTerm) };
  const inventory = inventoryOf(pods, cache, fence);
  return { nodeName, bootId, machineId, agentVersion, labels, status, inventory, podCIDR, taints: [...options.taints], ...known };
}

/** What the agent knows, and what the engine has something of. */
function inventoryOf(pods: HelloSources['pods'], cache: HelloSources['cache'], fence: HelloSources['fence']): RunningPod[] {
  const refs = new Map<string, PodRef>();
  for (const uid of cache.podUids()) refs.set(uid, refFromLabels(uid, cache.ofPod(uid)[0]?.labels ?? {}));
  for (const { ref } of pods) refs.set(ref.uid, ref);
  const isGuarded = ({ uid }: PodRef): boolean => {
    const ids = cache.ofPod(uid).map(({ id }) => id);
    return fence.guards(ids, cache);
  };
  return [...refs.values()].map((ref) => ({ ...ref, guarded: isGuarded(ref) }));
}
