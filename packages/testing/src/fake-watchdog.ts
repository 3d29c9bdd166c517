// A watchdog on a virtual clock and the fake engine: it outlives the agent, as the real one does. For simulations and tests of the agent.
import type { LeaseWord } from '@podplane/agent/fencing/lease-file';
import type { Watchdog } from '@podplane/agent/fencing/watchdog';
import type { System, Timer } from '@podplane/api/system';

export interface FakeWatchdogOptions {
  readonly system: System;
  /** Clock of leases, ms. Default: the system's monotonic one. */
  readonly clock?: () => number;
  /** A container's first process ends with SIGKILL, whatever the engine does; not there or ended: nothing. */
  readonly kill: (containerId: string) => void;
}

/** As the real one: it looks again after at most a second, and every 50 ms while the lease is over. While it has nobody to watch it is not woken. */
const LOOK_MS = 1000;
const AGAIN_MS = 50;

export class FakeWatchdog implements Watchdog {
  readonly id = 'watchdog';
  /** Whether its process runs; tests may end it, and ensure() starts it again. */
  running = false;
  /** ensure() fails with this. */
  broken: Error | undefined;
  /** How often it was started. */
  starts = 0;
  /** How often it went through all processes to find those that have to end. */
  kills = 0;
  private word: LeaseWord | undefined;
  private timer: Timer | undefined;

  constructor(private readonly options: FakeWatchdogOptions) {}

  last(): LeaseWord | undefined {
    return this.word;
  }

  tell(word: LeaseWord): void {
    this.word = word;
    if (this.running && this.timer === undefined) this.later(LOOK_MS);
  }

  ensure(): Promise<void> {
    if (this.broken !== undefined) return Promise.reject(this.broken);
    if (!this.running) {
      this.running = true;
      this.starts++;
      this.look();
    }
    return Promise.resolve();
  }

  is(containerId: string): boolean {
    return containerId === this.id;
  }

  /** Its process ends. */
  end(): void {
    this.running = false;
    this.timer?.cancel();
    this.timer = undefined;
  }

  /** The machine goes off: what it was told means nothing in the next boot. */
  powerOff(): void {
    this.end();
    this.word = undefined;
  }

  private look(): void {
    this.timer = undefined;
    if (!this.running || this.word === undefined || this.word.containerIds.length === 0) return;
    const { system, clock = () => system.clock.monotonic() } = this.options;
    const left = this.word.until - clock();
    if (left <= 0) {
      this.kills++;
      for (const id of this.word.containerIds) this.options.kill(id);
    }
    this.later(left <= 0 ? AGAIN_MS : Math.min(LOOK_MS, Math.max(1, left)));
  }

  private later(ms: number): void {
    this.timer = this.options.system.timers.after(ms, () => this.look(), { background: true });
  }
}
