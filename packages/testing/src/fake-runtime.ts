// A container engine in memory, on injected timers: settable latencies, failures and behaviour of images, deterministic. For tests and
// simulations of the agent. What Docker does beyond the contract of runtime/types.ts is not imitated, except where pods depend on it.
import { RuntimeError } from '@podplane/agent/runtime/errors';
import {
  type ContainerFootprint,
  type ContainerHint,
  type ContainerInfo,
  type ContainerRuntime,
  type ContainerSpec,
  type EngineInfo,
  type ExecHandle,
  type ImageInfo,
  LABEL_CONTAINER,
  LABEL_NODE,
  LABEL_POD_UID,
  LABEL_VOLUME_NODE,
  PAUSE_CONTAINER,
  type PauseSpec,
  PROBE_RUNNER,
  type RegistryAuth,
  type StreamsHandle,
} from '@podplane/agent/runtime/types';
import { type FakeUses, fakeFootprint, removeFakeImage } from './fake-footprint.js';
import type { FakeCall, FakeContainer, FakeImage, FakeRuntimeOptions, HintWatcher, OrderedFailure } from './fake-runtime-types.js';
import { fakeAttach, fakeExec, noFiles } from './fake-streams.js';

const DEFAULT_LATENCY_MS = 1;

export class FakeRuntime implements ContainerRuntime {
  /** By id. Tests may look, not write. */
  readonly containers = new Map<string, FakeContainer>();
  readonly volumes = new Map<string, Readonly<Record<string, string>>>();
  readonly images = new Map<string, ImageInfo & { readonly behaviour: FakeImage }>();
  /** Images that a pull would find. */
  readonly registry = new Map<string, FakeImage>();
  /** Every call in order: "start web". */
  readonly calls: string[] = [];
  readonly uses: FakeUses = new Map();
  readonly latency: Partial<Record<FakeCall, number>>;
  /** Told of each container that begins or ceases to run. */
  onChange: (container: FakeContainer, change: 'started' | 'ended') => void = () => undefined;
  /** No hints are given while true, as when they are lost. */
  muted = false;
  private readonly failures = new Map<FakeCall, OrderedFailure[]>();
  private readonly watchers = new Set<HintWatcher>();
  private down: RuntimeError | undefined;
  private nextPid = 1000;

  constructor(private readonly options: FakeRuntimeOptions) {
    this.latency = { ...options.latency };
  }

  // --- what tests do to it ---

  addImage(name: string, behaviour: FakeImage = {}, digests: readonly string[] = []): void {
    this.images.set(name, { id: `sha256:${name}`, names: [name, ...digests], sizeBytes: 1_000_000, behaviour });
  }

  /** The next calls of this kind fail; where: only for containers (or images, volumes) of a name that it accepts. */
  fail(call: FakeCall, error: RuntimeError, times = 1, where?: (subject: string) => boolean): void {
    const list = this.failures.get(call) ?? [];
    list.push({ error, times, where });
    this.failures.set(call, list);
  }

  /** Takes back what fail ordered. */
  failNothing(): void {
    this.failures.clear();
  }

  /** The engine stops answering; containers end (as without live-restore) or go on. */
  stopEngine(containers: 'end' | 'live' = 'end', code: 'unreachable' | 'permission' = 'unreachable'): void {
    this.down = new RuntimeError(code, 'no engine answers');
    for (const watcher of this.watchers) close(watcher);
    if (containers === 'end') for (const one of this.containers.values()) if (one.info.state === 'running') this.end(one, 255, false);
  }

  startEngine(): void {
    this.down = undefined;
  }

  /** A container's first process ends. */
  crash(id: string, exitCode = 1, oomKilled = false): void {
    const one = this.containers.get(id);
    if (one?.info.state === 'running') this.end(one, exitCode, oomKilled);
  }

  /** The container of a pod that runs now. container "POD": the pause container. */
  running(podUid: string, container: string): FakeContainer | undefined {
    return [...this.containers.values()].find(
      ({ info }) => info.state === 'running' && info.labels[LABEL_POD_UID] === podUid && info.labels[LABEL_CONTAINER] === container,
    );
  }

