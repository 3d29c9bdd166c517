// What carrying bytes costs every process that takes part, CPU seconds a GiB: unlike MB/s it is the same on a loaded machine. dockerd is
// the whole engine, with what others ask of it meanwhile.
import { cpuSeconds, type ProcessTimes, processes } from './cpu-of.js';
import type { Row } from './table.js';

const GIB = 2 ** 30;

export interface Parties {
  /** `podplane` commands that run on. */
  readonly client: () => readonly number[];
  readonly server: number;
  readonly agent: number;
  readonly containerId: string;
}

type Costs = Readonly<Record<string, number>>;

/** CPU seconds so far. Commands that have ended are children of this process that have been waited for. */
export function costsSoFar({ client, server, agent, containerId }: Parties): Costs {
  const running = new Set(client());
  const isShim = (one: ProcessTimes): boolean => one.command.includes('containerd-shim') && one.command.includes(containerId);
  const all = processes();
  const shim = all.find(isShim);
  const inside = all.filter((one) => shim !== undefined && one.pid !== shim.pid && leadsTo(one, shim.pid, all));
  const self = all.find((one) => one.pid === process.pid);
  const { dockerd = 0 } = cpuSeconds({ dockerd: (one) => /(^|\/)dockerd( |$)/.test(one.command) });
  const own = (pid: number): number => all.find((one) => one.pid === pid)?.seconds ?? 0;
  return {
    client: (self?.childSeconds ?? 0) + [...running].reduce((sum, pid) => sum + own(pid), 0),
    bench: self?.seconds ?? 0,
    server: own(server),
    agent: own(agent),
    dockerd,
    shim: shim?.seconds ?? 0,
    container: (shim?.childSeconds ?? 0) + inside.reduce((sum, one) => sum + one.seconds + one.childSeconds, 0),
  };
}

function leadsTo(one: ProcessTimes, ancestor: number, all: readonly ProcessTimes[]): boolean {
  if (one.parent === ancestor) return true;
  const parent = one.parent > 1 ? all.find(({ pid }) => pid === one.parent) : undefined;
  return parent !== undefined && leadsTo(parent, ancestor, all);
}

/** Columns: CPU seconds a GiB of each, and of all together. bytes: that were carried in between. */
export function costColumns(before: Costs, after: Costs, bytes: number): Row {
  const perGiB = Object.entries(after).map(([name, seconds]) => [name, ((seconds - (before[name] ?? 0)) * GIB) / bytes] as const);
  const all = perGiB.reduce((sum, [, seconds]) => sum + seconds, 0);
  return Object.fromEntries([...perGiB, ['all, CPU s/GiB', all]].map(([name, value]) => [name, (value as number).toFixed(2)]));
}
