// Images of the engine: present, pulled with progress, loaded from and saved to archives. Archives themselves are ../../images/archive.ts.
import { Readable } from 'node:stream';
import { RuntimeError } from '../errors.js';
import type { ImageInfo, RegistryAuth } from '../types.js';
import type { Engine } from './engine.js';
import type { ImageInspect } from './engine-api.js';
import { fromErrorLine, toRuntimeError } from './engine-errors.js';
import { pathPart } from './engine-http.js';
import { jsonLines } from './frames.js';

/** The image of this name or id, or undefined. Asks no registry. */
export async function presentImage(engine: Engine, image: string): Promise<ImageInfo | undefined> {
  const found = await engine.find<ImageInspect>(`look for image ${image}`, { method: 'GET', path: `/images/${pathPart(image)}/json` });
  return found && imageInfo(found);
}

function imageInfo(image: ImageInspect): ImageInfo {
  // An image without name is listed as <none>:<none> by older engines.
  const names = [...(image.RepoTags ?? []), ...(image.RepoDigests ?? [])].filter((name) => !name.startsWith('<none>'));
  const user = image.Config?.User;
  return { id: image.Id, names, sizeBytes: image.Size, ...(user === undefined ? {} : { user }) };
}

/** All images that have a name. */
export async function listImages(engine: Engine): Promise<readonly ImageInfo[]> {
  const images = await engine.call<readonly ImageInspect[]>('list images', { method: 'GET', path: '/images/json' });
  return images.map(imageInfo).filter((image) => image.names.length > 0);
}

/** Takes the name off; the image goes with its last name. Not there: no error. */
export async function removeImage(engine: Engine, image: string): Promise<void> {
  await engine.find(`remove image ${image}`, { method: 'DELETE', path: `/images/${pathPart(image)}` });
}

/** Name and tag (or digest) as the engine wants them: without a tag it would pull every tag there is. */
export function splitReference(image: string): { readonly name: string; readonly tag: string } {
  const at = image.indexOf('@');
  const slash = image.lastIndexOf('/', at < 0 ? undefined : at);
  const named = at < 0 ? image : image.slice(0, at);
  const colon = named.lastIndexOf(':');
  const hasTag = colon > slash;
  const name = hasTag ? named.slice(0, colon) : named;
  if (at >= 0) return { name, tag: image.slice(at + 1) }; // a tag beside a digest says nothing
  return { name, tag: hasTag ? named.slice(colon + 1) : 'latest' };
}

/** As the engine wants it in a header: JSON in base64url, with padding. */
function registryHeader(auth: RegistryAuth): string {
  const json = JSON.stringify({ username: auth.username, password: auth.password, serveraddress: auth.serverAddress });
  return Buffer.from(json).toString('base64').replaceAll('+', '-').replaceAll('/', '_');
}

/** One line of the engine while it pulls. */
interface ProgressLine {
  readonly id?: string;
  readonly status?: string;
  readonly progressDetail?: { readonly current?: number; readonly total?: number };
  readonly error?: string;
  readonly errorDetail?: { readonly message?: string };
}

/** The sum over all layers. Known layers only: the total grows while the engine learns of more. */
class PullProgress {
  readonly #layers = new Map<string, { done: number; total: number }>();

  /** True where the sums may have changed. */
  take(line: ProgressLine): boolean {
    if (line.id === undefined) return false;
    const layer = this.#layers.get(line.id) ?? { done: 0, total: 0 };
    // Layers that are here already have no size and do not count.
    if (line.status === 'Downloading') {
      layer.done = Math.max(layer.done, line.progressDetail?.current ?? 0);
      layer.total = Math.max(layer.total, line.progressDetail?.total ?? 0);
    } else if (line.status === 'Download complete' || line.status === 'Pull complete') layer.done = layer.total;
    else if (line.status === 'Extracting' && layer.total === 0) layer.done = layer.total = line.progressDetail?.total ?? 0;
    else return false;
    this.#layers.set(line.id, layer);
    return true;
  }

  sum(): { readonly done: number; readonly total: number } {
    let done = 0;
    let total = 0;
    for (const layer of this.#layers.values()) {
      done += layer.done;
      total += layer.total;
    }
    return { done, total };
  }
}

/** Pulls one image. progress gets bytes done, bytes known of, and the engine's words. Ends with an error when the signal is aborted. */
export async function pullImage(
  engine: Engine,
  image: string,
  auth: RegistryAuth | undefined,
  progress: (done: number, total: number, text: string) => void,
  signal: AbortSignal,
): Promise<ImageInfo> {
  const doing = `pull ${image}`;
  const { name, tag } = splitReference(image);
  try {
    signal.throwIfAborted();
    const headers = auth && { 'X-Registry-Auth': registryHeader(auth) };
    const query = { fromImage: name, tag };
    const answer = await engine.stream(doing, { method: 'POST', path: '/images/create', query, signal, ...(headers && { headers }) });
    const sums = new PullProgress();
    for await (const value of jsonLines(answer)) {
      const line = (typeof value === 'object' && value !== null ? value : {}) as ProgressLine;
      const failure = line.errorDetail?.message ?? line.error;
      if (failure !== undefined) throw fromErrorLine(failure, doing);
      sums.take(line);
      const { done, total } = sums.sum();
      progress(done, total, [line.status ?? '', line.id ?? ''].filter(Boolean).join(' '));
    }
  } catch (error) {
    if (signal.aborted) throw new RuntimeError('failed', `${doing}: cancelled`, { cause: error });
    throw pullError(toRuntimeError(error, doing), image);
  }
  const pulled = await presentImage(engine, image);
  if (!pulled) throw new RuntimeError('failed', `${doing}: the engine says that it is done, but has no such image`);
  return pulled;
}

