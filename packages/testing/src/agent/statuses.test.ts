// What the kubelet says of a pod in each situation of its life, and what kubectl prints of it: situation in, whole status out. Against the fake
// runtime on a virtual clock; the same on real Docker, for the main ones, is in test/e2e/fields/status.test.ts.
import { RuntimeError } from '@podplane/agent/runtime/errors';
import type { ContainerState, ContainerStatus } from '@podplane/api/gen/podplane/core/v1/container_status';
import { Pod, type PodStatus } from '@podplane/api/gen/podplane/core/v1/pod';
import { summarizePod } from '@podplane/api/kinds/pod-columns';
import { afterEach, describe, expect, it } from 'vitest';
import { type World, world } from './harness.js';

let w: World;
afterEach(async () => {
  await w.agent.stop();
});

const UID = '00000000-0000-4000-8000-000000000001';
const main = (more: object = {}): object => ({ name: 'a', image: 'app:1', imagePullPolicy: 'IfNotPresent', ...more });
const podOf = (spec: object): Pod =>
  Pod.fromJSON({
    metadata: { name: 'p', namespace: 'd', uid: UID, generation: 3 },
    spec: { nodeName: 'n1', restartPolicy: 'Always', terminationGracePeriodSeconds: 30, containers: [main()], ...spec },
  });

/** A state in one line. Times of the virtual clock are left out, that they are there is not. */
function stateText(state: ContainerState | undefined): string {
  const { running, waiting, terminated } = state ?? {};
  if (running !== undefined) return `running${running.startedAt === undefined ? ' never' : ''}`;
  if (waiting !== undefined) return `waiting ${waiting.reason ?? '-'}${waiting.message === undefined ? '' : `: ${waiting.message}`}`;
  if (terminated === undefined) return '';
  const { exitCode, reason, message, signal, startedAt, finishedAt, containerID } = terminated;
  const missing = Object.entries({ startedAt, finishedAt, containerID }).flatMap(([name, value]) => (value === undefined ? [name] : []));
  const words = ['terminated', reason ?? '-', String(exitCode), ...(signal === undefined ? [] : [`signal ${signal}`])];
  return `${words.join(' ')}${missing.length === 0 ? '' : ` without ${missing.join(', ')}`}${message === undefined ? '' : `: ${message}`}`;
}

function containerText({ name, ready, started, restartCount, state, lastState, imageID, containerID }: ContainerStatus): string {
  const last = stateText(lastState);
  const facts = [ready ? 'ready' : '', started === true ? 'started' : '', restartCount > 0 ? `#${restartCount}` : ''].filter(Boolean);
  const ids = [imageID === '' ? 'no image' : '', containerID === undefined ? 'no id' : ''].filter(Boolean);
  return [`${name}:`, ...facts, stateText(state), ...(last === '' ? [] : [`(before: ${last})`]), ...ids].join(' ');
}

interface Told {
  readonly column: string;
  readonly phase: string | undefined;
  readonly why?: string;
  /** Those that are not True, or have a reason. */
  readonly conditions: Readonly<Record<string, string>>;
  readonly containers: readonly string[];
}

function told(pod: Pod, status: PodStatus): Told {
  const { reason, message } = status;
  const { initContainerStatuses, containerStatuses, ephemeralContainerStatuses } = status;
  const notTrue = status.conditions.filter((one) => one.status !== 'True' || one.reason !== undefined);
  return {
    column: summarizePod({ ...pod, status }).status,
    phase: status.phase,
    ...(reason === undefined && message === undefined ? {} : { why: `${reason}: ${message}` }),
    conditions: Object.fromEntries(
      notTrue.map((one) => [one.type, [one.status, one.reason, one.message].filter((text) => text !== undefined).join(' ')]),
    ),
    containers: [...initContainerStatuses, ...containerStatuses, ...ephemeralContainerStatuses].map(containerText),
  };
}

interface Situation {
  readonly spec?: object;
  /** Before the pod comes. */
  readonly before?: () => void;
  /** After it came: until then. */
  readonly after?: (pod: Pod) => Promise<void> | void;
  /** Virtual ms until the status is looked at. */
  readonly ms?: number;
  readonly told: Told;
}

