import { describe, expect, it } from 'vitest';
import { type NodeStatusInput, nodeLabels, nodeStatus } from './node-status.js';
import { readHost } from './pressure.js';

const GIB = 1024 ** 3;
const disk = { totalBytes: 100 * GIB, availableBytes: 50 * GIB, inodesTotal: 100, inodesFree: 50 };
const quiet = { memoryTotalBytes: 4 * GIB, memoryAvailableBytes: GIB, disk, imageDisk: undefined, pidsUsed: 100, pidsMax: 32_768 };
const info = {
  version: '20.10.24',
  operatingSystem: 'Debian',
  kernelVersion: '6.1',
  architecture: 'x86_64',
  cpus: 2,
  memoryBytes: 4 * GIB,
  cgroupDriver: 'cgroupfs',
  cgroupVersion: '1',
  security: ['seccomp'],
};

function input(change: Partial<NodeStatusInput> = {}): NodeStatusInput {
  return {
    flags: {
      nodeName: 'n1',
      nodeIP: '192.0.2.1',
      maxPods: 110,
      cpuMillis: undefined,
      memoryBytes: undefined,
      reservedCpuMillis: 100,
      reservedMemoryBytes: 100 * 1024 ** 2,
      agentVersion: 'v0.1.0',
      machineId: 'm',
      bootId: 'b',
    },
    engine: { state: 'up', info, networkReady: true },
    fallback: { cpus: 1, memoryBytes: GIB, kernelVersion: '0', architecture: 'x64' },
    reading: quiet,
    pressures: new Set(),
    previous: undefined,
    now: 1_800_000_000_000,
    ...change,
  };
}

const conditionsOf = (change: Partial<NodeStatusInput>): Record<string, string> =>
  Object.fromEntries(nodeStatus(input(change)).conditions.map(({ type, status, reason }) => [type, `${status} ${reason}`]));

describe('nodeStatus', () => {
  it('capacity, what is left for pods, addresses and versions', () => {
    expect(nodeStatus(input())).toMatchObject({
      capacity: { cpu: '2', memory: '4194304Ki', pods: '110', 'ephemeral-storage': '104857600Ki' },
      allocatable: { cpu: '1900m', memory: '4091904Ki', pods: '110' },
      addresses: [
        { type: 'InternalIP', address: '192.0.2.1' },
        { type: 'Hostname', address: 'n1' },
      ],
      nodeInfo: { containerRuntimeVersion: 'docker://20.10.24', architecture: 'amd64', operatingSystem: 'linux', osImage: 'Debian' },
    });
    const { flags } = input();
    expect(nodeStatus(input({ flags: { ...flags, cpuMillis: 1_500, memoryBytes: GIB } })).capacity).toMatchObject({
      cpu: '1500m',
      memory: '1048576Ki',
    });
  });

  it('conditions', () => {
    expect(conditionsOf({})).toEqual({
      MemoryPressure: 'False AgentHasSufficientMemory',
      DiskPressure: 'False AgentHasNoDiskPressure',
      PIDPressure: 'False AgentHasSufficientPID',
      Ready: 'True AgentReady',
    });
    expect(conditionsOf({ engine: { state: 'up', info, networkReady: false } }).Ready).toBe('False NetworkNotReady');
    const down = nodeStatus(input({ engine: { state: 'down', info: undefined, problem: 'no socket' } }));
    expect(down.conditions.find(({ type }) => type === 'Ready')).toMatchObject({
      status: 'False',
      reason: 'ContainerEngineNotReachable',
      message: 'container engine not reachable: no socket',
    });
    expect(down.capacity).toMatchObject({ cpu: '1', memory: '1048576Ki' });
    expect(conditionsOf({ pressures: new Set(['MemoryPressure', 'DiskPressure', 'PIDPressure']) })).toMatchObject({
      MemoryPressure: 'True AgentHasInsufficientMemory',
      DiskPressure: 'True AgentHasDiskPressure',
      PIDPressure: 'True AgentHasInsufficientPID',
    });
  });

  it('times of transition stay as long as nothing changes', () => {
    const first = nodeStatus(input());
    const later = nodeStatus(input({ previous: first, now: 1_800_000_060_000 }));
    expect(later.conditions[0]).toMatchObject({ lastTransitionTime: '2027-01-15T08:00:00Z', lastHeartbeatTime: '2027-01-15T08:01:00Z' });
    const down = nodeStatus(input({ previous: later, now: 1_800_000_120_000, engine: { state: 'down', info, problem: 'x' } }));
    expect(down.conditions.find(({ type }) => type === 'Ready')?.lastTransitionTime).toBe('2027-01-15T08:02:00Z');
  });

  it('labels of the host; own ones win', () => {
    expect(nodeLabels('n1', 'aarch64', { zone: 'a', 'kubernetes.io/arch': 'x' })).toEqual({
      'kubernetes.io/hostname': 'n1',
      'kubernetes.io/os': 'linux',
      'kubernetes.io/arch': 'x',
      zone: 'a',
    });
  });

  it('the host can be read', () => {
    const reading = readHost('/', '/');
    expect(reading.disk?.totalBytes).toBeGreaterThan(0);
    expect(reading.imageDisk).toEqual(reading.disk);
    expect(reading.memoryAvailableBytes).toBeGreaterThan(0);
    expect(reading.memoryTotalBytes).toBeGreaterThan(reading.memoryAvailableBytes ?? Number.POSITIVE_INFINITY);
    expect(readHost('/does/not/exist', undefined)).toMatchObject({ disk: undefined, imageDisk: undefined });
  });
});
