// What the engine's containers of this node look like, by pod. Fed by targeted inspects (after a hint or a step) and by a slow full
// relist; both go through here, and an answer that was asked for before a newer change is thrown away. Decides nothing.
import { type ContainerInfo, type ContainerRuntime, LABEL_POD_UID } from '../runtime/types.js';

export class ContainerCache {
  private readonly byPod = new Map<string, Map<string, ContainerInfo>>();
  private readonly podOf = new Map<string, string>();
  /** When each container was last changed here, in counts. */
  private readonly touched = new Map<string, number>();
  private readonly refreshing = new Map<string, { again: boolean; promise: Promise<void> }>();
  private count = 0;

  constructor(
    private readonly runtime: Pick<ContainerRuntime, 'inspect' | 'listContainers'>,
    private readonly nodeName: string,
    /** Called after the containers of a pod changed. */
    private readonly onChange: (podUid: string) => void,
  ) {}

  ofPod(uid: string): readonly ContainerInfo[] {
    return [...(this.byPod.get(uid)?.values() ?? [])];
  }

  podUids(): readonly string[] {
    return [...this.byPod.keys()];
  }

  get(id: string): ContainerInfo | undefined {
    const uid = this.podOf.get(id);
    return uid === undefined ? undefined : this.byPod.get(uid)?.get(id);
  }

  /** What is known without asking: a container was just made or started. */
  put(info: ContainerInfo): void {
    this.touched.set(info.id, ++this.count);
    this.store(info);
  }

  /** It was removed. */
  forget(id: string): void {
    this.touched.set(id, ++this.count);
    this.drop(id);
  }

  /** Inspects one container; calls while one is under way share the next answer. Rejects with RuntimeError. */
  refresh(id: string): Promise<void> {
    const running = this.refreshing.get(id);
    if (running !== undefined) {
      running.again = true;
      return running.promise;
    }
    const entry = { again: false, promise: Promise.resolve() };
    entry.promise = this.inspectUntilFresh(id, entry).finally(() => this.refreshing.delete(id));
    this.refreshing.set(id, entry);
    return entry.promise;
  }

  private async inspectUntilFresh(id: string, entry: { again: boolean }): Promise<void> {
    for (;;) {
      entry.again = false;
      const since = this.touched.get(id) ?? 0;
      const info = await this.runtime.inspect(id);
      const stale = (this.touched.get(id) ?? 0) !== since;
      if (stale || entry.again) continue;
      if (info === undefined) this.forget(id);
      else this.put(info);
      return;
    }
  }

  /** Asks for everything. Rejects with RuntimeError. */
  async relist(): Promise<void> {
    const since = this.count;
    const list = await this.runtime.listContainers(this.nodeName);
    const seen = new Set<string>();
    for (const info of list) {
      seen.add(info.id);
      if ((this.touched.get(info.id) ?? 0) <= since) this.store(info);
    }
    for (const id of this.podOf.keys()) {
      if (!seen.has(id) && (this.touched.get(id) ?? 0) <= since) this.drop(id);
    }
    for (const [id, at] of this.touched) if (at <= since && !this.podOf.has(id)) this.touched.delete(id);
  }

  private store(info: ContainerInfo): void {
    const uid = info.labels[LABEL_POD_UID];
    if (uid === undefined || uid === '') return;
    let pod = this.byPod.get(uid);
    if (pod === undefined) {
      pod = new Map();
      this.byPod.set(uid, pod);
    }
    const before = pod.get(info.id);
    if (before !== undefined && same(before, info)) return;
    pod.set(info.id, info);
    this.podOf.set(info.id, uid);
    this.onChange(uid);
  }

  private drop(id: string): void {
    const uid = this.podOf.get(id);
    if (uid === undefined) return;
    this.podOf.delete(id);
    const pod = this.byPod.get(uid);
    pod?.delete(id);
    if (pod?.size === 0) this.byPod.delete(uid);
    this.onChange(uid);
  }
}

function same(a: ContainerInfo, b: ContainerInfo): boolean {
  return (
    a.state === b.state &&
    a.startedAt === b.startedAt &&
    a.finishedAt === b.finishedAt &&
    a.exitCode === b.exitCode &&
    a.oomKilled === b.oomKilled &&
    a.error === b.error &&
    a.message === b.message &&
    a.fenced === b.fenced &&
    a.pid === b.pid &&
    a.imageId === b.imageId &&
    a.user === b.user
  );
}
