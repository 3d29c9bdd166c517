// The limit of engine calls: never more than allowed, order of what waits, kills pass, a waiting stop gives its place back.
import type { Timer, Timers } from '@podplane/api/system';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CallRank, EngineLimit } from './engine-limit.js';

class ManualTimers implements Timers {
  readonly pending: { ms: number; fn: () => void; cancelled: boolean }[] = [];
  after(ms: number, fn: () => void): Timer {
    const entry = { ms, fn, cancelled: false };
    this.pending.push(entry);
    return { cancel: () => (entry.cancelled = true) };
  }
  soon(fn: () => void): void {
    queueMicrotask(fn);
  }
  fire(): void {
    for (const entry of this.pending.splice(0)) if (!entry.cancelled) entry.fn();
  }
}

const settle = async (): Promise<void> => {
  for (let i = 0; i < 10; i++) await Promise.resolve();
};

function gate(): { open: () => void; run: () => Promise<void> } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { open: resolve, run: () => promise };
}

describe('EngineLimit', () => {
  it('never runs more than its maximum and finishes everything, whatever the order and the failures', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 4 }),
        fc.array(fc.record({ rank: fc.constantFrom(0, 1, 2, 3, 4), fail: fc.boolean(), turns: fc.integer({ min: 0, max: 4 }) }), {
          maxLength: 30,
        }),
        async (max, calls) => {
          const limit = new EngineLimit(max, new ManualTimers());
          let now = 0;
          let most = 0;
          const results = await Promise.allSettled(
            calls.map((call) =>
              limit.run(call.rank as CallRank, async () => {
                most = Math.max(most, ++now);
                for (let i = 0; i < call.turns; i++) await Promise.resolve();
                now--;
                if (call.fail) throw new Error('no');
              }),
            ),
          );
          expect(most).toBeLessThanOrEqual(max);
          expect(results.map((result) => result.status === 'rejected')).toEqual(calls.map((call) => call.fail));
          expect([limit.running, limit.waiting]).toEqual([0, 0]);
        },
      ),
    );
  });

  it('starts what waits by rank, and in order within a rank', async () => {
    const limit = new EngineLimit(1, new ManualTimers());
    const first = gate();
    const order: string[] = [];
    const note = (name: string) => async (): Promise<void> => {
      order.push(name);
    };
    const all = [
      limit.run(CallRank.createPause, first.run),
      limit.run(CallRank.createPause, note('pause of b')),
      limit.run(CallRank.startPause, note('start pause of a')),
      limit.run(CallRank.createPause, note('pause of c')),
      limit.run(CallRank.startApp, note('start app of a')),
      limit.run(CallRank.stop, note('stop')),
    ];
    await settle();
    expect(order).toEqual([]);
    first.open();
    await Promise.all(all);
    expect(order).toEqual(['stop', 'start app of a', 'start pause of a', 'pause of b', 'pause of c']);
  });

  it('lets kills pass a full limit', async () => {
    const limit = new EngineLimit(1, new ManualTimers());
    const first = gate();
    const busy = limit.run(CallRank.startPause, first.run);
    await expect(limit.run(CallRank.fence, async () => 'killed')).resolves.toBe('killed');
    first.open();
    await busy;
  });

  it('gives the place of a long stop back, once', async () => {
    const timers = new ManualTimers();
    const limit = new EngineLimit(1, timers);
    const stop = gate();
    const stopping = limit.run(CallRank.stop, stop.run, 1000);
    let started = false;
    const start = limit.run(CallRank.startApp, async () => {
      started = true;
    });
    await settle();
    expect(started).toBe(false);
    timers.fire();
    await start;
    expect(started).toBe(true);
    stop.open();
    await stopping;
    expect(limit.running).toBe(0);
  });
});
