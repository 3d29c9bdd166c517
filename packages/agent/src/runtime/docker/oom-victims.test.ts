import { expect, it } from 'vitest';
import { oomVerdict } from './oom-victims.js';

const A = 'a'.repeat(64);
const B = 'b'.repeat(64);
const record = (seconds: number, text: string): string => `6,${seconds},${seconds * 1e6},-;${text}\n`;
const oom = (seconds: number, id: string): string =>
  record(
    seconds,
    `oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=${B},mems_allowed=0,oom_memcg=/podplane/n1/podu,task_memcg=/podplane/n1/podu/${id},task=node,pid=11,uid=0`,
  );

it('whom the kernel named was killed, others of the same pod were spared', () => {
  const log = [record(10, 'boot'), oom(100, A), record(101, 'more')];
  expect(oomVerdict(A, 1000, log, 102)).toBe('killed');
  // It stands in the same line: as the cpuset, not as who was killed.
  expect(oomVerdict(B, 1000, log, 102)).toBe('spared');
});

const killed = (seconds: number, pid: number): string =>
  record(seconds, `Memory cgroup out of memory: Killed process ${pid} (node) total-vm:1kB, anon-rss:1kB, UID:0`);

it('a kill of which it is not said whose it was proves nothing', () => {
  expect(oomVerdict(B, 1000, [record(10, 'boot'), oom(100, A), killed(100, 11)], 102)).toBe('spared');
  const log = [record(10, 'boot'), oom(100, A), killed(100, 11), killed(101, 12)];
  expect([oomVerdict(A, 1000, log, 102), oomVerdict(B, 1000, log, 102)]).toEqual(['killed', 'unknown']);
});

it('kernels before 5.0', () => {
  const log = [
    record(10, 'boot'),
    record(100, `Task in /podplane/n1/podu/${A} killed as a result of limit of /podplane/n1/podu`),
    killed(100, 11),
  ];
  expect([oomVerdict(A, 1000, log, 102), oomVerdict(B, 1000, log, 102)]).toEqual(['killed', 'unknown']);
});

it('a scope of systemd', () => {
  expect(oomVerdict(A, 0, [oom(1, `docker-${A}.scope`)], 2)).toBe('killed');
});

it('a log that does not go back to its end proves nothing, nor does none', () => {
  const log = [record(100, 'first that is left')];
  expect(oomVerdict(A, 1000, log, 111)).toBe('unknown');
  expect(oomVerdict(A, 1000, log, 112)).toBe('spared');
  expect(oomVerdict(A, 1000, [], 112)).toBe('unknown');
  expect(oomVerdict(A, 1000, undefined, 112)).toBe('unknown');
});
