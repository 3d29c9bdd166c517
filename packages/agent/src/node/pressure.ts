// Looks at what the host is short of: memory, disk, process ids. What follows from it is in node-status.ts.
import { readFileSync, statfsSync } from 'node:fs';

export interface HostReading {
  readonly memoryAvailableBytes: number | undefined;
  readonly diskTotalBytes: number | undefined;
  readonly diskAvailableBytes: number | undefined;
  readonly pidsUsed: number | undefined;
  readonly pidsMax: number | undefined;
}

const NOTHING: HostReading = {
  memoryAvailableBytes: undefined,
  diskTotalBytes: undefined,
  diskAvailableBytes: undefined,
  pidsUsed: undefined,
  pidsMax: undefined,
};

function attempt<T>(read: () => T | undefined): T | undefined {
  try {
    return read();
  } catch {
    return undefined; // not Linux, or hidden in a container
  }
}

/** folder: where containers' data is, or the agent's own. What cannot be read is undefined. */
export function readHost(folder: string): HostReading {
  const disk = attempt(() => statfsSync(folder));
  return {
    ...NOTHING,
    memoryAvailableBytes: attempt(() => {
      const kilobytes = /^MemAvailable:\s+(\d+) kB$/m.exec(readFileSync('/proc/meminfo', 'latin1'))?.[1];
      return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
    }),
    diskTotalBytes: disk === undefined ? undefined : disk.blocks * disk.bsize,
    diskAvailableBytes: disk === undefined ? undefined : disk.bavail * disk.bsize,
    pidsUsed: attempt(() => {
      const used = /^\S+ \S+ \S+ \d+\/(\d+) /.exec(readFileSync('/proc/loadavg', 'latin1'))?.[1];
      return used === undefined ? undefined : Number(used);
    }),
    pidsMax: attempt(() => Number(readFileSync('/proc/sys/kernel/pid_max', 'latin1'))),
  };
}
