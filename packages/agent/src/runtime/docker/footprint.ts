// What a container takes of its node now: memory and processes from the engine's statistics, disk from the size of its layer and its logs.
import { statSync } from 'node:fs';
import type { ContainerFootprint } from '../types.js';
import type { Engine } from './engine.js';

interface Stats {
  readonly memory_stats?: { readonly usage?: number; readonly stats?: Readonly<Record<string, number>> };
  readonly pids_stats?: { readonly current?: number };
}

interface Sized {
  readonly SizeRw?: number;
  readonly LogPath?: string;
}

/** How many files the engine keeps of a container's log at most, beside the one that is written. */
const ROTATED = 5;

/** undefined: there is no such container. */
export async function containerFootprint(engine: Engine, id: string, what: 'processes' | 'disk'): Promise<ContainerFootprint | undefined> {
  const doing = `look at what container ${id.slice(0, 12)} uses`;
  const path = `/containers/${encodeURIComponent(id)}`;
  if (what === 'disk') {
    const found = await engine.find<Sized>(doing, { method: 'GET', path: `${path}/json`, query: { size: true } });
    return found && { memoryBytes: 0, processes: 0, diskBytes: (found.SizeRw ?? 0) + logBytes(found.LogPath ?? '') };
  }
  const stats = await engine.find<Stats>(doing, { method: 'GET', path: `${path}/stats`, query: { stream: false, 'one-shot': true } });
  return stats && { memoryBytes: workingSet(stats), processes: stats.pids_stats?.current ?? 0, diskBytes: 0 };
}

/** As the kubelet has it: without the cache of files that were not touched lately (cgroup v2, or v1). */
function workingSet({ memory_stats: memory }: Stats): number {
  const cold = memory?.stats?.['inactive_file'] ?? memory?.stats?.['total_inactive_file'] ?? 0;
  return Math.max(0, (memory?.usage ?? 0) - cold);
}

/** 0 where the engine keeps its files elsewhere. */
function logBytes(path: string): number {
  if (path === '') return 0;
  let sum = 0;
  for (let i = 0; i <= ROTATED; i++) sum += statSync(i === 0 ? path : `${path}.${i}`, { throwIfNoEntry: false })?.size ?? 0;
  return sum;
}
