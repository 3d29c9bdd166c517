// The image of the pause container, loaded from memory: no registry. The program is pause-code.ts.
import { imageArchive, readArchive } from '../../images/archive.js';
import { tarFile } from '../../images/tar.js';
import { RuntimeError } from '../errors.js';
import type { Engine } from './engine.js';
import { loadImage, presentImage } from './images.js';
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
  const architecture = pauseArchitecture(engineArchitecture);
  const [expected] = await readArchive(pauseArchive(architecture));
  const present = await presentImage(engine, PAUSE_IMAGE);
  if (present && present.id === expected?.id) return;
  await loadImage(engine, pauseArchive(architecture));
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
