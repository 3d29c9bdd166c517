import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PersistentVolume } from '@podplane/api/gen/podplane/core/v1/persistent_volume';
import { Pod, PodStatus } from '@podplane/api/gen/podplane/core/v1/pod';
import { Secret } from '@podplane/api/gen/podplane/core/v1/secret';
import { realSystem } from '@podplane/api/system';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLog } from '../log.js';
import { FRESH_POD, withContainer } from '../pods/pod-memory.js';
import { type AgentState, decodeState, encodeState } from './records.js';
import { fileStateStore, StateWriter } from './state-store.js';

const now = { wall: 1_800_000_000_000, monotonic: 5_000_000 };

function stateOf(): AgentState {
  const memory = withContainer({ ...FRESH_POD, phase: 'terminating', deadline: now.monotonic + 7_000, ip: '10.0.0.2' }, 'a', {
    started: 3,
    backOff: { delayMs: 40_000, updatedAt: now.monotonic - 30_000 },
    exit: { containerId: 'x', at: now.monotonic - 1_000 },
    lastRun: { attempt: 3, containerId: 'x', exitCode: 7, reason: 'Error', message: '', startedAt: 1, finishedAt: 2 },
  });
  const probe = { verdict: 'success', streak: 1, last: 'success', succeeded: true } as const;
  return {
    nodeName: 'n1',
    term: 7,
    epoch: 70,
    podCIDR: '10.0.0.0/24',
    clusterCIDR: '10.0.0.0/16',
    clusterId: 'c',
    pods: [Pod.fromJSON({ metadata: { name: 'p', uid: 'u' }, spec: { containers: [{ name: 'a' }] } })],
    configMaps: [],
    secrets: [Secret.fromJSON({ metadata: { name: 's' }, data: { k: 'AAEC' } })],
    claims: new Map([['d/c', PersistentVolume.fromJSON({ metadata: { name: 'v' }, spec: { local: { path: '/v' } } })]]),
    kept: new Map([
      [
        'u',
        {
          memory,
          probes: new Map([['x', { startup: undefined, readiness: probe }]]),
          status: PodStatus.fromJSON({ phase: 'Running' }),
          acceptedAt: 9,
        },
      ],
    ]),
    terminated: ['gone'],
    images: [{ name: 'r/i:1', id: 'sha256:a', pulledAt: 1_000, usedAt: 2_000 }],
  };
}

describe('state as JSON', () => {
  it("comes back after a restart, with times in the new process' clock", () => {
    const later = { wall: now.wall + 2_000, monotonic: 100 };
    const state = decodeState(encodeState(stateOf(), now), later);
    const memory = state?.kept.get('u')?.memory;
    expect(state).toMatchObject({ nodeName: 'n1', podCIDR: '10.0.0.0/24', clusterId: 'c', terminated: ['gone'] });
    expect(state?.pods[0]?.spec?.containers[0]?.name).toBe('a');
    expect([...(state?.secrets[0]?.data.k ?? [])]).toEqual([0, 1, 2]);
    expect(memory).toMatchObject({ phase: 'terminating', ip: '10.0.0.2', deadline: 100 + 5_000 });
    expect(memory?.containers.get('a')).toMatchObject({
      started: 3,
      backOff: { delayMs: 40_000, updatedAt: 100 - 32_000 },
      exit: { containerId: 'x', at: 100 - 3_000 },
      lastRun: { exitCode: 7 },
    });
    expect(state?.kept.get('u')?.probes.get('x')?.readiness).toMatchObject({ verdict: 'success', succeeded: true });
    expect(state?.kept.get('u')?.status?.phase).toBe('Running');
  });

  it('puts nothing that has happened into the future when the clock was set back', () => {
    const memory = decodeState(encodeState(stateOf(), now), { wall: now.wall - 86_400_000, monotonic: 100 })?.kept.get('u')?.memory;
    expect(memory?.containers.get('a')?.exit?.at).toBe(100);
    expect(memory?.containers.get('a')?.backOff?.updatedAt).toBe(100);
    expect(memory?.deadline ?? 0).toBeLessThanOrEqual(100 + 3_600_000);
  });

  it('lets an eviction go on where it was, and gives no deadline to pods that have none', () => {
    const memoryOf = (change: object): unknown => {
      const state = stateOf();
      const kept = state.kept.get('u');
      if (kept === undefined) throw new Error('no such pod');
      const changed = { ...state, kept: new Map([['u', { ...kept, memory: { ...FRESH_POD, ...change } }]]) };
      return decodeState(encodeState(changed, now), { wall: now.wall + 400, monotonic: 100 })?.kept.get('u')?.memory;
    };
    const failed = { reason: 'Evicted', message: 'too much' };
    expect(memoryOf({ failed, deadline: now.monotonic + 1_000 })).toMatchObject({ phase: 'sync', failed, deadline: 700 });
    expect(memoryOf({})).toMatchObject({ phase: 'sync', failed: undefined, deadline: undefined });
  });

  it('is not misled by rubbish', () => {
    expect(decodeState('', now)).toBeUndefined();
    expect(decodeState('{"version":99}', now)).toBeUndefined();
    expect(decodeState('null', now)).toBeUndefined();
    fc.assert(
      fc.property(fc.jsonValue(), (kept) => {
        const state = decodeState(JSON.stringify({ version: 1, nodeName: 'n', pods: [], kept: { u: kept }, terminated: [1, 'x'] }), now);
        if (state !== undefined) expect(state.terminated).toEqual(['x']);
      }),
    );
    const text = encodeState(stateOf(), now);
    for (let length = 0; length < text.length; length += 7) expect(decodeState(text.slice(0, length), now)).toBeUndefined();
  });
});

describe('state file', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'podplane-state-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('is written as a whole, readable only by its owner, and the last change wins', async () => {
    const path = join(folder, 'state.json');
    const store = fileStateStore(path, silentLog);
    expect(store.load()).toBeUndefined();
    let value = 0;
    const writer = new StateWriter(realSystem(), store, () => String(value), silentLog);
    for (value = 1; value < 5; value++) writer.changed();
    value = 5;
    await writer.flush();
    expect(readFileSync(path, 'utf8')).toBe('5');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    value = 6;
    await writer.flush();
    expect(store.load()).toBe('5'); // nothing changed, nothing written
  });

  it('puts a corrupt file aside and says so', () => {
    const path = join(folder, 'state.json');
    writeFileSync(path, '{');
    const said: string[] = [];
    const store = fileStateStore(path, { ...silentLog, error: (_, message) => said.push(message) });
    store.setAside();
    expect(store.load()).toBeUndefined();
    expect(readFileSync(`${path}.corrupt`, 'utf8')).toBe('{');
    expect(said).toHaveLength(1);
  });

  it('goes on when the disk refuses, and writes when it takes it again', async () => {
    let full = true;
    const saved: string[] = [];
    const store = {
      load: () => undefined,
      save: (text: string) => {
        if (full) return Promise.reject(new Error('ENOSPC'));
        saved.push(text);
        return Promise.resolve();
      },
      setAside: () => undefined,
    };
    const said: string[] = [];
    const writer = new StateWriter(realSystem(), store, () => 'x', { ...silentLog, error: (_, message) => said.push(message) });
    writer.changed();
    await writer.flush();
    await writer.flush();
    expect([saved, said.length]).toEqual([[], 1]);
    full = false;
    await writer.flush();
    expect(saved).toEqual(['x']);
  });
});
