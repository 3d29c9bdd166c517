// What is left of a pod's memory after it was written to the state file and read by the next agent. For the planner's property tests.
import type { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import { decodeState, encodeState } from '../../../state/records.js';
import type { PodMemory } from '../types.js';

interface Times {
  readonly wall: number;
  readonly monotonic: number;
}

/** written, read: the clocks at these moments. */
export function rewritten(pod: Pod, memory: PodMemory, written: Times, read: Times): PodMemory {
  const kept = new Map([['u', { memory, probes: new Map(), status: undefined, acceptedAt: 0 }]]);
  const rest = {
    term: 0,
    epoch: 0,
    nodeName: 'n',
    podCIDR: '',
    clusterCIDR: '',
    clusterId: '',
    configMaps: [],
    secrets: [],
    terminated: [],
    images: [],
  };
  const found = decodeState(encodeState({ ...rest, pods: [pod], claims: new Map(), kept }, written), read)?.kept.get('u')?.memory;
  if (found === undefined) throw new Error('the state cannot be read');
  return found;
}
