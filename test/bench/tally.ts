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
  /** Ms since it was opened at which each of the pods made since became ready. */
  readonly readyAfter = new Map<string, number>();
  /** Ms since it was opened until the first pod was marked lost or deleted. */
  firstLossAfter: number | undefined;
  private readonly opened = performance.now();
  private lastChange = performance.now();
  private readonly abort = new AbortController();
  private waiting: { readonly count: number; readonly resolve: () => void } | undefined;

  private constructor() {}

  static async open(client: PodplaneClient): Promise<Tally> {
    const { resourceVersion } = await client.page('Pod', { namespace: 'default' }, 1, '');
    const tally = new Tally();
    void tally.follow(client, resourceVersion);
    return tally;
  }

  private async follow(client: PodplaneClient, from: string): Promise<void> {
    for await (const event of client.watch('Pod', { namespace: 'default' }, { from, signal: this.abort.signal })) {
      if (event.type !== 'ADDED' && event.type !== 'MODIFIED' && event.type !== 'DELETED') continue;
      this.lastChange = performance.now();
      const { metadata, status } = event.object;
      const uid = metadata?.uid ?? '';
      if (event.type === 'ADDED') this.made.add(uid);
      else if (!this.made.has(uid) && (status?.reason === 'NodeLost' || metadata?.deletionTimestamp !== undefined)) {
        this.firstLossAfter ??= this.lastChange - this.opened;
        this.lost.add(uid);
      }
      if (this.made.has(uid) && event.type !== 'DELETED' && isReady(event.object) && !this.readyAfter.has(uid))
        this.readyAfter.set(uid, this.lastChange - this.opened);
      if (this.waiting !== undefined && this.readyAfter.size >= this.waiting.count) this.waiting.resolve();
    }
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
