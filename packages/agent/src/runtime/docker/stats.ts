// What a container has used, as the engine counts it: for engines whose processes the agent does not see.
import type { Engine } from './engine.js';

interface Stats {
  readonly cpu_stats?: { readonly cpu_usage?: { readonly total_usage?: number } };
  readonly memory_stats?: { readonly usage?: number; readonly stats?: Readonly<Record<string, number>> };
}

/** undefined: it does not run. */
export async function containerUsage(
  engine: Engine,
  containerId: string,
): Promise<{ readonly cpuNanos: number; readonly memoryBytes: number } | undefined> {
  const found = await engine.find<Stats>(`ask what container ${containerId.slice(0, 12)} uses`, {
    method: 'GET',
    path: `/containers/${encodeURIComponent(containerId)}/stats`,
    query: { stream: false, 'one-shot': true },
  });
  const cpuNanos = found?.cpu_stats?.cpu_usage?.total_usage;
  if (cpuNanos === undefined) return undefined;
  const { usage = 0, stats = {} } = found?.memory_stats ?? {};
  return { cpuNanos, memoryBytes: Math.max(0, usage - (stats['total_inactive_file'] ?? stats['inactive_file'] ?? 0)) };
}
