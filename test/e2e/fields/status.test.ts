// Whole statuses of pods in the main situations of their lives, on real Docker, as the kubelet writes them, and what kubectl's table makes of
// them. Many more situations, against a fake engine: packages/testing/src/agent/statuses.test.ts.
import type { ContainerStatus } from '@podplane/api/gen/podplane/core/v1/container_status';
import type { PodStatus } from '@podplane/api/gen/podplane/core/v1/pod';
import { summarizePod } from '@podplane/api/kinds/pod-columns';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { engine, engineAnswers } from '../harness.js';
import { backOff, FieldCluster } from './field-cluster.js';

const answers = await engineAnswers();
const IMAGE = 'podplane-example/web:1';
const NO_IMAGE = 'localhost:1/none:1';

type Fields = Readonly<Record<string, unknown>>;
type Verdict = readonly [status: string, reason?: string | undefined, message?: string | undefined];
const shell = (name: string, script: string, more: Fields = {}): Fields => ({
  name,
  image: IMAGE,
  imagePullPolicy: 'IfNotPresent',
  command: ['sh', '-c', script],
  ...more,
});
const pod = (name: string, spec: Fields): Fields => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name },
  spec: { terminationGracePeriodSeconds: 1, automountServiceAccountToken: false, ...spec },
});
const STAY = 'trap "exit 0" TERM; sleep 100000 & wait';
const EATS = 'const all = []; for (;;) all.push(Buffer.alloc(4e6, 1))';

const TIME = expect.stringMatching(/^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$/) as string;
const ID = expect.stringMatching(/^docker:\/\/[0-9a-f]{64}$/) as string;
const ADDRESS = expect.stringMatching(/^\d+\.\d+\.\d+\.\d+$/) as string;

