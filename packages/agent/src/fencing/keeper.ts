// The keeper of the lease: knows until when it holds, which containers must not outlive it, tells the watchdog both, and says when the
// fence closes and opens. Arithmetic is in fence.ts; what pods do about it is planned in ../pods/planner/plan-fence.ts.
import type { System, Timer } from '@podplane/api/system';
import type { Log } from '../log.js';
import { type Fence, type FenceTimings, fenceAt, fenceTimings } from './fence.js';
import type { Watchdog } from './watchdog.js';

export interface FenceKeeperOptions {
  readonly system: System;
  /** ms; counts suspend, and is the same in every process of this machine. Default: the system's monotonic clock. */
  readonly clock?: (() => number) | undefined;
  /** Without it nobody ends fenced pods when the agent is gone. Only for tests. */
  readonly watchdog?: Watchdog | undefined;
  readonly log: Log;
  /** The fence closed, closed further, or opened: look at fenced pods now. */
  readonly changed: () => void;
}

/** What is known of the engine's containers, by id. */
interface Containers {
  get(id: string): { readonly state: string } | undefined;
}

const WORDS: Readonly<Record<Fence['stage'], string>> = {
  open: 'the node has a lease: fenced pods may run',
  stop: 'the lease is about to end without an answer from the server: fenced pods stop',
  kill: 'the lease ends: what is left of fenced pods is killed',
};
/** How often it is made sure that the watchdog runs, ms. */
const CHECK_MS = 10_000;
/** Before the first answer to a heartbeat after a restart the length of the lease is not known; the usual one. */
const USUAL_LEASE_MS = 15_000;
/** So long after the last lease that another node can have, nothing runs there, ms. */
const HELD_MARGIN_MS = 2_000;

export class FenceKeeper {
  readonly now: () => number;
  private until = 0;
  private leaseMs = USUAL_LEASE_MS;
  /** Until then nothing fenced is started, whatever the lease. */
  private heldUntil = 0;
  /** The server has not said yet that fenced pods may start. */
  private startsHeld = true;
  /** The server is being told what runs here, and has not answered. */
  private greeting = false;
  private timings: FenceTimings = fenceTimings(USUAL_LEASE_MS);
  /** Containers of fenced pods that run, or may run in a moment. */
  private readonly guarded = new Set<string>();
  /** Those that were guarded when the fence closed. */
  private readonly fenced = new Set<string>();
  /** Those whose lease ran out: no later one is for them. */
  private readonly lapsed = new Set<string>();
  /** Those of them that are not known to have ended. As long as there are any the fence stays closed. */
  private readonly overdue = new Set<string>();
  /** Whether what the engine has was listed, so that what is not there is gone. */
  private listed = false;
  private stage: Fence['stage'] = 'kill';
  /** What somebody who asked was told last. */
  private said: Fence['stage'] = 'kill';
  private timer: Timer | undefined;
  private checker: Timer | undefined;
  private checkedAt: number | undefined;
  private ensuring: Promise<void> | undefined;
  private stopped = false;
  private failing = '';

  constructor(private readonly options: FenceKeeperOptions) {
    this.now = options.clock ?? (() => options.system.clock.monotonic());
  }

  /** A lease outlives the agent: what the one before told the watchdog still holds. */
  start(): void {
    const word = this.options.watchdog?.last();
    if (word !== undefined) {
      for (const id of word.containerIds) this.guarded.add(id);
      this.until = word.until === 0 ? 0 : word.until + this.timings.watchdogMs;
    }
    // They may have been killed while there was no agent.
    if (this.fence.stage !== 'open') for (const id of this.guarded) this.fenced.add(id);
    this.look();
    this.check();
  }

  stop(): void {
    this.stopped = true;
    this.timer?.cancel();
    this.checker?.cancel();
  }

  get fence(): Fence {
    const fence: Fence = this.overdue.size > 0 ? { stage: 'kill' } : fenceAt(this.now(), this.until, this.timings);
    this.said = fence.stage;
    return fence;
  }

  /** When the lease ends; 0: there never was one. */
  get leaseUntil(): number {
    return this.until;
  }

