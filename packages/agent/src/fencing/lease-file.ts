// What the agent tells the watchdog, as bytes: until when the lease holds, and which containers must not outlive it. The layout is the one
// that watchdog-code.ts reads, which takes the end (a boot's name, for the next agent) for half an id. Written as a whole by a rename, so
// that nobody reads a part of it.
import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface LeaseWord {
  /** ms of the clock that counts suspend (CLOCK_BOOTTIME); 0: there is no lease. */
  readonly until: number;
  /** Whole ids, of 64 letters and digits. */
  readonly containerIds: readonly string[];
}

const ID_BYTES = 64;
/** What watchdog-code.ts has room for; a node has 110 pods. */
const MOST_IDS = 1023;
const BOOT_BYTES = 36;
const NAME = 'lease';

/** boot: name of the machine's boot, as times mean nothing in another one. */
export function encodeLease({ until, containerIds }: LeaseWord, boot: string): Buffer {
  if (containerIds.length > MOST_IDS)
    throw new RangeError(`${containerIds.length} fenced containers are more than a watchdog takes, ${MOST_IDS}`);
  const bytes = Buffer.alloc(8 + containerIds.length * ID_BYTES + BOOT_BYTES);
  bytes.writeBigInt64LE(BigInt(Math.max(0, Math.floor(until))) * 1_000_000n);
  for (const [index, id] of containerIds.entries()) {
    if (id.length !== ID_BYTES) throw new RangeError(`${id} is not the id of a container`);
    bytes.write(id, 8 + index * ID_BYTES, 'latin1');
  }
  bytes.write(boot.slice(0, BOOT_BYTES), bytes.length - BOOT_BYTES, 'latin1');
  return bytes;
}

/** undefined: these bytes are no such word, or one of another boot. */
export function decodeLease(bytes: Buffer, boot: string): LeaseWord | undefined {
  const end = bytes.length - BOOT_BYTES;
  if (end < 8 || (end - 8) % ID_BYTES !== 0 || bytes.toString('latin1', end).replace(/\0+$/, '') !== boot) return undefined;
  const until = Number(bytes.readBigInt64LE() / 1_000_000n);
  const containerIds: string[] = [];
  for (let at = 8; at < end; at += ID_BYTES) containerIds.push(bytes.toString('latin1', at, at + ID_BYTES));
  return until >= 0 && containerIds.every((id) => /^[0-9a-z]+$/.test(id)) ? { until, containerIds } : undefined;
}

function bootName(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim().slice(0, BOOT_BYTES);
  } catch {
    return ''; // not Linux
  }
}

/** The file in a folder that the watchdog has mounted. */
export class LeaseFile {
  constructor(
    private readonly folder: string,
    private readonly boot: string = bootName(),
  ) {}

  /** What was said last since the machine was booted; undefined: nothing that can be read. */
  read(): LeaseWord | undefined {
    try {
      return decodeLease(readFileSync(join(this.folder, NAME)), this.boot);
    } catch {
      return undefined;
    }
  }

  /** When it returns the watchdog goes by it. Throws what the file system says. */
  write(word: LeaseWord): void {
    const next = join(this.folder, `${NAME}.new`);
    mkdirSync(this.folder, { recursive: true, mode: 0o755 });
    // The watchdog may read what everybody may read; there are no secrets in it.
    writeFileSync(next, encodeLease(word, this.boot), { mode: 0o644 });
    chmodSync(next, 0o644);
    renameSync(next, join(this.folder, NAME));
  }
}
