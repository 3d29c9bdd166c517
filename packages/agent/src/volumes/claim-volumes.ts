// The volumes of claims on this host: made when the first pod needs them, given to its group, removed when the server says so. Which volume
// a claim has is the server's decision; where it is, claim-place.ts's.
import { existsSync, statSync } from 'node:fs';
import { chmod, mkdir, readdir, stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import type { PersistentVolume } from '@podplane/api/gen/podplane/core/v1/persistent_volume';
import type { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import { claimKey } from '@podplane/api/storage/words';
import { type ContainerRuntime, LABEL_CLAIM, LABEL_VOLUME, LABEL_VOLUME_NODE } from '../runtime/types.js';
import { mountPoints } from './bind-mounts.js';
import { type ClaimPlace, placeOf } from './claim-place.js';
import { applyFsGroup } from './fs-group.js';
import { prepareHostPath } from './host-path.js';
import { removeTree } from './remove-tree.js';

type Runtime = Pick<ContainerRuntime, 'createVolume' | 'volumePath' | 'removeVolume'>;

/** Whoever the pod runs as may write, as in volumes that Kubernetes' provisioners of local storage make. */
const VOLUME_MODE = 0o777;

export interface ClaimContext {
  readonly runtime: Runtime;
  readonly nodeName: string;
  /** Whether the agent and its engine see the same files. */
  readonly sameFiles: () => Promise<boolean>;
}

/** Makes what a pod's claim needs here. The problem, in words, where it cannot be. */
export async function prepareClaim(volume: PersistentVolume, pod: Pod, context: ClaimContext): Promise<string | undefined> {
  const place = placeOf(volume);
  const name = volume.metadata?.name ?? '';
  if (place === undefined) return `volume "${name}" is of a kind that this agent does not know`;
  const sameFiles = await context.sameFiles();
  if (!sameFiles && place.kind !== 'engine') return `the agent of node ${context.nodeName} does not see the files of its Docker Engine`;
  const problem = await makePlace(place, volume, context, sameFiles);
  if (problem !== undefined) return problem;
  const fsGroup = pod.spec?.securityContext?.fsGroup;
  if (fsGroup === undefined || place.kind === 'hostPath') return undefined;
  if (!sameFiles) return `fsGroup: the agent of node ${context.nodeName} does not see the files of its Docker Engine`;
  const path = await pathOf(place, context.runtime);
  if (path === undefined) return `volume "${name}" is not there`;
  await applyFsGroup(path, Number(fsGroup), pod.spec?.securityContext?.fsGroupChangePolicy === 'OnRootMismatch');
  return undefined;
}

async function makePlace(
  place: ClaimPlace,
  volume: PersistentVolume,
  { runtime, nodeName }: ClaimContext,
  sameFiles: boolean,
): Promise<string | undefined> {
  switch (place.kind) {
    case 'hostPath':
      return prepareHostPath(place.source);
    case 'local':
      return existsSync(place.path) && statSync(place.path).isDirectory()
        ? undefined
        : `path "${place.path}" does not exist on node ${nodeName}`;
    case 'directory':
      return makeDirectory(place, nodeName);
    case 'engine': {
      if (place.made) {
        const { namespace = '', name = '' } = volume.spec?.claimRef ?? {};
        const labels = {
          [LABEL_VOLUME_NODE]: nodeName,
          [LABEL_VOLUME]: volume.metadata?.name ?? '',
          [LABEL_CLAIM]: claimKey(namespace, name),
        };
        await runtime.createVolume(place.name, labels, { memory: false, sizeBytes: undefined });
      }
      const path = await runtime.volumePath(place.name);
      if (path === undefined) return `the Docker Engine of node ${nodeName} has no volume "${place.name}"`;
      if (place.made && sameFiles) await openToAll(path);
      return undefined;
    }
  }
}

/** A new folder; one that was used already keeps its rights. */
async function openToAll(path: string): Promise<void> {
  const { uid, mode } = await stat(path);
  if (uid === process.getuid?.() && (mode & 0o7777) === 0o755 && (await readdir(path)).length === 0) await chmod(path, VOLUME_MODE);
}

async function makeDirectory(place: Extract<ClaimPlace, { kind: 'directory' }>, nodeName: string): Promise<string | undefined> {
  const problem = sharedProblem(place, nodeName);
  if (problem !== undefined) return problem;
  if (existsSync(place.path)) {
    return (await stat(place.path)).isDirectory() ? undefined : `"${place.path}" is not a directory`;
  }
  if (!place.made) return `path "${place.path}" does not exist on node ${nodeName}`;
  await mkdir(place.path, { mode: 0o755, recursive: true });
  await chmod(place.path, VOLUME_MODE);
  return undefined;
}

/**
 * Why the directory that all nodes share cannot be used here. Where its storage is not mounted, the folder below would be this node's own:
 * what is written there would be seen by no other node.
 */
export function sharedProblem(place: Extract<ClaimPlace, { kind: 'directory' }>, nodeName: string): string | undefined {
  const parent = dirname(place.path);
  if (!existsSync(parent)) return `path "${parent}" does not exist on node ${nodeName}`;
  if (!place.requireMount) return undefined;
  const mounted = mountPoints().some((point) => point !== '/' && (parent === point || parent.startsWith(`${point}/`)));
  return mounted ? undefined : `path "${parent}" is not mounted on node ${nodeName}`;
}

/** The path on this host; undefined: it is not there. */
export async function pathOf(place: ClaimPlace, runtime: Pick<Runtime, 'volumePath'>): Promise<string | undefined> {
  switch (place.kind) {
    case 'engine':
      return runtime.volumePath(place.name);
    case 'hostPath':
      return place.source.path;
    case 'directory':
    case 'local':
      return place.path;
  }
}

/** Removes the data of a volume for good. Rejects with an Error that says why it cannot be. One that is not there: no error. */
export async function removeClaimData(volume: PersistentVolume, { runtime, nodeName }: ClaimContext): Promise<void> {
  const place = placeOf(volume);
  const name = volume.metadata?.name ?? '';
  if (place?.kind === 'engine') return runtime.removeVolume(place.name);
  if (place?.kind !== 'directory') throw new Error(`volume "${name}" has no data that this agent may remove`);
  // What somebody else made is not ours to remove, and a path that does not end in the volume's own name is none that we made.
  if (!place.made || !basename(place.path).endsWith(`-${name}`) || place.path.split('/').includes('..'))
    throw new Error(`directory "${place.path}" was not made for volume "${name}": remove it by hand`);
  const problem = sharedProblem(place, nodeName);
  if (problem !== undefined) throw new Error(problem);
  await removeTree(place.path);
}
