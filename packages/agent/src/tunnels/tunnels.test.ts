// Tunnels without Docker: connections to local ports, refusals, endings, flow control; logs, commands and images against a runtime in memory.
import { createHash, randomBytes } from 'node:crypto';
import { createServer, type Server, type Socket } from 'node:net';
import type { OpenTunnel } from '@podplane/api/gen/podplane/node/v1/session';
import { realSystem } from '@podplane/api/system';
import { afterEach, describe, expect, it } from 'vitest';
import { silentLog } from '../log.js';
import { RuntimeError } from '../runtime/errors.js';
import type { ContainerRuntime, ExecHandle } from '../runtime/types.js';
import { MemoryTunnel } from './testing/memory-stream.js';
import type { TunnelMessage } from './tunnel.js';
import { Tunnels, type TunnelsOptions } from './tunnels.js';

/** A busy machine needs a moment. */
const SOON = { timeout: 10_000, interval: 20 };

const MIB = 1024 * 1024;
type Request = NonNullable<OpenTunnel['request']>;
type Part = { readonly stream: 'stdout' | 'stderr'; readonly data: Uint8Array };

const stops: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

function never(): never {
  throw new Error('must not be called');
}
const files = { readFiles: never, isFolder: never, writeFiles: never };
const noRuntime = { logs: never, exec: never, attach: never, imagePresent: never, loadImage: never, ...files };

function agent(more: Partial<Omit<TunnelsOptions, 'runtime'>> & { readonly runtime?: Partial<ContainerRuntime> } = {}, room?: number) {
  const streams: MemoryTunnel[] = [];
  const refused: [string, string, string][] = [];
  const tunnels = new Tunnels({
    dial: () => {
      const stream = new MemoryTunnel(room);
      streams.push(stream);
      return stream.agent;
    },
    resolve: (podUid, container) => (podUid === 'uid-1' ? { containerId: `id-of-${container}`, ip: '127.0.0.1' } : { missingIn: podUid }),
    usage: never,
    refuse: (...refusal) => refused.push(refusal),
    system: realSystem(),
    log: silentLog,
    ...more,
    runtime: { ...noRuntime, ...more.runtime },
  });
  stops.push(() => tunnels.close());
  let ids = 0;
  /** Asks for a tunnel and reads its hello. */
  const ask = async (request: Request): Promise<MemoryTunnel> => {
    const tunnelId = `t${++ids}`;
    tunnels.open({ tunnelId, request });
    await new Promise<void>((resolve) => setImmediate(resolve)); // the dialer is asynchronous
    const stream = streams.at(-1);
    if (!stream) throw new Error('no stream was opened');
    expect(await stream.next()).toEqual({ $case: 'hello', value: { tunnelId } });
    return stream;
  };
  return { tunnels, streams, refused, ask };
}

