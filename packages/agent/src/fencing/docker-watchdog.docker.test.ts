// The watchdog on a real engine: that it kills what it shall kill in time and by itself, that there is one, and that it comes back.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suspendCountingClock } from '@podplane/api/system';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { DockerRuntime } from '../runtime/docker/docker-runtime.js';
import { Engine } from '../runtime/docker/engine.js';
import { WATCHDOG_IMAGE } from '../runtime/docker/watchdog-container.js';
import { STAY, system, TestNode, whyNoEngine } from '../runtime/testing/real-engine.js';
import { LABEL_NODE } from '../runtime/types.js';
import { memoryFolder } from '../volumes/roots.js';
import { DockerWatchdog } from './docker-watchdog.js';

vi.setConfig({ hookTimeout: 60_000, testTimeout: 60_000 }); // the engine is shared with other tests
const noEngine = await whyNoEngine();
const now = suspendCountingClock();

describe.skipIf(noEngine !== undefined)('DockerWatchdog', () => {
  const node = new TestNode();
  const { runtime } = node;
  let dataDir: string;
  let watchdog: DockerWatchdog;

  beforeAll(async () => {
    await node.open();
    dataDir = mkdtempSync(join(tmpdir(), 'podplane-watchdog-'));
    watchdog = new DockerWatchdog({ nodeName: node.name, dataDir, runtime });
  });
  afterAll(async () => {
    await node.close();
    rmSync(dataDir, { recursive: true, force: true });
    const memory = memoryFolder(dataDir);
    if (memory !== undefined) rmSync(memory, { recursive: true, force: true });
  });

  const watchdogs = async () => (await runtime.listContainers(node.name)).filter(({ name }) => name === `podplane-watchdog-${node.name}`);

  it('kills the containers that it was told of, also those with the host’s processes, when the lease is over and not before', async () => {
    // Ends on no signal but the last one.
    const stubborn = 'trap "" TERM; while :; do sleep 100000 & wait; done';
    const [one, two, other] = [
      await node.pod('one', stubborn),
      await node.pod('two', stubborn, { app: { processes: 'host' } }),
      await node.pod('other', STAY),
    ];
    await watchdog.ensure();
    const until = now() + 2500;
    const wall = Date.now() + 2500;
    watchdog.tell({ until, containerIds: [one.app, two.app] });
    for (const { app } of [one, two]) {
      expect(await node.ended(app)).toBe(137);
      const finishedAt = (await runtime.inspect(app))?.finishedAt ?? 0;
      expect(finishedAt).toBeGreaterThan(wall - 50); // two clocks
      process.stdout.write(`killed ${finishedAt - wall} ms after the end that the watchdog was told\n`);
    }
    // Nothing of them is left on the host, not even what the one with the host's processes had started.
    expect(leftovers([one.app, two.app])).toEqual([]);
    expect((await runtime.inspect(other.app))?.state).toBe('running');
    // Who starts one by hand, without a lease, does not have it for long.
    const outcome = await runtime.start(one.app).then(
      () => node.ended(one.app),
      (error: unknown) => error, // it did not even get as far as to its program
    );
    if (outcome !== 137) expect(outcome).toMatchObject({ code: 'start-failed' });
    expect(leftovers([one.app])).toEqual([]);
    expect((await runtime.inspect(one.pause))?.state).toBe('running');
  });

  it('is one, found again by the next agent, made anew when it was removed, back when it was killed', async () => {
    await watchdog.ensure();
    const [first] = await watchdogs();
    const next = new DockerWatchdog({ nodeName: node.name, dataDir, runtime });
    expect(next.last()).toEqual(watchdog.last());
    await Promise.all([next.ensure(), watchdog.ensure()]);
    expect((await watchdogs()).map(({ id }) => id)).toEqual([first?.id]);
    expect(next.is(first?.id ?? '')).toBe(true);

    process.kill(first?.pid ?? 0, 'SIGKILL');
    await vi.waitFor(async () => expect((await watchdogs())[0]).toMatchObject({ id: first?.id, state: 'running' }), { timeout: 20_000 });
    await runtime.kill(first?.id ?? '', 'SIGKILL');
    await watchdog.ensure();
    expect(await watchdogs()).toMatchObject([{ state: 'running' }]);
    for (const { id } of await watchdogs()) await runtime.remove(id);
    await watchdog.ensure();
    const [again] = await watchdogs();
    expect(again).toMatchObject({ state: 'running', labels: { [LABEL_NODE]: node.name } });
    const memory = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${again?.pid}/status`, 'utf8'))?.[1];
    process.stdout.write(`resident memory of the watchdog: ${memory} kB\n`);
    expect(Number(memory)).toBeLessThan(200);
  });

  it('is never missing while another one takes its place, and none is left that nobody tells anything', async () => {
    await watchdog.ensure();
    const [first] = await watchdogs();
    const before = async () =>
      (await runtime.listContainers(node.name)).filter(({ name }) => name === `podplane-watchdog-${node.name}-before`);
    // Another folder, as of a later version of the agent.
    const folder = mkdtempSync(join(dataDir, 'other-'));
    const id = await runtime.ensureWatchdog(node.name, folder);
    expect(id).not.toBe(first?.id);
    expect((await watchdogs()).map((one) => [one.id, one.state])).toEqual([[id, 'running']]);
    expect(await before()).toEqual([]);
    // Agents that were killed in the middle leave the one before alone, or both.
    const engine = new Engine(system);
    const query = { name: `podplane-watchdog-${node.name}-before` };
    await engine.call('rename', { method: 'POST', path: `/containers/${id}/rename`, query });
    expect((await before()).map(({ state }) => state)).toEqual(['running']);
    const last = await new DockerRuntime(system).ensureWatchdog(node.name, folder);
    expect((await watchdogs()).map((one) => [one.id, one.state])).toEqual([[last, 'running']]);
    expect(await before()).toEqual([]);
    const body = { Image: WATCHDOG_IMAGE, Labels: { [LABEL_NODE]: node.name } };
    await engine.call('create', { method: 'POST', path: '/containers/create', query, body });
    expect(await before()).toHaveLength(1);
    expect(await new DockerRuntime(system).ensureWatchdog(node.name, folder)).toBe(last);
    expect(await before()).toEqual([]);
  });

  it('says so where the engine does not see the files', async () => {
    const blind = new DockerWatchdog({
      nodeName: node.name,
      dataDir,
      runtime: { ensureWatchdog: () => Promise.reject(new Error('not reached')), seesPath: () => Promise.resolve(false) },
    });
    await expect(blind.ensure()).rejects.toThrow(/does not see the agent's files in/);
  });

  it('reads nothing from a file that is no lease', async () => {
    const place = join(memoryFolder(dataDir) ?? dataDir, '.fence', 'lease');
    if (existsSync(place)) writeFileSync(place, 'rubbish');
    expect(new DockerWatchdog({ nodeName: node.name, dataDir, runtime }).last()).toBeUndefined();
  });
});

/** Processes of this machine that are in the cgroup of one of the containers. */
function leftovers(ids: readonly string[]): readonly string[] {
  return readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && ids.some((id) => cgroupOf(pid).includes(id)));
}

function cgroupOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cgroup`, 'utf8');
  } catch {
    return ''; // ended
  }
}
