// What a node's report says in the cause of its write: a table.
import { Node } from '@podplane/api/gen/podplane/core/v1/node';
import { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import type { Obj } from '@podplane/api/kinds/kind-map';
import type { Change, ChangeType } from '@podplane/store/types';
import { expect, test } from 'vitest';
import { nodeStanding } from './node-standing.js';
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

test('says of a pod that somebody deleted that it leaves', () => {
  const object = Pod.fromJSON({
    metadata: { name: 'p', deletionTimestamp: '2026-01-01T00:00:00Z' },
    status: { phase: 'Running' },
  }) as Obj<'Pod'>;
  expect(podWords({ kind: 'Pod', type: 'modified', object } as Change)).toBe('on its way out: Running, not ready');
});

test.each([
  ['Ready', [ready, { type: 'MemoryPressure', status: 'False' }]],
  ['Ready, DiskPressure', [ready, { type: 'DiskPressure', status: 'True' }]],
  ['not ready: engine does not answer', [{ type: 'Ready', status: 'False', message: 'engine does not answer' }]],
  ['not ready', []],
])('of a node: %s', (words, conditions) => {
  const object = Node.fromJSON({ metadata: { name: 'n' }, status: { conditions } }) as Obj<'Node'>;
  expect(nodeStanding({ kind: 'Node', type: 'modified', object } as Change)).toBe(words);
});
