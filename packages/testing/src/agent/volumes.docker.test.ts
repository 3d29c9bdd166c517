// Volumes of pods on a real Docker Engine: files that the agent writes, files of the host, paths inside of volumes, limits.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { whyNoEngine } from '@podplane/agent/runtime/testing/real-engine';
import { mountsBelow } from '@podplane/agent/volumes/bind-mounts';
import { memoryFolder } from '@podplane/agent/volumes/roots';
import { ConfigMap } from '@podplane/api/gen/podplane/core/v1/config_map';
import type { Pod, PodStatus } from '@podplane/api/gen/podplane/core/v1/pod';
import { Secret } from '@podplane/api/gen/podplane/core/v1/secret';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DockerWorld, STAY } from './docker-world.js';

const noEngine = await whyNoEngine();

describe.skipIf(noEngine !== undefined)('volumes on Docker', { timeout: 120_000 }, () => {
  const world = new DockerWorld();
  const { node, server, folder, dataDir } = world;
  const host = join(folder, 'host');
  const pod = (name: string, spec: object, metadata: object = {}): Pod =>
    world.pod(name, { restartPolicy: 'Always', terminationGracePeriodSeconds: 2, ...spec }, metadata);
  const uidOf = (one: Pod): string => one.metadata?.uid ?? '';
  /** By the place in the specification: statuses are in the order of names. */
  const ofContainer = (one: Pod, container = 0): PodStatus['containerStatuses'][number] | undefined =>
    world.status(one)?.containerStatuses.find(({ name }) => name === one.spec?.containers[container]?.name);
  const idOf = (one: Pod, container = 0): string => ofContainer(one, container)?.containerID?.replace('docker://', '') ?? '';
  const sh = async (one: Pod, script: string, container = 0): Promise<string> =>
    (await node.run(idOf(one, container), 'sh', '-c', script)).out.trim();
  const configMap = (name: string, data: Record<string, string>): ConfigMap =>
    ConfigMap.fromJSON({ metadata: { namespace: 'default', name }, data });
  const secret = (name: string, data: Record<string, string>): Secret =>
    Secret.fromJSON({
      metadata: { namespace: 'default', name },
      data: Object.fromEntries(Object.entries(data).map(([key, text]) => [key, Buffer.from(text).toString('base64')])),
    });
  const waiting = (one: Pod, container = 0): string | undefined => ofContainer(one, container)?.state?.waiting?.reason;
  const events = (one: Pod, reason: string): string[] =>
    server.events.filter((event) => event.reason === reason && event.podUid === uidOf(one)).map(({ message }) => message);
  /** Waits for what no message of the agent tells. */
  const soon = async (what: string, look: () => Promise<boolean>): Promise<number> => {
    const begin = performance.now();
    while (!(await look())) {
      if (performance.now() - begin > 10_000) throw new Error(`not within 10 s: ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return Math.round(performance.now() - begin);
  };
  const left = (): string[] => {
    const roots = [join(dataDir, 'pods'), memoryFolder(dataDir) ?? ''].filter((root) => existsSync(root));
    return roots.flatMap((root) => readdirSync(root)).filter((name) => !name.startsWith('.'));
  };

  beforeAll(async () => {
    mkdirSync(host);
    await world.open();
  });
  afterAll(() => world.close());

  it('shows ConfigMaps, Secrets and facts as files, and their changes without a restart, also over a restart of the agent', async () => {
    server.configMaps = [configMap('cfg', { a: 'one', b: 'two' })];
    server.secrets = [secret('sec', { pass: 's3cret' })];
    server.difference({ configMaps: server.configMaps, secrets: server.secrets });
    const web = pod(
      'web',
      {
        volumes: [
          { name: 'cfg', configMap: { name: 'cfg' } },
          { name: 'sec', secret: { secretName: 'sec', defaultMode: 0o400 } },
          { name: 'facts', downwardAPI: { items: [{ path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } }] } },
          {
            name: 'all',
            projected: {
              sources: [
                { configMap: { name: 'cfg', items: [{ key: 'b', path: 'deep/er/b', mode: 0o755 }] } },
                { secret: { name: 'sec', items: [{ key: 'pass', path: 'p' }] } },
                { configMap: { name: 'not-there', optional: true } },
              ],
            },
          },
        ],
        containers: [
          world.shell('c', STAY, {
            volumeMounts: [
              { name: 'cfg', mountPath: '/cfg' },
              { name: 'sec', mountPath: '/sec' },
              { name: 'facts', mountPath: '/facts' },
              { name: 'all', mountPath: '/all' },
              { name: 'cfg', mountPath: '/etc/one.conf', subPath: 'a' },
            ],
          }),
        ],
      },
      { labels: { tier: 'front' } },
    );
    server.assign(web);
    await world.until('ready', () => world.isReady(web));
    expect(await sh(web, 'cat /cfg/a /cfg/b /sec/pass /facts/labels /all/deep/er/b /all/p /etc/one.conf')).toBe(
      'onetwos3crettier="front"twos3cretone',
    );
    expect(await sh(web, 'stat -L -c %a /cfg/a /sec/pass /all/deep/er/b')).toBe('644\n400\n755');
    expect(await sh(web, 'readlink /cfg/a; readlink /cfg/..data | cut -c1-4')).toBe('..data/a\n..20');
    expect(await sh(web, '(echo x > /cfg/a) 2>/dev/null || echo refused; touch /sec/new 2>/dev/null || echo refused')).toBe(
      'refused\nrefused',
    );
    // secrets are in memory wherever the host has a place for it
    const onTmpfs = memoryFolder(dataDir) !== undefined;
    expect((await sh(web, 'grep " /sec " /proc/mounts')).startsWith('tmpfs')).toBe(onTmpfs);

    const before = idOf(web);
    server.configMaps = [configMap('cfg', { a: 'ONE', c: 'three' })];
    server.difference({ configMaps: server.configMaps });
    const took = await soon('the ConfigMap', async () => (await sh(web, 'cat /cfg/a; ls /cfg')) === 'ONEa\nc');
    process.stderr.write(`change of a ConfigMap -> seen in the container: ${took} ms\n`);
    // a copy at the time of the start, as in Kubernetes; and what lost a key that it needs keeps its old files and says so
    expect(await sh(web, 'cat /etc/one.conf /all/deep/er/b')).toBe('onetwo');
    await world.until('told', () => events(web, 'FailedMount').some((text) => text.includes('references non-existent config key: b')));
    web.metadata = { ...web.metadata!, labels: { tier: 'back' } };
    server.assign(web);
    await soon('the label', async () => (await sh(web, 'cat /facts/labels')) === 'tier="back"');

    // changed while the agent was away
    await world.stop();
    server.configMaps = [configMap('cfg', { a: 'away', b: 'again' })];
    world.start();
    await soon('the change while away', async () => (await sh(web, 'cat /cfg/a /all/deep/er/b')) === 'awayagain');
    expect(idOf(web)).toBe(before);
    expect(world.status(web)?.containerStatuses[0]?.restartCount).toBe(0);
    await world.gone(web);
    expect(left()).toEqual([]);
  });

  it('waits for what is missing, as Kubernetes does', async () => {
    const early = pod('early', {
      volumes: [{ name: 'v', configMap: { name: 'late' } }],
      containers: [world.shell('c', STAY, { volumeMounts: [{ name: 'v', mountPath: '/v' }] })],
    });
    server.assign(early);
    await world.until('told', () => events(early, 'FailedMount').length > 0);
    expect(events(early, 'FailedMount')[0]).toBe('MountVolume.SetUp failed for volume "v" : configmap "late" not found');
    await world.until('shown', () => waiting(early) === 'ContainerCreating');
    expect(world.status(early)?.phase).toBe('Pending');
    server.configMaps = [...server.configMaps, configMap('late', { k: 'here' })];
    server.difference({ configMaps: server.configMaps });
    await world.until('ready', () => world.isReady(early));
    expect(await sh(early, 'cat /v/k')).toBe('here');
    await world.gone(early);
  });

  it('mounts files of the host by their type', async () => {
    writeFileSync(join(host, 'file'), 'host');
    const one = pod('host', {
      volumes: [
        { name: 'dir', hostPath: { path: join(host, 'made'), type: 'DirectoryOrCreate' } },
        { name: 'file', hostPath: { path: join(host, 'file'), type: 'File' } },
        { name: 'plain', hostPath: { path: join(host, 'plain') } },
        { name: 'null', hostPath: { path: '/dev/null', type: 'CharDevice' } },
        { name: 'sock', hostPath: { path: '/var/run/docker.sock', type: 'Socket' } },
      ],
      containers: [
        world.shell('c', STAY, {
          volumeMounts: [
            { name: 'dir', mountPath: '/dir' },
            { name: 'file', mountPath: '/file', readOnly: true },
            { name: 'plain', mountPath: '/plain', mountPropagation: 'None' },
            { name: 'null', mountPath: '/null' },
            { name: 'sock', mountPath: '/engine.sock' },
            { name: 'dir', mountPath: '/sub', subPath: 'a/b' },
          ],
        }),
      ],
    });
    const wrong = pod('wrong', {
      volumes: [{ name: 'v', hostPath: { path: join(host, 'later'), type: 'Directory' } }],
      containers: [world.shell('c', STAY, { volumeMounts: [{ name: 'v', mountPath: '/v' }] })],
    });
    server.assign(one);
    server.assign(wrong);
    await world.until('ready', () => world.isReady(one));
    await sh(one, 'echo out > /dir/f; echo deep > /sub/g; echo no > /file; echo p > /plain/p');
    expect(readFileSync(join(host, 'made/f'), 'utf8')).toBe('out\n');
    expect(readFileSync(join(host, 'made/a/b/g'), 'utf8')).toBe('deep\n');
    expect(readFileSync(join(host, 'file'), 'utf8')).toBe('host');
    expect(readFileSync(join(host, 'plain/p'), 'utf8')).toBe('p\n');
    expect(await sh(one, 'test -c /null && test -S /engine.sock && echo both')).toBe('both');
    await world.until('refused', () => events(wrong, 'FailedMount').some((text) => text.includes('hostPath type check failed')));
    expect(existsSync(join(host, 'later'))).toBe(false);
    mkdirSync(join(host, 'later'));
    await world.until('retried', () => world.isReady(wrong));
    await world.gone(one, wrong);
    // the host's files stay, ours go
    expect(readdirSync(host).sort()).toEqual(['file', 'later', 'made', 'plain']);
    expect(readFileSync(join(host, 'made/a/b/g'), 'utf8')).toBe('deep\n');
    expect(left()).toEqual([]);
  });

  it('lets mounts of the host into a container that asks for them, and into no other', async () => {
    const shared = join(host, 'shared');
    mkdirSync(join(shared, 'x'), { recursive: true });
    execFileSync('mount', ['--bind', shared, shared]);
    try {
      execFileSync('mount', ['--make-shared', shared]);
      const mount = (name: string, mountPropagation?: string): object =>
        world.shell(name, STAY, {
          volumeMounts: [{ name: 'v', mountPath: '/v', ...(mountPropagation === undefined ? {} : { mountPropagation }) }],
        });
      const one = pod('propagation', {
        volumes: [{ name: 'v', hostPath: { path: shared } }],
        containers: [mount('not'), mount('into', 'HostToContainer')],
      });
      server.assign(one);
      await world.until('ready', () => world.isReady(one));
      execFileSync('mount', ['-t', 'tmpfs', 'none', join(shared, 'x')]);
      writeFileSync(join(shared, 'x/late'), '');
      expect(await sh(one, 'ls /v/x', 0)).toBe('');
      expect(await sh(one, 'ls /v/x', 1)).toBe('late');
      await world.gone(one);
    } finally {
      execFileSync('umount', ['-R', shared]);
      rmSync(shared, { recursive: true });
    }
  });

  it('mounts paths inside of volumes, by name and by variables', async () => {
    const one = pod('sub', {
      volumes: [
        { name: 'disk', emptyDir: {} },
        { name: 'mem', emptyDir: { medium: 'Memory', sizeLimit: '8Mi' } },
      ],
      containers: [
        world.shell('a', STAY, {
          env: [{ name: 'POD', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }],
          volumeMounts: [
            { name: 'disk', mountPath: '/logs', subPathExpr: 'logs/$(POD)' },
            { name: 'mem', mountPath: '/m', subPath: 'x' },
          ],
        }),
        world.shell('b', STAY, {
          volumeMounts: [
            { name: 'disk', mountPath: '/disk' },
            { name: 'mem', mountPath: '/mem' },
          ],
        }),
        world.shell('c', STAY, { volumeMounts: [{ name: 'disk', mountPath: '/d', subPathExpr: '$(NOPE)/x' }] }),
      ],
    });
    server.assign(one);
    await world.until('two run', () => [0, 1].every((i) => ofContainer(one, i)?.state?.running !== undefined));
    await world.until('told', () => waiting(one, 2) === 'CreateContainerConfigError');
    expect(ofContainer(one, 2)?.state?.waiting?.message).toContain('missing value for "NOPE"');
    await sh(one, 'id -u; echo log > /logs/l; echo mem > /m/f');
    expect(await sh(one, 'cat /disk/logs/sub/l /mem/x/f; stat -c %a /disk/logs', 1)).toBe('log\nmem\n777');
    expect(mountsBelow(dataDir)).toEqual([]); // only needed until a container has started
    // data outlives the container
    await node.runtime.kill(idOf(one, 0), 'SIGKILL');
    await world.until(
      'again',
      () =>
        world.status(one)?.containerStatuses[0]?.restartCount === 1 &&
        world.status(one)?.containerStatuses[0]?.state?.running !== undefined,
    );
    expect(await sh(one, 'cat /logs/l /m/f')).toBe('log\nmem');
    await world.gone(one);
    expect(left()).toEqual([]);
  });

  it('never lets a symbolic link of a container lead out of its volume', async () => {
    writeFileSync(join(folder, 'key'), 'private');
    const evil = pod('evil', {
      volumes: [
        { name: 'disk', emptyDir: {} },
        { name: 'dir', hostPath: { path: join(host, 'evil'), type: 'DirectoryOrCreate' } },
      ],
      containers: [
        // Each container that starts after the links are there must not get what they lead to.
        world.shell(
          'maker',
          `sleep 0.5; rm -rf /disk/root /dir/up /dir/abs; ln -s / /disk/root; ln -s ../../key /dir/up; ln -s ${folder} /dir/abs; touch /disk/done; ${STAY}`,
          {
            volumeMounts: [
              { name: 'disk', mountPath: '/disk' },
              { name: 'dir', mountPath: '/dir' },
            ],
          },
        ),
        world.shell('victim', `cat /r/${folder}/key /up /a/key; until test -e /disk/done; do sleep 0.1; done; sleep 0.2; exit 1`, {
          volumeMounts: [
            { name: 'disk', mountPath: '/disk' },
            { name: 'disk', mountPath: '/r', subPath: 'root' },
            { name: 'dir', mountPath: '/up', subPath: 'up' },
            { name: 'dir', mountPath: '/a', subPath: 'abs/x' },
          ],
        }),
      ],
    });
    server.assign(evil);
    await world.until('refused', () => waiting(evil, 1) === 'CreateContainerConfigError');
    expect(ofContainer(evil, 1)?.state?.waiting?.message).toMatch(/leads out of the volume/);
    const containers = await node.runtime.listContainers(node.name);
    for (const one of containers.filter(({ labels }) => labels['podplane.dev/container'] === 'victim')) {
      let said = '';
      const stop = new AbortController();
      for await (const { data } of node.runtime.logs(
        one.id,
        { follow: false, tail: undefined, since: undefined, timestamps: false },
        stop.signal,
      ))
        said += Buffer.from(data).toString();
      expect(said).not.toContain('private');
    }
    expect(statSync(join(folder, 'key')).isFile()).toBe(true);
    await world.gone(evil);
    expect(mountsBelow(dataDir)).toEqual([]);
    expect(left()).toEqual([]);
  });

  it('evicts a pod whose emptyDir holds more than its limit, and takes the space back', async () => {
    const fat = pod('fat', {
      volumes: [{ name: 'cache', emptyDir: { sizeLimit: '1Mi' } }],
      containers: [
        world.shell('c', `dd if=/dev/zero of=/cache/f bs=1M count=3; ${STAY}`, { volumeMounts: [{ name: 'cache', mountPath: '/cache' }] }),
      ],
      terminationGracePeriodSeconds: 600,
    });
    const slim = pod('slim', {
      volumes: [{ name: 'cache', emptyDir: { sizeLimit: '8Mi' } }],
      containers: [
        world.shell('c', `dd if=/dev/zero of=/cache/f bs=1M count=3; ${STAY}`, { volumeMounts: [{ name: 'cache', mountPath: '/cache' }] }),
      ],
    });
    server.assign(fat);
    server.assign(slim);
    await world.until('failed', () => world.status(fat)?.phase === 'Failed');
    const message = 'Usage of EmptyDir volume "cache" exceeds the limit "1Mi". ';
    expect(world.status(fat)).toMatchObject({ reason: 'Evicted', message });
    expect(world.status(fat)?.conditions.find(({ type }) => type === 'DisruptionTarget')).toMatchObject({
      status: 'True',
      reason: 'TerminationByKubelet',
      message,
    });
    expect(world.status(fat)?.containerStatuses[0]?.state?.terminated).toBeDefined();
    await world.until('told', () => events(fat, 'Evicted').length > 0);
    expect(events(fat, 'Evicted')).toEqual([message]);
    const ofFat = async (): Promise<boolean> =>
      (await node.runtime.listVolumes(node.name)).some(({ labels }) => labels['podplane.dev/pod-uid'] === uidOf(fat));
    await soon('the volume', async () => !(await ofFat()));
    expect(world.isReady(slim)).toBe(true);
    // it stays failed over a restart of the agent, and goes when it is deleted
    await world.stop();
    world.start();
    await world.until('reported again', () => server.reports.get(uidOf(slim))?.status !== undefined);
    expect(world.status(fat)).toMatchObject({ phase: 'Failed', reason: 'Evicted' });
    await world.gone(fat, slim);
    expect(await node.runtime.listVolumes(node.name)).toEqual([]);
  });
});
