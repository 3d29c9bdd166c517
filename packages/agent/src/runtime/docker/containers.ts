// Containers of the engine: made, started, ended, removed, looked at. What they are made from is container-specs.ts.
import { readTar } from '../../images/tar-read.js';
import { isRuntimeError, RuntimeError } from '../errors.js';
import { type ContainerHint, type ContainerInfo, type ContainerSpec, type ContainerState, LABEL_NODE, type PauseSpec } from '../types.js';
import { appOptions, cgroupProbeOptions, oomProbeOptions, pathProbeOptions, pauseOptions, readImageOptions } from './container-specs.js';
import type { Engine } from './engine.js';
import type { ContainerInspect, CreateContainer } from './engine-api.js';
import { toRuntimeError } from './engine-errors.js';
import { EngineAnswer } from './engine-http.js';
import { CallRank } from './engine-limit.js';
import { presentImage } from './images.js';
import { DEFAULT_LOG_LIMITS, type LogLimits } from './log-limits.js';
import { type OomVerdict, oomVerdict } from './oom-victims.js';
import { RunnerVolume } from './runner-volume.js';

// Inspects are cheap (4 ms, mostly waiting): more at once than starts.
const PARALLEL_INSPECTS = 8;
// A stop waits for the container's grace period most of the time; after this it counts no more against the limit.
const STOP_HOLDS_MS = 1000;

/** How long a container may still run whose removal has begun. */
const GOING_MS = 20_000;
const LOOK_MS = 100;

const IMAGE_FILE_BYTES = 1024 * 1024;
const REMEMBERED_IMAGES = 50;

const short = (id: string): string => id.slice(0, 12);
const path = (id: string): string => `/containers/${encodeURIComponent(id)}`;
/** One a node, so that what an agent left is found again. */
export const cgroupProbeName = (nodeName: string): string => `podplane-cgroup-${nodeName}`;
const statusOf = (error: unknown): number | undefined => (error instanceof EngineAnswer ? error.statusCode : undefined);

export class Containers {
  readonly #engine: Engine;
  readonly #helperLabels: () => Readonly<Record<string, string>>;
  /** Pause containers made here and not started yet: they go behind the app containers of pods further on. */
  readonly #newPauses = new Set<string>();
  /** Containers of which an event said that something in them was killed for memory. */
  readonly #sawOom = new Set<string>();
  /** What the kernel's log says of containers that ended by SIGKILL. */
  readonly #oomVerdicts = new Map<string, OomVerdict>();
  readonly #imageFiles = new Map<string, ReadonlyMap<string, string>>();
  #negativeOomScore: Promise<boolean> | undefined;

  readonly #runner: RunnerVolume;
  readonly #logs: LogLimits;

