// The container runtime on Docker Engine: puts the files beside it together under the contract of ../types.ts. No decision is made here.
import type { System } from '@podplane/api/system';
import type {
  ContainerFootprint,
  ContainerHint,
  ContainerInfo,
  ContainerRuntime,
  ContainerSpec,
  EngineInfo,
  ExecHandle,
  ImageInfo,
  LogOptions,
  PauseSpec,
  RegistryAuth,
  StreamsHandle,
} from '../types.js';
import { LABEL_NODE, LABEL_VOLUME_NODE } from '../types.js';
import { type AttachOptions, attachToContainer } from './attach.js';
import { Containers, cgroupProbeName, inParallel } from './containers.js';
import { Engine, type EngineOptions } from './engine.js';
import { watchContainers } from './events.js';
import { type ExecOptions, execInContainer } from './exec.js';
import { isFolder, readFiles, writeFiles } from './files.js';
import { containerFootprint } from './footprint.js';
import type { OutputPart } from './frames.js';
import { listImages, loadImage, presentImage, pullImage, removeImage, saveImage } from './images.js';
import { LeftBehind } from './left-behind.js';
import type { LogLimits } from './log-limits.js';
import { containerLogs } from './logs.js';
import { checkClaim, ensureNetwork, removeNetwork } from './network.js';
import { ensurePauseImage } from './pause-image.js';
import { isRunnerVolume } from './runner-volume.js';
import { containerUsage } from './stats.js';
import { createVolume, listVolumes, removeVolume, volumePath } from './volumes.js';
import { ensureWatchdog } from './watchdog-container.js';

export interface DockerRuntimeOptions extends EngineOptions {
  /** Of the agent's data directory: what is under the node's name but belongs to another one is not touched. undefined: no such check. */
  readonly machineId?: string;
  /** How much of containers' output the engine keeps; undefined: as the kubelet. */
  readonly logs?: LogLimits | undefined;
}

/**
 * Starting a pod fast: an app container may be created while its pause container starts (the pause id is looked at only when the app
 * starts), so the short way is
 *   pause = await createPause(..); [, app] = await Promise.all([start(pause), createContainer({pauseId: pause, ..})]); await start(app)
 */
export class DockerRuntime implements ContainerRuntime {
  readonly #engine: Engine;
  readonly #containers: Containers;
  readonly #machineId: string | undefined;
  readonly #leftBehind: LeftBehind;
  #claimed = '';

  constructor(system: System, options: DockerRuntimeOptions = {}) {
    this.#machineId = options.machineId;
    this.#engine = new Engine(system, options);
    this.#leftBehind = new LeftBehind(this.#engine, options.machineId);
    this.#containers = new Containers(this.#engine, () => this.#leftBehind.labels(), options.logs);
  }

  /** Beyond the contract: breaks off what is still asked of the engine, so that a process can end. The engine goes on with it. */
  close(): void {
    this.#engine.http.close();
  }

