// What a container may do with the stream that its probe runner writes to: nothing that costs the agent more than a probe does.
import { HandSystem } from '@podplane/store/testkit/hand-system';
import { expect, it } from 'vitest';
import { RUNNER_ENDED } from '../runtime/docker/runner-code.js';
import type { ExecHandle } from '../runtime/types.js';
import { ExecRunners, type RunnerRuntime } from './exec-runners.js';

const PART = 64 * 1024;

/** A "runner" that answers each request with so many full parts of output and then an end. read: parts that were taken from it. */
function talker(parts: number, read: { count: number }): RunnerRuntime {
  const part = Buffer.alloc(4 + PART, 'x');
  part.writeUInt32LE(PART, 0);
  const end = Buffer.alloc(4);
  end.writeUInt32LE(RUNNER_ENDED, 0);
  return {
    searchPath: () => Promise.resolve(undefined),
    exec: () => {
      const asked = Promise.withResolvers<void>();
      let aborted = false;
      async function* output() {
        await asked.promise;
        for (let i = 0; i < parts && !aborted; i++) {
          read.count++;
          yield { stream: 'stdout', data: part } as const;
        }
        yield { stream: 'stdout', data: end } as const;
      }
      const handle: ExecHandle = {
        output: output(),
        exit: new Promise<number>(() => undefined),
        write: () => Promise.resolve(asked.resolve()),
        closeStdin: () => undefined,
        resize: () => Promise.resolve(),
        abort: () => void (aborted = true),
      };
      return Promise.resolve(handle);
    },
  };
}

it('a container that writes more in the place of its runner than any runner does is given up, not listened to', async () => {
  const read = { count: 0 };
  const runners = new ExecRunners(talker(1000, read), new HandSystem().timers);
  const result = await runners.run('c', ['/bin/true'], new AbortController().signal);
  expect(result === undefined).toBe(true); // not shown: it may be long
  expect(read.count).toBeLessThan(5);
});

it('as much as a runner passes on is taken', async () => {
  const read = { count: 0 };
  const runners = new ExecRunners(talker(0, read), new HandSystem().timers);
  expect(await runners.run('c', ['/bin/true'], new AbortController().signal)).toEqual({ exitCode: 0, output: '' });
});

it('a command that was given up before its runner was there is not begun any more', async () => {
  const opened = Promise.withResolvers<void>();
  const written: Uint8Array[] = [];
  const slow: RunnerRuntime = {
    searchPath: () => Promise.resolve(undefined),
    exec: async () => {
      await opened.promise;
      return {
        output: (async function* () {})(),
        exit: new Promise<number>(() => undefined),
        write: (data: Uint8Array) => Promise.resolve(void written.push(data)),
        closeStdin: () => undefined,
        resize: () => Promise.resolve(),
        abort: () => undefined,
      };
    },
  };
  const abort = new AbortController();
  const running = new ExecRunners(slow, new HandSystem().timers).run('c', ['/bin/true'], abort.signal);
  await Promise.resolve();
  abort.abort();
  expect(await running).toEqual({ exitCode: 137, output: '' });
  opened.resolve();
  await new Promise<void>((resolve) => setImmediate(resolve));
  expect(written).toEqual([]);
});
