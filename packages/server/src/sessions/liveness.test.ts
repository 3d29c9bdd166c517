import { HandSystem } from '@podplane/store/testkit/hand-system';
import { describe, expect, it } from 'vitest';
import { Liveness } from './liveness.js';

describe('liveness', () => {
  it('knows when a node was heard, whether it is connected, and its goodbye', async () => {
    const system = new HandSystem();
    const liveness = new Liveness(system, () => 1000, { over: () => 0 });
    expect([liveness.lastHeard('n1'), liveness.connected('n1'), liveness.saidGoodbye('n1')]).toEqual([undefined, false, false]);
    await system.advance(500);
    liveness.opened('n1');
    await system.advance(500);
    liveness.heard('n1');
    expect([liveness.lastHeard('n1'), liveness.lastHeardWall('n1'), liveness.connected('n1')]).toEqual([1000, system.clock.now(), true]);
    liveness.goodbye('n1');
    liveness.closed('n1');
    expect([liveness.connected('n1'), liveness.saidGoodbye('n1'), liveness.lastHeard('n1')]).toEqual([false, true, 1000]);
    liveness.opened('n1');
    expect(liveness.saidGoodbye('n1')).toBe(false);
    liveness.forget('n1'); // still connected
    expect(liveness.lastHeard('n1')).toBeDefined();
    liveness.closed('n1');
    liveness.forget('n1');
    expect(liveness.lastHeard('n1')).toBeUndefined();
    liveness[Symbol.dispose]();
  });

  it('credits a stall of our own loop, before and after the ticker has noticed it, and forgets it', async () => {
    const system = new HandSystem();
    let stalled = 0;
    const slow = {
      timers: system.timers,
      random: system.random,
      clock: { ...system.clock, monotonic: () => system.clock.monotonic() + stalled },
    };
    const liveness = new Liveness(slow, () => 1000, { over: () => 0 });
    await system.advance(1000);
    expect(liveness.stallCredit).toBe(0);
    stalled = 2000; // nothing ran for two seconds
    expect(liveness.stallCredit).toBeGreaterThan(1800);
    await system.advance(100);
    const credit = liveness.stallCredit;
    expect(credit).toBeGreaterThan(1800);
    expect(credit).toBeLessThan(2200);
    await system.advance(40_000);
    expect(liveness.stallCredit).toBe(0);
    liveness[Symbol.dispose]();
  });
});
