// Budgets: an eviction never takes a pod that its budget keeps. Counted here anew, from what people wrote and what pods were, after the very
// transaction that evicted; not with the product's own arithmetic.
import type { Obj } from '@podplane/api/kinds/kind-map';
import { isBeingDeleted, isPodReady, isPodTerminal, podCondition } from '@podplane/api/pod-state';
import { drainOf } from '@podplane/controllers/drain/request';
import type { ChangeBatch } from '@podplane/store/types';
import { type HeadCheck, type HeadMirror, isOf } from './mirror.js';
import type { Violations } from './violations.js';

type Pod = Obj<'Pod'>;
type Budget = Obj<'PodDisruptionBudget'>;

export class BudgetChecks implements HeadCheck {
  evictions = 0;
  /** Of those, pods that a budget was about. */
  covered = 0;

  constructor(
    private readonly mirror: HeadMirror,
    private readonly violations: Violations,
    /** The server's wall clock, ms. */
    private readonly serverNow: () => number,
  ) {}

  take({ changes }: ChangeBatch): void {
    for (const change of changes) {
      if (!isOf('Pod', change) || change.previous === undefined) continue;
      const { object: pod, previous } = change;
      if (isBeingDeleted(previous) || !(change.type === 'deleted' || isBeingDeleted(pod)) || !isEvicted(pod)) continue;
      this.evictions++;
      // Nobody misses what does not run yet, or no more.
      if (isPodTerminal(previous) || previous.status?.phase === 'Pending' || this.isForced(pod)) continue;
      const budgets = [...this.mirror.list('PodDisruptionBudget')].filter((budget) => covers(budget, pod));
      if (budgets.length > 0) this.covered++;
      if (budgets.length > 1) this.violations.report('budget-kept', `${nameOf(pod)} is evicted, though several budgets are about it`);
      for (const budget of budgets) this.judge(budget, previous);
    }
  }

  private judge(budget: Budget, pod: Pod): void {
    const { name = '' } = budget.metadata ?? {};
    const ready = isPodReady(pod);
    if (!ready && budget.spec?.unhealthyPodEvictionPolicy === 'AlwaysAllow') return;
    let healthy = 0;
    for (const other of this.mirror.list('Pod')) if (covers(budget, other) && !isBeingDeleted(other) && isPodReady(other)) healthy++;
    const needed = this.neededBy(budget);
    if (healthy >= needed && (ready || needed > 0)) return;
    this.violations.report(
      'budget-kept',
      `${nameOf(pod)} (${ready ? 'ready' : 'not ready'}) is evicted: ${healthy} healthy pods are left, budget ${name} keeps ${needed}`,
    );
  }

  /** How many have to stay healthy; all of them where nobody says how many there shall be. */
  private neededBy({ metadata, spec }: Budget): number {
    const { minAvailable, maxUnavailable } = spec ?? {};
    if (typeof minAvailable === 'number') return minAvailable;
    const { namespace = '' } = metadata ?? {};
    const name = spec?.selector?.matchLabels['app'] ?? '';
    const workload = this.mirror.get('Deployment', namespace, name) ?? this.mirror.get('StatefulSet', namespace, name);
    if (workload === undefined) return Number.POSITIVE_INFINITY;
    const replicas = workload.spec?.replicas ?? 1;
    const share = (value: unknown): number =>
      typeof value === 'number' ? value : Math.ceil((replicas * Number.parseInt(String(value), 10)) / 100);
    return maxUnavailable === undefined ? share(minAvailable) : replicas - share(maxUnavailable);
  }

  /** Its node's drain has run out of time, and was told to delete then. */
  private isForced(pod: Pod): boolean {
    const node = this.mirror.get('Node', '', pod.spec?.nodeName ?? '');
    const drain = node === undefined ? undefined : drainOf(node);
    return drain?.onTimeout === 'Delete' && drain.deadline !== undefined && drain.deadline <= this.serverNow();
  }
}

function isEvicted(pod: Pod): boolean {
  return podCondition(pod, 'DisruptionTarget')?.reason === 'EvictionByEvictionAPI';
}

const nameOf = ({ metadata }: Pod): string => `pod ${metadata?.namespace ?? ''}/${metadata?.name ?? ''}`;

/** People's budgets select by one label, the name of a workload. */
function covers({ metadata, spec }: Budget, pod: Pod): boolean {
  const app = spec?.selector?.matchLabels['app'];
  return app !== undefined && pod.metadata?.namespace === metadata?.namespace && pod.metadata?.labels['app'] === app;
}
