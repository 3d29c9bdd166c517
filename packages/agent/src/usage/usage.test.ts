// What the kernel's files say of control groups and the machine.
import { expect, it } from 'vitest';
import { cgroupUsage, machineUsage } from './cgroup-files.js';

const reader =
  (files: Readonly<Record<string, string>>) =>
  (path: string): string => {
    const text = files[path];
    if (text === undefined) throw new Error(`no ${path}`);
    return text;
  };

it('reads control groups of version 1 and 2, and takes off what can be dropped', () => {
  const one = reader({
    '/proc/7/cgroup': '5:memory:/docker/a\n3:cpu,cpuacct:/docker/a\n0::/docker/a\n',
    '/sys/fs/cgroup/cpuacct/docker/a/cpuacct.usage': '123456789\n',
    '/sys/fs/cgroup/memory/docker/a/memory.usage_in_bytes': '5000000\n',
    '/sys/fs/cgroup/memory/docker/a/memory.stat': 'inactive_file 7\ntotal_inactive_file 1000000\n',
  });
  expect(cgroupUsage(7, one)).toEqual({ cpuNanos: 123456789, memoryBytes: 4000000 });
  const two = reader({
    '/proc/7/cgroup': '0::/kubepods/pod1/b\n',
    '/sys/fs/cgroup/kubepods/pod1/b/cpu.stat': 'usage_usec 250\nuser_usec 1\n',
    '/sys/fs/cgroup/kubepods/pod1/b/memory.current': '100\n',
    '/sys/fs/cgroup/kubepods/pod1/b/memory.stat': 'anon 1\ninactive_file 400\n',
  });
  expect(cgroupUsage(7, two)).toEqual({ cpuNanos: 250_000, memoryBytes: 0 });
  expect(cgroupUsage(8, two)).toBeUndefined();
  expect(cgroupUsage(0, two)).toBeUndefined();
});

it('reads the machine', () => {
  const files = reader({
    '/proc/stat': 'cpu  10 20 30 4000 500 6 7 8 0 0\ncpu0 1 2 3\n',
    '/proc/meminfo': 'MemTotal:  1000 kB\nMemFree:  300 kB\nInactive(file):  200 kB\n',
  });
  expect(machineUsage(files)).toEqual({ cpuNanos: 81 * 10_000_000, memoryBytes: 500 * 1024 });
});
