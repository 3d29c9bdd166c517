// What each transaction may do to objects: revisions without gaps, pods that stay where they are and end once, never more replicas than
// allowed, Jobs that count each pod once. Fed with every batch of changes of the head.

import { IndexSet } from '@podplane/api/kinds/job-indexes';
import type { Obj } from '@podplane/api/kinds/kind-map';
import { controllerOf, isBeingDeleted, isPodLost, isPodTerminal } from '@podplane/api/pod-state';
import type { Change, ChangeBatch } from '@podplane/store/types';
import type { Violations } from './violations.js';

type Pod = Obj<'Pod'>;

/** For so long after a change the larger of the old and the new number is allowed, ms: controllers act one after the other. */
const CHANGING_MS = 30_000;

interface Allowed {
  now: number;
  /** Larger ones of a short while ago. */
  before: { readonly value: number; readonly until: number }[];
}

export class ObjectChecks {
  private readonly pods = new Map<string, Pod>();
  private readonly live = new Map<string, Set<string>>();
  /** ReplicaSets: their Deployment's uid, or their own. */
  private readonly groupOf = new Map<string, string>();
  private readonly allowed = new Map<string, Allowed>();
  /** Jobs: pods seen to succeed, and by what they count. */
  private readonly succeeded = new Map<string, Set<string>>();
  private readonly made = new Map<string, Set<string>>();

  constructor(
    private readonly violations: Violations,
    private readonly now: () => number,
  ) {}

  /** The state as it is found (again): nothing is checked, everything is known. */
  begin(view: { list(kind: 'Pod' | 'ReplicaSet' | 'Deployment'): Iterable<Obj> }): void {
    this.pods.clear();
    this.live.clear();
    for (const object of view.list('Deployment')) this.deployment(object as Obj<'Deployment'>);
    for (const object of view.list('ReplicaSet')) this.replicaSet(object as Obj<'ReplicaSet'>);
    for (const object of view.list('Pod')) this.keep(object as Pod);
  }

  take(batch: ChangeBatch): void {
    // Bounds first: one transaction may change them and make pods.
    for (const change of batch.changes) this.bounds(change);
    for (const change of batch.changes) if (change.kind === 'Pod') this.pod(change as Change<'Pod'>);
    for (const change of batch.changes) if (change.kind === 'Job' && change.type !== 'deleted') this.job(change as Change<'Job'>);
  }

  private bounds(change: Change): void {
    if (change.type === 'deleted') return;
    if (change.kind === 'Deployment') this.deployment(change.object as Obj<'Deployment'>);
    else if (change.kind === 'ReplicaSet') this.replicaSet(change.object as Obj<'ReplicaSet'>);
  }

  private deployment({ metadata, spec }: Obj<'Deployment'>): void {
    const replicas = spec?.replicas ?? 1;
    const { maxSurge } = spec?.strategy?.rollingUpdate ?? {};
    const surge = spec?.strategy?.type === 'Recreate' ? 0 : resolve(maxSurge ?? '25%', replicas);
    this.allow(metadata?.uid ?? '', replicas + surge);
  }

  private replicaSet(set: Obj<'ReplicaSet'>): void {
    const owner = controllerOf(set);
    const uid = set.metadata?.uid ?? '';
    this.groupOf.set(uid, owner?.uid ?? uid);
    if (owner === undefined) this.allow(uid, set.spec?.replicas ?? 1);
  }

  private allow(uid: string, value: number): void {
    const known = this.allowed.get(uid);
    if (known === undefined) {
      this.allowed.set(uid, { now: value, before: [] });
      return;
    }
    if (value < known.now) known.before.push({ value: known.now, until: this.now() + CHANGING_MS });
    known.now = value;
  }

  private mostOf(group: string): number {
    const allowed = this.allowed.get(group);
    if (allowed === undefined) return Number.POSITIVE_INFINITY;
    allowed.before = allowed.before.filter(({ until }) => until > this.now());
    return Math.max(allowed.now, ...allowed.before.map(({ value }) => value));
  }

  private groupFor(pod: Pod): string | undefined {
    const owner = controllerOf(pod);
    return owner?.kind === 'ReplicaSet' ? (this.groupOf.get(owner.uid) ?? owner.uid) : undefined;
  }

