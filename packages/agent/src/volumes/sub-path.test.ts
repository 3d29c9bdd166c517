import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, test } from 'vitest';
import { prepareHostPath } from './host-path.js';
import { EscapeError, openInside } from './sub-path.js';

let root = '';
let base = '';
beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'podplane-sub-')));
  base = join(root, 'vol');
  mkdirSync(base);
  chmodSync(base, 0o777);
  mkdirSync(join(root, 'outside'));
  writeFileSync(join(root, 'outside', 'secret'), 'secret');
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** Where the path leads, as a name. */
async function opened(path: string, create = true): Promise<string> {
  const handle = await openInside(base, path, { create });
  try {
    return readlinkSync(`/proc/self/fd/${handle.fd}`);
  } finally {
    await handle.close();
  }
}

describe('openInside', () => {
  it('makes folders that are missing, with the rights of the base', async () => {
    expect(await opened('a/b')).toBe(join(base, 'a/b'));
    expect(statSync(join(base, 'a/b')).mode & 0o777).toBe(0o777);
    await expect(opened('x', false)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('finds files, and links that stay inside', async () => {
    mkdirSync(join(base, 'd'));
    writeFileSync(join(base, 'd/f'), '');
    symlinkSync('d', join(base, 'l'));
    symlinkSync('../l/f', join(base, 'd/back'));
    expect(await opened('d/f')).toBe(join(base, 'd/f'));
    expect(await opened('l/f')).toBe(join(base, 'd/f'));
    expect(await opened('l/back')).toBe(join(base, 'd/f'));
    expect(await opened('./d//f')).toBe(join(base, 'd/f'));
    await expect(opened('d/f/x')).rejects.toThrow('not a folder');
  });

  it.each([
    ['a link out', (): void => symlinkSync('../outside', join(base, 'l')), 'l/secret'],
    ['a link out by its absolute name', (): void => symlinkSync(join(root, 'outside'), join(base, 'l')), 'l/secret'],
    ['a link to the root', (): void => symlinkSync('/', join(base, 'l')), 'l/etc'],
    ['a link as the last step', (): void => symlinkSync('../outside/secret', join(base, 'l')), 'l'],
    [
      'a link over a link',
      (): void => {
        mkdirSync(join(base, 'd'));
        symlinkSync('..', join(base, 'd/up'));
        symlinkSync('d/up/../outside', join(base, 'l'));
      },
      'l',
    ],
    ['a loop', (): void => symlinkSync('l', join(base, 'l')), 'l'],
    ['..', (): void => undefined, '../outside'],
    ['.. later', (): void => mkdirSync(join(base, 'd')), 'd/../../outside'],
    ['a link into /proc', (): void => symlinkSync('/proc/self/root', join(base, 'l')), 'l/etc'],
  ])('refuses %s', async (_name, prepare, path) => {
    prepare();
    await expect(opened(path)).rejects.toThrow(EscapeError);
    expect(existsSync(join(root, 'outside', 'etc'))).toBe(false);
  });

  it('opens a pipe without waiting for its other end', async () => {
    execFileSync('mkfifo', [join(base, 'pipe')]);
    expect(await opened('pipe')).toBe(join(base, 'pipe'));
  });

  it('never leaves, while a step is swapped between a folder and a link out', async () => {
    mkdirSync(join(base, 'd/sub'), { recursive: true });
    symlinkSync('../outside', join(base, 'link'));
    mkdirSync(join(root, 'outside/sub'));
    let swapping = true;
    const swap = (async (): Promise<void> => {
      while (swapping) {
        renameSync(join(base, 'd'), join(base, 'was'));
        renameSync(join(base, 'link'), join(base, 'd'));
        await new Promise((resolve) => setImmediate(resolve));
        renameSync(join(base, 'd'), join(base, 'link'));
        renameSync(join(base, 'was'), join(base, 'd'));
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    let inside = 0;
    for (let i = 0; i < 400; i++) {
      const place = await opened('d/sub', false).catch(() => undefined);
      if (place === undefined) continue;
      inside++;
      expect(place.startsWith(`${base}/`)).toBe(true);
    }
    swapping = false;
    await swap;
    expect(inside).toBeGreaterThan(0);
  });

  it('ends inside or not at all, for any tree of links', async () => {
    const step = fc.constantFrom('a', 'b', 'c', '..', '.');
    const target = fc.array(step, { minLength: 1, maxLength: 4 }).map((steps) => steps.join('/'));
    await fc.assert(
      fc.asyncProperty(fc.dictionary(fc.constantFrom('a', 'b', 'c', 'd/a', 'd/b'), target, { maxKeys: 5 }), target, async (links, path) => {
        rmSync(base, { recursive: true, force: true });
        mkdirSync(join(base, 'd'), { recursive: true });
        for (const [name, to] of Object.entries(links)) symlinkSync(to, join(base, name));
        const place = await opened(path).catch(() => base);
        expect(place === base || place.startsWith(`${base}/`)).toBe(true);
      }),
      { numRuns: 200 },
    );
  });
});

describe('hostPath', () => {
  test.each<[string, string, string | undefined, (() => boolean)?]>([
    ['', 'new/dir', undefined, (): boolean => statSync(join(root, 'new/dir')).isDirectory()],
    ['', 'outside/secret', undefined],
    ['DirectoryOrCreate', 'made', undefined, (): boolean => (statSync(join(root, 'made')).mode & 0o777) === 0o755],
    ['DirectoryOrCreate', 'outside/secret', 'is not a directory'],
    ['Directory', 'outside', undefined],
    ['Directory', 'nope', 'is not a directory', (): boolean => !existsSync(join(root, 'nope'))],
    ['FileOrCreate', 'outside/made', undefined, (): boolean => readFileSync(join(root, 'outside/made'), 'utf8') === ''],
    ['FileOrCreate', 'outside/secret', undefined, (): boolean => readFileSync(join(root, 'outside/secret'), 'utf8') === 'secret'],
    ['FileOrCreate', 'no/parent', 'ENOENT'],
    ['FileOrCreate', 'outside', 'is not a file'],
    ['File', 'outside/secret', undefined],
    ['File', 'outside', 'is not a file'],
    ['Socket', 'outside/secret', 'is not a socket file'],
    ['CharDevice', 'outside/secret', 'is not a character device'],
    ['BlockDevice', 'outside/secret', 'is not a block device'],
    ['Strange', 'outside', 'is not known'],
  ])('type %j of %s: %s', async (type, path, problem, check) => {
    const said = await prepareHostPath({ path: join(root, path), type });
    if (problem === undefined) expect(said).toBeUndefined();
    else expect(said).toContain(problem);
    if (check !== undefined) expect(check()).toBe(true);
  });

  it('knows devices, and refuses paths with ".."', async () => {
    expect(await prepareHostPath({ path: '/dev/null', type: 'CharDevice' })).toBeUndefined();
    expect(await prepareHostPath({ path: `${root}/../etc`, type: '' })).toContain('must not contain');
    expect(await prepareHostPath({ path: 'etc', type: '' })).toContain('must be absolute');
  });
});
