// The watchdog's program, run on this machine (and on the other architecture where qemu is installed) against a folder that stands for
// /proc: which processes it kills, when, and which it lets live.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { arch, tmpdir } from 'node:os';
import { join } from 'node:path';
import { suspendCountingClock } from '@podplane/api/system';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { encodeLease } from '../../fencing/lease-file.js';
import type { Architecture } from './machine.js';
import { watchdogProgram } from './watchdog-code.js';

vi.setConfig({ testTimeout: 60_000 });
const native: Architecture = arch() === 'arm64' ? 'arm64' : 'amd64';
const EMULATORS: Readonly<Record<Architecture, string>> = { amd64: 'qemu-x86_64-static', arm64: 'qemu-aarch64-static' };
const now = suspendCountingClock();

function has(program: string): boolean {
  try {
    return execFileSync(program, ['--version'], { stdio: ['ignore', 'pipe', 'ignore'] }).length > 0;
  } catch {
    return false;
  }
}

const idOf = (digit: string): string => digit.repeat(64);

describe.each(['amd64', 'arm64'] as const)('watchdog program (%s)', (architecture) => {
  const runner = architecture === native ? [] : [EMULATORS[architecture]];
  const runs = runner[0] === undefined || has(runner[0]);
  let folder: string;
  let children: ChildProcess[];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'podplane-watchdog-'));
    mkdirSync(join(folder, 'proc'));
    writeFileSync(join(folder, 'watchdog'), watchdogProgram(architecture));
    chmodSync(join(folder, 'watchdog'), 0o755);
    children = [];
  });
  afterEach(async () => {
    for (const child of children) {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGKILL');
        await once(child, 'exit');
      }
    }
    rmSync(folder, { recursive: true, force: true });
  });

  function start(program: string, ...args: readonly string[]): ChildProcess {
    const child = spawn(program, args, { stdio: 'ignore' });
    children.push(child);
    return child;
  }

  /** A process that the folder of processes says to be in this cgroup. */
  function processIn(cgroup: string): ChildProcess {
    const child = start('sleep', '60');
    mkdirSync(join(folder, 'proc', String(child.pid)));
    writeFileSync(join(folder, 'proc', String(child.pid), 'cgroup'), cgroup);
    return child;
  }

  const lease = (untilMs: number, ids: readonly string[]): void => {
    writeFileSync(join(folder, 'lease.new'), encodeLease({ until: untilMs, containerIds: ids }, 'c0ffee00-0000-4000-8000-00000000000b'));
    renameSync(join(folder, 'lease.new'), join(folder, 'lease'));
  };
  const watch = (): ChildProcess => {
    const own = join(folder, 'watchdog');
    const [emulator] = runner;
    const args = [join(folder, 'lease'), join(folder, 'proc')];
    return emulator === undefined ? start(own, ...args) : start(emulator, own, ...args);
  };
  const alive = (child: ChildProcess): boolean => child.exitCode === null && child.signalCode === null;
  const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

  it('is a small file', () => {
    expect(watchdogProgram(architecture).length).toBeLessThan(2500);
  });

  it.skipIf(!runs)('kills what the lease names when it is over and not before, and nothing else', async () => {
    const ids = Array.from({ length: 40 }, (_, index) => index.toString(16).padStart(2, '0').repeat(32));
    const last = ids.at(-1) ?? '';
    const v1 = Array.from({ length: 13 }, (_, index) => `${index}:controller${index}:/docker/${last}\n`).join('');
    const named = [processIn(`0::/../${ids[0]}\n`), processIn(`0::/system.slice/docker-${ids[7]}.scope\n`), processIn(v1), processIn(last)];
    const others = [
      processIn(`0::/docker/${idOf('e')}\n`),
      processIn(`0::/docker/${last.slice(0, 63)}`),
      processIn(`0::/docker/${last.slice(0, 63)}g`),
      processIn(''),
      processIn('0::/\n'),
    ];
    for (const name of ['self', 'meminfo', '12x', '0']) {
      mkdirSync(join(folder, 'proc', name));
      writeFileSync(join(folder, 'proc', name, 'cgroup'), `/docker/${ids[0]}`);
    }
    const until = now() + 1500;
    lease(until, ids);
    const watchdog = watch();
    const ends = Promise.all(named.map(async (child) => [await once(child, 'exit'), now()] as const));
    await wait(700);
    expect(named.every(alive)).toBe(true);
    for (const [[code, signal], at] of await ends) {
      expect({ code, signal }).toEqual({ code: null, signal: 'SIGKILL' });
      expect(at).toBeGreaterThanOrEqual(until - 10); // the clock of the test has 10 ms
    }
    await wait(200);
    expect(others.every(alive)).toBe(true);
    expect(alive(watchdog)).toBe(true);
    // What is started afterwards is killed too, as long as the lease is over.
    const late = processIn(`/docker/${ids[3]}`);
    expect(await once(late, 'exit')).toEqual([null, 'SIGKILL']);
  });

  it.skipIf(!runs)('goes by the newest lease, waits for a first one, and by the last one when the file is gone', async () => {
    const child = processIn(`/docker/${idOf('a')}`);
    watch();
    await wait(300);
    lease(now() + 400, [idOf('a')]);
    for (let renewal = 0; renewal < 6; renewal++) {
      await wait(300);
      lease(now() + 2500, [idOf('a')]);
    }
    expect(alive(child)).toBe(true);
    await wait(1200); // until it has read the last one
    rmSync(join(folder, 'lease'));
    expect(await once(child, 'exit')).toEqual([null, 'SIGKILL']);
  });

  it.skipIf(!runs || runner.length > 0)('needs next to no memory and no time', async () => {
    lease(now() + 60_000, [idOf('a')]);
    const { pid } = watch();
    await wait(1500);
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    expect(Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? 0)).toBeLessThan(200);
    expect(Number(/voluntary_ctxt_switches:\s+(\d+)/.exec(status)?.[1] ?? 99)).toBeLessThan(10);
  });
});
