// Manifests that are valid and that a node cannot carry out, or only just: each becomes a status and an event that say what is wrong, on real Docker,
// and the agent goes on. What the server refuses is in bad-input.test.ts; what happens to pods that ran well is in agent-rough.test.ts.
import { writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { containerSeen, FieldCluster, type PodSeen, podOf, STAY, shell } from './fields/field-cluster.js';
import { engineAnswers, eventually } from './harness.js';

const answers = await engineAnswers();

type Fields = Readonly<Record<string, unknown>>;

interface EventList {
  readonly items: readonly {
    readonly reason: string;
    readonly message: string;
    readonly count?: number;
    readonly involvedObject: { readonly name?: string };
  }[];
}

interface Nasty {
  readonly name: string;
  readonly spec: Fields;
  /** What the container waits for, or why it ended. */
  readonly reason: string;
  /** What the status says, and an event of this reason. */
  readonly says: RegExp;
  readonly event: string;
}

const play = new FieldCluster();
const file = path.join(play.directory, 'a-file');
let taken: Server | undefined;

const plain = (more: Fields = {}): Fields => ({ containers: [shell('main', STAY, more)] });
const mounted = (mountPath: string, volume: Fields): Fields => ({
  volumes: [{ name: 'v', ...volume }],
  containers: [shell('main', STAY, { volumeMounts: [{ name: 'v', mountPath }] })],
});
const cannotStart = (name: string, spec: Fields, says: RegExp): Nasty => ({ name, spec, says, reason: 'StartError', event: 'Failed' });
const cannotMake = (name: string, spec: Fields, says: RegExp): Nasty => ({
  name,
  spec,
  says,
  reason: 'CreateContainerError',
  event: 'Failed',
});
const misconfigured = (name: string, spec: Fields, says: RegExp): Nasty => ({
  name,
  spec,
  says,
  reason: 'CreateContainerConfigError',
  event: 'Failed',
});
const waits = (name: string, spec: Fields, event: string, says: RegExp): Nasty => ({
  name,
  spec,
  says,
  reason: 'ContainerCreating',
  event,
});

const table = (port: number): readonly Nasty[] => [
  cannotStart('command-missing', plain({ command: ['/no/such/command'] }), /"\/no\/such\/command".*no such file or directory/),
  cannotStart('command-folder', plain({ command: ['/etc'] }), /"\/etc".*(permission denied|is a directory)/),
  cannotStart('command-text', plain({ command: ['/etc/hosts'] }), /"\/etc\/hosts".*permission denied/),
  cannotStart('over-proc', mounted('/proc', { emptyDir: {} }), /\/proc" cannot be mounted/),
  cannotStart('over-dev', mounted('/dev', { emptyDir: {} }), /\/dev\/null: no such file/),
  cannotStart('over-bin', mounted('/bin', { emptyDir: {} }), /"sh".*not found in \$PATH/),
  cannotStart('file-on-folder', mounted('/etc', { hostPath: { path: file, type: 'File' } }), /"\/etc".*not a directory/),
  cannotStart('folder-on-file', mounted('/etc/passwd', { emptyDir: {} }), /"\/etc\/passwd".*not a directory/),
  cannotStart('message-in-proc', plain({ terminationMessagePath: '/proc/1/x' }), /\/proc\/1\/x" cannot be mounted/),
  cannotStart('message-on-folder', plain({ terminationMessagePath: '/etc' }), /"\/etc".*not a directory/),
  cannotMake('over-root', mounted('/', { emptyDir: {} }), /destination can't be '\/'/),
  cannotMake('workdir-file', plain({ workingDir: '/etc/passwd' }), /\/etc\/passwd is not a directory/),
  cannotMake('workdir-relative', plain({ workingDir: 'relative' }), /working directory 'relative' is invalid/),
  cannotMake('memory-tiny', plain({ resources: { limits: { memory: '1Mi' } } }), /[Mm]inimum memory limit/),
  cannotMake('capability', plain({ securityContext: { capabilities: { add: ['NO_SUCH'] } } }), /unknown capability: "CAP_NO_SUCH"/),
  misconfigured('root', plain({ securityContext: { runAsNonRoot: true } }), /runAsNonRoot and image will run as root/),
  misconfigured(
    'secret',
    plain({ env: [{ name: 'A', valueFrom: { secretKeyRef: { name: 'gone', key: 'k' } } }] }),
    /secret "gone" not found/,
  ),
  misconfigured(
    'seccomp',
    plain({ securityContext: { seccompProfile: { type: 'Localhost', localhostProfile: 'gone.json' } } }),
    /cannot load seccomp profile ".*gone\.json"/,
  ),
  waits('path-file', mounted('/x', { hostPath: { path: `${file}.gone`, type: 'File' } }), 'FailedMount', /a-file\.gone is not a file/),
  waits('path-folder', mounted('/x', { hostPath: { path: file, type: 'Directory' } }), 'FailedMount', /a-file is not a directory/),
  waits('path-socket', mounted('/x', { hostPath: { path: file, type: 'Socket' } }), 'FailedMount', /a-file is not a socket file/),
  waits('config', mounted('/x', { configMap: { name: 'gone' } }), 'FailedMount', /configmap "gone" not found/),
  waits('port', plain({ ports: [{ containerPort: 80, hostPort: port }] }), 'FailedCreatePodSandBox', /address already in use/),
  waits(
    'sysctl',
    { ...plain(), securityContext: { sysctls: [{ name: 'net.ipv4.ip_local_port_range', value: 'rubbish' }] } },
    'FailedCreatePodSandBox',
    /ip_local_port_range: invalid argument/,
  ),
  {
    name: 'image-elsewhere',
    spec: plain({ image: 'podplane-e2e.invalid/arm64v8/busybox:1' }),
    reason: 'ImagePullBackOff',
    says: /podplane-e2e\.invalid\/arm64v8\/busybox:1/,
    event: 'Failed',
  },
  {
    name: 'image-name',
    spec: plain({ image: 'UPPER/case' }),
    reason: 'InvalidImageName',
    says: /must be lowercase/,
    event: 'InspectFailed',
  },
  {
    name: 'image-never',
    spec: plain({ image: 'gone:1', imagePullPolicy: 'Never' }),
    reason: 'ErrImageNeverPull',
    says: /"gone:1" is not present with pull policy of Never/,
    event: 'ErrImageNeverPull',
  },
  {
    name: 'hook',
    spec: plain({ lifecycle: { postStart: { exec: { command: ['/no/such/hook'] } } } }),
    reason: 'CrashLoopBackOff',
    says: /\/no\/such\/hook.*no such file/,
    event: 'FailedPostStartHook',
  },
];

describe.skipIf(!answers)('manifests that are hard on a node', () => {
  let agent = 0;
  let nasty: readonly Nasty[] = [];
  const strange: Readonly<Record<string, Fields>> = {
    'env-many': plain({ env: Array.from({ length: 1000 }, (_, i) => ({ name: `V${i}`, value: 'y'.repeat(100) })) }),
    'args-64k': plain({ command: ['sh', '-c', 'echo length $' + '{#1}; exec sleep 100000', 'x'], args: ['a'.repeat(65_536)] }),
    'user-unknown': plain({ securityContext: { runAsUser: 54_321, runAsGroup: 54_322 } }),
    'name-long': { containers: [shell('c'.repeat(63), STAY)] },
    'containers-30': { containers: Array.from({ length: 30 }, (_, i) => shell(`c${i}`, STAY)) },
  };

  beforeAll(async () => {
    taken = createServer();
    const listening = Promise.withResolvers<void>();
    taken.listen(0, '0.0.0.0', listening.resolve);
    await listening.promise;
    const address = taken.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    nasty = table(address.port);
    writeFileSync(file, 'x');
    await play.start(1);
    agent = play.upFile.agents[0]?.pid ?? 0;
    await play.apply(
      ...nasty.map(({ name, spec }) => podOf(name, spec)),
      ...Object.entries(strange).map(([name, spec]) => podOf(name, spec)),
      podOf('env-huge', plain({ env: [{ name: 'HUGE', value: 'x'.repeat(200_000) }] })),
    );
  });
  afterAll(async () => {
    await play.remove();
    taken?.close();
  });

  /** Reason and words of what the container is in, and of how it ended last. */
  const states = (pod: PodSeen): readonly (readonly [string, string])[] => {
    const { state, lastState } = containerSeen(pod, 'main');
    return [state.waiting, state.terminated, lastState?.terminated].map((one) => [String(one?.reason), String(one?.message)] as const);
  };
  /** What a pod does not say yet. */
  const missing = ({ name, reason, says, event }: Nasty, pods: readonly PodSeen[], events: EventList['items']): readonly object[] => {
    const pod = pods.find(({ metadata }) => metadata.name === name);
    if (pod?.status.containerStatuses === undefined) return [{ name, phase: pod?.status.phase }];
    const seen = states(pod);
    // What concerns the whole pod, and why a hook failed, is told by events, as in Kubernetes.
    const told = reason === 'ContainerCreating' || reason === 'CrashLoopBackOff' || seen.some(([, message]) => says.test(message));
    const own = events.filter(({ involvedObject }) => involvedObject.name === name);
    return told && seen.some(([is]) => is === reason) && own.some((one) => one.reason === event && says.test(one.message))
      ? []
      : [{ name, seen, events: own.map((one) => [one.reason, one.message]) }];
  };

  it('say in status and events what is wrong', async () => {
    await eventually(
      'every pod says what is wrong',
      async () => {
        const pods = (await play.json<{ items: readonly PodSeen[] }>('get', 'pods')).items;
        const events = (await play.json<EventList>('get', 'events')).items;
        return nasty.flatMap((row) => missing(row, pods, events));
      },
      (left) => left.length === 0,
      120_000,
    );
  });

  it('say the same again with a count, however many containers were tried', async () => {
    await eventually(
      'each was tried twice, and told in one event',
      async () => {
        const events = (await play.json<EventList>('get', 'events')).items.filter(({ reason }) => reason === 'Failed');
        return nasty
          .filter(({ event }) => event === 'Failed')
          .flatMap(({ name, says, reason }) => {
            const told = events.filter(({ involvedObject, message }) => involvedObject.name === name && says.test(message));
            const counts = told.map(({ count, message }) => `${count} x ${message}`);
            // What only another manifest or object can put right is not tried again by itself.
            const again = reason === 'CreateContainerConfigError' || (told[0]?.count ?? 1) > 1;
            return told.length === 1 && again ? [] : [`${name}: ${counts.join('; ')}`];
          });
      },
      (left) => left.length === 0,
      120_000,
    );
  });

  it('run where they are only strange', async () => {
    const isReady = ({ status }: PodSeen): boolean => status.conditions.some(({ type, status: is }) => type === 'Ready' && is === 'True');
    for (const name of Object.keys(strange)) await play.until(name, 'ready', isReady, 180_000);
    const words = await eventually(
      'what it says first',
      () => play.must('logs', 'args-64k'),
      (text) => text !== '',
    );
    expect(words).toBe('length 65536\n');
    expect(await play.sh('env-many', 'echo $V999 | wc -c')).toBe('101');
    expect(await play.sh('user-unknown', 'id -u; id -g')).toBe('54321\n54322');
    expect((await play.see('containers-30')).status.containerStatuses?.map(({ restartCount }) => restartCount)).toEqual(Array(30).fill(0));
  });

  it('with more environment than Linux takes end, and their log says why', async () => {
    await play.until('env-huge', 'ended', (pod) => containerSeen(pod, 'main').lastState?.terminated?.exitCode === 1);
    // Each of its tries begins with a log that is empty.
    await eventually(
      'the words',
      () => play.cli(['logs', 'env-huge']),
      ({ stdout }) => stdout.includes('argument list too long'),
    );
  });

  it('do not touch the agent: it is the same process, and another pod starts', async () => {
    await play.pod('after-all', plain());
    await play.ready('after-all');
    expect(() => process.kill(agent, 0)).not.toThrow();
    expect(play.upFile.agents.map(({ pid }) => pid)).toEqual([agent]);
  });
});
