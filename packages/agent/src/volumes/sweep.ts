// Volumes of pods that are no more: an agent that was killed while it removed a pod may have left them. Volumes of claims are never touched.

import type { Log } from '../log.js';
import { toRuntimeError } from '../pods/errors.js';
import { type ContainerRuntime, LABEL_POD_UID } from '../runtime/types.js';

/** Removes volumes of pods that are not known; asked for each anew, as pods come meanwhile. Never rejects. */
export async function sweepVolumes(
  runtime: Pick<ContainerRuntime, 'listVolumes' | 'removeVolume'>,
  nodeName: string,
  known: () => Iterable<string>,
  log: Log,
): Promise<void> {
  try {
    for (const { name, labels } of await runtime.listVolumes(nodeName)) {
      const uid = labels[LABEL_POD_UID];
      if (uid === undefined || new Set(known()).has(uid)) continue;
      try {
        await runtime.removeVolume(name);
        log.info({ volume: name, pod: uid }, 'a volume that an earlier pod had left was removed');
      } catch (thrown) {
        const error = toRuntimeError(thrown);
        if (error.code !== 'not-found' && error.code !== 'conflict') throw thrown;
      }
    }
  } catch (error) {
    log.warn({ err: error }, 'volumes of earlier pods could not be removed');
  }
}