  async info(): Promise<EngineInfo> {
    await this.call('info', '');
    const { cpus = 4, memoryBytes = 8 * 1024 ** 3 } = this.options;
    return {
      version: '0.0-fake',
      operatingSystem: 'fake',
      kernelVersion: '0',
      architecture: 'x86_64',
      cpus,
      memoryBytes,
      cgroupDriver: 'cgroupfs',
      cgroupVersion: '2',
      security: ['seccomp', 'apparmor'],
    };
  }

  async prepareNode(options: { readonly nodeName: string; readonly podCIDR: string }): Promise<{ readonly network: string }> {
    await this.call('prepareNode', options.podCIDR);
    return { network: `fake-${options.nodeName}` };
  }

  async listContainers(nodeName: string): Promise<readonly ContainerInfo[]> {
    await this.call('listContainers', '');
    return [...this.containers.values()].map(({ info }) => info).filter((info) => info.labels[LABEL_NODE] === nodeName);
  }

  async inspect(containerId: string): Promise<ContainerInfo | undefined> {
    await this.call('inspect', containerId);
    return this.containers.get(containerId)?.info;
  }

  async createPause(spec: PauseSpec): Promise<string> {
    await this.call('createPause', spec.name);
    return this.create(spec, {}, 'pause', 'sha256:pause');
  }

  async createContainer(spec: ContainerSpec): Promise<string> {
    await this.call('createContainer', spec.name);
    const image = this.images.get(spec.image);
    if (image === undefined) throw new RuntimeError('image-not-found', `No such image: ${spec.image}`);
    if (!this.containers.has(spec.pauseId)) throw new RuntimeError('not-found', `No such container: ${spec.pauseId}`);
    return this.create(spec, image.behaviour, spec.image, image.id);
  }

  private create(spec: PauseSpec | ContainerSpec, behaviour: FakeImage, image: string, imageId: string): string {
    for (const { info } of this.containers.values()) {
      if (info.name === spec.name) throw new RuntimeError('conflict', `the name ${spec.name} is in use`);
    }
    const id = this.options.system.random.uid().replaceAll('-', '');
    const rest = { startedAt: undefined, finishedAt: undefined, exitCode: undefined, oomKilled: false, error: '' };
    const info: ContainerInfo = {
      id,
      name: spec.name,
      labels: spec.labels,
      state: 'created',
      image,
      imageId,
      createdAt: this.options.system.clock.now(),
      ...rest,
      stopSignal: 'SIGTERM',
      pid: 0,
    };
    this.containers.set(id, { info, spec, image: behaviour, timer: undefined, ended: Promise.withResolvers<void>() });
    this.hint(info, 'create');
    return id;
  }

  async start(containerId: string, permitted?: () => boolean): Promise<void> {
    await this.call('start', containerId);
    if (permitted?.() === false) throw new RuntimeError('conflict', 'not permitted any more when it was its turn');
    const one = this.find(containerId);
    if (one.info.state === 'running') return;
    if ('pauseId' in one.spec) {
      const pause = this.containers.get(one.spec.pauseId);
      if (pause?.info.state !== 'running') throw new RuntimeError('conflict', 'cannot join network of a non running container');
    }
    const { startError, exitAfterMs, exitCode = 0, oomKilled = false } = one.image;
    if (startError !== undefined) {
      one.info = { ...one.info, error: startError.message, exitCode: startError.exitCode };
      throw new RuntimeError('start-failed', startError.message, { exitCode: startError.exitCode });
    }
    one.info = { ...one.info, state: 'running', startedAt: this.options.system.clock.now(), pid: this.nextPid++, user: one.image.user };
    this.hint(one.info, 'start');
    this.onChange(one, 'started');
    const ends = one.image.ends?.() ?? (exitAfterMs === undefined ? undefined : { afterMs: exitAfterMs, exitCode });
    if (ends !== undefined) one.timer = this.options.system.timers.after(ends.afterMs, () => this.end(one, ends.exitCode, oomKilled));
  }

