// Where the agent's state lives between runs: one small file, replaced as a whole. What is in it is in records.ts.
import { closeSync, fsyncSync, openSync, readFileSync, renameSync } from 'node:fs';
import { open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { System, Timer } from '@podplane/api/system';
import type { Log } from '../log.js';

/** Text that survives. */
export interface StateStore {
  /** undefined: nothing was saved, or it cannot be read. */
  load(): string | undefined;
  /** Resolves when it would survive a power cut. */
  save(text: string): Promise<void>;
  /** The text that load gave makes no sense: put it aside for people to look at. */
  setAside(): void;
}

/** A file of its own, readable only by its owner (it has Secrets). Throws where an existing file may not be read. */
export function fileStateStore(path: string, log: Log): StateStore {
  return {
    load() {
      try {
        return readFileSync(path, 'utf8');
      } catch (error) {
        if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
        throw error;
      }
    },
    async save(text) {
      const part = `${path}.part`;
      const file = await open(part, 'w', 0o600);
      try {
        await file.writeFile(text);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(part, path);
      const folder = await open(dirname(path), 'r');
      try {
        await folder.sync();
      } finally {
        await folder.close();
      }
    },
    setAside() {
      const aside = `${path}.corrupt`;
      try {
        renameSync(path, aside);
        const folder = openSync(dirname(path), 'r');
        fsyncSync(folder);
        closeSync(folder);
        log.error(
          { path, aside },
          'the state file cannot be read; it was put aside and the agent starts without it (running pods are adopted by their labels)',
        );
      } catch (error) {
        log.error({ path, err: error }, 'the state file cannot be read and could not be put aside');
      }
    },
  };
}

/** For tests and simulations. */
export function memoryStateStore(): StateStore & { text: string | undefined } {
  const store: StateStore & { text: string | undefined } = {
    text: undefined,
    load: () => store.text,
    save(text) {
      store.text = text;
      return Promise.resolve();
    },
    setAside() {
      store.text = undefined;
    },
  };
  return store;
}

const DELAY_MS = 200;
const RETRY_MS = 5_000;

/** Writes the newest state, not more often than five times a second and one write at a time. */
export class StateWriter {
  private timer: Timer | undefined;
  private writing: Promise<void> | undefined;
  private dirty = false;
  private failing = false;

  constructor(
    private readonly system: System,
    private readonly store: StateStore,
    private readonly text: () => string,
    private readonly log: Log,
  ) {}

  /** Something changed. */
  changed(): void {
    this.dirty = true;
    this.schedule(DELAY_MS);
  }

  private schedule(ms: number): void {
    this.timer ??= this.system.timers.after(
      ms,
      () => {
        this.timer = undefined;
        void this.flush();
      },
      { background: true },
    );
  }

  /** Writes now what is not written yet. Does not reject: a failure is logged and repeated. */
  async flush(): Promise<void> {
    this.timer?.cancel();
    this.timer = undefined;
    if (this.writing !== undefined) await this.writing;
    if (!this.dirty) return;
    this.dirty = false;
    this.writing = this.write();
    await this.writing;
    this.writing = undefined;
    if (this.dirty) this.schedule(this.failing ? RETRY_MS : DELAY_MS);
  }

  private async write(): Promise<void> {
    try {
      await this.store.save(this.text());
      if (this.failing) this.log.info({}, 'the state file is written again');
      this.failing = false;
    } catch (error) {
      if (!this.failing)
        this.log.error({ err: error }, 'the state file could not be written; a restart of the agent would forget what changed since');
      this.failing = true;
      this.dirty = true;
    }
  }
}
