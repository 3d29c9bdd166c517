// Text of `describe` for PodDisruptionBudgets: what is wanted, and whether a pod may go now.
import type { KindMap } from '@podplane/api/kinds/kind-map';
import { orNone } from '@podplane/api/print';
import { selectorText } from '../workloads.js';
import { countText } from './describe-workloads.js';
import type { Sheet } from './sheet.js';

/** Without name and events, which all kinds have. */
export function budgetText(sheet: Sheet, { spec, status }: KindMap['PodDisruptionBudget']): void {
  const { minAvailable, maxUnavailable } = spec ?? {};
  if (minAvailable !== undefined) sheet.field('Min available', countText(minAvailable));
  else if (maxUnavailable !== undefined) sheet.field('Max unavailable', countText(maxUnavailable));
  sheet.field('Selector', spec?.selector === undefined ? '<unset>' : orNone(selectorText(spec.selector)));
  if (spec?.unhealthyPodEvictionPolicy !== undefined) sheet.field('Unhealthy Pod Eviction Policy', spec.unhealthyPodEvictionPolicy);
  sheet.heading('Status');
  sheet.nested(() => {
    sheet.field('Allowed disruptions', String(status?.disruptionsAllowed ?? 0));
    sheet.field('Current', String(status?.currentHealthy ?? 0));
    sheet.field('Desired', String(status?.desiredHealthy ?? 0));
    sheet.field('Total', String(status?.expectedPods ?? 0));
    const why = status?.conditions.find(({ type, status: is }) => type === 'DisruptionAllowed' && is === 'False');
    if (why !== undefined) sheet.field('Reason', why.message ? `${why.reason}: ${why.message}` : why.reason);
  });
}
