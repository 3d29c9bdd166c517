// What is done next, table by table: states of pods in, deletions and creations out. What follows from it in time is in controller.test.ts.
import type { Obj } from '@podplane/api/kinds/kind-map';
import { expect, it } from 'vitest';
import { planStep } from './plan.js';

type State = 'ready' | 'unready' | 'leaving' | 'failed';

/** "0:ready@new": a pod of a number, a state and a revision (default old). */
function podOf(text: string): Obj<'Pod'> {
  const [number = '', rest = ''] = text.split(':');
  const [state, revision = 'old'] = rest.split('@') as [State, string?];
  return {
    metadata: {
      name: `db-${number}`,
      labels: { 'controller-revision-hash': revision },
      annotations: {},
      ...(state === 'leaving' ? { deletionTimestamp: '2026-01-01T00:00:00Z' } : {}),
    },
    status: {
      phase: state === 'failed' ? 'Failed' : 'Running',
      conditions: state === 'ready' ? [{ type: 'Ready', status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z' }] : [],
    },
  } as unknown as Obj<'Pod'>;
}

const setOf = (spec: object): Obj<'StatefulSet'> =>
  ({
    metadata: { name: 'db' },
    spec: { replicas: 3, updateStrategy: { type: 'RollingUpdate' }, ...spec },
  }) as unknown as Obj<'StatefulSet'>;
const rolling = (rollingUpdate: object): object => ({ updateStrategy: { type: 'RollingUpdate', rollingUpdate } });
const PARALLEL = { podManagementPolicy: 'Parallel' };

it.each<[string, object, string, string, string]>([
  ['the first one', {}, '', '0@new', ''],
  ['all at once', PARALLEL, '', '0@new 1@new 2@new', ''],
  ['from where numbers start', { ordinals: { start: 5 } }, '', '5@new', ''],
  ['waits for the one before', {}, '0:unready@new', '', ''],
  ['fills a gap', {}, '0:ready@new 2:ready@new', '1@new', ''],
  ['below the partition by the old template', rolling({ partition: 2 }), '1:ready 2:ready@new', '0@old', ''],
  ['one that failed goes first', {}, '0:failed@new 1:ready@new 2:ready@new', '', '0'],
  ['rolls from the highest number', {}, '0:ready 1:ready 2:ready', '', '2'],
  ['one at a time', {}, '0:ready 1:ready 2:leaving', '', ''],
  ['not beside one that is missing', {}, '0:ready 1:ready 2:unready@new', '', ''],
  ['two at a time', rolling({ maxUnavailable: 2 }), '0:ready 1:ready 2:ready', '', '2 1'],
  ['so many less what is missing', { ...PARALLEL, ...rolling({ maxUnavailable: 2 }) }, '0:ready 1:ready 2:unready@new', '', '1'],
  ['a percentage, rounded down', rolling({ maxUnavailable: '66%' }), '0:ready 1:ready 2:ready', '', '2'],
  ['a percentage of two', rolling({ maxUnavailable: '67%' }), '0:ready 1:ready 2:ready', '', '2 1'],
  ['a percentage of less than one', rolling({ maxUnavailable: '1%' }), '0:ready 1:ready 2:ready', '', '2'],
  ['the broken one of the old template blocks nothing', {}, '0:ready@new 1:unready 2:ready@new', '', '1'],
  ['not below the partition', rolling({ partition: 2 }), '0:ready 1:ready 2:ready@new', '', ''],
  ['OnDelete takes none', { updateStrategy: { type: 'OnDelete' } }, '0:ready 1:ready 2:ready', '', ''],
  ['too many: the highest', { replicas: 1 }, '0:ready@new 1:ready@new 2:ready@new', '', '2'],
  ['too many: all at once', { ...PARALLEL, replicas: 1 }, '0:ready@new 1:ready@new 2:ready@new', '', '2 1'],
  ['at rest', {}, '0:ready@new 1:ready@new 2:ready@new', '', ''],
])('%s', (_what, spec, pods, made, gone) => {
  const step = planStep({
    set: setOf(spec),
    pods: pods === '' ? [] : pods.split(' ').map(podOf),
    updateRevision: 'new',
    currentRevision: 'old',
    now: Date.parse('2026-01-02T00:00:00Z'),
  });
  expect(step.create.map(({ ordinal, revision }) => `${ordinal}@${revision}`).join(' ')).toBe(made);
  expect(step.delete.map(({ metadata }) => metadata?.name?.slice(3)).join(' ')).toBe(gone);
});
