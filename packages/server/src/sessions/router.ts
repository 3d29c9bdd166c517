// From committed transactions to the nodes that they concern: one cursor for all sessions. What a node is then sent is in feed.ts.
import { deepEqual } from '@podplane/api/kinds/equal';
import type { Obj } from '@podplane/api/kinds/kind-map';
import { claimHandle } from '@podplane/api/storage/pod-claims';
import { claimKey, RECLAIM_NODE } from '@podplane/api/storage/words';
import type { System } from '@podplane/api/system';
import { StoreError } from '@podplane/store/errors';
import type { Change, ChangeBatch, Cursor, Selector, Store } from '@podplane/store/types';
import { AssignmentFeed, type FeedPort } from './feed.js';
import { type Reference, referenceTo } from './references.js';

const SELECTOR: Selector = { kinds: ['Pod', 'Node', 'ConfigMap', 'Secret', 'PersistentVolumeClaim', 'PersistentVolume'] };

export class AssignmentRouter implements Disposable {
  private readonly feeds = new Map<string, AssignmentFeed>();
  private readonly byReference = new Map<Reference, Set<AssignmentFeed>>();
  private cursor: Cursor;

  constructor(
    private readonly store: Store,
    private readonly system: System,
  ) {
    this.cursor = this.watch();
  }

  /** Begins to feed a node; its first message is complete. One feed a node: an earlier one must have been disposed. */
  open(nodeName: string, port: Omit<FeedPort, 'referencesChanged'>): AssignmentFeed {
    const feed: AssignmentFeed = new AssignmentFeed(nodeName, () => this.store.durableView, this.system, {
      send: (message) => port.send(message),
      stuck: () => port.stuck(),
      referencesChanged: (added, removed) => {
        for (const reference of added) {
          const feeds = this.byReference.get(reference);
          if (feeds === undefined) this.byReference.set(reference, new Set([feed]));
          else feeds.add(feed);
        }
        for (const reference of removed) {
          const feeds = this.byReference.get(reference);
          if (feeds?.delete(feed) === true && feeds.size === 0) this.byReference.delete(reference);
        }
      },
    });
    this.feeds.set(nodeName, feed);
    feed.markAll();
    return feed;
  }

  close(feed: AssignmentFeed): void {
    if (this.feeds.get(feed.nodeName) === feed) this.feeds.delete(feed.nodeName);
    feed[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.cursor[Symbol.dispose]();
    for (const feed of this.feeds.values()) feed[Symbol.dispose]();
    this.feeds.clear();
  }

  private watch(): Cursor {
    const { cursor } = this.store.snapshotAndWatch(SELECTOR, 'durable', () => undefined);
    cursor.onReady(() => this.drain());
    return cursor;
  }

  private drain(): void {
    let batches: readonly ChangeBatch[];
    try {
      batches = this.cursor.drain();
    } catch (error) {
      if (error instanceof StoreError && error.code === 'closed') return; // the store, or this router
      if (!(error instanceof StoreError) || error.code !== 'gone') throw error;
      // Too far behind, or the store recovered: what was missed is in the state that everybody is now sent completely.
      this.cursor[Symbol.dispose]();
      this.cursor = this.watch();
      for (const feed of this.feeds.values()) feed.markAll();
      return;
    }
    for (const batch of batches) for (const change of batch.changes) this.route(change);
    this.cursor.onReady(() => this.drain());
  }

  private route(change: Change): void {
    switch (change.kind) {
      case 'Pod':
        this.routePod(change as Change<'Pod'>);
        return;
      case 'Node': {
        const { object, previous } = change as Change<'Node'>;
        const same =
          deepEqual(object.metadata?.labels, previous?.metadata?.labels) && deepEqual(object.spec?.taints, previous?.spec?.taints);
        if (!same) this.feeds.get(object.metadata?.name ?? '')?.markNode();
        return;
      }
      case 'ConfigMap':
      case 'Secret': {
        const { metadata } = change.object;
        this.markReference(referenceTo(change.kind, metadata?.namespace ?? '', metadata?.name ?? ''));
        return;
      }
      case 'PersistentVolumeClaim':
        this.markClaim(change.object.metadata?.namespace ?? '', change.object.metadata?.name ?? '');
        return;
      case 'PersistentVolume': {
        const { object, previous } = change as Change<'PersistentVolume'>;
        const { namespace = '', name = '' } = object.spec?.claimRef ?? {};
        if (name !== '') this.markClaim(namespace, name);
        // Also the node that was to remove it before.
        for (const { metadata: one } of previous === undefined ? [object] : [object, previous]) {
          const node = one?.annotations[RECLAIM_NODE];
          if (node !== undefined && one?.deletionTimestamp !== undefined) this.feeds.get(node)?.markVolume(one.name ?? '');
        }
        return;
      }
      default:
        return;
    }
  }

  private markClaim(namespace: string, name: string): void {
    this.markReference(referenceTo('PersistentVolumeClaim', namespace, name));
    // Those whose own it is, or should be, know it by another name.
    for (const pod of this.store.durableView.index('Pod', 'claim', claimKey(namespace, name)))
      this.markReference(referenceTo('PersistentVolumeClaim', namespace, claimHandle(pod, { name, own: true })));
  }

  private markReference(reference: Reference): void {
    for (const feed of this.byReference.get(reference) ?? []) feed.markReference(reference);
  }

  private routePod(change: Change<'Pod'>): void {
    const { object, previous } = change;
    const uid = object.metadata?.uid ?? '';
    const node = object.spec?.nodeName ?? '';
    const before = previous?.spec?.nodeName ?? '';
    if (before !== '' && before !== node) this.feeds.get(before)?.markPod(uid);
    if (node === '') return;
    const feed = this.feeds.get(node);
    if (feed === undefined) return;
    if (change.type === 'modified' && previous !== undefined && before === node && !concernsNode(object, previous)) return;
    feed.markPod(uid);
  }
}

/** Whether a change is more than the status that the node itself reported. */
function concernsNode(next: Obj<'Pod'>, previous: Obj<'Pod'>): boolean {
  if (!deepEqual(next.spec, previous.spec)) return true; // unchanged parts are shared, so this is cheap
  const a = next.metadata;
  const b = previous.metadata;
  if (a?.deletionTimestamp !== b?.deletionTimestamp || a?.deletionGracePeriodSeconds !== b?.deletionGracePeriodSeconds) return true;
  if (!deepEqual(a?.labels, b?.labels) || !deepEqual(a?.annotations, b?.annotations)) return true;
  // What others say of its readiness gates: the node makes the pod's readiness of it.
  const said = ({ status }: Obj<'Pod'>, type: string): string | undefined => status?.conditions.find((one) => one.type === type)?.status;
  return (next.spec?.readinessGates ?? []).some(({ conditionType }) => said(next, conditionType) !== said(previous, conditionType));
}
