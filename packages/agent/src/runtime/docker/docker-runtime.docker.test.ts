// The runtime on a real engine: pods of pause and app, network, resources, ends and errors.
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { STAY, system, TestNode, whyNoEngine } from '../testing/real-engine.js';
import { type ContainerHint, LABEL_NODE, LABEL_POD_UID } from '../types.js';
import { DockerRuntime } from './docker-runtime.js';
import { PAUSE_IMAGE } from './pause-image.js';

vi.setConfig({ hookTimeout: 60_000, testTimeout: 60_000 }); // the engine is shared with other tests
const noEngine = await whyNoEngine();

describe.skipIf(noEngine !== undefined)('DockerRuntime', () => {
  const node = new TestNode();
  const { runtime } = node;
  beforeAll(async () => {
    await node.open();
  });
  afterAll(() => node.close());

  it('tells what the engine is', async () => {
    const info = await runtime.info();
    expect(info.version).toMatch(/^\d+\.\d+/);
    expect(info.cpus).toBeGreaterThan(0);
    expect(info.memoryBytes).toBeGreaterThan(1e8);
    expect(['x86_64', 'aarch64']).toContain(info.architecture);
    expect(['1', '2']).toContain(info.cgroupVersion);
  });

  it('prepares a node twice with the same result; moves an empty network, refuses to move one in use', async () => {
    const other = new TestNode();
    try {
      await other.open();
      expect(await other.runtime.prepareNode({ nodeName: other.name, podCIDR: other.podCIDR })).toEqual({
        network: `podplane-${other.name}`,
      });
      const moved = other.podCIDR.replace(
        /^10\.(\d+)/,
        (_, second: string) => `10.${Number(second) < 185 ? Number(second) + 55 : Number(second) - 55}`,
      );
      await other.runtime.prepareNode({ nodeName: other.name, podCIDR: moved });
      other.podCIDR = moved;
      const { ip } = await other.pod('a', STAY);
      expect(ip.split('.')[1]).toBe(moved.split('.')[1]);
      await expect(other.runtime.prepareNode({ nodeName: other.name, podCIDR: '10.129.0.0/24' })).rejects.toMatchObject({
        code: 'conflict',
        message: expect.stringContaining(moved),
        advice: expect.stringContaining('docker network rm'),
      });
      // Another node may not have the same addresses on this engine.
      await expect(runtime.prepareNode({ nodeName: `${other.name}-b`, podCIDR: moved })).rejects.toMatchObject({ code: 'address-in-use' });
    } finally {
      await other.close();
    }
    expect(await other.runtime.listContainers(other.name)).toEqual([]);
  });

  it('leaves alone what another data directory has under the same node name', async () => {
    const name = `${node.name}-claim`;
    const mine = new DockerRuntime(system, { machineId: 'mine' });
    const theirs = new DockerRuntime(system, { machineId: 'theirs' });
    const podCIDR = `10.${130 + (Number.parseInt(node.name.slice(2, 4), 16) % 100)}.251.0/28`;
    try {
      await mine.prepareNode({ nodeName: name, podCIDR });
      for (const refused of [
        () => theirs.prepareNode({ nodeName: name, podCIDR }),
        () => theirs.listContainers(name),
        () => theirs.removeNode(name),
      ]) {
        await expect(refused()).rejects.toMatchObject({ code: 'name-taken', advice: expect.stringContaining('--leftovers') });
      }
      expect(await mine.listContainers(name)).toEqual([]);
    } finally {
      await mine.removeNode(name);
    }
    expect(await theirs.listContainers(name)).toEqual([]);
  });

  it('runs a pod: shared address, loopback, host name, hosts, IPC; reachable from here', async () => {
    const { pause, app, ip } = await node.pod(
      'web',
      'mkdir /www; hostname > /www/index.html; httpd -h /www -p 80; trap "exit 0" TERM; sleep 100000 & wait',
      {
        pause: { hostname: 'web-0', hosts: [{ ip: '10.1.2.3', names: ['db', 'db.local'] }] },
      },
    );
    const second = await runtime.createContainer(node.app('web', pause, STAY, { name: `${node.name}-web-second` }));
    await runtime.start(second);
    expect((await node.run(second, 'hostname')).out).toBe('web-0\n');
    expect((await node.run(second, 'ip', '-4', 'addr', 'show', 'dev', 'eth0')).out).toContain(`inet ${ip}/24`);
    expect((await node.run(second, 'cat', '/etc/hosts')).out).toMatch(/10\.1\.2\.3\s+db\n[^]*10\.1\.2\.3\s+db\.local/);
    await node.run(app, 'sh', '-c', 'echo shared > /dev/shm/x');
    expect((await node.run(second, 'cat', '/dev/shm/x')).out).toBe('shared\n');
    // httpd answers over loopback to the neighbour and by pod IP to us (it may need a moment to listen).
    expect(await retry(async () => (await node.run(second, 'wget', '-qO-', 'http://127.0.0.1/')).out)).toBe('web-0\n');
    expect(await retry(() => httpGet(ip, 80))).toContain('web-0');
    const found = await runtime.inspect(app);
    expect(found).toMatchObject({
      state: 'running',
      image: node.image,
      exitCode: undefined,
      oomKilled: false,
      error: '',
      finishedAt: undefined,
    });
    expect(found?.pid).toBeGreaterThan(0);
    expect(found?.startedAt).toBeGreaterThan(found?.createdAt ?? Number.POSITIVE_INFINITY);
    expect(found?.imageId).toBe((await runtime.imagePresent(node.image))?.id);
    await Promise.all([app, second].map((id) => runtime.stop(id, 5)));
    await runtime.stop(pause, 5);
    expect(await runtime.inspect(pause)).toMatchObject({ state: 'exited', exitCode: 0 });
  });

  it('publishes host ports, and says when one is taken', async () => {
    const probe = await freePort();
    const port = { containerPort: 80, hostPort: probe, hostIP: '127.0.0.1', protocol: 'tcp' as const };
    await node.pod('hp1', 'mkdir /www; echo hp > /www/index.html; httpd -f -h /www -p 80', { pause: { ports: [port] } });
    expect(await retry(() => httpGet('127.0.0.1', probe))).toContain('hp');
    const pause = await runtime.createPause(node.pause('hp2', { ports: [port] }));
    await expect(runtime.start(pause)).rejects.toMatchObject({ code: 'address-in-use' });
    const sameIp = await runtime.createPause(node.pause('hp3', { ip: (node.ip(), node.podCIDR.replace('0/24', '200')) }));
    await runtime.start(sameIp);
    const again = await runtime.createPause(node.pause('hp4', { ip: node.podCIDR.replace('0/24', '200') }));
    await expect(runtime.start(again)).rejects.toMatchObject({ code: 'address-in-use' });
  });

  it('says why a container does not start, with the exit code', async () => {
    const pause = await runtime.createPause(node.pause('bad'));
    await runtime.start(pause);
    const start = async (name: string, more: Parameters<TestNode['app']>[3]): Promise<string> => {
      const id = await runtime.createContainer(node.app('bad', pause, STAY, { name: `${node.name}-bad-${name}`, ...more }));
      await runtime.start(id);
      return id;
    };
    await expect(start('missing', { command: ['/no/such'] })).rejects.toMatchObject({ code: 'start-failed', exitCode: 127 });
    await expect(start('noexec', { command: ['/etc/passwd'] })).rejects.toMatchObject({ code: 'start-failed', exitCode: 126 });
    await expect(start('workdir', { workingDir: '/etc/passwd' })).rejects.toMatchObject({ code: 'invalid' });
    const failed = (await runtime.listContainers(node.name)).find((container) => container.name === `${node.name}-bad-missing`);
    expect(failed).toMatchObject({ state: 'created', exitCode: 127, error: expect.stringContaining('/no/such') });
    await expect(start('noimage', { image: 'podplane-test/none:1' })).rejects.toMatchObject({ code: 'image-not-found' });
    await expect(
      start('bind', { mounts: [{ type: 'bind', source: '/no/such/folder', target: '/x', readOnly: false }] }),
    ).rejects.toMatchObject({ code: 'invalid' });
    await expect(start('tiny', { resources: { memoryLimitBytes: 1000 } })).rejects.toMatchObject({ code: 'invalid' });
    await start('dup', {});
    await expect(start('dup', {})).rejects.toMatchObject({ code: 'conflict' });
    await expect(
      runtime.createPause(node.pause('nonet', { network: `${node.network}-none` })).then((id) => runtime.start(id)),
    ).rejects.toMatchObject({ code: 'not-found' });
    await runtime.kill(pause, 'SIGKILL');
    await node.ended(pause);
    await expect(start('orphan', {})).rejects.toMatchObject({ code: 'conflict' });
    await runtime.remove(pause);
    const orphan = (await runtime.listContainers(node.name)).find((container) => container.name === `${node.name}-bad-orphan`);
    await expect(runtime.start(orphan?.id ?? '')).rejects.toMatchObject({ code: 'not-found' });
    await expect(runtime.start('0123456789ab')).rejects.toMatchObject({ code: 'not-found' });
  });

  it('ends containers: by signal within the grace period, by force after it, by kill', async () => {
    const { app, pause } = await node.pod('end', 'trap "exit 7" TERM; echo ready; sleep 100000 & wait');
    const deaf = await runtime.createContainer(
      node.app('end', pause, 'trap "" TERM; while :; do sleep 1; done', { name: `${node.name}-end-deaf` }),
    );
    await runtime.start(deaf);
    await logged(app, 'ready');
    await runtime.stop(app, 20);
    expect(await runtime.inspect(app)).toMatchObject({ state: 'exited', exitCode: 7, pid: 0, finishedAt: expect.any(Number) });
    await runtime.stop(deaf, 1);
    expect(await runtime.inspect(deaf)).toMatchObject({ state: 'exited', exitCode: 137, oomKilled: false });
    await runtime.stop(deaf, 1); // has ended: no error
    await runtime.kill(deaf, 'SIGKILL');
    await runtime.stop('0123456789ab', 1);
    await runtime.remove('0123456789ab');
    await runtime.remove(deaf);
    expect(await runtime.inspect(deaf)).toBeUndefined();
    // The pause container reacts to the signal itself.
    await runtime.kill(pause, 'SIGTERM');
    expect(await node.ended(pause)).toBe(0);
  });

  it('sets limits, environment, arguments and mounts', async () => {
    const volume = `${node.name}-v`;
    await runtime.createVolume(volume, { [LABEL_NODE]: node.name, x: 'y' }, { memory: false, sizeBytes: undefined });
    await runtime.createVolume(volume, { [LABEL_NODE]: node.name, x: 'y' }, { memory: false, sizeBytes: undefined });
    expect(await runtime.listVolumes(node.name)).toEqual([{ name: volume, labels: { [LABEL_NODE]: node.name, x: 'y' } }]);
    const { app } = await node.pod('lim', '', {
      app: {
        command: ['/bin/sh', '-c'],
        args: [STAY],
        env: [
          { name: 'A', value: 'b=c d' },
          { name: 'EMPTY', value: '' },
        ],
        workingDir: '/tmp',
        mounts: [
          { type: 'volume', source: volume, target: '/bin2', readOnly: false },
          { type: 'bind', source: '/etc/hostname', target: '/host', readOnly: true },
          { type: 'tmpfs', source: '', target: '/scratch', readOnly: false },
        ],
        // More than the machine has: a limit like any other in Kubernetes.
        resources: { memoryLimitBytes: 32 * 1024 * 1024, cpuLimitMillis: 250_000, cpuRequestMillis: 100, pidsLimit: 50, oomScoreAdj: 500 },
      },
    });
    const env = (await node.run(app, 'env')).out.split('\n');
    expect(env).toEqual(expect.arrayContaining(['A=b=c d', 'EMPTY=']));
    expect((await node.run(app, 'sh', '-c', 'readlink /proc/1/cwd; cat /proc/1/oom_score_adj')).out).toBe('/tmp\n500\n');
    expect((await node.run(app, 'sh', '-c', 'echo x > /host')).code).not.toBe(0);
    expect((await node.run(app, 'sh', '-c', 'ls /bin2 | wc -l; grep " /scratch " /proc/mounts | cut -d" " -f3')).out).toBe('0\ntmpfs\n');
    await expect(runtime.removeVolume(volume)).rejects.toMatchObject({ code: 'conflict' });
    await runtime.remove(app);
    await runtime.removeVolume(volume);
    await runtime.removeVolume(volume);
    expect(await runtime.listVolumes(node.name)).toEqual([]);
  });

  it('lowers the OOM score where the machine allows it, and starts the container either way', async () => {
    const { app } = await node.pod('oom-score', STAY, { app: { resources: { oomScoreAdj: -997 } } });
    expect(['-997\n', '0\n']).toContain((await node.run(app, 'cat', '/proc/1/oom_score_adj')).out);
    expect((await runtime.listContainers(node.name)).filter((container) => container.name.startsWith('podplane-oom'))).toEqual([]);
  });

  it('reports containers that used up their memory, also when their end is known before the reason', async () => {
    const stop = new AbortController();
    const watching = (async () => {
      for await (const _hint of runtime.watch(node.name, stop.signal));
    })();
    const resources = { memoryLimitBytes: 16 * 1024 * 1024 };
    const pods = await Promise.all([1, 2, 3, 4].map((i) => node.pod(`oom${i}`, 'exec tail /dev/zero', { app: { resources } })));
    for (const { app } of pods) {
      expect(await node.ended(app)).toBe(137);
      const looked = expect.poll(() => runtime.inspect(app), { timeout: 10_000 });
      await looked.toMatchObject({ oomKilled: true, exitCode: 137, state: 'exited' });
    }
    stop.abort();
    await watching;
  });

  it('keeps volumes in memory across restarts of the app when the pause mounts them, within their size', async () => {
    const volume = `${node.name}-mem`;
    await runtime.createVolume(volume, { [LABEL_NODE]: node.name }, { memory: true, sizeBytes: 1024 * 1024 });
    const mount = { type: 'volume' as const, source: volume, target: '/mem', readOnly: false };
    const { app, pause } = await node.pod('mem', STAY, { pause: { mounts: [mount] }, app: { mounts: [mount] } });
    expect((await node.run(app, 'sh', '-c', 'echo kept > /mem/a; dd if=/dev/zero of=/mem/b bs=1k count=2000 2>&1')).out).toContain(
      'No space left',
    );
    await runtime.remove(app);
    const next = await runtime.createContainer(node.app('mem', pause, STAY, { mounts: [mount] }));
    await runtime.start(next);
    expect((await node.run(next, 'cat', '/mem/a')).out).toBe('kept\n');
  });

  it('lets everybody write to volumes that the pause container mounts', async () => {
    const volumes = [true, false].map((memory) => ({ name: `${node.name}-open-${memory}`, memory }));
    for (const { name, memory } of volumes) await runtime.createVolume(name, { [LABEL_NODE]: node.name }, { memory, sizeBytes: undefined });
    const mounts = volumes.map(({ name }) => ({ type: 'volume' as const, source: name, target: `/v/${name}`, readOnly: false }));
    const { app } = await node.pod('open', STAY, { pause: { mounts }, app: { mounts } });
    const modes = volumes.map(({ name }) => `stat -c %a /v/${name}`).join('; ');
    expect((await node.run(app, 'sh', '-c', modes)).out).toBe('777\n777\n'); // as in Kubernetes;
  });

  it('gives hints about its own containers, also about what happened before the connection stood', async () => {
    const stop = new AbortController();
    const hints = runtime.watch(node.name, stop.signal)[Symbol.asyncIterator]();
    const { app } = await node.pod('hint', 'exit 3'); // nobody listens yet: iteration starts below
    await node.ended(app);
    const seen: ContainerHint[] = [];
    while (!seen.some((hint) => hint.containerId === app && hint.action === 'die')) {
      const next = await hints.next();
      if (next.done) throw new Error('ended early');
      seen.push(next.value);
    }
    expect(seen.filter((hint) => hint.containerId === app)).toEqual([
      { containerId: app, podUid: 'hint', action: 'start' },
      { containerId: app, podUid: 'hint', action: 'die' },
    ]);
    const waiting = hints.next();
    stop.abort();
    expect((await drain(waiting, hints)).done).toBe(true);
  });

  it('lists many containers quickly and removes a node with everything on it', async () => {
    const other = await new TestNode().open();
    try {
      const { pause } = await other.pod('p', STAY);
      for (let i = 0; i < 12; i++) await other.runtime.createContainer(other.app('p', pause, STAY, { name: `${other.name}-c${i}` }));
      const all = await other.runtime.listContainers(other.name);
      expect(all).toHaveLength(14);
      expect(new Set(all.map((container) => container.labels[LABEL_POD_UID]))).toEqual(new Set(['p']));
      await other.runtime.createVolume(`${other.name}-v`, { [LABEL_NODE]: other.name }, { memory: false, sizeBytes: undefined });
    } finally {
      await other.close();
    }
    expect(await other.runtime.listContainers(other.name)).toEqual([]);
    expect(await other.runtime.listVolumes(other.name)).toEqual([]);
    await other.runtime.removeNode(other.name); // nothing there: no error
    expect(await runtime.imagePresent(PAUSE_IMAGE)).toBeDefined(); // shared by nodes
  });

  it('says that no engine answers, or that it may not be used', async () => {
    const none = new DockerRuntime(system, { socketPath: '/tmp/podplane-no-such.sock' });
    await expect(none.info()).rejects.toMatchObject({ code: 'unreachable', advice: expect.stringContaining('start dockerd') });
    await expect(none.listContainers('x')).rejects.toMatchObject({ code: 'unreachable' });
    await expect(none.watch('x', new AbortController().signal)[Symbol.asyncIterator]().next()).rejects.toMatchObject({
      code: 'unreachable',
    });
    await expect(none.pullImage('a:1', undefined, () => undefined, new AbortController().signal)).rejects.toMatchObject({
      code: 'unreachable',
    });
    await expect(none.exec('x', { command: ['a'], stdin: false, tty: false })).rejects.toMatchObject({ code: 'unreachable' });
  });

  async function logged(id: string, text: string): Promise<void> {
    const stop = new AbortController();
    let all = '';
    for await (const part of runtime.logs(id, { follow: true, tail: undefined, since: undefined, timestamps: false }, stop.signal)) {
      all += Buffer.from(part.data).toString();
      if (all.includes(text)) stop.abort();
    }
  }
});

async function drain(
  waiting: Promise<IteratorResult<ContainerHint>>,
  hints: AsyncIterator<ContainerHint>,
): Promise<IteratorResult<ContainerHint>> {
  let next = await waiting;
  while (!next.done) next = await hints.next();
  return next;
}

/** A process needs a moment until it listens; tried for 5 s. */
async function retry(fn: () => Promise<string>): Promise<string> {
  for (let attempt = 0; ; attempt++) {
    const text = await fn().catch((error: unknown) => {
      if (attempt > 100) throw error;
      return '';
    });
    if (text !== '' || attempt > 100) return text;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function httpGet(host: string, port: number): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const socket = connect(port, host, () => socket.write('GET / HTTP/1.0\r\n\r\n'));
  let text = '';
  socket.on('data', (data) => (text += data.toString()));
  socket.on('end', () => resolve(text));
  socket.on('error', reject);
  return promise;
}

async function freePort(): Promise<number> {
  const { createServer } = await import('node:net');
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
