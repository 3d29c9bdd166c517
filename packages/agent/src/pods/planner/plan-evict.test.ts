// How the pod of an eviction ends: all of it goes, and only then its volumes; the pod itself is not terminated.
import { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import { expect, it } from 'vitest';
import { type ContainerInfo, LABEL_ATTEMPT, LABEL_CONTAINER, PAUSE_CONTAINER } from '../../runtime/types.js';
import { FRESH_POD, withContainer } from '../pod-memory.js';
import { plan } from './plan.js';
import { EVICTED, LABEL_SANDBOX, type PodMemory } from './types.js';

const pod = Pod.fromJSON({ metadata: { uid: 'u' }, spec: { restartPolicy: 'Always', containers: [{ name: 'a', image: 'i' }] } });
const info = (name: string, state: ContainerInfo['state']): ContainerInfo => ({
  id: name,
  name,
  labels: { [LABEL_CONTAINER]: name, [LABEL_ATTEMPT]: '0', ...(name === PAUSE_CONTAINER ? {} : { [LABEL_SANDBOX]: PAUSE_CONTAINER }) },
  state,
  image: 'i',
  imageId: 's',
  createdAt: 1,
  startedAt: 1,
  finishedAt: state === 'exited' ? 2 : undefined,
  exitCode: state === 'exited' ? 137 : undefined,
  oomKilled: false,
  error: '',
  pid: state === 'running' ? 7 : 0,
});
const evicted: PodMemory = {
  ...withContainer(FRESH_POD, 'a', { started: 0 }),
  ip: '10.0.0.2',
  failed: { reason: EVICTED, message: 'too much' },
  deadline: 2_000,
  sandbox: { attempt: 0, pid: 7, failure: undefined },
};
const next = (observed: readonly ContainerInfo[], memory = evicted): unknown => {
  const made = plan({
    pod,
    memory,
    observed,
    verdicts: new Map(),
    started: new Set(),
    busy: new Set(),
    stopping: new Map(),
    hold: false,
    fence: undefined,
    now: 1_000,
  });
  return [made.outcome, ...made.steps.map((step) => (step.kind === 'stop-container' ? `${step.kind} ${step.graceSeconds}` : step.kind))];
};

it('stops at once, removes everything, gives its volumes back, and starts nothing again', () => {
  const sandbox = info(PAUSE_CONTAINER, 'running');
  expect(next([info('a', 'running'), sandbox])).toEqual(['running', 'stop-container 1']);
  expect(next([info('a', 'exited'), sandbox])).toEqual(['running', 'remove-sandbox']);
  expect(next([info('a', 'exited')])).toEqual(['ended', 'remove-container']);
  expect(next([])).toEqual(['ended', 'remove-volumes']);
  expect(next([], { ...evicted, released: true })).toEqual(['ended']);
  // then its object is deleted
  expect(next([], { ...evicted, released: true, phase: 'terminating' })).toEqual(['removed']);
});
