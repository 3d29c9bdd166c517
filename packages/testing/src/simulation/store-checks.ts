// What every life of the server promises about its store: revisions without gaps, nothing told before it is durable, nothing durable ever
// lost over crashes and failures of the journal, and nobody evicted without need. Looks through cursors, as clients and controllers do.
import type { Obj } from '@podplane/api/kinds/kind-map';
import { kindNames } from '@podplane/api/kinds/kind-names';
import { controllerOf, isBeingDeleted, isPodLost, isPodTerminal, podCondition } from '@podplane/api/pod-state';
import { TAINT_UNREACHABLE } from '@podplane/api/taints';
import { StoreError } from '@podplane/store/errors';
import type { ObjectStore } from '@podplane/store/store';
import type { ChangeBatch, Cursor, ReadView } from '@podplane/store/types';
import type { ContainerChecks } from './container-checks.js';
import type { CronChecks } from './cron-checks.js';
import type { DiskCopy, JournalDisk } from './journal.js';
import type { HeadCheck, HeadMirror } from './mirror.js';
import { ObjectChecks } from './object-checks.js';
import type { Trace } from './trace.js';
import type { Violations } from './violations.js';

const KINDS = Object.keys(kindNames) as (keyof typeof kindNames)[];

export interface StoreChecksOptions {
  readonly violations: Violations;
  readonly trace: Trace;
  readonly containers: ContainerChecks;
  readonly disk: JournalDisk;
  readonly now: () => number;
  /** Follows the head; and what looks at each of its transactions. */
  readonly mirror: HeadMirror;
  readonly head: readonly HeadCheck[];
  /** Looks at what is durable. */
  readonly cron: CronChecks;
  /** A pod of this node was evicted because nothing is heard from the node; says why that was wrong, undefined where it was right. */
  readonly eviction: (nodeName: string) => string | undefined;
}

export class StoreChecks {
  readonly objects: ObjectChecks;
  /** What was durable, as it was told: key -> resourceVersion. */
  private readonly mirror = new Map<string, number>();
  private mirrorRevision = 0;
  /** Revisions up to here have been told to somebody. */
  private told = 0;
  private store: ObjectStore | undefined;
  /** Its journal has failed since it was opened. */
  private sealed = false;
  private cursors: Cursor[] = [];
  /** An older copy was put back: what the next server has to find. */
  private putBack: DiskCopy | undefined;
  transactions = 0;

  constructor(private readonly options: StoreChecksOptions) {
    this.objects = new ObjectChecks(options.violations, options.now);
  }

  /** A server has recovered its store; nobody else has written to it yet. */
  opened(store: ObjectStore): void {
    for (const cursor of this.cursors) cursor[Symbol.dispose]();
    this.store = store;
    this.sealed = false;
    const { violations, disk } = this.options;
    this.begins(store);
    if (store.revision < this.told)
      violations.report('nothing-lost', `recovered revision ${store.revision}; revision ${this.told} had been told`);
    this.compare(store, disk);
    store.onHealth(({ state }) => {
      this.options.trace.note(`store: ${state}`);
      if (state === 'sealed') this.sealed = true;
      else if (state === 'ok' && this.store === store) this.compare(store.durableView, disk);
    });
    this.follow(store);
  }

  /** The disk is what it was before: all that came since is forgotten, and nothing else. */
  restored(copy: DiskCopy): void {
    this.putBack = copy;
    this.told = copy.revision;
  }

  private begins(store: ObjectStore): void {
    const copy = this.putBack;
    if (copy === undefined) return;
    this.putBack = undefined;
    const { violations, containers, cron } = this.options;
    const wanted = new Set([...copy.objects.values()].map(({ kind, namespace, name, uid }) => `${kind}/${namespace}/${name}/${uid}`));
    this.mirror.clear();
    for (const kind of KINDS) {
      for (const object of store.list(kind)) {
        const key = keyOf(kind, object);
        if (!wanted.delete(key)) violations.report('nothing-lost', `${key} is there, and was not in the copy that was put back`);
        this.mirror.set(key, Number(object.metadata?.resourceVersion));
      }
    }
    const [lost] = wanted;
    if (lost !== undefined) violations.report('nothing-lost', `${lost} is not there, and was in the copy that was put back`);
    this.mirrorRevision = store.revision;
    cron.forget();
    const alive = [...store.list('Pod')].filter((pod) => !isPodTerminal(pod));
    containers.restored(alive.map(({ metadata }) => metadata?.uid ?? ''));
  }

