// The recorder: counting together, batches, limits, and namespaces that are going.

import type { Obj } from '@podplane/api/kinds/kind-map';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { newNamespace } from '../namespace/bootstrap.js';
import { World } from '../testkit/world.js';
import { EventRecorder, type EventRecorderConfig } from './events.js';
import type { EventInput } from './types.js';

let world: World;
let recorder: EventRecorder;

async function open(config: Partial<EventRecorderConfig> = {}): Promise<void> {
  world = await World.open(() => []);
  recorder = new EventRecorder({ store: world.store, system: world.system, config });
}

beforeEach(() => open());
afterEach(async () => {
  recorder.stop();
  await world.close();
});

const about = (name: string, rest: Partial<EventInput> & { namespace?: string } = {}): EventInput => ({
  regarding: { kind: 'Pod', namespace: rest.namespace ?? 'default', name, uid: `uid-${name}` },
  type: rest.type ?? 'Normal',
  reason: rest.reason ?? 'Happened',
  message: rest.message ?? 'it happened',
});

const events = (): Obj<'Event'>[] => [...world.store.list('Event')];

describe('the event recorder', () => {
  it('writes events soon, in one transaction, counted together', async () => {
    const before = world.store.revision;
    recorder.record(about('a'), undefined, { component: 'test' });
    await world.system.advance(50);
    recorder.record(about('a'), undefined, { component: 'test' });
    recorder.record(about('b'));
    expect(events()).toEqual([]);
    await world.system.advance(50);
    expect(world.store.revision).toBe(before + 1);
    expect(events().map((e) => [e.involvedObject?.name, e.count, e.firstTimestamp, e.lastTimestamp])).toEqual([
      ['a', 2, '2026-01-01T00:00:00.000Z', '2026-01-01T00:00:00.050Z'],
      ['b', 1, '2026-01-01T00:00:00.050Z', '2026-01-01T00:00:00.050Z'],
    ]);
    expect(events()[0]).toMatchObject({
      involvedObject: { kind: 'Pod', apiVersion: 'v1', uid: 'uid-a' },
      source: { component: 'test' },
      metadata: { namespace: 'default' },
    });
  });

  it('shortens what a hostile node may have said', async () => {
    const { regarding } = about('a');
    const long = 'x'.repeat(100_000);
    recorder.record({ regarding: { ...regarding, fieldPath: long }, type: 'Warning', reason: long, message: long });
    await world.system.advance(100);
    const [event] = events();
    expect([event?.reason?.length, event?.message?.length, event?.involvedObject?.fieldPath?.length]).toEqual([128, 1024, 256]);
  });

  it('finds its object again, also after a restart', async () => {
    recorder.record(about('a'));
    await world.system.advance(100);
    recorder.stop();
    recorder = new EventRecorder({ store: world.store, system: world.system });
    recorder.record(about('a'), Date.UTC(2026, 0, 1, 0, 0, 7), { count: 3 });
    await world.system.advance(100);
    expect(events().map((e) => [e.count, e.lastTimestamp])).toEqual([[4, '2026-01-01T00:00:07.000Z']]);
  });

  it('keeps to its table: those not seen for longest go', async () => {
    recorder.stop();
    recorder = new EventRecorder({ store: world.store, system: world.system, config: { maxObjects: 3 } });
    for (const name of ['a', 'b', 'c']) {
      recorder.record(about(name));
      await world.system.advance(100);
    }
    recorder.record(about('a'));
    await world.system.advance(100);
    recorder.stop();
    recorder = new EventRecorder({ store: world.store, system: world.system, config: { maxObjects: 3 } });
    recorder.record(about('d'));
    await world.system.advance(100);
    expect(
      events()
        .map((e) => e.involvedObject?.name ?? '')
        .sort(),
    ).toEqual(['a', 'c', 'd']);
    expect(recorder.stats.removed).toBe(1);
  });

  it('keeps to it whatever is told again, and when others take events away', async () => {
    recorder.stop();
    recorder = new EventRecorder({ store: world.store, system: world.system, config: { maxObjects: 3 } });
    const kept: string[] = []; // the one not seen for longest first
    for (let i = 0; i < 60; i++) {
      const name = `p${(i * i) % 7}`;
      recorder.record(about(name));
      await world.system.advance(100);
      if (kept.includes(name)) kept.splice(kept.indexOf(name), 1);
      kept.push(name);
      if (kept.length > 3) kept.shift();
      if (i % 9 === 8) {
        const gone = kept.splice(i % 2, 1);
        const found = events().find((e) => gone.includes(e.involvedObject?.name ?? ''))?.metadata;
        world.store.transact({ actor: 'test', reason: 'test' }, (tx) => tx.remove('Event', 'default', found?.name ?? ''));
      }
      const names = events().map((e) => e.involvedObject?.name ?? '');
      expect(names.toSorted()).toEqual(kept.toSorted());
    }
  });

  it('drops ordinary events first when there are too many, and writes warnings first', async () => {
    recorder.stop();
    recorder = new EventRecorder({ store: world.store, system: world.system, config: { maxPending: 4, batch: 2 } });
    for (let i = 0; i < 6; i++) recorder.record(about(`n${i}`));
    for (let i = 0; i < 3; i++) recorder.record(about(`w${i}`, { type: 'Warning' }));
    expect(recorder.stats.dropped).toBe(5);
    await world.system.advance(100);
    expect(
      events()
        .map((e) => e.involvedObject?.name ?? '')
        .sort(),
    ).toEqual(['w0', 'w1']);
    await world.system.advance(100);
    expect(
      events()
        .map((e) => e.involvedObject?.name ?? '')
        .sort(),
    ).toEqual(['n3', 'w0', 'w1', 'w2']);
  });

  it('writes nothing into namespaces that are gone or going', async () => {
    world.create('Namespace', newNamespace('here'));
    world.create('Namespace', newNamespace('going'));
    world.store.transact({ actor: 'u', reason: 'r' }, (tx) => void tx.markDeleted('Namespace', '', 'going', 0));
    recorder.record(about('a', { namespace: 'here' }));
    recorder.record(about('b', { namespace: 'going' }));
    recorder.record(about('c', { namespace: 'gone' }));
    recorder.record({ ...about('n1'), regarding: { kind: 'Node', namespace: '', name: 'n1', uid: '' } });
    await world.system.advance(100);
    expect(
      events()
        .map((e) => `${e.metadata?.namespace}/${e.involvedObject?.name}`)
        .sort(),
    ).toEqual(['default/n1', 'here/a']);
    expect(recorder.stats.homeless).toBe(2);
  });

  it('waits for a sealed store', async () => {
    world.journal.setBroken(new Error('the disk is full'));
    world.create('Namespace', newNamespace('x'));
    await world.settle();
    recorder.record(about('a'));
    await world.system.advance(100);
    expect(events()).toEqual([]);
    world.journal.setBroken(undefined);
    await world.system.advance(60_000);
    expect(events()).toHaveLength(1);
  });
});

it('is not held up by an event that cannot be written', async () => {
  const faults: unknown[] = [];
  recorder.stop();
  recorder = new EventRecorder({ store: world.store, system: world.system, onError: (error) => faults.push(error) });
  recorder.record(about('a/b'));
  recorder.record(about('c'));
  await world.system.advance(100);
  expect(events().map((e) => e.involvedObject?.name)).toEqual(['c']);
  expect(faults).toHaveLength(1);
  expect(recorder.stats.dropped).toBe(1);
});
