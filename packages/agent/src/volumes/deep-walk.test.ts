import { constants, readdirSync } from 'node:fs';
import { chmod, lstat, mkdir, mkdtemp, open, readdir, readFile, rename, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openFolder, walkUp } from './deep-walk.js';
import { applyFsGroup } from './fs-group.js';
import { removeTree } from './remove-tree.js';

/** Deeper than a process usually has descriptors, and than a path has letters. */
const DEEP = 2500;

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'podplane-walk-'));
});
afterEach(async () => {
  await removeTree(root);
  await expect(lstat(root)).rejects.toThrow('ENOENT');
});

/** d/d/d/.../leaf, made as no path could name it. */
async function makeDeep(): Promise<void> {
  let folder = await open(root, constants.O_DIRECTORY);
  for (let i = 0; i < DEEP; i++) {
    const path = `/proc/self/fd/${folder.fd}/d`;
    await mkdir(path);
    const next = await open(path, constants.O_DIRECTORY);
    await folder.close();
    folder = next;
  }
  await writeFile(`/proc/self/fd/${folder.fd}/leaf`, 'x');
  await folder.close();
}

async function walk(visit: Parameters<typeof walkUp>[1]): Promise<void> {
  const handle = await openFolder(root);
  try {
    await walkUp(handle, visit);
  } finally {
    await handle.close();
  }
}

it('a tree of any depth is walked from its leaves on, with few open files', async () => {
  await makeDeep();
  const before = readdirSync('/proc/self/fd').length;
  let most = 0;
  const names: string[] = [];
  await walk(async ({ within }) => {
    names.push(within?.name ?? '');
    if (names.length % 100 === 1) most = Math.max(most, readdirSync('/proc/self/fd').length);
  });
  expect(names).toEqual(['leaf', ...Array.from({ length: DEEP }, () => 'd'), '']);
  expect(most - before).toBeLessThan(50);
  expect(readdirSync('/proc/self/fd')).toHaveLength(before);
});

it('fsGroup reaches the last leaf, and the root at the end', async () => {
  await makeDeep();
  await applyFsGroup(root, process.getgid?.() ?? 0, false);
  const modes: number[] = [];
  await walk(async ({ stats }) => void modes.push(stats.mode & 0o7777));
  expect(modes[0]).toBe(0o664);
  expect(modes.slice(1).every((mode) => (mode & 0o2770) === 0o2770)).toBe(true);
  expect(modes).toHaveLength(DEEP + 2);
});

it('what is removed is only what is in the tree: links go, what they lead to stays', async () => {
  const outside = await mkdtemp(join(tmpdir(), 'podplane-outside-'));
  await writeFile(join(outside, 'kept'), 'kept');
  await chmod(join(outside, 'kept'), 0o600);
  await mkdir(join(root, 'a/b'), { recursive: true });
  await symlink(outside, join(root, 'a/link'));
  await symlink(join(outside, 'kept'), join(root, 'a/b/link'));
  await applyFsGroup(root, process.getgid?.() ?? 0, false);
  await removeTree(join(root, 'a'));
  expect(await readdir(root)).toEqual([]);
  expect(await readFile(join(outside, 'kept'), 'utf8')).toBe('kept');
  expect((await lstat(join(outside, 'kept'))).mode & 0o777).toBe(0o600);
  await removeTree(outside);
});

it('a folder that is moved away while it is walked leads nowhere else', async () => {
  await makeDeep();
  const visited: number[] = [];
  const walking = walk(async ({ at, stats }) => {
    visited.push(stats.ino);
    // What was just walked, and is far below, goes elsewhere: ".." of the folder above it is not asked any more, that of this one is.
    if (visited.length === 2) await rename(`${at}/../../../d`, join(root, 'elsewhere'));
  });
  await expect(walking).rejects.toThrow('was moved away while it was walked');
});
