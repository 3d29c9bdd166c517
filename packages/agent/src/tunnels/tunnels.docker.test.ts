// Tunnels with containers of a real engine behind them.
import { randomBytes } from 'node:crypto';
import type { OpenTunnel } from '@podplane/api/gen/podplane/node/v1/session';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { readArchive } from '../images/archive.js';
import { busyboxImage } from '../images/base-image.js';
import { silentLog } from '../log.js';
import { STAY, system, TestNode, whyNoEngine } from '../runtime/testing/real-engine.js';
import { MemoryTunnel } from './testing/memory-stream.js';
import type { TunnelMessage } from './tunnel.js';
import { Tunnels } from './tunnels.js';

/** A busy machine needs a moment. */
const SOON = { timeout: 10_000, interval: 20 };

vi.setConfig({ hookTimeout: 60_000, testTimeout: 60_000 }); // the engine is shared with other tests
const noEngine = await whyNoEngine();

describe.skipIf(noEngine !== undefined)('tunnels to containers', () => {
  const node = new TestNode();
  const pods = new Map<string, { readonly containerId: string; readonly ip: string }>();
  const streams: MemoryTunnel[] = [];
  const tunnels = new Tunnels({
    dial: () => {
      const stream = new MemoryTunnel();
      streams.push(stream);
      return stream.agent;
    },
    runtime: node.runtime,
    resolve: (podUid) => pods.get(podUid) ?? { missingIn: podUid },
    usage: () => Promise.reject(new Error('not asked for')),
    refuse: () => {
      throw new Error('refused');
    },
    system,
    log: silentLog,
  });
  beforeAll(async () => {
    await node.open();
    const { app, ip } = await node.pod('web', `mkdir /www; echo hello > /www/index.html; httpd -h /www -p 80; echo ready; ${STAY}`);
    pods.set('web', { containerId: app, ip });
  });
  afterAll(async () => {
    await tunnels.close();
    await node.close();
  });

  async function ask(request: NonNullable<OpenTunnel['request']>): Promise<MemoryTunnel> {
    const before = streams.length;
    tunnels.open({ tunnelId: 't', request });
    await expect.poll(() => streams.length, SOON).toBe(before + 1);
    const stream = streams.at(-1);
    if (!stream) throw new Error('no stream');
    expect((await stream.next())?.$case).toBe('hello');
    return stream;
  }
  const text = (messages: readonly TunnelMessage[], which: 'data' | 'errorData' = 'data'): string =>
    messages.map((message) => (message.$case === which ? message.value.toString() : '')).join('');

  it('logs: followed while it runs, until nobody wants them', async () => {
    const stream = await ask({
      $case: 'logs',
      value: { podUid: 'web', container: 'app', follow: true, previous: false, since: '', timestamps: false },
    });
    expect(text([(await stream.next()) as TunnelMessage])).toBe('ready\n');
    stream.end();
    await expect.poll(() => tunnels.count, SOON).toBe(0);
  });

  it('exec: input to output, exit code', async () => {
    const stream = await ask({
      $case: 'exec',
      value: { podUid: 'web', container: 'app', command: ['sh', '-c', 'cat; echo e >&2; exit 9'], stdin: true, tty: false },
    });
    await stream.say({ $case: 'data', value: Buffer.from('typed') });
    await stream.say({ $case: 'closed', value: true });
    const all = await stream.rest();
    expect([text(all), text(all, 'errorData'), all.at(-1)]).toEqual(['typed', 'e\n', { $case: 'exit', value: { code: 9 } }]);
  });

  it('exec: goes away with who asked for it', async () => {
    const stream = await ask({
      $case: 'exec',
      value: { podUid: 'web', container: 'app', command: ['sleep', '45678'], stdin: false, tty: false },
    });
    const running = async (): Promise<boolean> =>
      (await node.run(pods.get('web')?.containerId ?? '', 'sh', '-c', 'ps | grep "[s]leep 45678"')).code === 0;
    await expect.poll(running, SOON).toBe(true);
    stream.break();
    await expect.poll(running, SOON).toBe(false);
  });

  it('port: an HTTP answer through the pod IP', async () => {
    const stream = await ask({ $case: 'portForward', value: { podUid: 'web', port: 80 } });
    expect((await stream.next())?.$case).toBe('ready');
    await stream.say({ $case: 'data', value: Buffer.from('GET / HTTP/1.0\r\n\r\n') });
    await stream.say({ $case: 'closed', value: true });
    const all = await stream.rest();
    expect(text(all)).toMatch(/^HTTP\/1\.\d 200 OK[^]*hello\n$/);
    expect(all.slice(-2)).toEqual([
      { $case: 'closed', value: true },
      { $case: 'exit', value: { code: 0 } },
    ]);
  });

  it('image: sent where it is missing, present the second time, refused where it is none', async () => {
    const name = `podplane-test/tunnel:${randomBytes(5).toString('hex')}`;
    const parts: Uint8Array[] = [];
    for await (const part of await busyboxImage(name, { cmd: ['sh'] }, [{ path: 'unique', content: name }])) parts.push(part);
    const archive = Buffer.concat(parts);
    const [expected] = await readArchive(
      (async function* () {
        yield archive;
      })(),
    );
    const request = { $case: 'image' as const, value: { image: name, imageId: expected?.id ?? '' } };
    try {
      const stream = await ask(request);
      expect((await stream.next())?.$case).toBe('ready');
      for (let at = 0; at < archive.length; at += 65536) await stream.say({ $case: 'data', value: archive.subarray(at, at + 65536) });
      await stream.say({ $case: 'closed', value: true });
      expect(await stream.rest()).toEqual([{ $case: 'exit', value: { code: 0 } }]);
      expect((await node.runtime.imagePresent(name))?.id).toBe(expected?.id);
      expect(await (await ask(request)).rest()).toEqual([
        { $case: 'present', value: true },
        { $case: 'exit', value: { code: 0 } },
      ]);
    } finally {
      await node.runtime.removeImage(name);
    }
    const bad = await ask(request);
    expect((await bad.next())?.$case).toBe('ready');
    await bad.say({ $case: 'data', value: Buffer.from('no archive at all '.repeat(100)) });
    await bad.say({ $case: 'closed', value: true });
    expect((await bad.rest()).at(-1)).toMatchObject({ $case: 'error', value: { reason: 'BadRequest' } });
  });
});
