// podplane.api.v1.Pods.Usage: what nodes and their pods take now, asked of all connected nodes at once. Nothing is kept.
import type { UsageRequest, UsageResponse } from '@podplane/api/gen/podplane/api/v1/pods';
import type { UsageReport } from '@podplane/api/gen/podplane/node/v1/tunnel';
import type { ReadView } from '@podplane/store/types';
import { nodeError, type Tunnels } from '../tunnels/tunnels.js';

/** A node that does not answer in this time is silent: the others are worth more than a wait for it. */
const NODE_MS = 5_000;

export async function usageOf(
  request: UsageRequest,
  nodes: readonly string[],
  tunnels: Tunnels,
  view: () => ReadView,
  signal: AbortSignal,
): Promise<UsageResponse> {
  const answer: UsageResponse = { pods: [], nodes: [], silentNodes: [] };
  const asked = await Promise.all(nodes.map(async (name) => ({ name, report: await ask(name, tunnels, signal).catch(() => undefined) })));
  signal.throwIfAborted();
  for (const { name, report } of asked) {
    if (report === undefined) {
      answer.silentNodes.push(name);
      continue;
    }
    const { time, windowMillis, cpuNanoCores, memoryBytes } = report;
    answer.nodes.push({ name, time, windowMillis, cpuNanoCores, memoryBytes });
    const byPod = Map.groupBy(report.containers, ({ podUid }) => podUid);
    for (const [uid, containers] of byPod) {
      const pod = view().byUid('Pod', uid);
      const namespace = pod?.metadata?.namespace ?? '';
      // A node speaks for its own pods only.
      if (pod === undefined || pod.spec?.nodeName !== name || (request.namespace !== '' && namespace !== request.namespace)) continue;
      answer.pods.push({
        namespace,
        name: pod.metadata?.name ?? '',
        time,
        windowMillis,
        containers: containers.map((one) => ({ name: one.container, cpuNanoCores: one.cpuNanoCores, memoryBytes: one.memoryBytes })),
      });
    }
  }
  return answer;
}

async function ask(node: string, tunnels: Tunnels, signal: AbortSignal): Promise<UsageReport | undefined> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(NODE_MS)]);
  const peer = await tunnels.open(node, { $case: 'usage', value: {} }, limit);
  const close = (): void => peer.close();
  limit.addEventListener('abort', close, { once: true });
  try {
    for await (const message of peer.messages) {
      if (message.$case === 'usage') return message.value;
      if (message.$case === 'error') throw nodeError(message.value.reason, message.value.message);
    }
    return undefined;
  } finally {
    limit.removeEventListener('abort', close);
    peer.close();
  }
}