const NOT_READY = (names: string): Readonly<Record<string, string>> => ({
  Ready: `False ContainersNotReady containers with unready status: [${names}]`,
  ContainersReady: `False ContainersNotReady containers with unready status: [${names}]`,
});
const NO_SANDBOX = { PodReadyToStartContainers: 'False' };
const FAILED = { Ready: 'False PodFailed', ContainersReady: 'False PodFailed' };
const SUCCEEDED = { Initialized: 'True PodCompleted', Ready: 'False PodCompleted', ContainersReady: 'False PodCompleted' };
const UNINITIALIZED = (names: string): Readonly<Record<string, string>> => ({
  Initialized: `False ContainersNotInitialized containers with incomplete status: [${names}]`,
});
const init = (name: string, image = 'job:1', more: object = {}): object => ({ name, image, imagePullPolicy: 'IfNotPresent', ...more });
const sidecar = (name: string, more: object = {}): object => init(name, 'app:1', { restartPolicy: 'Always', ...more });
const kill =
  (container: string, exitCode: number, oom = false) =>
  (): void =>
    w.runtime.crash(w.runtime.running(UID, container)?.info.id ?? '', exitCode, oom);

const situations: Readonly<Record<string, Situation>> = {
  'running and ready': {
    told: { column: 'Running', phase: 'Running', conditions: {}, containers: ['a: ready started running'] },
  },
  'running, not ready': {
    spec: { containers: [main({ readinessProbe: { tcpSocket: { port: 80 }, periodSeconds: 1 } })] },
    before: () => w.probes.set('a', 'failure'),
    told: { column: 'Running', phase: 'Running', conditions: NOT_READY('a'), containers: ['a: started running'] },
  },
  'running, its start-up not over': {
    spec: { containers: [main({ startupProbe: { tcpSocket: { port: 80 }, periodSeconds: 1, failureThreshold: 100 } })] },
    before: () => w.probes.set('a', 'failure'),
    told: { column: 'Running', phase: 'Running', conditions: NOT_READY('a'), containers: ['a: running'] },
  },
  'running, containers in the order of their names': {
    spec: { containers: [main({ name: 'z' }), main({ name: 'b' })] },
    told: { column: 'Running', phase: 'Running', conditions: {}, containers: ['b: ready started running', 'z: ready started running'] },
  },
  'waiting for a readiness gate': {
    spec: { readinessGates: [{ conditionType: 'example.com/ok' }] },
    told: {
      column: 'Running',
      phase: 'Running',
      conditions: { Ready: 'False ReadinessGatesNotReady corresponding condition of pod readiness gate "example.com/ok" does not exist.' },
      containers: ['a: ready started running'],
    },
  },
  'being made': {
    before: () => void (w.runtime.latency.createPause = 60_000),
    told: {
      column: 'ContainerCreating',
      phase: 'Pending',
      conditions: { ...NO_SANDBOX, ...NOT_READY('a') },
      containers: ['a: waiting ContainerCreating no image no id'],
    },
  },
  'being made, with an init container': {
    spec: { initContainers: [init('i')] },
    before: () => void (w.runtime.latency.createPause = 60_000),
    told: {
      column: 'Init:0/1',
      phase: 'Pending',
      conditions: { ...NO_SANDBOX, ...UNINITIALIZED('i'), ...NOT_READY('a') },
      containers: ['i: waiting PodInitializing no image no id', 'a: waiting PodInitializing no image no id'],
    },
  },
  'an image that is not to be had, just asked for': {
    spec: { containers: [main({ image: 'none:1' })] },
    ms: 300,
    told: {
      column: 'ErrImagePull',
      phase: 'Pending',
      conditions: NOT_READY('a'),
      containers: ['a: waiting ErrImagePull: manifest unknown no image no id'],
    },
  },
  'an image that is not to be had': {
    spec: { containers: [main({ image: 'none:1' })] },
    told: {
      column: 'ImagePullBackOff',
      phase: 'Pending',
      conditions: NOT_READY('a'),
      containers: ['a: waiting ImagePullBackOff: Back-off pulling image "none:1": ErrImagePull: manifest unknown no image no id'],
    },
  },
  'an image that is not to be pulled': {
    spec: { containers: [main({ image: 'none:1', imagePullPolicy: 'Never' })] },
    told: {
      column: 'ErrImageNeverPull',
      phase: 'Pending',
      conditions: NOT_READY('a'),
      containers: ['a: waiting ErrImageNeverPull: Container image "none:1" is not present with pull policy of Never no image no id'],
    },
  },
  'an image without a name': {
    spec: { containers: [main({ image: 'a b' })] },
    before: () => w.runtime.fail('imagePresent', new RuntimeError('invalid', 'invalid reference format'), 100),
    told: {
      column: 'InvalidImageName',
      phase: 'Pending',
      conditions: NOT_READY('a'),
      containers: [
        'a: waiting InvalidImageName: Failed to apply default image tag "a b": couldn\'t parse image name "a b": invalid reference format no image no id',
      ],
    },
  },
  'a ConfigMap that is not there': {
    spec: { containers: [main({ envFrom: [{ configMapRef: { name: 'nope' } }] })] },
    told: {
      column: 'CreateContainerConfigError',
      phase: 'Pending',
      conditions: NOT_READY('a'),
      containers: ['a: waiting CreateContainerConfigError: configmap "nope" not found no image no id'],
    },
  },
  'the engine does not make it': {
    before: () => w.runtime.fail('createContainer', new RuntimeError('failed', 'no such device'), 100),
    told: {
      column: 'CreateContainerError',
      phase: 'Pending',
      conditions: NOT_READY('a'),
      containers: ['a: waiting CreateContainerError: no such device no image no id'],
    },
  },
  'a command that is not there, just tried': {
    spec: { containers: [main({ image: 'broken:1' })] },
    ms: 50,
    told: {
      column: 'RunContainerError',
      phase: 'Running',
      conditions: NOT_READY('a'),
      containers: [
        'a: waiting RunContainerError: no such command (before: terminated StartError 127 without startedAt, finishedAt: no such command)',
      ],
    },
  },
  'a command that is not there': {
    spec: { containers: [main({ image: 'broken:1' })] },
    told: {
      column: 'CrashLoopBackOff',
      phase: 'Running',
      conditions: NOT_READY('a'),
      containers: [
        `a: #1 waiting CrashLoopBackOff: back-off 10s restarting failed container=a pod=p_d(${UID}) (before: terminated StartError 127 without startedAt, finishedAt: no such command)`,
      ],
    },
  },
  'a crash loop': {
    spec: { containers: [main({ image: 'bad:1' })] },
    ms: 5_000,
    told: {
      column: 'CrashLoopBackOff',
      phase: 'Running',
      conditions: NOT_READY('a'),
      containers: [
        `a: #1 waiting CrashLoopBackOff: back-off 10s restarting failed container=a pod=p_d(${UID}) (before: terminated Error 3)`,
      ],
    },
  },
  'run again after a crash': {
    after: kill('a', 137),
    ms: 15_000,
    told: {
      column: 'Running',
      phase: 'Running',
      conditions: {},
      containers: ['a: ready started #1 running (before: terminated Error 137)'],
    },
  },
  'killed for its memory': {
    spec: { restartPolicy: 'Never' },
    after: kill('a', 137, true),
    told: { column: 'OOMKilled', phase: 'Failed', conditions: { ...NO_SANDBOX, ...FAILED }, containers: ['a: terminated OOMKilled 137'] },
  },
  'ended by SIGKILL': {
    spec: { restartPolicy: 'Never' },
    after: kill('a', 137),
    told: { column: 'Error', phase: 'Failed', conditions: { ...NO_SANDBOX, ...FAILED }, containers: ['a: terminated Error 137'] },
  },
  'ended by SIGTERM': {
    spec: { restartPolicy: 'Never' },
    after: kill('a', 143),
    told: { column: 'Error', phase: 'Failed', conditions: { ...NO_SANDBOX, ...FAILED }, containers: ['a: terminated Error 143'] },
  },
  completed: {
    spec: { restartPolicy: 'Never', containers: [main({ image: 'job:1' })] },
    told: {
      column: 'Completed',
      phase: 'Succeeded',
      conditions: { ...NO_SANDBOX, ...SUCCEEDED },
      containers: ['a: terminated Completed 0'],
    },
  },
  'one of two has completed': {
    spec: { restartPolicy: 'Never', containers: [main({ image: 'job:1' }), main({ name: 'b' })] },
    told: {
      column: 'NotReady',
      phase: 'Running',
      conditions: NOT_READY('a'),
      containers: ['a: terminated Completed 0', 'b: ready started running'],
    },
  },
  failed: {
    spec: { restartPolicy: 'Never', containers: [main({ image: 'bad:1' })] },
    told: { column: 'Error', phase: 'Failed', conditions: { ...NO_SANDBOX, ...FAILED }, containers: ['a: terminated Error 3'] },
  },
  'an init container runs': {
    spec: { initContainers: [init('i', 'app:1'), init('j')] },
    told: {
      column: 'Init:0/2',
      phase: 'Pending',
      conditions: { ...UNINITIALIZED('i j'), ...NOT_READY('a') },
      containers: ['i: started running', 'j: waiting PodInitializing no image no id', 'a: waiting PodInitializing no image no id'],
    },
  },
  'the second init container runs': {
    spec: { initContainers: [init('i'), init('j', 'app:1')] },
    told: {
      column: 'Init:1/2',
      phase: 'Pending',
      conditions: { ...UNINITIALIZED('j'), ...NOT_READY('a') },
      containers: ['i: ready terminated Completed 0', 'j: started running', 'a: waiting PodInitializing no image no id'],
    },
  },
  'after its init containers, while the main one is made': {
    spec: { initContainers: [init('i')] },
    before: () => w.runtime.fail('createContainer', new RuntimeError('failed', 'x'), 0),
    after: () => void (w.runtime.latency.createContainer = 60_000),
    ms: 3_000,
    told: {
      column: 'PodInitializing',
      phase: 'Pending',
      conditions: NOT_READY('a'),
      containers: ['i: ready terminated Completed 0', 'a: waiting PodInitializing no image no id'],
    },
  },
  'an init container fails and is tried again': {
    spec: { initContainers: [init('i', 'bad:1')] },
    ms: 5_000,
    told: {
      column: 'Init:CrashLoopBackOff',
      phase: 'Pending',
      conditions: { ...UNINITIALIZED('i'), ...NOT_READY('a') },
      containers: [
        `i: #1 waiting CrashLoopBackOff: back-off 10s restarting failed container=i pod=p_d(${UID}) (before: terminated Error 3)`,
        'a: waiting PodInitializing no image no id',
      ],
    },
  },
  'an init container fails for good': {
    spec: { restartPolicy: 'Never', initContainers: [init('i', 'bad:1')] },
    told: {
      column: 'Init:Error',
      phase: 'Failed',
      conditions: { ...NO_SANDBOX, ...UNINITIALIZED('i'), ...FAILED },
      containers: ['i: terminated Error 3', 'a: waiting PodInitializing no image no id'],
    },
  },
  'an init container without an image': {
    spec: { initContainers: [init('i', 'none:1')] },
    told: {
      column: 'Init:ImagePullBackOff',
      phase: 'Pending',
      conditions: { ...UNINITIALIZED('i'), ...NOT_READY('a') },
      containers: [
        'i: waiting ImagePullBackOff: Back-off pulling image "none:1": ErrImagePull: manifest unknown no image no id',
        'a: waiting PodInitializing no image no id',
      ],
    },
  },
  'with a sidecar': {
    spec: { initContainers: [sidecar('s')] },
    told: {
      column: 'Running',
      phase: 'Running',
      conditions: {},
      containers: ['s: ready started running', 'a: ready started running'],
    },
  },
  'a sidecar that has not started': {
    spec: { initContainers: [sidecar('s', { startupProbe: { tcpSocket: { port: 80 }, periodSeconds: 1, failureThreshold: 100 } })] },
    before: () => w.probes.set('s', 'failure'),
    told: {
      column: 'Init:0/1',
      phase: 'Pending',
      conditions: { ...UNINITIALIZED('s'), ...NOT_READY('s a') },
      containers: ['s: running', 'a: waiting PodInitializing no image no id'],
    },
  },
  'completed beside a sidecar': {
    spec: { restartPolicy: 'Never', initContainers: [sidecar('s')], containers: [main({ image: 'job:1' })] },
    told: {
      column: 'Completed',
      phase: 'Succeeded',
      conditions: { ...NO_SANDBOX, ...SUCCEEDED },
      containers: ['s: terminated Completed 0', 'a: terminated Completed 0'],
    },
  },
  'over its deadline': {
    spec: { activeDeadlineSeconds: 1 },
    ms: 40_000,
    told: {
      column: 'Completed',
      phase: 'Failed',
      why: 'DeadlineExceeded: Pod was active on the node longer than the specified deadline',
      conditions: { ...NO_SANDBOX, ...FAILED },
      containers: ['a: terminated Completed 0'],
    },
  },
  'told to go, still ending': {
    spec: { containers: [main({ image: 'stubborn:1' })] },
    after: (pod) => {
      pod.metadata = { ...pod.metadata!, deletionTimestamp: '2026-01-01T00:00:30Z', deletionGracePeriodSeconds: 30 };
      w.server.assign(pod);
    },
    told: {
      column: 'Terminating',
      phase: 'Running',
      conditions: NOT_READY('a'),
      containers: ['a: started running'],
    },
  },
  'a container was removed by hand': {
    spec: { restartPolicy: 'Never' },
    after: async () => await w.runtime.remove(w.runtime.running(UID, 'a')?.info.id ?? ''),
    ms: 700_000,
    told: {
      column: 'ContainerStatusUnknown',
      phase: 'Failed',
      conditions: { ...NO_SANDBOX, ...FAILED },
      containers: [
        'a: terminated ContainerStatusUnknown 137 without startedAt, containerID: The container could not be located when the pod was deleted.  The container used to be Running no id',
      ],
    },
  },
  'not taken: the node cannot keep it safe': {
    spec: { securityContext: { seLinuxOptions: { level: 's0' } } },
    told: {
      column: 'SELinux',
      phase: 'Failed',
      why: 'SELinux: Pod was rejected: Cannot enforce seLinuxOptions: the container engine of this node does not use SELinux',
      conditions: {},
      containers: [],
    },
  },
};

