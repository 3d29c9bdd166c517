// Which pod has which address after a restart of the agent.
import { expect, it } from 'vitest';
import { LABEL_POD_IP } from '../pods/planner/types.js';
import { type ContainerInfo, LABEL_CONTAINER, PAUSE_CONTAINER } from '../runtime/types.js';
import { labelledAddresses } from './pod-addresses.js';

const info = (container: string, ip: string | undefined): ContainerInfo => ({
  ...{ id: container, name: '', image: '', imageId: '', createdAt: 0, state: 'running', error: '', oomKilled: false, pid: 1 },
  ...{ startedAt: 0, finishedAt: undefined, exitCode: undefined },
  labels: { [LABEL_CONTAINER]: container, ...(ip === undefined ? {} : { [LABEL_POD_IP]: ip }) },
});

it('is what its pause container says, not what a label of an image says', () => {
  const pods = new Map([
    ['one', [info('web', '10.0.0.9'), info(PAUSE_CONTAINER, '10.0.0.2')]],
    ['two', [info('web', '10.0.0.9')]],
  ]);
  expect(labelledAddresses({ podUids: () => [...pods.keys()], ofPod: (uid) => pods.get(uid) ?? [] })).toEqual([
    ['one', '10.0.0.2'],
    ['two', ''],
  ]);
});
