// Whose word each condition of a pod is, when its agent reports.
import { Pod, PodStatus } from '@podplane/api/gen/podplane/core/v1/pod';
import type { Obj } from '@podplane/api/kinds/kind-map';
import { catalogueCodecs } from '@podplane/store/catalogue-codecs';
import { memoryJournal } from '@podplane/store/journals/memory';
import { createStore } from '@podplane/store/store';
import { HandSystem } from '@podplane/store/testkit/hand-system';
import { describe, expect, it } from 'vitest';
import { takeStatuses } from './statuses.js';

const LOST = { type: 'DisruptionTarget', status: 'True', reason: 'NodeLost' };

async function afterReport(before: object[], reported: object[]): Promise<string[]> {
  const { conditions = [] } = (await statusAfter({ conditions: before }, { conditions: reported })) ?? {};
  return conditions.map(({ type, status: is, reason }) => `${type}=${is}${reason === undefined ? '' : ` ${reason}`}`).sort();
}

async function statusAfter(before: object, reported: object | undefined, terminated = false): Promise<Obj<'Pod'>['status']> {
  const store = await createStore({ system: new HandSystem(), journal: memoryJournal(), codecs: catalogueCodecs });
  const pod = Pod.fromJSON({
    metadata: { name: 'p', namespace: 'default' },
    spec: { nodeName: 'n1', containers: [{ name: 'c', image: 'i' }] },
    status: { phase: 'Running', ...before },
  });
  const { result: made } = store.transact({ actor: 'test', reason: 'a pod' }, (tx) => tx.create('Pod', pod));
  const status = reported && PodStatus.fromJSON({ phase: 'Running', ...reported });
  takeStatuses(store, 'n1', [{ uid: made.metadata?.uid ?? '', namespace: 'default', name: 'p', status, terminated }]);
  return store.get('Pod', 'default', 'p')?.status;
}

describe('takeStatuses', () => {
  it.each<[string, object[], object[], string[]]>([
    ['the agent knows readiness', [{ type: 'Ready', status: 'False' }], [{ type: 'Ready', status: 'True' }], ['Ready=True']],
    ['a mark of loss that was taken off does not come back', [], [{ type: 'Ready', status: 'True' }, LOST], ['Ready=True']],
    ['a mark of loss that stands is kept', [LOST], [{ type: 'Ready', status: 'True' }], ['DisruptionTarget=True NodeLost', 'Ready=True']],
    [
      'a readiness gate is kept as it is, whatever older value the agent repeats',
      [{ type: 'example.com/gate', status: 'True' }],
      [{ type: 'example.com/gate', status: 'False' }],
      ['example.com/gate=True'],
    ],
    ['a gate that the agent does not repeat stays', [{ type: 'example.com/gate', status: 'True' }], [], ['example.com/gate=True']],
    [
      'the scheduler has the last word on scheduling',
      [{ type: 'PodScheduled', status: 'True', reason: 'a' }],
      [{ type: 'PodScheduled', status: 'True', reason: 'b' }],
      ['PodScheduled=True a'],
    ],
    ['of a pod that never was scheduled the agent says so', [], [{ type: 'PodScheduled', status: 'True' }], ['PodScheduled=True']],
    [
      'an agent that evicts says so',
      [],
      [{ type: 'DisruptionTarget', status: 'True', reason: 'TerminationByKubelet' }],
      ['DisruptionTarget=True TerminationByKubelet'],
    ],
    [
      'an agent knows of no condition that somebody else invented',
      [],
      [
        { type: 'example.com/gate', status: 'True' },
        { type: 'DisruptionTarget', status: 'True', reason: 'EvictionByEvictionAPI' },
      ],
      [],
    ],
  ])('%s', async (_what, before, reported, after) => {
    expect(await afterReport(before, reported)).toEqual(after);
  });

  it('no node is nominated, nor a claim said to be made, by an agent', async () => {
    const theirs = { nominatedNodeName: 'n2', resize: 'Proposed', resourceClaimStatuses: [{ name: 'gpu', resourceClaimName: 'stolen' }] };
    expect(await statusAfter({}, theirs)).toMatchObject({ resourceClaimStatuses: [] });
    expect((await statusAfter({}, theirs))?.nominatedNodeName).toBeUndefined();
    expect(await statusAfter({ nominatedNodeName: 'n3' }, theirs)).toMatchObject({ nominatedNodeName: 'n3' });
  });

  it('a pod that its node has ended for good though nobody deleted it has failed', async () => {
    const running = {
      containerStatuses: [{ name: 'c', ready: true, state: { running: {} } }],
      conditions: [
        { type: 'PodScheduled', status: 'True' },
        { type: 'Ready', status: 'True' },
      ],
    };
    for (const reported of [undefined, running]) {
      const status = await statusAfter(running, reported, true);
      expect(status).toMatchObject({ phase: 'Failed', reason: 'EndedByNode' });
      expect(status?.containerStatuses).toMatchObject([{ ready: false, state: { terminated: { reason: 'ContainerStatusUnknown' } } }]);
      expect(status?.conditions).toMatchObject([{ type: expect.any(String) }, { type: expect.any(String) }]);
      expect(status?.conditions.find(({ type }) => type === 'Ready')).toMatchObject({ status: 'False', reason: 'PodFailed' });
    }
    expect(await statusAfter({ phase: 'Succeeded' }, undefined, true)).toMatchObject({ phase: 'Succeeded' });
  });
});