  async stop(containerId: string, graceSeconds: number): Promise<void> {
    await this.call('stop', containerId);
    const one = this.find(containerId);
    if (one.info.state !== 'running') return;
    const stopMs = 'stopMs' in one.image ? one.image.stopMs : 10;
    const graceful = stopMs !== undefined && stopMs <= graceSeconds * 1000;
    const timer = this.options.system.timers.after(graceful ? stopMs : graceSeconds * 1000, () => this.end(one, graceful ? 0 : 137, false));
    await one.ended.promise;
    timer.cancel();
    this.check();
  }

  async kill(containerId: string, signal: string): Promise<void> {
    await this.call('kill', containerId);
    const one = this.find(containerId);
    if (one.info.state !== 'running') throw new RuntimeError('conflict', 'the container is not running');
    if (signal === 'SIGKILL') this.end(one, 137, false);
  }

  async remove(containerId: string): Promise<void> {
    await this.call('remove', containerId);
    const one = this.containers.get(containerId);
    if (one === undefined) return;
    if (one.info.state === 'running') this.end(one, 137, false);
    this.containers.delete(containerId);
    this.hint(one.info, 'destroy');
  }

  async imagePresent(image: string): Promise<ImageInfo | undefined> {
    await this.call('imagePresent', image);
    return this.images.get(image);
  }

  async pullImage(
    image: string,
    _auth: RegistryAuth | undefined,
    progress: (done: number, total: number, text: string) => void,
    signal: AbortSignal,
  ): Promise<ImageInfo> {
    progress(0, 1_000_000, 'Downloading');
    await this.call('pullImage', image);
    if (signal.aborted) throw new RuntimeError('failed', 'aborted');
    const behaviour = this.registry.get(image);
    if (behaviour === undefined) throw new RuntimeError('image-not-found', `manifest for ${image} not found`);
    this.addImage(image, behaviour);
    progress(1_000_000, 1_000_000, 'Pull complete');
    return { id: `sha256:${image}`, names: [image], sizeBytes: 1_000_000 };
  }

  listImages(): Promise<readonly ImageInfo[]> {
    return Promise.resolve([...this.images.values()]);
  }

  async loadImage(archive: AsyncIterable<Uint8Array>): Promise<void> {
    let name = '';
    for await (const part of archive) name += Buffer.from(part).toString('utf8');
    this.addImage(name.trim());
  }

  async createVolume(name: string, labels: Readonly<Record<string, string>>): Promise<void> {
    await this.call('createVolume', name);
    this.volumes.set(name, labels);
  }

  async listVolumes(nodeName: string): Promise<readonly { readonly name: string; readonly labels: Readonly<Record<string, string>> }[]> {
    await this.call('listVolumes', '');
    return [...this.volumes].map(([name, labels]) => ({ name, labels })).filter(({ labels }) => labels[LABEL_NODE] === nodeName);
  }

  async removeVolume(name: string): Promise<void> {
    await this.call('removeVolume', name);
    this.volumes.delete(name);
  }

  /** Volumes of this engine have no place on this host. */
  async volumePath(): Promise<string | undefined> {
    await this.call('volumePath', '');
    return undefined;
  }

  async imageFiles(): Promise<ReadonlyMap<string, string>> {
    return new Map();
  }

  async seesPath(path: string): Promise<boolean> {
    await this.call('seesPath', path);
    return true;
  }

  async exec(containerId: string, { command }: { readonly command: readonly string[] }): Promise<ExecHandle> {
    const one = await this.live('exec', containerId);
    // Containers here have no programs of ours.
    if (command[0] === PROBE_RUNNER) throw new RuntimeError('start-failed', 'no such file');
    return fakeExec(one, command, this.options.system);
  }

  removeImage = (image: string): Promise<void> => this.call('removeImage', image).then(() => removeFakeImage(this, image));
  footprint = (id: string): Promise<ContainerFootprint | undefined> => this.call('footprint', id).then(() => fakeFootprint(this, id));
  searchPath = (): Promise<string | undefined> => Promise.resolve(undefined);

  async attach(containerId: string): Promise<StreamsHandle> {
    return fakeAttach(await this.live('exec', containerId));
  }

  readonly readFiles = noFiles;
  readonly writeFiles = noFiles;
  readonly usage = (): Promise<undefined> => Promise.resolve(undefined);

