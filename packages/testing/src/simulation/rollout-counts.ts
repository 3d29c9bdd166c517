// Counts what became of Deployments' rollouts and of pods that were refused, so that a run can say that it saw such. That they come right in the end is
// asked in settled.ts.
import type { ChangeBatch } from '@podplane/store/types';
import { type HeadCheck, isOf } from './mirror.js';

export class RolloutCounts implements HeadCheck {
  readonly seen = { 'rollouts taken back': 0, 'rollouts paused': 0, 'deployments with refused pods': 0 };

  take({ changes }: ChangeBatch): void {
    for (const change of changes) {
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
