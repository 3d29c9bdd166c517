// What a node's report says in the cause of its write: a table.
import { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import type { Obj } from '@podplane/api/kinds/kind-map';
import type { Change, ChangeType } from '@podplane/store/types';
import { expect, test } from 'vitest';
import { podWords } from './pod-words.js';

const ready = { type: 'Ready', status: 'True' };

test.each<[words: string, status: object, type?: ChangeType]>([
  ['Pending', {}],
  ['Pending', { phase: 'Pending', containerStatuses: [{ name: 'c', state: { waiting: { reason: 'ContainerCreating' } } }] }],
  [
    'Pending: container c: ImagePullBackOff',
    { phase: 'Pending', containerStatuses: [{ name: 'c', state: { waiting: { reason: 'ImagePullBackOff' } } }] },
  ],
  ['Running, ready', { phase: 'Running', conditions: [ready] }],
  ['Running, not ready', { phase: 'Running' }],
  [
    'Running, not ready: container c: CrashLoopBackOff, ended with 3, 2 restarts',
    {
      phase: 'Running',
      containerStatuses: [
        {
          name: 'c',
          restartCount: 2,
          state: { waiting: { reason: 'CrashLoopBackOff' } },
          lastState: { terminated: { exitCode: 3, reason: 'Error' } },
        },
      ],
    },
  ],
  [
    'Failed: container c: ended with 137 (OOMKilled)',
    { phase: 'Failed', containerStatuses: [{ name: 'c', state: { terminated: { exitCode: 137, reason: 'OOMKilled' } } }] },
  ],
  ['Failed: Evicted', { phase: 'Failed', reason: 'Evicted' }],
  ['Succeeded', { phase: 'Succeeded', containerStatuses: [{ name: 'c', state: { terminated: { exitCode: 0, reason: 'Completed' } } }] }],
  ['its containers have ended', { phase: 'Running' }, 'deleted'],
])('%s', (words, status, type = 'modified') => {
  const object = Pod.fromJSON({ metadata: { name: 'p' }, status }) as Obj<'Pod'>;
  expect(podWords({ kind: 'Pod', type, object } as Change)).toBe(words);
});
