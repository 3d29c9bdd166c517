// docker-archives: same input gives same bytes, system tar and our own reader agree on them, damaged ones are told apart.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ArchiveError, imageArchive, readArchive } from './archive.js';
import { busyboxImage, fileImage, findBusybox, MissingFileError } from './base-image.js';
import { type TarEntry, tarFile, tarSize, writeTar } from './tar.js';

const noBusybox = await findBusybox().then(
  () => false,
  () => true,
);
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'podplane-archive-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function bytes(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of source) parts.push(part);
  return Buffer.concat(parts);
}
async function* inPieces(data: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < data.length; at += size) yield data.subarray(at, at + size);
}
const small = (): AsyncIterable<Uint8Array> =>
  imageArchive({
    name: 'a/b:1',
    architecture: 'amd64',
    config: { entrypoint: ['/x'], stopSignal: 'SIGINT' },
    entries: [tarFile('x', Buffer.from('hello'), 0o755)],
  });

describe('writeTar', () => {
  it('makes what system tar unpacks, with modes, links and long paths', async () => {
    const long = `${'d'.repeat(90)}/${'e'.repeat(60)}/file`;
    const entries: TarEntry[] = [
      { type: 'directory', path: 'etc', mode: 0o700 },
      tarFile('etc/one', Buffer.from('1'), 0o640),
      tarFile(long, Buffer.alloc(1000, 'z')),
      { type: 'symlink', path: 'link', target: 'etc/one' },
    ];
    const archive = await bytes(writeTar(entries));
    expect(archive.length).toBe(tarSize(entries));
    writeFileSync(join(folder, 'a.tar'), archive);
    execFileSync('tar', ['-C', folder, '-xf', join(folder, 'a.tar')]);
    expect(readFileSync(join(folder, 'link'), 'utf8')).toBe('1');
    expect(statSync(join(folder, 'etc/one')).mode & 0o777).toBe(0o640);
    expect(statSync(join(folder, 'etc')).mode & 0o777).toBe(0o700);
    expect(readFileSync(join(folder, long)).length).toBe(1000);
  });

  it('says how many bytes it makes, for any content', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 2000 }), { maxLength: 5 }), async (files) => {
        const entries = files.map((data, i) => tarFile(`f${i}`, data));
        expect((await bytes(writeTar(entries))).length).toBe(tarSize(entries));
      }),
    );
  });

  it('refuses a file that is shorter or longer than it said, and a path that is too long', async () => {
    for (const data of ['12', '1234']) {
      await expect(bytes(writeTar([{ type: 'file', path: 'x', size: 3, data: [Buffer.from(data)] }]))).rejects.toThrow(
        /changed while it was read/,
      );
    }
    await expect(bytes(writeTar([tarFile('x'.repeat(300), Buffer.alloc(0))]))).rejects.toThrow(/too long/);
  });
});

