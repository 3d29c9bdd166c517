// `docker compose up --build` gives the same cluster, each node with an engine of its own; `docker compose kill` is the hard kill. Works with Compose
// v2 and docker-compose 1.29; run with what the machine has. And a whole node is frozen and goes on, as a suspended machine does.
import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
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
    readonly metadata: {
      readonly name: string;
      readonly uid: string;
      readonly deletionTimestamp?: string;
      readonly annotations?: Readonly<Record<string, string>>;
    };
    readonly spec: { readonly nodeName?: string };
    readonly status: {
      readonly reason?: string;
      readonly conditions?: readonly { readonly type: string; readonly status: string }[];
      readonly containerStatuses?: readonly { readonly restartCount: number; readonly containerID?: string }[];
    };
  }[];
}
type PodSeen = PodList['items'][number];

/** A pod that writes the time every 5 ms into a file of its node, named by its epoch, and does not end when asked to; and one that fits nowhere else. */
const FROZEN = [
  {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { name: 'db' },
    spec: {
      replicas: 1,
      selector: { matchLabels: { app: 'db' } },
      template: {
        metadata: { labels: { app: 'db' } },
        spec: {
          affinity: {
            nodeAffinity: {
              preferredDuringSchedulingIgnoredDuringExecution: [
                {
                  weight: 100,
                  preference: { matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: ['node-3'] }] },
                },
              ],
            },
          },
          containers: [
            {
              name: 'db',
              image: 'podplane-example/web:1',
              command: [
                'node',
                '-e',
                `process.on('SIGTERM', () => {});
                 const fs = require('node:fs'), file = fs.openSync('/ticks/' + process.env.PODPLANE_EPOCH, 'a');
                 setInterval(() => fs.writeSync(file, Date.now() + '\\n'), 5);`,
              ],
              volumeMounts: [{ name: 'ticks', mountPath: '/ticks' }],
            },
          ],
          volumes: [{ name: 'ticks', hostPath: { path: '/var/lib/podplane-ticks', type: 'DirectoryOrCreate' } }],
        },
      },
    },
  },
  {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'stay' },
    spec: {
      replicas: 1,
      selector: { matchLabels: { app: 'stay' } },
      template: {
        metadata: { labels: { app: 'stay' } },
        spec: {
          terminationGracePeriodSeconds: 1,
          nodeSelector: { 'kubernetes.io/hostname': 'node-3' },
          containers: [{ name: 'stay', image: 'podplane-example/web:1', command: ['sleep', 'infinity'] }],
        },
      },
    },
  },
];

