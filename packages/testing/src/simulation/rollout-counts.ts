// Counts what became of Deployments' rollouts, of pods that were refused and of those under two budgets, so that a run can say that it saw
// such. That they come right in the end is asked in settled.ts.
import type { Obj } from '@podplane/api/kinds/kind-map';
import type { ChangeBatch } from '@podplane/store/types';
import { type HeadCheck, isOf } from './mirror.js';

export class RolloutCounts implements HeadCheck {
  readonly seen = {
    'rollouts taken back': 0,
    'rollouts paused': 0,
    'deployments with refused pods': 0,
    'drains held up by two budgets': 0,
  };

  take({ changes }: ChangeBatch): void {
    for (const change of changes) {
      if (isOf('Event', change) && change.type === 'added' && isTwoBudgets(change.object)) this.seen['drains held up by two budgets']++;
      if (!isOf('Deployment', change) || change.type !== 'modified') continue;
      const now = change.object.status?.conditions ?? [];
      const before = change.previous?.status?.conditions ?? [];
      for (const { type, status, reason } of now) {
        if (status !== 'True' || before.some((one) => one.type === type && one.status === status && one.reason === reason)) continue;
        if (type === 'ReplicaFailure') this.seen['deployments with refused pods']++;
        else if (type === 'RolloutFailed' && reason === 'RolledBack') this.seen['rollouts taken back']++;
        else if (type === 'RolloutFailed' && reason === 'RolloutPaused') this.seen['rollouts paused']++;
      }
    }
  }
}

function isTwoBudgets({ reason, message }: Obj<'Event'>): boolean {
  return reason === 'DrainBlocked' && message?.includes('more than one disruption budget') === true;
}