  /**
   * A heartbeat was acknowledged. until: when the lease ends that it brought. What outlived the lease before (the machine slept, or was
   * frozen, and the server answers before anybody killed it) has been replaced meanwhile, and must not go on under this one.
   */
  renewed(until: number, leaseMs: number, known: Containers): void {
    if (this.stopped) return;
    if (this.fence.stage === 'kill') {
      for (const id of this.guarded) for (const set of [this.lapsed, this.overdue, this.fenced]) set.add(id);
      this.settle(known);
    }
    this.timings = fenceTimings(leaseMs);
    this.leaseMs = leaseMs;
    if (until > this.until) {
      this.until = until;
      if (this.guarded.size > 0) this.tell();
    }
    this.look();
  }

  /**
   * Must be called, and have said true, right before a container of a fenced pod is started: from then on it is killed when the lease is
   * over, whatever happens to the agent. false: not now, the fence is closed. Rejects where nobody would kill it.
   */
  async guard(containerId: string): Promise<boolean> {
    if (!this.mayStart) return false;
    await this.ensure();
    if (this.stopped || !this.mayStart) return false;
    this.guarded.add(containerId);
    this.fenced.delete(containerId);
    this.lapsed.delete(containerId);
    this.options.watchdog?.tell(this.word());
    return true;
  }

  /** Containers of fenced pods that run already, though perhaps nobody guards them yet: an agent of an older version started them. */
  adopt(containerIds: readonly string[]): void {
    // Started by a call from before the lease ran out.
    const late = containerIds.filter((id) => this.lapsed.has(id) && !this.overdue.has(id));
    const news = containerIds.filter((id) => !this.guarded.has(id) || late.includes(id));
    if (news.length === 0 || this.stopped) return;
    for (const id of late) this.overdue.add(id);
    for (const id of news) {
      this.guarded.add(id);
      if (this.stage !== 'open' || late.includes(id)) this.fenced.add(id);
    }
    this.tell();
    if (late.length > 0) this.look();
    this.ensure().catch((error: unknown) => this.problem(error));
  }

  /** Forgets containers that have ended or are gone. known: what the engine has, just listed. */
  prune(known: Containers): void {
    this.listed = true;
    const before = this.guarded.size;
    for (const id of this.guarded) {
      const state = known.get(id)?.state;
      if (state === undefined || state === 'exited' || state === 'dead') this.guarded.delete(id);
    }
    for (const set of [this.fenced, this.lapsed]) for (const id of set) if (known.get(id) === undefined) set.delete(id);
    // Or it would look for them again and again once the lease is over that it was told of last.
    if (before > 0 && this.guarded.size === 0) this.tell();
    this.settle(known);
  }

  /** Something is known of containers: opens the fence when none is left that outlived its lease. */
  settle(known: Containers): void {
    if (this.overdue.size === 0) return;
    for (const id of this.overdue) {
      const state = known.get(id)?.state;
      if (state === undefined ? this.listed : state === 'exited' || state === 'dead' || state === 'created') this.overdue.delete(id);
    }
    if (this.overdue.size > 0 || this.stopped) return;
    this.tell();
    this.look();
  }

  /**
   * An older copy of the server's data was put back: what it says shall run here may run elsewhere by now. Nothing fenced is started before
   * every lease from before is over; what runs goes on.
   */
  hold(): void {
    this.heldUntil = this.now() + Math.max(this.leaseMs, USUAL_LEASE_MS) + HELD_MARGIN_MS;
    this.options.log.warn(
      {},
      'the server works on older data than before: no fenced pod is started here until all earlier leases are over',
    );
  }

  /** A hello goes out that says what runs here: until it is answered, or was in vain, nothing is added. */
  greets(isOut: boolean): void {
    this.greeting = isOut;
  }

  /** The server says whether fenced pods may start. What runs goes on. */
  holdStarts(isHeld: boolean): void {
    const isOver = this.startsHeld && !isHeld;
    this.startsHeld = isHeld;
    if (isOver && !this.stopped) this.options.changed();
  }

