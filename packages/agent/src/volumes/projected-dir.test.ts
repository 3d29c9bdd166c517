import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Payload } from './payload.js';
import { writeProjected } from './projected-dir.js';

let root = '';
let folder = '';
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'podplane-projected-'));
  folder = join(root, 'vol');
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const payload = (files: Readonly<Record<string, string>>, mode = 0o644): Payload =>
  new Map(Object.entries(files).map(([path, text]) => [path, { data: Buffer.from(text), mode }]));
const now = Date.UTC(2026, 10, 22, 14, 22, 30);
const write = (files: Payload): boolean => writeProjected(folder, files, { now });
const visible = (): string[] =>
  readdirSync(folder)
    .filter((name) => !name.startsWith('..'))
    .sort();
const hidden = (): string[] =>
  readdirSync(folder)
    .filter((name) => name.startsWith('..'))
    .sort();

describe('writeProjected', () => {
  it('lays files out as Kubernetes does', () => {
    expect(write(payload({ key: 'v', 'dir/file': 'w' }, 0o640))).toBe(true);
    expect(readlinkSync(join(folder, '..data'))).toMatch(/^\.\.2026_11_22_14_22_30\.\w{6}$/);
    expect(readlinkSync(join(folder, 'key'))).toBe('..data/key');
    expect(readlinkSync(join(folder, 'dir'))).toBe('..data/dir');
    expect(readFileSync(join(folder, 'dir/file'), 'utf8')).toBe('w');
    expect(statSync(join(folder, 'key')).mode & 0o777).toBe(0o640);
    expect(statSync(folder).mode & 0o777).toBe(0o755);
  });

  it('keeps modes whatever the umask', () => {
    const before = process.umask(0o077);
    try {
      write(payload({ 'a/b': 'x' }, 0o666));
    } finally {
      process.umask(before);
    }
    expect(statSync(join(folder, 'a/b')).mode & 0o777).toBe(0o666);
    expect(statSync(join(folder, 'a')).mode & 0o777).toBe(0o755);
  });

  it('changes nothing where nothing changed, and all by one rename where something did', () => {
    write(payload({ a: '1', b: '2' }));
    const first = readlinkSync(join(folder, '..data'));
    expect(write(payload({ a: '1', b: '2' }))).toBe(false);
    expect(readlinkSync(join(folder, '..data'))).toBe(first);
    expect(write(payload({ a: '1', c: '3' }))).toBe(true);
    expect(readlinkSync(join(folder, '..data'))).not.toBe(first);
    expect(visible()).toEqual(['a', 'c']);
    expect(existsSync(join(folder, first))).toBe(false);
    expect(write(payload({ a: '1', c: '3' }, 0o600))).toBe(true);
    expect(statSync(join(folder, 'a')).mode & 0o777).toBe(0o600);
  });

  it('cleans up after a crash in the middle', () => {
    write(payload({ a: '1' }));
    mkdirSync(join(folder, '..2020_01_01_00_00_00.abcdef'));
    symlinkSync('..2020_01_01_00_00_00.abcdef', join(folder, '..data_tmp'));
    write(payload({ a: '2' }));
    expect(hidden()).toHaveLength(2); // ..data and what it leads to
    expect(readFileSync(join(folder, 'a'), 'utf8')).toBe('2');
    // a link that was lost comes back though no content changed
    rmSync(join(folder, 'a'));
    expect(write(payload({ a: '2' }))).toBe(true);
    expect(readFileSync(join(folder, 'a'), 'utf8')).toBe('2');
  });

  it('refuses paths that lead out, and leaves the old files', () => {
    write(payload({ a: '1' }));
    for (const path of ['../x', '/x', 'a/../../x', '..data', '..', ''])
      expect(() => write(payload({ [path]: 'evil' })), path).toThrow('path');
    expect(readdirSync(root)).toEqual(['vol']);
    expect(visible()).toEqual(['a']);
    // what cannot be written is taken back
    expect(() => write(payload({ f: '1', 'f/g': '2' }))).toThrow();
    expect(hidden()).toHaveLength(2);
    expect(readFileSync(join(folder, 'a'), 'utf8')).toBe('1');
  });

  it('replaces a file of somebody else by its own, without following links', () => {
    write(payload({ a: '1' }));
    writeFileSync(join(root, 'outside'), 'untouched');
    symlinkSync('../outside', join(folder, 'b'));
    write(payload({ a: '1', b: 'mine' }));
    expect(readFileSync(join(folder, 'b'), 'utf8')).toBe('mine');
    expect(readFileSync(join(root, 'outside'), 'utf8')).toBe('untouched');
  });

  it('holds exactly the newest files after any sequence of writes', () => {
    const files = fc.dictionary(fc.constantFrom('a', 'b', 'd/x', 'd/y', 'd/e/f'), fc.string({ maxLength: 8 }), { maxKeys: 5 });
    fc.assert(
      fc.property(fc.array(files, { minLength: 1, maxLength: 6 }), (steps) => {
        for (const step of steps) write(payload(step));
        const last = steps.at(-1) ?? {};
        for (const [path, text] of Object.entries(last)) expect(readFileSync(join(folder, path), 'utf8')).toBe(text);
        expect(visible()).toEqual([...new Set(Object.keys(last).map((path) => path.split('/')[0]))].sort());
        expect(hidden()).toHaveLength(2);
      }),
      { numRuns: 60 },
    );
  });
});
