// What becomes of pods while a benchmark does something to their nodes: who is marked lost, who is made, who of these gets ready, and when.
import type { KindMap } from '@podplane/api/kinds/kind-map';
import type { PodplaneClient } from '@podplane/client/client';

type Pod = KindMap['Pod'];

/** No pod changed for so long: the cluster is at rest, ms. */
const REST_MS = 4000;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const isReady = ({ status }: Pod): boolean => status?.conditions.some(({ type, status: is }) => type === 'Ready' && is === 'True') === true;

export class Tally {
  readonly made = new Set<string>();
  readonly lost = new Set<string>();
  /** Ms since the beginning at which each of the pods made since became ready. */
  readonly readyAfter = new Map<string, number>();
  /** Ms since the beginning until the first pod was marked lost or deleted. */
  firstLossAfter: number | undefined;
  private opened = performance.now();
  private lastChange = performance.now();
  private readonly abort = new AbortController();
  private waiting: { readonly count: number; readonly resolve: () => void } | undefined;
  /** While the watch tells the whole state anew, as it was too slow for the server: the pods told so far. */
  private told: Set<string> | undefined;

  /** before: uids of the pods there are, with the node of each. */
  private constructor(private readonly before: ReadonlyMap<string, string>) {}

  static async open(client: PodplaneClient): Promise<Tally> {
    const { items, resourceVersion } = await client.list('Pod', { namespace: 'default' });
    const tally = new Tally(new Map(items.map(({ metadata, spec }) => [metadata?.uid ?? '', spec?.nodeName ?? ''])));
    void tally.follow(client, resourceVersion);
    return tally;
  }

  /** Times are counted from now on. */
  begin(): void {
    this.opened = performance.now();
  }

  /** Pods on nodes of which this is true, as it was when it was opened. */
  podsOn(counts: (nodeName: string) => boolean): number {
    let pods = 0;
    for (const nodeName of this.before.values()) if (counts(nodeName)) pods++;
    return pods;
  }

  private async follow(client: PodplaneClient, from: string): Promise<void> {
    for await (const event of client.watch('Pod', { namespace: 'default' }, { from, signal: this.abort.signal })) {
      if (event.type === 'BOOKMARK') continue;
      this.lastChange = performance.now();
      if (event.type === 'RESET') this.told = new Set();
      else if (event.type === 'SYNCED') this.missed();
      else this.take(event.type, event.object);
      if (this.waiting !== undefined && this.readyAfter.size >= this.waiting.count) this.waiting.resolve();
    }
  }

  private take(type: 'ADDED' | 'MODIFIED' | 'DELETED', pod: Pod): void {
    const uid = pod.metadata?.uid ?? '';
    this.told?.add(uid);
    if (this.before.has(uid)) {
      if (type === 'DELETED' || pod.status?.reason === 'NodeLost' || pod.metadata?.deletionTimestamp !== undefined) this.lose(uid);
      return;
    }
    this.made.add(uid);
    if (type !== 'DELETED' && isReady(pod) && !this.readyAfter.has(uid)) this.readyAfter.set(uid, this.lastChange - this.opened);
  }

  /** Who was deleted while the watch was behind is not in the state that it told. */
  private missed(): void {
    const { told } = this;
    this.told = undefined;
    if (told !== undefined) for (const uid of this.before.keys()) if (!told.has(uid)) this.lose(uid);
  }

  private lose(uid: string): void {
    this.firstLossAfter ??= this.lastChange - this.opened;
    this.lost.add(uid);
  }

  /** Resolves when so many pods that were made since have become ready. */
  async newReady(count: number): Promise<void> {
    if (this.readyAfter.size >= count) return;
    await new Promise<void>((resolve) => {
      this.waiting = { count, resolve };
    });
  }

  /** Resolves when nothing has changed for a while. */
  async rest(): Promise<void> {
    while (performance.now() - this.lastChange < REST_MS) await pause(100);
  }

  close(): void {
    this.abort.abort();
  }
}
