// The cgroups of a node's pods: finds out whether this agent can make them at all, makes them with their limits, removes those of pods that are gone.
// Names are layout.ts, numbers limits.ts, files tree.ts, slices of systemd slices.ts.
//
// An agent need not see the cgroups of its engine (another host, a container with the engine's socket only). So once the engine answers, a container
// is started below the node's cgroup: where it shows up in the folder that was made here, both mean the same. Else limits hold for containers, as
// they always did, and the node's condition PodCgroups says why.
import type { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import { type QosClass, qosClass } from '@podplane/api/kinds/pod-spec/qos';
import type { Log } from '../log.js';
import { isEngineDown, toRuntimeError } from '../pods/errors.js';
import { RuntimeError } from '../runtime/errors.js';
import type { EngineInfo } from '../runtime/types.js';
import {
  type CgroupLayout,
  childCgroup,
  containerFolder,
  isPodFolder,
  layoutOf,
  nodeCgroup,
  podCgroup,
  podFolderName,
  QOS_CLASSES,
  qosCgroup,
} from './layout.js';
import { type CgroupLimits, classLimits, podLimits } from './limits.js';
import { type CgroupMakers, cgroupMakers, makeCgroup, removeCgroup } from './makers.js';

export interface PodCgroupsOptions {
  readonly nodeName: string;
  readonly runtime: {
    /** Starts a container with this parent for as long as it takes to look at it. */
    tryCgroupParent(nodeName: string, parent: string, look: (containerId: string) => Promise<void>): Promise<void>;
  };
  readonly log: Log;
  /** Of all pods of the node together. */
  readonly ofNode: (info: EngineInfo) => CgroupLimits;
  /** Processes that a pod may have. */
  readonly pidsLimit: number | undefined;
  /** For tests. */
  readonly makers?: ((layout: CgroupLayout) => CgroupMakers) | undefined;
}

interface On extends CgroupMakers {
  readonly kind: 'on';
  readonly layout: CgroupLayout;
  /** Of all pods together. */
  readonly limits: CgroupLimits;
}

interface Off {
  readonly kind: 'off';
  readonly why: string;
  /** It may have been a bad moment. */
  readonly again?: boolean;
}

export type CgroupState = { readonly kind: 'unknown' } | On | Off;

/** How often what may have been a bad moment is tried again, at each sweep. */
const MOST_TRIES = 5;

export class PodCgroups {
  private known: CgroupState = { kind: 'unknown' };
  private info: EngineInfo | undefined;
  private proof: Promise<CgroupState> | undefined;
  private changed: () => void = () => undefined;
  private tries = 0;
  /** The node's limit could not be set: its pods take more already. */
  private unlimited = false;
  /** Writes of the class's shares follow each other, so that the last one stays. */
  private sharing: Promise<void> = Promise.resolve();
  /** CPU shares of pods by the name of their folder, where the class's are those of its pods together. */
  private readonly burstable = new Map<string, number>();

  constructor(private readonly options: PodCgroupsOptions) {}

  /** What is known now; it may be about an engine before. */
  get state(): CgroupState {
    return this.known;
  }

  /** Tells whenever the state has changed. */
  onChange(changed: () => void): void {
    this.changed = changed;
  }

  /** The engine answers (again) and the node is prepared: it may be another one by now, or have another driver. */
  engineUp(info: EngineInfo): void {
    this.info = info;
    this.proof = undefined;
    this.tries = 0;
    this.settled().catch((error: unknown) => this.options.log.debug({ err: error }, 'cgroups of pods: the engine went away'));
  }

  /** Which cgroup the engine shall be given for the pod's containers; undefined: none of ours. Rejects with RuntimeError where the engine is gone. */
  async parentOf(pod: Pod): Promise<string | undefined> {
    const state = await this.settled();
    return state.kind === 'on' ? podCgroup(state.layout, classOf(pod), uidOf(pod)).parent : undefined;
  }

  /** Before the sandbox starts, each time: makes the pod's cgroup and writes its limits. Rejects with RuntimeError. */
  async prepare(pod: Pod): Promise<void> {
    const state = await this.settled();
    if (state.kind !== 'on') return;
    const { layout } = state;
    const qos = classOf(pod);
    const name = podCgroup(layout, qos, uidOf(pod));
    const limits = podLimits(pod, this.options.pidsLimit);
    try {
      await makeCgroup(state, layout, name, limits);
      if (qos === 'Burstable') {
        this.burstable.set(podFolderName(layout, qos, uidOf(pod)), limits.cpuShares);
        await this.shareOut(state);
      }
    } catch (error) {
      throw new RuntimeError('failed', `cgroup of the pod: ${textOf(error)}`, { cause: error });
    }
  }

  /** The pod's containers are gone: so is its cgroup, with what is left in it. Rejects with RuntimeError while something is. */
  async remove(uid: string): Promise<void> {
    const state = await this.settled();
    if (state.kind !== 'on') return;
    const { layout } = state;
    for (const qos of QOS_CLASSES) {
      try {
        await removeCgroup(state, layout, podCgroup(layout, qos, safe(uid)), true);
      } catch (error) {
        throw new RuntimeError('failed', `cgroup of the pod: ${textOf(error)}`, { cause: error });
      }
      if (this.burstable.delete(podFolderName(layout, qos, safe(uid))))
        await this.shareOut(state).catch((error: unknown) => this.warn(error));
    }
  }

  /** Puts things in order: removes what pods that are not known (any more) have left, where no process is in it. Never rejects. */
  async sweep(known: () => Iterable<string>): Promise<void> {
    const state = this.known;
    if (state.kind === 'off') return this.tryAgain(state);
    if (state.kind !== 'on') return;
    const { layout, tree } = state;
    try {
      if (this.unlimited) await this.limitNode(state, layout, state.limits);
      for (const qos of QOS_CLASSES) {
        const { folder } = qosCgroup(layout, qos);
        const found = await tree.children(folder);
        // Asked after: whoever has a cgroup was known before it was made.
        const kept = new Set([...known()].map((uid) => podFolderName(layout, qos, safe(uid))));
        for (const name of found) {
          if (!isPodFolder(layout, qos, name) || kept.has(name)) continue;
          await removeCgroup(state, layout, childCgroup(layout, qosCgroup(layout, qos), name), false);
          if (this.burstable.delete(name)) await this.shareOut(state);
          this.options.log.info({ cgroup: `${folder}/${name}` }, 'a cgroup that an earlier pod had left was removed');
        }
      }
    } catch (error) {
      this.warn(error);
    }
  }

  /** What the node's pods together may take of memory, and take; undefined: not known, or no limit. */
  memory(): { readonly limitBytes: number; readonly usedBytes: number } | undefined {
    if (this.known.kind !== 'on') return undefined;
    const { tree, layout, limits } = this.known;
    const found = tree.memory(nodeCgroup(layout).folder);
    // What was wanted: it counts also while the kernel does not take it.
    return found === undefined || limits.memoryBytes === undefined
      ? undefined
      : { limitBytes: limits.memoryBytes, usedBytes: found.usedBytes };
  }

  private tryAgain({ again }: Off): void {
    if (again !== true || this.tries >= MOST_TRIES) return;
    this.tries++;
    this.proof = undefined;
    this.settled().catch((error: unknown) => this.warn(error));
  }

  private warn(error: unknown): void {
    this.options.log.warn({ err: error }, 'cgroups of pods could not be put in order; it is tried again');
  }

  /** Asks anew where the engine was gone in the middle of the last try. */
  private settled(): Promise<CgroupState> {
    if (this.info === undefined) return Promise.resolve(this.known);
    const proof = (this.proof ??= this.prove(this.info).then(
      (state) => {
        if (this.proof === proof) this.note(state);
        return state;
      },
      (error: unknown) => {
        if (this.proof === proof) this.proof = undefined;
        throw error;
      },
    ));
    return proof;
  }

  private note(state: CgroupState): void {
    const before = this.known;
    this.known = state;
    if (JSON.stringify(words(before)) === JSON.stringify(words(state))) return;
    const { log } = this.options;
    if (state.kind === 'on') log.info({ cgroup: nodeCgroup(state.layout).parent }, 'pods have cgroups of their own');
    else if (state.kind === 'off') log.warn({}, `limits hold for containers, not for pods as a whole: ${state.why}`);
    this.changed();
  }

  /** Rejects only where the engine is gone. */
  private async prove(info: EngineInfo): Promise<CgroupState> {
    const { nodeName, runtime, ofNode } = this.options;
    const layout = layoutOf(info, nodeName);
    if (layout === undefined)
      return { kind: 'off', why: `the engine's cgroup driver is "${info.cgroupDriver}", version "${info.cgroupVersion}"` };
    const makers = (this.options.makers ?? cgroupMakers)(layout);
    const { tree } = makers;
    const missing = await tree.missing().catch(textOf);
    if (missing !== undefined) return { kind: 'off', why: missing };
    const node = nodeCgroup(layout);
    const limits = ofNode(info);
    try {
      await this.limitNode(makers, layout, limits);
      for (const qos of QOS_CLASSES) {
        const name = qosCgroup(layout, qos);
        // Those of an agent before have the shares that they shall have.
        if (!(await tree.exists(name.folder))) await makeCgroup(makers, layout, name, classLimits(0));
      }
    } catch (error) {
      return { kind: 'off', why: `this agent may not make cgroups: ${textOf(error)}` };
    }
    let shared = false;
    try {
      await runtime.tryCgroupParent(nodeName, node.parent, async (id) => {
        shared = await tree.populated(containerFolder(layout, node, id));
      });
    } catch (thrown) {
      const error = toRuntimeError(thrown);
      if (isEngineDown(error) || error.code === 'timeout') throw error;
      return { kind: 'off', why: `the engine starts no container below ${node.parent}: ${error.message}`, again: true };
    }
    if (!shared)
      return { kind: 'off', why: `a container below ${node.parent} is not seen there: the agent does not share the cgroups of its engine` };
    const limited = tree.memory(node.folder)?.limitBytes;
    if (limits.memoryBytes !== undefined && !this.unlimited && Math.abs((limited ?? 0) - limits.memoryBytes) > PAGE_BYTES)
      return { kind: 'off', why: `the limit of ${node.parent} was set to ${limits.memoryBytes} bytes, and is ${limited ?? 'none'}` };
    const state: On = { kind: 'on', layout, limits, ...makers };
    await this.takeUp(state).catch((error: unknown) => this.warn(error));
    return state;
  }

  /** Version 1 refuses a limit that is exceeded already (systemd says nothing): it is set when pods have left, which the shortage itself brings about. */
  private async limitNode(makers: CgroupMakers, layout: CgroupLayout, limits: CgroupLimits): Promise<void> {
    const node = nodeCgroup(layout);
    const before = this.unlimited;
    try {
      await makeCgroup(makers, layout, node, limits);
      const now = makers.tree.memory(node.folder);
      this.unlimited =
        limits.memoryBytes !== undefined && (now?.usedBytes ?? 0) > limits.memoryBytes && now?.limitBytes !== limits.memoryBytes;
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EBUSY')) throw error;
      this.unlimited = true;
    }
    if (this.unlimited && !before)
      this.options.log.warn(
        { bytes: limits.memoryBytes },
        'pods take more memory than this node has for them: their limit holds when they take less',
      );
  }

  /** What an agent before this one made. */
  private async takeUp(state: On): Promise<void> {
    const { layout, tree } = state;
    const { folder } = qosCgroup(layout, 'Burstable');
    this.burstable.clear();
    for (const name of await tree.children(folder)) {
      const file = layout.version === 1 ? 'cpu.shares' : 'cpu.weight';
      const value = Number(await tree.read('cpu', `${folder}/${name}`, file));
      if (isPodFolder(layout, 'Burstable', name) && Number.isFinite(value))
        this.burstable.set(name, layout.version === 1 ? value : sharesOf(value));
    }
    await this.shareOut(state);
  }

  /** Against pods of other classes, Burstable ones together have what they requested together. */
  private shareOut(state: On): Promise<void> {
    const write = async (): Promise<void> => {
      const shares = [...this.burstable.values()].reduce((sum, one) => sum + one, 0);
      await makeCgroup(state, state.layout, qosCgroup(state.layout, 'Burstable'), classLimits(shares));
    };
    const written = this.sharing.then(write);
    this.sharing = written.catch(() => undefined); // whoever asked hears of it
    return written;
  }
}

/** The kernel counts memory in pages, of at most this. */
const PAGE_BYTES = 65_536;

/** About what a weight was made from. */
function sharesOf(weight: number): number {
  return 2 + Math.ceil(((weight - 1) * 262_142) / 9999);
}

function words(state: CgroupState): readonly string[] {
  return state.kind === 'on' ? ['on', nodeCgroup(state.layout).parent] : state.kind === 'off' ? ['off', state.why] : [];
}

function classOf(pod: Pod): QosClass {
  return pod.spec === undefined ? 'BestEffort' : qosClass(pod.spec);
}

/** The server gives UUIDs. Nothing else gets into a path. */
function safe(uid: string): string {
  return uid.replaceAll(/[^A-Za-z0-9-]/g, '');
}

function uidOf(pod: Pod): string {
  return safe(pod.metadata?.uid ?? '');
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
