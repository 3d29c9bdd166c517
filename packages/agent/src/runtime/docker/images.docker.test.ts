// Images on a real engine: pulled from a registry in this process, loaded from and saved to archives.
import { randomBytes } from 'node:crypto';
import { describe, expect, it, vi } from 'vitest';
import { imageArchive, readArchive } from '../../images/archive.js';
import { imageArchitecture } from '../../images/base-image.js';
import { tarFile } from '../../images/tar.js';
import { system, whyNoEngine } from '../testing/real-engine.js';
import { TestRegistry } from '../testing/registry.js';
import { DockerRuntime } from './docker-runtime.js';
import { splitReference } from './images.js';

vi.setConfig({ hookTimeout: 60_000, testTimeout: 60_000 }); // the engine is shared with other tests
const noEngine = await whyNoEngine();
const signal = new AbortController().signal;
const nothing = (): undefined => undefined;

async function bytes(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of source) parts.push(part);
  return Buffer.concat(parts);
}
async function* once(data: Uint8Array): AsyncGenerator<Uint8Array> {
  yield data;
}

describe('splitReference', () => {
  it('finds tag and digest, and gives what has neither the tag latest', () => {
    const digest = `sha256:${'a'.repeat(64)}`;
    const cases: Record<string, readonly [string, string]> = {
      busybox: ['busybox', 'latest'],
      'busybox:1.36': ['busybox', '1.36'],
      'host:5000/a/b': ['host:5000/a/b', 'latest'],
      'host:5000/a/b:v1': ['host:5000/a/b', 'v1'],
      [`a/b@${digest}`]: ['a/b', digest],
      [`host:5000/b:v1@${digest}`]: ['host:5000/b', digest],
    };
    for (const [image, [name, tag]] of Object.entries(cases)) expect(splitReference(image), image).toEqual({ name, tag });
  });
});

