// Exec probes by runners, on a real engine: the same rights as an exec, time-outs that end the command, and the way back to the engine's exec.
import { arch } from 'node:os';
import { realSystem } from '@podplane/api/system';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { runnerProgram } from '../runtime/docker/runner-code.js';
import { runnerVolumeName } from '../runtime/docker/runner-volume.js';
import { STAY, TestNode, whyNoEngine } from '../runtime/testing/real-engine.js';
import type { ContainerSpec, Security } from '../runtime/types.js';
import { ExecRunners, type RunnerRuntime } from './exec-runners.js';
import { execProbe } from './executor.js';

const SOON = { timeout: 20_000, interval: 20 };
vi.setConfig({ hookTimeout: 60_000, testTimeout: 60_000 }); // the engine is shared with other tests
const noEngine = await whyNoEngine();

const STRICT: Security = {
  user: '1234:4321',
  groups: [77, 88],
  addCapabilities: [],
  dropCapabilities: ['ALL'],
  privileged: false,
  readOnlyRootFilesystem: true,
  noNewPrivileges: true,
  seccompUnconfined: false,
};
/** What a process may do, and where it is. */
const RIGHTS =
  'grep -E "^(Uid|Gid|Groups|Cap|NoNewPrivs|Seccomp)" /proc/self/status; cat /proc/self/cgroup; cat /proc/self/oom_score_adj; ulimit -a; ls -l /proc/self/ns | sed "s/.*-> //"; pwd; env | grep -v ^_ | sort';