async function listen(onSocket: (socket: Socket) => void): Promise<number> {
  const server: Server = createServer({ allowHalfOpen: true }, onSocket);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => sockets.add(socket));
  stops.push(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

const forward = (port: number, podUid = 'uid-1'): Request => ({ $case: 'portForward', value: { podUid, port } });
const data = (message: TunnelMessage | undefined): Buffer => {
  if (message?.$case !== 'data') throw new Error(`not data: ${JSON.stringify(message)}`);
  return message.value;
};

describe('port tunnels', () => {
  it('carry both directions, each to its own end', async () => {
    const port = await listen((socket) => {
      let heard = '';
      socket.on('data', (chunk) => (heard += chunk.toString()));
      socket.on('end', () => socket.end(`heard ${heard}`)); // answers only after the client has closed
    });
    const { ask, tunnels } = agent();
    const stream = await ask(forward(port));
    expect(await stream.next()).toEqual({ $case: 'ready', value: true });
    await stream.say({ $case: 'data', value: Buffer.from('hello ') });
    await stream.say({ $case: 'data', value: Buffer.from('world') });
    await stream.say({ $case: 'closed', value: true });
    expect(data(await stream.next()).toString()).toBe('heard hello world');
    expect(await stream.rest()).toEqual([
      { $case: 'closed', value: true },
      { $case: 'exit', value: { code: 0 } },
    ]);
    await new Promise((resolve) => setImmediate(resolve));
    expect(tunnels.count).toBe(0);
  });

  it('let the client send on after the pod has closed its direction', async () => {
    const heard = Promise.withResolvers<string>();
    const port = await listen((socket) => {
      socket.end('bye');
      let text = '';
      socket.on('data', (chunk) => (text += chunk.toString()));
      socket.on('end', () => heard.resolve(text));
    });
    const { ask } = agent();
    const stream = await ask(forward(port));
    expect((await stream.next())?.$case).toBe('ready');
    expect(data(await stream.next()).toString()).toBe('bye');
    expect(await stream.next()).toEqual({ $case: 'closed', value: true });
    await stream.say({ $case: 'data', value: Buffer.from('still here') });
    await stream.say({ $case: 'closed', value: true });
    expect(await heard.promise).toBe('still here');
    expect(await stream.rest()).toEqual([{ $case: 'exit', value: { code: 0 } }]);
  });

  it('carry 32 MiB unchanged and never hold more than the stream has room for', async () => {
    const blob = randomBytes(32 * MIB);
    const port = await listen((socket) => socket.end(blob));
    const { ask } = agent({}, 4);
    const stream = await ask(forward(port));
    expect((await stream.next())?.$case).toBe('ready');
    const hash = createHash('sha256');
    for (let message = await stream.next(); message?.$case === 'data'; message = await stream.next()) hash.update(message.value);
    expect(hash.digest('hex')).toBe(createHash('sha256').update(blob).digest('hex'));
    expect(stream.mostWaiting).toBeLessThanOrEqual(4);
    await stream.say({ $case: 'closed', value: true });
    expect(await stream.rest()).toEqual([{ $case: 'exit', value: { code: 0 } }]);
  });

  it('do not read ahead of a client that does not read, nor take more than a pod reads', async () => {
    let written = 0;
    const accepted = Promise.withResolvers<Socket>();
    const port = await listen((socket) => {
      socket.pause();
      accepted.resolve(socket);
    });
    const { ask } = agent({}, 2);
    const stream = await ask(forward(port));
    expect((await stream.next())?.$case).toBe('ready');
    // The pod does not read: what the client may say is bounded.
    let said = 0;
    let stuck = false;
    const saying = (async () => {
      const chunk = Buffer.alloc(MIB);
      for (; said < 200; said++) await stream.say({ $case: 'data', value: chunk });
    })();
    saying.catch(() => undefined);
    // The client does not read: what the pod may write is bounded too.
    const socket = await accepted.promise;
    const chunk = Buffer.alloc(MIB);
    while (written < 200 && !stuck) {
      written++;
      if (!socket.write(chunk))
        stuck = !(await Promise.race([
          new Promise((resolve) => socket.once('drain', () => resolve(true))),
          new Promise((resolve) => setTimeout(() => resolve(false), 300)),
        ]));
    }
    expect(written).toBeLessThan(50);
    expect(said).toBeLessThan(50);
    stream.break();
  });

  it('say why there is no connection', async () => {
    const port = await listen(() => undefined);
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const closedPort = (server.address() as { port: number }).port;
    await new Promise((resolve) => server.close(resolve));
    const { ask } = agent();
    expect(await (await ask(forward(closedPort))).rest()).toEqual([
      { $case: 'error', value: { reason: 'Unavailable', message: expect.stringContaining('ECONNREFUSED') } },
    ]);
    expect(await (await ask(forward(0))).rest()).toEqual([
      { $case: 'error', value: { reason: 'BadRequest', message: expect.stringContaining('1 and 65535') } },
    ]);
    expect(await (await ask(forward(port, 'uid-2'))).rest()).toEqual([
      { $case: 'error', value: { reason: 'NotFound', message: expect.stringContaining('uid-2') } },
    ]);
    const resized = await ask(forward(port));
    expect((await resized.next())?.$case).toBe('ready');
    await resized.say({ $case: 'resize', value: { width: 1, height: 1 } });
    expect(await resized.rest()).toEqual([{ $case: 'error', value: { reason: 'BadRequest', message: 'unexpected message resize' } }]);
  });

  it('report a connection that the pod resets', async () => {
    const port = await listen((socket) => socket.once('data', () => socket.resetAndDestroy()));
    const { ask } = agent();
    const stream = await ask(forward(port));
    expect((await stream.next())?.$case).toBe('ready');
    await stream.say({ $case: 'data', value: Buffer.from('x') });
    expect(await stream.rest()).toEqual([
      { $case: 'error', value: { reason: 'Unavailable', message: expect.stringContaining('ECONNRESET') } },
    ]);
  });

  it('close the connection when the other side ends, breaks, or the agent stops', async () => {
    for (const how of ['end', 'break', 'close'] as const) {
      const gone = Promise.withResolvers<void>();
      const port = await listen((socket) => {
        socket.on('error', () => undefined).on('close', () => gone.resolve());
        socket.on('end', () => socket.end());
        socket.resume();
      });
      const { ask, tunnels } = agent();
      const stream = await ask(forward(port));
      expect((await stream.next())?.$case).toBe('ready');
      if (how === 'end') stream.end();
      else if (how === 'break') stream.break();
      else await tunnels.close();
      await gone.promise;
      await expect.poll(() => tunnels.count, SOON).toBe(0);
      expect(stream.aborted).toBeDefined();
    }
  });
});

describe('tunnels that cannot be opened', () => {
  it('are refused over the session', async () => {
    const { tunnels, refused } = agent({ dial: () => Promise.reject(new Error('no route')) });
    tunnels.open({ tunnelId: 'a', request: forward(1) });
    await expect.poll(() => refused, SOON).toEqual([['a', 'Unavailable', expect.stringContaining('no route')]]);
    await tunnels.close();
    tunnels.open({ tunnelId: 'b', request: forward(1) });
    expect(refused.at(-1)).toEqual(['b', 'Unavailable', 'the agent stops']);
  });

  it('say that an unknown request needs a newer agent', async () => {
    const { tunnels, streams } = agent();
    tunnels.open({ tunnelId: 'a' });
    await expect.poll(() => streams.length, SOON).toBe(1);
    expect((await streams[0]?.rest())?.at(-1)).toEqual({
      $case: 'error',
      value: { reason: 'BadRequest', message: expect.stringContaining('older') },
    });
  });
});

describe('log tunnels', () => {
  const logs = (more: object = {}): Request => ({
    $case: 'logs',
    value: { podUid: 'uid-1', container: 'app', follow: false, previous: false, since: '', timestamps: false, ...more },
  });

  it('pass options on, stop at the limit of bytes, and end with exit', async () => {
    const calls: unknown[] = [];
    async function* output(id: string, options: unknown): AsyncGenerator<Part> {
      calls.push([id, options]);
      yield { stream: 'stdout', data: Buffer.from('12345') };
      yield { stream: 'stderr', data: Buffer.from('67890') };
    }
    const { ask } = agent({ runtime: { logs: output } });
    const all = await (await ask(logs({ tailLines: 3, since: '2026-01-02T03:04:05.678Z', timestamps: true, limitBytes: 7 }))).rest();
    expect(all.map((message) => (message.$case === 'data' ? message.value.toString() : message))).toEqual([
      '12345',
      '67',
      { $case: 'exit', value: { code: 0 } },
    ]);
    expect(calls).toEqual([['id-of-app', { follow: false, tail: 3, since: Date.parse('2026-01-02T03:04:05.678Z'), timestamps: true }]]);
  });

  it('refuse what makes no sense', async () => {
    const { ask } = agent();
    for (const more of [{ since: 'yesterday' }, { limitBytes: 0 }, { tailLines: -1 }]) {
      expect(await (await ask(logs(more))).rest()).toEqual([
        { $case: 'error', value: { reason: 'BadRequest', message: expect.any(String) } },
      ]);
    }
  });

  it('stop following when the other side goes away', async () => {
    const stopped = Promise.withResolvers<void>();
    async function* output(_id: string, _options: unknown, signal: AbortSignal): AsyncGenerator<Part> {
      yield { stream: 'stdout', data: Buffer.from('1') };
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      stopped.resolve();
    }
    const { ask, tunnels } = agent({ runtime: { logs: output } });
    const stream = await ask(logs({ follow: true }));
    await stream.next();
    stream.end();
    await stopped.promise;
    await expect.poll(() => tunnels.count, SOON).toBe(0);
  });
});

describe('command tunnels', () => {
  const exec = (more: object = {}): Request => ({
    $case: 'exec',
    value: { podUid: 'uid-1', container: 'app', command: ['x'], stdin: false, tty: false, ...more },
  });

  function fakeExec(): { runtime: Partial<ContainerRuntime>; written: string[]; aborted: () => boolean; finish: (code: number) => void } {
    const written: string[] = [];
    let aborted = false;
    const done = Promise.withResolvers<number>();
    done.promise.catch(() => undefined);
    async function* output(): AsyncGenerator<Part> {
      yield { stream: 'stdout', data: Buffer.from('out') };
      yield { stream: 'stderr', data: Buffer.from('err') };
      await done.promise.catch(() => undefined);
    }
    const handle: ExecHandle = {
      output: output(),
      write: async (bytes) => void written.push(Buffer.from(bytes).toString()),
      closeStdin: () => written.push('<closed>'),
      resize: async (width, height) => void written.push(`<${width}x${height}>`),
      exit: done.promise,
      abort: () => {
        aborted = true;
        done.reject(new RuntimeError('failed', 'ended by abort'));
      },
    };
    return { runtime: { exec: async () => handle }, written, aborted: () => aborted, finish: (code) => done.resolve(code) };
  }

  it('carry input, size, output and exit code', async () => {
    const fake = fakeExec();
    const { ask } = agent({ runtime: fake.runtime });
    const stream = await ask(exec({ stdin: true, tty: true }));
    await stream.say({ $case: 'resize', value: { width: 80, height: 25 } });
    await stream.say({ $case: 'data', value: Buffer.from('in') });
    await stream.say({ $case: 'closed', value: true });
    await expect.poll(() => fake.written, SOON).toEqual(['<80x25>', 'in', '<closed>']);
    fake.finish(3);
    expect(
      (await stream.rest()).map((message) =>
        message.$case === 'exit'
          ? message.value.code
          : [message.$case, 'value' in message && Buffer.isBuffer(message.value) ? message.value.toString() : ''],
      ),
    ).toEqual([['data', 'out'], ['errorData', 'err'], 3]);
  });

  it('end the command when the other side goes away', async () => {
    const fake = fakeExec();
    const { ask, tunnels } = agent({ runtime: fake.runtime });
    const stream = await ask(exec());
    await stream.next();
    stream.break();
    await expect.poll(() => [fake.aborted(), tunnels.count], SOON).toEqual([true, 0]);
  });

  it('refuse input and size for commands that have none, and an empty command', async () => {
    const fake = fakeExec();
    const { ask } = agent({ runtime: fake.runtime });
    const stream = await ask(exec());
    await stream.say({ $case: 'data', value: Buffer.from('in') });
    expect((await stream.rest()).at(-1)).toEqual({
      $case: 'error',
      value: { reason: 'BadRequest', message: expect.stringContaining('standard input') },
    });
    expect(fake.aborted()).toBe(true);
    expect((await (await ask(exec({ command: [] }))).rest()).at(-1)).toMatchObject({ $case: 'error', value: { reason: 'BadRequest' } });
    const { ask: askConflict } = agent({
      runtime: { exec: () => Promise.reject(new RuntimeError('conflict', 'container is not running', { advice: 'start it' })) },
    });
    expect(await (await askConflict(exec())).rest()).toEqual([
      { $case: 'error', value: { reason: 'Conflict', message: 'container is not running (start it)' } },
    ]);
  });
});

describe('image tunnels', () => {
  const image = (more: object = {}): Request => ({ $case: 'image', value: { image: 'a:1', imageId: 'sha256:1', ...more } });

  function fakeImages(
    has: Record<string, string>,
    names: readonly string[] = ['a:1'],
  ): { runtime: Partial<ContainerRuntime>; loaded: string[] } {
    const loaded: string[] = [];
    return {
      loaded,
      runtime: {
        imagePresent: async (name) => (has[name] === undefined ? undefined : { id: has[name], names: [name], sizeBytes: 1 }),
        loadImage: async (archive) => {
          let text = '';
          for await (const part of archive) text += Buffer.from(part).toString();
          loaded.push(text);
          for (const name of names) has[name] = 'sha256:1';
        },
      },
    };
  }

  it('cost nothing where the node has the image', async () => {
    const { ask } = agent({ runtime: fakeImages({ 'a:1': 'sha256:1' }).runtime });
    expect(await (await ask(image())).rest()).toEqual([
      { $case: 'present', value: true },
      { $case: 'exit', value: { code: 0 } },
    ]);
  });

  it('take the archive where it is missing, or the name means another one', async () => {
    for (const has of [{}, { 'a:1': 'sha256:2' }]) {
      const fake = fakeImages(has);
      const { ask } = agent({ runtime: fake.runtime });
      const stream = await ask(image());
      expect(await stream.next()).toEqual({ $case: 'ready', value: true });
      for (const part of ['one', 'two']) await stream.say({ $case: 'data', value: Buffer.from(part) });
      await stream.say({ $case: 'closed', value: true });
      expect(await stream.rest()).toEqual([{ $case: 'exit', value: { code: 0 } }]);
      expect(fake.loaded).toEqual(['onetwo']);
    }
  });

  it('load nothing by halves, and say when the archive held another image', async () => {
    const fake = fakeImages({}, ['b:1']);
    const { ask, tunnels } = agent({ runtime: fake.runtime });
    const cut = await ask(image());
    await cut.next();
    await cut.say({ $case: 'data', value: Buffer.from('one') });
    cut.end();
    await expect.poll(() => cut.aborted, SOON).toBeDefined(); // the call is over: there is nobody to tell
    expect(fake.loaded).toEqual([]);
    const other = await ask(image());
    await other.next();
    await other.say({ $case: 'closed', value: true });
    expect((await other.rest()).at(-1)).toMatchObject({
      $case: 'error',
      value: { reason: 'BadRequest', message: expect.stringContaining('a:1') },
    });
    await expect.poll(() => tunnels.count, SOON).toBe(0);
  });
});
