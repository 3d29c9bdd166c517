// Pulls each image once at a time, however many containers wait for it, and only a few images at once. When to try again is
// decided by the planner.
import type { ContainerRuntime, ImageInfo, RegistryAuth } from '../runtime/types.js';

const PARALLEL = 4;

interface Pull {
  readonly promise: Promise<ImageInfo>;
  readonly abort: AbortController;
  readonly listeners: Set<(text: string, done: number, total: number) => void>;
  waiters: number;
}

export class ImagePulls {
  private readonly pulls = new Map<string, Pull>();
  private readonly queue: (() => void)[] = [];
  private running = 0;

  constructor(
    private readonly runtime: Pick<ContainerRuntime, 'pullImage' | 'imagePresent'>,
    /** An image was pulled; before: id of what had the name until then. */
    private readonly pulled: (name: string, before: string | undefined, id: string) => void = () => undefined,
  ) {}

  /** Pulls or joins the pull under way. The pull itself ends when nobody waits for it any more. Rejects with RuntimeError. */
  async pull(
    image: string,
    auth: RegistryAuth | undefined,
    progress: (text: string, done: number, total: number) => void,
    signal: AbortSignal,
  ): Promise<ImageInfo> {
    const key = JSON.stringify([image, auth?.serverAddress, auth?.username, auth?.password]);
    let pull = this.pulls.get(key);
    if (pull === undefined) {
      const abort = new AbortController();
      const listeners = new Set<(text: string, done: number, total: number) => void>();
      const report = (done: number, total: number, text: string): void => listeners.forEach((listener) => listener(text, done, total));
      const promise = this.limited(() => this.fetch(image, auth, report, abort.signal)).finally(() => this.pulls.delete(key));
      promise.catch(() => undefined);
      pull = { promise, abort, listeners, waiters: 0 };
      this.pulls.set(key, pull);
    }
    const { promise, abort, listeners } = pull;
    pull.waiters++;
    listeners.add(progress);
    const stopped = Promise.withResolvers<never>();
    const onAbort = (): void => stopped.reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    try {
      return await Promise.race([promise, stopped.promise]);
    } finally {
      signal.removeEventListener('abort', onAbort);
      listeners.delete(progress);
      pull.waiters--;
      if (pull.waiters === 0) abort.abort();
    }
  }

  private async fetch(
    image: string,
    auth: RegistryAuth | undefined,
    report: (done: number, total: number, text: string) => void,
    signal: AbortSignal,
  ): Promise<ImageInfo> {
    const before = await this.runtime.imagePresent(image);
    const info = await this.runtime.pullImage(image, auth, report, signal);
    this.pulled(image, before?.id, info.id);
    return info;
  }

  private async limited<T>(work: () => Promise<T>): Promise<T> {
    while (this.running >= PARALLEL) await new Promise<void>((resolve) => this.queue.push(resolve));
    this.running++;
    try {
      return await work();
    } finally {
      this.running--;
      this.queue.shift()?.();
    }
  }
}
