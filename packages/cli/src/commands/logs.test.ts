// `podplane logs`: which logs are asked for, in which order, and what is printed of them.
import { ApiError } from '@podplane/api/errors';
import type { LogsRequest } from '@podplane/api/gen/podplane/api/v1/pods';
import { beforeEach, describe, expect, it } from 'vitest';
import { pod } from '../testkit/pods.js';
import { runCommand, TestCluster } from '../testkit/world.js';

let cluster: TestCluster;

beforeEach(() => {
  cluster = new TestCluster();
});

const run = (...args: string[]): ReturnType<typeof runCommand> => runCommand(cluster, args, { cwd: '/' });

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

describe('logs', () => {
  const text = async function* (...pieces: string[]): AsyncGenerator<Uint8Array> {
    for (const piece of pieces) yield Buffer.from(piece);
  };
  it('takes times off again and puts prefixes before lines', async () => {
    cluster.put('Pod', pod('web-1'));
    cluster.logAnswers = [() => text('2026-01-01T00:00:00.000000001Z one\n2026-01-01T00:00:00.0000', '00002Z two\n')];
    expect((await run('logs', 'web-1', '--prefix', '-f')).out).toBe('[pod/web-1/web] one\n[pod/web-1/web] two\n');
  });
  it('resumes after the last line when the connection breaks', async () => {
    cluster.put('Pod', pod('web-1'));
    cluster.logAnswers = [
      async function* () {
        yield* text('2026-01-01T00:00:01Z one\n2026-01-01T00:00:02Z two\n');
        throw new ApiError('ServiceUnavailable', 'gone');
      },
      (request) => {
        expect(request.sinceTime).toBe('2026-01-01T00:00:02Z');
        return text('2026-01-01T00:00:02Z two\n2026-01-01T00:00:02Z two again\n2026-01-01T00:00:03Z three\n');
      },
    ];
    const { out, err } = await run('logs', 'web-1', '-f');
    expect(out).toBe('one\ntwo\ntwo again\nthree\n');
    expect(err).toContain('connection to the server was lost');
  });
  it('says which containers there are', async () => {
    cluster.put('Pod', pod('web-1'));
    const { code, err } = await run('logs', 'web-1', '-c', 'wbe');
    expect(code).toBe(1);
    expect(err).toContain('It has: web');
  });

  it('asks for the last ten lines of each pod where pods are chosen by labels, and for all otherwise', async () => {
    cluster.put('Pod', pod('web-1'));
    const tails: unknown[] = [];
    cluster.logAnswers = [1, 2, 3, 4].map(() => (request: LogsRequest) => {
      tails.push(request.tailLines);
      return text('x\n');
    });
    await run('logs', '-l', 'app=web');
    await run('logs', '-l', 'app=web', '--tail=-1');
    await run('logs', '-l', 'app=web', '--tail', '3');
    await run('logs', 'web-1');
    expect(tails).toEqual([10, undefined, 3, undefined]);
    expect(await run('logs', '-l', 'app=other')).toEqual({ code: 0, out: '', err: 'No resources found in default namespace.\n' });
  });

  it('follows no more containers than it may', async () => {
    for (const name of ['web-1', 'web-2', 'web-3']) cluster.put('Pod', pod(name));
    const refused = await run('logs', '-l', 'app=web', '-f', '--max-log-requests', '2');
    expect(refused.code).toBe(1);
    expect(refused.err).toContain('you are attempting to follow 3 log streams, but maximum allowed concurrency is 2');
    expect((await run('logs', 'web-1', '-f', '--max-log-requests', '0')).code).toBe(2);
  });

  it('lets a pod that comes later wait until one that is followed has ended', async () => {
    cluster.put('Pod', pod('web-1'));
    const end = Promise.withResolvers<void>();
    const asked: string[] = [];
    const stop = new AbortController();
    cluster.logAnswers = [
      async function* (request) {
        asked.push(request.pod);
        yield Buffer.from('2026-01-01T00:00:01Z first\n');
        await end.promise;
      },
      async function* (request) {
        asked.push(request.pod);
        yield Buffer.from('2026-01-01T00:00:01Z second\n');
        stop.abort();
      },
    ];
    const running = runCommand(cluster, ['logs', '-l', 'app=web', '-f', '--max-log-requests', '1'], { cwd: '/', stop: stop.signal });
    await until(() => asked.length === 1);
    cluster.put('Pod', pod('web-2'));
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(asked).toEqual(['web-1']);
    end.resolve();
    expect((await running).out).toBe('first\nsecond\n');
    expect(asked).toEqual(['web-1', 'web-2']);
  });

  it('goes on with the others when one cannot be read, where that is wanted', async () => {
    for (const name of ['web-1', 'web-2']) cluster.put('Pod', pod(name));
    const answers = [
      () => {
        throw new ApiError('ServiceUnavailable', 'node n1 is not connected');
      },
      () => text('fine\n'),
    ];
    cluster.logAnswers = [...answers];
    expect((await run('logs', '-l', 'app=web')).code).toBe(4);
    cluster.logAnswers = [...answers];
    const { code, out, err } = await run('logs', '-l', 'app=web', '--ignore-errors');
    expect({ code, out }).toEqual({ code: 0, out: 'fine\n' });
    expect(err).toContain('error: pod web-1, container web: node n1 is not connected');
  });

  it('counts what is shown, not the times that were taken off', async () => {
    cluster.put('Pod', pod('web-1'));
    cluster.logAnswers = [() => text('2026-01-01T00:00:01Z one\n2026-01-01T00:00:02Z two\n')];
    expect((await run('logs', 'web-1', '-f', '--limit-bytes', '6')).out).toBe('one\ntw');
  });

  it('says which container it chose, and finds init and ephemeral ones', async () => {
    const all = pod('web-1') as { spec: Record<string, unknown> };
    Object.assign(all.spec, {
      containers: [
        { name: 'web', image: 'w' },
        { name: 'side', image: 's' },
      ],
      initContainers: [{ name: 'setup', image: 's' }],
      ephemeralContainers: [{ name: 'tools', image: 't' }],
    });
    cluster.put('Pod', all);
    const asked: string[] = [];
    cluster.logAnswers = Array.from({ length: 6 }, () => (request: LogsRequest) => {
      asked.push(request.container);
      return text('');
    });
    expect((await run('logs', 'web-1')).err).toBe('Defaulted container "web" out of: web, side, setup (init), tools (ephem)\n');
    await run('logs', 'web-1', '-c', 'tools');
    await run('logs', 'web-1', '--all-containers');
    expect(asked).toEqual(['web', 'tools', 'setup', 'web', 'side', 'tools']);
  });
});
