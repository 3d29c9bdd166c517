// Trees that go through an archive and come back; archives of strangers, which must not write anywhere else.
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { headerFor, paddingOf, TAR_END, type TarHead } from '@podplane/agent/images/tar-head';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { pack } from './pack.js';
import { parseFileSpec, splitRemote } from './spec.js';
import { unpack } from './unpack.js';

let folder: string;
let warnings: string[];
const warn = (text: string): void => void warnings.push(text);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'podplane-copy-'));
  warnings = [];
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Everything below a folder: path -> what it is. */
function tree(path: string, at = ''): Record<string, string> {
  const out: Record<string, string> = {};
  for (const name of readdirSync(join(path, at)).sort()) {
    const here = at === '' ? name : `${at}/${name}`;
    const info = lstatSync(join(path, here));
    const mode = (info.mode & 0o777).toString(8);
    if (info.isDirectory()) Object.assign(out, { [`${here}/`]: mode }, tree(path, here));
    else out[here] = info.isSymbolicLink() ? `-> ${readlinkSync(join(path, here))}` : `${mode} ${readFileSync(join(path, here), 'latin1')}`;
  }
  return out;
}

interface Entry {
  readonly path: string;
  readonly type?: string;
  readonly target?: string;
  readonly content?: string;
}

/** An archive that says what a good one never would. */
async function* hostile(entries: readonly Entry[]): AsyncGenerator<Uint8Array> {
  for (const { path, type = '0', target = '', content = '' } of entries) {
    const head: TarHead = { type: 'file', path, mode: 0o4777, uid: 0, gid: 0, size: content.length, modified: 0, target };
    const header = Buffer.from(headerFor(head));
    header.write(type, 156);
    header.fill(' ', 148, 156);
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
    yield header;
    yield Buffer.from(content);
    yield paddingOf(content.length);
  }
  yield TAR_END;
}

describe('a tree', () => {
  it('comes back as it was, whatever its names and sizes are', async () => {
    const name = fc.stringMatching(/^[a-zA-Z0-9 _:äß*-][a-zA-Z0-9 ._:äß*-]{0,120}$/).filter((text) => Buffer.byteLength(text) < 250);
    const file = fc.record({
      mode: fc.constantFrom(0o600, 0o644, 0o755, 0o400),
      text: fc.string({ maxLength: 2000, unit: 'binary-ascii' }),
    });
    await fc.assert(
      fc.asyncProperty(fc.dictionary(name, fc.dictionary(name, file, { maxKeys: 4 }), { maxKeys: 4 }), async (folders) => {
        const from = mkdtempSync(join(folder, 'from-'));
        for (const [one, files] of Object.entries(folders)) {
          mkdirSync(join(from, one));
          for (const [other, { mode, text }] of Object.entries(files)) {
            writeFileSync(join(from, one, other), text, 'latin1');
            chmodSync(join(from, one, other), mode);
          }
        }
        const to = join(folder, `to-${from.slice(-6)}`);
        const written = await unpack(pack(from, { name: 'x', preserve: true, warn }), to, { name: 'x', preserve: true, warn });
        expect(tree(to)).toEqual(tree(from));
        expect(written).toBe(1 + Object.keys(tree(from)).length);
        expect(warnings).toEqual([]);
      }),
      { numRuns: 25 },
    );
  });

  it('keeps links that stay inside, and folders that nobody may write to', async () => {
    const from = join(folder, 'from');
    mkdirSync(join(from, 'a', 'b'), { recursive: true });
    writeFileSync(join(from, 'a', 'b', 'f'), 'f');
    symlinkSync('a/b/f', join(from, 'in'));
    symlinkSync('../../in', join(from, 'a', 'b', 'up'));
    chmodSync(join(from, 'a', 'b'), 0o555);
    const to = join(folder, 'to');
    await unpack(pack(from, { name: 'from', preserve: true, warn }), to, { name: 'from', preserve: true, warn });
    expect(tree(to)).toEqual(tree(from));
    expect(warnings).toEqual([]);
  });

  it('without modes has those that everybody gets', async () => {
    const from = join(folder, 'from');
    mkdirSync(from);
    writeFileSync(join(from, 'secret'), 'x', { mode: 0o600 });
    writeFileSync(join(from, 'open'), 'x');
    chmodSync(join(from, 'open'), 0o777);
    const to = join(folder, 'to');
    await unpack(pack(from, { name: 'f', preserve: false, warn }), to, { name: 'f', preserve: false, warn });
    const umask = process.umask();
    expect(tree(to)).toEqual({ open: `${(0o666 & ~umask).toString(8)} x`, secret: `${(0o666 & ~umask).toString(8)} x` });
  });

  it('of one file becomes the target, or goes into it where that is a folder', async () => {
    const from = join(folder, 'one.txt');
    writeFileSync(from, 'one', { mode: 0o644 });
    const options = { name: 'one.txt', preserve: true, warn };
    await unpack(pack(from, options), join(folder, 'deep', 'two.txt'), options);
    mkdirSync(join(folder, 'there'));
    await unpack(pack(from, options), join(folder, 'there'), options);
    expect(readFileSync(join(folder, 'deep', 'two.txt'), 'utf8')).toBe('one');
    expect(readFileSync(join(folder, 'there', 'one.txt'), 'utf8')).toBe('one');
  });
});

