// A machine with a clock of its own, and processes on it that can be killed and stopped in the middle of anything. What is injected into a
// process (timers, results of calls, messages) reaches it only while it lives and runs. Who runs in it is agent-machine.ts and control-plane.ts.
import type { System, Timer } from '@podplane/api/system';
import type { VirtualSystem } from '../virtual-system.js';

export interface MachineClock {
  /** How far the wall clock is off, ms. */
  readonly skewMs: number;
  /** How fast time goes here: 1.0001 is 100 ppm too fast. */
  readonly rate: number;
}

class Waiting implements Timer {
  cancelled = false;
  timer: Timer | undefined;

  constructor(
    readonly fn: () => void,
    /** In time during which the machine was awake, ms of the world. */
    readonly due: number,
  ) {}

  cancel(): void {
    this.cancelled = true;
    this.timer?.cancel();
  }
}

/** Time and timers as a machine has them; it can be suspended. */
export class Machine implements System {
  readonly random: System['random'];
  readonly clock: System['clock'];
  readonly timers: System['timers'];
  /** What goes by the clock that counts suspend: it and its timers. A timer that came due meanwhile fires when the machine wakes. */
  readonly boot: System;
  private skewMs: number;
  private suspendedAt: number | undefined;
  private sleptMs = 0;
  private asleep: (() => void)[] = [];

  constructor(
    readonly world: VirtualSystem,
    { skewMs, rate }: MachineClock = { skewMs: 0, rate: 1 },
  ) {
    this.skewMs = skewMs;
    this.random = world.random;
    // Machines were not all started in the same moment: nobody may compare monotonic times of two of them.
    const booted = world.random.next() * 1e7;
    const now = (): number => world.clock.now() + Math.round(this.skewMs);
    this.clock = { now, monotonic: () => booted + this.awake * rate };
    // As Node's: nothing that is waited for comes in less than a millisecond.
    const worldMs = (ms: number): number => (ms > 0 && ms < 1 ? 1 : ms / rate);
    this.timers = { after: (ms, fn) => this.schedule(worldMs(ms), fn), soon: (fn) => void this.schedule(0, fn) };
    const whenAwake = (fn: () => void): void => {
      if (this.suspendedAt === undefined) fn();
      else this.asleep.push(fn);
    };
    this.boot = {
      random: this.random,
      clock: { now, monotonic: () => booted + world.elapsed * rate },
      timers: {
        after: (ms, fn) => world.timers.after(worldMs(ms), () => whenAwake(fn)),
        soon: (fn) => world.timers.soon(() => whenAwake(fn)),
      },
    };
  }

  /** Sets the wall clock; what is monotonic stays. */
  stepClock(ms: number): void {
    this.skewMs += ms;
  }

  get suspended(): boolean {
    return this.suspendedAt !== undefined;
  }

  /** The whole machine sleeps: nothing runs on it, and its monotonic clock stands still. */
  suspend(): void {
    this.suspendedAt ??= this.world.elapsed;
  }

  wake(): void {
    if (this.suspendedAt === undefined) return;
    this.sleptMs += this.world.elapsed - this.suspendedAt;
    this.suspendedAt = undefined;
    const due = this.asleep;
    this.asleep = [];
    for (const fn of due) this.world.timers.soon(fn);
  }

  /** Ms of the world that the machine was not suspended. */
  private get awake(): number {
    return (this.suspendedAt ?? this.world.elapsed) - this.sleptMs;
  }

  private schedule(ms: number, fn: () => void): Timer {
    const waiting = new Waiting(fn, this.awake + Math.max(0, ms));
    this.arm(waiting, ms);
    return waiting;
  }

  private arm(waiting: Waiting, ms: number): void {
    waiting.timer = this.world.timers.after(ms, () => {
      if (waiting.cancelled) return;
      if (this.suspendedAt !== undefined) this.asleep.push(() => this.arm(waiting, waiting.due - this.awake));
      else if (this.sleptMs > 0 && waiting.due - this.awake > 1e-6) this.arm(waiting, waiting.due - this.awake);
      else waiting.fn();
    });
  }
}

type ProcessState = 'running' | 'hung' | 'dead';

