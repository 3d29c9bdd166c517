// A name of a node that is free again, while the machine that had it may still run what is bound to it: another machine must not take over its
// fenced pods before that one has surely ended them. Who may have a name at all is node-object.ts's.
import { isFenced } from '@podplane/api/fencing';
import type { Hello } from '@podplane/api/gen/podplane/node/v1/session';
import { isPodTerminal } from '@podplane/api/pod-state';
import type { System } from '@podplane/api/system';
import { defaultNodeLifecycleConfig } from '@podplane/controllers/node-lifecycle/config';
import type { ReadView } from '@podplane/store/types';
import type { LeaseGrants } from './leases.js';

interface Parts {
  readonly store: Pick<ReadView, 'index'>;
  readonly system: Pick<System, 'clock'>;
  readonly leases: Pick<LeaseGrants, 'overFor'>;
  readonly fencingMarginMs?: number | undefined;
}

/** How long a machine has to wait before it becomes a node that has no object, ms; 0: it need not. */
export function heldForOther(
  { store, system, leases, fencingMarginMs = defaultNodeLifecycleConfig.fencingMarginMs }: Parts,
  { nodeName, machineId }: Pick<Hello, 'nodeName' | 'machineId'>,
): number {
  const left = leases.overFor(nodeName, machineId) + fencingMarginMs - system.clock.monotonic();
  if (left <= 0) return 0;
  for (const pod of store.index('Pod', 'node', nodeName)) if (isFenced(pod) && !isPodTerminal(pod)) return Math.ceil(left);
  return 0;
}
