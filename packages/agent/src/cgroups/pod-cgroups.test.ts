// What cannot be brought about on a real kernel at will. The rest is in pod-cgroups.docker.test.ts.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RuntimeError } from '../runtime/errors.js';
import type { EngineInfo } from '../runtime/types.js';
import { PodCgroups, type PodCgroupsOptions } from './pod-cgroups.js';
import { Slices } from './slices.js';
import { CgroupTree } from './tree.js';

const info = { cgroupDriver: 'cgroupfs', cgroupVersion: '1' } as EngineInfo;
const NODE = 'podplane/n1';
const ID = 'c'.repeat(64);
let root = '';
const file = (...parts: string[]): string => path.join(root, ...parts);
const pod = (uid: string, cpu: string): Pod =>
  Pod.fromJSON({ metadata: { uid }, spec: { containers: [{ name: 'c', image: 'i', resources: { requests: { cpu } } }] } });

beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), 'podplane-cgroups-'));
  for (const name of ['memory', 'cpu', 'pids']) {
    mkdirSync(file(name));
    writeFileSync(file(name, 'cgroup.procs'), '');
  }
});
afterEach(() => rmSync(root, { recursive: true }));

/** An engine that shares these folders, as the kernel would fill them. */
function engine(used: () => number): PodCgroupsOptions['runtime'] {
  return {
    tryCgroupParent: async (_, parent, look) => {
      for (const name of ['memory', 'cpu', 'pids']) {
        mkdirSync(file(name, parent, ID), { recursive: true });
        writeFileSync(file(name, parent, ID, 'cgroup.procs'), '42\n');
      }
      writeFileSync(file('memory', parent, 'memory.usage_in_bytes'), String(used()));
      writeFileSync(file('memory', parent, 'memory.stat'), 'total_inactive_file 0\n');
      await look(ID);
      for (const name of ['memory', 'cpu', 'pids']) rmSync(file(name, parent, ID), { recursive: true });
    },
  };
}

class BusyTree extends CgroupTree {
  busy = true;
  override async make(folder: string, writes: Parameters<CgroupTree['make']>[1]): Promise<void> {
    const limit = writes.findIndex(({ file }) => file === 'memory.limit_in_bytes');
    if (!this.busy || folder !== `/${NODE}`) return super.make(folder, writes);
    await super.make(folder, writes.slice(0, limit));
    throw Object.assign(new Error('EBUSY: resource busy or locked, write'), { code: 'EBUSY' });
  }
}

function cgroups(more: Partial<PodCgroupsOptions> = {}, tree = new CgroupTree(1, root)): PodCgroups {
  const limits = { cpuShares: 1024, cpuQuotaMicros: undefined, memoryBytes: 1_048_576, pids: undefined };
  const makers = { tree, slices: new Slices(1, () => Promise.reject(new Error('no systemd'))) };
  const log = pino({ level: 'silent' });
  return new PodCgroups({
    nodeName: 'n1',
    runtime: engine(() => 5),
    log,
    ofNode: () => limits,
    pidsLimit: undefined,
    makers: () => makers,
    ...more,
  });
}

describe('PodCgroups', () => {
  it('a node whose pods take more than it has for them: pressure counts at once, the limit is set when the kernel takes it', async () => {
    const tree = new BusyTree(1, root);
    const one = cgroups({ runtime: engine(() => 2_000_000) }, tree);
    one.engineUp(info);
    expect(await one.parentOf(pod('u', '1'))).toBe(`/${NODE}/burstable/podu`);
    writeFileSync(file('memory', NODE, 'memory.limit_in_bytes'), '9223372036854771712');
    expect(one.memory()).toEqual({ limitBytes: 1_048_576, usedBytes: 2_000_000 });
    await one.sweep(() => []);
    expect(readFileSync(file('memory', NODE, 'memory.limit_in_bytes'), 'latin1')).toBe('9223372036854771712');
    tree.busy = false;
    writeFileSync(file('memory', NODE, 'memory.usage_in_bytes'), '1000');
    await one.sweep(() => []);
    expect(readFileSync(file('memory', NODE, 'memory.limit_in_bytes'), 'latin1')).toBe('1048576');
  });

  it('a limit that is not kept, without such a reason: nothing is promised', async () => {
    const one = cgroups({
      ofNode: () => ({ cpuShares: 2, cpuQuotaMicros: undefined, memoryBytes: 1_048_576, pids: undefined }),
      runtime: {
        tryCgroupParent: async (name, parent, look) => {
          await engine(() => 5).tryCgroupParent(name, parent, look);
          writeFileSync(file('memory', parent, 'memory.limit_in_bytes'), '9223372036854771712');
        },
      },
    });
    one.engineUp(info);
    expect(await one.parentOf(pod('u', '1'))).toBeUndefined();
    expect(one.state).toEqual({ kind: 'off', why: 'the limit of /podplane/n1 was set to 1048576 bytes, and is none' });
  });

  it('an engine that starts no container there may have had a bad moment: it is tried again, not for ever', async () => {
    let calls = 0;
    let well = false;
    const runtime: PodCgroupsOptions['runtime'] = {
      tryCgroupParent: async (...args) => {
        calls++;
        if (!well) throw new RuntimeError('failed', 'not now');
        await engine(() => 5).tryCgroupParent(...args);
      },
    };
    const one = cgroups({ runtime });
    one.engineUp(info);
    expect(await one.parentOf(pod('u', '1'))).toBeUndefined();
    for (let i = 0; i < 10; i++) {
      await one.sweep(() => []);
      await one.parentOf(pod('u', '1'));
    }
    expect(calls).toBe(6);
    one.engineUp(info); // another engine, or the same started again
    well = true;
    expect(await one.parentOf(pod('u', '1'))).toBe(`/${NODE}/burstable/podu`);
    expect(one.state.kind).toBe('on');
  });

  it('shares of a class: whoever comes and goes at once, what stays is the sum', async () => {
    const one = cgroups();
    one.engineUp(info);
    await Promise.all(Array.from({ length: 20 }, (_, i) => one.prepare(pod(`u${i}`, '100m'))));
    expect(readFileSync(file('cpu', NODE, 'burstable', 'cpu.shares'), 'latin1')).toBe(String(20 * 102));
    // The next agent leaves them alone while it looks.
    const next = cgroups();
    next.engineUp(info);
    await next.parentOf(pod('u', '1'));
    expect(readFileSync(file('cpu', NODE, 'burstable', 'cpu.shares'), 'latin1')).toBe(String(20 * 102));
  });

  it('with systemd that does not answer there are none', async () => {
    const one = cgroups();
    one.engineUp({ ...info, cgroupDriver: 'systemd' });
    expect(await one.parentOf(pod('u', '1'))).toBeUndefined();
    expect(one.state).toEqual({ kind: 'off', why: 'this agent may not make cgroups: no systemd' });
  });
});