  async isFolder(): Promise<boolean> {
    return false;
  }

  async *logs(containerId: string): AsyncGenerator<{ stream: 'stdout' | 'stderr'; data: Uint8Array }> {
    yield { stream: 'stdout', data: Buffer.from(`log of ${this.find(containerId).info.name}\n`) };
  }

  async *watch(nodeName: string, signal: AbortSignal): AsyncGenerator<ContainerHint> {
    this.check();
    const watcher: HintWatcher = { node: nodeName, queue: [], wake: undefined, closed: false };
    this.watchers.add(watcher);
    const onAbort = (): void => close(watcher);
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      while (!watcher.closed && !signal.aborted) {
        const hint = watcher.queue.shift();
        if (hint !== undefined) {
          yield hint;
          continue;
        }
        await new Promise<void>((resolve) => {
          watcher.wake = resolve;
        });
      }
    } finally {
      signal.removeEventListener('abort', onAbort);
      this.watchers.delete(watcher);
    }
  }

  async removeClaimedVolumes(nodeName: string): Promise<void> {
    for (const [name, labels] of this.volumes) if (labels[LABEL_VOLUME_NODE] === nodeName) this.volumes.delete(name);
  }

  async removeNode(nodeName: string): Promise<void> {
    await this.call('remove', nodeName);
    for (const [id, { info }] of this.containers) {
      if (info.labels[LABEL_NODE] !== nodeName) continue;
      this.crash(id, 137);
      this.containers.delete(id);
    }
    for (const [name, labels] of this.volumes) if (labels[LABEL_NODE] === nodeName) this.volumes.delete(name);
  }

  // --- inside ---

  private check(): void {
    if (this.down !== undefined) throw this.down;
  }

  private async call(kind: FakeCall, subject: string): Promise<void> {
    this.check();
    const name = this.containers.get(subject)?.info.name ?? subject;
    if (this.options.recordCalls !== false) this.calls.push(subject === '' ? kind : `${kind} ${name}`);
    await new Promise<void>((resolve) => this.options.system.timers.after(this.latency[kind] ?? DEFAULT_LATENCY_MS, resolve));
    this.check();
    const failure = this.failures.get(kind)?.find((one) => one.times > 0 && (one.where?.(name) ?? true));
    if (failure === undefined) return;
    failure.times--;
    throw failure.error;
  }

  private async live(kind: FakeCall, id: string): Promise<FakeContainer> {
    await this.call(kind, id);
    const one = this.find(id);
    if (one.info.state !== 'running') throw new RuntimeError('conflict', 'the container is not running');
    return one;
  }

  private find(id: string): FakeContainer {
    const one = this.containers.get(id);
    if (one === undefined) throw new RuntimeError('not-found', `No such container: ${id}`);
    return one;
  }

  private end(one: FakeContainer, exitCode: number, oomKilled: boolean): void {
    if (one.info.state !== 'running') return;
    one.timer?.cancel();
    one.info = { ...one.info, state: 'exited', exitCode, oomKilled, finishedAt: this.options.system.clock.now(), pid: 0 };
    one.ended.resolve();
    this.hint(one.info, 'die');
    this.onChange(one, 'ended');
  }

  private hint(info: ContainerInfo, action: string): void {
    if (this.muted) return;
    for (const watcher of this.watchers) {
      if (watcher.node !== info.labels[LABEL_NODE]) continue;
      watcher.queue.push({ containerId: info.id, podUid: info.labels[LABEL_POD_UID] ?? '', action });
      watcher.wake?.();
    }
  }

  /** Names of the running app containers of a pod. */
  runningApps(podUid: string): readonly string[] {
    return [...this.containers.values()]
      .filter(
        ({ info }) => info.state === 'running' && info.labels[LABEL_POD_UID] === podUid && info.labels[LABEL_CONTAINER] !== PAUSE_CONTAINER,
      )
      .map(({ info }) => info.labels[LABEL_CONTAINER] ?? '');
  }
}

function close(watcher: HintWatcher): void {
  watcher.closed = true;
  watcher.wake?.();
}
