// On folders that look like the kernel's. The kernel itself is in pod-cgroups.docker.test.ts and test/e2e/pod-cgroups.test.ts.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { limitWrites } from './limits.js';
import { CgroupTree } from './tree.js';

let root = '';
const file = (...parts: string[]): string => path.join(root, ...parts);
const limits = { cpuShares: 512, cpuQuotaMicros: 50_000, memoryBytes: 1024, pids: 9 };

beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), 'podplane-cgroup-'));
});
afterEach(() => rmSync(root, { recursive: true }));

/** As the kernel shows it where cpu and cpuacct are one hierarchy. */
function one(): void {
  for (const name of ['memory', 'cpu,cpuacct', 'pids', 'freezer']) {
    mkdirSync(file(name));
    writeFileSync(file(name, 'cgroup.procs'), '1\n');
  }
  symlinkSync('cpu,cpuacct', file('cpu'));
}

function two(controllers = 'cpuset cpu io memory pids'): void {
  writeFileSync(file('cgroup.controllers'), `${controllers}\n`);
  writeFileSync(file('cgroup.subtree_control'), 'memory\n');
}

describe('version 1', () => {
  it('says what is missing', async () => {
    expect(await new CgroupTree(1, root).missing()).toBe(`there is no ${root}/memory here`);
    one();
    expect(await new CgroupTree(1, root).missing()).toBeUndefined();
  });

  it('makes a cgroup where there are limits, twice the same, and removes it everywhere', async () => {
    one();
    const tree = new CgroupTree(1, root);
    for (const _ of [1, 2]) await tree.make('/podplane/n1/podu', limitWrites(limits, 1));
    const read = (...parts: string[]): string => readFileSync(file(...parts), 'latin1');
    expect(read('cpu,cpuacct', 'podplane/n1/podu/cpu.shares')).toBe('512');
    expect(read('memory', 'podplane/n1/podu/memory.limit_in_bytes')).toBe('1024');
    expect(read('pids', 'podplane/n1/podu/pids.max')).toBe('9');
    expect(existsSync(file('freezer/podplane'))).toBe(false);
    expect(await tree.children('/podplane/n1')).toEqual(['podu']);
    expect(await tree.children('/podplane/n2')).toEqual([]);
    expect(await tree.read('pids', '/podplane/n1/podu', 'pids.max')).toBe('9');

    // What the engine has made; a real cgroup's files go with it.
    mkdirSync(file('freezer/podplane/n1/podu/c0ffee'), { recursive: true });
    for (const name of [
      'cpu,cpuacct/podplane/n1/podu/cpu.shares',
      'cpu,cpuacct/podplane/n1/podu/cpu.cfs_period_us',
      'cpu,cpuacct/podplane/n1/podu/cpu.cfs_quota_us',
    ])
      rmSync(file(name));
    rmSync(file('memory/podplane/n1/podu/memory.limit_in_bytes'));
    rmSync(file('pids/podplane/n1/podu/pids.max'));
    await tree.remove('/podplane/n1/podu', true);
    for (const name of ['memory', 'cpu', 'pids', 'freezer']) expect(existsSync(file(name, 'podplane/n1/podu'))).toBe(false);
    await tree.remove('/podplane/n1/podu', true); // not there: no error
    await tree.removeEmpty('/podplane');
    expect(existsSync(file('memory/podplane'))).toBe(true);
  });

  it('kills what is left, where it shall, and says that it is not gone yet', async () => {
    one();
    const killed: number[] = [];
    const tree = new CgroupTree(1, root, (pid) => killed.push(pid));
    mkdirSync(file('memory/p/c'), { recursive: true });
    writeFileSync(file('memory/p/c/cgroup.procs'), `0\n4711\n${process.pid}\n`);
    await expect(tree.remove('/p', false)).rejects.toThrow();
    expect(killed).toEqual([]);
    await expect(tree.remove('/p', true)).rejects.toThrow();
    expect(killed).toEqual([4711]);
  });

  it('tells limits on kernels that do not by themselves that they hold for what is below', async () => {
    one();
    mkdirSync(file('memory/podplane'));
    writeFileSync(file('memory/podplane/memory.use_hierarchy'), '0\n');
    await new CgroupTree(1, root).make('/podplane/n1', []);
    expect(readFileSync(file('memory/podplane/memory.use_hierarchy'), 'latin1')).toBe('1');
  });

  it('reads memory, without files that were not touched lately', () => {
    one();
    const tree = new CgroupTree(1, root);
    expect(tree.memory('/p')).toBeUndefined();
    mkdirSync(file('memory/p'));
    writeFileSync(file('memory/p/memory.limit_in_bytes'), '1000\n');
    writeFileSync(file('memory/p/memory.usage_in_bytes'), '600\n');
    writeFileSync(file('memory/p/memory.stat'), 'inactive_file 1\ntotal_inactive_file 200\n');
    expect(tree.memory('/p')).toEqual({ limitBytes: 1000, usedBytes: 400 });
    writeFileSync(file('memory/p/memory.limit_in_bytes'), '9223372036854771712\n');
    expect(tree.memory('/p')).toEqual({ limitBytes: undefined, usedBytes: 400 });
  });

  it('populated: only where it is in every hierarchy with limits', async () => {
    one();
    const tree = new CgroupTree(1, root);
    for (const name of ['memory', 'cpu', 'pids']) {
      expect(await tree.populated('/c')).toBe(false);
      mkdirSync(file(name, 'c'));
      writeFileSync(file(name, 'c/cgroup.procs'), '42\n');
    }
    expect(await tree.populated('/c')).toBe(true);
    writeFileSync(file('pids/c/cgroup.procs'), '');
    expect(await tree.populated('/c')).toBe(false);
  });
});

describe('version 2', () => {
  it('says what is missing', async () => {
    expect(await new CgroupTree(2, root).missing()).toContain('cgroup.controllers does not name memory');
    two('cpu memory');
    expect(await new CgroupTree(2, root).missing()).toContain('does not name pids');
    two();
    expect(await new CgroupTree(2, root).missing()).toBeUndefined();
  });

  it('gives controllers to what is below, where they are not given yet', async () => {
    two();
    const tree = new CgroupTree(2, root);
    mkdirSync(file('podplane'));
    writeFileSync(file('podplane/cgroup.subtree_control'), 'cpu memory pids\n');
    await tree.make('/podplane/n1', limitWrites(limits, 2));
    expect(readFileSync(file('cgroup.subtree_control'), 'latin1')).toBe('+cpu +pids');
    expect(readFileSync(file('podplane/cgroup.subtree_control'), 'latin1')).toBe('cpu memory pids\n');
    const written = ['cpu.weight', 'cpu.max', 'memory.max', 'pids.max'].map((name) => readFileSync(file('podplane/n1', name), 'latin1'));
    expect(written).toEqual(['20', '50000 100000', '1024', '9']);
  });

  it('reads memory', () => {
    two();
    const tree = new CgroupTree(2, root);
    mkdirSync(file('p'));
    writeFileSync(file('p/memory.max'), '1000\n');
    writeFileSync(file('p/memory.current'), '600\n');
    writeFileSync(file('p/memory.stat'), 'anon 5\ninactive_file 200\n');
    expect(tree.memory('/p')).toEqual({ limitBytes: 1000, usedBytes: 400 });
    writeFileSync(file('p/memory.max'), 'max\n');
    expect(tree.memory('/p')).toEqual({ limitBytes: undefined, usedBytes: 400 });
  });
});