// The registry's answer reaches us only as text behind status 404 or 500 (engines 20.10 to 28). In lower case.
const REGISTRY_TEXT: readonly (readonly [text: string, code: 'image-not-found' | 'registry' | 'invalid', advice: string])[] = [
  ['pull access denied', 'image-not-found', 'check the name of the image; where it needs a login, give the pod an imagePullSecret'],
  ['manifest unknown', 'image-not-found', 'check the tag of the image'],
  ['not found', 'image-not-found', 'check the name and tag of the image'],
  ['no matching manifest', 'image-not-found', "the image is not made for this machine's architecture"],
  ['unauthorized', 'registry', 'check the user name and password in the imagePullSecret'],
  ['no basic auth credentials', 'registry', 'give the pod an imagePullSecret for this registry'],
  ['denied', 'registry', 'check the user name and password in the imagePullSecret'],
  ['toomanyrequests', 'registry', 'the registry limits pulls; wait, or log in with an imagePullSecret'],
  ['server misbehaving', 'registry', 'the name of the registry cannot be resolved; load the image with podplane image load'],
  ['no such host', 'registry', 'the name of the registry cannot be resolved; load the image with podplane image load'],
  ['dial tcp', 'registry', 'the registry cannot be reached; load the image with podplane image load'],
  ['connection refused', 'registry', 'the registry cannot be reached; load the image with podplane image load'],
  ['client.timeout', 'registry', 'the registry cannot be reached; load the image with podplane image load'],
  ['request canceled', 'registry', 'the registry cannot be reached; load the image with podplane image load'],
  ['http response to https client', 'registry', 'the registry speaks plain HTTP: add it to insecure-registries of dockerd'],
  ['x509:', 'registry', "dockerd does not trust the registry's certificate"],
  ['invalid reference format', 'invalid', 'check the name of the image'],
];

function pullError(error: RuntimeError, image: string): RuntimeError {
  if (error.code === 'unreachable' || error.code === 'permission' || error.code === 'no-space') return error;
  const lower = error.message.replace(`pull ${image}: `, '').toLowerCase();
  const row = REGISTRY_TEXT.find(([text]) => lower.includes(text));
  if (row) return new RuntimeError(row[1], error.message, { advice: row[2], cause: error.cause });
  return error.code === 'not-found'
    ? new RuntimeError('image-not-found', error.message, { advice: 'check the name and tag of the image', cause: error.cause })
    : error;
}

/** Loads a docker-archive. An error of the archive is thrown as it is; what the engine says about it as RuntimeError. */
export async function loadImage(engine: Engine, archive: AsyncIterable<Uint8Array>): Promise<void> {
  const doing = 'load image';
  let broken: unknown;
  async function* watched(): AsyncGenerator<Uint8Array, void, void> {
    try {
      yield* archive;
    } catch (error) {
      broken = error ?? new Error('the archive broke off');
      throw error;
    }
  }
  const body = Readable.from(watched(), { objectMode: false });
  try {
    const answer = await engine.stream(doing, { method: 'POST', path: '/images/load', query: { quiet: 1 }, archive: body });
    for await (const value of jsonLines(answer)) {
      const line = (typeof value === 'object' && value !== null ? value : {}) as ProgressLine;
      const failure = line.errorDetail?.message ?? line.error;
      if (failure !== undefined) throw fromErrorLine(failure, doing);
    }
  } catch (error) {
    if (broken !== undefined) throw broken;
    const found = toRuntimeError(error, doing);
    // 20.10 says 500 "archive/tar: invalid tar header" or "unexpected EOF" for damaged archives.
    throw found.code === 'failed'
      ? new RuntimeError('invalid', found.message, { advice: 'is it an archive made by docker save?', cause: found.cause })
      : found;
  } finally {
    body.destroy();
  }
}

/** A docker-archive of an image of the engine, as it is read. Rejects with image-not-found before the first byte. */
export async function saveImage(engine: Engine, image: string, signal?: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
  if (!(await presentImage(engine, image)))
    throw new RuntimeError('image-not-found', `save ${image}: this engine has no such image`, {
      advice: 'docker images lists those that are there',
    });
  return engine.stream(`save ${image}`, { method: 'GET', path: `/images/${pathPart(image)}/get`, signal });
}