describe.skipIf(noEngine !== undefined)('exec probes by runners', () => {
  const node = new TestNode();
  const { timers } = realSystem();
  let execs: string[] = [];
  const counted: RunnerRuntime = {
    exec: (id, options) => {
      execs.push(options.command[0] ?? '');
      return node.runtime.exec(id, options);
    },
    searchPath: (id) => node.runtime.searchPath(id),
  };
  let runners = new ExecRunners(counted, timers);
  const never = new AbortController().signal;
  let count = 0;
  const container = async (more: Partial<ContainerSpec> = {}): Promise<string> =>
    (await node.pod(`run${count++}`, STAY, { app: { execProbes: true, ...more } })).app;

  beforeAll(async () => {
    await node.open();
  });
  afterEach(() => {
    runners.close();
    runners = new ExecRunners(counted, timers);
    execs = [];
  });
  afterAll(() => node.close());

  it('many commands, one exec; exit codes and output of both streams', async () => {
    const id = await container();
    for (let i = 0; i < 20; i++) {
      expect(await runners.run(id, ['sh', '-c', `echo o${i}; echo e >&2; exit ${i}`], never)).toMatchObject({
        exitCode: i,
        output: `o${i}\ne\n`,
      });
    }
    expect(await runners.run(id, ['no-such-command'], never)).toEqual({ exitCode: 127, output: '' });
    expect(execs).toEqual(['/dev/.podplane/run']);
  });

  it.each<readonly [string, Partial<ContainerSpec>]>([
    ['as the image says', {}],
    ['without any right', { security: STRICT, env: [{ name: 'A', value: 'b c' }], workingDir: '/tmp' }],
    [
      'without a system call filter',
      { security: { ...STRICT, user: undefined, groups: [], seccompUnconfined: true, noNewPrivileges: false } },
    ],
    ['in the namespace of the host', { processes: 'host' }],
  ])('gives a command exactly the rights that an exec has: %s', async (_what, more) => {
    const id = await container(more);
    const byExec = await node.run(id, 'sh', '-c', RIGHTS);
    const byRunner = await runners.run(id, ['sh', '-c', RIGHTS], never);
    expect(byRunner).toEqual({ exitCode: byExec.code, output: byExec.out });
    expect(byExec.out.length).toBeGreaterThan(500);
  });

  it('a time-out ends the command with what it started, and the next one runs at once', async () => {
    const id = await container();
    const script = 'sleep 7777 & sleep 8888; true';
    const late = new AbortController();
    const running = execProbe(node.runtime, id, ['sh', '-c', script], late.signal, runners);
    const sleepers = async (): Promise<number> =>
      (await node.run(id, 'sh', '-c', 'ps | grep -cE "sleep (7777|8888)$"')).out.trim() as unknown as number;
    await expect.poll(sleepers, SOON).toBe('2');
    late.abort();
    expect(await running).toEqual({ result: 'failure', message: 'command timed out' });
    await expect.poll(sleepers, SOON).toBe('0');
    expect(await execProbe(node.runtime, id, ['true'], never, runners)).toEqual({ result: 'success', message: '' });
    expect(execs.length).toBeLessThanOrEqual(2);
    // nor does anything stay as a zombie of a first process that reaps nobody
    await expect
      .poll(async () => (await node.run(id, 'sh', '-c', 'grep -l "State:.Z" /proc/[0-9]*/status | wc -l')).out.trim(), SOON)
      .toBe('0');
  });

  it('an exec of the engine that is too late ends with what it started, too', async () => {
    const id = await container({ execProbes: false });
    const late = new AbortController();
    const running = execProbe(node.runtime, id, ['sh', '-c', 'sleep 7777 & sleep 8888; true'], late.signal);
    const sleepers = async (): Promise<string> => (await node.run(id, 'sh', '-c', 'ps | grep -cE "sleep (7777|8888)$"')).out.trim();
    await expect.poll(sleepers, SOON).toBe('2');
    late.abort();
    expect(await running).toEqual({ result: 'failure', message: 'command timed out' });
    await expect.poll(sleepers, SOON).toBe('0');
  });

  it('an exec of the engine that is given up ends with whoever left its session, also at once, and also after the command itself', async () => {
    const id = await container({ execProbes: false });
    const sleepers = async (): Promise<string> => (await node.run(id, 'sh', '-c', 'ps | grep -cE "sleep (777|888)[0-9]$"')).out.trim();
    const exec = (script: string) => node.runtime.exec(id, { command: ['sh', '-c', script], stdin: false, tty: false });
    const started = await exec('setsid sh -c "sleep 7771 & sleep 7772" & sleep 8881; true');
    await expect.poll(sleepers, SOON).toBe('3');
    started.abort();
    await expect.poll(sleepers, SOON).toBe('0');
    // The engine may not have begun it.
    for (let i = 0; i < 3; i++) (await exec('sleep 7773; true')).abort();
    await node.run(id, 'sleep', '1');
    await expect.poll(sleepers, SOON).toBe('0');
    const left = await exec('sleep 7774 & exit 0');
    await expect.poll(sleepers, SOON).toBe('1');
    left.abort();
    await expect.poll(sleepers, SOON).toBe('0');
  });

  it('two commands at once do not wait for each other', async () => {
    const id = await container();
    const slow = runners.run(id, ['sh', '-c', 'until [ -e /tmp/go ]; do sleep 0.05; done; echo slow'], never);
    expect(await runners.run(id, ['sh', '-c', 'touch /tmp/go; echo quick'], never)).toMatchObject({ output: 'quick\n' });
    expect(await slow).toMatchObject({ output: 'slow\n' });
    expect(execs).toHaveLength(2);
  });

  it.each<readonly [string, Partial<ContainerSpec>]>([
    ['made before there were runners', { execProbes: false }],
    ['with something of its own there', { mounts: [{ type: 'tmpfs', source: '', target: '/dev/.podplane', readOnly: false }] }],
  ])('a container %s is probed by the engine', async (_what, more) => {
    const id = await container(more);
    expect(await runners.run(id, ['true'], never)).toBeUndefined();
    expect(await execProbe(node.runtime, id, ['sh', '-c', 'echo no; exit 4'], never, runners)).toEqual({
      result: 'failure',
      message: 'no\n',
    });
    expect(execs).toHaveLength(1); // it is not tried again
  });

  it('a runner that is killed is replaced, and a container that kills all of them is left to the engine', async () => {
    const id = await container();
    const kill = ['sh', '-c', 'kill -9 $PPID; sleep 0.2'];
    expect(await runners.run(id, ['true'], never)).toMatchObject({ exitCode: 0 });
    await node.run(id, 'sh', '-c', 'killall -9 run');
    expect(await runners.run(id, ['true'], never)).toMatchObject({ exitCode: 0 });
    for (let i = 0; i < 5; i++) await runners.run(id, kill, never);
    expect(await runners.run(id, ['true'], never)).toBeUndefined();
    expect(execs.length).toBeLessThan(8);
    expect(await execProbe(node.runtime, id, ['true'], never, runners)).toMatchObject({ result: 'success' });
  });

  it('nothing of it stays when it is closed, and a container with it can be stopped and removed', async () => {
    const id = await container();
    await runners.run(id, ['true'], never);
    const count = async (): Promise<string> => (await node.run(id, 'sh', '-c', 'ps | grep -c "podplane/ru[n]"')).out.trim();
    expect(await count()).toBe('1');
    runners.close();
    await expect.poll(count, SOON).toBe('0');
    await runners.run(id, ['true'], never);
    await node.runtime.stop(id, 5);
    await expect(runners.run(id, ['true'], never)).rejects.toMatchObject({ code: 'conflict' });
    await node.runtime.remove(id);
  });

  it('a volume that somebody removed is made again', async () => {
    const own = new TestNode();
    await own.open();
    try {
      const first = await own.pod('a', STAY, { app: { execProbes: true } });
      await own.runtime.remove(first.app);
      const volume = runnerVolumeName(own.name, runnerProgram(arch() === 'arm64' ? 'arm64' : 'amd64'));
      expect(await own.runtime.volumePath(volume)).toBeDefined();
      await own.runtime.removeVolume(volume);
      const next = await own.pod('b', STAY, { app: { execProbes: true } });
      expect(await new ExecRunners(own.runtime, timers).run(next.app, ['true'], never)).toMatchObject({ exitCode: 0 });
    } finally {
      await own.close();
    }
    expect(await own.runtime.volumePath(runnerVolumeName(own.name, runnerProgram('amd64')))).toBeUndefined();
  });
});
