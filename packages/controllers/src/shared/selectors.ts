// Selectors of workloads, compiled once for each selector there is.
import type { Obj } from '@podplane/api/kinds/kind-map';
import { compileLabelMap, compileLabelSelector, type LabelPredicate } from '@podplane/api/selectors';

type LabelSelectorObject = NonNullable<NonNullable<Obj<'ReplicaSet'>['spec']>['selector']>;

const compiled = new WeakMap<object, LabelPredicate>();

/** Whether a set of labels belongs to a workload. An empty selector would take everything; validation refuses it, and here it matches nothing. */
export function selectorOf(
  workload: Obj<'ReplicaSet' | 'Deployment' | 'DaemonSet' | 'StatefulSet' | 'Job' | 'ReplicationController'>,
): LabelPredicate {
  const selector = workload.spec?.selector;
  if (selector === undefined) return () => false;
  let predicate = compiled.get(selector);
  if (predicate === undefined) {
    predicate = compile(selector);
    compiled.set(selector, predicate);
  }
  return predicate;
}

function compile(selector: Readonly<Record<string, string>> | LabelSelectorObject): LabelPredicate {
  if (isLabelMap(selector)) return Object.keys(selector).length === 0 ? () => false : compileLabelMap(selector);
  const empty = Object.keys(selector.matchLabels).length + selector.matchExpressions.length === 0;
  return empty ? () => false : compileLabelSelector(selector);
}

// The old kind has plain labels; no label could have a list as its value.
function isLabelMap(selector: Readonly<Record<string, string>> | LabelSelectorObject): selector is Readonly<Record<string, string>> {
  return !Array.isArray(selector['matchExpressions']);
}