  /** helperLabels: for containers that are no pod's and are removed again at once; logs: of containers that are made from now on. */
  constructor(engine: Engine, helperLabels: () => Readonly<Record<string, string>>, logs: LogLimits = DEFAULT_LOG_LIMITS) {
    this.#engine = engine;
    this.#helperLabels = helperLabels;
    this.#logs = logs;
    this.#runner = new RunnerVolume(engine, {
      create: (options) => this.#createHelper('runner', options),
      remove: (id) => this.remove(id),
    });
  }

  #createHelper(what: 'runner' | 'oom' | 'path' | 'read', options: CreateContainer): Promise<string> {
    const Labels = { ...options.Labels, ...this.#helperLabels() };
    return this.#create(`podplane-${what}-${this.#engine.system.random.suffix(10)}`, { ...options, Labels }, CallRank.createApp);
  }

  async createPause(spec: PauseSpec): Promise<string> {
    const id = await this.#create(spec.name, pauseOptions(spec), CallRank.createPause);
    this.#newPauses.add(id);
    return id;
  }

  async createContainer(spec: ContainerSpec): Promise<string> {
    const wanted = spec.resources.oomScoreAdj;
    const negative = wanted !== undefined && wanted < 0;
    const allowed = !negative || (await this.#mayLowerOomScore(spec.labels[LABEL_NODE] ?? ''));
    const runner = await this.#runner.mountFor(spec);
    const mounts = runner === undefined ? spec.mounts : [...spec.mounts, runner];
    return this.#create(spec.name, appOptions({ ...spec, mounts }, allowed ? wanted : 0, this.#logs), CallRank.createApp);
  }

  async #create(name: string, options: CreateContainer, rank: CallRank): Promise<string> {
    const doing = `create container ${name}`;
    try {
      const { Id } = await this.#engine.heavy<{ Id: string }>(rank, {
        method: 'POST',
        path: '/containers/create',
        query: { name },
        body: options,
      });
      return Id;
    } catch (error) {
      const found = toRuntimeError(error, doing);
      // 404 is a missing image on all engines, or a missing network on newer ones; only a look tells.
      if (found.code === 'not-found' && !(await presentImage(this.#engine, options.Image))) {
        throw new RuntimeError('image-not-found', `${doing}: this node has no image ${options.Image}`, {
          advice: 'pull it, or bring it with podplane image load',
          doing,
          cause: error,
        });
      }
      throw found;
    }
  }

  /** An engine without CAP_SYS_RESOURCE fails to start containers with a negative score. Tried once, when the first one is wanted. */
  #mayLowerOomScore(nodeName: string): Promise<boolean> {
    this.#negativeOomScore ??= this.#tryNegativeOomScore(nodeName).catch((error: unknown) => {
      this.#negativeOomScore = undefined; // the engine went away or so: try again next time
      throw error;
    });
    return this.#negativeOomScore;
  }

  async #tryNegativeOomScore(nodeName: string): Promise<boolean> {
    const id = await this.#createHelper('oom', oomProbeOptions(nodeName));
    try {
      await this.start(id);
      return true;
    } catch (error) {
      if (isRuntimeError(error, 'start-failed')) return false;
      throw error;
    } finally {
      await this.remove(id);
    }
  }

  /** Starts a container below this cgroup for as long as it takes to look at it. Rejects with RuntimeError, or as the look does. */
  async tryCgroupParent(nodeName: string, parent: string, look: (containerId: string) => Promise<void>): Promise<void> {
    const name = cgroupProbeName(nodeName);
    await this.remove(name); // an agent that was killed at this may have left it
    const id = await this.#create(name, cgroupProbeOptions(parent), CallRank.createApp);
    try {
      await this.start(id);
      await look(id);
    } finally {
      await this.remove(id);
    }
  }

  /** The engine refuses to make a container with a mount of what it does not find. */
  async seesPath(path: string): Promise<boolean> {
    try {
      await this.remove(await this.#createHelper('path', pathProbeOptions(path)));
      return true;
    } catch (error) {
      if (isRuntimeError(error, 'invalid')) return false;
      throw error;
    }
  }

  /** Files of at most 1 MiB; by the id of the image, as its files never change. */
  async imageFiles(image: string, paths: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const id = (await presentImage(this.#engine, image))?.id ?? image;
    const key = JSON.stringify([id, paths]);
    const known = this.#imageFiles.get(key);
    if (known !== undefined) return known;
    const found = new Map<string, string>();
    const container = await this.#createHelper('read', readImageOptions(image));
    try {
      for (const file of paths) {
        const text = await this.#readFile(container, file);
        if (text !== undefined) found.set(file, text);
      }
    } finally {
      await this.remove(container);
    }
    const [oldest] = this.#imageFiles.keys();
    if (this.#imageFiles.size >= REMEMBERED_IMAGES && oldest !== undefined) this.#imageFiles.delete(oldest);
    this.#imageFiles.set(key, found);
    return found;
  }

  async #readFile(id: string, file: string): Promise<string | undefined> {
    try {
      const doing = `read ${file} of an image`;
      const archive = await this.#engine.stream(doing, { method: 'GET', path: `${path(id)}/archive`, query: { path: file } });
      for await (const { data } of readTar(archive, IMAGE_FILE_BYTES)) return data?.toString('utf8');
      return undefined;
    } catch (error) {
      if (isRuntimeError(error, 'not-found')) return undefined;
      throw error;
    }
  }

  async start(id: string, permitted?: () => boolean): Promise<void> {
    const rank = this.#newPauses.delete(id) ? CallRank.startPause : CallRank.startApp;
    try {
      await this.#engine.heavy(rank, { method: 'POST', path: `${path(id)}/start` }, undefined, permitted);
    } catch (error) {
      if (statusOf(error) === 304) return; // it runs
      const found = toRuntimeError(error, `start container ${short(id)}`);
      // 400: command missing or not executable; 500 without a known text: mounts, runtime, cgroups. All else has its code.
      if (found.code !== 'invalid' && found.code !== 'failed') throw found;
      const after = await this.inspect(id);
      throw new RuntimeError('start-failed', found.message, { exitCode: after?.exitCode ?? 128, doing: found.doing, cause: error });
    }
  }

  /** Grace 0 is a kill and does not wait for a place. A container that has ended or is gone: no error. */
  async stop(id: string, graceSeconds: number, urgent = false): Promise<void> {
    const seconds = Math.max(0, Math.ceil(graceSeconds));
    try {
      await this.#engine.heavy(
        seconds === 0 || urgent ? CallRank.fence : CallRank.stop,
        { method: 'POST', path: `${path(id)}/stop`, query: { t: seconds } },
        { waitMs: seconds * 1000, holdMs: STOP_HOLDS_MS },
      );
    } catch (error) {
      const status = statusOf(error);
      if (status === 304 || status === 404) return;
      throw toRuntimeError(error, `stop container ${short(id)}`);
    }
  }

  /** Never waits for a place. A container that does not run: no error. */
  async kill(id: string, signal: string): Promise<void> {
    try {
      await this.#engine.heavy(CallRank.fence, { method: 'POST', path: `${path(id)}/kill`, query: { signal } });
    } catch (error) {
      if (statusOf(error) === 409) return;
      throw toRuntimeError(error, `send ${signal} to container ${short(id)}`);
    }
  }

  /** With its anonymous volumes. */
  async remove(id: string): Promise<void> {
    this.#newPauses.delete(id);
    try {
      await this.#engine.heavy(CallRank.remove, { method: 'DELETE', path: path(id), query: { force: true, v: true } });
    } catch (error) {
      const found = toRuntimeError(error, `remove container ${short(id)}`);
      if (found.code === 'not-found') return;
      // 409: somebody else removes it just now. It is gone soon, and who asks again hears so.
      if (found.code === 'conflict' && (await this.#goes(id))) return;
      throw found;
    }
  }

  /** Whether a container that is being removed goes: until its processes have been killed the engine still says that it runs. */
  async #goes(id: string): Promise<boolean> {
    const { clock, timers } = this.#engine.system;
    for (const end = clock.monotonic() + GOING_MS; ; ) {
      const found = await this.inspect(id);
      if (found === undefined || found.state === 'removing') return true;
      if (clock.monotonic() >= end) return false;
      await new Promise<void>((resolve) => void timers.after(LOOK_MS, resolve));
    }
  }

  async inspect(id: string): Promise<ContainerInfo | undefined> {
    const found = await this.#engine.find<ContainerInspect>(`inspect container ${short(id)}`, { method: 'GET', path: `${path(id)}/json` });
    if (found === undefined) return undefined;
    const info = containerInfo(found, this.#sawOom.has(found.Id));
    const shared = (found.HostConfig?.CgroupParent ?? '') !== '';
    return info.exitCode === 137 && info.finishedAt !== undefined ? this.#certain(info, shared) : info;
  }

  /** The engine may hear of a kill for memory late, or never; below a cgroup that others share (shared) it takes each of them for the killed one. */
  #certain(info: ContainerInfo, shared: boolean): ContainerInfo {
    let verdict = this.#oomVerdicts.get(info.id);
    if (verdict === undefined) {
      verdict = oomVerdict(info.id, this.#engine.system.clock.now() - (info.finishedAt ?? 0));
      this.#oomVerdicts.set(info.id, verdict);
    }
    if (verdict === 'killed') return { ...info, oomKilled: true };
    return verdict === 'spared' && shared ? { ...info, oomKilled: false } : info;
  }

  async searchPath(id: string): Promise<string | undefined> {
    const found = await this.#engine.find<ContainerInspect>(`inspect container ${short(id)}`, { method: 'GET', path: `${path(id)}/json` });
    return found?.Config.Env?.findLast((one) => one.startsWith('PATH='))?.slice('PATH='.length);
  }

  /**
   * What the events say about memory. The engine forgets it where the container's end reached it first, which happens when the machine
   * is busy; the event comes nevertheless, and whoever looks again on its account gets the truth.
   */
  note(hint: ContainerHint): void {
    if (hint.action === 'oom') this.#sawOom.add(hint.containerId);
    else if (hint.action === 'destroy' || hint.action === 'start') {
      this.#sawOom.delete(hint.containerId);
      this.#oomVerdicts.delete(hint.containerId);
    }
  }

  /** Ids of all containers with the node's label, also ended ones. One call, whatever their number. */
  async ids(nodeName: string): Promise<readonly string[]> {
    const query = { all: true, filters: { label: [`${LABEL_NODE}=${nodeName}`] } };
    const list = await this.#engine.call<readonly { readonly Id: string }[]>('list containers', {
      method: 'GET',
      path: '/containers/json',
      query,
    });
    return list.map((container) => container.Id);
  }

  async list(nodeName: string): Promise<readonly ContainerInfo[]> {
    const ids = await this.ids(nodeName);
    const found = new Map<string, ContainerInfo>();
    await inParallel(ids, PARALLEL_INSPECTS, async (id) => {
      const info = await this.inspect(id);
      if (info) found.set(id, info);
    });
    return ids.map((id) => found.get(id)).filter((info) => info !== undefined); // those gone since the list are gone
  }
}

/** fn for each item, at most count at the same time; rejects with the first error after what runs has ended. */
export async function inParallel<T>(items: Iterable<T>, count: number, fn: (item: T) => Promise<void>): Promise<void> {
  const iterator = items[Symbol.iterator]();
  const errors: unknown[] = [];
  const lane = async (): Promise<void> => {
    for (let next = iterator.next(); !next.done && errors.length === 0; next = iterator.next()) {
      try {
        await fn(next.value);
      } catch (error) {
        errors.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: count }, lane));
  if (errors.length > 0) throw errors[0];
}

const STATES: ReadonlySet<string> = new Set<ContainerState>(['created', 'running', 'exited', 'removing', 'paused', 'dead', 'restarting']);

/** The engine's time as ms since 1970; year 1 is its word for never. */
function time(text: string | undefined): number | undefined {
  const ms = text === undefined ? Number.NaN : Date.parse(text);
  return Number.isNaN(ms) || ms <= 0 ? undefined : ms;
}

export function containerInfo(container: ContainerInspect, sawOom: boolean): ContainerInfo {
  const state = container.State;
  const status = STATES.has(state.Status) ? (state.Status as ContainerState) : 'dead';
  const ended = status === 'exited' || status === 'dead';
  // One that could not be started stays "created", with the code and the reason.
  const failedToStart = status === 'created' && (state.ExitCode !== 0 || state.Error !== '');
  return {
    id: container.Id,
    name: container.Name.replace(/^\//, ''),
    labels: container.Config.Labels ?? {},
    state: status,
    image: container.Config.Image,
    imageId: container.Image,
    createdAt: time(container.Created) ?? 0,
    startedAt: time(state.StartedAt),
    finishedAt: ended ? time(state.FinishedAt) : undefined,
    exitCode: ended || failedToStart ? state.ExitCode : undefined,
    // The flag is also set where only a child was killed, or another container of the pod's cgroup; the exit code tells these apart.
    oomKilled: ended && (state.OOMKilled || sawOom) && state.ExitCode === 137,
    error: state.Error ?? '',
    stopSignal: container.Config.StopSignal || 'SIGTERM',
    ...(container.Config.User === undefined ? {} : { configuredUser: container.Config.User }),
    pid: state.Pid ?? 0,
  };
}
