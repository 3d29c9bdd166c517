// A real server on a real SQLite file of which an older copy is put back, by hand, as people do: epochs go on, and what runs elsewhere is not
// doubled. What its sessions decide is tested beside them.
import { copyFileSync, rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { epochOf, FENCING_ANNOTATION } from '@podplane/api/fencing';
import type { HeartbeatAck, Hello } from '@podplane/api/gen/podplane/node/v1/session';
import { realSystem } from '@podplane/api/system';
import { PodplaneClient } from '@podplane/client/client';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { expectNext, FakeAgent, join as joinCluster } from './testkit/agent.js';
import { type TestServer, testServer } from './testkit/harness.js';
import { pod } from './testkit/objects.js';

type Identity = FakeAgent['identity'];

let dataDir: string;
let server: TestServer;
/** How far the server's clock is off, ms. */
let wrongMs: number;
const agents: FakeAgent[] = [];

const real = realSystem();
const system = { ...real, clock: { now: () => real.clock.now() + wrongMs, monotonic: () => real.clock.monotonic() } };
// However slow the machine is, the leases of before are not over before all were asked.
const nodeLifecycle = { fencingMarginMs: 600_000 };
const start = (): Promise<TestServer> => testServer({ dataDir, journal: 'sqlite', system, nodeLifecycle });

beforeEach(async () => {
  wrongMs = 0;
  dataDir = await mkdtemp(join(tmpdir(), 'podplane-older-'));
  server = await start();
});
afterEach(async () => {
  for (const agent of agents.splice(0)) agent[Symbol.dispose]();
  await server.stop();
  await rm(dataDir, { recursive: true, force: true });
});

const file = (name: string): string => join(dataDir, name);

/** As docs/operations.md says. */
async function stopAndKeep(): Promise<void> {
  await server.stop();
  copyFileSync(file('podplane.db'), file('aside.db'));
}

async function putBack(): Promise<void> {
  await server.stop();
  for (const end of ['-wal', '-shm']) rmSync(file(`podplane.db${end}`), { force: true });
  copyFileSync(file('aside.db'), file('podplane.db'));
}

async function makePod(name: string, nodeName: string): Promise<{ readonly uid: string; readonly epoch: number }> {
  const client = new PodplaneClient(server.context);
  try {
    const { object } = await client.create(
      'Pod',
      pod(name, (draft) => {
        if (draft.metadata !== undefined) draft.metadata.annotations = { [FENCING_ANNOTATION]: 'strict' };
        if (draft.spec !== undefined) draft.spec.nodeName = nodeName;
      }),
    );
    return { uid: object.metadata?.uid ?? '', epoch: epochOf(object) ?? 0 };
  } finally {
    client.close();
  }
}

/** A node says hello and beats once. What it is told, and a way to beat again. */
async function comes(nodeName: string, identity: Identity, said: Partial<Hello> = {}) {
  const agent = new FakeAgent(server, nodeName, identity);
  agents.push(agent);
  const arrivals = agent.connect(said);
  const welcome = await expectNext(arrivals, 'welcome');
  const { pods } = await expectNext(arrivals, 'assignments');
  let seq = 0;
  const beat = async (): Promise<HeartbeatAck> => {
    agent.say({ $case: 'heartbeat', value: { seq: ++seq } });
    for (;;) {
      const message = await arrivals.next();
      if (message === undefined) throw new Error('the session ended');
      if (message.$case === 'heartbeatAck' && message.value.seq === seq) return message.value;
    }
  };
  return { welcome, epochs: new Map(pods.map((one) => [one.metadata?.uid, epochOf(one)])), ack: await beat(), beat };
}

it('epochs are higher than those that the data have forgotten, however often they are put back', async () => {
  const seen = [(await makePod('a0', 'n1')).epoch];
  await stopAndKeep();
  server = await start();
  for (const round of [1, 2]) {
    for (const part of ['b', 'c']) seen.push((await makePod(`${part}${round}`, 'n1')).epoch);
    await putBack();
    server = await start();
  }
  seen.push((await makePod('b1', 'n1')).epoch);
  expect(seen).toEqual([...new Set(seen)].sort((a, b) => a - b));
});

it('what nodes know counts where the clock was set back, and nothing fenced starts before it was asked for', async () => {
  const n1 = await joinCluster(server, 'n1');
  const n2 = await joinCluster(server, 'n2');
  await comes('n1', n1);
  await comes('n2', n2);
  const stays = await makePod('stays', 'n1');
  const moves = await makePod('moves', 'n1');
  await stopAndKeep();

  wrongMs = 60_000;
  server = await start();
  const later = await makePod('later', 'n2');
  const known = (await comes('n2', n2)).ack;
  expect(known.epoch).toBeGreaterThanOrEqual(later.epoch);
  await putBack();

  wrongMs = -60_000;
  server = await start();
  const guarded = (uid: string) => ({ uid, namespace: 'default', name: 'x', guarded: true });
  const first = await comes('n1', n1, { inventory: [guarded(stays.uid)] });
  expect(first.epochs.get(stays.uid)).toBe(stays.epoch);
  expect(first.epochs.get(moves.uid)).toBeGreaterThan(moves.epoch);
  expect([first.welcome.startsHeld, first.ack.startsHeld]).toEqual([true, true]);

  const second = await comes('n2', n2, { epoch: known.epoch, term: known.term, inventory: [guarded(later.uid)] });
  expect(second.ack.term).toBeGreaterThan(known.term);
  expect(second.ack.startsHeld).toBe(true);
  expect(second.epochs.has(later.uid)).toBe(false);
  expect((await makePod('later', 'n1')).epoch).toBeGreaterThan(known.epoch);
  // Who was there already had to come again.
  const again = await comes('n1', n1, { bootId: 'boot-2', inventory: [guarded(stays.uid)] });
  expect(again.epochs.get(stays.uid)).toBe(stays.epoch);
  expect(again.epochs.get(moves.uid)).toBeGreaterThan(known.epoch);
});
