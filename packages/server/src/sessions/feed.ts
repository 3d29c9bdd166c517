// What one node has been told to run, and what it must be told next. Recomputed from what is dirty, so that a slow node costs a
// few names and no queue. Which changes make what dirty is in router.ts.
import { Node } from '@podplane/api/gen/podplane/core/v1/node';
import type { PersistentVolume } from '@podplane/api/gen/podplane/core/v1/persistent_volume';
import type { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import type { Assignments } from '@podplane/api/gen/podplane/node/v1/session';
import type { Obj } from '@podplane/api/kinds/kind-map';
import { isVolumeOf } from '@podplane/api/storage/matching';
import { isClaimOfPod, parseClaimHandle } from '@podplane/api/storage/pod-claims';
import { BIND_COMPLETED } from '@podplane/api/storage/words';
import type { System, Timer } from '@podplane/api/system';
import type { ReadView } from '@podplane/store/types';
import { parseReference, type Reference, referencesOf } from './references.js';

/** Batching, ms: a first change goes at once; what follows waits for a quiet moment, but not longer than the cap. */
const QUIET_MS = 20;
const CAP_MS = 100;
/** A node that does not read for this long is cut off. */
const STUCK_MS = 30_000;
const MOST_PODS = 100;
const MOST_REFERENCE_BYTES = 2 * 1024 * 1024;

type TakenReferences = Pick<Assignments, 'configMaps' | 'secrets' | 'claimedVolumes' | 'removedReferences'>;

export interface FeedPort {
  /** False: the buffer is full. */
  send(message: Assignments): boolean;
  /** The node has not read for too long. */
  stuck(): void;
  /** The feed began or ceased to care for references. */
  referencesChanged(added: readonly Reference[], removed: readonly Reference[]): void;
}

export class AssignmentFeed implements Disposable {
  /** What the node's pods name, by pod uid; also the record of which pods the node knows. */
  private readonly told = new Map<string, ReadonlySet<Reference>>();
  private readonly uses = new Map<Reference, number>();
  private readonly toldReferences = new Set<Reference>();
  private readonly dirtyPods = new Set<string>();
  private readonly dirtyReferences = new Set<Reference>();
  /** Names of volumes that this node may have been asked to remove. */
  private readonly dirtyVolumes = new Set<string>();
  /** Those that it was asked to remove, name to uid. */
  private readonly toldVolumes = new Map<string, string>();
  private dirtyNode = true;
  private complete = true;
  private revision = 0;
  private blocked = false;
  private firstDirty: number | undefined;
  private lastFlush = Number.NEGATIVE_INFINITY;
  private flushTimer: Timer | undefined;
  private flushSoon = false;
  private stuckTimer: Timer | undefined;
  private disposed = false;

  constructor(
    readonly nodeName: string,
    private readonly view: () => ReadView,
    private readonly system: System,
    private readonly port: FeedPort,
  ) {}

  /** Something about a pod of this node, or one that was this node's, has changed. */
  markPod(uid: string): void {
    this.dirtyPods.add(uid);
    this.plan();
  }

  markReference(reference: Reference): void {
    if (!this.uses.has(reference)) return;
    this.dirtyReferences.add(reference);
    this.plan();
  }

  /** Something about a volume has changed whose data this node shall remove. */
  markVolume(name: string): void {
    this.dirtyVolumes.add(name);
    this.plan();
  }

  /** Labels or taints of the node have changed. */
  markNode(): void {
    this.dirtyNode = true;
    this.plan();
  }

  /** Everything again: at the start, when the agent saw a gap, when changes were missed. */
  markAll(): void {
    this.complete = true;
    this.plan();
  }

  /** The buffer has room again. */
  drained(): void {
    if (!this.blocked) return;
    this.blocked = false;
    this.stuckTimer?.cancel();
    this.stuckTimer = undefined;
    this.plan();
  }

  [Symbol.dispose](): void {
    this.disposed = true;
    this.flushTimer?.cancel();
    this.stuckTimer?.cancel();
    this.port.referencesChanged([], [...this.uses.keys()]);
  }

  private get dirty(): boolean {
    return this.complete || this.dirtyNode || this.dirtyPods.size > 0 || this.dirtyReferences.size > 0 || this.dirtyVolumes.size > 0;
  }

  private plan(): void {
    if (this.disposed || this.blocked || !this.dirty) return;
    if (this.flushSoon) return;
    const now = this.system.clock.monotonic();
    if (this.firstDirty === undefined && now - this.lastFlush >= QUIET_MS) {
      // Even "at once" waits for the end of this turn: one transaction may touch many pods of the node.
      this.flushSoon = true;
      this.system.timers.soon(() => {
        this.flushSoon = false;
        this.flush();
      });
      return;
    }
    this.firstDirty ??= now;
    this.flushTimer?.cancel();
    const due = Math.min(now + QUIET_MS, this.firstDirty + CAP_MS);
    this.flushTimer = this.system.timers.after(Math.max(0, due - now), () => this.flush());
  }

  private flush(): void {
    if (this.disposed) return;
    this.flushTimer?.cancel();
    this.flushTimer = undefined;
    this.firstDirty = undefined;
    while (this.dirty && !this.blocked) {
      const message = this.complete ? this.completeMessage() : this.incrementalMessage();
      this.lastFlush = this.system.clock.monotonic();
      if (message !== undefined && !this.port.send(message)) this.block();
    }
  }

  private block(): void {
    this.blocked = true;
    this.stuckTimer = this.system.timers.after(STUCK_MS, () => this.port.stuck());
  }

  private completeMessage(): Assignments {
    const view = this.view();
    this.complete = false;
    this.dirtyNode = true;
    this.dirtyPods.clear();
    this.dirtyReferences.clear();
    for (const uid of this.told.keys()) this.tell(uid, undefined);
    this.toldReferences.clear();
    const pods: Obj<'Pod'>[] = [];
    for (const pod of view.index('Pod', 'node', this.nodeName)) {
      pods.push(pod);
      this.tell(pod.metadata?.uid ?? '', pod);
    }
    for (const reference of this.uses.keys()) this.dirtyReferences.add(reference);
    this.toldVolumes.clear();
    for (const volume of view.index('PersistentVolume', 'reclaim', this.nodeName)) this.dirtyVolumes.add(volume.metadata?.name ?? '');
    this.revision = view.revision;
    // A complete message must name all pods, else the node would end the others; what they name may follow in pieces.
    return {
      complete: true,
      from: 0,
      to: this.revision,
      pods: mutable(pods),
      removedPodUids: [],
      ...this.takeNode(view),
      ...this.takeReferences(view),
      ...this.takeVolumes(view),
    };
  }

  private incrementalMessage(): Assignments | undefined {
    const view = this.view();
    const pods: Obj<'Pod'>[] = [];
    const removedPodUids: string[] = [];
    for (const uid of this.dirtyPods) {
      if (pods.length >= MOST_PODS) break;
      this.dirtyPods.delete(uid);
      const pod = view.byUid('Pod', uid);
      if (pod !== undefined && pod.spec?.nodeName === this.nodeName) {
        pods.push(pod);
        this.tell(uid, pod);
      } else if (this.told.has(uid)) {
        removedPodUids.push(uid);
        this.tell(uid, undefined);
      }
    }
    const references = this.takeReferences(view);
    const { volumesToRemove, volumesToLeave } = this.takeVolumes(view);
    const node = this.takeNode(view);
    const { configMaps, secrets, claimedVolumes, removedReferences } = references;
    const lists = [pods, removedPodUids, configMaps, secrets, claimedVolumes, removedReferences, volumesToRemove, volumesToLeave];
    if (node.node === undefined && lists.every((list) => list.length === 0)) return undefined;
    const from = this.revision;
    this.revision = view.revision;
    return {
      complete: false,
      from,
      to: this.revision,
      pods: mutable(pods),
      removedPodUids,
      ...node,
      ...references,
      volumesToRemove,
      volumesToLeave,
    };
  }

  /** Name, labels and taints of the node, where they are to be told. */
  private takeNode(view: ReadView): { readonly node?: Node } {
    if (!this.dirtyNode) return {};
    this.dirtyNode = false;
    const node = view.get('Node', '', this.nodeName);
    if (node === undefined) return {}; // its agent is told in another way that it was removed
    return {
      node: Node.fromPartial({
        metadata: { name: this.nodeName, labels: { ...node.metadata?.labels } },
        spec: { taints: [...(node.spec?.taints ?? [])] },
      }),
    };
  }

  /** As many of the dirty references as one message holds. */
  private takeReferences(view: ReadView): TakenReferences {
    const out: TakenReferences = { configMaps: [], secrets: [], claimedVolumes: [], removedReferences: [] };
    let bytes = 0;
    for (const reference of this.dirtyReferences) {
      if (bytes >= MOST_REFERENCE_BYTES) break;
      this.dirtyReferences.delete(reference);
      const { kind, namespace, name } = parseReference(reference);
      if (kind === 'PersistentVolumeClaim') {
        const volume = this.uses.has(reference) ? volumeOf(view, namespace, name) : undefined;
        if (volume !== undefined) {
          this.toldReferences.add(reference);
          out.claimedVolumes.push({ namespace, claim: name, volume: volume as unknown as PersistentVolume });
        } else if (this.toldReferences.delete(reference)) out.removedReferences.push(reference);
        continue;
      }
      const object = this.uses.has(reference) ? view.get(kind, namespace, name) : undefined;
      if (object === undefined) {
        if (this.toldReferences.delete(reference)) out.removedReferences.push(reference);
        continue;
      }
      this.toldReferences.add(reference);
      if (kind === 'ConfigMap') out.configMaps.push(object as unknown as Assignments['configMaps'][number]);
      else out.secrets.push(object as unknown as Assignments['secrets'][number]);
      bytes += sizeOf(object);
    }
    return out;
  }

  /** Those of the dirty volumes that the node still shall remove, and those that it was told of and shall not any more. */
  private takeVolumes(view: ReadView): Pick<Assignments, 'volumesToRemove' | 'volumesToLeave'> {
    if (this.dirtyVolumes.size === 0) return { volumesToRemove: [], volumesToLeave: [] };
    const wanted = [...view.index('PersistentVolume', 'reclaim', this.nodeName)].filter((one) =>
      this.dirtyVolumes.has(one.metadata?.name ?? ''),
    );
    const told = [...this.dirtyVolumes].flatMap((name) => this.toldVolumes.get(name) ?? []);
    for (const name of this.dirtyVolumes) this.toldVolumes.delete(name);
    this.dirtyVolumes.clear();
    for (const { metadata } of wanted) this.toldVolumes.set(metadata?.name ?? '', metadata?.uid ?? '');
    const still = new Set(wanted.map(({ metadata }) => metadata?.uid));
    return {
      volumesToRemove: wanted as unknown as PersistentVolume[],
      volumesToLeave: told.filter((uid) => !still.has(uid)),
    };
  }

  /** Notes what the node knows of a pod (undefined: nothing any more), and counts what its pods name. */
  private tell(uid: string, pod: Obj<'Pod'> | undefined): void {
    const before = this.told.get(uid);
    const after = pod === undefined ? undefined : referencesOf(pod);
    if (after === undefined) this.told.delete(uid);
    else this.told.set(uid, after);
    const added: Reference[] = [];
    const removed: Reference[] = [];
    for (const reference of after ?? []) {
      if (before?.has(reference) === true) continue;
      const count = this.uses.get(reference) ?? 0;
      this.uses.set(reference, count + 1);
      if (count === 0) added.push(reference);
    }
    for (const reference of before ?? []) {
      if (after?.has(reference) === true) continue;
      const count = (this.uses.get(reference) ?? 1) - 1;
      if (count > 0) this.uses.set(reference, count);
      else {
        this.uses.delete(reference);
        removed.push(reference);
      }
    }
    for (const reference of [...added, ...removed]) this.dirtyReferences.add(reference);
    if (added.length + removed.length > 0) this.port.referencesChanged(added, removed);
  }
}

/** The volume of a claim; undefined as long as it has none, or where it is not the pod's whose own it should be. */
function volumeOf(view: ReadView, namespace: string, handle: string): Obj<'PersistentVolume'> | undefined {
  const { name, podUid } = parseClaimHandle(handle);
  const claim = view.get('PersistentVolumeClaim', namespace, name);
  const pod = podUid === undefined ? undefined : view.byUid('Pod', podUid);
  if (claim !== undefined && podUid !== undefined && (pod === undefined || !isClaimOfPod(claim, pod))) return undefined;
  if (!claim?.spec?.volumeName || claim.metadata?.annotations[BIND_COMPLETED] === undefined) return undefined;
  const volume = view.get('PersistentVolume', '', claim.spec.volumeName);
  return volume !== undefined && isVolumeOf(volume, claim) ? volume : undefined;
}

/** The generated types are mutable, the store's objects are frozen; encoding only reads. */
function mutable(pods: readonly Obj<'Pod'>[]): Pod[] {
  return pods as unknown as Pod[];
}

/** About how many bytes a ConfigMap or Secret has. */
function sizeOf(object: Obj<'ConfigMap'> | Obj<'Secret'>): number {
  let bytes = 200;
  for (const [key, value] of Object.entries(object.data)) bytes += key.length + value.length;
  if ('binaryData' in object) for (const [key, value] of Object.entries(object.binaryData)) bytes += key.length + value.length;
  return bytes;
}