describe.skipIf(!answers || compose === undefined)('docker compose', () => {
  const project = `ppe2e${randomBytes(3).toString('hex')}`;
  const [program = '', ...first] = compose ?? [];
  let env: NodeJS.ProcessEnv = {};
  const run = (args: readonly string[], input = ''): { readonly code: number | null; readonly stdout: string; readonly stderr: string } => {
    const done = spawnSync(program, [...first, '-p', project, ...args], {
      cwd: ROOT,
      env,
      input,
      encoding: 'utf8',
      maxBuffer: 64 * 1024 * 1024,
    });
    return { code: done.status, stdout: done.stdout, stderr: done.stderr };
  };
  const must = (...args: readonly string[]): string => {
    const { code, stdout, stderr } = run(args);
    if (code !== 0) throw new Error(`${args.join(' ')} ended with ${code}\n${stdout.slice(-3000)}\n${stderr.slice(-3000)}`);
    return stdout;
  };
  const podplane = (...args: readonly string[]): string => must('exec', '-T', 'control-plane', 'podplane', ...args);
  const pods = (): Promise<PodList> => Promise.resolve(JSON.parse(podplane('get', 'pods', '-o', 'json')) as PodList);
  const isReady = ({ metadata, status }: PodSeen): boolean =>
    metadata.deletionTimestamp === undefined &&
    (status.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') ?? false);
  const readyOn = (list: PodList, but = ''): number => list.items.filter((pod) => pod.spec.nodeName !== but && isReady(pod)).length;
  const named = (list: PodList, name: string): PodSeen => {
    const found = list.items.filter(({ metadata }) => metadata.name.startsWith(name));
    if (found.length !== 1 || found[0] === undefined) throw new Error(`${found.length} pods ${name}`);
    return found[0];
  };

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
      180_000,
    );
    for (const node of ['node-1', 'node-2', 'node-3']) expect(table).toContain(node);
  });

  it('runs the app on them; a killed node is replaced and comes back', async () => {
    const applied = podplane('apply', '-f', 'examples/web.yaml', '--timeout', '3m');
    expect(applied).toContain('deployment.apps/web created');
    await eventually('six pods Ready', pods, (list) => readyOn(list) === 6);
    const name = podplane('exec', 'deploy/web', '--', 'hostname').trim();
    expect(podplane('get', 'pods', '-o', 'name')).toContain(name);
    // The agent lives beside its engine, in the cgroups of the node's container: pods have theirs in there.
    const node = await eventually(
      'what node-1 says of cgroups',
      () => Promise.resolve(podplane('describe', 'node', 'node-1')),
      (text) => text.includes('PodCgroups'),
    );
    expect(node).toMatch(/PodCgroups +True .*below \/podplane\/node-1$/m);
    const pod = (await pods()).items.find(({ spec }) => spec.nodeName === 'node-1');
    const shown = must(
      'exec',
      '-T',
      'node-1',
      'sh',
      '-c',
      `find /sys/fs/cgroup -type d -path '*podplane/node-1/*pod${pod?.metadata.uid}/*'`,
    );
    expect(shown.trim().split('\n').length).toBeGreaterThan(1);

    const began = performance.now();
    must('kill', 'node-2');
    await eventually('six pods elsewhere', pods, (list) => readyOn(list, 'node-2') === 6, 120_000);
    process.stdout.write(`compose kill node-2 -> all pods Ready elsewhere: ${((performance.now() - began) / 1000).toFixed(1)} s\n`);

    must('start', 'node-2');
    await eventually(
      'node-2 is back',
      () => Promise.resolve(podplane('get', 'nodes')),
      (text) => /^node-2\s+Ready/m.test(text),
      120_000,
    );
    await eventually('nothing hangs', pods, (list) => list.items.length === 6 && readyOn(list) === 6, 120_000);
  });

  it('freezes a whole node and lets it go on: its StatefulSet pod is replaced before, and killed at once then', async () => {
    const ofNode = (...args: readonly string[]): string => must('exec', '-T', 'node-3', ...args);
    const applied = run(
      ['exec', '-T', 'control-plane', 'podplane', 'apply', '-f', '-', '--timeout', '3m'],
      FROZEN.map((one) => JSON.stringify(one)).join('\n---\n'),
    );
    expect(applied.code, applied.stderr).toBe(0);
    const before = await pods();
    const [db, stay] = [named(before, 'db-0'), named(before, 'stay-')];
    const webs = before.items.filter(({ metadata, spec }) => metadata.name.startsWith('web-') && spec.nodeName === 'node-3');
    expect([db.spec.nodeName, stay.spec.nodeName, webs.length > 0]).toEqual(['node-3', 'node-3', true]);
    expect(ofNode('docker', 'ps', '--format', '{{.Names}}')).toContain('podplane-watchdog-node-3');
    const ticks = `/var/lib/podplane-ticks/${db.metadata.annotations?.['podplane.dev/epoch']}`;

    const watch = spawn(program, [...first, '-p', project, 'exec', '-T', 'control-plane', 'podplane', 'get', 'pods', '-w', '-o', 'json'], {
      cwd: ROOT,
      env,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    onTestFinished(() => void watch.kill());
    let watched = '';
    watch.stdout.setEncoding('utf8').on('data', (piece: string) => {
      watched += piece;
    });
    // It has to see how things are before the node stands still.
    await eventually(
      'the watch has begun',
      () => Promise.resolve(watched),
      (text) => text.includes(db.metadata.uid),
    );
    const lines: string[] = [];
    const began = Date.now();
    const note = (at: number, text: string): void => void lines.push(`${((at - began) / 1000).toFixed(3).padStart(9)} s  ${text}`);
    must('pause', 'node-3');
    note(began, 'docker pause of node-3: its engine, agent, watchdog and pods stand still');
    // Of what is over the engine remembers little: it is asked before.
    let unpaused = '';
    // biome-ignore format: one filter a pair
    const pauses = spawn('docker', ['events', '--since', `${Math.floor(began / 1000)}`, '--filter', 'event=unpause', '--filter', `label=com.docker.compose.project=${project}`, '--format', '{{.TimeNano}}'], { stdio: ['ignore', 'pipe', 'inherit'] });
    onTestFinished(() => void pauses.kill());
    pauses.stdout.setEncoding('utf8').on('data', (piece: string) => {
      unpaused += piece;
    });
    try {
      const replaced = await eventually(
        'the pods are Ready elsewhere',
        pods,
        // Those of the Deployment, too: the original of one that was not would be kept.
        (list) =>
          list.items.some((pod) => pod.metadata.name === 'db-0' && pod.spec.nodeName !== 'node-3' && isReady(pod)) &&
          readyOn(list, 'node-3') === 7,
        120_000,
      );
      const next = named(replaced, 'db-0');
      note(Date.now(), `db-0 is Ready on ${next.spec.nodeName}, epoch ${next.metadata.annotations?.['podplane.dev/epoch']}`);
      expect(next.metadata.uid).not.toBe(db.metadata.uid);
      expect(Date.now() - began).toBeGreaterThan(15_000); // the lease and its margin, from a heartbeat up to 1 s before
    } finally {
      must('unpause', 'node-3');
    }
    await eventually(
      'the engine says that it goes on',
      () => Promise.resolve(unpaused),
      (text) => text.includes('\n'),
    );
    const thawed = Number(unpaused.trim()) / 1e6;
    note(thawed, 'docker unpause of node-3');

    await eventually(
      'nothing is left of the frozen pod',
      () => Promise.resolve(ofNode('docker', 'ps', '-aq', '--filter', 'label=podplane.dev/pod-name=db-0')),
      (left) => left.trim() === '',
      120_000,
    );
    const after = await eventually('all is well', pods, (list) => list.items.length === 8 && readyOn(list) === 8, 120_000);
    const [ended] = ofNode(
      // biome-ignore format: one filter a pair
      ...['docker', 'events', '--since', `${Math.floor(thawed / 1000)}`, '--until', `${Math.ceil(Date.now() / 1000)}`, '--filter', 'event=die', '--filter', `label=podplane.dev/pod-uid=${db.metadata.uid}`, '--filter', 'label=podplane.dev/container=db', '--format', '{{.TimeNano}} {{.Actor.Attributes.exitCode}}'],
    ).split('\n');
    const [diedAt = '', code] = ended?.split(' ') ?? [];
    note(Number(diedAt) / 1e6, `node-3: container of the frozen db-0 has ended (exit code ${code})`);
    const wrote = ofNode('cat', ticks).trim().split('\n').map(Number);
    const late = wrote.filter((at) => at > began + 15_000);
    for (const at of [late[0], late.at(-1)]) if (at !== undefined) note(at, 'it wrote');
    process.stdout.write(
      `\nnode frozen:\n${lines.join('\n')}\n${late.length} writes of the frozen pod after it went on, ${wrote.length - late.length} before\n`,
    );
    expect(wrote.length).toBeGreaterThan(late.length);
    expect(code).toBe('137');
    // Its grace is 30 s, which it would take to the end.
    expect(Number(diedAt) / 1e6 - thawed).toBeLessThan(25_000);
    expect(late.at(-1) ?? 0).toBeLessThan(thawed + 25_000);

    // Never Ready again, from its node's silence on.
    watch.kill();
    const states = watched
      .split(/(?<=^\})$/m)
      .map((text) => text.trim())
      .filter((text) => text.endsWith('}'))
      .map((text) => JSON.parse(text) as PodSeen)
      .filter(({ metadata }) => metadata.uid === db.metadata.uid)
      .map(isReady);
    expect(states[0]).toBe(true);
    expect(states.slice(states.indexOf(false))).not.toContain(true);
    expect(states).toContain(false);
    // Of Deployments: what was replaced has gone, what could not be is as it was.
    expect(named(after, 'stay-').metadata.uid).toBe(stay.metadata.uid);
    expect(named(after, 'stay-').status.containerStatuses).toEqual([
      expect.objectContaining({ restartCount: 0, containerID: stay.status.containerStatuses?.[0]?.containerID }),
    ]);
    for (const { metadata } of webs) expect(after.items.map((pod) => pod.metadata.uid)).not.toContain(metadata.uid);
  });
});
