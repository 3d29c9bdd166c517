// Jobs: pods until enough have succeeded. Which changes concern which job, which pods a look at one needs, and what becomes of a job that has
// ended. What a look decides is in pass.ts, how pods are counted in tally.ts, what failures mean in policies.ts, what a pod looks like in pods.ts.
//
// A look costs what a job has running and what has ended since the last one, not what it ever had: pods that are over and counted are found
// by no index that is read here.
import { setJobSelector } from '@podplane/api/kinds/job';
import { controllerOf, isBeingDeleted, type PodStanding } from '@podplane/api/pod-state';
import { standingKey } from '@podplane/store/indexes';
import type { Change, ReadView, Tx } from '@podplane/store/types';
import { deleteWithPropagation } from '../owner-gc/propagation.js';
import type { ReconcileContext, ReconcileResult, Reconciler } from '../runtime/types.js';
import { Ages } from '../shared/ages.js';
import { claimPods, ownerKeys } from '../shared/claim-pods.js';
import { keyOf, nameOf, namespaceOf, parseKey, uidOf } from '../shared/objects.js';
import { keysOfAccount } from '../shared/refusals.js';
import { timeOf } from '../shared/time.js';
import { Failures } from './back-off.js';
import { holds, Pass, release } from './pass.js';
import { isManagedElsewhere, isTracked, type Job, type Pod, TRACKING } from './pods.js';

/** Keys of pods that carry our finalizer and have no job. */
const ORPHAN = 'orphan:';
/** Keys of jobs that may have pods to take or to let go. */
const CLAIM = 'claim:';
/** All that a look is about. */
const OPEN: readonly PodStanding[] = ['ready', 'unready', 'lost', 'leaving', 'uncounted'];

/** What is known of a job since the start of this controller. */
interface Known {
  readonly uid: string;
  readonly failures: Failures;
}

export class JobController implements Reconciler {
  readonly name = 'job';
  readonly #ages = new Ages();
  /** By key. Losing it costs one look at all pods of a job. */
  readonly #known = new Map<string, Known>();

  *keysFor(change: Change, view: ReadView): Iterable<string> {
    if (change.kind === 'Job') {
      const job = change.object as Job;
      const before = change.previous as Job | undefined;
      if (change.type !== 'deleted' && before?.spec?.selector !== job.spec?.selector) yield `${CLAIM}${keyOf(job)}`;
      yield keyOf(job);
      if (change.type !== 'deleted') return;
      for (const pod of view.index('Pod', 'controller', uidOf(job))) if (isTracked(pod)) yield `${ORPHAN}${keyOf(pod)}`;
    } else if (change.kind === 'ServiceAccount') yield* keysOfAccount(change, view, 'Job');
    else if (change.kind === 'Pod') {
      const pod = change.object as Pod;
      const before = change.previous;
      const { labels, ownerReferences } = pod.metadata ?? {};
      const isOther =
        change.type === 'modified' && (before?.metadata?.labels !== labels || before?.metadata?.ownerReferences !== ownerReferences);
      for (const key of ownerKeys(change, view, 'Job')) {
        if (isOther || controllerOf(pod) === undefined) yield `${CLAIM}${key}`;
        yield key;
      }
      if (change.type !== 'deleted' && isTracked(pod) && jobOf(view, pod) === undefined) yield `${ORPHAN}${keyOf(pod)}`;
    }
  }

  *allKeys(view: ReadView): Iterable<string> {
    for (const job of view.list('Job')) {
      yield `${CLAIM}${keyOf(job)}`;
      yield keyOf(job);
    }
    for (const pod of view.list('Pod')) if (isTracked(pod) && jobOf(view, pod) === undefined) yield `${ORPHAN}${keyOf(pod)}`;
  }

