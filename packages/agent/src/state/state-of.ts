// Collects what the agent remembers over a restart. How it is written is records.ts.
import type { Clock } from '@podplane/api/system';
import type { PodWorker } from '../pods/worker.js';
import type { AssignmentStore } from '../session/assignments.js';
import { type AgentState, encodeState } from './records.js';

export interface StateSources extends Pick<AgentState, 'nodeName' | 'podCIDR' | 'clusterCIDR' | 'clusterId' | 'images'> {
  readonly references: AssignmentStore;
  readonly workers: ReadonlyMap<string, PodWorker>;
  readonly terminated: ReadonlySet<string>;
}

function stateOf({ references, workers, terminated, ...rest }: StateSources): AgentState {
  const kept = new Map(
    [...workers].map(([uid, worker]) => [
      uid,
      { memory: worker.memory, probes: worker.probesToKeep(), status: worker.status, acceptedAt: worker.acceptedAt },
    ]),
  );
  return {
    ...rest,
    kept,
    term: references.term,
    epoch: references.epoch,
    terminated: [...terminated],
    pods: [...references.pods.values()],
    configMaps: [...references.configMaps.values()],
    secrets: [...references.secrets.values()],
    claims: references.claims,
  };
}

/** The state file's text. */
export function stateText(sources: StateSources, clock: Clock): string {
  return encodeState(stateOf(sources), { wall: clock.now(), monotonic: clock.monotonic() });
}
