// Volumes of pods field by field, on real Docker: what the containers themselves see in them, what reaches them later, what is refused and what
// is evicted. Volumes of claims are in storage.test.ts, tokens in tokens.test.ts.
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { engine, engineAnswers, eventually } from '../harness.js';
import { ShellImage } from '../shell-image.js';
import { FieldCluster, PATIENCE_MS, podOf, STAY, shell } from './field-cluster.js';
import { at, type Fields, mounts, volumePods } from './volume-pods.js';

const answers = await engineAnswers();

/** The container's own words for a file: permission bits, group, content; or the code of the error. */
const SEEN = `(file) => { try { const s = fs.statSync(file); return (s.mode & 0o7777).toString(8) + ' ' + s.gid + ' ' + (s.isFile() ? fs.readFileSync(file, 'utf8') : '-') } catch (e) { return e.code } }`;
/** What comes of writing a file. */
const WRITTEN = `(file) => { try { fs.writeFileSync(file, 'w'); return 'written' } catch (e) { return e.code } }`;
const settings = (color: string): Fields => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'settings' },
  data: { color, size: 'big' },
  binaryData: { raw: 'AP8Q' },
});
const pass = (word: string): Fields => ({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'pass' }, stringData: { word, user: 'me' } });

describe.skipIf(!answers)('volumes', () => {
  const cluster = new FieldCluster();
  const host = path.join(cluster.directory, 'host');
  const below = (name: string): string => path.join(host, name);
  const tools = new ShellImage();
  let socket: Server | undefined;
  let shared = false;

  const apply = (...items: readonly Fields[]): Promise<string> => cluster.apply(JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
  /** What a function of a file says of each of these, in a container. */
  const each = async (
    pod: string,
    container: string,
    tell: string,
    files: readonly string[],
  ): Promise<Readonly<Record<string, string>>> => {
    const expression = `JSON.stringify(Object.fromEntries(${JSON.stringify(files)}.map((file) => [file, (${tell})(file)])))`;
    return JSON.parse(await cluster.js(pod, expression, container)) as Record<string, string>;
  };
  const events = async (pod: string): Promise<string> =>
    (await cluster.must('get', 'events'))
      .split('\n')
      .filter((line) => line.includes(`pod/${pod} `))
      .join('\n');

  beforeAll(async () => {
    for (const name of ['folder', 'logs', 'shared']) mkdirSync(below(name), { recursive: true });
    chmodSync(below('logs'), 0o777);
    writeFileSync(below('file'), 'of the host');
    execFileSync('mknod', [below('block'), 'b', '7', '77']);
    socket = createServer().listen(below('socket'));
    await once(socket, 'listening');
    // What is mounted in here later can be seen by others, whatever the root of this machine is.
    execFileSync('mount', ['--bind', below('shared'), below('shared')]);
    shared = true;
    execFileSync('mount', ['--make-shared', below('shared')]);
    await tools.load();
    await cluster.start(1);
    await apply(settings('green'), pass('s3cret'), ...volumePods(below, tools.name));
  });
  afterAll(async () => {
    socket?.close();
    if (shared) execFileSync('umount', ['-R', '-l', below('shared')]);
    await cluster.remove();
    await tools[Symbol.asyncDispose]();
  });

  it('PodSpec volumes[].name, PodSpec volumes[].configMap, PodSpec volumes[].secret, PodSpec volumes[].downwardAPI: files with the modes that items and defaultMode give, at the paths that items give; what is optional may be missing', async () => {
    await cluster.podReady('files');
    const files = ['/map/color', '/map/size', '/some/a/b/color', '/some/size', '/some/color', '/none', '/none/color'];
    expect(await each('files', 'a', SEEN, files)).toEqual({
      '/map/color': '644 0 green',
      '/map/size': '644 0 big',
      '/some/a/b/color': '400 0 green',
      '/some/size': '666 0 big',
      '/some/color': 'ENOENT',
      '/none': '755 0 -',
      '/none/color': 'ENOENT',
    });
    expect(await cluster.js('files', "fs.readFileSync('/map/raw').toString('hex')")).toBe('00ff10');
    expect(
      await each('files', 'a', SEEN, ['/secret/word', '/secret/user', '/secret/none', '/facts/labels', '/facts/note', '/facts/memory']),
    ).toEqual({
      '/secret/word': '440 0 s3cret',
      '/secret/user': '400 0 me',
      '/secret/none': 'ENOENT',
      '/facts/labels': '444 0 tier="front"',
      '/facts/note': '400 0 hello',
      '/facts/memory': '444 0 64',
    });
    expect(await each('files', 'a', WRITTEN, ['/map/color', '/secret/word', '/facts/labels', '/all/color', '/none/x'])).toEqual(
      Object.fromEntries(['/map/color', '/secret/word', '/facts/labels', '/all/color', '/none/x'].map((file) => [file, 'EROFS'])),
    );
  });

  it('PodSpec volumes[].projected.defaultMode, PodSpec volumes[].projected.sources[].configMap, PodSpec volumes[].projected.sources[].secret, PodSpec volumes[].projected.sources[].downwardAPI: all in one folder, each with its mode', async () => {
    const files = ['/all/deep/size', '/all/color', '/all/none', '/all/word', '/all/user', '/all/labels', '/all/name'];
    expect(await each('files', 'a', SEEN, files)).toEqual({
      '/all/deep/size': '604 0 big',
      '/all/color': '440 0 green',
      '/all/none': 'ENOENT',
      '/all/word': '400 0 s3cret',
      '/all/user': '440 0 me',
      '/all/labels': '600 0 tier="front"',
      '/all/name': '440 0 files',
    });
    expect(await cluster.js('files', "fs.readdirSync('/all').filter((name) => !name.startsWith('..')).sort().join()")).toBe(
      'color,deep,labels,name,user,word',
    );
  });

  it('PodSpec securityContext.fsGroup: files that the agent writes belong to the group too, which may read them', async () => {
    await cluster.podReady('grouped');
    const files = ['/secret/word', '/all/word', '/all/labels', '/all/deep/size', '/word'];
    expect(await each('grouped', 'a', SEEN, files)).toEqual({
      '/secret/word': '440 2000 s3cret',
      '/all/word': '440 2000 s3cret',
      '/all/labels': '640 2000 ',
      '/all/deep/size': '644 2000 big',
      '/word': '440 2000 s3cret',
    });
    expect(await each('grouped', 'a', WRITTEN, ['/data/x'])).toEqual({ '/data/x': 'written' });
    expect((await each('grouped', 'a', SEEN, ['/data/x']))['/data/x']).toMatch(/^\d+ 2000 w$/);
  });

  it('Container volumeMounts[].name, Container volumeMounts[].mountPath, Container volumeMounts[].readOnly, PodSpec volumes[].emptyDir.medium: one volume at several places, one of them below another; in memory where it says so; nothing is written where it is read-only', async () => {
    await cluster.podReady('places');
    const writes = ['/data/x', '/ro/y', '/own', '/host/folder/x', '/data/memory/x', '/host/open/x', '/host/null', '/host/file'];
    expect(await each('places', 'a', WRITTEN, writes)).toEqual({
      '/data/x': 'written',
      '/ro/y': 'EROFS',
      '/own': 'EROFS',
      '/host/folder/x': 'EROFS',
      '/data/memory/x': 'written',
      '/host/open/x': 'written',
      '/host/null': 'written',
      '/host/file': 'written',
    });
    expect((await each('places', 'a', SEEN, ['/ro/x']))['/ro/x']).toMatch(/ w$/);
    const mounted = await cluster.js('places', "fs.readFileSync('/proc/mounts', 'utf8')");
    expect(mounted).toMatch(/ \/data\/memory tmpfs rw\S*,size=2048k/);
    expect(mounted).not.toMatch(/ \/data tmpfs/);
    const full = "try { fs.writeFileSync('/data/memory/big', Buffer.alloc(3 << 20)); 'written' } catch (error) { error.code }";
    expect(await cluster.js('places', full)).toBe('ENOSPC');
  });

  it('Container volumeMounts[].subPath, Container volumeMounts[].subPathExpr: a part of a volume, through links inside of it; what is missing is made; names by the environment', async () => {
    expect(await each('places', 'a', SEEN, ['/part/x', '/own'])).toMatchObject({
      '/part/x': expect.stringMatching(/ x$/) as string,
      '/own': expect.stringMatching(/ own$/) as string,
    });
    expect(await each('places', 'a', WRITTEN, ['/new/file', '/logs/out'])).toEqual({ '/new/file': 'written', '/logs/out': 'written' });
    expect((await each('places', 'a', SEEN, ['/data/new/deep/file']))['/data/new/deep/file']).toMatch(/ w$/);
    expect(readFileSync(below('logs/places.logs/out'), 'utf8')).toBe('w');
  });

  it('a subPath through a symbolic link that a container made to get out of its volume is refused, and says so', async () => {
    for (const container of ['absolute', 'relative']) {
      await cluster.podUntil('escapes', `says of ${container} that it leads out`, ({ status }) => {
        const waiting = status?.containerStatuses.find(({ name }) => name === container)?.state?.waiting;
        return waiting?.reason === 'CreateContainerConfigError' && waiting.message?.includes('leads out of the volume') === true;
      });
    }
  });

  it('PodSpec volumes[].hostPath: files, folders, sockets and devices of the node; made where the type says so, and a pod waits and says why where it is of another type', async () => {
    const kinds = `(file) => { const s = fs.statSync(file); return ['Directory', 'File', 'Socket', 'CharacterDevice', 'BlockDevice'].find((kind) => s['is' + kind]()) }`;
    const all = ['open', 'made', 'folder', 'made-file', 'file', 'socket', 'null', 'block'].map((name) => `/host/${name}`);
    expect(await each('places', 'a', kinds, all)).toEqual({
      '/host/open': 'Directory',
      '/host/made': 'Directory',
      '/host/folder': 'Directory',
      '/host/made-file': 'File',
      '/host/file': 'File',
      '/host/socket': 'Socket',
      '/host/null': 'CharacterDevice',
      '/host/block': 'BlockDevice',
    });
    expect(readFileSync(below('file'), 'utf8')).toBe('w');
    expect(readFileSync(below('open/x'), 'utf8')).toBe('w');

    const wrong = [
      ['directory', 'Directory', 'file', 'a directory'],
      ['file', 'File', 'absent', 'a file'],
      ['socket', 'Socket', 'file', 'a socket file'],
      ['char', 'CharDevice', 'file', 'a character device'],
      ['block', 'BlockDevice', 'file', 'a block device'],
    ] as const;
    const onHost = (name: string, type: string): Fields => ({ name: 'v', hostPath: { path: below(name), type } });
    await apply(
      ...wrong.map(([pod, type, name]) =>
        podOf(`not-${pod}`, { containers: [shell('a', STAY, mounts(at('v', '/v')))], volumes: [onHost(name, type)] }),
      ),
    );
    await eventually(
      'the reasons',
      () => cluster.must('get', 'events'),
      (table) => wrong.every(([, , name, words]) => table.includes(`hostPath type check failed: ${below(name)} is not ${words}`)),
      PATIENCE_MS,
    );
    expect(existsSync(below('absent'))).toBe(false);
    // The pod goes on as soon as it is there.
    writeFileSync(below('absent'), 'now');
    await cluster.podReady('not-file');
    await cluster.must('delete', 'pod', ...wrong.map(([pod]) => `not-${pod}`));
  });

  it('Container volumeMounts[].mountPropagation: what the node mounts later is seen with HostToContainer and not with None; Bidirectional is asked of the engine', async () => {
    mkdirSync(below('shared/later'));
    execFileSync('mount', ['-t', 'tmpfs', 'later', below('shared/later')]);
    writeFileSync(below('shared/later/x'), 'x');
    const [slave, own] = Object.values(await each('places', 'a', SEEN, ['/slave/later/x', '/private/later/x']));
    expect(slave).toMatch(/ x$/);
    expect(own).toBe('ENOENT');

    const pod = await cluster.podUntil(
      'both',
      'started or refused by an engine that may not do so itself',
      ({ status }) => status?.containerStatuses[0]?.state?.running !== undefined || status?.phase === 'Failed',
    );
    const [made] = (await cluster.containers()).filter(
      ({ Labels }) => Labels['podplane.dev/pod-name'] === 'both' && Labels['podplane.dev/container'] === 'a',
    );
    const { Mounts } = await engine<{ Mounts: Fields[] }>('GET', `/containers/${made?.Id}/json`);
    expect(Mounts).toContainEqual(expect.objectContaining({ Destination: '/both', Propagation: 'rshared' }));
    if (pod.status?.phase !== 'Failed')
      await eventually('mounted', () => Promise.resolve(existsSync(below('shared/up/x'))), Boolean, PATIENCE_MS);
  });

  it('changes of ConfigMaps, Secrets and labels are seen in running containers within 10 s; behind a subPath nothing changes', async () => {
    await cluster.podReady('watcher');
    const lines = async (): Promise<readonly string[]> => (await cluster.logs('watcher')).trim().split('\n');
    const [first] = await eventually('its first look', lines, ([line]) => line !== '', PATIENCE_MS);
    expect(first).toMatch(/^\d+ green s3cret tier="front" green s3cret tier="front" green$/);
    const began = Date.now();
    await apply(settings('blue'), pass('changed'));
    await cluster.client.mergePatch('Pod', 'default', 'watcher', { metadata: { labels: { tier: 'back' } } });
    const applied = Date.now();
    const last = await eventually(
      'all changed',
      async () => (await lines()).at(-1) ?? '',
      (line) => line.endsWith(' blue changed tier="back" blue changed tier="back" green'),
      PATIENCE_MS,
    );
    const seen = Number(last.split(' ')[0]);
    expect(seen).toBeGreaterThan(began);
    expect(seen - applied).toBeLessThan(10_000);
    expect((await cluster.get('Pod', 'watcher')).status?.containerStatuses[0]?.restartCount).toBe(0);
  });

  it('PodSpec volumes[].emptyDir.sizeLimit: a pod that keeps more on disk is evicted, with the volume and the limit in its message', async () => {
    const { status } = await cluster.podEnded('sized');
    expect(status).toMatchObject({
      phase: 'Failed',
      reason: 'Evicted',
      message: 'Usage of EmptyDir volume "data" exceeds the limit "1Mi". ',
    });
    await eventually(
      'the event',
      () => events('sized'),
      (lines) => lines.includes('Evicted'),
      PATIENCE_MS,
    );
  });
});