  /** Somebody outside has learned of this revision. */
  tell(revision: number, what: string): void {
    const { disk, violations } = this.options;
    if (revision > disk.revision) violations.report('durable-first', `${what} shows revision ${revision}; on the disk is ${disk.revision}`);
    this.told = Math.max(this.told, revision);
  }

  private compare(store: ReadView, disk: JournalDisk): void {
    const { violations } = this.options;
    const found = new Map<string, number>();
    for (const kind of KINDS) {
      for (const object of store.list(kind)) found.set(keyOf(kind, object), Number(object.metadata?.resourceVersion));
    }
    for (const [key, revision] of this.mirror) {
      const now = found.get(key);
      if (now === undefined ? !wasDeleted(disk, key, this.mirrorRevision) : now !== revision && now <= this.mirrorRevision)
        violations.report(
          'nothing-lost',
          `${key} was durable at ${revision} and is ${now === undefined ? 'gone' : `at ${now}`} after recovery`,
        );
    }
    for (const [key, revision] of found)
      if (revision <= this.mirrorRevision && !this.mirror.has(key))
        violations.report('nothing-lost', `${key} of revision ${revision} came back after it had been deleted`);
  }

  private follow(store: ObjectStore): void {
    const durable = store.snapshotAndWatch({}, 'durable', (view) => {
      this.mirror.clear();
      for (const kind of KINDS) {
        for (const object of view.list(kind)) {
          this.mirror.set(keyOf(kind, object), Number(object.metadata?.resourceVersion));
          if (kind === 'Pod') this.learn(object as Obj<'Pod'>);
        }
      }
      this.mirrorRevision = view.revision;
      this.options.cron.begin(view);
    });
    let { cursor: head } = store.snapshotAndWatch({}, 'head', (view) => this.begin(view));
    this.cursors = [durable.cursor, head];
    const lookDurable = (): void => {
      if (this.store !== store) return;
      try {
        for (const batch of durable.cursor.drain()) this.durable(batch);
      } catch (error) {
        if (error instanceof StoreError && error.code === 'closed') return;
        this.options.violations.report('nothing-lost', `a watch of durable revisions ended: ${String(error)}`);
        return;
      }
      durable.cursor.onReady(lookDurable);
    };
    const lookHead = (): void => {
      if (this.store !== store) return;
      try {
        for (const batch of head.drain()) this.head(batch);
      } catch (error) {
        if (!(error instanceof StoreError) || error.code === 'closed') return;
        // What was at the head is lost with the journal; it goes on from what is durable.
        head[Symbol.dispose]();
        ({ cursor: head } = store.snapshotAndWatch({}, 'head', (view) => this.begin(view)));
        this.options.cron.begin(store.durableView);
        this.cursors = [durable.cursor, head];
      }
      head.onReady(lookHead);
    };
    durable.cursor.onReady(lookDurable);
    head.onReady(lookHead);
  }

  /** The head as it is found (again). */
  private begin(view: ReadView): void {
    this.options.mirror.begin(view);
    this.objects.begin(view);
    for (const check of this.options.head) check.begin?.();
  }

