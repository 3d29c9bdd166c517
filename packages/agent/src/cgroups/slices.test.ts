import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, it } from 'vitest';
import { Slices, sliceProperties } from './slices.js';

const none = { cpuShares: 2, cpuQuotaMicros: undefined, memoryBytes: undefined, pids: undefined };
const all = { cpuShares: 512, cpuQuotaMicros: 12_345, memoryBytes: 1024, pids: 9 };

it('what systemd is told', () => {
  expect(sliceProperties(all, 1)).toEqual(['CPUShares=512', 'CPUQuota=12.35%', 'MemoryLimit=1024', 'TasksMax=9']);
  expect(sliceProperties(all, 2)).toEqual(['CPUWeight=20', 'CPUQuota=12.35%', 'MemoryMax=1024', 'TasksMax=9']);
  expect(sliceProperties(none, 2)).toEqual(['CPUWeight=1', 'CPUQuota=', 'MemoryMax=infinity', 'TasksMax=infinity']);
});

it('makes a slice and ends it, with what was said of it', async () => {
  const said = mkdtempSync(path.join(tmpdir(), 'podplane-slices-'));
  try {
    const calls: string[] = [];
    const slices = new Slices(2, (...args) => Promise.resolve(calls.push(args.join(' '))), said);
    const name = { parent: 'podplane-n1-podu.slice', folder: '/podplane.slice/podplane-n1.slice/podplane-n1-podu.slice' };
    await slices.make(name, none);
    mkdirSync(path.join(said, 'podplane-n1-podu.slice.d'));
    await slices.remove(name);
    expect(calls).toEqual([
      'start podplane-n1-podu.slice',
      'set-property --runtime podplane-n1-podu.slice CPUWeight=1 CPUQuota= MemoryMax=infinity TasksMax=infinity',
      'stop podplane-n1-podu.slice',
    ]);
    expect(existsSync(path.join(said, 'podplane-n1-podu.slice.d'))).toBe(false);
  } finally {
    rmSync(said, { recursive: true });
  }
});
