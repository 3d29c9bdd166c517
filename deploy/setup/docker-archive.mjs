// Images made from tar entries, without Docker's build and without a registry: the same entries give the same image id everywhere.
// What goes into an image is not known here.
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { engine, imageArchitecture } from './docker.mjs';
import { SetupError } from './lib.mjs';
import { streamedEntry, tar, tarEnd, tarEntry, tarSize } from './tar.mjs';

const EPOCH = '1970-01-01T00:00:00Z';
const LOAD_LIMIT_MS = 600_000;

async function digestOf(pieces) {
  const hash = createHash('sha256');
  for await (const piece of pieces) hash.update(piece);
  return hash.digest('hex');
}

/** A layer: its entries and their digest. Reads all files once. @param {readonly import('./tar.mjs').Entry[]} entries */
export async function makeLayer(entries, createdBy) {
  return { entries, createdBy, digest: await digestOf(tar(entries)) };
}

/** An image of layers. config: Cmd, Env and so on, in Docker's words. */
export function makeImage(name, layers, config) {
  const document = Buffer.from(
    JSON.stringify({
      architecture: imageArchitecture(),
      os: 'linux',
      created: EPOCH,
      config,
      rootfs: { type: 'layers', diff_ids: layers.map(({ digest }) => `sha256:${digest}`) },
      history: layers.map(({ createdBy }) => ({ created: EPOCH, created_by: createdBy })),
    }),
  );
  return { name, document, id: createHash('sha256').update(document).digest('hex'), layers };
}

/** The docker-archive of images; a layer that several share is in it once. */
async function* archive(images) {
  const written = new Set();
  for (const { document, id, layers } of images) {
    for (const { entries, digest } of layers) {
      if (written.has(digest)) continue;
      written.add(digest);
      yield* tarEntry({ path: digest, folder: true });
      yield* streamedEntry(`${digest}/layer.tar`, tarSize(entries), tar(entries));
    }
    yield* tarEntry({ path: `${id}.json`, data: document });
  }
  const manifest = images.map(({ name, id, layers }) => ({
    Config: `${id}.json`,
    RepoTags: [name],
    Layers: layers.map(({ digest }) => `${digest}/layer.tar`),
  }));
  yield* tarEntry({ path: 'manifest.json', data: Buffer.from(JSON.stringify(manifest)) });
  yield tarEnd;
}

/** Writes images to a file, as docker save would. */
export function writeImages(images, file) {
  return pipeline(Readable.from(archive(images), { objectMode: false }), createWriteStream(file));
}

/** Loads images into the engine. Throws a SetupError with the engine's words. */
export async function loadImages(images) {
  const { status, text } = await engine('POST', '/images/load?quiet=1', {
    body: archive(images),
    headers: { 'Content-Type': 'application/x-tar' },
    timeoutMs: LOAD_LIMIT_MS,
  });
  const refused = /"error":"((?:[^"\\]|\\.)*)"/.exec(text);
  if (status !== 200 || refused)
    throw new SetupError(
      `The Docker Engine refused ${images.map(({ name }) => name).join(', ')}: ${refused?.[1] ?? text}`,
      'Is its disk full? docker system df',
    );
}

/** Does the engine have these images under these names? @param {Record<string, string>} ids by name */
export async function imagesPresent(ids) {
  for (const [name, id] of Object.entries(ids)) {
    const { status, text } = await engine('GET', `/images/${name}/json`);
    if (status !== 200 || JSON.parse(text).Id !== `sha256:${id}`) return false;
  }
  return true;
}
