// The quality-of-service class of a pod: how much its containers reserve of what they may use. No validation.

import type { PodSpec } from '../../gen/podplane/core/v1/pod.js';
import { compareQuantities, tryParseQuantity } from '../../quantity.js';
import type { DeepReadonly } from '../kind-map.js';

export type QosClass = 'Guaranteed' | 'Burstable' | 'BestEffort';

const COUNTED = ['cpu', 'memory'] as const;

/** Guaranteed: every container limits cpu and memory and requests as much. BestEffort: none says anything. */
export function qosClass(spec: DeepReadonly<PodSpec>): QosClass {
  let guaranteed = true;
  let anything = false;
  for (const container of [...spec.containers, ...spec.initContainers]) {
    for (const name of COUNTED) {
      const limit = positive(container.resources?.limits[name]);
      const request = positive(container.resources?.requests[name]) ?? limit;
      if (limit !== undefined || request !== undefined) anything = true;
      if (limit === undefined || request === undefined || compareQuantities(limit, request) !== 0) guaranteed = false;
    }
  }
  if (!anything) return 'BestEffort';
  return guaranteed ? 'Guaranteed' : 'Burstable';
}

function positive(text: string | undefined): ReturnType<typeof tryParseQuantity> {
  const quantity = text === undefined ? undefined : tryParseQuantity(text);
  return quantity !== undefined && quantity.nano > 0n ? quantity : undefined;
}
