// Docker Engine is stopped while pods run, and started again: the node says so meanwhile, and its pods come back by themselves.
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { engineAnswers, eventually, Playground, ROOT } from './harness.js';
import { OwnEngine, whyNoOwnEngine } from './own-engine.js';

interface PodObject {
  readonly metadata: { readonly uid: string };
  readonly status: {
    readonly podIP?: string;
    readonly phase?: string;
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
    readonly containerStatuses?: readonly { readonly restartCount: number; readonly ready: boolean; readonly containerID?: string }[];
  };
}

const why = (await engineAnswers()) ? whyNoOwnEngine() : 'no engine answers';
if (why !== undefined) {
  if (process.env.CI === 'true') throw new Error(`CI=true, and no engine of the test's own can be started: ${why}`);
  process.stderr.write(`\n*** SKIPPED: tests that stop a Docker Engine (${why}) ***\n\n`);
}

describe.skipIf(why !== undefined)('an engine that is restarted', () => {
  const own = new OwnEngine();
  const play = new Playground(own.wrap, own.env);

  beforeAll(async () => {
    await own.open();
    const made = spawnSync(path.join(ROOT, 'node_modules/.bin/node'), [path.join(ROOT, 'deploy/setup/example-image.mjs')], {
      env: { ...process.env, ...own.env },
      encoding: 'utf8',
    });
    expect(made.status, made.stderr).toBe(0);
    await play.start(1);
  });
  afterAll(async () => {
    await play.remove();
    await own.close();
  });

  it('gets its pods back, and the node says meanwhile that the engine is gone', async () => {
    const applied = await play.cli(['apply', '-f', path.join(ROOT, 'examples/pod.yaml')]);
    expect(applied.code, applied.stderr).toBe(0);
    const pod = async (): Promise<PodObject> => play.json<PodObject>('get', 'pod', 'hello');
    const before = await pod();
    expect(before.status.conditions?.find(({ type }) => type === 'Ready')?.status).toBe('True');

    await own.stop();
    const table = await eventually(
      'NotReady',
      () => play.must('get', 'nodes'),
      (text) => /\sNotReady\s/.test(text),
    );
    expect(table).toContain(play.node(1));
    expect(await play.must('describe', 'node', play.node(1))).toMatch(/engine/i);

    await own.start();
    const after = await eventually(
      'Ready again',
      pod,
      ({ status }) =>
        status.conditions?.find(({ type }) => type === 'Ready')?.status === 'True' &&
        status.containerStatuses?.[0]?.containerID !== before.status.containerStatuses?.[0]?.containerID,
      120_000,
    );
    expect(after.metadata.uid).toBe(before.metadata.uid);
    expect(after.status.podIP).toBe(before.status.podIP);
    expect(after.status.containerStatuses?.every(({ restartCount }) => restartCount === 1)).toBe(true);
    await play.readyAgain(play.node(1));
    expect((await play.must('exec', 'hello', '--', 'hostname')).trim()).toBe('hello');
  });
});
