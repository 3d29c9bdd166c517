// What containers may take, and what a node gives them, field by field, on real Docker.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { engine, engineAnswers, eventually } from '../harness.js';
import { containerSeen, FieldCluster, PATIENCE_MS, podOf, STAY, shell } from './field-cluster.js';

const answers = await engineAnswers();

interface Limits {
  readonly CpuShares: number;
  readonly CpuQuota: number;
  readonly CpuPeriod: number;
  readonly Memory: number;
  readonly MemorySwap: number;
  readonly PidsLimit: number | null;
}

const GPU = 'example.com/gpu';
const SEAT = 'example.com/seat';
const wants = (limits: object) => ({ resources: { limits } });

const disk = (limit: string) => ({ 'ephemeral-storage': limit });
/** Writes 3 MB. */
const fill = (file: string): string => `head -c 3000000 /dev/zero > ${file}`;

/** Takes memory until something stops it. */
const GREEDY = 'const all = []; for (;;) all.push(Buffer.alloc(8_000_000, 1));';

describe.skipIf(!answers)('resources', () => {
  const play = new FieldCluster();
  let agentEnded: Promise<unknown> | undefined;

  const hostConfig = async (pod: string, container: string): Promise<Limits> => {
    const id = containerSeen(await play.see(pod), container).containerID?.replace('docker://', '') ?? '';
    return (await engine<{ HostConfig: Limits }>('GET', `/containers/${id}/json`)).HostConfig;
  };

  beforeAll(async () => {
    await play.start(1);
    const [agent] = play.upFile.agents;
    if (agent === undefined) throw new Error('no agent');
    process.kill(agent.pid, 'SIGKILL');
    const data = path.join(play.data, 'agents', agent.name);
    const started = play.run([
      'agent',
      '--data',
      data,
      '--resource',
      `${GPU}=/dev/zero,/dev/full`,
      '--resource',
      `${SEAT}=3`,
      '--pod-pids-limit',
      '200',
    ]);
    agentEnded = new Promise((resolve) => started.once('exit', resolve));
    await eventually(
      'the resources of the node',
      () => play.json<{ status: { allocatable: Record<string, string> } }>('get', 'node', agent.name),
      ({ status }) => status.allocatable[GPU] === '2' && status.allocatable[SEAT] === '3',
      PATIENCE_MS,
    );
    await play.apply(
      podOf('burstable', {
        containers: [
          shell('a', STAY, { resources: { requests: { cpu: '250m', memory: '64Mi' }, limits: { cpu: '500m', memory: '128Mi' } } }),
          shell('free', STAY),
        ],
      }),
      podOf('guaranteed', { containers: [shell('a', STAY, wants({ cpu: '200m', memory: '96Mi' }))] }),
      podOf('effort', { containers: [shell('a', STAY)] }),
      podOf('oom', {
        restartPolicy: 'Never',
        containers: [
          { ...shell('first', ''), command: ['node', '-e', GREEDY], ...wants({ memory: '64Mi' }) },
          shell('child', `node -e '${GREEDY}'; echo survived $?; exit 5`, wants({ memory: '64Mi' })),
        ],
      }),
      podOf('layer', { containers: [shell('a', `${fill('/tmp/f')}; ${STAY}`, wants(disk('1Mi'))), shell('b', STAY, wants(disk('64Mi')))] }),
      podOf('logs', {
        containers: [
          shell('a', `node -e 'console.log("x".repeat(3e6))'; ${STAY}`, wants(disk('1Mi'))),
          shell('b', STAY, wants(disk('64Mi'))),
        ],
      }),
      podOf('whole', {
        volumes: [{ name: 'v', emptyDir: {} }],
        containers: [shell('a', `${fill('/v/f')}; ${STAY}`, { ...wants(disk('1Mi')), volumeMounts: [{ name: 'v', mountPath: '/v' }] })],
      }),
      podOf('modest', { containers: [shell('a', `${fill('/tmp/f')}; ${STAY}`, wants(disk('64Mi')))] }),
      podOf('gpu-1', { containers: [shell('a', STAY, wants({ [GPU]: '1' })), shell('none', STAY)] }),
      podOf('gpu-2', { containers: [shell('a', STAY, wants({ [GPU]: '1', [SEAT]: '2' }))] }),
    );
  });
  afterAll(async () => {
    const file = JSON.parse(readFileSync(path.join(play.data, 'up.json'), 'utf8')) as { agents: { pid: number }[] };
    expect(file.agents.length).toBe(1);
    await play.remove();
    await agentEnded;
  });

  it('Container resources.limits, Container resources.requests: shares, quota and memory of the container; the class of the pod; who goes first when memory is short', async () => {
    for (const pod of ['burstable', 'guaranteed', 'effort']) await play.ready(pod);
    expect(await hostConfig('burstable', 'a')).toMatchObject({
      CpuShares: 256,
      CpuQuota: 50_000,
      CpuPeriod: 100_000,
      Memory: 128 * 1024 ** 2,
      MemorySwap: 128 * 1024 ** 2,
    });
    // Of the pod as a whole where it has a cgroup (test/e2e/pod-cgroups.test.ts), else of each container.
    const { status } = await play.json<{ status: { conditions: { type: string; status: string }[] } }>('get', 'node', play.node(1));
    const shared = status.conditions.some(({ type, status: is }) => type === 'PodCgroups' && is === 'True');
    expect((await hostConfig('burstable', 'a')).PidsLimit || undefined).toBe(shared ? undefined : 200);
    expect(await hostConfig('burstable', 'free')).toMatchObject({ CpuShares: 2, CpuQuota: 0, Memory: 0 });
    const classes = await Promise.all(['burstable', 'guaranteed', 'effort'].map(async (pod) => (await play.see(pod)).status.qosClass));
    expect(classes).toEqual(['Burstable', 'Guaranteed', 'BestEffort']);
    const score = async (pod: string, container: string): Promise<number> =>
      Number(await play.sh(pod, 'cat /proc/1/oom_score_adj', container));
    expect(await score('effort', 'a')).toBe(1000);
    const burstable = await score('burstable', 'a');
    expect(burstable).toBeGreaterThan(900);
    expect(burstable).toBeLessThan(1000);
    // -997, where the engine may lower it.
    expect(await score('guaranteed', 'a')).toBeLessThanOrEqual(0);
  });

  it('Container resources.limits: a container is OOMKilled when its first process was, not when a child was', async () => {
    // The engine may say why later than that.
    const seen = await play.until(
      'oom',
      'ended for want of memory',
      (pod) => pod.status.phase === 'Failed' && containerSeen(pod, 'first').state.terminated?.reason === 'OOMKilled',
    );
    expect(containerSeen(seen, 'first').state.terminated).toMatchObject({ reason: 'OOMKilled', exitCode: 137 });
    expect(containerSeen(seen, 'child').state.terminated).toMatchObject({ reason: 'Error', exitCode: 5 });
    expect(await play.must('logs', 'oom', '-c', 'child')).toContain('survived');
  });

  it('Container resources.limits: a pod that keeps more on disk than its limits of ephemeral-storage say is evicted', async () => {
    const ofContainer = 'Container a exceeded its local ephemeral storage limit "1Mi". ';
    for (const [pod, message] of [
      ['layer', ofContainer],
      ['logs', ofContainer],
      ['whole', 'Pod ephemeral local storage usage exceeds the total limit of containers 1Mi. '],
    ] as const) {
      const { status, spec } = await play.until(pod, 'evicted', (seen) => seen.status.phase === 'Failed');
      expect(status).toMatchObject({ reason: 'Evicted', message });
      expect(spec.containers[0]?.['resources']).toEqual({ limits: disk('1Mi'), requests: disk('1Mi') });
      expect(status.conditions.find(({ type }) => type === 'DisruptionTarget')).toMatchObject({ status: 'True', message });
      expect(Object.keys(containerSeen(await play.see(pod), 'a').state)).toEqual(['terminated']);
    }
    // One below its limit stays.
    expect(containerSeen(await play.ready('modest'), 'a').restartCount).toBe(0);
  });

  it('Container resources.limits: devices of the node, each for one container, and a third pod waits until one is free', async () => {
    const one = await play.ready('gpu-1');
    await play.ready('gpu-2');
    expect(one.spec.nodeName).toBe(play.node(1));
    const devices = async (pod: string): Promise<readonly string[]> => {
      const id = containerSeen(await play.see(pod), 'a').containerID?.replace('docker://', '') ?? '';
      const found = await engine<{ HostConfig: { Devices: { PathOnHost: string }[] | null } }>('GET', `/containers/${id}/json`);
      return (found.HostConfig.Devices ?? []).map(({ PathOnHost }) => PathOnHost);
    };
    expect([...(await devices('gpu-1')), ...(await devices('gpu-2'))].sort()).toEqual(['/dev/full', '/dev/zero']);
    await play.pod('gpu-3', { containers: [shell('a', STAY, wants({ [GPU]: '1' }))] });
    await play.pod('seats', { containers: [shell('a', STAY, wants({ [SEAT]: '2' }))] });
    const waits = async (pod: string): Promise<string | undefined> => {
      const seen = await play.until(pod, 'told', ({ status }) => status.conditions.some(({ reason }) => reason === 'Unschedulable'));
      return seen.status.conditions.find(({ reason }) => reason === 'Unschedulable')?.message;
    };
    expect(await waits('gpu-3')).toContain(`Insufficient ${GPU}`);
    expect(await waits('seats')).toContain(`Insufficient ${SEAT}`);
    await play.must('delete', 'pod', 'gpu-2');
    await play.ready('gpu-3');
    await play.ready('seats');
    expect(await devices('gpu-3')).not.toEqual(await devices('gpu-1'));
  });
});
