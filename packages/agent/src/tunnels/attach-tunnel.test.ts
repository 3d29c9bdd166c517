// Attaching to containers: what of the other side's messages reaches the container, and how it ends.
import type { AttachTunnel } from '@podplane/api/gen/podplane/node/v1/session';
import { expect, it } from 'vitest';
import type { StreamsHandle } from '../runtime/types.js';
import { serveAttach } from './exec-tunnel.js';
import { MemoryTunnel } from './testing/memory-stream.js';
import { Tunnel } from './tunnel.js';

function attached(more: Partial<AttachTunnel> = {}) {
  const calls: string[] = [];
  const said = Promise.withResolvers<string>();
  const ended = Promise.withResolvers<void>();
  const handle: StreamsHandle = {
    output: (async function* () {
      yield { stream: 'stdout' as const, data: Buffer.from(await said.promise) };
      await ended.promise;
    })(),
    write: async (data) => void calls.push(`write ${Buffer.from(data).toString()}`),
    closeStdin: () => void calls.push('closeStdin'),
    resize: async (width, height) => void calls.push(`resize ${width}x${height}`),
    abort: () => {
      calls.push('abort');
      ended.resolve();
    },
  };
  const stream = new MemoryTunnel();
  const tunnel = new Tunnel('t', stream.agent);
  const request = { podUid: 'u', container: 'c', stdin: true, stdinOnce: false, tty: false, ...more };
  const serving = serveAttach(tunnel, request, 'id', { attach: async () => handle });
  return { calls, stream, serving, say: said.resolve, end: () => ended.resolve() };
}

it.each([
  ['an input that others may use later stays open', {}, ['write x']],
  ['the only input of the container ends with its first user', { stdinOnce: true }, ['write x', 'closeStdin']],
  ['a terminal has no end of input', { stdinOnce: true, tty: true }, ['write x']],
] as const)('%s', async (_title, more, calls) => {
  const { stream, serving, say, end, ...seen } = attached(more);
  expect(await stream.next()).toEqual({ $case: 'ready', value: true });
  await stream.say({ $case: 'data', value: Buffer.from('x') });
  await stream.say({ $case: 'closed', value: true });
  say('out');
  expect(await stream.next()).toEqual({ $case: 'data', value: Buffer.from('out') });
  end();
  expect(await serving).toBe(0);
  expect(seen.calls).toEqual([...calls, 'abort']);
});

it('lets go of the container when the other side goes away', async () => {
  const { stream, serving, calls, say } = attached();
  expect((await stream.next())?.$case).toBe('ready');
  say('');
  stream.break();
  await serving.catch(() => undefined);
  expect(calls).toContain('abort');
});

it('takes nothing that the container cannot take', async () => {
  const { stream, serving, say } = attached({ stdin: false });
  expect((await stream.next())?.$case).toBe('ready');
  say('');
  await stream.say({ $case: 'data', value: Buffer.from('x') });
  await expect(serving).rejects.toMatchObject({ reason: 'BadRequest' });
});