describe('an archive of a stranger', () => {
  const dir: Entry = { path: 'd/', type: '5' };
  const rows: readonly (readonly [title: string, entries: readonly Entry[], written: Record<string, string>])[] = [
    ['leads up', [dir, { path: 'd/../out', content: 'x' }, { path: '../out', content: 'x' }], {}],
    ['starts at the top', [dir, { path: '/tmp/out', content: 'x' }], {}],
    ['brings what was not asked for', [dir, { path: 'e/f', content: 'x' }], {}],
    ['brings a link out of it', [dir, { path: 'd/l', type: '2', target: '../..' }, { path: 'd/m', type: '2', target: '/etc/passwd' }], {}],
    [
      'writes through a link that it brings',
      [dir, { path: 'd/l', type: '2', target: '..' }, { path: 'd/l/out', content: 'x' }, { path: 'd/k', type: '2', target: 'l' }],
      { 'l/': '', 'l/out': 'x', k: 'l' },
    ],
    [
      'hides the way out behind another link',
      [dir, { path: 'd/e/', type: '5' }, { path: 'd/e/l', type: '2', target: '..' }, { path: 'd/m', type: '2', target: 'e/l/../..' }],
      { 'e/': '', 'e/l': '..' },
    ],
    [
      'links to a file of ours',
      [dir, { path: 'd/h', type: '1', target: '/etc/passwd' }, { path: 'd/i', type: '1', target: 'd/../../etc/passwd' }],
      {},
    ],
    [
      'has another name for its own file',
      [dir, { path: 'd/f', content: 'x' }, { path: 'd/g', type: '1', target: 'd/f' }],
      { f: 'x', g: 'x' },
    ],
    ['brings devices and pipes', [dir, { path: 'd/n', type: '3' }, { path: 'd/p', type: '6' }], {}],
    ['writes through a link that was here', [dir, { path: 'd/mine/out', content: 'x' }, { path: 'd/file', content: 'x' }], {}],
  ];
  it.each(rows)('that %s writes nothing outside', async (title, entries, written) => {
    const to = join(folder, 'to');
    const outside = join(folder, 'outside');
    mkdirSync(to);
    mkdirSync(outside);
    writeFileSync(join(outside, 'file'), 'ours');
    if (title.includes('was here')) {
      symlinkSync(outside, join(to, 'mine'));
      symlinkSync(join(outside, 'file'), join(to, 'file'));
    }
    await unpack(hostile(entries), to, { name: 'd', preserve: true, warn });
    expect(readdirSync(outside)).toEqual(['file']);
    expect(readFileSync(join(outside, 'file'), 'utf8')).toBe('ours');
    expect(readdirSync(folder).sort()).toEqual(['outside', 'to']);
    expect(existsSync('/tmp/out')).toBe(false);
    const seen = Object.fromEntries(
      Object.entries(tree(to))
        .filter(([path]) => !['mine', 'file'].includes(path))
        .map(([path, what]) => [path, path.endsWith('/') ? '' : what.replace(/^(->|\d+) /, '')]),
    );
    expect(seen).toEqual(written);
    if (!title.includes('another name')) expect(warnings.length).toBeGreaterThan(0);
    // Nothing is setuid here that was so there.
    for (const [path] of Object.entries(written)) expect(lstatSync(join(to, path)).mode & 0o7000).toBe(0);
  });

  it('that begins as a file writes nothing below it, wherever a link of that name leads', async () => {
    const outside = join(folder, 'outside');
    mkdirSync(outside);
    mkdirSync(join(folder, 'to'));
    for (const link of [join(folder, 'to', 'd'), join(folder, 'mine')]) symlinkSync(outside, link);
    const entries = [
      { path: 'd', content: 'x' },
      { path: 'd/out', content: 'x' },
      { path: 'd/in/out', content: 'x' },
      { path: 'd/l', type: '2', target: 'out' },
      { path: 'd/e/', type: '5' },
    ];
    for (const to of ['to', 'to/d', 'new']) await unpack(hostile(entries), join(folder, to), { name: 'd', preserve: true, warn });
    // A link that is named as the target is meant.
    expect(readdirSync(outside)).toEqual(['d']);
    expect(lstatSync(join(outside, 'd')).isFile()).toBe(true);
    expect(readFileSync(join(folder, 'new'), 'utf8')).toBe('x');
    expect(warnings.length).toBeGreaterThan(10);
  });

  it('that is cut off is an error, and so is one that lies about its sums', async () => {
    const all: Uint8Array[] = [];
    for await (const part of hostile([dir, { path: 'd/f', content: 'x'.repeat(1000) }])) all.push(part);
    const bytes = Buffer.concat(all);
    const options = { name: 'd', preserve: true, warn };
    const some = async function* (data: Buffer): AsyncGenerator<Uint8Array> {
      yield data;
    };
    await expect(unpack(some(bytes.subarray(0, 1500)), join(folder, 'a'), options)).rejects.toThrow('cut off');
    bytes[600] = 1;
    await expect(unpack(some(bytes), join(folder, 'b'), options)).rejects.toThrow('checksum');
  });
});

it.each([
  ['./a:b', { where: 'local', path: './a:b' }],
  ['/x:y', { where: 'local', path: '/x:y' }],
  ['file', { where: 'local', path: 'file' }],
  ['web-1:/etc/hosts', { where: 'container', namespace: undefined, pod: 'web-1', path: '/etc/hosts' }],
  ['ns/web-1:rel:ative', { where: 'container', namespace: 'ns', pod: 'web-1', path: 'rel:ative' }],
])('%s', (text, spec) => {
  expect(parseFileSpec(text)).toEqual(spec);
});
it.each([':x', 'a/b/c:x', 'pod:', '/pod', ''].filter((text) => text !== '/pod'))('%j is no path', (text) => {
  expect(() => parseFileSpec(text)).toThrow();
});
it.each([
  ['/', '/', '.'],
  ['/etc/', '/', 'etc'],
  ['/etc/app/conf', '/etc/app', 'conf'],
  ['conf', '.', 'conf'],
  ['a/..', 'a/..', '.'],
])('%s is split', (path, at, name) => {
  expect(splitRemote(path)).toEqual({ folder: at, name });
});