/** One process. Its System is itself. */
export class SimulatedProcess implements System {
  readonly clock: System['clock'];
  readonly random: System['random'];
  readonly timers: System['timers'];
  private state: ProcessState = 'running';
  private waiting: (() => void)[] = [];
  private readonly atDeath = new Set<() => void>();

  constructor(readonly machine: Machine) {
    this.clock = machine.clock;
    this.random = machine.random;
    this.timers = {
      after: (ms, fn) => this.schedule(ms, fn),
      soon: (fn) => {
        this.schedule(0, fn);
      },
    };
  }

  get alive(): boolean {
    return this.state !== 'dead';
  }

  get running(): boolean {
    return this.state === 'running';
  }

  /** Runs fn inside of the process: at once, when it goes on, or never. */
  enter(fn: () => void): void {
    if (this.state === 'running') fn();
    else if (this.state === 'hung') this.waiting.push(fn);
  }

  /** A result as the process sees it. Of a dead one it is never settled. */
  guard<T>(promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      promise.then(
        (value) => this.enter(() => resolve(value)),
        (error: unknown) => this.enter(() => reject(error instanceof Error ? error : new Error(String(error)))),
      );
    });
  }

  /** What the kernel does when the process is gone. Returns how to forget it. */
  onDeath(fn: () => void): () => void {
    this.atDeath.add(fn);
    return () => void this.atDeath.delete(fn);
  }

  /** SIGKILL. */
  kill(): void {
    if (this.state === 'dead') return;
    this.state = 'dead';
    this.waiting = [];
    for (const fn of [...this.atDeath]) fn();
    this.atDeath.clear();
  }

  /** SIGSTOP. */
  hang(): void {
    if (this.state === 'running') this.state = 'hung';
  }

  /** SIGCONT: everything that came meanwhile, in the order in which it came, each in a turn of its own. */
  resume(): void {
    if (this.state !== 'hung') return;
    this.state = 'running';
    const due = this.waiting;
    this.waiting = [];
    for (const fn of due) this.machine.world.timers.soon(() => this.enter(fn));
  }

  private schedule(ms: number, fn: () => void): Timer {
    const timer = new ProcessTimer(fn);
    if (this.state !== 'dead') timer.machine = this.machine.timers.after(ms, () => this.due(timer));
    return timer;
  }

  private due(timer: ProcessTimer): void {
    if (this.state === 'running') timer.fn();
    else
      this.enter(() => {
        if (!timer.cancelled) timer.fn();
      });
  }
}

/** A timer of a process; the machine's may have fired already when the process goes on. */
class ProcessTimer implements Timer {
  cancelled = false;
  machine: Timer | undefined;

  constructor(readonly fn: () => void) {}

  cancel(): void {
    this.cancelled = true;
    this.machine?.cancel();
  }
}

/** An object whose methods are calls to something outside: their results come to the process only while it can take them. */
export function seenFrom<T extends object>(process: SimulatedProcess, outside: T): T {
  const methods = new Map<PropertyKey, unknown>();
  return new Proxy(outside, {
    get(target, key) {
      const known = methods.get(key);
      if (known !== undefined) return known;
      const value: unknown = Reflect.get(target, key);
      if (typeof value !== 'function') return value;
      const method = (...args: unknown[]): unknown => {
        if (!process.alive) return new Promise<never>(() => undefined);
        const result: unknown = Reflect.apply(value, target, args);
        if (result instanceof Promise) return process.guard(result);
        return isAsyncGenerator(result) ? iterate(process, result) : result;
      };
      methods.set(key, method);
      return method;
    },
  });
}

function isAsyncGenerator(value: unknown): value is AsyncGenerator<unknown, void, void> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value;
}

async function* iterate(process: SimulatedProcess, source: AsyncGenerator<unknown, void, void>): AsyncGenerator<unknown, void, void> {
  // The one who made it dies without a word; the other side sees its connection end.
  const forget = process.onDeath(() => void source.return(undefined));
  try {
    for (;;) {
      const step = await process.guard(source.next());
      if (step.done === true) return;
      yield step.value;
    }
  } finally {
    forget();
    void source.return(undefined);
  }
}
