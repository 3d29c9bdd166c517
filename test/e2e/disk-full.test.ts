// The disk of a node runs full, on a real engine with a small disk of its own: the node says so and gets no new pods, the pod that takes most beyond
// its request has to leave, and all is well again by itself. What is decided when is tested with virtual clocks in packages/agent/src/node.
import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { statfsSync } from 'node:fs';
import path from 'node:path';
import { tarFile } from '@podplane/agent/images/tar';
import { pauseProgram } from '@podplane/agent/runtime/docker/pause-code';
import { TestRegistry } from '@podplane/agent/runtime/testing/registry';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FieldCluster, type PodSeen, podOf } from './fields/field-cluster.js';
import { engine, engineAnswers, eventually } from './harness.js';
import { OwnEngine, whyNoOwnDisk, whyNoOwnEngine } from './own-engine.js';
import { ShellImage } from './shell-image.js';

interface NodeObject {
  readonly spec?: { readonly taints?: readonly { readonly key: string; readonly effect: string }[] };
  readonly status: {
    readonly conditions: readonly {
      readonly type: string;
      readonly status: string;
      readonly reason: string;
      readonly lastTransitionTime?: string;
    }[];
  };
}

interface EventList {
  readonly items: readonly { readonly reason: string; readonly message: string; readonly involvedObject: { readonly name?: string } }[];
}

const why = (await engineAnswers()) ? (whyNoOwnEngine() ?? whyNoOwnDisk()) : 'no engine answers';
if (why !== undefined) {
  if (process.env.CI === 'true') throw new Error(`CI=true, and no engine with a disk of its own can be started: ${why}`);
  process.stderr.write(`\n*** SKIPPED: tests that fill a disk (${why}) ***\n\n`);
}

const MIB = 1024 * 1024;
const DISK_MIB = 256;
const LEAST_MIB = 100;
// The image of this test alone takes more than the one.
const HIGH_PERCENT = 20;
const LOW_PERCENT = 10;
const IMAGE_MIB = 60;
/** How long the node says that it is short after it was. */
const TRANSITION_S = 11;
const TAINT = 'node.kubernetes.io/disk-pressure';
const FREE = "trap 'exit 0' TERM; while true; do sleep 1; done";

