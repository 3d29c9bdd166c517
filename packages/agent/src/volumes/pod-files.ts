// The files of pods on this host: volumes made of ConfigMaps, Secrets and facts, and the places that subPath leads to. One folder a pod,
//   <root>/<uid>/volumes/<volume>           what is mounted           (projected-dir.ts)
//   <root>/<uid>/copies/<run>.<mount>       subPath of such a volume: a copy, which does not change, as in Kubernetes
//   <root>/<uid>/etc/{hosts,resolv.conf}    what the pod's containers have in those places   (etc-files.ts)
//   <root>/<uid>/mounts/<run>.<mount>       subPath of other volumes: a bind mount until the container has started
// When to write, and what a failure means for the pod, is decided by the pod's worker.
import { createHash } from 'node:crypto';
import { existsSync, realpathSync } from 'node:fs';
import { cp, lchown, lstat, mkdir, open, readdir, realpath, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { Container } from '@podplane/api/gen/podplane/core/v1/container';
import type { PersistentVolume } from '@podplane/api/gen/podplane/core/v1/persistent_volume';
import type { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import type { Volume } from '@podplane/api/gen/podplane/core/v1/volume';
import type { Clock } from '@podplane/api/system';
import type { Log } from '../log.js';
import type { ContainerCache } from '../pods/container-cache.js';
import type { EnvContext } from '../pods/env.js';
import { toRuntimeError } from '../pods/errors.js';
import { volumeName } from '../pods/names.js';
import { attemptOf, containerNameOf, runOf } from '../pods/planner/observed.js';
import type { ContainerRuntime, Mount } from '../runtime/types.js';
import { bindHandle, mountsBelow, unbind } from './bind-mounts.js';
import type { ClaimPlace } from './claim-place.js';
import { type ClaimContext, pathOf, prepareClaim, removeClaimData } from './claim-volumes.js';
import { etcMounts } from './etc-files.js';
import { prepareHostPath } from './host-path.js';
import { isProjected, type Payload, payloadOf } from './payload.js';
import { isWritten, writeProjected } from './projected-dir.js';
import { Roots, TMPFS_MAGIC } from './roots.js';
import { openInside } from './sub-path.js';

/** How long an engine that does not see the agent's files is not asked again. */
const UNSEEN_MS = 60_000;

export interface PodFilesOptions {
  readonly dataDir: string;
  readonly runtime: Pick<ContainerRuntime, 'seesPath' | 'volumePath' | 'createVolume' | 'removeVolume'>;
  readonly clock: Clock;
  readonly log: Log;
  /** Where secrets are kept in memory. Default: a folder on a tmpfs of the host, if it has one. */
  readonly memoryDir?: string | undefined;
}

/** Why a volume cannot be made; quiet: it will be in a moment, and nobody need be told. */
export interface PrepareProblem {
  readonly message: string;
  readonly quiet: boolean;
}

const problemOf = (message: string | undefined): PrepareProblem | undefined =>
  message === undefined ? undefined : { message, quiet: false };

/** One run of a container; its mounts are numbered. */
export interface RunRef {
  readonly container: string;
  readonly attempt: number;
}

/** Uids are UUIDs; another text must not become a path. */
function uidFolder(uid: string): string {
  return /^[0-9a-zA-Z][0-9a-zA-Z-]{0,63}$/.test(uid) ? uid : createHash('sha256').update(uid).digest('hex').slice(0, 32);
}

const runName = (run: RunRef): string => `${run.container}.${run.attempt}.`;

/** What the agent needs of them; simulated machines have others. */
export type VolumeFiles = Pick<PodFiles, keyof PodFiles>;

export class PodFiles {
  private readonly roots: Roots;
  private mounting: Promise<void> | undefined;
  private unseenUntil = Number.NEGATIVE_INFINITY;
  /** What the folders hold, as far as this process wrote it. */
  private readonly written = new Map<string, string>();

  constructor(private readonly options: PodFilesOptions) {
    const { runtime, log, memoryDir } = options;
    // Mounts are listed by their real names.
    const dataDir = existsSync(options.dataDir) ? realpathSync(options.dataDir) : options.dataDir;
    const seesPath = (path: string): Promise<boolean> => runtime.seesPath(path);
    this.roots = memoryDir === undefined ? new Roots(dataDir, seesPath, log) : new Roots(dataDir, seesPath, log, memoryDir);
  }

  /** Where the administrator of the node puts seccomp profiles for pods to name. */
  get seccompFolder(): string {
    return join(this.options.dataDir, 'seccomp');
  }

  /** Makes what a volume needs on this host. The problem, in words, where it cannot be; nothing to do for emptyDir. */
  async prepare(pod: Pod, volume: Volume, context: EnvContext, claimed?: PersistentVolume): Promise<PrepareProblem | undefined> {
    if (claimed !== undefined) return problemOf(await prepareClaim(claimed, pod, this.claimContext(context.nodeName)));
    if (volume.hostPath !== undefined) {
      await this.roots.open();
      return problemOf(await prepareHostPath(volume.hostPath));
    }
    if (!isProjected(volume)) return undefined;
    const payload = payloadOf(volume, context);
    const before = this.existing(pod, volume);
    if (!payload.ok) {
      // An agent that was started again has no tokens, and perhaps no server: the files of the one before are good, and refreshed when it can.
      if (payload.waiting === true && before !== undefined && isWritten(before)) return undefined;
      return { message: payload.message, quiet: payload.waiting === true };
    }
    const { memory } = await this.roots.open();
    const folder = before ?? this.folder(payload.secret ? (memory ?? this.roots.disk) : this.roots.disk, pod, volume);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    this.write(folder, pod, payload.files);
    return undefined;
  }

  /** Removes the data of a released volume. Rejects with an Error that says why it cannot be. */
  removeClaim(volume: PersistentVolume, nodeName: string): Promise<void> {
    return removeClaimData(volume, this.claimContext(nodeName));
  }

  /** What the work on volumes of claims needs to know. */
  private claimContext(nodeName: string): ClaimContext {
    const sameFiles = (): Promise<boolean> =>
      this.roots.open().then(
        () => true,
        () => false,
      );
    return { runtime: this.options.runtime, nodeName, sameFiles };
  }

  /** Brings the files of volumes that were prepared up to date. Problems in words; where there is one the old files stay. */
  refresh(pod: Pod, context: EnvContext): readonly { readonly volume: string; readonly message: string }[] {
    const problems: { volume: string; message: string }[] = [];
    for (const volume of pod.spec?.volumes ?? []) {
      const folder = isProjected(volume) ? this.existing(pod, volume) : undefined;
      if (folder === undefined) continue;
      try {
        const payload = payloadOf(volume, context);
        if (payload.ok) {
          // Most changes of a pod concern none of its files.
          if (this.written.get(folder) !== digestOf(payload.files)) this.write(folder, pod, payload.files);
        } else if (payload.waiting !== true) problems.push({ volume: volume.name, message: payload.message });
      } catch (error) {
        problems.push({ volume: volume.name, message: toRuntimeError(error).words });
      }
    }
    return problems;
  }

  /**
   * The path on the host that the engine shall mount for mount number `index` of a run. Rejects where subPath leads out of the volume
   * (EscapeError), where the agent may not mount, or where the volume is not there.
   */
  async source(pod: Pod, volume: Volume, subPath: string, run: RunRef, index: number, claimed?: ClaimPlace): Promise<string> {
    if (isProjected(volume)) {
      const folder = this.existing(pod, volume);
      if (folder === undefined) throw new Error(`the files of volume "${volume.name}" are not there`);
      return subPath === '' ? folder : this.copy(folder, subPath, pod, run, index);
    }
    await this.roots.open();
    const base =
      claimed === undefined
        ? (volume.hostPath?.path ?? (await this.engineVolume(pod, volume)))
        : await pathOf(claimed, this.options.runtime);
    if (base === undefined) throw new Error(`volume "${volume.name}" is not there`);
    if (subPath === '') return base;
    await this.mayMount();
    const handle = await openInside(base, subPath, { create: true });
    try {
      const target = join(this.podFolder(this.roots.disk, pod.metadata?.uid ?? ''), 'mounts', `${runName(run)}${index}`);
      await bindHandle(handle, target);
      return target;
    } finally {
      await handle.close();
    }
  }

  /** The pod's own /etc/hosts and, where it says how names are resolved, /etc/resolv.conf. None where the engine does not see the agent's files. */
  async etc(pod: Pod, ip: string, container: Container): Promise<readonly Mount[]> {
    const { clock } = this.options;
    if (clock.monotonic() < this.unseenUntil) return [];
    try {
      await this.roots.open();
    } catch {
      this.unseenUntil = clock.monotonic() + UNSEEN_MS;
      return [];
    }
    return etcMounts(join(this.podFolder(this.roots.disk, pod.metadata?.uid ?? ''), 'etc'), pod, ip, container);
  }

  /** True while everything is mounted that source() mounted for these mounts of a run. After a restart of the host it is not. */
  mounted(uid: string, run: RunRef, indexes: readonly number[]): boolean {
    const folder = join(this.podFolder(this.roots.disk, uid), 'mounts');
    const points = new Set(mountsBelow(folder));
    return indexes.every((index) => points.has(join(folder, `${runName(run)}${index}`)));
  }

  /** A run has started, or never will: it needs its mounts no more. */
  async release(uid: string, run: RunRef): Promise<void> {
    const folder = join(this.podFolder(this.roots.disk, uid), 'mounts');
    for (const name of await names(folder)) if (name.startsWith(runName(run))) await unbind(join(folder, name));
  }

  /** Nothing of the pod stays. */
  async remove(uid: string): Promise<void> {
    for (const root of this.roots.all) {
      const folder = this.podFolder(root, uid);
      if (!existsSync(folder)) continue;
      const mounts = join(folder, 'mounts');
      for (const name of await names(mounts)) await unbind(join(mounts, name));
      // Only once nothing of others is mounted in there.
      if (mountsBelow(folder).length > 0) throw new Error(`something is still mounted in ${folder}`);
      await rm(folder, { recursive: true, force: true });
      for (const one of this.written.keys()) if (one.startsWith(`${folder}/`)) this.written.delete(one);
    }
  }

  /**
   * Removes what pods left that are not known; asked for each anew, as pods come meanwhile. Of known ones the mounts of runs that have
   * started: an agent that was killed right after that left them. Never rejects.
   */
  async sweep(known: () => Iterable<string>, containers: Pick<ContainerCache, 'ofPod'>): Promise<void> {
    try {
      for (const uid of known()) {
        const mounts = join(this.podFolder(this.roots.disk, uid), 'mounts');
        for (const name of await names(mounts)) {
          const [container = '', attempt] = name.split('.');
          const made = containers.ofPod(uid).find((info) => containerNameOf(info) === container && attemptOf(info) === Number(attempt));
          if (made !== undefined && runOf(made) !== 'created') await unbind(join(mounts, name));
        }
      }
      for (const root of this.roots.all) {
        for (const name of await names(root)) {
          if (!name.startsWith('.') && !new Set([...known()].map(uidFolder)).has(name)) await this.remove(name);
        }
      }
    } catch (error) {
      this.options.log.warn({ err: error }, 'files of earlier pods could not be removed');
    }
  }

  private write(folder: string, pod: Pod, files: Payload): void {
    const fsGroup = pod.spec?.securityContext?.fsGroup;
    writeProjected(folder, files, { now: this.options.clock.now(), gid: fsGroup === undefined ? undefined : Number(fsGroup) });
    this.written.set(folder, digestOf(files));
  }

  private podFolder(root: string, uid: string): string {
    return join(root, uidFolder(uid));
  }

  private folder(root: string, pod: Pod, volume: Volume): string {
    return join(this.podFolder(root, pod.metadata?.uid ?? ''), 'volumes', volume.name);
  }

  private existing(pod: Pod, volume: Volume): string | undefined {
    return this.roots.all.map((root) => this.folder(root, pod, volume)).find((folder) => existsSync(folder));
  }

  /** Where the engine keeps an emptyDir. */
  private async engineVolume(pod: Pod, volume: Volume): Promise<string> {
    const path = await this.options.runtime.volumePath(volumeName(pod.metadata?.uid ?? '', volume.name));
    if (path === undefined) throw new Error(`volume "${volume.name}" is not there`);
    if (volume.emptyDir?.medium === 'Memory' && (await statfs(path)).type !== TMPFS_MAGIC)
      throw new Error(`volume "${volume.name}" is not mounted where the agent can see it`);
    return path;
  }

  /** Only the agent writes to these volumes, so names do not change under its hands; the copy keeps what was true at the start. */
  private async copy(folder: string, subPath: string, pod: Pod, run: RunRef, index: number): Promise<string> {
    const found = await openInside(folder, subPath, { create: false });
    try {
      const from = await realpath(`/proc/self/fd/${found.fd}`);
      const copies = join(folder, '..', '..', 'copies');
      await mkdir(copies, { recursive: true, mode: 0o700 });
      for (const name of await names(copies)) {
        const [container, attempt] = name.split('.');
        if (container === run.container && Number(attempt) < run.attempt - 1)
          await rm(join(copies, name), { recursive: true, force: true });
      }
      const to = join(copies, `${runName(run)}${index}`);
      await rm(to, { recursive: true, force: true });
      await cp(from, to, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true });
      const fsGroup = pod.spec?.securityContext?.fsGroup;
      if (fsGroup !== undefined) await regroup(to, Number(fsGroup));
      return to;
    } finally {
      await found.close();
    }
  }

  /** A mount that the agent makes must be seen by the engine too: an agent in a mount namespace of its own would give it an empty folder. */
  private mayMount(): Promise<void> {
    this.mounting ??= this.tryMount().catch((error: unknown) => {
      this.mounting = undefined;
      throw error;
    });
    return this.mounting;
  }

  private async tryMount(): Promise<void> {
    const from = join(this.roots.disk, '.mount-from');
    const target = join(this.roots.disk, '.mount-to');
    await mkdir(join(from, 'x'), { recursive: true, mode: 0o700 });
    const handle = await open(from, 'r');
    try {
      await bindHandle(handle, target).catch((error: unknown) => {
        throw new Error(
          `subPath needs an agent that runs as root and may mount: ${error instanceof Error ? error.message : String(error)}`,
        );
      });
      if (!(await this.options.runtime.seesPath(join(target, 'x'))))
        throw new Error('subPath needs an agent in the mount namespace of its Docker Engine: what it mounts is not seen there');
    } finally {
      await handle.close();
      await unbind(target);
      await rm(from, { recursive: true, force: true });
    }
  }
}

function digestOf(files: Payload): string {
  const hash = createHash('sha256');
  for (const [path, { data, mode }] of [...files].sort(([a], [b]) => (a < b ? -1 : 1))) {
    hash.update(`${path}\0${mode}\0${data.length}\0`).update(data);
  }
  return hash.digest('base64');
}

async function regroup(path: string, gid: number): Promise<void> {
  const found = await lstat(path);
  await lchown(path, found.uid, gid);
  if (found.isDirectory()) for (const name of await readdir(path)) await regroup(join(path, name), gid);
}

async function names(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
}