describe('the status of a pod', () => {
  it.each(Object.entries(situations))('%s', async (_, situation) => {
    w = world();
    w.runtime.addImage('job:1', { exitAfterMs: 100, exitCode: 0 });
    w.runtime.addImage('bad:1', { exitAfterMs: 100, exitCode: 3 });
    w.runtime.addImage('broken:1', { startError: { message: 'no such command', exitCode: 127 } });
    w.runtime.addImage('stubborn:1', { stopMs: undefined });
    w.runtime.fail('pullImage', new RuntimeError('image-not-found', 'manifest unknown'), 1_000);
    await w.system.advance(100);
    situation.before?.();
    const pod = podOf(situation.spec ?? {});
    w.server.assign(pod);
    if (situation.after !== undefined) {
      await w.system.advance(50);
      await w.system.advance(0);
      const done = situation.after(pod);
      await w.system.advance(20);
      await done;
    }
    await w.system.advance(situation.ms ?? 2_500);
    const status = w.server.status(UID);
    if (status === undefined) throw new Error('no status was reported');
    expect(told(pod, status)).toEqual(situation.told);
    for (const one of status.conditions) {
      expect(one.lastTransitionTime).toBeDefined();
      expect(one.observedGeneration).toBe(3);
    }
  });

  it('has every field that the kubelet fills in', async () => {
    w = world();
    w.runtime.addImage('app:1', { user: { uid: 7, gid: 8, groups: [9] } }, ['app@sha256:0123']);
    await w.system.advance(100);
    const resources = { requests: { cpu: '100m' }, limits: { memory: '64Mi' } };
    const mounts = [
      { name: 'v', mountPath: '/v' },
      { name: 'v', mountPath: '/r', readOnly: true },
    ];
    const spec = { volumes: [{ name: 'v', emptyDir: {} }], containers: [main({ resources, volumeMounts: mounts })] };
    w.server.assign(podOf(spec));
    await w.system.advance(2_500);
    const status = w.server.status(UID);
    const time = expect.stringMatching(/^2\d{3}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/) as string;
    const condition = (type: string): object => ({ type, status: 'True', observedGeneration: 3, lastTransitionTime: time });
    expect(status).toEqual({
      phase: 'Running',
      observedGeneration: 3,
      conditions: ['PodReadyToStartContainers', 'Initialized', 'Ready', 'ContainersReady', 'PodScheduled'].map(condition),
      hostIP: '192.0.2.1',
      hostIPs: [{ ip: '192.0.2.1' }],
      podIP: '10.244.1.2',
      podIPs: [{ ip: '10.244.1.2' }],
      startTime: time,
      qosClass: 'Burstable',
      initContainerStatuses: [],
      ephemeralContainerStatuses: [],
      resourceClaimStatuses: [],
      containerStatuses: [
        {
          name: 'a',
          state: { running: { startedAt: time } },
          lastState: {},
          ready: true,
          started: true,
          restartCount: 0,
          image: 'app:1',
          imageID: 'app@sha256:0123',
          containerID: `docker://${w.runtime.running(UID, 'a')?.info.id}`,
          allocatedResources: { cpu: '100m' },
          resources: { ...resources, claims: [] },
          volumeMounts: [
            { name: 'v', mountPath: '/v' },
            { name: 'v', mountPath: '/r', readOnly: true, recursiveReadOnly: 'Disabled' },
          ],
          user: { linux: { uid: 7, gid: 8, supplementalGroups: [9] } },
          allocatedResourcesStatus: [],
          stopSignal: 'SIGTERM',
        },
      ],
    });
  });
});
