// The scheduler's core alone, measured: pods in, decisions out, no store, no network. Printing and the rest of the set-up is for test/bench.
import { Node } from '@podplane/api/gen/podplane/core/v1/node';
import { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import type { Obj } from '@podplane/api/kinds/kind-map';
import type { Clock } from '@podplane/api/system';
import { SchedulerCore } from './core.js';

export interface CoreBenchmarkOptions {
  readonly clock: Clock;
  readonly nodes: number;
  /** Pods that are there already, one a node in turn; default 0. */
  readonly present?: number;
  readonly pods: number;
  /** Classes that the pods belong to in turn (as many owners); default 1 without an owner. */
  readonly owners?: number;
}

export interface CoreBenchmarkResult {
  readonly placed: number;
  readonly refused: number;
  /** Time of taking the pods in, and of deciding on all of them. */
  readonly intakeMs: number;
  readonly decideMs: number;
  readonly decisionsPerSecond: number;
  /** Nodes whose requests pass what they have; must be 0. */
  readonly overcommitted: number;
  /** Least and most pods on a node. */
  readonly fewest: number;
  readonly most: number;
}

const AMOUNTS = { cpu: '4', memory: '32Gi', 'ephemeral-storage': '100Gi', pods: '110' };

function pod(name: string, owner: string | undefined, nodeName: string | undefined): Obj<'Pod'> {
  return Pod.fromPartial({
    metadata: {
      name,
      namespace: 'default',
      uid: name,
      ownerReferences:
        owner === undefined ? [] : [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: owner, uid: owner, controller: true }],
    },
    spec: { containers: [{ name: 'c', image: 'pause', resources: { requests: { cpu: '100m', memory: '500Mi' } } }], nodeName },
    status: { phase: 'Pending' },
  });
}

/** Nodes of 4 CPU, 32 GiB, 110 pods; pods of 100m and 500 MiB. Every pod is its own object, as from the store. */
export function benchmarkCore(options: CoreBenchmarkOptions): CoreBenchmarkResult {
  const { clock } = options;
  const core = new SchedulerCore();
  for (let i = 0; i < options.nodes; i++) {
    const name = `node-${i}`;
    const status = { capacity: AMOUNTS, allocatable: AMOUNTS, conditions: [{ type: 'Ready', status: 'True' }] };
    core.nodeChanged(Node.fromPartial({ metadata: { name, uid: name, labels: { 'kubernetes.io/hostname': name } }, status }), 0);
  }
  for (let i = 0; i < (options.present ?? 0); i++) core.podChanged(pod(`present-${i}`, undefined, `node-${i % options.nodes}`), 0);
  const pods: Obj<'Pod'>[] = [];
  for (let i = 0; i < options.pods; i++) pods.push(pod(`pod-${i}`, options.owners ? `owner-${i % options.owners}` : undefined, undefined));
  const start = clock.monotonic();
  for (const one of pods) core.podChanged(one, 0);
  const taken = clock.monotonic();
  let placed = 0;
  let refused = 0;
  for (let decision = core.next(0); decision !== undefined; decision = core.next(0)) {
    if (decision.kind === 'refuse') refused++;
    else {
      placed++;
      core.bound(decision.entry);
    }
  }
  const end = clock.monotonic();
  const infos = [...core.ledger.nodes()];
  return {
    placed,
    refused,
    intakeMs: taken - start,
    decideMs: end - taken,
    decisionsPerSecond: (placed + refused) / ((end - start) / 1000),
    overcommitted: infos.filter((n) => n.cpu > n.allocatableCpu || n.memory > n.allocatableMemory || n.podCount > n.allocatablePods).length,
    fewest: infos.reduce((least, n) => Math.min(least, n.podCount), Number.POSITIVE_INFINITY),
    most: infos.reduce((most, n) => Math.max(most, n.podCount), 0),
  };
}
