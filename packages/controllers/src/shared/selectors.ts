// Selectors of workloads, compiled once for each selector there is.
import type { Obj } from '@podplane/api/kinds/kind-map';
import { compileLabelSelector, type LabelPredicate } from '@podplane/api/selectors';

const compiled = new WeakMap<object, LabelPredicate>();

/** Whether a set of labels belongs to a workload. An empty selector would take everything; validation refuses it, and here it matches nothing. */
export function selectorOf(workload: Obj<'ReplicaSet' | 'Deployment' | 'DaemonSet' | 'StatefulSet' | 'Job'>): LabelPredicate {
  const selector = workload.spec?.selector;
  if (selector === undefined) return () => false;
  let predicate = compiled.get(selector);
  if (predicate === undefined) {
    const empty = Object.keys(selector.matchLabels).length + selector.matchExpressions.length === 0;
    predicate = empty ? () => false : compileLabelSelector(selector);
    compiled.set(selector, predicate);
  }
  return predicate;
}
