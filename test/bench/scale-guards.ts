// What must hold after a benchmark whatever became of its nodes, looked at from outside; a run that breaks it is void.
import type { PodplaneClient } from '@podplane/client/client';

/** As simulated nodes offer. */
const NODE = { milliCpu: 4000, mebibytes: 32 * 1024, pods: 110 };

/** As the pods of the benchmark ask. */
export interface PodSize {
  readonly milliCpu: number;
  readonly mebibytes: number;
}

/** Throws Error: a node has more than it offers, a set has not as many ready pods as it shall have, or a pod has no node. Returns what was looked at, for people. */
export async function checkFleet(client: PodplaneClient, replicas: number, size: PodSize): Promise<string> {
  const { items: pods } = await client.list('Pod', { namespace: 'default' });
  const onNode = new Map<string, number>();
  const ready = new Map<string, number>();
  const names = new Set<string>();
  for (const { metadata, spec, status } of pods) {
    const name = metadata?.name ?? '';
    if (names.has(name)) throw new Error(`there are two pods ${name}`);
    names.add(name);
    const node = spec?.nodeName ?? '';
    if (node === '') throw new Error(`pod ${name} has no node`);
    onNode.set(node, (onNode.get(node) ?? 0) + 1);
    if (status?.reason === 'NodeLost' || metadata?.deletionTimestamp !== undefined) continue;
    const set = metadata?.ownerReferences.find(({ controller }) => controller === true)?.name ?? '';
    if (status?.conditions.some(({ type, status: is }) => type === 'Ready' && is === 'True') === true)
      ready.set(set, (ready.get(set) ?? 0) + 1);
  }
  for (const [node, count] of onNode) {
    if (count > NODE.pods || count * size.milliCpu > NODE.milliCpu || count * size.mebibytes > NODE.mebibytes)
      throw new Error(`node ${node} has ${count} pods, more than it offers`);
  }
  for (const [set, count] of ready) if (count !== replicas) throw new Error(`${set} has ${count} ready pods, not ${replicas}`);
  return `${pods.length} pods of ${ready.size} sets with ${replicas} ready each, on ${onNode.size} nodes, at most ${Math.max(...onNode.values())} on one, none over what it offers`;
}
