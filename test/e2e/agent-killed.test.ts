// The agent is killed at each of its steps, and started again: what Docker's own events say of the pod's life is what they would say without that.
// No container is made or started twice, none is lost, no restart is counted that was none.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type ClientRequest, request } from 'node:http';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { engine, engineAnswers, eventually, Playground, ROOT } from './harness.js';
import { ShellImage } from './shell-image.js';

const answers = await engineAnswers();

interface PodObject {
  readonly metadata: { readonly uid: string };
  readonly status: {
    readonly phase: string;
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
    readonly initContainerStatuses?: readonly ContainerStatus[];
    readonly containerStatuses?: readonly ContainerStatus[];
  };
}

interface ContainerStatus {
  readonly name: string;
  readonly restartCount: number;
  readonly state: { readonly running?: object; readonly terminated?: { readonly exitCode: number } };
  readonly lastState?: { readonly terminated?: { readonly exitCode: number } };
}

interface EngineEvent {
  readonly Action: string;
  readonly Actor: { readonly ID: string; readonly Attributes: Readonly<Record<string, string>> };
}

/** What the engine says happens to the containers of a node, as it says it: of what is over it remembers little. */
class EngineEvents {
  readonly seen: EngineEvent[] = [];
  private readonly asked: ClientRequest;
  readonly listening: Promise<void>;

