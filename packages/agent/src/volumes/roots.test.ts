import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { silentLog } from '../log.js';
import { isOurs, memoryFolder, Roots } from './roots.js';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'podplane-roots-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

it('says clearly where the engine does not see the files of the agent, and asks again later', async () => {
  let same = false;
  const roots = new Roots(join(folder, 'data'), () => Promise.resolve(same), silentLog, join(folder, 'memory'));
  await expect(roots.open()).rejects.toThrow(
    /the Docker Engine does not see the agent's files in .*data\/pods: agent and engine must run on the same host/,
  );
  same = true;
  await expect(roots.open()).resolves.toMatchObject({});
  expect(readdirSync(roots.disk)).toEqual([]);
  expect(statSync(roots.disk).mode & 0o777).toBe(0o700);
});

it('keeps secrets on the disk where the engine does not see the place in memory', async () => {
  const memory = join(folder, 'memory');
  const engine = (path: string): Promise<boolean> => Promise.resolve(!path.startsWith(memory));
  expect(await new Roots(join(folder, 'data'), engine, silentLog, memory).open()).toEqual({ memory: undefined });
  expect(await new Roots(join(folder, 'data'), () => Promise.resolve(true), silentLog, memory).open()).toEqual({ memory });
});

it('uses no place in memory that is not its own', async () => {
  const memory = join(folder, 'memory');
  mkdirSync(memory);
  chmodSync(memory, 0o755);
  expect(isOurs(memory)).toBe(false);
  const roots = new Roots(join(folder, 'data'), () => Promise.resolve(true), silentLog, memory);
  expect(await roots.open()).toEqual({ memory: undefined });
  expect(roots.all).toEqual([roots.disk]);
  symlinkSync(folder, join(folder, 'link'));
  expect(isOurs(join(folder, 'link'))).toBe(false);
  // no tmpfs, no place
  expect(memoryFolder(folder, [join(folder, 'nope'), '/proc'])).toBeUndefined();
});
