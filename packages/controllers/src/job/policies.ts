// What failures of pods mean by a job's podFailurePolicy, and when its successPolicy is met. Pure.
import { IndexSet } from '@podplane/api/kinds/job-indexes';
import type { Obj } from '@podplane/api/kinds/kind-map';
import type { Job, Pod } from './pods.js';

type Rule = NonNullable<NonNullable<Job['spec']>['podFailurePolicy']>['rules'][number];
type Codes = NonNullable<Rule['onExitCodes']>;

export type Meaning = { readonly action: 'FailJob'; readonly message: string } | { readonly action: 'FailIndex' | 'Ignore' | 'Count' };

/** The container whose exit code fits. 0 never does. */
function fittingContainer(codes: Codes, pod: Pod): { readonly name: string; readonly code: number } | undefined {
  for (const status of [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])]) {
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
      const fit = rule.onPodConditions.find(({ type, status }) => has(pod, type, status || 'True'));
      if (fit !== undefined) message = `${where.replace('p', 'P')} has condition ${fit.type} matching ${rule.action} rule at index ${i}`;
    }
    if (message === undefined) continue;
    if (rule.action === 'FailJob') return { action: 'FailJob', message };
    if (rule.action === 'FailIndex' || rule.action === 'Ignore') return { action: rule.action };
    return { action: 'Count' };
  }
  return { action: 'Count' };
}

const has = (pod: Obj<'Pod'>, type: string, status: string): boolean =>
  pod.status?.conditions.some((one) => one.type === type && one.status === status) === true;

/** The message of the rule of the successPolicy that is met; undefined: none is. */
export function metSuccessRule(job: Job, succeeded: IndexSet): string | undefined {
  const completions = job.spec?.completions ?? 0;
  for (const [i, { succeededIndexes, succeededCount }] of (job.spec?.successPolicy?.rules ?? []).entries()) {
    const of = succeededIndexes === undefined ? undefined : IndexSet.parse(succeededIndexes, completions);
    const done = of === undefined ? succeeded.size : of.common(succeeded);
    const needed = succeededCount ?? of?.size ?? completions;
    if (done >= needed) return `Matched rules at index ${i}`;
  }
  return undefined;
}
