// `podplane logs` over what the engine keeps of a container's output: files that were begun anew, runs before this one, the agent's
// limits. By the built command on real Docker.
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type EngineContainer, engine, engineAnswers, eventually, Playground } from './harness.js';
import { ShellImage } from './shell-image.js';

const answers = await engineAnswers();
/** Of one file; the engine counts its own JSON with it, about 80 bytes a line. */
const FILE_BYTES = 16 * 1024;
const FILES = 3;
const LINES = 2000;

describe.skipIf(!answers)('logs', () => {
  const play = new Playground();
  const image = new ShellImage();

  async function apply(name: string, spec: object): Promise<void> {
    const file = path.join(play.directory, `${name}.json`);
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name }, spec: { terminationGracePeriodSeconds: 0, ...spec } };
    writeFileSync(file, JSON.stringify(pod));
    await play.must('apply', '-f', file);
  }
  const container = (script: string, more: object = {}): object => ({
    name: 'main',
    image: image.name,
    imagePullPolicy: 'IfNotPresent',
    command: ['/bin/sh', '-c', script],
    ...more,
  });
  const numbersOf = (log: string): readonly number[] =>
    log
      .trimEnd()
      .split('\n')
      .map((line) => Number(/^line (\d+) x+$/.exec(line)?.[1]));
  const write = (from: number, to: number): string =>
    `i=${from}; while [ $i -le ${to} ]; do echo "line $i xxxxxxxxxxxxxxxxxxxx"; i=$((i+1)); done`;

  beforeAll(async () => {
    await Promise.all([image.load(), play.start(1)]);
    // The agent begins again with limits of its own.
    const node = play.node(1);
    const [old] = play.upFile.agents;
    process.kill(old?.pid ?? 0, 'SIGKILL');
    play.restartAgent(node, ['--container-log-max-size', '16Ki', '--container-log-max-files', String(FILES)]);
  });
  afterAll(async () => {
    await play.remove();
    await image[Symbol.asyncDispose]();
  });

  it('gives what is left in files that were begun anew, without a gap, and the last lines over their border', async () => {
    await apply('much', { containers: [container(`${write(1, LINES)}; sleep 100000`)] });
    const log = await eventually(
      'the end',
      () => play.must('logs', 'much'),
      (text) => text.includes(`line ${LINES} `),
    );
    const numbers = numbersOf(log);
    expect(numbers.at(-1)).toBe(LINES);
    expect(numbers).toEqual(numbers.map((_, i) => LINES - numbers.length + 1 + i));
    // More than the file that is written to holds, and no more than all of them.
    expect(log.length).toBeGreaterThan(FILE_BYTES / 4);
    expect(numbers.length * 100).toBeGreaterThan(FILE_BYTES);
    expect(numbers.length * 80).toBeLessThan(FILES * FILE_BYTES);
    const tail = await play.must('logs', 'much', '--tail', String(numbers.length - 1));
    expect(tail).toBe(log.slice(log.indexOf('\n') + 1));
    const [found] = (await play.containers()).filter(({ Labels }) => Labels['podplane.dev/container'] === 'main');
    const { HostConfig } = await engine<{ HostConfig: { LogConfig: object } }>('GET', `/containers/${(found as EngineContainer).Id}/json`);
    expect(HostConfig.LogConfig).toEqual({ Type: 'json-file', Config: { 'max-size': String(FILE_BYTES), 'max-file': String(FILES) } });
  });

  it('follows over the border of files', async () => {
    const script = `read word; ${write(1, 100)}; read word; ${write(101, 200)}; read word; ${write(201, 300)}`;
    await apply('followed', { restartPolicy: 'Never', containers: [container(script, { stdin: true })] });
    await eventually(
      'the pod runs',
      () => play.must('get', 'pod', 'followed'),
      (table) => table.includes('Running'),
    );
    const following = play.run(['logs', '-f', 'followed']);
    let seen = '';
    following.stdout?.on('data', (piece: Buffer) => {
      seen += piece.toString();
    });
    const ended = once(following, 'close');
    const attached = play.run(['attach', '-i', 'followed']);
    attached.stdout?.resume();
    for (const last of [100, 200, 300]) {
      attached.stdin?.write('go\n');
      await eventually(
        `line ${last}`,
        async () => seen,
        (text) => text.includes(`line ${last} `),
      );
    }
    expect(await ended).toEqual([0, null]);
    // Docker 20.10 says some lines before the border again; what matters is that none is missing.
    expect([...new Set(numbersOf(seen))]).toEqual(Array.from({ length: 300 }, (_, i) => i + 1));
  });

  it('gives the run before this one with -p, and says where there is none', async () => {
    const script = `echo run >> /v/runs; n=$(wc -l < /v/runs); echo "run $n begins"; ${write(1, LINES)}; echo "run $n ends"; [ $n -ge 2 ] && sleep 100000; exit 3`;
    await apply('again', {
      volumes: [{ name: 'v', emptyDir: {} }],
      containers: [container(script, { volumeMounts: [{ name: 'v', mountPath: '/v' }] })],
    });
    await eventually(
      'the second run',
      () => play.cli(['logs', 'again']),
      ({ stdout }) => stdout.includes('run 2 ends\n'),
    );
    const before = await play.must('logs', '-p', 'again');
    expect(before).toMatch(/\nrun 1 ends\n$/);
    expect(before).not.toContain('run 2');
    expect(numbersOf(before.replace('run 1 ends\n', '')).length).toBeGreaterThan(100);
    expect(await play.must('logs', 'again', '--previous', '--tail', '1')).toBe('run 1 ends\n');
    expect(await play.must('logs', 'again', '--tail', '1')).toBe('run 2 ends\n');
    const none = await play.cli(['logs', 'much', '-p']);
    expect(none.code).toBe(1);
    expect(none.stderr).toContain('previous terminated container "main" in pod');
  });
});
