import { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import { describe, expect, it } from 'vitest';
import { parseThresholds } from '../node/thresholds.js';
import { cpuShares, cpuWeight, leastFreeBytes, limitWrites, nodeLimits, podLimits } from './limits.js';

const MIB = 1024 ** 2;

interface Amounts {
  readonly cpu?: string;
  readonly memory?: string;
}
const one = (limits: Amounts, requests: Amounts = {}, more: object = {}): object => ({
  name: 'c',
  image: 'i',
  resources: { limits, requests },
  ...more,
});
const sidecar = { restartPolicy: 'Always' };
const limitsOf = (containers: object[], initContainers: object[] = [], more: object = {}): object =>
  podLimits(Pod.fromJSON({ metadata: { uid: 'u' }, spec: { containers, initContainers, ...more } }), undefined);

const full = (cpu: string, memory: string): object => one({ cpu, memory });

describe('podLimits', () => {
  it.each<[string, object, object]>([
    ['nothing said', limitsOf([one({}), one({})]), { cpuShares: 2, cpuQuotaMicros: undefined, memoryBytes: undefined }],
    [
      'Guaranteed: the sum',
      limitsOf([full('200m', '64Mi'), full('100m', '32Mi')]),
      { cpuShares: 307, cpuQuotaMicros: 30_000, memoryBytes: 96 * MIB },
    ],
    [
      'one without a limit may take what it likes',
      limitsOf([full('200m', '64Mi'), one({ memory: '32Mi' }, { cpu: '100m' })]),
      { cpuShares: 307, cpuQuotaMicros: undefined, memoryBytes: 96 * MIB },
    ],
    [
      'requests alone',
      limitsOf([one({}, { cpu: '250m', memory: '1Gi' }), one({})]),
      { cpuShares: 256, cpuQuotaMicros: undefined, memoryBytes: undefined },
    ],
    [
      'a request that is less than the limit',
      limitsOf([one({ cpu: '1', memory: '64Mi' }, { cpu: '100m' })]),
      { cpuShares: 102, cpuQuotaMicros: 100_000, memoryBytes: 64 * MIB },
    ],
    [
      'an init container that takes more than the others together',
      limitsOf([full('100m', '32Mi'), full('100m', '32Mi')], [full('1', '128Mi'), full('10m', '16Mi')]),
      { cpuShares: 1024, cpuQuotaMicros: 100_000, memoryBytes: 128 * MIB },
    ],
    [
      'an init container without limits',
      limitsOf([full('100m', '32Mi')], [one({})]),
      { cpuShares: 102, cpuQuotaMicros: undefined, memoryBytes: undefined },
    ],
    [
      'sidecars stay: they add to main containers, and to init containers after them',
      limitsOf(
        [full('100m', '32Mi')],
        [one({ cpu: '50m', memory: '64Mi' }, {}, sidecar), full('200m', '96Mi'), one({ cpu: '50m', memory: '16Mi' }, {}, sidecar)],
      ),
      { cpuShares: 256, cpuQuotaMicros: 25_000, memoryBytes: 160 * MIB },
    ],
    [
      'less than the kernel takes, and a sandbox',
      limitsOf([full('1m', '4Mi')]),
      { cpuShares: 2, cpuQuotaMicros: 1000, memoryBytes: 16 * MIB },
    ],
    [
      'ephemeral containers have no say',
      limitsOf([full('100m', '32Mi')], [], { ephemeralContainers: [{ name: 'e', image: 'i' }] }),
      { cpuShares: 102, cpuQuotaMicros: 10_000, memoryBytes: 32 * MIB },
    ],
  ])('%s', (_, found, expected) => {
    expect(found).toEqual({ ...expected, pids: undefined });
  });

  it('processes: as many as the node lets each pod have', () => {
    expect(podLimits(Pod.fromJSON({ spec: { containers: [one({})] } }), 100).pids).toBe(100);
  });

  it('shares have bounds', () => {
    expect([cpuShares(0), cpuShares(1), cpuShares(3), cpuShares(1e6)]).toEqual([2, 2, 3, 262_144]);
  });
});

describe('nodeLimits', () => {
  const node = { cpuMillis: 2000, memoryBytes: 1000 * MIB, reservedCpuMillis: 500, reservedMemoryBytes: 300 * MIB };
  it.each([
    ['memory.available<100Mi', 800],
    ['memory.available<20%', 900],
    ['memory.available<400Mi', 1000], // no more than there is
    ['', 700],
    ['pid.available<5%', 700],
  ])('what is allocatable, and on top what shall stay free: %s', (thresholds, mib) => {
    expect(nodeLimits(node, parseThresholds(thresholds))).toEqual({
      cpuShares: 1536,
      cpuQuotaMicros: undefined,
      memoryBytes: mib * MIB,
      pids: undefined,
    });
  });

  it('what shall stay free', () => {
    expect(leastFreeBytes(parseThresholds('memory.available<10%'), 1000)).toBe(100);
    expect(leastFreeBytes([], 1000)).toBe(0);
  });
});

describe('limitWrites', () => {
  const text = (...args: Parameters<typeof limitWrites>): readonly string[] =>
    limitWrites(...args).map(({ controller, file, value }) => `${controller} ${file} ${value}`);
  const limits = { cpuShares: 512, cpuQuotaMicros: 50_000, memoryBytes: MIB, pids: 9 };
  const none = { cpuShares: 2, cpuQuotaMicros: undefined, memoryBytes: undefined, pids: undefined };

  it('version 1', () => {
    expect(text(limits, 1)).toEqual([
      'cpu cpu.shares 512',
      'cpu cpu.cfs_period_us 100000',
      'cpu cpu.cfs_quota_us 50000',
      'memory memory.limit_in_bytes 1048576',
      'pids pids.max 9',
    ]);
    expect(text(none, 1).slice(2)).toEqual(['cpu cpu.cfs_quota_us -1', 'memory memory.limit_in_bytes -1', 'pids pids.max max']);
  });

  it('version 2', () => {
    expect(text(limits, 2)).toEqual(['cpu cpu.weight 20', 'cpu cpu.max 50000 100000', 'memory memory.max 1048576', 'pids pids.max 9']);
    expect(text(none, 2)).toEqual(['cpu cpu.weight 1', 'cpu cpu.max max 100000', 'memory memory.max max', 'pids pids.max max']);
    expect([cpuWeight(1024), cpuWeight(262_144)]).toEqual([39, 10_000]);
  });
});
