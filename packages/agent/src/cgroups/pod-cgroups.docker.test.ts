// On a real engine: that an agent knows whether it shares the engine's cgroups, and what it makes and removes where it does.
import { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { RuntimeError } from '../runtime/errors.js';
import { STAY, TestNode, whyNoEngine } from '../runtime/testing/real-engine.js';
import type { EngineInfo } from '../runtime/types.js';
import { removeNodeCgroups } from './clean-up.js';
import { type CgroupLayout, containerFolder, layoutOf, nodeCgroup, podCgroup, podFolderName, qosCgroup, topCgroup } from './layout.js';
import { cgroupMakers } from './makers.js';
import { PodCgroups, type PodCgroupsOptions } from './pod-cgroups.js';

vi.setConfig({ hookTimeout: 60_000, testTimeout: 60_000 });
const noEngine = await whyNoEngine();
const UID = 'a1b2c3d4-0000-4000-8000-000000000000';
const limits = { cpuShares: 1024, cpuQuotaMicros: undefined, memoryBytes: 2 ** 30, pids: undefined };

describe.skipIf(noEngine !== undefined)('PodCgroups', () => {
  const node = new TestNode();
  let info: EngineInfo;
  let layout: CgroupLayout;
  const log = pino({ level: 'silent' });
  const cgroups = (more: Partial<PodCgroupsOptions> = {}): PodCgroups =>
    new PodCgroups({ nodeName: node.name, runtime: node.runtime, log, ofNode: () => limits, pidsLimit: 77, ...more });
  const pod = (resources: object, uid = UID): Pod =>
    Pod.fromJSON({ metadata: { uid, name: 'p', namespace: 'd' }, spec: { containers: [{ name: 'c', image: 'i', resources }] } });
  const effort = pod({});

  beforeAll(async () => {
    await node.open();
    info = await node.runtime.info();
    const found = layoutOf(info, node.name);
    if (found === undefined) throw new Error('an engine without cgroups');
    layout = found;
  });
  afterAll(async () => {
    await node.close();
    await removeNodeCgroups(info, node.name);
  });
  const settled = async (one: PodCgroups, engine = info): Promise<PodCgroups['state']> => {
    one.engineUp(engine);
    await one.parentOf(effort);
    return one.state;
  };
  const why = async (one: PodCgroups, engine = info): Promise<string> => {
    const state = await settled(one, engine);
    expect(await one.parentOf(effort)).toBeUndefined();
    await one.prepare(effort); // nothing, and no error
    await one.remove(UID);
    expect(one.memory()).toBeUndefined();
    return state.kind === 'off' ? state.why : state.kind;
  };

  it('says why there are none', async () => {
    expect(await why(cgroups(), { ...info, cgroupDriver: 'none' })).toBe(
      `the engine's cgroup driver is "none", version "${info.cgroupVersion}"`,
    );
    // Nobody runs it here who would answer, or it makes no slices for this engine.
    if (info.cgroupDriver !== 'systemd') expect(await why(cgroups(), { ...info, cgroupDriver: 'systemd' })).not.toBe('on');
    const refuses = async (): Promise<void> => Promise.reject(new RuntimeError('start-failed', 'no such parent'));
    const elsewhere = async (name: string, _: string, look: (id: string) => Promise<void>): Promise<void> =>
      node.runtime.tryCgroupParent(name, topCgroup(layout).parent, look);
    expect(await why(cgroups({ runtime: { tryCgroupParent: refuses } }))).toContain('no such parent');
    // As where the engine has another tree of cgroups: the container is not where the agent looks.
    expect(await why(cgroups({ runtime: { tryCgroupParent: elsewhere } }))).toContain('does not share the cgroups of its engine');
  });

  it('asks again when the engine was gone in between', async () => {
    let calls = 0;
    const gone: PodCgroupsOptions['runtime']['tryCgroupParent'] = async (...args) => {
      if (++calls === 1) throw new RuntimeError('unreachable', 'gone');
      await node.runtime.tryCgroupParent(...args);
    };
    const one = cgroups({ runtime: { tryCgroupParent: gone } });
    const changes: string[] = [];
    one.onChange(() => changes.push(one.state.kind));
    one.engineUp(info);
    await expect(one.parentOf(effort)).rejects.toMatchObject({ code: 'unreachable' });
    expect(one.state.kind).toBe('unknown');
    expect(await one.parentOf(effort)).toBe(podCgroup(layout, 'BestEffort', UID).parent);
    expect(changes).toEqual(['on']);
  });

  it('makes one with its limits, takes it up after a restart, and removes it with what is left in it', async () => {
    const one = cgroups();
    const state = await settled(one);
    if (state.kind !== 'on') throw new Error(JSON.stringify(state));
    const { tree } = state;
    expect(one.memory()).toMatchObject({ limitBytes: 2 ** 30 });
    const burstable = pod({ requests: { cpu: '500m' } });
    const parent = (await one.parentOf(burstable)) ?? '';
    const { folder } = podCgroup(layout, 'Burstable', UID);
    const ofClass = qosCgroup(layout, 'Burstable').folder;
    await one.prepare(burstable);
    await one.prepare(burstable);
    expect(await tree.read('pids', folder, 'pids.max')).toBe('77');
    const cpu = layout.version === 1 ? 'cpu.shares' : 'cpu.weight';
    const shares = (folder: string): Promise<string | undefined> => tree.read('cpu', folder, cpu);
    expect(await shares(folder)).toBe(layout.version === 1 ? '512' : '20');
    expect(await shares(ofClass)).toBe(layout.version === 1 ? '512' : '20');

    const { pause, app } = await node.pod('cg', STAY, { pause: { cgroupParent: parent }, app: { cgroupParent: parent } });
    const own = podCgroup(layout, 'Burstable', UID);
    for (const id of [pause, app]) expect(await tree.populated(containerFolder(layout, own, id))).toBe(true);
    expect(one.memory()?.usedBytes).toBeGreaterThan(0);

    // The next agent: knows shares from what is there; sweeps nothing in which somebody runs.
    const next = cgroups();
    await settled(next);
    await next.sweep(() => []);
    expect(await tree.populated(containerFolder(layout, own, app))).toBe(true);
    const other = pod({ requests: { cpu: '250m' } }, UID.replace('a1', 'b2'));
    await next.prepare(other);
    expect(await shares(ofClass)).toBe(layout.version === 1 ? '768' : '30');
    await next.sweep(() => [UID]);
    expect(await tree.children(ofClass)).toEqual([podFolderName(layout, 'Burstable', UID)]);
    expect(await shares(ofClass)).toBe(layout.version === 1 ? '512' : '20');

    // A process of the pod that no container knows of: it is killed, and the cgroup goes as soon as it has ended.
    await vi.waitFor(() => next.remove(UID), { timeout: 20_000, interval: 100 });
    expect(await tree.children(ofClass)).toEqual([]);
    expect(await node.ended(app)).toBe(137);
    await node.runtime.remove(app);
    await node.runtime.remove(pause);
    expect(await shares(ofClass)).toBe(layout.version === 1 ? '2' : '1');
  });

  it('lets nothing but a name get into a path', async () => {
    const one = cgroups();
    await settled(one);
    expect(await one.parentOf(pod({}, '../../x/..'))).toBe(podCgroup(layout, 'BestEffort', 'x').parent);
  });

  it('removes all of a node', async () => {
    const { tree } = cgroupMakers(layout);
    const { folder } = nodeCgroup(layout);
    expect(await tree.exists(folder)).toBe(true);
    const one = cgroups();
    await settled(one);
    await one.prepare(effort);
    await removeNodeCgroups(info, node.name);
    await removeNodeCgroups(info, node.name);
    expect(await tree.exists(folder)).toBe(false);
  });
});
