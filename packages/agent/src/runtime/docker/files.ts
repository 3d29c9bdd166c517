// Files of containers by the engine's archive calls: also of images that have no program for it. The engine looks into the container's
// file system from outside, in a root of its own, so that no link of the container leads to files of the host.
import { Readable } from 'node:stream';
import { isRuntimeError, RuntimeError } from '../errors.js';
import type { Engine } from './engine.js';
import type { ContainerInspect } from './engine-api.js';
import { toRuntimeError } from './engine-errors.js';

const pathOf = (containerId: string): string => `/containers/${encodeURIComponent(containerId)}`;
const short = (containerId: string): string => containerId.slice(0, 12);
/** The engine mounts all volumes once more for this, and finds nothing at all where the source of one is gone since the start. */
const ADVICE = 'containers with subPath mounts can be copied from and to only where their image has tar';

export async function readFiles(
  engine: Engine,
  containerId: string,
  path: string,
  signal: AbortSignal,
): Promise<AsyncIterable<Uint8Array>> {
  const doing = `read ${path} in container ${short(containerId)}`;
  try {
    const query = { path: named(inContainer(await inspect(engine, containerId, doing), path)) };
    return await engine.stream(doing, { method: 'GET', path: `${pathOf(containerId)}/archive`, query, signal });
  } catch (error) {
    throw advised(error);
  }
}

export async function isFolder(engine: Engine, containerId: string, path: string): Promise<boolean> {
  const doing = `look at ${path} in container ${short(containerId)}`;
  const query = { path: `${inContainer(await inspect(engine, containerId, doing), path)}/.` };
  try {
    const answer = await engine.stream(doing, { method: 'HEAD', path: `${pathOf(containerId)}/archive`, query });
    answer.resume();
    return true;
  } catch (error) {
    // A file where a folder was asked for is any of these, by version of the engine.
    if (isRuntimeError(error, 'not-found') || isRuntimeError(error, 'invalid') || isRuntimeError(error, 'failed')) return false;
    throw error;
  }
}

/** An error of the archive's source is thrown as it is; what the engine says about it as RuntimeError. */
export async function writeFiles(
  engine: Engine,
  containerId: string,
  folder: string,
  archive: AsyncIterable<Uint8Array>,
  { preserve }: { readonly preserve: boolean },
): Promise<void> {
  const doing = `write files in ${folder} of container ${short(containerId)}`;
  const container = await inspect(engine, containerId, doing);
  const { Config } = container;
  const root = ['', '0', 'root'].includes((Config.User ?? '').split(':')[0] ?? '');
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
  const query = { path: inContainer(container, folder), noOverwriteDirNonDir: true, copyUIDGID: preserve && root ? undefined : true };
  try {
    const answer = await engine.stream(doing, { method: 'PUT', path: `${pathOf(containerId)}/archive`, query, archive: body });
    answer.resume();
  } catch (error) {
    if (broken !== undefined) throw broken;
    throw advised(toRuntimeError(error, doing));
  } finally {
    body.destroy();
  }
}

function inspect(engine: Engine, containerId: string, doing: string): Promise<ContainerInspect> {
  return engine.call<ContainerInspect>(doing, { method: 'GET', path: `${pathOf(containerId)}/json` });
}

/** Relative paths begin where a command in the container would begin, not at its root as the engine has it. */
function inContainer({ Config }: ContainerInspect, path: string): string {
  return path.startsWith('/') ? path : `${(Config.WorkingDir ?? '').replace(/\/+$/, '')}/${path}`;
}

/** What is not asked for by a name of its own ("/", "..") has none in the archive: the engine would give it the one that it finds. */
function named(path: string): string {
  const clean = path.replace(/\/+$/, '');
  return /(^|\/\.{1,2})$/.test(clean) ? `${clean}/.` : clean;
}

function advised(error: unknown): unknown {
  return isRuntimeError(error, 'not-found') ? new RuntimeError('not-found', error.message, { advice: ADVICE, cause: error }) : error;
}
