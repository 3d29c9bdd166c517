// Commands and logs on a real engine: demultiplexing, half-close, terminals, exit codes, slow readers, aborts.
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { STAY, TestNode, whyNoEngine } from '../testing/real-engine.js';
import type { LogOptions } from '../types.js';
import type { OutputPart } from './frames.js';

/** A busy machine needs a moment. */
const SOON = { timeout: 10_000, interval: 20 };

vi.setConfig({ hookTimeout: 60_000, testTimeout: 60_000 }); // the engine is shared with other tests
const noEngine = await whyNoEngine();
const MIB = 1024 * 1024;

async function collect(output: AsyncIterable<OutputPart>): Promise<{ stdout: string; stderr: string }> {
  const all = { stdout: '', stderr: '' };
  for await (const part of output) all[part.stream] += Buffer.from(part.data).toString('latin1');
  return all;
}

describe.skipIf(noEngine !== undefined)('exec', () => {
  const node = new TestNode();
  const { runtime } = node;
  let app: string;
  beforeAll(async () => {
    await node.open();
    app = (await node.pod('exec', STAY)).app;
  });
  afterAll(() => node.close());

  it('keeps standard output and error apart and gives the exit code', async () => {
    const handle = await runtime.exec(app, {
      command: ['sh', '-c', 'echo $X; echo err >&2; exit 42'],
      stdin: false,
      tty: false,
      env: ['X=out'],
    });
    expect(await collect(handle.output)).toEqual({ stdout: 'out\n', stderr: 'err\n' });
    expect(await handle.exit).toBe(42);
  });

  it('passes standard input through to its end, 20 MiB both ways', async () => {
    const handle = await runtime.exec(app, { command: ['cat'], stdin: true, tty: false });
    const chunk = Buffer.alloc(MIB).map((_, i) => (i * 31) & 0xff);
    const sent = createHash('sha256');
    const received = createHash('sha256');
    const sending = (async () => {
      for (let i = 0; i < 20; i++) {
        sent.update(chunk);
        await handle.write(chunk);
      }
      handle.closeStdin();
    })();
    for await (const part of handle.output) received.update(part.data);
    await sending;
    expect(received.digest('hex')).toBe(sent.digest('hex'));
    expect(await handle.exit).toBe(0);
    await expect(handle.write(chunk)).rejects.toMatchObject({ code: 'failed' });
  });

  it('a command that reads its input to the end sees the end when there is none', async () => {
    expect(await node.run(app, 'wc', '-c')).toEqual({ out: '0\n', code: 0 });
  });

  it('gives a terminal: size, no frames, input echoed', async () => {
    const handle = await runtime.exec(app, { command: ['sh'], stdin: true, tty: true });
    await handle.resize(101, 37);
    await handle.write(Buffer.from('stty size; tty; echo err >&2; exit 5\n'));
    const { stdout, stderr } = await collect(handle.output);
    expect(stdout).toContain('37 101');
    expect(stdout).toContain('/dev/pts/');
    expect(stderr).toBe('');
    expect(await handle.exit).toBe(5);
  });

  it('reports a command that does not exist, and a container that does not run', async () => {
    const missing = await node.run(app, '/no/such');
    expect([126, 127]).toContain(missing.code);
    expect(missing.out).toContain('/no/such');
    const { app: ended } = await node.pod('ended', 'exit 0');
    await node.ended(ended);
    await expect(runtime.exec(ended, { command: ['true'], stdin: false, tty: false })).rejects.toMatchObject({ code: 'conflict' });
    await expect(runtime.exec('0123456789ab', { command: ['true'], stdin: false, tty: false })).rejects.toMatchObject({
      code: 'not-found',
    });
  });

  it('does not read ahead of a slow reader', async () => {
    const handle = await runtime.exec(app, {
      command: ['sh', '-c', 'dd if=/dev/zero bs=1M count=64 2>/dev/null; echo done > /tmp/done'],
      stdin: false,
      tty: false,
    });
    const output = handle.output[Symbol.asyncIterator]();
    await output.next();
    // The writer must get stuck: pipes and sockets in between hold far less than 64 MiB.
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect((await node.run(app, 'cat', '/tmp/done')).code).not.toBe(0);
    let bytes = 0;
    for (let next = await output.next(); !next.done; next = await output.next()) bytes += next.value.data.length;
    expect(bytes).toBeGreaterThan(63 * MIB);
    expect(await handle.exit).toBe(0);
    expect((await node.run(app, 'cat', '/tmp/done')).out).toBe('done\n');
  });

  it('abort ends output, exit and the process', async () => {
    const handle = await runtime.exec(app, { command: ['sh', '-c', 'echo started; exec sleep 98765'], stdin: false, tty: false });
    const output = handle.output[Symbol.asyncIterator]();
    await output.next();
    const running = async (): Promise<boolean> => (await node.run(app, 'sh', '-c', 'ps | grep "[s]leep 98765"')).code === 0;
    await expect.poll(running, SOON).toBe(true);
    handle.abort();
    handle.abort();
    expect((await output.next()).done).toBe(true);
    await expect(handle.exit).rejects.toMatchObject({ code: 'failed' });
    for (let i = 0; await running(); i++) {
      if (i > 50) throw new Error('the process still runs');
    }
  });

  it('who stops reading lets go of the connection, and exit says so', async () => {
    const handle = await runtime.exec(app, { command: ['sh', '-c', 'echo a; sleep 1; echo b'], stdin: false, tty: false });
    for await (const part of handle.output) {
      expect(Buffer.from(part.data).toString()).toBe('a\n');
      break;
    }
    await expect(handle.exit).rejects.toMatchObject({ code: 'failed' });
  });
});

