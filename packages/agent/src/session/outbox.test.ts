import { PodStatus } from '@podplane/api/gen/podplane/core/v1/pod';
import type { PodReport } from '@podplane/api/gen/podplane/node/v1/session';
import { describe, expect, it } from 'vitest';
import { Lease } from './lease.js';
import { EventOutbox, StatusOutbox } from './outbox.js';

function report(uid: string, phase: string, terminated = false): PodReport {
  return { uid, namespace: 'd', name: uid, status: PodStatus.fromJSON({ phase }), terminated };
}

describe('StatusOutbox', () => {
  it('keeps the latest of each pod and one batch in flight', () => {
    const box = new StatusOutbox();
    box.put(report('a', 'Pending'), false);
    box.put(report('a', 'Running'), false);
    box.put(report('b', 'Pending'), true);
    expect(box.isUrgent).toBe(true);
    const batch = box.take();
    expect(batch?.reports.map(({ uid, status }) => [uid, status?.phase])).toEqual([
      ['a', 'Running'],
      ['b', 'Pending'],
    ]);
    box.put(report('b', 'Running'), false);
    expect([box.take(), box.isUrgent, box.waiting]).toEqual([undefined, false, true]);
    expect(box.acknowledge(99)).toEqual([]);
    expect(box.acknowledge(batch?.seq ?? 0)).toHaveLength(2);
    expect(box.take()?.reports.map(({ status }) => status?.phase)).toEqual(['Running']);
  });

  it('says again what was in flight when the session ended, unless there is something newer', () => {
    const box = new StatusOutbox();
    box.put(report('a', 'Pending'), true);
    box.put(report('b', 'Pending'), true);
    box.take();
    box.put(report('a', 'Running'), false);
    box.restore();
    expect(new Map(box.take()?.reports.map(({ uid, status }) => [uid, status?.phase]))).toEqual(
      new Map([
        ['a', 'Running'],
        ['b', 'Pending'],
      ]),
    );
  });

  it('a pod that is gone says nothing more', () => {
    const box = new StatusOutbox();
    box.put(report('a', 'Failed', true), true);
    box.put(report('a', 'Running'), true);
    expect(box.take()?.reports).toMatchObject([{ terminated: true }]);
  });
});

describe('EventOutbox', () => {
  it('counts equal events and keeps the newest thousand', () => {
    const box = new EventOutbox();
    const event = {
      pod: { uid: 'u', namespace: 'd', name: 'p' },
      fieldPath: '',
      type: 'Warning',
      reason: 'BackOff',
      message: 'm',
    } as const;
    for (let i = 0; i < 3; i++) box.put(event, 1_800_000_000_000 + i);
    expect(box.take()).toMatchObject([{ count: 3, reason: 'BackOff', time: '2027-01-15T08:00:00.002000Z' }]);
    expect(box.waiting).toBe(false);
    for (let i = 0; i < 1_500; i++) box.put({ ...event, message: String(i) }, 0);
    const events = box.take();
    expect([events.length, events[0]?.message, events.at(-1)?.message]).toEqual([1_000, '500', '1499']);
  });
});

describe('Lease', () => {
  it('counts from sending, never goes back, ignores answers to what it did not send', () => {
    const lease = new Lease();
    expect(lease.until).toBe(0);
    const first = lease.sent(1_000);
    const second = lease.sent(2_000);
    expect(lease.oldestUnanswered).toBe(1_000);
    lease.acknowledged(77, 15_000);
    expect(lease.until).toBe(0);
    lease.acknowledged(second, 15_000);
    expect([lease.until, lease.oldestUnanswered]).toEqual([17_000, undefined]);
    lease.acknowledged(first, 60_000);
    expect(lease.until).toBe(17_000);
    lease.acknowledged(lease.sent(3_000), 1_000);
    expect(lease.until).toBe(17_000);
  });

  it('answers to what an earlier session sent do not count', () => {
    const lease = new Lease();
    const seq = lease.sent(1_000);
    lease.disconnected();
    lease.acknowledged(seq, 15_000);
    expect(lease.until).toBe(0);
  });
});
