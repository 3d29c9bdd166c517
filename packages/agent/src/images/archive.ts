// The docker-archive: what `docker save` writes and POST /images/load reads. Makes one from entries of a file system, and says what is in
// one without loading it. Files of this machine come in through base-image.ts; the engine through runtime/.
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { type TarEntry, tarFile, tarSize, writeTar } from './tar.js';
import { readTar } from './tar-read.js';

/** What containers of the image get unless their pod says otherwise. */
export interface ImageConfig {
  readonly entrypoint?: readonly string[];
  readonly cmd?: readonly string[];
  readonly env?: readonly string[];
  readonly workingDir?: string;
  readonly stopSignal?: string;
  readonly user?: string;
  readonly exposedPorts?: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
}

export interface ImageDescription {
  /** name:tag */
  readonly name: string;
  /** amd64, arm64: Go's words for it. */
  readonly architecture: string;
  readonly config: ImageConfig;
  /** Of the only layer. */
  readonly entries: readonly TarEntry[];
}

const EPOCH = '1970-01-01T00:00:00Z';
const sha256 = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex');

/** A docker-archive with one image of one layer. The same description gives the same bytes, so the same image id everywhere. */
export async function* imageArchive(image: ImageDescription): AsyncGenerator<Uint8Array, void, void> {
  const layerHash = createHash('sha256');
  async function* layer(): AsyncGenerator<Uint8Array, void, void> {
    for await (const part of writeTar(image.entries)) {
      layerHash.update(part);
      yield part;
    }
  }
  // The layer goes first: only then is its digest known, which the configuration needs.
  const layerEntry: TarEntry = { type: 'file', path: 'layer.tar', size: tarSize(image.entries), data: layer() };
  const outer = writeTar([layerEntry]);
  let pending: Uint8Array | undefined;
  for await (const part of outer) {
    if (pending) yield pending;
    pending = part; // the last part is the end mark, which comes after the other two files
  }
  const config = configOf(image, `sha256:${layerHash.digest('hex')}`);
  const configName = `${sha256(config)}.json`;
  const manifest = Buffer.from(JSON.stringify([{ Config: configName, RepoTags: [image.name], Layers: ['layer.tar'] }]));
  yield* writeTar([tarFile(configName, config), tarFile('manifest.json', manifest)]);
}

function configOf(image: ImageDescription, diffId: string): Buffer {
  const { config } = image;
  return Buffer.from(
    JSON.stringify({
      architecture: image.architecture,
      os: 'linux',
      created: EPOCH,
      config: {
        ...(config.user === undefined ? {} : { User: config.user }),
        ...(config.exposedPorts === undefined ? {} : { ExposedPorts: Object.fromEntries(config.exposedPorts.map((port) => [port, {}])) }),
        ...(config.env === undefined ? {} : { Env: config.env }),
        ...(config.entrypoint === undefined ? {} : { Entrypoint: config.entrypoint }),
        ...(config.cmd === undefined ? {} : { Cmd: config.cmd }),
        ...(config.workingDir === undefined ? {} : { WorkingDir: config.workingDir }),
        ...(config.labels === undefined ? {} : { Labels: config.labels }),
        ...(config.stopSignal === undefined ? {} : { StopSignal: config.stopSignal }),
      },
      rootfs: { type: 'layers', diff_ids: [diffId] },
      history: [{ created: EPOCH, created_by: 'podplane' }],
    }),
  );
}

/** One image of an archive. */
export interface ArchivedImage {
  /** name:tag, none where it was saved by its id. */
  readonly names: readonly string[];
  /** sha256:... of its configuration: what the engine calls its id. (Engines with containerd's image store say the manifest's digest instead.) */
  readonly id: string;
}

export class ArchiveError extends Error {
  override readonly name = 'ArchiveError';
  readonly code = 'not-an-archive';
}

// manifest.json and configurations are small; whatever is larger is a layer and is passed over.
const SMALL_BYTES = 8 * 1024 * 1024;

/** The images of a docker-archive, plain or gzip. Reads it to its end mark. Throws ArchiveError where it is none. */
export async function readArchive(archive: AsyncIterable<Uint8Array>): Promise<readonly ArchivedImage[]> {
  const digests = new Map<string, string>();
  let manifest: Buffer | undefined;
  try {
    for await (const { path, data } of readTar(await plain(archive), SMALL_BYTES)) {
      if (data === undefined) continue;
      // Which file is a configuration is known only from the manifest, which may come last: so the digest of each small file is kept.
      const name = path.replace(/^\.\//, '');
      digests.set(name, sha256(data));
      if (name === 'manifest.json') manifest = data;
    }
  } catch (error) {
    throw new ArchiveError(`not a docker-archive: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
  if (!manifest) throw new ArchiveError('not a docker-archive: it has no manifest.json (make one with docker save)');
  return decodeManifest(manifest).map(({ config, names }) => {
    const digest = digests.get(config);
    if (digest === undefined) throw new ArchiveError(`not a docker-archive: manifest.json names ${config}, which is not in it`);
    return { names, id: `sha256:${digest}` };
  });
}

function decodeManifest(data: Buffer): readonly { readonly config: string; readonly names: readonly string[] }[] {
  const wrong = (what: string): ArchiveError => new ArchiveError(`not a docker-archive: manifest.json ${what}`);
  let manifest: unknown;
  try {
    manifest = JSON.parse(data.toString('utf8'));
  } catch {
    throw wrong('is not JSON');
  }
  if (!Array.isArray(manifest) || manifest.length === 0) throw wrong('lists no image');
  return manifest.map((item: unknown) => {
    if (typeof item !== 'object' || item === null || !('Config' in item) || typeof item.Config !== 'string')
      throw wrong('has an image without Config');
    const tags = 'RepoTags' in item ? item.RepoTags : undefined;
    const names = Array.isArray(tags) ? tags.filter((tag: unknown): tag is string => typeof tag === 'string') : [];
    return { config: item.Config, names };
  });
}

async function plain(archive: AsyncIterable<Uint8Array>): Promise<AsyncIterable<Uint8Array>> {
  const iterator = archive[Symbol.asyncIterator]();
  const first = await iterator.next();
  async function* whole(): AsyncGenerator<Uint8Array, void, void> {
    try {
      if (first.done) return;
      yield first.value;
      for (let next = await iterator.next(); !next.done; next = await iterator.next()) yield next.value;
    } finally {
      await iterator.return?.();
    }
  }
  const zipped = !first.done && first.value[0] === 0x1f && first.value[1] === 0x8b;
  if (!zipped) return whole();
  const unzip = createGunzip();
  const source = Readable.from(whole(), { objectMode: false });
  source.on('error', (error) => unzip.destroy(error));
  unzip.on('close', () => source.destroy());
  return source.pipe(unzip);
}
