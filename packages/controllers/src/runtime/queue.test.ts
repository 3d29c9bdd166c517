// The work queue: once each, in order of priority, delays and back-off; and against a simple model.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Priority, type Trigger, WorkQueue } from './queue.js';

const drain = (queue: WorkQueue, now = 0): string[] => {
  const keys: string[] = [];
  for (let taken = queue.take(now); taken !== undefined; taken = queue.take(now)) keys.push(taken.key);
  return keys;
};

describe('the work queue', () => {
  it('hands out each key once, the important ones first', () => {
    const queue = new WorkQueue();
    queue.add('a', 'low');
    queue.add('b');
    queue.add('c', 'high');
    queue.add('b');
    queue.add('a', 'high');
    expect(queue.size).toBe(3);
    expect(drain(queue)).toEqual(['c', 'a', 'b']);
    queue.add('b');
    expect(drain(queue)).toEqual(['b']);
  });

  it('keeps the weightiest change that asked, of equals the newest, over delays too', () => {
    const change = { kind: 'Pod', type: 'added', object: {} } as Trigger['change'];
    const of = (revision: number, weight: Trigger['weight']): Trigger => ({ revision, change, weight });
    const queue = new WorkQueue();
    queue.add('a', 'normal', of(3, 'report'));
    queue.add('a', 'low', of(7, 'report'));
    queue.add('a', 'low', of(8, 'own'));
    queue.add('a');
    expect(queue.take(0)).toEqual({ key: 'a', trigger: of(7, 'report') });
    queue.addAt('a', 50, of(1, 'decision'));
    queue.addAt('a', 100, of(9, 'report'));
    queue.addAt('a', 20, of(10, 'own'));
    queue.add('a', 'high', of(11, 'report'));
    expect(queue.take(20)).toEqual({ key: 'a', trigger: of(1, 'decision') });
    queue.addFailed('a', 20, of(12, 'report'));
    expect(queue.take(1000)).toEqual({ key: 'a', trigger: of(12, 'report') });
    queue.add('a');
    expect(queue.take(1000)).toEqual({ key: 'a', trigger: undefined });
  });

  it('keeps the earlier of two deadlines', () => {
    const queue = new WorkQueue();
    queue.addAt('a', 100);
    queue.addAt('a', 50);
    queue.addAt('a', 200);
    expect(queue.nextAt()).toBe(50);
    expect(drain(queue, 49)).toEqual([]);
    expect(drain(queue, 50)).toEqual(['a']);
    expect(drain(queue, 1000)).toEqual([]);
    expect(queue.nextAt()).toBeUndefined();
  });

  it('backs off from 5 ms to 30 s, and starts anew after a success', () => {
    const queue = new WorkQueue();
    const waits = Array.from({ length: 15 }, () => queue.addFailed('a', 0));
    expect(waits.slice(0, 4)).toEqual([5, 10, 20, 40]);
    expect(waits.slice(-2)).toEqual([30_000, 30_000]);
    queue.forget('a');
    expect(queue.addFailed('a', 0)).toBe(5);
  });

  it('behaves like a simple model', () => {
    const key = fc.constantFrom('a', 'b', 'c', 'd', 'e');
    const step = fc.oneof(
      fc.record({ do: fc.constant('add' as const), key, priority: fc.constantFrom<Priority>('high', 'normal', 'low') }),
      fc.record({ do: fc.constant('later' as const), key, in: fc.nat(30) }),
      fc.record({ do: fc.constant('take' as const), wait: fc.nat(10) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const queue = new WorkQueue();
        const due = new Map<string, number>();
        const later = new Map<string, number>();
        const ranks = { high: 0, normal: 1, low: 2 };
        let now = 0;
        for (const s of steps) {
          if (s.do === 'add') {
            queue.add(s.key, s.priority);
            due.set(s.key, Math.min(due.get(s.key) ?? 9, ranks[s.priority]));
          } else if (s.do === 'later') {
            queue.addAt(s.key, now + s.in);
            later.set(s.key, Math.min(later.get(s.key) ?? Number.POSITIVE_INFINITY, now + s.in));
          } else {
            now += s.wait;
            for (const [k, at] of later) {
              if (at > now) continue;
              later.delete(k);
              due.set(k, Math.min(due.get(k) ?? 9, 1));
            }
            const taken = queue.take(now);
            const best = Math.min(...due.values());
            if (taken === undefined) expect(due.size).toBe(0);
            else {
              expect(due.get(taken.key)).toBe(best);
              due.delete(taken.key);
            }
          }
          expect(queue.delayed).toBe(later.size);
        }
      }),
    );
  });
});
