import { Container } from '@podplane/api/gen/podplane/core/v1/container';
import { backOffLimits } from '@podplane/api/kinds/pod-spec/restart-rules';
import { expect, it } from 'vitest';
import { afterRestart, FORGET_MS, notBefore } from './back-off.js';
import { type Role, restarts } from './containers.js';

const on = (operator: 'In' | 'NotIn', ...values: number[]) => ({ action: 'Restart', exitCodes: { operator, values } });

it.each<[string, Role, object, string, number, boolean]>([
  ['the pod decides', 'main', {}, 'Always', 0, true],
  ['the pod decides', 'main', {}, 'OnFailure', 0, false],
  ['the pod decides', 'main', {}, 'Never', 1, false],
  ['its own policy goes first', 'main', { restartPolicy: 'Never' }, 'Always', 1, false],
  ['its own policy goes first', 'main', { restartPolicy: 'OnFailure' }, 'Never', 1, true],
  ['an init container that succeeded is done', 'init', {}, 'Always', 0, false],
  ['an init container that failed is tried again', 'init', {}, 'Always', 1, true],
  ['unless it says otherwise', 'init', { restartPolicy: 'Never' }, 'Always', 1, false],
  ['a sidecar', 'sidecar', { restartPolicy: 'Always' }, 'Never', 0, true],
  ['a rule that holds', 'main', { restartPolicy: 'Never', restartPolicyRules: [on('In', 42)] }, 'Never', 42, true],
  ['a rule that does not', 'main', { restartPolicy: 'Never', restartPolicyRules: [on('In', 42)] }, 'Never', 41, false],
  ['a rule by what it is not', 'main', { restartPolicy: 'Never', restartPolicyRules: [on('NotIn', 0, 1)] }, 'Never', 2, true],
  ['the second rule', 'main', { restartPolicy: 'Never', restartPolicyRules: [on('In', 1), on('In', 2)] }, 'Never', 2, true],
])('%s: %s %j of a pod that runs %s, exit code %i: %s', (_what, role, container, policy, exitCode, again) => {
  expect(restarts({ container: Container.fromJSON({ name: 'c', ...container }), role }, policy, exitCode)).toBe(again);
});

it('waits as the annotation says, and forgets after the usual time', () => {
  const limits = backOffLimits({ 'podplane.dev/backoff.c': 'initial=1s,max=3s' }, 'c');
  expect(backOffLimits({ 'podplane.dev/backoff.c': 'max=2s' }, 'other')).toEqual({ initialMs: 10_000, maxMs: 300_000 });
  let entry = afterRestart(undefined, 0, 0, limits);
  const delays = [entry.delayMs];
  for (let i = 0; i < 3; i++) {
    entry = afterRestart(entry, 10, 10, limits);
    delays.push(entry.delayMs);
  }
  expect(delays).toEqual([1_000, 2_000, 3_000, 3_000]);
  expect(notBefore(entry, 20)).toBe(3_020);
  expect(afterRestart(entry, 10 + FORGET_MS + 1, 0, limits).delayMs).toBe(1_000);
});
