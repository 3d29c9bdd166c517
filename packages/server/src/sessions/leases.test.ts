// What is granted and what is durable, over restarts of the server on the same data. Time moves only by hand.
import { catalogueCodecs } from '@podplane/store/catalogue-codecs';
import { JournalError } from '@podplane/store/errors';
import { MemoryJournal } from '@podplane/store/journals/memory';
import { createStore } from '@podplane/store/store';
import { HandSystem } from '@podplane/store/testkit/hand-system';
import type { Store } from '@podplane/store/types';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LeaseGrants } from './leases.js';

let system: HandSystem;
let journal: MemoryJournal;
let store: Store;
beforeEach(async () => {
  system = new HandSystem();
  journal = new MemoryJournal();
  store = await createStore({ system, journal, codecs: catalogueCodecs });
});
afterEach(async () => {
  journal.release();
  await store.close();
});

/** A server that has just been started on these data. */
async function started(leaseMs = 15_000): Promise<LeaseGrants> {
  const opening = LeaseGrants.open(store.meta, system, leaseMs);
  await system.advance(0);
  return opening;
}
const now = (): number => system.clock.monotonic();
const durable = (): number => Number(store.meta.get('fencing/longest-lease-ms'));

describe('leases', () => {
  it('begin as long as the usual one, and are over that long after the last answer', async () => {
    using leases = await started();
    expect(leases.over('n1')).toBe(now() + 15_000); // another server may have granted one just before
    await system.advance(10_000);
    expect(leases.grant('n1', 15_000)).toBe(15_000);
    expect(leases.over('n1')).toBe(now() + 15_000);
    expect(leases.over('n2')).toBe(now() + 5_000);
  });

  it('are not longer than what is durable', async () => {
    using leases = await started();
    journal.hold();
    expect(leases.grant('n1', 83_000)).toBe(15_000);
    await system.advance(1_000);
    expect(leases.grant('n1', 83_000)).toBe(15_000);
    expect(leases.over('n1')).toBe(now() + 15_000);
    journal.release();
    await system.advance(1_000);
    expect(leases.grant('n1', 83_000)).toBe(83_000);
    expect(leases.over('n1')).toBe(now() + 83_000);
    expect(durable()).toBe(83_000);
  });

  it('go on as they are while nothing can be written', async () => {
    using leases = await started();
    journal.setBroken(new JournalError('full', 'no room'));
    expect(leases.grant('n1', 83_000)).toBe(15_000);
    await system.advance(100);
    expect(leases.grant('n1', 15_000)).toBe(15_000);
    journal.setBroken(undefined);
    await system.advance(20_000);
    leases.grant('n1', 83_000);
    await system.advance(1_000);
    expect(leases.grant('n1', 83_000)).toBe(83_000);
  });

  it('of an earlier server are waited for, until they are over; then the next one need not', async () => {
    {
      using first = await started();
      first.grant('n1', 83_000);
      await system.advance(100);
      expect(first.grant('n1', 83_000)).toBe(83_000);
    }
    await system.advance(2_000);
    {
      using second = await started();
      expect(second.inheritedMs).toBe(83_000);
      expect(second.over('n1')).toBe(now() + 83_000);
      expect(second.grant('n1', 15_000)).toBe(15_000);
      await system.advance(80_000);
      expect(durable()).toBe(83_000); // it could be followed by a third one now
      await system.advance(4_000);
      expect(durable()).toBe(15_000);
    }
    using third = await started();
    expect(third.inheritedMs).toBe(15_000);
  });

  it('have a term that grows with each server, also where the data are an old copy', async () => {
    using first = await started();
    using second = await started();
    expect(second.term).toBeGreaterThan(first.term);
    await system.advance(60_000);
    await Promise.all([store.meta.set('fencing/term', String(first.term)), system.advance(0)]);
    using third = await started();
    expect(third.term).toBeGreaterThan(second.term);
  });
});