  private head(batch: ChangeBatch): void {
    this.transactions++;
    const { trace, violations } = this.options;
    trace.note(`r${batch.revision} ${batch.cause?.actor ?? ''}: ${batch.cause?.reason ?? ''}; ${batch.changes.map(textOf).join(', ')}`);
    this.options.mirror.apply(batch);
    this.objects.take(batch);
    for (const check of this.options.head) check.take(batch);
    for (const { kind, type, object, previous } of batch.changes) {
      if (kind !== 'Pod' || type !== 'modified') continue;
      const pod = object as Obj<'Pod'>;
      if (isPodTerminal(pod) || !evicted(pod) || (previous !== undefined && evicted(previous as Obj<'Pod'>))) continue;
      const wrong = this.options.eviction(pod.spec?.nodeName ?? '');
      if (wrong !== undefined)
        violations.report('justified-eviction', `pod ${pod.metadata?.name ?? ''} of ${pod.spec?.nodeName ?? ''} is evicted: ${wrong}`);
    }
  }

  private durable(batch: ChangeBatch): void {
    const { violations, containers, disk } = this.options;
    const { revision } = batch;
    const last = this.mirrorRevision;
    // A recovered journal may have lost revisions that nobody was told of; their numbers are not given again.
    const lost = this.sealed && revision > last && !disk.history.some((tx) => tx.revision > last && tx.revision < revision);
    if (revision !== last + 1 && !lost) violations.report('gap-free-revisions', `revision ${revision} comes after ${last}`);
    this.mirrorRevision = revision;
    this.tell(revision, 'a watch');
    this.options.cron.take(batch);
    for (const { kind, type, object } of batch.changes) {
      const key = keyOf(kind, object);
      if (type === 'deleted') this.mirror.delete(key);
      else this.mirror.set(key, Number(object.metadata?.resourceVersion));
      if (kind !== 'Pod') continue;
      const pod = object as Obj<'Pod'>;
      this.learn(pod);
      const node = pod.spec?.nodeName ?? '';
      if (node === '' || batch.cause?.actor !== `node:${node}`) continue;
      if (type === 'deleted' || isPodTerminal(pod)) containers.ended(pod.metadata?.uid ?? '');
      if (pod.status?.phase === 'Succeeded') this.trueEnd(pod);
    }
  }

  private learn(pod: Obj<'Pod'>): void {
    const { uid = '', namespace = '', name = '' } = pod.metadata ?? {};
    this.options.containers.known({ uid, namespace, name, ownerKind: controllerOf(pod)?.kind ?? '' });
  }

  /** "Succeeded" is a claim about containers. */
  private trueEnd(pod: Obj<'Pod'>): void {
    // One that is being deleted may have been stopped before its containers began.
    if (isBeingDeleted(pod)) return;
    const exits = this.options.containers.exits.get(pod.metadata?.uid ?? '');
    for (const { name } of pod.spec?.containers ?? []) {
      const code = exits?.get(name);
      if (code !== 0)
        this.options.violations.report(
          'true-status',
          `pod ${pod.metadata?.name ?? ''} is said to have succeeded; container ${name} ${code === undefined ? 'never ran to an end' : `ended with ${code}`}`,
        );
    }
  }
}

function keyOf(kind: string, object: Obj): string {
  return `${kind}/${object.metadata?.namespace ?? ''}/${object.metadata?.name ?? ''}/${object.metadata?.uid ?? ''}`;
}

function wasDeleted(disk: JournalDisk, key: string, after: number): boolean {
  return disk.history.some(
    ({ revision, changes }) =>
      revision > after &&
      changes.some(({ kind, namespace, name, uid, type }) => type === 'deleted' && `${kind}/${namespace}/${name}/${uid}` === key),
  );
}

/** Sent away because its node is not heard; not because the node itself said that it shuts down, or is not ready. */
function evicted(pod: Obj<'Pod'>): boolean {
  if (isPodLost(pod)) return true;
  const { reason, message } = podCondition(pod, 'DisruptionTarget') ?? {};
  return isBeingDeleted(pod) && reason === 'DeletionByTaintManager' && message?.includes(TAINT_UNREACHABLE) === true;
}

function textOf({ kind, type, object }: ChangeBatch['changes'][number]): string {
  const { namespace = '', name = '' } = object.metadata ?? {};
  return `${type} ${kind} ${namespace === '' ? '' : `${namespace}/`}${name}`;
}
