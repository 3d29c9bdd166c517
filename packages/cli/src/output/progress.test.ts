import type { System } from '@podplane/api/system';
import { describe, expect, it } from 'vitest';
import { startProgress } from './progress.js';

function world(live: boolean): {
  readonly io: Parameters<typeof startProgress>[0];
  readonly said: () => string;
  readonly tick: () => void;
} {
  let said = '';
  let due: (() => void)[] = [];
  const system: System = {
    clock: { now: () => 0, monotonic: () => 0 },
    timers: {
      after(_ms, fn) {
        due.push(fn);
        return { cancel: () => void (due = due.filter((one) => one !== fn)) };
      },
      soon: (fn) => fn(),
    },
    random: { next: () => 0, uid: () => '', suffix: () => '' },
  };
  const tick = (): void => {
    const now = due;
    due = [];
    for (const one of now) one();
  };
  return { io: { err: (text) => (said += text), draw: (text) => (said += text), live, columns: () => 30, system }, said: () => said, tick };
}

describe('startProgress', () => {
  it('writes a line for each change where there is no terminal', () => {
    const { io, said } = world(false);
    const progress = startProgress(io);
    progress.say('1 of 2');
    progress.say('1 of 2');
    progress.say('2 of 2');
    progress.stop();
    expect(said()).toBe('1 of 2\n2 of 2\n');
  });

  it('redraws one line on a terminal, cut to its width, and takes it away', () => {
    const { io, said, tick } = world(true);
    const progress = startProgress(io);
    progress.say('0 of 2 pods ready, and more words than fit');
    tick();
    progress.stop();
    progress.say('too late');
    tick();
    expect(said()).toBe('\r\u001b[K| 0 of 2 pods ready, and m...\r\u001b[K/ 0 of 2 pods ready, and m...\r\u001b[K');
  });
});