  async info(): Promise<EngineInfo> {
    const info = await this.#engine.call<Readonly<Record<string, unknown>>>('ask Docker Engine for its version', {
      method: 'GET',
      path: '/info',
    });
    const text = (key: string): string => (typeof info[key] === 'string' ? info[key] : '');
    const number = (key: string): number => (typeof info[key] === 'number' ? info[key] : 0);
    return {
      version: text('ServerVersion'),
      operatingSystem: text('OperatingSystem'),
      kernelVersion: text('KernelVersion'),
      architecture: text('Architecture'),
      cpus: number('NCPU'),
      memoryBytes: number('MemTotal'),
      cgroupDriver: text('CgroupDriver'),
      cgroupVersion: text('CgroupVersion'),
      rootDir: text('DockerRootDir') || undefined,
      security: securityNames(info.SecurityOptions),
    };
  }

  async prepareNode({ nodeName, podCIDR }: { readonly nodeName: string; readonly podCIDR: string }): Promise<{ readonly network: string }> {
    await this.#checkClaim(nodeName);
    const { architecture } = await this.info();
    const [network] = await Promise.all([
      ensureNetwork(this.#engine, nodeName, podCIDR, this.#machineId),
      ensurePauseImage(this.#engine, architecture),
      this.#clearUp(nodeName),
    ]);
    return { network };
  }

  /** What an earlier process of this data directory left behind. Nothing needs it to be gone: where it fails the next start tries again. */
  async #clearUp(nodeName: string): Promise<void> {
    const removed = this.#leftBehind.helpers().then((ids) => inParallel(ids, 4, (id) => this.#containers.remove(id)));
    await Promise.allSettled([removed, this.#leftBehind.endCommands(nodeName)]);
  }

  async listContainers(nodeName: string): Promise<readonly ContainerInfo[]> {
    await this.#checkClaim(nodeName);
    return this.#containers.list(nodeName);
  }

  /** Asked once: from then on the name stays with whom it belonged to. */
  async #checkClaim(nodeName: string): Promise<void> {
    if (this.#machineId === undefined || this.#claimed === nodeName) return;
    await checkClaim(this.#engine, nodeName, this.#machineId);
    this.#claimed = nodeName;
  }

  inspect(containerId: string): Promise<ContainerInfo | undefined> {
    return this.#containers.inspect(containerId);
  }

  createPause(spec: PauseSpec): Promise<string> {
    return this.#containers.createPause(spec);
  }

  createContainer(spec: ContainerSpec): Promise<string> {
    return this.#containers.createContainer(spec);
  }

  start(containerId: string, permitted?: () => boolean): Promise<void> {
    return this.#containers.start(containerId, permitted);
  }

  stop(containerId: string, graceSeconds: number, options: { readonly urgent?: boolean } = {}): Promise<void> {
    return this.#containers.stop(containerId, graceSeconds, options.urgent === true);
  }

  kill(containerId: string, signal: string): Promise<void> {
    return this.#containers.kill(containerId, signal);
  }

  remove(containerId: string): Promise<void> {
    return this.#containers.remove(containerId);
  }

  imagePresent(image: string): Promise<ImageInfo | undefined> {
    return presentImage(this.#engine, image);
  }

  imageFiles(image: string, paths: readonly string[]): Promise<ReadonlyMap<string, string>> {
    return this.#containers.imageFiles(image, paths);
  }

  pullImage(
    image: string,
    auth: RegistryAuth | undefined,
    progress: (done: number, total: number, text: string) => void,
    signal: AbortSignal,
  ): Promise<ImageInfo> {
    return pullImage(this.#engine, image, auth, progress, signal);
  }

  listImages(): Promise<readonly ImageInfo[]> {
    return listImages(this.#engine);
  }

  loadImage(archive: AsyncIterable<Uint8Array>): Promise<void> {
    return loadImage(this.#engine, archive);
  }

  /** Beyond the contract: a docker-archive of an image that the engine has, for `podplane image load NAME`. */
  saveImage(image: string, signal?: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
    return saveImage(this.#engine, image, signal);
  }

  footprint(containerId: string, what: 'processes' | 'disk'): Promise<ContainerFootprint | undefined> {
    return containerFootprint(this.#engine, containerId, what);
  }

  removeImage(image: string): Promise<void> {
    return removeImage(this.#engine, image);
  }

  createVolume(
    name: string,
    labels: Readonly<Record<string, string>>,
    options: { readonly memory: boolean; readonly sizeBytes: number | undefined },
  ): Promise<void> {
    return createVolume(this.#engine, name, labels, options);
  }

  async listVolumes(nodeName: string): Promise<readonly { readonly name: string; readonly labels: Readonly<Record<string, string>> }[]> {
    return (await listVolumes(this.#engine, `${LABEL_NODE}=${nodeName}`)).filter(({ labels }) => !isRunnerVolume(labels));
  }

  removeVolume(name: string): Promise<void> {
    return removeVolume(this.#engine, name);
  }

  volumePath(name: string): Promise<string | undefined> {
    return volumePath(this.#engine, name);
  }

  seesPath(path: string): Promise<boolean> {
    return this.#containers.seesPath(path);
  }

  exec(containerId: string, options: ExecOptions): Promise<ExecHandle> {
    return execInContainer(this.#engine, containerId, options);
  }

  searchPath(containerId: string): Promise<string | undefined> {
    return this.#containers.searchPath(containerId);
  }

  attach(containerId: string, options: AttachOptions): Promise<StreamsHandle> {
    return attachToContainer(this.#engine, containerId, options);
  }

  readFiles(containerId: string, path: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
    return readFiles(this.#engine, containerId, path, signal);
  }

  isFolder(containerId: string, path: string): Promise<boolean> {
    return isFolder(this.#engine, containerId, path);
  }

  writeFiles(
    containerId: string,
    folder: string,
    archive: AsyncIterable<Uint8Array>,
    options: { readonly preserve: boolean },
  ): Promise<void> {
    return writeFiles(this.#engine, containerId, folder, archive, options);
  }

  usage(containerId: string): Promise<{ readonly cpuNanos: number; readonly memoryBytes: number } | undefined> {
    return containerUsage(this.#engine, containerId);
  }

  logs(containerId: string, options: LogOptions, signal: AbortSignal): AsyncIterable<OutputPart> {
    return containerLogs(this.#engine, containerId, options, signal);
  }

  watch(nodeName: string, signal: AbortSignal): AsyncIterable<ContainerHint> {
    return this.#noted(watchContainers(this.#engine, nodeName, signal));
  }

  async *#noted(hints: AsyncIterable<ContainerHint>): AsyncGenerator<ContainerHint, void, void> {
    for await (const hint of hints) {
      this.#containers.note(hint);
      yield hint;
    }
  }

  /** Beyond the contract: the node's watchdog runs and goes by the lease file in this folder. Resolves with its container's id. */
  async ensureWatchdog(nodeName: string, folder: string): Promise<string> {
    await this.#checkClaim(nodeName);
    return await ensureWatchdog(this.#engine, nodeName, folder, async () => (await this.info()).architecture);
  }

  /** Beyond the contract: for ../../cgroups/pod-cgroups.ts. */
  tryCgroupParent(nodeName: string, parent: string, look: (containerId: string) => Promise<void>): Promise<void> {
    return this.#containers.tryCgroupParent(nodeName, parent, look);
  }

  async removeNode(nodeName: string): Promise<void> {
    await this.#checkClaim(nodeName);
    await this.#containers.remove(cgroupProbeName(nodeName));
    const ids = [...(await this.#containers.ids(nodeName)), ...(await this.#leftBehind.helpers())];
    await inParallel(ids, ids.length, (id) => this.#containers.remove(id)); // the limit of engine calls orders them
    const volumes = await listVolumes(this.#engine, `${LABEL_NODE}=${nodeName}`);
    await inParallel(volumes, 4, (volume) => this.removeVolume(volume.name));
    await removeNetwork(this.#engine, nodeName);
  }

  async removeClaimedVolumes(nodeName: string): Promise<void> {
    await this.#checkClaim(nodeName);
    const volumes = await listVolumes(this.#engine, `${LABEL_VOLUME_NODE}=${nodeName}`);
    await inParallel(volumes, 4, (volume) => this.removeVolume(volume.name));
  }
}

/** "name=apparmor", "name=seccomp,profile=default" */
function securityNames(options: unknown): readonly string[] {
  if (!Array.isArray(options)) return [];
  return options
    .flatMap((option) => (typeof option === 'string' ? [/\bname=([^,]+)/.exec(option)?.[1] ?? ''] : []))
    .filter((name) => name !== '');
}
