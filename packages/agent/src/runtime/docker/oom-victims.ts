// Which containers the kernel took a process from for want of memory. Where a cgroup of several containers runs full, engines on cgroup version 1
// hear of it for each of them, and say OOMKilled of those too that end by another SIGKILL later. The kernel's log names the one that it chose.
import { closeSync, constants, openSync, readFileSync, readSync } from 'node:fs';

/** killed: a process of it was. spared: none was, and the log would say so. unknown: the log does not go back that far, or cannot be read. */
export type OomVerdict = 'killed' | 'spared' | 'unknown';

const RECORD_BYTES = 8192;
/** Clocks of the log and of the engine differ by less. */
const SLACK_SECONDS = 10;

/** The kernel's log from its oldest record on; undefined: it cannot be read. */
function readKernelLog(): readonly string[] | undefined {
  let file: number | undefined;
  try {
    file = openSync('/dev/kmsg', constants.O_RDONLY | constants.O_NONBLOCK);
    const records: string[] = [];
    const buffer = Buffer.alloc(RECORD_BYTES);
    for (;;) {
      try {
        const length = readSync(file, buffer);
        if (length === 0) return records;
        records.push(buffer.toString('latin1', 0, length));
      } catch (error) {
        const code = error instanceof Error && 'code' in error ? error.code : undefined;
        if (code === 'EAGAIN') return records;
        if (code !== 'EPIPE') throw error; // EPIPE: it was overwritten while it was read; the next one is there
      }
    }
  } catch {
    return undefined;
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

function upSeconds(): number | undefined {
  try {
    return Number.parseFloat(readFileSync('/proc/uptime', 'latin1'));
  } catch {
    return undefined;
  }
}

/** agoMs: how long ago the container ended. A record is "priority,number,microseconds since boot,flags;text". */
export function oomVerdict(containerId: string, agoMs: number, log = readKernelLog(), up = upSeconds()): OomVerdict {
  if (log === undefined || up === undefined) return 'unknown';
  const explained = new Set(['']);
  for (const record of log) {
    const [, group = '', pid = ''] = /;oom-kill:.*\btask_memcg=([^,]*),.*\bpid=(\d+)/.exec(record) ?? [];
    // Before Linux 5.0 it is another line, which names no process.
    const before = /;Task in (\S+) killed as a result of limit/.exec(record)?.[1] ?? '';
    if (group.includes(containerId) || before.includes(containerId)) return 'killed';
    explained.add(pid);
  }
  // Of many in a short time the kernel says only that they were killed, not of which cgroup they were.
  if (log.some((record) => !explained.has(/\bKilled process (\d+)/.exec(record)?.[1] ?? ''))) return 'unknown';
  const oldest = Number(/^\d+,\d+,(\d+),/.exec(log[0] ?? '')?.[1] ?? Number.NaN) / 1e6;
  return up - oldest > agoMs / 1000 + SLACK_SECONDS ? 'spared' : 'unknown';
}
