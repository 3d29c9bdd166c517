// `docker compose up --build` gives the same cluster, each node with an engine of its own; `docker compose kill` is the hard kill. Works with Compose
// v2 and docker-compose 1.29; run with what the machine has.
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { engineAnswers, eventually, ROOT } from './harness.js';

const COMMANDS = [['docker', 'compose'], ['docker-compose']] as const;

function composeCommand(): readonly string[] | undefined {
  return COMMANDS.find(([program, ...args]) => spawnSync(program, [...args, 'version'], { stdio: 'ignore' }).status === 0);
}

const answers = await engineAnswers();
const compose = composeCommand();
if (answers && compose === undefined) {
  if (process.env.CI === 'true') throw new Error('CI=true, and there is neither docker compose nor docker-compose');
  process.stderr.write('\n*** NO DOCKER COMPOSE: its tests are SKIPPED ***\n\n');
}

interface PodList {
  readonly items: readonly {
    readonly metadata: { readonly deletionTimestamp?: string };
    readonly spec: { readonly nodeName?: string };
    readonly status: { readonly reason?: string; readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
  }[];
}

describe.skipIf(!answers || compose === undefined)('docker compose', () => {
  const project = `ppe2e${randomBytes(3).toString('hex')}`;
  const [program = '', ...first] = compose ?? [];
  let env: NodeJS.ProcessEnv = {};
  const run = (args: readonly string[]): { readonly code: number | null; readonly stdout: string; readonly stderr: string } => {
    const done = spawnSync(program, [...first, '-p', project, ...args], { cwd: ROOT, env, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
    return { code: done.status, stdout: done.stdout, stderr: done.stderr };
  };
  const must = (...args: readonly string[]): string => {
    const { code, stdout, stderr } = run(args);
    if (code !== 0) throw new Error(`${args.join(' ')} ended with ${code}\n${stdout.slice(-3000)}\n${stderr.slice(-3000)}`);
    return stdout;
  };
  const podplane = (...args: readonly string[]): string => must('exec', '-T', 'control-plane', 'podplane', ...args);
  const pods = (): Promise<PodList> => Promise.resolve(JSON.parse(podplane('get', 'pods', '-o', 'json')) as PodList);
  const readyOn = (list: PodList, but = ''): number =>
    list.items.filter(
      ({ metadata, spec, status }) =>
        metadata.deletionTimestamp === undefined &&
        spec.nodeName !== but &&
        status.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True'),
    ).length;

  beforeAll(() => {
    // No registry is reachable here: the base is made of this machine's own programs, as deploy/README.md says.
    const base = spawnSync(path.join(ROOT, 'node_modules/.bin/node'), [path.join(ROOT, 'deploy/compose/build-base.mjs')], {
      encoding: 'utf8',
    });
    expect(base.status, base.stderr).toBe(0);
    env = {
      ...process.env,
      BASE_IMAGE: base.stdout.trim(),
      PODPLANE_IMAGE: `${project}:test`,
      PODPLANE_PORT: '0',
      COMPOSE_DOCKER_CLI_BUILD: '0',
      DOCKER_BUILDKIT: '0',
    };
    must('up', '--build', '-d');
  });
  afterAll(() => {
    must('down', '-v', '--timeout', '5');
    spawnSync('docker', ['rmi', '-f', `${project}:test`], { stdio: 'ignore' });
  });

  it('gives three Ready nodes, each with an engine of its own', async () => {
    const table = await eventually(
      'three Ready nodes',
      () => Promise.resolve(run(['exec', '-T', 'control-plane', 'podplane', 'get', 'nodes']).stdout),
      (text) => (text.match(/\sReady\s/g) ?? []).length === 3,
      90_000,
    );
    for (const node of ['node-1', 'node-2', 'node-3']) expect(table).toContain(node);
  });

  it('runs the app on them; a killed node is replaced and comes back', async () => {
    const applied = podplane('apply', '-f', 'examples/web.yaml', '--timeout', '3m');
    expect(applied).toContain('deployment.apps/web created');
    expect(readyOn(await pods())).toBe(6);
    const name = podplane('exec', 'deploy/web', '--', 'hostname').trim();
    expect(podplane('get', 'pods', '-o', 'name')).toContain(name);

    const began = performance.now();
    must('kill', 'node-2');
    await eventually('six pods elsewhere', pods, (list) => readyOn(list, 'node-2') === 6, 60_000);
    process.stdout.write(`compose kill node-2 -> all pods Ready elsewhere: ${((performance.now() - began) / 1000).toFixed(1)} s\n`);

    must('start', 'node-2');
    await eventually(
      'node-2 is back',
      () => Promise.resolve(podplane('get', 'nodes')),
      (text) => /^node-2\s+Ready/m.test(text),
      60_000,
    );
    await eventually('nothing hangs', pods, (list) => list.items.length === 6 && readyOn(list) === 6, 60_000);
  });
});
