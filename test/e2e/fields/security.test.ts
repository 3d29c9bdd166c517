// Who containers run as and what they may do, field by field: what the kernel itself says of their processes.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { engine, engineAnswers } from '../harness.js';
import { FieldCluster, IMAGE, podOf, STAY, shell } from './field-cluster.js';
import { imageWithFiles } from './images.js';

const answers = await engineAnswers();

/** Capabilities that the engine itself may give: not more than this process has, on the same machine. */
const BOUND = BigInt(`0x${/^CapBnd:\s+(\S+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0'}`);
const bit = (capability: number): bigint => 1n << BigInt(capability);
const CHOWN = bit(0);
const NET_ADMIN = bit(12);
const SYS_RESOURCE = bit(24);

const NO_MKDIR = {
  defaultAction: 'SCMP_ACT_ALLOW',
  syscalls: [{ names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO' }],
};

describe.skipIf(!answers)('securityContext', () => {
  const play = new FieldCluster();
  let grouped = '';
  let engineHas: readonly string[] = [];

  const status = async (pod: string, container: string): Promise<Readonly<Record<string, string>>> => {
    const lines = (await play.sh(pod, 'cat /proc/1/status', container)).split('\n').map((line) => line.split(/:\s*/));
    return Object.fromEntries(lines.map(([key = '', value = '']) => [key, value.trim()]));
  };

  beforeAll(async () => {
    grouped = await imageWithFiles(IMAGE, play.prefix, {
      'etc/passwd': 'root:x:0:0::/root:/bin/sh\nweb:x:1000:1001::/:/bin/sh\n',
      'etc/group': 'root:x:0:\nweb:x:1001:\nmedia:x:50:web\nothers:x:51:somebody\n',
    });
    engineHas = (await engine<{ SecurityOptions: string[] }>('GET', '/info')).SecurityOptions;
    await play.start(1);
    const profiles = path.join(play.data, 'agents', play.node(1), 'seccomp', 'mine');
    mkdirSync(profiles, { recursive: true });
    writeFileSync(path.join(profiles, 'no-mkdir.json'), JSON.stringify(NO_MKDIR));
    const local = (localhostProfile: string) => ({ seccompProfile: { type: 'Localhost', localhostProfile } });
    await play.apply(
      podOf('users', {
        securityContext: {
          runAsUser: 1000,
          runAsGroup: 3000,
          fsGroup: 2000,
          fsGroupChangePolicy: 'OnRootMismatch',
          supplementalGroups: [4000],
        },
        volumes: [{ name: 'data', emptyDir: {} }],
        containers: [
          shell('pod', `echo x > /data/file; ${STAY}`, { volumeMounts: [{ name: 'data', mountPath: '/data' }] }),
          shell('own', STAY, { securityContext: { runAsUser: 1234, runAsGroup: 5678 } }),
        ],
      }),
      podOf('rights', {
        securityContext: { sysctls: [{ name: 'net.ipv4.ip_unprivileged_port_start', value: '77' }] },
        containers: [
          shell('usual', STAY),
          shell('changed', STAY, {
            securityContext: {
              capabilities: { add: ['NET_ADMIN'], drop: ['CHOWN'] },
              allowPrivilegeEscalation: false,
              readOnlyRootFilesystem: true,
            },
          }),
          shell('unconfined', STAY, {
            securityContext: { seccompProfile: { type: 'Unconfined' }, appArmorProfile: { type: 'Unconfined' } },
          }),
          shell('local', STAY, { securityContext: local('mine/no-mkdir.json') }),
        ],
      }),
      podOf('whole', {
        securityContext: { ...local('mine/no-mkdir.json'), appArmorProfile: { type: 'Unconfined' }, runAsUser: 7 },
        containers: [shell('a', STAY), shell('b', STAY, { securityContext: { seccompProfile: { type: 'RuntimeDefault' } } })],
      }),
      podOf('noprofile', { containers: [shell('a', STAY, { securityContext: local('none.json') })] }),
      podOf('root', { securityContext: { runAsNonRoot: true }, containers: [shell('a', STAY)] }),
      podOf('rootuser', { containers: [shell('a', STAY, { securityContext: { runAsNonRoot: true, runAsUser: 0 } })] }),
      podOf('merge', {
        securityContext: { runAsUser: 1000, runAsGroup: 9, supplementalGroups: [4000] },
        containers: [{ ...shell('a', STAY), image: grouped }],
      }),
      podOf('strict', {
        securityContext: { runAsUser: 1000, supplementalGroups: [4000], supplementalGroupsPolicy: 'Strict' },
        containers: [{ ...shell('a', STAY), image: grouped }],
      }),
      podOf('apparmor', {
        restartPolicy: 'Never',
        securityContext: { appArmorProfile: { type: 'RuntimeDefault' } },
        containers: [shell('a', 'cat /proc/self/attr/current')],
      }),
      podOf('apparmor-own', {
        restartPolicy: 'Never',
        containers: [shell('a', 'true', { securityContext: { appArmorProfile: { type: 'Localhost', localhostProfile: 'mine' } } })],
      }),
      podOf('selinux', {
        restartPolicy: 'Never',
        securityContext: { seLinuxOptions: { level: 's0:c1,c2' } },
        containers: [shell('a', 'cat /proc/self/attr/current')],
      }),
      podOf('selinux-own', {
        restartPolicy: 'Never',
        containers: [shell('a', 'cat /proc/self/attr/current', { securityContext: { seLinuxOptions: { level: 's0:c1,c2' } } })],
      }),
      podOf('privileged', { containers: [shell('a', STAY, { securityContext: { privileged: true } })] }),
    );
  });
  afterAll(async () => {
    await play.remove();
    if (grouped !== '') await engine('DELETE', `/images/${grouped}?force=1`);
  });

  it('PodSpec securityContext.runAsUser, PodSpec securityContext.runAsGroup, PodSpec securityContext.supplementalGroups, PodSpec securityContext.fsGroup, PodSpec securityContext.fsGroupChangePolicy, Container securityContext.runAsUser, Container securityContext.runAsGroup: the ids of the processes and of what they write', async () => {
    await play.ready('users');
    expect(await status('users', 'pod')).toMatchObject({ Uid: '1000\t1000\t1000\t1000', Gid: '3000\t3000\t3000\t3000' });
    expect((await status('users', 'pod')).Groups?.split(' ').sort()).toEqual(['2000', '3000', '4000']);
    await play.says('users', 'stat -c %u:%g /data/file || true', (said) => said === '1000:2000', 'pod');
    expect(await status('users', 'own')).toMatchObject({ Uid: '1234\t1234\t1234\t1234', Gid: '5678\t5678\t5678\t5678' });
  });

  it('PodSpec securityContext.runAsNonRoot, Container securityContext.runAsNonRoot: what would run as root is not made, and says why', async () => {
    for (const [pod, message] of [
      ['root', /^container has runAsNonRoot and image will run as root \(pod: "root_default\(.*\)", container: a\)$/],
      ['rootuser', /^container's runAsUser breaks non-root policy \(pod: "rootuser_default\(.*\)", container: a\)$/],
    ] as const) {
      const seen = await play.until(
        pod,
        'refused',
        ({ status: { containerStatuses: [one] = [] } }) => one?.state.waiting?.message !== undefined,
      );
      expect(seen.status.containerStatuses?.[0]?.state.waiting).toMatchObject({
        reason: 'CreateContainerConfigError',
        message: expect.stringMatching(message),
      });
    }
  });

  it('Container securityContext.capabilities, Container securityContext.allowPrivilegeEscalation, Container securityContext.readOnlyRootFilesystem: one right more, one less, no way to more, and a root that stays', async () => {
    await play.ready('rights');
    const usual = BigInt(`0x${(await status('rights', 'usual')).CapEff}`);
    const changed = await status('rights', 'changed');
    expect([usual & CHOWN, usual & NET_ADMIN]).toEqual([CHOWN, 0n]);
    expect([BigInt(`0x${changed.CapEff}`) & CHOWN, BigInt(`0x${changed.CapEff}`) & NET_ADMIN]).toEqual([0n, NET_ADMIN]);
    expect([(await status('rights', 'usual')).NoNewPrivs, changed.NoNewPrivs]).toEqual(['0', '1']);
    expect(await play.sh('rights', '(touch /x 2>/dev/null && echo written) || echo refused', 'changed')).toBe('refused');
    expect(await play.sh('rights', '(touch /x 2>/dev/null && echo written) || echo refused', 'usual')).toBe('written');
  });

  it('PodSpec securityContext.seccompProfile.type, PodSpec securityContext.seccompProfile.localhostProfile, Container securityContext.seccompProfile.type, Container securityContext.seccompProfile.localhostProfile: the engine’s profile, none, or one of the node', async () => {
    await play.ready('rights');
    await play.ready('whole');
    const seccomp = async (pod: string, container: string): Promise<string | undefined> => (await status(pod, container)).Seccomp;
    expect([await seccomp('rights', 'usual'), await seccomp('rights', 'unconfined'), await seccomp('rights', 'local')]).toEqual([
      '2',
      '0',
      '2',
    ]);
    const tryMkdir = '(mkdir /tmp/new 2>/dev/null && echo made) || echo refused';
    expect(await play.sh('rights', tryMkdir, 'usual')).toBe('made');
    expect(await play.sh('rights', tryMkdir, 'local')).toBe('refused');
    expect(await play.js('whole', `try { fs.mkdirSync('/dev/shm/a') } catch (e) { e.code }`, 'a')).toBe('EPERM');
    expect(await play.js('whole', `try { fs.mkdirSync('/dev/shm/b'); 'made' } catch (e) { e.code }`, 'b')).toBe('made');
    const seen = await play.until(
      'noprofile',
      'refused',
      ({ status: { containerStatuses: [one] = [] } }) => one?.state.waiting?.message !== undefined,
    );
    expect(seen.status.containerStatuses?.[0]?.state.waiting?.message).toMatch(
      /^cannot load seccomp profile ".*\/seccomp\/none\.json": ENOENT/,
    );
  });

  it('PodSpec securityContext.sysctls: a safe one is set for the pod alone', async () => {
    await play.ready('rights');
    expect(await play.sh('rights', 'cat /proc/sys/net/ipv4/ip_unprivileged_port_start', 'usual')).toBe('77');
    expect(readFileSync('/proc/sys/net/ipv4/ip_unprivileged_port_start', 'utf8').trim()).not.toBe('77');
  });

  it('PodSpec securityContext.supplementalGroupsPolicy: Merge counts the groups that the image gives its user, Strict does not', async () => {
    await play.ready('merge');
    await play.ready('strict');
    expect(
      (await status('merge', 'a')).Groups?.split(' ')
        .map(Number)
        .sort((a, b) => a - b),
    ).toEqual([9, 50, 4000]);
    expect(await status('merge', 'a')).toMatchObject({ Gid: '9\t9\t9\t9' });
    // The primary group is the image's all the same.
    expect(await status('strict', 'a')).toMatchObject({ Gid: '1001\t1001\t1001\t1001' });
    expect(
      (await status('strict', 'a')).Groups?.split(' ')
        .map(Number)
        .sort((a, b) => a - b),
    ).toEqual([1001, 4000]);
  });

  it('PodSpec securityContext.appArmorProfile, Container securityContext.appArmorProfile: enforced, or the node fails the pod with Kubernetes’ words', async () => {
    await play.ready('rights'); // Unconfined is no demand
    const ended = await play.until('apparmor', 'ended', ({ status: { phase } }) => phase === 'Failed' || phase === 'Succeeded');
    const own = await play.until(
      'apparmor-own',
      'told',
      ({ status: { phase, containerStatuses: [one] = [] } }) => phase === 'Failed' || one?.state.waiting?.message !== undefined,
    );
    if (engineHas.some((option) => option.includes('apparmor'))) {
      expect(ended.status.phase).toBe('Succeeded');
      expect(await play.must('logs', 'apparmor')).toContain('docker-default');
      return;
    }
    const message = 'Cannot enforce AppArmor: AppArmor is not enabled on the host';
    const rejected = { phase: 'Failed', reason: 'AppArmor', message: `Pod was rejected: ${message}` };
    expect(ended.status).toMatchObject(rejected);
    expect(own.status).toMatchObject(rejected);
  });

  it('PodSpec securityContext.seLinuxOptions, Container securityContext.seLinuxOptions: the label of the processes, or the node fails the pod', async () => {
    for (const pod of ['selinux', 'selinux-own']) {
      const ended = await play.until(pod, 'ended', ({ status: { phase } }) => phase === 'Failed' || phase === 'Succeeded');
      if (engineHas.some((option) => option.includes('selinux'))) expect(await play.must('logs', pod)).toContain('s0:c1,c2');
      else
        expect(ended.status).toMatchObject({
          phase: 'Failed',
          reason: 'SELinux',
          message: 'Pod was rejected: Cannot enforce seLinuxOptions: the container engine of this node does not use SELinux',
        });
    }
  });

  it('Container securityContext.privileged: all rights of the node, or the engine’s words where it has not all of them itself', async () => {
    const seen = await play.until(
      'privileged',
      'running or refused',
      ({ status: { containerStatuses: [one] = [] } }) => one?.state.running !== undefined || one?.state.waiting?.message !== undefined,
    );
    const [one] = seen.status.containerStatuses ?? [];
    if (one?.state.running !== undefined) expect(BigInt(`0x${(await status('privileged', 'a')).CapEff}`) & NET_ADMIN).toBe(NET_ADMIN);
    else {
      // Older engines want every right there is, and this machine withholds one.
      expect(BOUND & SYS_RESOURCE).toBe(0n);
      const ended = one?.lastState?.terminated ?? one?.state.terminated;
      expect(JSON.stringify([one?.state.waiting, ended])).toMatch(/unable to apply caps|operation not permitted/);
    }
  });
});
