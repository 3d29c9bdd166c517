// Where the agent keeps the files of volumes: in its data directory, and those with secrets in memory where the host has a place for it.
// Whether the engine sees these places is asked of the engine itself. What is in them is pod-files.ts.
import { createHash } from 'node:crypto';
import { accessSync, constants, existsSync, lstatSync, mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Log } from '../log.js';

export const TMPFS_MAGIC = 0x01021994;
const MEMORY_PLACES = ['/run', '/dev/shm'];

/** A folder of its own for each data directory, on a tmpfs; undefined: this host has none that the agent may write to. */
export function memoryFolder(dataDir: string, places: readonly string[] = MEMORY_PLACES): string | undefined {
  const name = createHash('sha256').update(dataDir).digest('hex').slice(0, 12);
  for (const place of places) {
    try {
      if (statfsSync(place).type !== TMPFS_MAGIC) continue;
      accessSync(place, constants.W_OK | constants.X_OK);
      const folder = join(place, `podplane-${name}`);
      if (!existsSync(folder) || isOurs(folder)) return folder;
    } catch {
      // Not there or not ours: the next one.
    }
  }
  return undefined;
}

/** Everybody may make folders in such places: one that is not ours alone is not used. */
export function isOurs(folder: string): boolean {
  const found = lstatSync(folder);
  return found.isDirectory() && found.uid === process.getuid?.() && (found.mode & 0o077) === 0;
}

/** True where the engine finds this path: it looks in its own file system. */
export type SeesPath = (path: string) => Promise<boolean>;

export class Roots {
  readonly disk: string;
  private memory: string | undefined;
  private ready: Promise<{ readonly memory: string | undefined }> | undefined;

  constructor(
    dataDir: string,
    private readonly seesPath: SeesPath,
    private readonly log: Log,
    memory: string | undefined = memoryFolder(dataDir),
  ) {
    this.disk = join(dataDir, 'pods');
    this.memory = memory;
  }

  /** All that may hold files of pods, also from before a restart. */
  get all(): readonly string[] {
    return this.memory === undefined ? [this.disk] : [this.memory, this.disk];
  }

  /** Where files with secrets go. Rejects where the engine does not see the agent's files. Asks once. */
  open(): Promise<{ readonly memory: string | undefined }> {
    this.ready ??= this.look().catch((error: unknown) => {
      this.ready = undefined; // the engine went away, or was started elsewhere meanwhile
      throw error;
    });
    return this.ready;
  }

  private async look(): Promise<{ readonly memory: string | undefined }> {
    if (!(await this.seen(this.disk))) {
      throw new Error(
        `the Docker Engine does not see the agent's files in ${this.disk}: agent and engine must run on the same host (and, in a container, share this folder under the same path)`,
      );
    }
    if (this.memory !== undefined && !(await this.seen(this.memory))) this.memory = undefined;
    const { memory } = this;
    this.log.info({ secrets: memory ?? this.disk, inMemory: memory !== undefined }, 'volumes with secrets are kept here');
    return { memory };
  }

  /** The engine must find what has just been made under a name that nobody can guess. */
  private async seen(root: string): Promise<boolean> {
    mkdirSync(root, { recursive: true, mode: 0o700 });
    if (root === this.memory && !isOurs(root)) return false;
    const probe = mkdtempSync(join(root, '.probe-'));
    try {
      writeFileSync(join(probe, 'x'), '');
      return await this.seesPath(join(probe, 'x'));
    } finally {
      rmSync(probe, { recursive: true, force: true });
    }
  }
}
