// The main job as the README tells it, step by step, on real Docker: one app on three nodes, and a node dies.
import { once } from 'node:events';
import http from 'node:http';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { engineAnswers, eventually, Playground, ROOT } from './harness.js';

interface PodList {
  readonly items: readonly {
    readonly metadata: {
      readonly name: string;
      readonly uid: string;
      readonly creationTimestamp: string;
      readonly deletionTimestamp?: string;
    };
    readonly spec: { readonly nodeName?: string; readonly containers: readonly { readonly name: string; readonly image: string }[] };
    readonly status: {
      readonly phase?: string;
      readonly podIP?: string;
      readonly conditions?: readonly { readonly type: string; readonly status: string; readonly lastTransitionTime?: string }[];
      readonly containerStatuses?: readonly { readonly containerID?: string; readonly ready: boolean; readonly restartCount: number }[];
    };
  }[];
}

const live = (pods: PodList): PodList['items'] => pods.items.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
const ready = (pods: PodList): PodList['items'] =>
  live(pods).filter(({ status }) => status.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True'));
const web = path.join(ROOT, 'examples/web.yaml');
const webV2 = path.join(ROOT, 'examples/web-v2.yaml');

const answers = await engineAnswers();

describe.skipIf(!answers)('the main job', () => {
  const play = new Playground();
  const pods = (): Promise<PodList> => play.json<PodList>('get', 'pods');

  beforeAll(async () => {
    await play.start(3);
  });
  afterAll(async () => {
    await play.remove();
  });

  it('shows three Ready nodes', async () => {
    const table = await play.must('get', 'nodes');
    expect(table).toMatch(/^NAME\s+STATUS\s+ROLES\s+AGE\s+VERSION/);
    for (const number of [1, 2, 3]) expect(table).toMatch(new RegExp(`^${play.node(number)}\\s+Ready\\s`, 'm'));
    expect(play.upFile.agents.map(({ name }) => name)).toEqual([1, 2, 3].map((number) => play.node(number)));
  });

  it('refuses a second cluster with the same node names on this engine, and leaves the first alone', async () => {
    const second = await play.cli([
      'up',
      '--nodes',
      '1',
      '--data',
      path.join(play.directory, 'second'),
      '--port',
      '0',
      '--node-prefix',
      play.prefix,
    ]);
    expect(second.code).toBe(1);
    expect(second.stderr).toContain(play.node(1));
    expect(second.stderr).toContain('--node-prefix');
    expect(await play.must('get', 'nodes')).toMatch(new RegExp(`^${play.node(1)}\\s+Ready`, 'm'));
  });

  it('applies the example and waits until it is ready', async () => {
    const outcome = await play.cli(['apply', '-f', web]);
    expect(outcome.stderr + outcome.stdout).toContain('deployment.apps/web created');
    expect(outcome.code).toBe(0);
  });

  it('spreads the pods 2/2/2, all containers ready, each with an IP', async () => {
    const table = await play.must('get', 'pods', '-o', 'wide');
    expect(table).toMatch(/^NAME\s+READY\s+STATUS\s+RESTARTS\s+AGE\s+IP\s+NODE/);
    expect(table.match(/\s2\/2\s+Running\s/g)).toHaveLength(6);
    const list = await pods();
    const perNode = Map.groupBy(list.items, ({ spec }) => spec.nodeName);
    expect([...perNode.values()].map((some) => some.length)).toEqual([2, 2, 2]);
    expect(new Set(list.items.map(({ status }) => status.podIP)).size).toBe(6);
    const containers = await play.containers();
    expect(containers).toHaveLength(18); // a pause container and two of the app in each pod
    for (const { Labels } of containers) {
      expect(Labels['podplane.dev/pod-uid']).toBeTruthy();
      expect(Labels['podplane.dev/container']).toBeTruthy();
    }
  });

  it('follows the logs of all pods with prefixes', async () => {
    const child = play.run(['logs', 'deploy/web', '-f', '--prefix', '--tail', '2']);
    let text = '';
    const names = (await pods()).items.map(({ metadata }) => metadata.name);
    const { promise, resolve } = Promise.withResolvers<void>();
    child.stdout?.on('data', (piece: Buffer) => {
      text += piece.toString();
      if (names.every((name) => text.includes(`[pod/${name}/`))) resolve();
    });
    await promise;
    child.kill('SIGINT');
    await once(child, 'close');
  });

  it('forwards a port to a pod that answers with its name', async () => {
    const child = play.run(['port-forward', 'deploy/web', '0:80']);
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    let text = '';
    child.stdout?.on('data', (piece: Buffer) => {
      text += piece.toString();
      const port = /127\.0\.0\.1:(\d+)/.exec(text)?.[1];
      if (port !== undefined) resolve(Number(port));
    });
    child.once('exit', () => reject(new Error(`port-forward ended: ${text}`)));
    const port = await promise;
    const get = (): Promise<string> =>
      new Promise((done, fail) => {
        http
          .get({ host: '127.0.0.1', port, agent: false }, (response) => {
            let body = '';
            response.setEncoding('utf8').on('data', (piece: string) => {
              body += piece;
            });
            response.on('end', () => done(body));
          })
          .on('error', fail);
      });
    const names = (await pods()).items.map(({ metadata }) => metadata.name);
    const bodies = await Promise.all(Array.from({ length: 20 }, get));
    for (const body of bodies) expect(names.some((name) => body.includes(name))).toBe(true);
    child.kill('SIGINT');
    await once(child, 'close');
  });

  it('runs a command whose exit code comes through', async () => {
    const name = (await play.must('exec', 'deploy/web', '--', 'hostname')).trim();
    expect((await pods()).items.map(({ metadata }) => metadata.name)).toContain(name);
    const failing = await play.cli(['exec', 'deploy/web', '--', 'sh', '-c', 'echo out; echo err >&2; exit 7']);
    expect(failing).toMatchObject({ code: 7, stdout: 'out\n' });
    expect(failing.stderr).toContain('err');
    const piped = await play.cli(['exec', '-i', 'deploy/web', '--', 'cat'], 'through and back');
    expect(piped).toMatchObject({ code: 0, stdout: 'through and back' });
  });

  it('scales to nine, three on each node', async () => {
    await play.must('scale', 'deploy/web', '--replicas', '9');
    expect(await play.must('rollout', 'status', 'deploy/web')).toContain('successfully rolled out');
    const perNode = Map.groupBy(live(await pods()), ({ spec }) => spec.nodeName);
    expect([...perNode.values()].map((some) => some.length)).toEqual([3, 3, 3]);
  });

  it('rolls out a changed template without going under what is allowed', async () => {
    const first = await pods();
    const before = new Set(first.items.map(({ metadata }) => metadata.uid));
    const replaced = live(first)[0]?.metadata.name ?? '';
    const replicas = (await play.json<{ spec: { replicas: number } }>('get', 'deploy/web')).spec.replicas;
    let lowest = Number.POSITIVE_INFINITY;
    let done = false;
    const watch = (async () => {
      while (!done) lowest = Math.min(lowest, ready(await pods()).length);
    })();
    const outcome = await play.cli(['apply', '-f', webV2]);
    done = true;
    await watch;
    expect(outcome.code, outcome.stderr).toBe(0);
    const after = await eventually(
      'only new pods',
      pods,
      (list) => live(list).every(({ metadata }) => !before.has(metadata.uid)) && list.items.length === live(list).length,
    );
    const wanted = (await play.json<{ spec: { replicas: number } }>('get', 'deploy/web')).spec.replicas;
    expect(live(after)).toHaveLength(wanted);
    // The end of an old pod goes back to who applied the new image.
    expect(await play.must('why', `pod/${replaced}`)).toMatch(
      new RegExp(
        [
          `pod/${replaced} removed.*node:\\S+ +its containers have ended`,
          `└ pod/${replaced} changed.*controller:replicaset.*: delete \\d+ pod`,
          '└ replicaset/web-\\S+ changed.*controller:deployment.* from \\d+ to \\d+',
          '└ deployment/web changed .*user:admin +patch deployment web \\(podplane apply\\): .*image of ',
        ].join('.*\\n.*'),
      ),
    );
    // 25 % of the smaller of the two may be unavailable (rounded down)
    const least = Math.min(replicas, wanted);
    expect(lowest).toBeGreaterThanOrEqual(least - Math.floor(least / 4));
  });

  it('replaces a deleted pod at once', async () => {
    const victim = live(await pods())[0]?.metadata.name ?? '';
    const count = live(await pods()).length;
    await play.must('delete', 'pod', victim);
    const list = await eventually('replaced', pods, (now) => ready(now).length === count);
    expect(list.items.map(({ metadata }) => metadata.name)).not.toContain(victim);
  });

  it('says before, by thinking it through, what the loss of a node would do', async () => {
    const node = play.node(2);
    const before = live(await pods());
    const onNode = before.filter(({ spec }) => spec.nodeName === node).map(({ metadata }) => metadata.name);
    const told = await play.must('sim', 'lose-node', node, '--check');
    for (const name of onNode)
      expect(told).toMatch(new RegExp(`^default/${name}\\s+deployment/web\\s+moves\\s+${node}\\s+${play.prefix}-[13]`, 'm'));
    expect(told).toContain(`${onNode.length} moves, ${before.length - onNode.length} unchanged; settled`);
    expect(live(await pods()).map(({ metadata }) => metadata.uid)).toEqual(before.map(({ metadata }) => metadata.uid));
  });

  it('runs the pods of a killed node elsewhere within seconds, and says so', async () => {
    const node = play.node(2);
    const count = live(await pods()).length;
    expect(live(await pods()).filter(({ spec }) => spec.nodeName === node).length).toBeGreaterThan(0);
    const known = new Set((await pods()).items.map(({ metadata }) => metadata.uid));
    const [began, wall] = [performance.now(), Date.now()];
    await play.killNode(node);
    const moved = await eventually(
      'all ready elsewhere',
      pods,
      (now) => ready(now).filter(({ spec }) => spec.nodeName !== node).length === count,
    );
    const took = performance.now() - began;
    process.stdout.write(`node killed -> all ${count} pods Ready elsewhere: ${(took / 1000).toFixed(2)} s\n`);
    // How long containers take to start is the machine's; that their pods are made does not wait for the end of the node's lease.
    const made = moved.items
      .filter(({ metadata }) => !known.has(metadata.uid))
      .map(({ metadata }) => Date.parse(metadata.creationTimestamp));
    expect(made.length).toBeGreaterThan(0);
    expect(Math.min(...made) - wall).toBeLessThan(15_000);
    await eventually(
      'the event',
      () => play.must('events'),
      (events) => /last heartbeat/i.test(events) && events.includes(node),
    );
    expect(await play.must('get', 'nodes')).toMatch(new RegExp(`^${node}\\s+NotReady`, 'm'));
  });

  it('tells why a pod is where it is: back to the silent node, and to who made the deployment', async () => {
    const node = play.node(2);
    const list = await pods();
    const newest = list.items.toSorted((a, b) => (a.metadata.creationTimestamp < b.metadata.creationTimestamp ? 1 : -1))[0]?.metadata.name;
    const replacement = await play.must('why', `pod/${newest}`);
    expect(replacement).toMatch(
      new RegExp(
        `pod/${newest} made.*controller:replicaset.*create.*\\n.*└ pod/\\S+ changed.*controller:node-lifecycle.*${node} is lost \\(last heartbeat`,
      ),
    );
    expect(await play.must('why', 'deploy/web', '--limit', '100')).toMatch(/deployment\/web made\s+user:admin\s+create deployment web/);
    const none = await play.cli(['why', 'pod/never-was']);
    expect(none).toMatchObject({ code: 1, stderr: expect.stringContaining('pods "never-was" not found') as unknown });
  });

  it('takes the node back, which removes what is no longer its own', async () => {
    const node = play.node(2);
    const agent = play.restartAgent(node);
    await play.readyAgain(node);
    await eventually(
      'nothing of the old pods, and no pod hangs',
      async () => ({ now: await pods(), left: await play.containers(node) }),
      ({ now, left }) => {
        const here = new Set(now.items.filter(({ spec }) => spec.nodeName === node).map(({ metadata }) => metadata.uid));
        const isOver =
          now.items.every(({ metadata }) => metadata.deletionTimestamp === undefined) && now.items.length === ready(now).length;
        return isOver && left.every(({ State, Labels }) => State === 'running' && here.has(Labels['podplane.dev/pod-uid'] ?? ''));
      },
    );
    agent.kill('SIGINT');
    await once(agent, 'close');
  });

  it('adopts the running pods after Ctrl-C and a new start', async () => {
    const ids = async (): Promise<string[]> =>
      (await play.containers())
        .filter(({ State }) => State === 'running')
        .map(({ Id }) => Id)
        .sort();
    const before = {
      pods: live(await pods())
        .map(({ metadata }) => metadata.uid)
        .sort(),
      containers: await ids(),
    };
    await play.interrupt();
    expect(await ids()).toEqual(before.containers);
    await play.start(3);
    expect(
      live(await pods())
        .map(({ metadata }) => metadata.uid)
        .sort(),
    ).toEqual(before.pods);
    expect(await ids()).toEqual(before.containers);
  });

  it('deletes the app and leaves nothing of it', async () => {
    await play.must('delete', '-f', webV2);
    await eventually(
      'no containers',
      () => play.containers(),
      (left) => left.length === 0,
      60_000,
    );
    expect((await play.json<PodList>('get', 'pods')).items).toEqual([]);
  });
});
