// What we ask of the engine for a specification of ours, and the names and addresses of a node's network.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ContainerSpec, PauseSpec } from '../types.js';
import { appOptions, pauseOptions } from './container-specs.js';
import type { LogLimits } from './log-limits.js';
import { sinceParameter } from './logs.js';
import { bridgeName, gatewayOf } from './network.js';

const pause: PauseSpec = { name: 'p', labels: {}, hostname: 'web-0', network: 'net', ip: '10.0.0.2', ports: [], hosts: [], sysctls: {} };
const app: ContainerSpec = {
  name: 'a',
  labels: {},
  image: 'i:1',
  pauseId: 'pid',
  command: undefined,
  args: undefined,
  env: [],
  workingDir: undefined,
  mounts: [],
  resources: {},
  tty: false,
  stdin: false,
};

describe('pauseOptions', () => {
  it('cuts host names to what Linux takes, without a dangling separator', () => {
    expect(pauseOptions({ ...pause, hostname: `${'a'.repeat(63)}-b` }).Hostname).toBe('a'.repeat(63));
    expect(pauseOptions(pause).Hostname).toBe('web-0');
  });

  it('publishes one port on several addresses', () => {
    const port = { containerPort: 53, protocol: 'udp' as const, hostPort: 5353 };
    const options = pauseOptions({
      ...pause,
      ports: [
        { ...port, hostIP: '127.0.0.1' },
        { ...port, hostIP: '127.0.0.2' },
      ],
    });
    expect(options.HostConfig?.PortBindings).toEqual({
      '53/udp': [
        { HostIp: '127.0.0.1', HostPort: '5353' },
        { HostIp: '127.0.0.2', HostPort: '5353' },
      ],
    });
    expect(options.ExposedPorts).toEqual({ '53/udp': {} });
  });
});

describe('appOptions', () => {
  it('keeps as much of the output as the kubelet, or as it is told', () => {
    const log = (...more: [LogLimits?]) => appOptions(app, undefined, ...more).HostConfig?.LogConfig;
    expect(log()).toEqual({ Type: 'json-file', Config: { 'max-size': '10485760', 'max-file': '5' } });
    expect(log({ maxBytes: 4096, maxFiles: 2 })?.Config).toEqual({ 'max-size': '4096', 'max-file': '2' });
  });

  it('leaves command and arguments to the image unless they are given', () => {
    expect(appOptions(app, undefined)).not.toHaveProperty('Entrypoint');
    expect(appOptions(app, undefined)).not.toHaveProperty('Cmd');
    expect(appOptions({ ...app, command: ['c'], args: ['a'] }, undefined)).toMatchObject({ Entrypoint: ['c'], Cmd: ['a'] });
  });

  it('turns thousandths of a CPU into shares and quota as Kubernetes does', () => {
    const host = (resources: ContainerSpec['resources']) => appOptions({ ...app, resources }, undefined).HostConfig;
    expect(host({})).toMatchObject({ CpuShares: 2 });
    expect(host({})).not.toHaveProperty('CpuQuota');
    expect(host({ cpuRequestMillis: 500 })).toMatchObject({ CpuShares: 512 });
    expect(host({ cpuRequestMillis: 0 })).toMatchObject({ CpuShares: 2 });
    expect(host({ cpuLimitMillis: 1500 })).toMatchObject({ CpuShares: 1536, CpuQuota: 150_000, CpuPeriod: 100_000 });
    expect(host({ cpuLimitMillis: 1 })).toMatchObject({ CpuQuota: 1000 });
    expect(host({ memoryLimitBytes: 1e9 })).toMatchObject({ Memory: 1e9, MemorySwap: 1e9 });
    expect(host({})).not.toHaveProperty('OomScoreAdj');
  });
});

describe('network', () => {
  it('gives every node a bridge name that Linux takes, different ones for different nodes', () => {
    const name = fc.stringMatching(/^[a-z0-9]([a-z0-9.-]{0,60}[a-z0-9])?$/);
    fc.assert(
      fc.property(name, name, (a, b) => {
        expect(bridgeName(a)).toMatch(/^[a-z0-9.-]{4,15}$/);
        if (a !== b) expect(bridgeName(a)).not.toBe(bridgeName(b));
      }),
    );
    expect(bridgeName('node-1')).toBe('pp-node-1');
  });

  it('finds the gateway, and refuses what is no network', () => {
    expect(gatewayOf('10.244.3.0/24')).toBe('10.244.3.1');
    expect(gatewayOf('255.255.255.128/25')).toBe('255.255.255.129');
    for (const bad of ['', '10.244.3.0', '10.244.3.0/31', '10.244.3.1/24', '10.244.300.0/24', 'fd00::/64', '10.0.0.0/4']) {
      expect(() => gatewayOf(bad), bad).toThrow(expect.objectContaining({ code: 'invalid' }));
    }
  });
});

describe('sinceParameter', () => {
  it('is seconds with nine digits', () => {
    expect([0, 7, 1_700_000_000_123, 999.9].map(sinceParameter)).toEqual([
      '0.000000000',
      '0.007000000',
      '1700000000.123000000',
      '0.999000000',
    ]);
  });
});