describe.skipIf(!answers)('status', () => {
  const cluster = new FieldCluster();
  let imageID = '';

  beforeAll(async () => {
    await cluster.start();
    const items = [
      pod('late', {
        restartPolicy: 'Never',
        containers: [
          shell('main', `trap "exit 0" TERM; touch /tmp/up; sleep 100000 & wait`, {
            readinessProbe: { exec: { command: ['sh', '-c', 'test -e /tmp/up'] }, periodSeconds: 1, timeoutSeconds: 30 },
          }),
        ],
      }),
      pod('running', {
        securityContext: { runAsUser: 1000, runAsGroup: 3000, supplementalGroups: [4000] },
        volumes: [{ name: 'v', emptyDir: {} }],
        containers: [
          shell('main', STAY, {
            resources: { requests: { cpu: '10m' }, limits: { memory: '64Mi' } },
            volumeMounts: [
              { name: 'v', mountPath: '/v' },
              { name: 'v', mountPath: '/r', readOnly: true },
            ],
          }),
        ],
      }),
      pod('loops', { containers: [shell('main', 'exit 3')] }),
      pod('completes', { restartPolicy: 'Never', containers: [shell('main', 'echo "all done" > /dev/termination-log')] }),
      pod('eats', {
        restartPolicy: 'Never',
        containers: [{ ...shell('main', ''), command: ['node', '-e', EATS], resources: { limits: { memory: '64Mi' } } }],
      }),
      pod('imageless', { containers: [{ ...shell('main', ''), image: NO_IMAGE }] }),
      pod('init-fails', { restartPolicy: 'Never', initContainers: [shell('first', 'exit 4')], containers: [shell('main', STAY)] }),
    ];
    await cluster.apply(JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
    const image = await engine<{ Id: string; RepoDigests: string[] | null }>('GET', `/images/${IMAGE}/json`);
    imageID = image.RepoDigests?.[0] ?? image.Id;
  });
  afterAll(async () => {
    await cluster.remove();
  });

  const row = async (name: string): Promise<readonly string[]> => {
    const [, line = ''] = (await cluster.must('get', 'pod', name)).trim().split('\n');
    return line.split(/\s{2,}/).slice(1, 3);
  };
  /** What every status of these says. conditions: those that are not plainly True; generation: of the pod. */
  const whole = (phase: string, conditions: Readonly<Record<string, Verdict>>, generation = 1): Fields => ({
    phase,
    observedGeneration: generation,
    conditions: ['PodReadyToStartContainers', 'Initialized', 'Ready', 'ContainersReady', 'PodScheduled'].map((type) => {
      const [status, reason, message] = conditions[type] ?? ['True'];
      return { type, status, reason, message, observedGeneration: generation, lastTransitionTime: TIME };
    }),
    hostIP: ADDRESS,
    hostIPs: [{ ip: ADDRESS }],
    podIP: ADDRESS,
    podIPs: [{ ip: ADDRESS }],
    startTime: TIME,
    qosClass: 'BestEffort',
    initContainerStatuses: [],
    ephemeralContainerStatuses: [],
    resourceClaimStatuses: [],
  });
  const container = (more: Fields): Fields => ({
    name: 'main',
    image: IMAGE,
    imageID,
    containerID: ID,
    ready: false,
    started: false,
    restartCount: 0,
    lastState: {},
    allocatedResources: {},
    allocatedResourcesStatus: [],
    resources: { limits: {}, requests: {}, claims: [] },
    volumeMounts: [],
    stopSignal: 'SIGTERM',
    ...more,
  });
  /** Not made yet. */
  const unmade = (reason: string, message?: string): Fields =>
    container({
      imageID: '',
      containerID: undefined,
      resources: undefined,
      stopSignal: undefined,
      state: { waiting: { reason, message } },
    });
  const terminated = (exitCode: number, reason: string, message?: string): Fields => ({
    terminated: { exitCode, reason, message, startedAt: TIME, finishedAt: TIME, containerID: ID },
  });
  /** Who it was is not seen of what ends at once. */
  const statusOf = (status: PodStatus | undefined): Fields => {
    const withoutUser = (one: ContainerStatus): Fields => ({ ...one, user: undefined });
    const { containerStatuses = [], initContainerStatuses = [] } = status ?? {};
    return {
      ...status,
      containerStatuses: containerStatuses.map(withoutUser),
      initContainerStatuses: initContainerStatuses.map(withoutUser),
    };
  };
  const unready = (reason: string, message?: string): Readonly<Record<string, Verdict>> => ({
    Ready: ['False', reason, message],
    ContainersReady: ['False', reason, message],
  });
  const NOT_READY = unready('ContainersNotReady', 'containers with unready status: [main]');
  const NO_SANDBOX = { PodReadyToStartContainers: ['False'] } as const;

  it('Container volumeMounts[].readOnly, Container resources.requests: the status of a pod that runs, with its image by digest, its user, its resources and its mounts', async () => {
    await cluster.podReady('running');
    const seen = await cluster.podUntil('running', 'seen with its user', ({ status }) => status?.containerStatuses[0]?.user !== undefined);
    const groups = (await cluster.must('exec', 'running', '--', 'sed', '-n', 's/^Groups:\\t//p', '/proc/1/status')).trim();
    expect(seen.status).toEqual({
      ...whole('Running', {}),
      qosClass: 'Burstable',
      containerStatuses: [
        container({
          ready: true,
          started: true,
          state: { running: { startedAt: TIME } },
          allocatedResources: { cpu: '10m', memory: '64Mi' },
          resources: { requests: { cpu: '10m', memory: '64Mi' }, limits: { memory: '64Mi' }, claims: [] },
          volumeMounts: [
            { name: 'v', mountPath: '/v' },
            { name: 'v', mountPath: '/r', readOnly: true, recursiveReadOnly: 'Disabled' },
          ],
          user: { linux: { uid: 1000, gid: 3000, supplementalGroups: groups.split(/\s+/).map(Number) } },
        }),
      ],
    });
    expect(groups).toContain('4000');
    expect(await row('running')).toEqual(['1/1', 'Running']);
  });

  it('PodSpec restartPolicy: the status of a pod that crashes again and again', async () => {
    const seen = await cluster.podUntil(
      'loops',
      'in back-off',
      ({ status }) => status?.containerStatuses[0]?.state?.waiting?.reason === 'CrashLoopBackOff',
    );
    const restartCount = seen.status?.containerStatuses[0]?.restartCount ?? 0;
    expect(restartCount).toBeGreaterThan(0);
    const message = `back-off ${backOff(restartCount)} restarting failed container=main pod=loops_default(${seen.metadata?.uid})`;
    expect(statusOf(seen.status)).toEqual({
      ...whole('Running', NOT_READY),
      containerStatuses: [
        container({ restartCount, state: { waiting: { reason: 'CrashLoopBackOff', message } }, lastState: terminated(3, 'Error') }),
      ],
    });
    expect(summarizePod(seen).status).toBe('CrashLoopBackOff');
  });

  it('PodSpec restartPolicy, Container terminationMessagePath: the status of a pod that has completed', async () => {
    const done = await cluster.podEnded('completes');
    const seen = done.status?.conditions.some(({ type, status }) => type === 'PodReadyToStartContainers' && status === 'True')
      ? await cluster.podUntil(
          'completes',
          'without a sandbox',
          ({ status }) => status?.conditions.some((one) => one.type === 'PodReadyToStartContainers' && one.status === 'False') === true,
        )
      : done;
    expect(statusOf(seen.status)).toEqual({
      ...whole('Succeeded', { ...NO_SANDBOX, ...unready('PodCompleted'), Initialized: ['True', 'PodCompleted'] }),
      containerStatuses: [container({ state: terminated(0, 'Completed', 'all done\n') })],
    });
    expect(await row('completes')).toEqual(['0/1', 'Completed']);
  });

  it('Container resources.limits: the status of a pod that took too much memory', async () => {
    await cluster.podEnded('eats');
    // The engine may say why later than that.
    const seen = await cluster.podUntil(
      'eats',
      'over',
      ({ status }) => status?.conditions[0]?.status === 'False' && status.containerStatuses[0]?.state?.terminated?.reason === 'OOMKilled',
    );
    const memory = { memory: '64Mi' };
    expect(statusOf(seen.status)).toEqual({
      ...whole('Failed', { ...NO_SANDBOX, ...unready('PodFailed') }),
      qosClass: 'Burstable',
      containerStatuses: [
        container({
          state: terminated(137, 'OOMKilled'),
          allocatedResources: memory,
          resources: { limits: memory, requests: memory, claims: [] },
        }),
      ],
    });
    expect(await row('eats')).toEqual(['0/1', 'OOMKilled']);
  });

  it('Container image: the status of a pod whose image is not to be had', async () => {
    const seen = await cluster.podUntil(
      'imageless',
      'in back-off, with its sandbox',
      ({ status }) =>
        status?.containerStatuses[0]?.state?.waiting?.reason === 'ImagePullBackOff' && status.conditions[0]?.status === 'True',
    );
    const message = expect.stringMatching(/^Back-off pulling image "localhost:1\/none:1": ErrImagePull: /) as string;
    expect(statusOf(seen.status)).toEqual({
      ...whole('Pending', NOT_READY),
      containerStatuses: [{ ...unmade('ImagePullBackOff', message), image: NO_IMAGE }],
    });
    expect(summarizePod(seen).status).toBe('ImagePullBackOff');
  });

  it('PodSpec restartPolicy: the status of a pod whose init container fails', async () => {
    await cluster.podEnded('init-fails');
    const seen = await cluster.podUntil('init-fails', 'over', ({ status }) => status?.conditions[0]?.status === 'False');
    expect(statusOf(seen.status)).toEqual({
      ...whole('Failed', {
        ...NO_SANDBOX,
        ...unready('PodFailed'),
        Initialized: ['False', 'ContainersNotInitialized', 'containers with incomplete status: [first]'],
      }),
      initContainerStatuses: [container({ name: 'first', state: terminated(4, 'Error') })],
      containerStatuses: [unmade('PodInitializing')],
    });
    expect(await row('init-fails')).toEqual(['0/1', 'Init:Error']);
  });

  it('PodSpec activeDeadlineSeconds: the status of a pod that was active for too long', async () => {
    await cluster.podReady('late');
    // It has run for longer than that: a deadline from the start on might come before the container on a busy machine.
    await cluster.client.mergePatch('Pod', 'default', 'late', { spec: { activeDeadlineSeconds: 1 } });
    await cluster.podEnded('late');
    const seen = await cluster.podUntil('late', 'over', ({ status }) => status?.conditions[0]?.status === 'False');
    expect(statusOf(seen.status)).toEqual({
      ...whole('Failed', { ...NO_SANDBOX, ...unready('PodFailed') }, 2),
      reason: 'DeadlineExceeded',
      message: 'Pod was active on the node longer than the specified deadline',
      containerStatuses: [container({ state: terminated(0, 'Completed') })],
    });
    expect(await row('late')).toEqual(['0/1', 'Completed']);
  });
});
