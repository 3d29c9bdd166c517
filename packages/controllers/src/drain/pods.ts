// Which pods of a node a drain sends away, which it leaves, which forbid it, and how each stands. Pure; the rules are kubectl's.
import type { Obj } from '@podplane/api/kinds/kind-map';
import { controllerOf, isBeingDeleted, isPodTerminal } from '@podplane/api/pod-state';
import { compileRequirements, parseLabelSelector } from '@podplane/api/selectors';
import type { ReadView } from '@podplane/store/types';
import { type Judgements, judgeEviction } from '../disruption/eviction.js';
import { keyOf, nameOf, namespaceOf } from '../shared/objects.js';
import { timeOf } from '../shared/time.js';
import type { DrainOptions } from './request.js';

type Pod = Obj<'Pod'>;

/** Why pods forbid a drain, by the option that would allow it. */
export type Objection = 'ignoreDaemonSets' | 'force' | 'deleteEmptyDirData';

export type PodPart =
  | { readonly part: 'evict' }
  /** It stays, and that is in order. */
  | { readonly part: 'ignore'; readonly why: string }
  | { readonly part: 'object'; readonly option: Objection };

/** What a drain does about a pod. */
export function partOf(view: ReadView, pod: Pod, options: DrainOptions): PodPart {
  if (isPodTerminal(pod)) return { part: 'evict' };
  const owner = controllerOf(pod);
  const isDaemon = owner?.kind === 'DaemonSet';
  // Also one that goes is left to its set, which makes another: nobody waits for it.
  if (isDaemon && view.get('DaemonSet', namespaceOf(pod), owner.name)?.metadata?.uid === owner.uid)
    return options.ignoreDaemonSets ? { part: 'ignore', why: 'DaemonSet-managed' } : { part: 'object', option: 'ignoreDaemonSets' };
  if (isBeingDeleted(pod)) return { part: 'evict' };
  if (isDaemon && !options.force) return { part: 'object', option: 'force' };
  const local = pod.spec?.volumes.some(({ emptyDir }) => emptyDir !== undefined) ?? false;
  if (local && !options.deleteEmptyDirData) return { part: 'object', option: 'deleteEmptyDirData' };
  return owner === undefined && !options.force ? { part: 'object', option: 'force' } : { part: 'evict' };
}

const OBJECTIONS: Readonly<Record<Objection, string>> = {
  ignoreDaemonSets: 'cannot delete DaemonSet-managed Pods (use --ignore-daemonsets to ignore)',
  force: 'cannot delete Pods that declare no controller (use --force to override)',
  deleteEmptyDirData: 'cannot delete Pods with local storage (use --delete-emptydir-data to override)',
};

/** One sentence for each reason not to begin, with all pods that it is about. */
export function objectionsOf(
  view: ReadView,
  node: string,
  options: DrainOptions,
): { readonly option: Objection; readonly message: string }[] {
  const found = new Map<Objection, string[]>();
  for (const pod of podsToDrain(view, node, options)) {
    const part = partOf(view, pod, options);
    if (part.part !== 'object') continue;
    const names = found.get(part.option) ?? [];
    names.push(keyOf(pod));
    found.set(part.option, names);
  }
  return [...found].map(([option, names]) => ({ option, message: `${OBJECTIONS[option]}: ${names.sort().join(', ')}` }));
}

/** The pods of a node that a drain looks at, by name. */
export function podsToDrain(view: ReadView, node: string, { podSelector }: DrainOptions): Pod[] {
  const matches = compileRequirements(parseLabelSelector(podSelector));
  const pods: Pod[] = [];
  for (const pod of view.index('Pod', 'node', node)) if (matches(pod.metadata?.labels ?? {})) pods.push(pod);
  return pods.sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
}

export interface PodProgress {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  /**
   * evict      goes at the next look
   * blocked    a budget does not let it go yet, or several budgets never will: message says which
   * objects    came after the drain began, and its options do not let it go: message says which
   * leaving    is on its way out
   * ignored    stays
   */
  readonly state: 'evict' | 'blocked' | 'objects' | 'leaving' | 'ignored';
  readonly message: string;
}

/** How a pod stands in a drain. now: wall clock, ms. known: what budgets said before, of the same state. */
export function progressOf(view: ReadView, pod: Pod, options: DrainOptions, now: number, known: Judgements): PodProgress {
  const about = { namespace: namespaceOf(pod), name: nameOf(pod), uid: pod.metadata?.uid ?? '' };
  const part = partOf(view, pod, options);
  if (part.part === 'ignore') return { ...about, state: 'ignored', message: part.why };
  if (part.part === 'object') return { ...about, state: 'objects', message: OBJECTIONS[part.option] };
  if (isBeingDeleted(pod)) {
    const { skipWaitForDeleteSeconds: skip = 0 } = options;
    // From the end of its grace on, as kubectl counts it.
    if (skip > 0 && now - timeOf(pod.metadata?.deletionTimestamp) > skip * 1000)
      return { ...about, state: 'ignored', message: 'not waited for any longer' };
    return { ...about, state: 'leaving', message: '' };
  }
  if (options.disableEviction) return { ...about, state: 'evict', message: '' };
  const verdict = judgeEviction(view, pod, now, known);
  switch (verdict.kind) {
    case 'allowed':
      return { ...about, state: 'evict', message: '' };
    case 'blocked':
      return { ...about, state: 'blocked', message: verdict.why };
    case 'ambiguous':
      return { ...about, state: 'blocked', message: `more than one disruption budget is about it: ${verdict.budgets.join(', ')}` };
  }
}

/** Pods for a message: all of a few with why they stay, the first of many. */
export function leftText(left: readonly PodProgress[]): string {
  const shown = left.slice(0, 5).map(({ namespace, name, message }) => `${namespace}/${name}${message === '' ? '' : ` (${message})`}`);
  return left.length > 5 ? `${shown.join(', ')} and ${left.length - 5} more` : shown.join(', ');
}
