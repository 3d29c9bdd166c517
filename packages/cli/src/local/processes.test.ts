import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { realSystem } from '@podplane/api/system';
import { describe, expect, it } from 'vitest';
import { endProcess, isAlive, refOf, untilEnded } from './processes.js';

const system = realSystem();

describe('processes', () => {
  it('tells a process from another one with its number', () => {
    const me = refOf(process.pid);
    expect(isAlive(me)).toBe(true);
    expect(isAlive({ pid: process.pid, startTime: me.startTime + 1 })).toBe(false);
    expect(isAlive({ pid: 0, startTime: 0 })).toBe(false);
  });

  it('ends one that takes SIGTERM', async () => {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000); process.send("up")'], {
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    await once(child, 'message');
    const ref = refOf(child.pid ?? 0);
    expect(await untilEnded(system, ref, 1)).toBe(false);
    const ended = once(child, 'exit');
    await endProcess(system, ref, 10_000);
    expect(await ended).toEqual([null, 'SIGTERM']);
    expect(isAlive(ref)).toBe(false);
  });

  it('kills one that does not', async () => {
    const child = spawn(process.execPath, ['-e', 'process.on("SIGTERM", () => {}); setInterval(() => {}, 1000); process.send("up")'], {
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    await once(child, 'message');
    const ended = once(child, 'exit');
    await endProcess(system, refOf(child.pid ?? 0), 100);
    expect(await ended).toEqual([null, 'SIGKILL']);
  });
});
