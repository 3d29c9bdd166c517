// Images without Docker's build: the archive is one that engines read, and the same input gives the same id.
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { extract } from 'tar-stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeImage, makeLayer, writeImages } from './docker-archive.mjs';
import { HostFiles } from './host-files.mjs';
import { tar, tarSize } from './tar.mjs';

interface Read {
  readonly type: string;
  readonly mode: number;
  readonly link: string;
  readonly data: Buffer;
}

async function readTar(bytes: Uint8Array): Promise<Map<string, Read>> {
  const found = new Map<string, Read>();
  const reader = extract();
  Readable.from([bytes]).pipe(reader);
  for await (const entry of reader) {
    const parts: Buffer[] = [];
    for await (const part of entry as AsyncIterable<Buffer>) parts.push(part);
    const { name, type, mode, linkname } = entry.header;
    found.set(name, { type: type ?? '', mode: mode ?? 0, link: linkname ?? '', data: Buffer.concat(parts) });
  }
  return found;
}

async function bytesOf(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const piece of pieces) parts.push(piece);
  return Buffer.concat(parts);
}

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'podplane-images-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const long = `${'directory-with-a-long-name/'.repeat(5)}file`;

describe('tar', () => {
  it('is read as it was meant', async () => {
    writeFileSync(join(folder, 'source'), 'x'.repeat(1000));
    const entries = [
      { path: 'a', folder: true, mode: 0o1777 },
      { path: 'a/data', data: Buffer.from('hello'), mode: 0o755 },
      { path: 'a/link', link: '/a/data' },
      { path: 'a/source', source: join(folder, 'source') },
      { path: long, data: Buffer.from('deep') },
    ];
    const bytes = await bytesOf(tar(entries));
    expect(bytes.length).toBe(tarSize(entries));
    const read = await readTar(bytes);
    expect(read.get('a/')).toMatchObject({ type: 'directory', mode: 0o1777 });
    expect(read.get('a/data')).toMatchObject({ type: 'file', mode: 0o755, data: Buffer.from('hello') });
    expect(read.get('a/link')).toMatchObject({ type: 'symlink', link: '/a/data' });
    expect(read.get('a/source')?.data.toString()).toBe('x'.repeat(1000));
    expect(read.get(long)?.data.toString()).toBe('deep');
  });
});

describe('docker-archive', () => {
  const make = async (text: string): Promise<{ readonly name: string; readonly id: string }> =>
    makeImage('example/test:1', [await makeLayer([{ path: 'file', data: Buffer.from(text) }], 'test')], { Cmd: ['/file'] });

  it('gives the same id for the same content only', async () => {
    expect((await make('a')).id).toBe((await make('a')).id);
    expect((await make('a')).id).not.toBe((await make('b')).id);
  });

  it('holds a layer that two images share once, with digests that fit', async () => {
    const shared = await makeLayer([{ path: 'shared', data: Buffer.from('s') }], 'shared');
    const own = await makeLayer([{ path: 'own', data: Buffer.from('o') }], 'own');
    const images = [makeImage('example/a:1', [shared], {}), makeImage('example/b:1', [shared, own], {})];
    const file = join(folder, 'images.tar');
    await writeImages(images, file);
    const read = await readTar(readFileSync(file));
    const layers = [...read.keys()].filter((name) => name.endsWith('layer.tar'));
    expect(layers.toSorted()).toEqual([`${own.digest}/layer.tar`, `${shared.digest}/layer.tar`].toSorted());
    for (const name of layers) {
      const digest = createHash('sha256')
        .update(read.get(name)?.data ?? '')
        .digest('hex');
      expect(name).toBe(`${digest}/layer.tar`);
    }
    const manifest: unknown = JSON.parse(read.get('manifest.json')?.data.toString() ?? '');
    expect(manifest).toMatchObject([
      { RepoTags: ['example/a:1'] },
      { RepoTags: ['example/b:1'], Layers: [`${shared.digest}/layer.tar`, `${own.digest}/layer.tar`] },
    ]);
  });
});

describe('HostFiles', () => {
  it('takes a program with its loader and libraries, and links its other names', () => {
    const files = new HostFiles();
    files.addProgram(process.execPath, 'usr/local/bin/node');
    files.addProgram(process.execPath, 'usr/local/bin/nodejs');
    const entries = files.entries();
    const paths = entries.map(({ path }) => path);
    expect(paths).toContain('usr/local/bin/node');
    expect(paths.some((path) => /\/ld-linux[^/]*\.so/.test(path))).toBe(true);
    expect(paths.some((path) => /\/libc\.so/.test(path))).toBe(true);
    expect(entries.find(({ path }) => path === 'usr/local/bin/nodejs')?.link).toBe('/usr/local/bin/node');
    expect(paths).toEqual(paths.toSorted());
    expect(entries.find(({ path }) => path === 'usr/local')?.folder).toBe(true);
  });

  it('says which programs this machine lacks', () => {
    expect(new HostFiles().addPrograms(['sh', 'no-such-program-anywhere'])).toEqual(['no-such-program-anywhere']);
  });
});
