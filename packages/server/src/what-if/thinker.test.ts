// Questions that are answered in a thread have the answers that they have here; what is refused, fails or is given up, too. The thread is
// played by the other end of a channel: its code is the same, and the sources cannot be loaded by a real one. That is in test/e2e.
import { MessageChannel } from 'node:worker_threads';
import { realSystem } from '@podplane/api/system';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Writer } from '../registry/registry.js';
import { SmallWorld } from './testing/small-world.js';
import { Thinker, type Thread } from './thinker.js';
import { type ToThread, think } from './thread.js';

let world: SmallWorld;
let started: PlayedThread[];
const admin: Writer = { identity: { kind: 'admin', name: 'admin' }, fieldManager: '', dryRun: false };

class PlayedThread implements Thread {
  private readonly channel = new MessageChannel();
  terminated = false;
  readonly got: string[] = [];

  constructor(thinks = true) {
    if (thinks) think(this.channel.port2, realSystem());
  }

  postMessage(message: ToThread, moved: never[] = []): void {
    this.got.push(Object.keys(message)[0] ?? '');
    this.channel.port1.postMessage(message, moved);
  }

  on(event: string, listener: (value: never) => void): unknown {
    if (event === 'message') return this.channel.port1.on('message', listener as (value: unknown) => void);
    if (event === 'exit') this.exited = listener as () => void;
    return this;
  }

  exited: () => void = () => undefined;

  terminate(): Promise<void> {
    this.terminated = true;
    this.channel.port1.close();
    return Promise.resolve();
  }
}

beforeEach(async () => {
  world = await SmallWorld.open();
  started = [];
  world.node('n1', '4');
  world.node('n2', '2');
  world.workload('Deployment', 'web', 5, '500m');
  world.workload('StatefulSet', 'db', 2, '250m');
  await world.run();
  world.put('Pod', { metadata: { name: 'bare', namespace: 'default' }, spec: { nodeName: 'n1', containers: [{ name: 'c', image: 'i' }] } });
});
afterEach(async () => {
  expect(started.every(({ terminated }) => terminated)).toBe(true);
  await world.store.close();
});

function thinker(thread?: () => PlayedThread): Thinker {
  const start = (): PlayedThread => {
    const one = (thread ?? (() => new PlayedThread()))();
    started.push(one);
    return one;
  };
  return new Thinker({ ...world.parts(), view: world.store, ...(thread === undefined ? {} : { most: 0, start }) });
}
const played = (): PlayedThread => new PlayedThread();

describe('the same question, here and in a thread', () => {
  const drain = {
    ignoreDaemonSets: true,
    force: true,
    deleteEmptyDirData: true,
    disableEviction: false,
    podSelector: '',
    gracePeriodSeconds: undefined,
    skipWaitForDeleteSeconds: undefined,
    onTimeout: 'Stop',
  } as const;
  const patch = {
    place: { kind: 'Deployment', namespace: 'default', name: 'web' },
    patch: Buffer.from('{"spec":{"replicas":30}}'),
  } as const;

  it('has the same answer', async () => {
    const [here, there] = [thinker(), thinker(played)];
    const loss = { nodes: ['n2'] };
    expect(await there.ask('loss', loss)).toEqual(await here.ask('loss', loss));
    const writes = { writes: [{ what: 'patch', ...patch } as const], writer: admin };
    const simulated = await there.ask('writes', writes);
    expect(simulated).toEqual(await here.ask('writes', writes));
    expect(simulated.pods.filter(({ state }) => state === 'pending').length).toBeGreaterThan(0);
    const drained = await there.ask('drain', { node: 'n1', options: drain });
    expect(drained).toEqual(await here.ask('drain', { node: 'n1', options: drain }));
    expect(drained.length).toBeGreaterThan(0);
    expect(started).toHaveLength(3);
    // Everything that there is has gone over, and one question.
    expect(started[0]?.got.filter((what) => what === 'piece').length).toBeGreaterThan(3);
    expect(started[0]?.got.at(-1)).toBe('question');
  });

  it('is refused with the same error', async () => {
    const wrong = { nodes: ['nowhere'] };
    const [here, there] = await Promise.all(
      [thinker(), thinker(played)].map((one) => one.ask('loss', wrong).catch((error: unknown) => error)),
    );
    expect(there).toMatchObject({ name: 'ApiError', reason: 'NotFound' });
    expect(JSON.stringify(there)).toBe(JSON.stringify(here));
  });
});

it('questions that need a thread wait for each other', async () => {
  const asker = thinker(played);
  const first = asker.ask('loss', { nodes: ['n1'] });
  const second = asker.ask('loss', { nodes: ['n2'] });
  await first;
  expect(started[0]?.terminated).toBe(true);
  await second;
  expect(started).toHaveLength(2);
});

it('what is not waited for any more is ended, and the next question is answered', async () => {
  const asker = thinker(() => new PlayedThread(started.length > 0));
  const abort = new AbortController();
  const asked = asker.ask('loss', { nodes: ['n1'] }, abort.signal);
  const next = asker.ask('loss', { nodes: ['n1'] });
  setImmediate(() => abort.abort(new Error('gone')));
  await expect(asked).rejects.toThrow('gone');
  await expect(next).resolves.toMatchObject({ settled: true });
});

it('a thread that ends without an answer is an error', async () => {
  const asked = thinker(() => new PlayedThread(false)).ask('loss', { nodes: ['n1'] });
  setImmediate(() => started[0]?.exited());
  await expect(asked).rejects.toMatchObject({ reason: 'InternalError' });
});
