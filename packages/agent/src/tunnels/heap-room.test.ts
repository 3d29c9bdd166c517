import { realSystem } from '@podplane/api/system';
import { expect, it } from 'vitest';
import { silentLog } from '../log.js';
import { heapRoom } from './heap-room.js';
import { MemoryTunnel } from './testing/memory-stream.js';
import { Tunnels } from './tunnels.js';

const never = (): never => {
  throw new Error('must not be called');
};

it('is told when the first stream opens and when the last one has ended', async () => {
  const told: boolean[] = [];
  const streams: MemoryTunnel[] = [];
  const tunnels = new Tunnels({
    dial: () => {
      const stream = new MemoryTunnel();
      streams.push(stream);
      return stream.agent;
    },
    runtime: {
      logs: async function* (_id, _options, signal) {
        yield { stream: 'stdout', data: Buffer.from('a line\n') };
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
      },
      exec: never,
      attach: never,
      readFiles: never,
      isFolder: never,
      writeFiles: never,
      imagePresent: never,
      loadImage: never,
    },
    resolve: () => ({ containerId: 'c', ip: '' }),
    usage: never,
    refuse: never,
    system: realSystem(),
    log: silentLog,
    carrying: (any) => told.push(any),
  });
  const value = { podUid: 'u', container: 'c', follow: true, previous: false, timestamps: false, since: '' };
  for (const tunnelId of ['a', 'b']) {
    tunnels.open({ tunnelId, request: { $case: 'logs', value } });
    await expect.poll(() => streams.length).toBe(tunnelId === 'a' ? 1 : 2);
  }
  await expect.poll(() => tunnels.count).toBe(2);
  expect(told).toEqual([true]);
  await tunnels.close();
  expect(told).toEqual([true, false]);
});

it('changes nothing in a process that was not started with a tight heap', () => {
  const set: string[] = [];
  heapRoom(['--max-semi-space-size=1'], (flag) => set.push(flag))(true);
  expect(set).toEqual([]);
  const carrying = heapRoom(['--optimize-for-size'], (flag) => set.push(flag));
  carrying(true);
  carrying(false);
  expect(set).toEqual(['--no-optimize-for-size', '--optimize-for-size']);
});
