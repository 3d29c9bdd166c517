// What goes on inside containers of the fake runtime: commands with set answers, first processes that say nothing.
import { RuntimeError } from '@podplane/agent/runtime/errors';
import type { ExecHandle, StreamsHandle } from '@podplane/agent/runtime/types';
import type { System } from '@podplane/api/system';
import type { FakeContainer } from './fake-runtime-types.js';

type Part = { readonly stream: 'stdout' | 'stderr'; readonly data: Uint8Array };

/** What comes when the promise resolves: one piece, or nothing. */
async function* once(piece: Promise<string>): AsyncGenerator<Part, void, void> {
  const text = await piece;
  if (text !== '') yield { stream: 'stdout', data: Buffer.from(text) };
}

const deaf = { write: () => Promise.resolve(), closeStdin: () => undefined, resize: () => Promise.resolve() };

/** A command that answers as the container's image says. */
export function fakeExec(one: FakeContainer, command: readonly string[], system: System): ExecHandle {
  const { code, output = '', afterMs = 0 } = one.image.exec?.(command, one.info) ?? { code: 0 };
  const done = Promise.withResolvers<number>();
  const timer = system.timers.after(afterMs, () => done.resolve(code));
  return {
    ...deaf,
    output: once(done.promise.then(() => output)),
    exit: done.promise,
    abort: () => {
      timer.cancel();
      done.resolve(137);
    },
  };
}

/** Ends with the container. */
export function fakeAttach(one: FakeContainer): StreamsHandle {
  return { ...deaf, output: once(one.ended.promise.then(() => '')), abort: () => undefined };
}

/** Containers of the fake runtime have no files. */
export function noFiles(): Promise<never> {
  return Promise.reject(new RuntimeError('not-found', 'no such file'));
}
