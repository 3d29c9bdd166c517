// What a drain would do: which pods go, where their replacements would run, what would block it. Asked of a copy of the state on which the real
// controllers carry the drain out; nothing is decided here.
import type { DrainPod } from '@podplane/api/gen/podplane/api/v1/cluster';
import type { Obj } from '@podplane/api/kinds/kind-map';
import { isPodTerminal } from '@podplane/api/pod-state';
import { podsToDrain, progressOf } from '@podplane/controllers/drain/pods';
import { type Drain, type DrainOptions, drainOf, withDrain } from '@podplane/controllers/drain/request';
import type { ReadView, Store } from '@podplane/store/types';
import { Made, pendingText, workloadOf } from './changes.js';
import { WhatIf, type WhatIfParts } from './what-if.js';

type Pod = Obj<'Pod'>;

/** Of its own time: longest, and after so long without any change it is stuck, ms. */
const MOST_MS = 3_600_000;
const CALM_MS = 30_000;

/** The pods of a node with what would become of each, while the others are drained, too: state moves, pending, lost, blocked, ignored, leaving, ended. */
export async function previewDrain(
  parts: WhatIfParts,
  node: string,
  options: DrainOptions,
  others: readonly string[] = [],
  signal?: AbortSignal,
): Promise<DrainPod[]> {
  await using world = new WhatIf(parts);
  const { store } = world;
  // In the same order whichever of them is asked about: the answers are of one world, and no replacement is told twice.
  const nodes = [...new Set([node, ...others])].sort();
  const before = nodes.flatMap((one) => podsToDrain(store, one, options));
  const known = new Map();
  const first = before.map((pod) => progressOf(store, pod, options, parts.system.clock.now(), known));
  const workloads = before.map((pod) => workloadOf(store, pod));
  const there = new Set<string>();
  for (const pod of store.list('Pod')) there.add(pod.metadata?.uid ?? '');
  for (const one of nodes) begin(store, one, options);
  const over = (): boolean => nodes.every((one) => outcomeOf(store, one) !== undefined);
  await world.run(MOST_MS, over, CALM_MS, signal);
  // The last replacements find their places.
  await world.run(CALM_MS, () => false, CALM_MS, signal);
  const now = world.time.clock.now();
  const made = new Made(store, there);
  const answerOf = (pod: Pod, i: number): DrainPod => {
    const about = first[i];
    const { metadata } = pod;
    const answer = (state: string, message: string, next?: Pod): DrainPod => ({
      namespace: metadata?.namespace ?? '',
      name: metadata?.name ?? '',
      uid: metadata?.uid ?? '',
      state,
      message,
      newNode: next?.spec?.nodeName ?? '',
      newName: next?.metadata?.name ?? '',
    });
    if (about?.state === 'ignored') return answer('ignored', about.message);
    const still = store.byUid('Pod', metadata?.uid ?? '');
    if (still !== undefined && still.metadata?.deletionTimestamp === undefined) {
      return answer('blocked', progressOf(store, still, options, now, new Map()).message);
    }
    // Nobody would make it anew, nor miss it.
    if (isPodTerminal(pod)) return answer('ended', 'it has ended already');
    const workload = workloads[i];
    if (workload === undefined) return answer('lost', 'nobody makes it anew');
    const next = made.take(workload.uid);
    if (next === undefined) return about?.state === 'leaving' ? answer('leaving', '') : answer('lost', `${workload.text} makes no other`);
    return next.spec?.nodeName ? answer('moves', '', next) : answer('pending', pendingText(next), next);
  };
  // Pods that were on their way out already have their replacements, or get what is left of them.
  const leaves = (i: number): number => Number(first[i]?.state === 'leaving');
  const answers = [...before.entries()]
    .sort(([a], [b]) => leaves(a) - leaves(b) || a - b)
    .map(([i, pod]) => [i, answerOf(pod, i)] as const);
  return answers
    .filter(([i]) => before[i]?.spec?.nodeName === node)
    .sort(([a], [b]) => a - b)
    .map(([, one]) => one);
}

function begin(store: Store, name: string, options: DrainOptions): void {
  store.transact({ actor: 'user:what-if', reason: `drain node ${name}` }, (tx) => {
    const node = tx.get('Node', '', name);
    if (node === undefined) return;
    const drain: Drain = { ...options, id: 'what-if', by: '', startedAt: tx.now, deadline: undefined, total: 0, outcome: undefined };
    const marked = withDrain(withDrain(node, undefined), drain);
    tx.update('Node', { ...marked, spec: { podCIDRs: [], taints: [], ...marked.spec, unschedulable: true } }, 'any');
  });
}

function outcomeOf(view: ReadView, name: string): Drain['outcome'] {
  const node = view.get('Node', '', name);
  return node === undefined ? 'Drained' : drainOf(node)?.outcome;
}
