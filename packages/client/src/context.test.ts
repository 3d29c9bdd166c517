import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Context, ContextError, contextFileOf, findContext, readContext, type Surroundings, writeContext } from './context.js';

let root: string;
let home: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'podplane-context-'));
  home = join(root, 'home');
});
afterEach(() => rm(root, { recursive: true, force: true }));

const context = (name: string): Context => ({
  name,
  server: '127.0.0.1:6443',
  caCertificate: 'ca',
  clientCertificate: 'cert',
  clientKey: 'key',
});

async function found(surroundings: Partial<Surroundings>): Promise<string> {
  try {
    return (await findContext({ wanted: undefined, env: {}, cwd: root, home, ...surroundings })).context.name;
  } catch (error) {
    if (error instanceof ContextError) return error.code;
    throw error;
  }
}

describe('contexts', () => {
  it('are written for their user only, and read back', async () => {
    const file = join(root, 'deep', 'context.json');
    await writeContext(file, { ...context('a'), namespace: 'team' });
    expect(await readContext(file)).toEqual({ ...context('a'), namespace: 'team' });
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    await writeContext(file, context('b'));
    expect((await readContext(file)).name).toBe('b');
  });

  it('are found by name, path, environment, place and default, in this order', async () => {
    const deep = join(root, 'a', 'b', 'c');
    await mkdir(deep, { recursive: true });
    expect(await found({ cwd: deep })).toBe('none');
    await writeContext(contextFileOf(home, 'default'), context('default'));
    expect(await found({ cwd: deep })).toBe('default');
    await writeContext(join(root, 'data', 'context.json'), context('data'));
    expect(await found({ cwd: deep })).toBe('data');
    await writeContext(join(root, 'a', '.podplane', 'context.json'), context('local'));
    expect(await found({ cwd: deep })).toBe('local');
    expect(await found({ cwd: root })).toBe('data');
    await writeContext(contextFileOf(home, 'prod'), context('prod'));
    expect(await found({ cwd: deep, env: { PODPLANE_CONTEXT: 'prod' } })).toBe('prod');
    await writeContext(join(deep, 'own.json'), context('own'));
    expect(await found({ cwd: deep, env: { PODPLANE_CONTEXT: 'prod' }, wanted: 'own.json' })).toBe('own');
    expect(await found({ cwd: deep, wanted: join(deep, 'own.json') })).toBe('own');
    expect(await found({ cwd: deep, wanted: 'nobody' })).toBe('not-there');
  });

  it.each([
    ['not JSON', '{', 'malformed'],
    ['a list', '[]', 'malformed'],
    ['without a key', JSON.stringify({ ...context('a'), clientKey: undefined }), 'malformed'],
    ['with a number for a text', JSON.stringify({ ...context('a'), server: 7 }), 'malformed'],
    ['with a wrong namespace', JSON.stringify({ ...context('a'), namespace: 7 }), 'malformed'],
  ])('that are %s are refused with the file named', async (_what, text, code) => {
    const file = join(root, 'context.json');
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text);
    await expect(readContext(file)).rejects.toMatchObject({ code, message: expect.stringContaining(file) });
  });

  it('that cannot be read are told apart', async () => {
    await expect(readContext(join(root, 'none.json'))).rejects.toMatchObject({ code: 'not-there' });
    await expect(readContext(root)).rejects.toMatchObject({ code: 'unreadable' });
  });
});