describe('imageArchive and readArchive', () => {
  it('gives the same bytes each time, and a reader finds name and id', async () => {
    const one = await bytes(small());
    expect(await bytes(small())).toEqual(one);
    const [image, ...others] = await readArchive(inPieces(one, 700));
    expect(others).toEqual([]);
    expect(image?.names).toEqual(['a/b:1']);
    writeFileSync(join(folder, 'image.tar'), one);
    const config = execFileSync('tar', ['-xOf', join(folder, 'image.tar'), '--wildcards', '*.json', '--exclude', 'manifest.json']);
    expect(image?.id).toBe(`sha256:${createHash('sha256').update(config).digest('hex')}`);
    expect(JSON.parse(config.toString()).config).toEqual({ Entrypoint: ['/x'], StopSignal: 'SIGINT' });
  });

  it('reads gzip, and what OCI layouts of newer engines look like', async () => {
    const plain = await bytes(small());
    expect(await readArchive(inPieces(gzipSync(plain), 100))).toEqual(await readArchive(inPieces(plain, 100)));
    const config = Buffer.from('{"os":"linux"}');
    const hash = createHash('sha256').update(config).digest('hex');
    const manifest = Buffer.from(JSON.stringify([{ Config: `blobs/sha256/${hash}`, RepoTags: null, Layers: [] }]));
    const oci = writeTar([
      { type: 'directory', path: 'blobs' },
      tarFile(`blobs/sha256/${hash}`, config),
      tarFile('index.json', Buffer.from('{}')),
      tarFile('manifest.json', manifest),
    ]);
    expect(await readArchive(oci)).toEqual([{ names: [], id: `sha256:${hash}` }]);
  });

  it('says of anything else that it is no docker-archive', async () => {
    const cases: Record<string, AsyncIterable<Uint8Array>> = {
      empty: inPieces(Buffer.alloc(0), 1),
      text: inPieces(Buffer.from('hello world '.repeat(100)), 64),
      'truncated gzip': inPieces(gzipSync(Buffer.alloc(5000)).subarray(0, 20), 7),
      'cut off': inPieces((await bytes(small())).subarray(0, 1200), 100),
      'no manifest': writeTar([tarFile('x', Buffer.from('1'))]),
      'manifest is text': writeTar([tarFile('manifest.json', Buffer.from('{'))]),
      'manifest is empty': writeTar([tarFile('manifest.json', Buffer.from('[]'))]),
      'config missing': writeTar([tarFile('manifest.json', Buffer.from('[{"Config":"x.json"}]'))]),
    };
    for (const [name, archive] of Object.entries(cases)) await expect(readArchive(archive), name).rejects.toBeInstanceOf(ArchiveError);
  });

  it('ends soon and well on damaged archives, also where the checksums are right', async () => {
    const good = await bytes(small());
    const header = fc
      .tuple(fc.nat(Math.floor(good.length / 512) - 1), fc.constantFrom(0, 100, 124, 125, 148, 156, 257, 345), fc.nat(11))
      .map(([block, field, i]) => block * 512 + field + i);
    const change = fc.tuple(fc.oneof(fc.nat(good.length - 1), header), fc.nat(255));
    await fc.assert(
      fc.asyncProperty(
        fc.array(change, { minLength: 1, maxLength: 8 }),
        fc.boolean(),
        fc.nat(good.length),
        async (changes, repair, length) => {
          const bad = Buffer.from(good);
          for (const [at, value] of changes) bad[at] = value;
          if (repair)
            for (let at = 0; at + 512 <= bad.length; at += 512)
              if (bad.toString('latin1', at + 257, at + 262) === 'ustar') repairSum(bad.subarray(at, at + 512));
          await readArchive(inPieces(bad.subarray(0, length % 7 === 0 ? length : bad.length), 333)).catch((error: unknown) => {
            if (!(error instanceof ArchiveError)) throw error;
          });
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('reads what other programs write: long names, pax, GNU', async () => {
    const config = '{"os":"linux"}';
    const folderName = join('long'.repeat(40), 'names'.repeat(30));
    mkdirSync(join(folder, 'other', folderName), { recursive: true });
    writeFileSync(join(folder, 'other', folderName, 'config.json'), config);
    writeFileSync(
      join(folder, 'other', 'manifest.json'),
      JSON.stringify([{ Config: `${folderName}/config.json`, RepoTags: ['long:1'], Layers: [] }]),
    );
    for (const format of ['gnu', 'pax', 'oldgnu']) {
      const tar = execFileSync('tar', ['-C', join(folder, 'other'), `--format=${format}`, '-cf', '-', '.']);
      expect(await readArchive(inPieces(tar, 1000)), format).toEqual([
        { names: ['long:1'], id: `sha256:${createHash('sha256').update(config).digest('hex')}` },
      ]);
    }
  });
});

function repairSum(header: Buffer): void {
  header.fill(' ', 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
}

describe('images from files', () => {
  it('says what to install where busybox is missing or dynamic', async () => {
    await expect(findBusybox([join(folder, 'none')])).rejects.toMatchObject({
      code: 'missing-file',
      advice: expect.stringContaining('busybox-static'),
    });
    const dynamic = Buffer.alloc(200);
    dynamic.set([0x7f, 0x45, 0x4c, 0x46, 2]);
    dynamic.writeBigUInt64LE(64n, 32);
    dynamic.writeUInt16LE(56, 54);
    dynamic.writeUInt16LE(1, 56);
    dynamic.writeUInt32LE(3, 64);
    writeFileSync(join(folder, 'busybox'), dynamic);
    await expect(findBusybox([join(folder, 'busybox')])).rejects.toThrow(/shared libraries/);
  });

  it('takes files, contents, links and folders', async () => {
    writeFileSync(join(folder, 'local'), 'local\n', { mode: 0o750 });
    const archive = await bytes(
      await fileImage('x:1', {}, [
        { path: '/app/bin/run', from: join(folder, 'local') },
        { path: 'app/etc/conf', content: 'c=1', mode: 0o600 },
        { path: 'app/link', linkTo: 'bin/run' },
        { path: 'data', directory: true, mode: 0o1777 },
      ]),
    );
    writeFileSync(join(folder, 'x.tar'), archive);
    const listing = execFileSync('sh', ['-c', `tar -xOf ${join(folder, 'x.tar')} layer.tar | tar -tvf -`]).toString();
    expect(listing.split('\n').map((line) => line.replace(/^(\S+).*? (\S+)( -> .*)?$/, '$1 $2$3'))).toEqual([
      'drwxr-xr-x app/',
      'drwxr-xr-x app/bin/',
      '-rwxr-x--- app/bin/run',
      'drwxr-xr-x app/etc/',
      '-rw------- app/etc/conf',
      'lrwxrwxrwx app/link -> bin/run',
      'drwxrwxrwt data/',
      '',
    ]);
    await expect(fileImage('x:1', {}, [{ path: 'a', from: join(folder, 'nothing') }])).rejects.toBeInstanceOf(MissingFileError);
  });

  it.skipIf(noBusybox)('makes the busybox image with one id', async () => {
    const ids = await Promise.all([1, 2].map(async () => readArchive(await busyboxImage('bb:1'))));
    expect(ids[0]).toEqual(ids[1]);
  });
});