  reconcile(key: string, context: ReconcileContext): ReconcileResult {
    const { tx } = context;
    if (key.startsWith(ORPHAN)) {
      const { namespace, name } = parseKey(key.slice(ORPHAN.length));
      const pod = tx.get('Pod', namespace, name);
      if (pod === undefined || jobOf(tx, pod) !== undefined) return undefined;
      context.because('its Job is gone: nobody counts it any more');
      release(tx, pod);
      return undefined;
    }
    if (key.startsWith(CLAIM)) {
      const own = key.slice(CLAIM.length);
      // Forgotten, so that the look is one at all. It is made here: the one that was asked for beside it may have waited already, and be over.
      this.#known.delete(own);
      this.reconcile(own, context);
      return undefined; // what it wrote asks for the next look
    }
    const { namespace, name } = parseKey(key);
    let job = tx.get('Job', namespace, name);
    if (job?.spec?.template === undefined) {
      this.#known.delete(key);
      return undefined;
    }
    if (job.spec.selector === undefined) job = tx.edit('Job', namespace, name, setJobSelector);
    if (isManagedElsewhere(job)) {
      this.#known.delete(key);
      return holds(job, 'Complete') || holds(job, 'Failed') ? afterEnd(context, job, [], this.#ages) : undefined;
    }
    try {
      const { pods, failures } = this.#openPods(key, job, context);
      if (holds(job, 'Complete') || holds(job, 'Failed')) return afterEnd(context, job, pods, this.#ages);
      return new Pass(context, job, trackAll(tx, pods), failures, this.#ages).run();
    } catch (error) {
      this.#known.delete(key); // what it took is undone
      throw error;
    }
  }

  /** The job's pods that are not over, or not counted. The first time it looks at all, takes those that are its own and lets others go. */
  #openPods(key: string, job: Job, context: ReconcileContext): { readonly pods: Pod[]; readonly failures: Failures } {
    const { tx } = context;
    const uid = uidOf(job);
    const known = this.#known.get(key);
    if (known?.uid !== uid) {
      const pods = claimPods(context, 'Job', job);
      const failures = new Failures();
      for (const pod of pods) failures.note(pod);
      this.#known.set(key, { uid, failures });
      return { pods, failures };
    }
    const pods = OPEN.flatMap((standing) => [...tx.index('Pod', 'standing', standingKey(uid, standing))]);
    for (const pod of pods) known.failures.note(pod);
    return { pods, failures: known.failures };
  }
}

/** The job that a pod belongs to; undefined where there is none any more. */
function jobOf(view: ReadView, pod: Pod): Job | undefined {
  const owner = controllerOf(pod);
  const job = owner?.kind === 'Job' ? view.get('Job', namespaceOf(pod), owner.name) : undefined;
  return job !== undefined && uidOf(job) === owner?.uid ? job : undefined;
}

/** Pods that were adopted while they run are counted like all others. */
function trackAll(tx: Tx, pods: readonly Pod[]): Pod[] {
  return pods.map((pod) => {
    const over = pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
    if (pod.metadata === undefined || isTracked(pod) || isBeingDeleted(pod) || over) return pod;
    return tx.update('Pod', { ...pod, metadata: { ...pod.metadata, finalizers: [...pod.metadata.finalizers, TRACKING] } }, 'any');
  });
}

/** An ended job lets its pods go, and itself when its time is up. */
function afterEnd(context: ReconcileContext, job: Job, pods: readonly Pod[], ages: Ages): ReconcileResult {
  const { tx, now } = context;
  if (pods.length > 0) context.because(`Job ${nameOf(job)} has ended: its pods need not be counted any more`);
  for (const pod of pods) release(tx, pod);
  const ttl = job.spec?.ttlSecondsAfterFinished;
  if (ttl === undefined || isBeingDeleted(job)) return undefined;
  const end = job.status?.conditions.find(({ type, status }) => (type === 'Complete' || type === 'Failed') && status === 'True');
  const left = ttl * 1000 - ages.of(`end ${uidOf(job)}`, timeOf(end?.lastTransitionTime) || now, now, context.monotonic);
  if (left > 0) return { requeueAfterMs: left };
  context.because(`ttlSecondsAfterFinished ${ttl}: Job ${nameOf(job)} ended that long ago`, job);
  deleteWithPropagation(tx, 'Job', job, { propagation: 'Foreground' }); // its pods first, as in Kubernetes
  return undefined;
}