describe.skipIf(noEngine !== undefined)('attach', () => {
  const node = new TestNode();
  const { runtime } = node;
  beforeAll(async () => {
    await node.open();
  });
  afterAll(() => node.close());

  it('gives what a container says from then on, to its end', async () => {
    const { app } = await node.pod('says', 'while ! test -e /go; do sleep 0.05; done; echo out; echo err >&2; exit 3');
    const handle = await runtime.attach(app, { stdin: false, tty: false });
    await node.run(app, 'touch', '/go');
    expect(await collect(handle.output)).toEqual({ stdout: 'out\n', stderr: 'err\n' });
  });

  it('ends where the container had ended before', async () => {
    const { app } = await node.pod('over', 'exit 0');
    await node.ended(app);
    const handle = await runtime.attach(app, { stdin: false, tty: false });
    expect(await collect(handle.output)).toEqual({ stdout: '', stderr: '' });
  });

  it('says where there is no such container', async () => {
    await expect(runtime.attach('0123456789ab', { stdin: false, tty: false })).rejects.toMatchObject({ code: 'not-found' });
  });
});

describe.skipIf(noEngine !== undefined)('logs', () => {
  const node = new TestNode();
  const { runtime } = node;
  beforeAll(async () => {
    await node.open();
  });
  afterAll(() => node.close());

  const options = (more: Partial<LogOptions> = {}): LogOptions => ({
    follow: false,
    tail: undefined,
    since: undefined,
    timestamps: false,
    ...more,
  });
  const read = (id: string, more: Partial<LogOptions> = {}): Promise<{ stdout: string; stderr: string }> =>
    collect(runtime.logs(id, options(more), new AbortController().signal));

  it('gives what was written: apart, the last lines, since a moment, with times', async () => {
    const { app } = await node.pod('a', 'for i in 1 2 3; do echo out$i; done; sleep 1.2; echo err >&2');
    expect(await read(app, { follow: true })).toEqual({ stdout: 'out1\nout2\nout3\n', stderr: 'err\n' }); // ends with the container
    expect(await read(app)).toEqual({ stdout: 'out1\nout2\nout3\n', stderr: 'err\n' });
    expect(await read(app, { tail: 2 })).toEqual({ stdout: 'out3\n', stderr: 'err\n' });
    expect(await read(app, { tail: 0 })).toEqual({ stdout: '', stderr: '' });
    const info = await runtime.inspect(app);
    expect(await read(app, { since: (info?.finishedAt ?? 0) - 500 })).toEqual({ stdout: '', stderr: 'err\n' });
    const { stdout } = await read(app, { timestamps: true, tail: 4 });
    expect(stdout).toMatch(/^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z out\d\n){3}$/);
  });

  it('follows until told to stop', async () => {
    const { app } = await node.pod('b', 'i=0; while :; do echo line$i; i=$((i+1)); sleep 0.05; done');
    const stop = new AbortController();
    let text = '';
    for await (const part of runtime.logs(app, options({ follow: true }), stop.signal)) {
      text += Buffer.from(part.data).toString();
      if (text.includes('line3\n')) stop.abort();
    }
    expect(text).toMatch(/^line0\nline1\nline2\nline3\n/);
    // An aborted signal: nothing at all.
    expect(await collect(runtime.logs(app, options({ follow: true }), stop.signal))).toEqual({ stdout: '', stderr: '' });
  });

  it('reads a terminal without frames, and a large log to its end', async () => {
    const { app: tty } = await node.pod('c', 'echo hello', { app: { tty: true } });
    await node.ended(tty);
    expect(await read(tty)).toEqual({ stdout: 'hello\r\n', stderr: '' });
    const { app: large } = await node.pod('d', 'yes 0123456789012345678901234567890123456789012345678 | head -n 100000');
    await node.ended(large);
    let bytes = 0;
    for await (const part of runtime.logs(large, options(), new AbortController().signal)) {
      bytes += part.data.length;
    }
    expect(bytes).toBe(5_000_000);
  });

  it('says that there is no such container, before and after abort', async () => {
    await expect(read('0123456789ab')).rejects.toMatchObject({ code: 'not-found' });
  });
});
