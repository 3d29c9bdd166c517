// The watchdog in the node's Docker Engine, and the file by which it is told. The file is on a tmpfs where the host has one that agent and
// engine share, as it is written with every heartbeat; else in the agent's data directory.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DockerRuntime } from '../runtime/docker/docker-runtime.js';
import { isOurs, memoryFolder } from '../volumes/roots.js';
import { LeaseFile, type LeaseWord } from './lease-file.js';
import type { Watchdog } from './watchdog.js';

export interface DockerWatchdogOptions {
  readonly nodeName: string;
  readonly dataDir: string;
  readonly runtime: Pick<DockerRuntime, 'ensureWatchdog' | 'seesPath'>;
}

export class DockerWatchdog implements Watchdog {
  /** Folders that may be used, the better ones first. */
  private readonly places: readonly string[];
  private place: string | undefined;
  private containerId = '';
  private word: LeaseWord | undefined;

  constructor(private readonly options: DockerWatchdogOptions) {
    const memory = memoryFolder(options.dataDir);
    // In the first one, names with a dot are not taken for files of pods.
    this.places = [...(memory === undefined ? [] : [join(memory, '.fence')]), join(options.dataDir, 'fence')];
  }

  last(): LeaseWord | undefined {
    for (const place of this.places) {
      const word = new LeaseFile(place).read();
      if (word === undefined) continue;
      this.place = place;
      this.word = word;
      return word;
    }
    return undefined;
  }

  tell(word: LeaseWord): void {
    this.word = word;
    // Before it is known where the engine looks there is no watchdog that could read it.
    if (this.place !== undefined) new LeaseFile(this.place).write(word);
  }

  async ensure(): Promise<void> {
    const { runtime, nodeName } = this.options;
    this.place ??= await this.find();
    // It must not begin without a word, nor with an old one.
    if (this.word !== undefined) new LeaseFile(this.place).write(this.word);
    else mkdirSync(this.place, { recursive: true });
    this.containerId = await runtime.ensureWatchdog(nodeName, this.place);
  }

  is(containerId: string): boolean {
    return containerId === this.containerId;
  }

  private async find(): Promise<string> {
    for (const place of this.places) if (await this.seen(place)) return place;
    throw new Error(
      `the Docker Engine does not see the agent's files in ${this.places.at(-1)}: agent and engine must run on the same host (and, in a container, share this folder under the same path)`,
    );
  }

  /** The engine must find what has just been made under a name that nobody can guess. */
  private async seen(place: string): Promise<boolean> {
    const parent = join(place, '..');
    mkdirSync(parent, { recursive: true, mode: 0o700 });
    if (place !== this.places.at(-1) && !isOurs(parent)) return false;
    mkdirSync(place, { recursive: true, mode: 0o755 });
    const probe = mkdtempSync(join(place, 'probe-'));
    try {
      writeFileSync(join(probe, 'x'), '');
      return await this.options.runtime.seesPath(join(probe, 'x'));
    } finally {
      rmSync(probe, { recursive: true, force: true });
    }
  }
}
