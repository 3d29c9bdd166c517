// From the mounts of a container to those that the engine is asked for. Which place on the host is behind a volume, and the walk along a
// subPath, is the work of ../volumes/pod-files.ts; here is what is asked of it.
import type { Container, VolumeMount } from '@podplane/api/gen/podplane/core/v1/container';
import type { PersistentVolume } from '@podplane/api/gen/podplane/core/v1/persistent_volume';
import type { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import type { Volume } from '@podplane/api/gen/podplane/core/v1/volume';
import { claimHandle, claimOf } from '@podplane/api/storage/pod-claims';
import type { Mount } from '../runtime/types.js';
import { isReadOnly, placeOf } from '../volumes/claim-place.js';
import { isProjected } from '../volumes/payload.js';
import type { RunRef } from '../volumes/pod-files.js';
import { containerEnv, type EnvContext } from './env.js';
import { expand } from './expand.js';
import { volumeName } from './names.js';
import type { PodMemory } from './planner/types.js';
import type { StepContext, WorkerHost } from './worker-types.js';

/** A mount whose source must be found on the host first. */
export interface MountToFind {
  /** Which of the container's mounts. */
  readonly index: number;
  readonly volume: Volume;
  /** Empty: the volume itself. */
  readonly subPath: string;
}

export type MountsResult =
  | { readonly ok: true; readonly mounts: readonly Mount[]; readonly find: readonly MountToFind[] }
  | { readonly ok: false; readonly message: string };

const PROPAGATION: Readonly<Record<string, Mount['propagation']>> = { HostToContainer: 'rslave', Bidirectional: 'rshared' };

/** An emptyDir; one without a source is one too. */
export function isEmptyDir(volume: Volume): boolean {
  return volume.emptyDir !== undefined || Object.entries(volume).every(([field, source]) => field === 'name' || source === undefined);
}

/** Why this volume cannot be made here; undefined: it can. */
export function volumeProblem(volume: Volume): string | undefined {
  const { hostPath, persistentVolumeClaim, ephemeral } = volume;
  if (isEmptyDir(volume) || isProjected(volume)) return undefined;
  if (hostPath !== undefined || persistentVolumeClaim !== undefined || ephemeral !== undefined) return undefined;
  const kind = Object.entries(volume).find(([field, source]) => field !== 'name' && source !== undefined)?.[0];
  return `volume "${volume.name}": ${kind} is not supported`;
}

/** Pure. lookup: the container's environment. */
export function containerMounts(pod: Pod, container: Container, lookup: (name: string) => string | undefined): MountsResult {
  const mounts: Mount[] = [];
  const find: MountToFind[] = [];
  for (const [index, mount] of container.volumeMounts.entries()) {
    const volume = pod.spec?.volumes.find((other) => other.name === mount.name);
    if (volume === undefined)
      return { ok: false, message: `volume "${mount.name}" of mount ${mount.mountPath} is not among the pod's volumes` };
    const problem = volumeProblem(volume);
    if (problem !== undefined) return { ok: false, message: problem };
    const path = subPathOf(mount, lookup);
    if (!path.ok)
      return {
        ok: false,
        message: `failed to prepare subPath for volumeMount "${mount.name}" of container "${container.name}": ${path.message}`,
      };
    const propagation = PROPAGATION[mount.mountPropagation ?? ''];
    const projected = isProjected(volume);
    // Only the agent writes to what it projects.
    const claim = claimOf(pod, volume);
    const readOnly = mount.readOnly === true || projected || volume.persistentVolumeClaim?.readOnly === true;
    const common = { target: mount.mountPath, readOnly };
    if (isEmptyDir(volume) && path.subPath === '' && propagation === undefined) {
      mounts.push({ ...common, type: 'volume', source: volumeName(pod.metadata?.uid ?? '', mount.name) });
      continue;
    }
    mounts.push({ ...common, type: 'bind', source: volume.hostPath?.path ?? '', propagation });
    if (projected || path.subPath !== '' || isEmptyDir(volume) || claim !== undefined) find.push({ index, volume, subPath: path.subPath });
  }
  return { ok: true, mounts, find };
}

type SubPath = { readonly ok: true; readonly subPath: string } | { readonly ok: false; readonly message: string };

function subPathOf(mount: VolumeMount, lookup: (name: string) => string | undefined): SubPath {
  if (!mount.subPath && !mount.subPathExpr) return { ok: true, subPath: '' };
  const missing: string[] = [];
  const subPath =
    mount.subPath ||
    expand(mount.subPathExpr ?? '', (name) => {
      const value = lookup(name);
      if (value === undefined) missing.push(name);
      return value;
    });
  if (missing.length > 0) return { ok: false, message: `missing value for "${missing.join('", "')}" in subPathExpr` };
  if (subPath.startsWith('/')) return { ok: false, message: `subPath "${subPath}" must be a relative path` };
  if (subPath.split('/').includes('..')) return { ok: false, message: `subPath "${subPath}" must not contain ".."` };
  if (subPath.includes('\0')) return { ok: false, message: 'subPath must not contain NUL' };
  return { ok: true, subPath };
}

/** By number, the mounts of a container that are bind mounts of the agent's own while a run of it is made. */
export function boundMounts(container: Container, context: Pick<StepContext, 'host' | 'memory' | 'pod'>): readonly number[] {
  const { pod, host } = context;
  if (pod === undefined || host.files === undefined) return [];
  if (!container.volumeMounts.some((mount) => mount.subPath || mount.subPathExpr)) return [];
  const env = containerEnv(container, envContext(context, pod));
  const mounts = env.ok ? containerMounts(pod, container, env.lookup) : env;
  return mounts.ok ? boundIndexes(mounts.find) : [];
}

/** Of these mounts a run has bind mounts of its own on the host until it has started. */
export function boundIndexes(find: readonly MountToFind[]): readonly number[] {
  return find.filter(({ volume, subPath }) => subPath !== '' && !isProjected(volume)).map(({ index }) => index);
}

/** The mounts with their sources found, and those of the files that every container of the pod has. Rejects with an Error that says why not. */
export async function findMounts(
  mounts: readonly Mount[],
  find: readonly MountToFind[],
  pod: Pod,
  container: Container,
  run: RunRef,
  { host, memory }: { readonly host: Pick<WorkerHost, 'files' | 'references'>; readonly memory: Pick<PodMemory, 'ip'> },
): Promise<readonly Mount[]> {
  const etc = memory.ip === undefined ? [] : ((await host.files?.etc(pod, memory.ip, container)) ?? []);
  const found = [...mounts];
  for (const { index, volume, subPath } of find) {
    const mount = found[index];
    if (mount === undefined) continue;
    if (host.files === undefined) throw new Error('this agent keeps no files of volumes');
    const claimed = claimedVolume(pod, volume, host);
    const place = claimed === undefined ? undefined : placeOf(claimed);
    const readOnly = mount.readOnly || (claimed !== undefined && isReadOnly(claimed));
    // By its name the engine knows that the volume is in use.
    if (place?.kind === 'engine' && subPath === '' && mount.propagation === undefined) {
      found[index] = { ...mount, readOnly, type: 'volume', source: place.name };
      continue;
    }
    try {
      found[index] = { ...mount, readOnly, source: await host.files.source(pod, volume, subPath, run, index, place) };
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      throw new Error(`failed to prepare the mounts of container "${container.name}": ${message}`, { cause: error });
    }
  }
  return [...found, ...etc];
}

/** What the claim of a volume has; undefined: it is no claim, or has nothing yet. */
export function claimedVolume(pod: Pod, volume: Volume, { references }: Pick<WorkerHost, 'references'>): PersistentVolume | undefined {
  const claim = claimOf(pod, volume);
  return claim === undefined ? undefined : references.claim(pod.metadata?.namespace ?? '', claimHandle(pod, claim));
}

/** What env, files and mounts of a pod may refer to. */
export function envContext(context: Pick<StepContext, 'host' | 'memory'>, pod: Pod): EnvContext {
  const { host, memory } = context;
  const { hostIP, allocatable } = host.facts();
  return {
    pod,
    references: host.references,
    podIP: memory.ip ?? '',
    hostIP,
    nodeName: host.nodeName,
    allocatable,
    tokens: host.volumes.tokens,
  };
}