describe.skipIf(noEngine !== undefined)('images', () => {
  const runtime = new DockerRuntime(system);
  const layer = () => [tarFile('x', randomBytes(3_000_000), 0o755)];

  it('pulls with progress in bytes, and finds the image by all its names', async () => {
    const progress: [number, number, string][] = [];
    const arrived = Promise.withResolvers<void>();
    await using registry = await TestRegistry.start({
      repository: 'team/app',
      tag: 'v1',
      entries: layer(),
      pieces: 4,
      more: () => arrived.promise, // the rest only when progress of the first piece was seen
    });
    try {
      const image = await runtime.pullImage(
        registry.image,
        undefined,
        (done, total, text) => {
          progress.push([done, total, text]);
          if (done > 0) arrived.resolve();
        },
        signal,
      );
      expect(image.id).toBe(registry.imageId);
      expect(image.names).toContain(registry.image);
      expect(image.names).toContain(`${registry.host}/team/app@${registry.manifestDigest}`);
      const partly = progress.filter(([done, total]) => done > 0 && done < total);
      expect(partly.length).toBeGreaterThan(0);
      expect(Math.max(...progress.map(([, total]) => total))).toBe(registry.layerBytes);
      expect(progress.at(-1)?.slice(0, 2)).toEqual([registry.layerBytes, registry.layerBytes]);
      expect(progress.every(([done], i) => done >= (progress[i - 1]?.[0] ?? 0))).toBe(true);
      expect(progress.map(([, , text]) => text).join('\n')).toContain('Downloading');
      expect((await runtime.listImages()).map((found) => found.id)).toContain(registry.imageId);
      expect(await runtime.imagePresent(registry.imageId)).toEqual(image);
      // Pulled again: nothing is downloaded.
      const before = registry.requests.length;
      await runtime.pullImage(registry.image, undefined, nothing, signal);
      expect(registry.requests.slice(before).filter((request) => request.includes('/blobs/'))).toEqual([]);
    } finally {
      await runtime.removeImage(registry.image);
    }
    expect(await runtime.imagePresent(registry.image)).toBeUndefined();
  });

  it('pulls by digest', async () => {
    await using registry = await TestRegistry.start({ repository: 'team/app', tag: 'v1', entries: layer() });
    const image = `${registry.host}/team/app@${registry.manifestDigest}`;
    try {
      expect((await runtime.pullImage(image, undefined, nothing, signal)).id).toBe(registry.imageId);
    } finally {
      await runtime.removeImage(image);
    }
  });

  it('logs in where it has to, and says when the registry refuses', async () => {
    const login = { username: 'ann', password: 'pass/word+1' };
    await using registry = await TestRegistry.start({ repository: 'private/app', tag: 'v1', entries: layer(), login });
    const auth = { ...login, serverAddress: registry.host };
    await expect(runtime.pullImage(registry.image, undefined, nothing, signal)).rejects.toMatchObject({
      code: 'registry',
      advice: expect.stringContaining('imagePullSecret'),
    });
    await expect(runtime.pullImage(registry.image, { ...auth, password: 'wrong' }, nothing, signal)).rejects.toMatchObject({
      code: 'registry',
      advice: expect.stringContaining('imagePullSecret'),
    });
    try {
      expect((await runtime.pullImage(registry.image, auth, nothing, signal)).id).toBe(registry.imageId);
    } finally {
      await runtime.removeImage(registry.image);
    }
  });

  it('says when image or registry are not there, and when the name is no name', async () => {
    let host: string;
    {
      await using registry = await TestRegistry.start({ repository: 'team/app', tag: 'v1', entries: layer() });
      host = registry.host;
      await expect(runtime.pullImage(`${host}/team/app:v2`, undefined, nothing, signal)).rejects.toMatchObject({ code: 'image-not-found' });
      await expect(runtime.pullImage(`${host}/team/none:v1`, undefined, nothing, signal)).rejects.toMatchObject({
        code: 'image-not-found',
      });
    }
    await expect(runtime.pullImage(`${host}/team/app:v1`, undefined, nothing, signal)).rejects.toMatchObject({
      code: 'registry',
      advice: expect.stringContaining('podplane image load'),
    });
    await expect(runtime.pullImage(`${host}/Team/App:v1`, undefined, nothing, signal)).rejects.toMatchObject({ code: 'invalid' });
    await expect(runtime.pullImage(`registry.invalid/a:1`, undefined, nothing, signal)).rejects.toMatchObject({ code: 'registry' });
  });

  it('stops pulling when told to', async () => {
    const stop = new AbortController();
    await using registry = await TestRegistry.start({
      repository: 'team/app',
      tag: 'v1',
      entries: layer(),
      pieces: 2,
      more: () => new Promise(() => undefined),
    });
    const pulling = runtime.pullImage(registry.image, undefined, (done) => done > 0 && stop.abort(), stop.signal);
    await expect(pulling).rejects.toMatchObject({ code: 'failed', message: expect.stringContaining('cancelled') });
    await expect(runtime.pullImage(registry.image, undefined, nothing, stop.signal)).rejects.toMatchObject({
      message: expect.stringContaining('cancelled'),
    });
    expect(await runtime.imagePresent(registry.image)).toBeUndefined();
  });

  it('loads what it saved, with the id that the archive says', async () => {
    const name = `podplane-test/save:${randomBytes(5).toString('hex')}`;
    await runtime.loadImage(
      imageArchive({ name, architecture: imageArchitecture(), config: { cmd: ['/x'] }, entries: [tarFile('x', Buffer.from(name))] }),
    );
    const saved = await bytes(await runtime.saveImage(name));
    const [image] = await readArchive(once(saved));
    expect(image).toEqual({ names: [name], id: (await runtime.imagePresent(name))?.id });
    await runtime.removeImage(name);
    expect(await runtime.imagePresent(name)).toBeUndefined();
    await runtime.loadImage(once(saved));
    expect((await runtime.imagePresent(name))?.id).toBe(image?.id);
    await runtime.removeImage(name);
    await runtime.removeImage(name);
    await expect(runtime.saveImage(name)).rejects.toMatchObject({ code: 'image-not-found' });
  });

  it('refuses archives that are none, and gives on what broke the archive', async () => {
    await expect(runtime.loadImage(once(Buffer.from('hello'.repeat(500))))).rejects.toMatchObject({ code: 'invalid' });
    await expect(runtime.loadImage(once(Buffer.alloc(0)))).rejects.toMatchObject({ code: 'invalid' });
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield Buffer.alloc(1000);
      throw new Error('cut off');
    }
    await expect(runtime.loadImage(broken())).rejects.toThrow('cut off');
  });
});
