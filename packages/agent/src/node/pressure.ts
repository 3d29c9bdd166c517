// Looks at what the host is short of: memory, disks, process ids. What follows from it is thresholds.ts.
import { readFileSync, statfsSync } from 'node:fs';

export interface DiskReading {
  readonly totalBytes: number;
  readonly availableBytes: number;
  readonly inodesTotal: number;
  readonly inodesFree: number;
}

/** What cannot be read is undefined. */
export interface HostReading {
  readonly memoryTotalBytes: number | undefined;
  readonly memoryAvailableBytes: number | undefined;
  /** All pods of the node together, where their cgroup has a limit. */
  readonly podsMemory?: { readonly limitBytes: number; readonly usedBytes: number } | undefined;
  /** Where the agent's own files are (the kubelet's nodefs). */
  readonly disk: DiskReading | undefined;
  /** Where the engine keeps images, containers and volumes (imagefs). Often the same disk. */
  readonly imageDisk: DiskReading | undefined;
  readonly pidsUsed: number | undefined;
  readonly pidsMax: number | undefined;
}

/** A host of which nothing is known. */
export const NO_READING: HostReading = {
  memoryTotalBytes: undefined,
  memoryAvailableBytes: undefined,
  disk: undefined,
  imageDisk: undefined,
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

function readDisk(folder: string): DiskReading | undefined {
  return attempt(() => {
    const disk = statfsSync(folder);
    return {
      totalBytes: disk.blocks * disk.bsize,
      availableBytes: disk.bavail * disk.bsize,
      inodesTotal: disk.files,
      inodesFree: disk.ffree,
    };
  });
}

/** folder: the agent's own; engineFolder: where the engine keeps its data, on this machine; undefined: not seen from here. */
export function readHost(folder: string, engineFolder: string | undefined): HostReading {
  const memory = attempt(() => readFileSync('/proc/meminfo', 'latin1')) ?? '';
  const kilobytes = (name: string): number | undefined => {
    const found = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(memory)?.[1];
    return found === undefined ? undefined : Number(found) * 1024;
  };
  return {
    memoryTotalBytes: kilobytes('MemTotal'),
    memoryAvailableBytes: kilobytes('MemAvailable'),
    disk: readDisk(folder),
    imageDisk: engineFolder === undefined ? undefined : readDisk(engineFolder),
    pidsUsed: attempt(() => {
      const used = /^\S+ \S+ \S+ \d+\/(\d+) /.exec(readFileSync('/proc/loadavg', 'latin1'))?.[1];
      return used === undefined ? undefined : Number(used);
    }),
    pidsMax: attempt(() => Number(readFileSync('/proc/sys/kernel/pid_max', 'latin1'))),
  };
}