  constructor(node: string) {
    const filters = encodeURIComponent(JSON.stringify({ type: ['container'], label: [`podplane.dev/node=${node}`] }));
    const socketPath = (process.env.DOCKER_HOST ?? 'unix:///var/run/docker.sock').replace(/^unix:\/\//, '');
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.listening = promise;
    this.asked = request({ socketPath, path: `/events?filters=${filters}` }, (response) => {
      let rest = '';
      response.setEncoding('utf8').on('data', (piece: string) => {
        const lines = (rest + piece).split('\n');
        rest = lines.pop() ?? '';
        this.seen.push(...lines.filter((line) => line !== '').map((line) => JSON.parse(line) as EngineEvent));
      });
      response.on('error', () => undefined);
      resolve();
    });
    this.asked.on('error', reject).end();
  }

  ofPod(uid: string): readonly EngineEvent[] {
    return this.seen.filter(({ Actor }) => Actor.Attributes['podplane.dev/pod-uid'] === uid);
  }

  close(): void {
    this.asked.destroy();
  }
}

/** How often each container was made, started, ...: "main/0 start": 1. */
function counted(events: readonly EngineEvent[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { Action, Actor } of events) {
    if (!['create', 'start', 'destroy'].includes(Action)) continue;
    const key = `${Actor.Attributes['podplane.dev/container']}/${Actor.Attributes['podplane.dev/attempt']} ${Action}`;
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
}

/** Every run of the pod's containers, once each. */
const RUNS = ['POD/0', 'prepare/0', 'beside/0', 'main/0', 'falls/0', 'falls/1'];
const once_ = (...actions: readonly string[]): Record<string, number> =>
  Object.fromEntries(RUNS.flatMap((run) => actions.map((action) => [`${run} ${action}`, 1])));

describe.skipIf(!answers)('an agent that is killed at each step', () => {
  const play = new Playground();
  const image = new ShellImage();
  let events: EngineEvents | undefined;
  let agent: ChildProcess | undefined;
  let deaths = 0;
  let stopping = false;

  /** Keeps an agent running, whatever happens to it. */
  async function keepStarting(when: 'after' | 'before'): Promise<void> {
    const program = path.join(ROOT, 'test/dist/e2e/agent-that-dies.js');
    while (!stopping) {
      const child = spawn(path.join(ROOT, 'node_modules/.bin/node'), [program, data(), when], { stdio: ['ignore', 'ignore', 'pipe'] });
      agent = child;
      let said = '';
      child.stderr.on('data', (piece: Buffer) => {
        said = `${said}${piece.toString()}`.slice(-4000);
      });
      const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
      if (signal === 'SIGKILL') deaths++;
      else if (!stopping && code !== 6) throw new Error(`the agent ended by itself with ${code}:\n${said}`); // 6: the one before has only just died
    }
  }
  const data = (): string => path.join(play.data, 'agents', play.node(1));

  beforeAll(async () => {
    await Promise.all([image.load(), play.start(1)]);
    events = new EngineEvents(play.node(1));
    await events.listening;
    // From now on the agent is ours.
    const first = play.upFile.agents[0]?.pid ?? 0;
    process.kill(first, 'SIGKILL');
  });
  afterAll(async () => {
    stopping = true;
    agent?.kill('SIGKILL');
    events?.close();
    await play.remove();
    await image[Symbol.asyncDispose]();
  });

  const sh = (name: string, script: string, more: object = {}): object => ({
    name,
    image: image.name,
    imagePullPolicy: 'IfNotPresent',
    command: ['/bin/sh', '-c', script],
    volumeMounts: [{ name: 'data', mountPath: '/data' }],
    ...more,
  });
  const STAY = 'trap "exit 0" TERM; sleep 100000 & wait';

  it.each(['after', 'before'] as const)(
    '%s it: every container is made once, started once, counted right, and removed once',
    async (when) => {
      const name = `dies-${when}`;
      const manifest = {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name },
        spec: {
          terminationGracePeriodSeconds: 5,
          volumes: [{ name: 'data', emptyDir: {} }],
          initContainers: [sh('prepare', 'echo once >> /data/prepared'), sh('beside', STAY, { restartPolicy: 'Always' })],
          containers: [
            sh('main', STAY, {
              lifecycle: {
                postStart: { exec: { command: ['/bin/sh', '-c', 'echo post >> /data/hooks'] } },
                preStop: { exec: { command: ['/bin/sh', '-c', 'echo pre >> /data/hooks'] } },
              },
            }),
            // Ends once with an error: one restart is right.
            sh('falls', `if [ -e /data/fell ]; then ${STAY}; else touch /data/fell; exit 3; fi`),
          ],
        },
      };
      const file = path.join(play.directory, `${name}.json`);
      writeFileSync(file, JSON.stringify(manifest));
      deaths = 0;
      stopping = false;
      rmSync(path.join(data(), 'deaths'), { force: true });
      const keeping = keepStarting(when);
      await play.must('apply', '-f', file, '--wait=false');

      const pod = await eventually(
        'Ready, with the one restart behind it',
        () => play.json<PodObject>('get', 'pod', name),
        ({ status }) =>
          status.conditions?.find(({ type }) => type === 'Ready')?.status === 'True' &&
          status.containerStatuses?.find((one) => one.name === 'falls')?.restartCount === 1,
        240_000,
      );
      // The last events come a moment after the answers, here and below.
      await expect.poll(() => counted(events?.ofPod(pod.metadata.uid) ?? []), { timeout: 60_000 }).toEqual(once_('create', 'start'));
      // Some steps run beside each other: of those only the first is met.
      expect(deaths).toBeGreaterThanOrEqual(8);
      const counts = Object.fromEntries(
        [...(pod.status.initContainerStatuses ?? []), ...(pod.status.containerStatuses ?? [])].map((one) => [one.name, one.restartCount]),
      );
      expect(counts).toEqual({ prepare: 0, beside: 0, main: 0, falls: 1 });
      expect(pod.status.initContainerStatuses?.[0]?.state.terminated?.exitCode).toBe(0);
      expect(pod.status.containerStatuses?.find((one) => one.name === 'falls')?.lastState?.terminated?.exitCode).toBe(3);
      const prepared = await eventually(
        'the agent answers between two deaths',
        () => play.cli(['exec', name, '-c', 'main', '--', 'cat', '/data/prepared']),
        ({ code }) => code === 0,
        120_000,
      );
      expect(prepared.stdout).toBe('once\n');

      await play.must('delete', 'pod', name, '--wait=false');
      await eventually(
        'gone',
        () => play.cli(['get', 'pod', name]),
        ({ code }) => code !== 0,
        240_000,
      );
      expect(await play.containers(play.node(1))).toEqual([]);
      await expect
        .poll(() => counted(events?.ofPod(pod.metadata.uid) ?? []), { timeout: 60_000 })
        .toEqual(once_('create', 'start', 'destroy'));
      expect(await volumesOf(pod.metadata.uid)).toEqual([]);
      stopping = true;
      agent?.kill('SIGKILL');
      await keeping;
      // It died at each kind of step.
      const met = new Set(
        existsSync(path.join(data(), 'deaths')) ? readFileSync(path.join(data(), 'deaths'), 'utf8').trim().split('\n') : [],
      );
      for (const step of ['createVolume', 'createPause', 'createContainer', 'start', 'exec', 'stop', 'remove', 'removeVolume']) {
        expect([...met].filter((one) => one.startsWith(`${when} ${step} `))).not.toEqual([]);
      }
    },
  );

  async function volumesOf(uid: string): Promise<readonly unknown[]> {
    const filters = encodeURIComponent(JSON.stringify({ label: [`podplane.dev/pod-uid=${uid}`] }));
    return (await engine<{ readonly Volumes: readonly unknown[] | null }>('GET', `/volumes?filters=${filters}`)).Volumes ?? [];
  }
});
