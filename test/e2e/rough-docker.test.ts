// Rough handling where pods run on Docker: an image that does not exist, a server killed below a log stream, a second `up`. What needs no
// Docker is in rough.test.ts; an engine that is stopped while pods run is in engine-restart.test.ts.
import { type ChildProcess, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { engineAnswers, eventually, Playground, ROOT } from './harness.js';

const answers = await engineAnswers();

interface PodObject {
  readonly metadata: { readonly uid: string };
  readonly status: {
    readonly phase: string;
    readonly containerStatuses?: readonly {
      readonly state: { readonly waiting?: { readonly reason: string; readonly message?: string } };
    }[];
  };
}

describe.skipIf(!answers)('a cluster of one node', () => {
  const play = new Playground();
  let again: ChildProcess | undefined;

  beforeAll(async () => {
    const made = spawnSync(path.join(ROOT, 'node_modules/.bin/node'), [path.join(ROOT, 'deploy/setup/example-image.mjs')], {
      encoding: 'utf8',
    });
    expect(made.status, made.stderr).toBe(0);
    await play.start(1);
  });
  afterAll(async () => {
    again?.kill('SIGTERM');
    if (again !== undefined && again.exitCode === null) await once(again, 'exit');
    await play.remove();
  });

  it('says of an image that does not exist why its pod waits, and takes a correction', async () => {
    const image = 'podplane-e2e.invalid/no/such-image:1';
    const file = path.join(play.directory, 'image.yaml');
    const manifest = readFileSync(path.join(ROOT, 'examples/pod.yaml'), 'utf8').replace('name: hello\n', 'name: no-image\n');
    writeFileSync(file, manifest.replace('podplane-example/web:1', image));
    await play.must('apply', '-f', file, '--wait=false');
    const reasonOf = ({ status }: PodObject): string => status.containerStatuses?.[0]?.state.waiting?.reason ?? '';
    await eventually(
      'the first try has failed',
      () => play.json<PodObject>('get', 'pod', 'no-image'),
      (pod) => ['ErrImagePull', 'ImagePullBackOff'].includes(reasonOf(pod)),
    );
    const applied = await play.cli(['apply', '-f', file, '--timeout', '5s']);
    expect(applied.code, applied.stderr).toBe(3);
    expect(applied.stderr).toMatch(/error: timed out waiting for pod\/no-image: .*(ErrImagePull|ImagePullBackOff)/);
    expect(applied.stderr).toContain('podplane describe pod/no-image');

    // While it is tried again it is said to be under way.
    await eventually(
      'the table says so',
      () => play.must('get', 'pods'),
      (table) => /^no-image\s+0\/1\s+(ErrImagePull|ImagePullBackOff)\s+0\s/m.test(table),
    );
    const waiting = await eventually(
      'back-off',
      () => play.json<PodObject>('get', 'pod', 'no-image'),
      (pod) => reasonOf(pod) === 'ImagePullBackOff',
    );
    expect(waiting.status.phase).toBe('Pending');
    await eventually(
      'the description',
      () => play.must('describe', 'pod', 'no-image'),
      (text) => text.includes(image) && /Reason:\s+(ErrImagePull|ImagePullBackOff)/.test(text) && /Failed\s.*such-image/.test(text),
    );

    writeFileSync(file, manifest);
    const corrected = await play.cli(['apply', '-f', file, '--timeout', '2m']);
    expect(corrected.code, corrected.stderr).toBe(0);
    expect((await play.json<PodObject>('get', 'pod', 'no-image')).metadata.uid).toBe(waiting.metadata.uid);
    await play.must('delete', 'pod', 'no-image');
  });

  it('refuses a second up with the same data, and the first goes on', async () => {
    const before = readFileSync(path.join(play.data, 'up.json'), 'utf8');
    const second = await play.cli(['up', '--nodes', '1', '--data', play.data, '--port', '0', '--node-prefix', play.prefix]);
    expect(second).toMatchObject({ code: 1, stdout: '' });
    expect(second.stderr).toMatch(/^error: podplane up runs already with \S+ \(process \d+; server at \S+\)\n.*--data OTHER/);
    expect(readFileSync(path.join(play.data, 'up.json'), 'utf8')).toBe(before);
    expect(await play.must('get', 'nodes')).toMatch(/\sReady\s/);
  });

  it('goes on with logs -f when the server is killed and started again; no line is lost or told twice', async () => {
    expect((await play.cli(['apply', '-f', path.join(ROOT, 'examples/pod.yaml')])).code).toBe(0);
    const following = play.run(['logs', 'hello', '-f']);
    let stdout = '';
    let stderr = '';
    following.stdout?.on('data', (piece: Buffer) => (stdout += piece.toString()));
    following.stderr?.on('data', (piece: Buffer) => (stderr += piece.toString()));
    const numbers = (): number[] => [...stdout.matchAll(/^hello (\d+) from hello$/gm)].map(([, number]) => Number(number));
    const until = (what: string, least: number): Promise<unknown> =>
      eventually(
        what,
        () => Promise.resolve(numbers()),
        (all) => (all.at(-1) ?? 0) >= least,
      );
    await until('some lines', 2);

    const { server } = play.upFile;
    const range = readFileSync(path.join(play.data, 'cluster-cidr'), 'utf8').trim();
    process.kill(server.pid, 'SIGKILL');
    await eventually(
      'the loss is told',
      () => Promise.resolve(stderr),
      (text) => text.includes('connection to the server was lost'),
    );
    const port = server.address.split(':').at(-1) ?? '';
    again = play.run([
      'server',
      '--data',
      path.join(play.data, 'server'),
      '--port',
      port,
      '--address',
      '127.0.0.1',
      '--context-file',
      path.join(play.data, 'context.json'),
      '--cluster-cidr',
      range,
    ]);
    const lost = numbers().at(-1) ?? 0;
    await until('lines after the restart', lost + 5);
    expect(numbers()).toEqual(Array.from({ length: numbers().at(-1) ?? 0 }, (_, i) => i + 1));
    expect(stderr.match(/connection to the server was lost/g)).toHaveLength(1);
    following.kill('SIGINT');
    await once(following, 'close');

    const uid = (await play.json<PodObject>('get', 'pod', 'hello')).metadata.uid;
    expect(
      (await play.containers()).filter(({ Labels, State }) => Labels['podplane.dev/pod-uid'] === uid && State === 'running'),
    ).toHaveLength(2);
    await play.must('delete', 'pod', 'hello');
  });

  it('is stopped by Ctrl-C also where its server was started again by hand', async () => {
    await play.interrupt();
    expect(existsSync(path.join(play.data, 'up.json'))).toBe(false);
    await eventually(
      'the server has ended',
      () => Promise.resolve(again?.exitCode),
      (code) => code === 0,
    );
  });
});