describe.skipIf(why !== undefined)('a disk that runs full', () => {
  const own = new OwnEngine(DISK_MIB);
  const play = new FieldCluster(own.wrap, own.env);
  const image = new ShellImage(own.socket);
  let agent: ChildProcess | undefined;

  const node = (): Promise<NodeObject> => play.json<NodeObject>('get', 'node', play.node(1));
  const pressure = ({ status }: NodeObject): string | undefined => status.conditions.find(({ type }) => type === 'DiskPressure')?.status;
  const taints = ({ spec }: NodeObject): readonly string[] => (spec?.taints ?? []).map(({ key, effect }) => `${key}:${effect}`);
  const freeMiB = (): number => {
    const { bavail, bsize } = statfsSync(own.data);
    return (bavail * bsize) / MIB;
  };
  const container = (script: string, more: object = {}): object => ({
    name: 'main',
    image: image.name,
    imagePullPolicy: 'IfNotPresent',
    command: ['sh', '-c', `${script}; ${FREE}`],
    ...more,
  });
  /** Shell: writes so many MiB. */
  const fill = (file: string, mib: number): string => `dd if=/dev/zero of=${file} bs=1M count=${mib} 2>/dev/null`;
  const restarts = ({ status }: PodSeen): number | undefined => status.containerStatuses?.[0]?.restartCount;

  beforeAll(async () => {
    await own.open();
    await Promise.all([image.load(), play.start(1)]);
    const [first] = play.upFile.agents;
    if (first === undefined) throw new Error('no agent');
    process.kill(first.pid, 'SIGKILL');
    agent = play.run([
      'agent',
      '--data',
      path.join(play.data, 'agents', first.name),
      '--eviction-hard',
      `imagefs.available<${LEAST_MIB}Mi`,
      '--eviction-pressure-transition-period',
      `${TRANSITION_S}s`,
      '--image-gc-high-threshold',
      String(HIGH_PERCENT),
      '--image-gc-low-threshold',
      String(LOW_PERCENT),
      '--minimum-image-ttl-duration',
      '1s',
    ]);
    await play.readyAgain(first.name);
  });
  afterAll(async () => {
    agent?.kill('SIGTERM');
    if (agent !== undefined && agent.exitCode === null) await once(agent, 'exit');
    await play.remove();
    await own.close();
  });

  it('removes images above the threshold that it has pulled, those that no container has', async () => {
    await using registry = await TestRegistry.start({
      repository: 'team/big',
      tag: 'one',
      entries: [
        tarFile('x', Buffer.from(pauseProgram(process.arch === 'arm64' ? 'arm64' : 'amd64')), 0o755),
        tarFile('filler', randomBytes(IMAGE_MIB * MIB)),
      ],
    });
    await using _ = await own.reach(Number(registry.host.split(':')[1]));
    const images = async (): Promise<readonly string[]> =>
      (await engine<{ RepoTags: readonly string[] | null }[]>('GET', '/images/json', undefined, own.socket)).flatMap(
        ({ RepoTags }) => RepoTags ?? [],
      );

    await play.apply(podOf('big', { containers: [{ name: 'main', image: registry.image }] }));
    await play.ready('big');
    const total = (await images()).length;
    // Its container has it: the agent says that it cannot make the room that it should.
    await eventually(
      'the event',
      () => play.json<EventList>('get', 'events'),
      ({ items }) =>
        items.some(
          ({ reason, message }) =>
            reason === 'FreeDiskSpaceFailed' && message.startsWith('Failed to garbage collect required amount of images.'),
        ),
    );
    expect(await images()).toContain(registry.image);

    await play.must('delete', 'pod', 'big', '--grace-period', '0');
    const left = await eventually('the image is gone', images, (all) => !all.includes(registry.image));
    expect(left).toContain(image.name);
    expect(left.length).toBe(total - 1);
    expect(pressure(await node())).toBe('False');

    // It can be had again.
    await play.apply(podOf('again', { containers: [{ name: 'main', image: registry.image }] }));
    await play.ready('again');
    await play.must('delete', 'pod', 'again', '--grace-period', '0');
    await eventually('the image is gone again', images, (all) => !all.includes(registry.image));
  });

  it('sends away who takes most beyond its request, with DiskPressure and its taint until there is room', async () => {
    // More than the one that leaves, and less than it asked for.
    await play.apply(
      podOf('asked', {
        containers: [container(`${fill('/kept', 80)}; echo filled`, { resources: { requests: { 'ephemeral-storage': '90Mi' } } })],
      }),
      podOf('light', { containers: [container(`${fill('/kept', 10)}; echo filled`)] }),
    );
    for (const name of ['asked', 'light']) {
      await play.ready(name);
      await eventually(
        `${name} has written`,
        () => play.must('logs', name),
        (text) => text.includes('filled'),
      );
    }
    expect(freeMiB()).toBeGreaterThan(LEAST_MIB + 40);
    expect(pressure(await node())).toBe('False');

    // A layer and a log that stay above the threshold, then a volume that goes below it.
    const missing = Math.ceil(freeMiB() - LEAST_MIB);
    await play.apply(
      podOf('greedy', {
        containers: [
          container(
            `${fill('/layer', 20)}; head -c 5242880 /dev/zero | tr '\\0' x | fold -w 1000; echo; echo filled; ${fill('/volume/data', missing)}`,
            { volumeMounts: [{ name: 'volume', mountPath: '/volume' }] },
          ),
        ],
        volumes: [{ name: 'volume', emptyDir: {} }],
      }),
    );
    // Over gRPC: the pressure does not last for ever, and a command takes seconds on a busy machine.
    const pressed = await eventually(
      'DiskPressure',
      () => play.client.get('Node', '', play.node(1)),
      ({ status, spec }) =>
        status?.conditions.some(({ type, status: is }) => type === 'DiskPressure' && is === 'True') === true &&
        spec?.taints.some(({ key, effect }) => key === TAINT && effect === 'NoSchedule') === true,
    );
    expect(pressed.status?.conditions.find(({ type }) => type === 'DiskPressure')?.reason).toBe('AgentHasDiskPressure');
    await play.make('waiter', { containers: [container('true')] });
    const waits = await play.podUntil(
      'waiter',
      'unscheduled',
      ({ status }) => status?.conditions.some(({ type, status: is }) => type === 'PodScheduled' && is === 'False') === true,
    );
    expect(waits.status?.conditions.find(({ type }) => type === 'PodScheduled')?.message).toContain(TAINT);

    const evicted = await play.until('greedy', 'evicted', ({ status }) => status.phase === 'Failed');
    expect(evicted.status.reason).toBe('Evicted');
    const said =
      /^The node was low on resource: ephemeral-storage\. Threshold quantity: 100Mi, available: \d+Ki\. Container main was using (\d+)Ki, request is 0, has larger consumption of ephemeral-storage\. $/.exec(
        evicted.status.message ?? '',
      );
    expect(said, evicted.status.message).not.toBeNull();
    // 20 MiB of layer and 5 MiB of log, which the engine writes with some words around each line; the volume is not the container's.
    const usedMiB = Number(said?.[1]) / 1024;
    expect(usedMiB).toBeGreaterThan(25);
    expect(usedMiB).toBeLessThan(32);
    const disruption = evicted.status.conditions.find(({ type }) => type === 'DisruptionTarget');
    expect(disruption).toMatchObject({ status: 'True', reason: 'TerminationByKubelet' });

    const relieved = await eventually('no DiskPressure', node, (seen) => pressure(seen) === 'False' && taints(seen).length === 0);
    // It was said for a while longer, which began when there was room, not before the pod had to leave. Times are of whole seconds.
    const over = relieved.status.conditions.find(({ type }) => type === 'DiskPressure')?.lastTransitionTime ?? '';
    expect(Date.parse(over) - Date.parse(disruption?.lastTransitionTime ?? '')).toBeGreaterThanOrEqual((TRANSITION_S - 1) * 1000);
    expect(freeMiB()).toBeGreaterThan(LEAST_MIB);
    await play.ready('waiter');
    for (const name of ['asked', 'light']) expect([name, restarts(await play.ready(name))]).toEqual([name, 0]);
    const events = (await play.json<EventList>('get', 'events')).items;
    expect(events.filter(({ reason }) => reason === 'Evicted').map(({ involvedObject }) => involvedObject.name)).toEqual(['greedy']);
    expect(agent?.exitCode).toBeNull();
  });
});
