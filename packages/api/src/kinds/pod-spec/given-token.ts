// The folder with a token that admission gave a pod: a manifest that is sent again does not say it, and does not take it away. How it is given
// is admission's business (controllers/admission).
import type { Container } from '../../gen/podplane/core/v1/container.js';
import type { PodSpec } from '../../gen/podplane/core/v1/pod.js';
import type { DeepReadonly } from '../kind-map.js';

/** Volumes of this name were given, not asked for. */
export const GIVEN_VOLUME_PREFIX = 'kube-api-access-';

/** Gives a changed spec back what the one before it was given; changes it in place. */
export function keepGivenToken(spec: PodSpec, previous: DeepReadonly<PodSpec>): void {
  const given = previous.volumes.filter(({ name }) => name.startsWith(GIVEN_VOLUME_PREFIX));
  if (given.length === 0) return;
  const names = new Set(given.map(({ name }) => name));
  for (const volume of given) {
    if (!spec.volumes.some(({ name }) => name === volume.name)) spec.volumes.push(structuredClone(volume) as PodSpec['volumes'][number]);
  }
  for (const list of ['containers', 'initContainers'] as const) {
    for (const container of spec[list]) {
      const mounts = previous[list].find(({ name }) => name === container.name)?.volumeMounts ?? [];
      for (const mount of mounts) if (names.has(mount.name)) addMount(container, mount);
    }
  }
}

function addMount({ volumeMounts }: Container, mount: DeepReadonly<Container['volumeMounts'][number]>): void {
  if (!volumeMounts.some(({ mountPath }) => mountPath === mount.mountPath)) volumeMounts.push({ ...mount });
}
