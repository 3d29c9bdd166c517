// Watches over the container engine: is it there, is the node prepared, and what happens to its containers. Hints become targeted
// inspects; a slow relist catches what hints missed. Reacting is up to the agent.
import type { System, Timer } from '@podplane/api/system';
import type { Log } from './log.js';
import type { ContainerCache } from './pods/container-cache.js';
import { toRuntimeError } from './pods/errors.js';
import type { RuntimeError } from './runtime/errors.js';
import type { ContainerRuntime, EngineInfo } from './runtime/types.js';

export interface EngineHandlers {
  /** The engine answers and all containers were listed. network undefined: the pod CIDR is not known yet. */
  up(info: EngineInfo, network: string | undefined): void;
  down(error: RuntimeError): void;
  /** After each full list. */
  listed(): void;
  /** Something happened to a container of this node, also one that belongs to no pod. */
  hint(containerId: string): void;
}

export interface EngineMonitorOptions {
  readonly system: System;
  readonly runtime: ContainerRuntime;
  readonly cache: ContainerCache;
  readonly nodeName: string;
  readonly handlers: EngineHandlers;
  readonly log: Log;
}

const RELIST_MS = 45_000;
/** Shortly after the hints began, for what happened while they were being set up. */
const FIRST_RELIST_MS = 1_000;
const RETRY_FIRST_MS = 500;
const RETRY_MAX_MS = 5_000;

export class EngineMonitor {
  private podCIDR = '';
  private prepared = '';
  private stopper = new AbortController();
  private round: AbortController | undefined;
  private relistTimer: Timer | undefined;
  private loop: Promise<void> | undefined;
  private wakeUp: (() => void) | undefined;
  private checking = false;
  private isUp = false;

  constructor(private readonly options: EngineMonitorOptions) {}

  start(): void {
    this.loop ??= this.run();
  }

  /** Resolves when no call to the engine is under way. */
  async stop(): Promise<void> {
    this.stopper.abort();
    this.round?.abort();
    this.relistTimer?.cancel();
    this.wakeUp?.();
    await this.loop;
  }

  /** The node's addresses are known (or are others): prepare it. */
  setPodCIDR(cidr: string): void {
    if (cidr === this.podCIDR) return;
    this.podCIDR = cidr;
    this.round?.abort();
    this.wakeUp?.();
  }

  /** Somebody's call was not answered, or what was prepared is gone: look now, not at the next relist. */
  trouble(): void {
    if (!this.isUp || this.checking) return;
    this.checking = true;
    const { runtime, nodeName } = this.options;
    const podCIDR = this.prepared;
    (podCIDR === '' ? runtime.info() : runtime.prepareNode({ nodeName, podCIDR }))
      .catch(() => this.round?.abort())
      .finally(() => {
        this.checking = false;
      });
  }

  /** Lists everything soon (an image or container came by another way). */
  relistSoon(): void {
    this.scheduleRelist(0);
  }

  private async run(): Promise<void> {
    let delay = RETRY_FIRST_MS;
    while (!this.stopper.signal.aborted) {
      try {
        await this.turn(() => {
          delay = RETRY_FIRST_MS;
        });
      } catch (thrown) {
        if (this.stopper.signal.aborted) return;
        this.isUp = false;
        this.prepared = '';
        this.options.handlers.down(toRuntimeError(thrown));
        await this.sleep(delay);
        delay = Math.min(delay * 2, RETRY_MAX_MS);
      } finally {
        // Its hints are a connection, also where the listing failed.
        this.round?.abort();
      }
    }
  }

  /** From an engine that may answer to the end of its hints. */
  private async turn(reached: () => void): Promise<void> {
    const { runtime, cache, nodeName, handlers } = this.options;
    const round = new AbortController();
    this.round = round;
    const podCIDR = this.podCIDR;
    const info = await runtime.info();
    let network: string | undefined;
    if (podCIDR !== '') {
      if (this.prepared !== '' && this.prepared !== podCIDR) await runtime.removeNode(nodeName);
      network = (await runtime.prepareNode({ nodeName, podCIDR })).network;
      this.prepared = podCIDR;
    }
    const hints = runtime.watch(nodeName, round.signal)[Symbol.asyncIterator]();
    // Asked for before the list, so that nothing falls between the two.
    let next = hints.next();
    next.catch(() => undefined);
    await cache.relist();
    if (round.signal.aborted) return;
    reached();
    this.isUp = true;
    handlers.up(info, network);
    handlers.listed();
    this.scheduleRelist(FIRST_RELIST_MS);
    try {
      for (;;) {
        const hint = await next;
        if (hint.done === true) break;
        // Our own creations are known already.
        if (hint.value.action !== 'create') this.refresh(hint.value.containerId);
        handlers.hint(hint.value.containerId);
        next = hints.next();
      }
    } finally {
      this.relistTimer?.cancel();
      this.relistTimer = undefined;
    }
    if (!round.signal.aborted && !this.stopper.signal.aborted) await this.sleep(100);
  }

  private refresh(id: string): void {
    this.options.cache.refresh(id).catch(() => this.trouble());
  }

  private scheduleRelist(ms: number): void {
    const { system, cache, handlers } = this.options;
    if (this.stopper.signal.aborted || !this.isUp) return;
    this.relistTimer?.cancel();
    this.relistTimer = system.timers.after(
      ms,
      () => {
        cache.relist().then(
          () => handlers.listed(),
          () => this.trouble(),
        );
        this.scheduleRelist(RELIST_MS * (0.8 + system.random.next() * 0.4));
      },
      { background: true },
    );
  }

  private sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.options.system.timers.after(ms, resolve, { background: true });
      this.wakeUp = () => {
        timer.cancel();
        resolve();
      };
    });
  }
}
