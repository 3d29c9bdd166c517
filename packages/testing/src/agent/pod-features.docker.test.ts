// What pods may ask for, on a real Docker Engine: one test a field of the support matrix, where Docker decides.
import { readlinkSync } from 'node:fs';
import { whyNoEngine } from '@podplane/agent/runtime/testing/real-engine';
import { mountsBelow } from '@podplane/agent/volumes/bind-mounts';
import type { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { DockerWorld, STAY } from './docker-world.js';

vi.setConfig({ hookTimeout: 120_000, testTimeout: 120_000 }); // the engine is shared with other tests
const noEngine = await whyNoEngine();

describe.skipIf(noEngine !== undefined)('pods on Docker', () => {
  const w = new DockerWorld();
  beforeAll(() => w.open());
  afterAll(() => w.close());

  const message = (pod: Pod): string | undefined => w.status(pod)?.containerStatuses[0]?.state?.waiting?.message;
  const succeeded = (pod: Pod) => (): boolean => w.status(pod)?.phase === 'Succeeded';

  it('initContainers: in order, on one volume, with logs; sidecars run meanwhile and do not hold the pod', async () => {
    const mounts = { volumeMounts: [{ name: 'v', mountPath: '/v' }] };
    const pod = w.run('init', {
      volumes: [{ name: 'v', emptyDir: {} }],
      initContainers: [
        w.shell('one', 'echo one >> /v/order; echo said by one', mounts),
        w.shell('side', `echo side >> /v/order; ${STAY}`, { ...mounts, restartPolicy: 'Always' }),
        w.shell('two', 'while ! grep -q side /v/order; do sleep 0.1; done; echo two >> /v/order', mounts),
      ],
      containers: [w.shell('main', 'cat /v/order', mounts)],
    });
    await w.until('succeeded', succeeded(pod));
    expect(await w.logs(pod, 'main')).toBe('one\nside\ntwo\n');
    expect(await w.logs(pod, 'one')).toBe('said by one\n');
    expect(w.status(pod)?.initContainerStatuses.map(({ name, state }) => [name, state?.terminated?.exitCode])).toEqual([
      ['one', 0],
      ['side', 0],
      ['two', 0],
    ]);
    await w.gone(pod);
  });

  it('runAsUser, runAsGroup, supplementalGroups, fsGroup: on disk and in memory', async () => {
    const pod = w.run('who', {
      securityContext: { runAsUser: 1000, runAsGroup: 3000, supplementalGroups: [4000], fsGroup: 2000, runAsNonRoot: true },
      volumes: [
        { name: 'disk', emptyDir: {} },
        { name: 'memory', emptyDir: { medium: 'Memory' } },
      ],
      containers: [
        w.shell('c', 'id -u; id -g; id -G; for d in /disk /memory; do touch $d/f; stat -c "%u:%g %a" $d; stat -c "%u:%g" $d/f; done', {
          volumeMounts: [
            { name: 'disk', mountPath: '/disk' },
            { name: 'memory', mountPath: '/memory' },
          ],
        }),
      ],
    });
    await w.until('succeeded', succeeded(pod));
    const [uid, gid, groups, ...files] = (await w.logs(pod, 'c')).trim().split('\n');
    expect([uid, gid]).toEqual(['1000', '3000']);
    expect(groups?.split(' ').toSorted()).toEqual(['2000', '3000', '4000']);
    expect(files).toEqual(['0:2000 2777', '1000:2000', '0:2000 2777', '1000:2000']);
    await w.gone(pod);
  });

  it('volumes and init containers: subPath, fsGroup, resources and messages of an init container', async () => {
    const message = { terminationMessagePath: '/dev/termination-log', terminationMessagePolicy: 'File' };
    const pod = w.run('together', {
      securityContext: { runAsGroup: 3000, fsGroup: 2000 },
      volumes: [
        { name: 'disk', emptyDir: {} },
        {
          name: 'facts',
          downwardAPI: { items: [{ path: 'cpu', resourceFieldRef: { containerName: 'first', resource: 'limits.cpu', divisor: '1m' } }] },
        },
      ],
      initContainers: [
        w.shell('first', 'cat /facts/cpu > /sub/cpu && printf made > /dev/termination-log', {
          ...message,
          env: [{ name: 'PART', value: 'part' }],
          resources: { limits: { cpu: '250m' } },
          volumeMounts: [
            { name: 'disk', mountPath: '/sub', subPathExpr: '$(PART)/of' },
            { name: 'facts', mountPath: '/facts' },
          ],
        }),
      ],
      containers: [
        w.shell('main', 'cat /disk/part/of/cpu; echo; stat -c %g /disk /disk/part/of/cpu; echo more > /own/x && stat -c %g /own/x', {
          securityContext: { runAsUser: 1000, runAsNonRoot: true },
          volumeMounts: [
            { name: 'disk', mountPath: '/disk' },
            { name: 'disk', mountPath: '/own', subPath: 'own' },
          ],
        }),
      ],
    });
    await w.until('ended', () => ['Succeeded', 'Failed'].includes(w.status(pod)?.phase ?? ''));
    expect(await w.logs(pod, 'main')).toBe('250\n2000\n2000\n2000\n');
    expect(w.status(pod)?.initContainerStatuses[0]?.state?.terminated).toMatchObject({ exitCode: 0, message: 'made' });
    expect(mountsBelow(w.folder)).toEqual([]);
    await w.gone(pod);
    expect(w.messageFiles()).toEqual([]);
  });

  it('an eviction takes init containers and sidecars too, and what containers said is kept', async () => {
    const mounts = { volumeMounts: [{ name: 'v', mountPath: '/v' }] };
    const pod = w.run('evicted', {
      terminationGracePeriodSeconds: 600,
      volumes: [{ name: 'v', emptyDir: { sizeLimit: '1Mi' } }],
      initContainers: [w.shell('init', 'true'), w.shell('side', STAY, { restartPolicy: 'Always' })],
      containers: [w.shell('c', `dd if=/dev/zero of=/v/f bs=1M count=3; ${STAY}`, mounts)],
    });
    await w.until('failed', () => w.status(pod)?.phase === 'Failed');
    expect(w.status(pod)?.reason).toBe('Evicted');
    const { initContainerStatuses = [], containerStatuses = [] } = w.status(pod) ?? {};
    for (const { state } of [...initContainerStatuses, ...containerStatuses]) expect(state?.terminated).toBeDefined();
    expect(initContainerStatuses[0]?.state?.terminated?.exitCode).toBe(0);
    await w.gone(pod);
    expect(await w.node.runtime.listVolumes(w.node.name)).toEqual([]);
  });

  it('runAsNonRoot: an image of root is not started, and it is said why', async () => {
    const pod = w.run('root', { containers: [w.shell('c', STAY, { securityContext: { runAsNonRoot: true } })] });
    await w.until('refused', () => message(pod) !== undefined && message(pod) !== '');
    expect(w.status(pod)?.containerStatuses[0]?.state?.waiting?.reason).toBe('CreateContainerConfigError');
    expect(message(pod)).toContain('container has runAsNonRoot and image will run as root');
    await w.until('event', () => w.events('Failed').some((text) => text.includes('image will run as root')));
    await w.gone(pod);
  });

  it('capabilities, allowPrivilegeEscalation, readOnlyRootFilesystem, seccompProfile', async () => {
    const show = 'grep -E "CapEff|NoNewPrivs|^Seccomp:" /proc/self/status; touch /x 2>/dev/null && echo writable || echo read-only';
    const pod = w.run('may', {
      containers: [
        w.shell('plain', show),
        w.shell('less', show, {
          securityContext: {
            capabilities: { drop: ['ALL'], add: ['NET_BIND_SERVICE'] },
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            seccompProfile: { type: 'RuntimeDefault' },
          },
        }),
        w.shell('free', show, { securityContext: { seccompProfile: { type: 'Unconfined' } } }),
      ],
    });
    await w.until('succeeded', succeeded(pod));
    const seen = async (container: string): Promise<readonly string[]> => (await w.logs(pod, container)).trim().split(/\s+/);
    const plain = await seen('plain');
    expect([plain[3], plain[5], plain[6]]).toEqual(['0', '2', 'writable']);
    expect(await seen('less')).toEqual(['CapEff:', '0000000000000400', 'NoNewPrivs:', '1', 'Seccomp:', '2', 'read-only']);
    expect((await seen('free'))[5]).toBe('0');
    await w.gone(pod);
  });

  it('privileged: runs with everything, or it is said that this machine does not let it', async () => {
    const pod = w.run('privileged', {
      containers: [w.shell('c', 'ls /dev | wc -l; grep Seccomp: /proc/self/status', { securityContext: { privileged: true } })],
    });
    await w.until('ended', () => ['Succeeded', 'Failed'].includes(w.status(pod)?.phase ?? ''));
    if (w.status(pod)?.phase === 'Succeeded') expect(await w.logs(pod, 'c')).toMatch(/Seccomp:\s+0/);
    else {
      expect(w.status(pod)?.containerStatuses[0]?.state?.terminated?.reason).toBe('StartError');
      await w.until('event', () => w.events('Failed').some((text) => text.includes('failed to start container "c"')));
      process.stderr.write(`privileged is not possible here: ${w.events('Failed').join('; ')}\n`);
    }
    await w.gone(pod);
  });

  it('sysctls: of the pod, seen by its containers', async () => {
    const pod = w.run('sysctl', {
      securityContext: { sysctls: [{ name: 'net.ipv4.ip_unprivileged_port_start', value: '77' }] },
      containers: [w.shell('c', 'cat /proc/sys/net/ipv4/ip_unprivileged_port_start')],
    });
    await w.until('succeeded', succeeded(pod));
    expect(await w.logs(pod, 'c')).toBe('77\n');
    await w.gone(pod);
  });

  it('terminationMessagePath, terminationMessagePolicy: the file, by any user; else the end of the log', async () => {
    const message = { terminationMessagePath: '/dev/termination-log', terminationMessagePolicy: 'File' };
    const pod = w.run('message', {
      securityContext: { runAsUser: 1000 },
      containers: [
        w.shell('file', 'echo noise; printf done > /dev/termination-log', message),
        w.shell('other', 'head -c 5000 /dev/zero | tr "\\0" x > /tmp/why; exit 3', { ...message, terminationMessagePath: '/tmp/why' }),
        w.shell('log', 'echo it broke; exit 4', { ...message, terminationMessagePolicy: 'FallbackToLogsOnError' }),
        w.shell('quiet', 'echo all is well', { ...message, terminationMessagePolicy: 'FallbackToLogsOnError' }),
      ],
    });
    await w.until('failed', () => w.status(pod)?.phase === 'Failed');
    const said = w.status(pod)?.containerStatuses.map(({ name, state }) => [name, state?.terminated?.exitCode, state?.terminated?.message]);
    expect(said).toEqual([
      ['file', 0, 'done'],
      ['log', 4, 'it broke\n'],
      ['other', 3, 'x'.repeat(4096)],
      ['quiet', 0, undefined],
    ]);
    expect(w.messageFiles()).toHaveLength(4);
    await w.gone(pod);
    expect(w.messageFiles()).toEqual([]);
  });

  it('lifecycle.postStart, lifecycle.preStop: run in the container, before it is ready and before SIGTERM', async () => {
    const mounts = { volumeMounts: [{ name: 'v', mountPath: '/v' }] };
    const pod = w.run('hooks', {
      terminationGracePeriodSeconds: 20,
      volumes: [{ name: 'v', emptyDir: {} }],
      containers: [
        w.shell('watch', STAY, mounts),
        w.shell('c', 'trap "echo term >> /v/said; exit 0" TERM; sleep 100000 & wait', {
          ...mounts,
          lifecycle: {
            postStart: { exec: { command: ['/bin/sh', '-c', 'sleep 1; echo started >> /v/said'] } },
            preStop: { exec: { command: ['/bin/sh', '-c', 'echo stopping >> /v/said'] } },
          },
          livenessProbe: { exec: { command: ['/bin/sh', '-c', '! test -e /v/kill'] }, periodSeconds: 1, failureThreshold: 1 },
        }),
      ],
      restartPolicy: 'Always',
    });
    await w.until('ready', () => w.isReady(pod));
    expect(await w.exec(pod, 'watch', 'cat /v/said')).toBe('started');
    await w.exec(pod, 'watch', 'touch /v/kill');
    await w.until('restarted', () => (w.of(pod, 'c')?.lastState?.terminated?.exitCode ?? -1) === 0);
    expect((await w.exec(pod, 'watch', 'cat /v/said')).split('\n').slice(0, 3)).toEqual(['started', 'stopping', 'term']);
    await w.gone(pod);
  });

  it('lifecycle.postStart that fails: said by an event, the container is killed', async () => {
    const pod = w.run('hook-fails', {
      containers: [w.shell('c', STAY, { lifecycle: { postStart: { exec: { command: ['/bin/sh', '-c', 'echo no luck; exit 5'] } } } })],
    });
    await w.until('failed', () => ['Succeeded', 'Failed'].includes(w.status(pod)?.phase ?? ''));
    await w.until('event', () => w.events('FailedPostStartHook').some((text) => text.includes('no luck')));
    await w.gone(pod);
  });

  it('activeDeadlineSeconds: ends the pod as failed', async () => {
    const pod = w.run('deadline', { activeDeadlineSeconds: 3, containers: [w.shell('c', STAY)] });
    await w.until('failed', () => w.status(pod)?.phase === 'Failed');
    expect(w.status(pod)?.reason).toBe('DeadlineExceeded');
    await w.gone(pod);
  });

  it('hostPID, hostIPC: the namespaces of the host', async () => {
    const show = 'readlink /proc/self/ns/pid; readlink /proc/self/ns/ipc';
    const pod = w.run('host', { hostPID: true, hostIPC: true, containers: [w.shell('c', show)] });
    const plain = w.run('plain', { containers: [w.shell('c', show)] });
    await w.until('succeeded', () => [pod, plain].every((one) => succeeded(one)()));
    const own = ['pid', 'ipc'].map((kind) => readlinkSync(`/proc/self/ns/${kind}`));
    expect((await w.logs(pod, 'c')).trim().split('\n')).toEqual(own);
    for (const namespace of (await w.logs(plain, 'c')).trim().split('\n')) expect(own).not.toContain(namespace);
    await w.gone(pod);
    await w.gone(plain);
  });

  it('shareProcessNamespace: neighbours see and end each other, orphans are reaped, each container is restarted by itself', async () => {
    const pod = w.run('shared', {
      shareProcessNamespace: true,
      restartPolicy: 'Always',
      // In a command $$ stands for one $, as in Kubernetes.
      containers: [w.shell('watch', STAY), w.shell('app', `echo $$$$ > /tmp/pid; ${STAY}`)],
    });
    await w.until('ready', () => w.isReady(pod));
    const app = (): string => w.id(pod, 'app');
    const before = app();
    expect(await w.exec(pod, 'watch', 'cat /proc/1/cmdline | tr "\\0" " "')).toMatch(/^\/pause/);
    const processOf = async (): Promise<string> => await w.exec(pod, 'app', 'cat /tmp/pid');
    // An orphan: its parent ends first, and process 1 takes it in.
    await w.exec(pod, 'app', '(sleep 0.2 & echo $! > /tmp/orphan) &');
    const orphan = await w.exec(pod, 'app', 'cat /tmp/orphan');
    await expect.poll(() => w.exec(pod, 'watch', `test -e /proc/${orphan} || echo gone`), { timeout: 20_000 }).toBe('gone');
    const first = await processOf();
    await w.exec(pod, 'watch', `kill -9 ${first}`);
    await w.until('restarted', () => w.of(pod, 'app')?.restartCount === 1 && app() !== before && w.isReady(pod));
    expect(w.of(pod, 'app')?.lastState?.terminated).toMatchObject({ exitCode: 137, reason: 'Error' });
    expect(w.of(pod, 'watch')?.restartCount).toBe(0);
    expect(await processOf()).not.toBe(first);
    // Its own end leaves nothing running, as its namespace does not end with it.
    await w.exec(pod, 'watch', `kill -TERM ${await processOf()}`);
    await w.until('ended', () => w.of(pod, 'app')?.lastState?.terminated?.exitCode === 0);
    await w.gone(pod);
  });
});
