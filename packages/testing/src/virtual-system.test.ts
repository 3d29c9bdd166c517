// The virtual world keeps its promises: order, cancellation, determinism.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VirtualSystem } from './virtual-system.js';

describe('VirtualSystem', () => {
  it('fires timers in order of time, then of creation', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 50 }), { maxLength: 60 }), async (delays) => {
        const world = new VirtualSystem(7);
        const seen: [number, number][] = [];
        delays.forEach((delay, index) => world.timers.after(delay, () => seen.push([world.elapsed, index])));
        await world.advance(50);
        const expected = delays.map((delay, index) => [delay, index] as [number, number]).sort((a, b) => a[0] - b[0] || a[1] - b[1]);
        expect(seen).toEqual(expected);
      }),
      { numRuns: 30 },
    );
  });

  it('does not fire what was cancelled, and settles promises between two timers', async () => {
    const world = new VirtualSystem(1);
    const seen: string[] = [];
    const gone = world.timers.after(5, () => seen.push('never'));
    world.timers.after(4, () => {
      gone.cancel();
      void Promise.resolve()
        .then(() => Promise.resolve())
        .then(() => seen.push('promise'));
    });
    world.timers.after(4, () => seen.push('second timer'));
    await world.advance(10);
    expect(seen).toEqual(['promise', 'second timer']);
    expect(world.elapsed).toBe(10);
  });

  it('gives the same numbers for the same seed and others for another', () => {
    const draw = (seed: number): string[] => {
      const { random } = new VirtualSystem(seed);
      return [random.uid(), random.suffix(5), String(random.next())];
    };
    expect(draw(3)).toEqual(draw(3));
    expect(draw(3)).not.toEqual(draw(4));
  });

  it('steps only the wall clock when told', () => {
    const world = new VirtualSystem(1);
    const wall = world.clock.now();
    world.stepWallClock(-60_000);
    expect(world.clock.now()).toBe(wall - 60_000);
    expect(world.clock.monotonic()).toBe(0);
  });
});