  /** Whether one of these containers runs under the lease, or may in a moment. known: what the engine has. */
  guards(containerIds: readonly string[], known: Containers): boolean {
    if (this.fence.stage === 'kill') return false;
    return containerIds.some((id) => this.guarded.has(id) && !['exited', 'dead'].includes(known.get(id)?.state ?? ''));
  }

  get guardedIds(): readonly string[] {
    return [...this.guarded];
  }

  /** The container had to end because of the lease. */
  wasFenced(containerId: string): boolean {
    // After a sleep pods may have been killed before the timer said that it is time.
    if (this.guarded.has(containerId) && this.fence.stage !== 'open') this.fenced.add(containerId);
    return this.fenced.has(containerId);
  }

  /** Something happened to a container: if it was the watchdog, it is started again. */
  hint(containerId: string): void {
    if (this.options.watchdog?.is(containerId) !== true || this.guarded.size === 0) return;
    this.checkedAt = undefined;
    this.ensure().catch((error: unknown) => this.problem(error));
  }

  /** The engine was away: what was known of the watchdog does not count. */
  engineUp(): void {
    this.checkedAt = undefined;
    if (this.guarded.size > 0) this.ensure().catch((error: unknown) => this.problem(error));
  }

  private get mayStart(): boolean {
    return this.fence.stage === 'open' && !this.startsHeld && !this.greeting && this.now() >= this.heldUntil;
  }

  /** The word that stands. The watchdog is told an end that leaves it time to kill. */
  private word(): { readonly until: number; readonly containerIds: readonly string[] } {
    const until = this.overdue.size > 0 ? 0 : this.until;
    return { until: until === 0 ? 0 : Math.max(1, until - this.timings.watchdogMs), containerIds: [...this.guarded] };
  }

  private tell(): void {
    try {
      this.options.watchdog?.tell(this.word());
      this.failing = '';
    } catch (error) {
      this.problem(error); // it goes by the word before: sooner than needed, never later
    }
  }

  private ensure(): Promise<void> {
    const { watchdog } = this.options;
    if (watchdog === undefined) return Promise.resolve();
    const fresh = this.checkedAt !== undefined && this.options.system.clock.monotonic() - this.checkedAt < CHECK_MS;
    if (fresh && this.ensuring === undefined) return Promise.resolve();
    this.ensuring ??= watchdog
      .ensure()
      .then(() => {
        this.checkedAt = this.options.system.clock.monotonic();
      })
      .finally(() => {
        this.ensuring = undefined;
      });
    return this.ensuring;
  }

  private check(): void {
    this.checker = this.options.system.timers.after(
      CHECK_MS,
      () => {
        if (this.stopped) return;
        this.checkedAt = undefined;
        if (this.guarded.size > 0) this.ensure().catch((error: unknown) => this.problem(error));
        this.check();
      },
      { background: true },
    );
  }

  /** Says what the fence is now where that is news, and looks again when it will change. */
  private look(): void {
    this.timer?.cancel();
    this.timer = undefined;
    const { said } = this;
    const { fence } = this;
    const isNews = fence.stage !== this.stage;
    if (isNews) {
      if (fence.stage !== 'open') for (const id of this.guarded) this.fenced.add(id);
      this.stage = fence.stage;
      if (this.guarded.size > 0) this.options.log.warn({ containers: this.guarded.size, fence: fence.stage }, WORDS[fence.stage]);
    }
    // After a sleep a pod may have been told that the fence is closed before any timer saw it, and now a new lease has opened it.
    if (isNews || fence.stage !== said) this.options.changed();
    const at = fence.stage === 'open' ? fence.until : fence.stage === 'stop' ? fence.killAt : undefined;
    if (at === undefined || this.stopped) return;
    // Timers do not count suspend; the fence is asked by the clock that does whenever something is started.
    this.timer = this.options.system.timers.after(Math.max(1, at - this.now()), () => this.look(), { background: true });
  }

  private problem(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    if (message === this.failing) return;
    this.failing = message;
    this.options.log.error({ err: message }, 'the watchdog of fenced pods is not as it should be');
  }
}
