// What failures of pods mean by a job's podFailurePolicy, and when its successPolicy is met. Pure.
import { IndexSet } from '@podplane/api/kinds/job-indexes';
import type { Job, Pod } from './pods.js';

type Rule = NonNullable<NonNullable<Job['spec']>['podFailurePolicy']>['rules'][number];
type Codes = NonNullable<Rule['onExitCodes']>;

export type Meaning = { readonly action: 'FailJob'; readonly message: string } | { readonly action: 'FailIndex' | 'Ignore' | 'Count' };

/** The container whose exit code fits. 0 never does. */
function fittingContainer(codes: Codes, pod: Pod): { readonly name: string; readonly code: number } | undefined {
  for (const status of [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])]) {
    if (codes.containerName !== undefined && codes.containerName !== status.name) continue;
    const code = status.state?.terminated?.exitCode;
    if (code === undefined || code === 0) continue;
    if (codes.values.includes(code) === (codes.operator === 'In')) return { name: status.name, code };
  }
  return undefined;
}

/** What a failed pod means; of pods that did not end by themselves there is nothing to say but that they failed. */
export function meaningOf(job: Job, pod: Pod): Meaning {
  for (const [i, rule] of (job.spec?.podFailurePolicy?.rules ?? []).entries()) {
    const where = `pod ${pod.metadata?.namespace ?? ''}/${pod.metadata?.name ?? ''}`;
    let message: string | undefined;
    if (rule.onExitCodes !== undefined) {
      const fit = pod.status?.phase === 'Failed' ? fittingContainer(rule.onExitCodes, pod) : undefined;
      if (fit !== undefined)
        message = `Container ${fit.name} for ${where} failed with exit code ${fit.code} matching ${rule.action} rule at index ${i}`;
    } else {
      const fit = pod.status?.conditions.find(({ type, status }) =>
        rule.onPodConditions.some((pattern) => pattern.type === type && (pattern.status || 'True') === status),
      );
      if (fit !== undefined) message = `${where.replace('p', 'P')} has condition ${fit.type} matching ${rule.action} rule at index ${i}`;
    }
    if (message === undefined) continue;
    if (rule.action === 'FailJob') return { action: 'FailJob', message };
    if (rule.action === 'FailIndex' || rule.action === 'Ignore') return { action: rule.action };
    return { action: 'Count' };
  }
  return { action: 'Count' };
}

/** The message of the rule of the successPolicy that is met; undefined: none is. */
export function metSuccessRule(job: Job, succeeded: IndexSet): string | undefined {
  if (succeeded.size === 0) return undefined;
  const completions = job.spec?.completions ?? 0;
  for (const [i, { succeededIndexes, succeededCount }] of (job.spec?.successPolicy?.rules ?? []).entries()) {
    const of = succeededIndexes === undefined ? undefined : IndexSet.below(succeededIndexes, completions);
    if (of?.size === 0) continue;
    const done = of === undefined ? succeeded.size : of.common(succeeded);
    const needed = Math.min(succeededCount ?? completions, of?.size ?? completions);
    if (done >= needed) return `Matched rules at index ${i}`;
  }
  return undefined;
}