  private keep(pod: Pod): void {
    const uid = pod.metadata?.uid ?? '';
    this.pods.set(uid, pod);
    const group = this.groupFor(pod);
    if (group === undefined) return;
    let live = this.live.get(group);
    if (live === undefined) this.live.set(group, (live = new Set()));
    if (isBeingDeleted(pod) || isPodTerminal(pod) || isPodLost(pod)) live.delete(uid);
    else live.add(uid);
  }

  private pod({ type, object: pod }: Change<'Pod'>): void {
    const uid = pod.metadata?.uid ?? '';
    const name = `${pod.metadata?.namespace ?? ''}/${pod.metadata?.name ?? ''}`;
    const before = this.pods.get(uid);
    const node = before?.spec?.nodeName;
    if (node !== undefined && node !== '' && pod.spec?.nodeName !== node)
      this.violations.report('pod-stays', `pod ${name} moved from ${node} to ${pod.spec?.nodeName ?? 'nowhere'}`);
    if (before !== undefined && isPodTerminal(before) && pod.status?.phase !== before.status?.phase)
      this.violations.report('pod-stays', `pod ${name} was ${before.status?.phase ?? ''} and is ${pod.status?.phase ?? ''}`);
    const owner = controllerOf(pod);
    if (owner?.kind === 'Job') {
      add(this.made, owner.uid, uid);
      if (pod.status?.phase === 'Succeeded') add(this.succeeded, owner.uid, `${uid} ${indexOf(pod)}`);
    }
    if (type === 'deleted') {
      this.pods.delete(uid);
      this.live.get(this.groupFor(pod) ?? '')?.delete(uid);
      return;
    }
    this.keep(pod);
    const group = type === 'added' ? this.groupFor(pod) : undefined;
    if (group === undefined) return;
    const count = this.live.get(group)?.size ?? 0;
    const most = this.mostOf(group);
    if (count > most)
      this.violations.report('replicas-and-surge', `pod ${name} is made as number ${count}; allowed are ${most} of ${owner?.name ?? ''}`);
  }

  private job({ object: job, previous }: Change<'Job'>): void {
    const uid = job.metadata?.uid ?? '';
    const name = `${job.metadata?.namespace ?? ''}/${job.metadata?.name ?? ''}`;
    const { status, spec } = job;
    const succeeded = status?.succeeded ?? 0;
    const failed = status?.failed ?? 0;
    const seen = [...(this.succeeded.get(uid) ?? [])];
    const wrong = (text: string): void => this.violations.report('job-count', `job ${name} ${text}`);
    if (spec?.completionMode === 'Indexed') {
      const truly = new Set(seen.map((one) => one.split(' ')[1]));
      for (const index of IndexSet.below(status?.completedIndexes ?? '', Number.MAX_SAFE_INTEGER))
        if (!truly.has(String(index))) wrong(`counts index ${index}, of which no pod succeeded`);
    } else if (succeeded > seen.length) wrong(`counts ${succeeded} pods that succeeded; there were ${seen.length}`);
    const made = this.made.get(uid)?.size ?? 0;
    if (succeeded + failed > made) wrong(`counts ${succeeded} pods that succeeded and ${failed} that failed; there were ${made}`);
    if (succeeded < (previous?.status?.succeeded ?? 0)) wrong(`counts ${succeeded}, and counted ${previous?.status?.succeeded ?? 0}`);
    const complete = status?.conditions.some(({ type, status: is }) => type === 'Complete' && is === 'True') ?? false;
    if (complete && spec?.completions !== undefined && spec.successPolicy === undefined && succeeded !== spec.completions)
      wrong(`is complete with ${succeeded} of ${spec.completions}`);
  }
}

function indexOf(pod: Pod): string {
  return pod.metadata?.annotations['batch.kubernetes.io/job-completion-index'] ?? '';
}

function add(map: Map<string, Set<string>>, key: string, value: string): void {
  const set = map.get(key);
  if (set === undefined) map.set(key, new Set([value]));
  else set.add(value);
}

/** A number or a share of replicas, rounded up as Kubernetes does it for the surge. */
function resolve(value: unknown, replicas: number): number {
  if (typeof value !== 'string') return Number(value);
  return value.endsWith('%') ? Math.ceil((Number.parseInt(value, 10) * replicas) / 100) : Number.parseInt(value, 10);
}
