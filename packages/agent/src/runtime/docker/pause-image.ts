// The image of the pause container, loaded from memory: no registry. The program is pause-code.ts.
import { imageArchive, readArchive } from '../../images/archive.js';
import { tarFile } from '../../images/tar.js';
import { RuntimeError } from '../errors.js';
import type { Engine } from './engine.js';
import { loadImage, presentImage } from './images.js';
import type { Architecture } from './machine.js';
import { type PauseArchitecture, pauseProgram } from './pause-code.js';

/** Goes up whenever program or configuration change: nodes of two versions may share one engine. */
export const PAUSE_IMAGE = 'podplane/pause:2';

/** The docker-archive of the image; the same bytes and the same image id on every machine of that architecture. */
export function pauseArchive(architecture: PauseArchitecture): AsyncIterable<Uint8Array> {
  return imageArchive({
    name: PAUSE_IMAGE,
    architecture,
    config: { entrypoint: ['/pause'], stopSignal: 'SIGTERM' },
    entries: [tarFile('pause', pauseProgram(architecture), 0o755)],
  });
}

/** Makes sure that the engine has the image, and that it is ours and not one of the same name. */
export async function ensurePauseImage(engine: Engine, engineArchitecture: string): Promise<void> {
  await ensureOwnImage(engine, engineArchitecture, PAUSE_IMAGE, pauseArchive);
}

/** The same for any image that the agent makes itself. Returns its id. */
export async function ensureOwnImage(
  engine: Engine,
  engineArchitecture: string,
  name: string,
  archive: (architecture: Architecture) => AsyncIterable<Uint8Array>,
): Promise<string> {
  const architecture = pauseArchitecture(engineArchitecture);
  const [expected] = await readArchive(archive(architecture));
  const present = await presentImage(engine, name);
  if (present === undefined || present.id !== expected?.id) await loadImage(engine, archive(architecture));
  return expected?.id ?? '';
}

/** The engine's word for its architecture (uname -m) as ours. Throws RuntimeError invalid for others. */
export function pauseArchitecture(engineArchitecture: string): PauseArchitecture {
  switch (engineArchitecture) {
    case 'x86_64':
    case 'amd64':
      return 'amd64';
    case 'aarch64':
    case 'arm64':
      return 'arm64';
    default:
      throw new RuntimeError('invalid', `nodes run on x86-64 and arm64; this engine is ${engineArchitecture}`);
  }
}
