// The pods of a Job: which index one has, how it ended, what a new one looks like. Pure.
import { EnvVar } from '@podplane/api/gen/podplane/core/v1/env';
import type { Obj } from '@podplane/api/kinds/kind-map';
import { isBeingDeleted, isPodTerminal, JOB_TRACKING, podCondition } from '@podplane/api/pod-state';
import { nameOf } from '../shared/objects.js';
import { type Mould, mouldOf, podFrom, type Template } from '../shared/pod-mould.js';
import { timeOf } from '../shared/time.js';

export type Job = Obj<'Job'>;
export type Pod = Obj<'Pod'>;

export const TRACKING = JOB_TRACKING;
export const INDEX = 'batch.kubernetes.io/job-completion-index';
export const FAILURES = 'batch.kubernetes.io/job-index-failure-count';
const IGNORED_FAILURES = 'batch.kubernetes.io/job-index-ignored-failure-count';
const OURSELVES = 'kubernetes.io/job-controller';
const INDEX_ENV = 'JOB_COMPLETION_INDEX';
const SUFFIX = 5;
/** Reason of the status of a pod that its node sent away because it was short of memory, disk or process ids. */
const EVICTED = 'Evicted';

/** Another program's controller looks after it: everything but its time to live is that one's business. */
export const isManagedElsewhere = ({ spec }: Job): boolean => (spec?.managedBy ?? OURSELVES) !== OURSELVES;

export const isIndexed = (job: Job): boolean => job.spec?.completionMode === 'Indexed';

function numberIn(pod: Pod, annotation: string): number | undefined {
  const text = pod.metadata?.annotations[annotation];
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}

/** The index of an Indexed job's pod; undefined where it has none. */
export const indexOf = (pod: Pod): number | undefined => numberIn(pod, INDEX);
/** How many pods of its index failed before it and count towards the index's limit. */
export const failuresBefore = (pod: Pod): number => numberIn(pod, FAILURES) ?? 0;
/** How many pods of its index failed before it and were ignored. */
export const ignoredBefore = (pod: Pod): number => numberIn(pod, IGNORED_FAILURES) ?? 0;

export const isTracked = (pod: Pod): boolean => pod.metadata?.finalizers.includes(TRACKING) === true;

/**
 * How a pod counts: it waits or runs; it is on its way out (and counts only when it has ended); it has ended.
 * replaceLate: one that is being deleted counts as failed only when it is over, not at once.
 */
export function standingOf(pod: Pod, replaceLate: boolean): 'active' | 'leaving' | 'succeeded' | 'failed' {
  const phase = pod.status?.phase;
  if (phase === 'Succeeded') return 'succeeded';
  if (phase === 'Failed') return 'failed';
  if (!isBeingDeleted(pod)) return 'active';
  // Nothing of it ever ran, or nothing runs any more: it will not reach a last phase. (A bound one may be Pending while init containers run.)
  const over = !pod.spec?.nodeName || (pod.metadata?.deletionGracePeriodSeconds ?? 0) === 0;
  return replaceLate && !over ? 'leaving' : 'failed';
}

/**
 * When a pod ended by itself, ms since 1970; undefined: it did not end, or not through its own fault. By its containers (its sidecars
 * among them), else by when it was not ready any more, else by what is older.
 */
export function endedAt(pod: Pod): number | undefined {
  if (!isPodTerminal(pod)) return undefined;
  // A node that runs short of something, on the other hand, may do so again and again because of this very pod.
  if (podCondition(pod, 'DisruptionTarget')?.status === 'True' && pod.status?.reason !== EVICTED) return undefined;
  const sidecars = new Set((pod.spec?.initContainers ?? []).filter((one) => one.restartPolicy === 'Always').map((one) => one.name));
  const statuses = [
    ...(pod.status?.containerStatuses ?? []),
    ...(pod.status?.initContainerStatuses ?? []).filter(({ name }) => sidecars.has(name)),
  ];
  const times = statuses.map(({ state }) => timeOf(state?.terminated?.finishedAt));
  if (times.length > 0 && times.every((time) => !Number.isNaN(time))) return Math.max(...times);
  const ready = podCondition(pod, 'Ready');
  const since = ready?.status === 'False' ? timeOf(ready.lastTransitionTime) : Number.NaN;
  return since || timeOf(pod.status?.startTime) || timeOf(pod.metadata?.creationTimestamp) || undefined;
}

const indexed = new WeakMap<Template, Mould>();

/** All indexes share everything but their names: the number reaches containers by reference. */
function mouldFor(job: Job, template: Template, now: number): Mould {
  const plain = mouldOf(template, now);
  if (!isIndexed(job) || plain.spec === undefined) return plain;
  let mould = indexed.get(template);
  if (mould === undefined) {
    const fieldPath = `metadata.labels['${INDEX}']`;
    const variable = EnvVar.fromPartial({ name: INDEX_ENV, valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath } } });
    const withIndex = <T extends { readonly env: readonly { readonly name: string }[] }>(one: T): T =>
      one.env.some(({ name }) => name === INDEX_ENV) ? one : { ...one, env: [...one.env, variable] };
    const { spec } = plain;
    mould = { ...plain, spec: { ...spec, containers: spec.containers.map(withIndex), initContainers: spec.initContainers.map(withIndex) } };
    indexed.set(template, mould);
  }
  return mould;
}

export interface NewPod {
  /** undefined: of a job without indexes. */
  readonly index: number | undefined;
  /** Failures of its index so far that count, and those that were ignored. */
  readonly failures: number;
  readonly ignored: number;
}

/** A new pod. isFree: whether a name is free; suffix: random letters. */
export function newPod(
  job: Job,
  { index, failures, ignored }: NewPod,
  now: number,
  isFree: (name: string) => boolean,
  suffix: (length: number) => string,
): Pod {
  const template = job.spec?.template;
  if (template === undefined) throw new TypeError('a Job without a template');
  const mould = mouldFor(job, template, now);
  const middle = index === undefined ? '-' : `-${index}-`;
  const base = `${nameOf(job).slice(0, 63 - SUFFIX - middle.length)}${middle}`;
  let name: string;
  do name = `${base}${suffix(SUFFIX)}`;
  while (!isFree(name));
  const finalizers = [...mould.finalizers, TRACKING];
  if (index === undefined || mould.spec === undefined) return podFrom('Job', job, { ...mould, finalizers }, name, base);
  const annotations: Record<string, string> = { ...mould.annotations, [INDEX]: String(index) };
  if (job.spec?.backoffLimitPerIndex !== undefined) {
    annotations[FAILURES] = String(failures);
    if (ignored > 0) annotations[IGNORED_FAILURES] = String(ignored);
  }
  const labels = { ...mould.labels, [INDEX]: String(index) };
  const spec = { ...mould.spec, hostname: `${nameOf(job)}-${index}`.slice(0, 63) };
  return podFrom('Job', job, { ...mould, finalizers, annotations, labels, spec }, name, base);
}
