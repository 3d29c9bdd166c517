// Somebody reaches below the agent: removes a container, kills the pause container, takes an image away. The pods come back as Kubernetes' would, and
// the agent that this happens to stays the same process. Manifests that cannot run are in nasty-pods.test.ts, a full disk is in disk-full.test.ts.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ContainerSeen, containerSeen, FieldCluster, type PodSeen } from './fields/field-cluster.js';
import { engine, engineAnswers, eventually } from './harness.js';
import { ShellImage } from './shell-image.js';

const answers = await engineAnswers();

interface EventList {
  readonly items: readonly {
    readonly reason: string;
    readonly message: string;
    readonly involvedObject: { readonly name?: string };
  }[];
}

const FOREVER = "trap 'exit 0' TERM; while true; do sleep 1; done";
const idOf = (seen: ContainerSeen): string => (seen.containerID ?? '').replace('docker://', '');

describe.skipIf(!answers)('below the agent', () => {
  const play = new FieldCluster();
  const image = new ShellImage();
  const fleeting = new ShellImage();
  let agent = 0;

  const container = (name: string, more: object = {}): object => ({
    name,
    image: image.name,
    imagePullPolicy: 'IfNotPresent',
    command: ['sh', '-c', FOREVER],
    ...more,
  });
  const counts = (pod: PodSeen): Record<string, number> =>
    Object.fromEntries(
      [...(pod.status.initContainerStatuses ?? []), ...(pod.status.containerStatuses ?? [])].map(({ name, restartCount }) => [
        name,
        restartCount,
      ]),
    );
  const ready = ({ status }: PodSeen): boolean => status.conditions.some(({ type, status: is }) => type === 'Ready' && is === 'True');
  const eventsOf = async (name: string): Promise<readonly { readonly reason: string; readonly message: string }[]> =>
    (await play.json<EventList>('get', 'events')).items.filter(({ involvedObject }) => involvedObject.name === name);
  const told = async (pod: string, reason: string, words: string): Promise<void> => {
    await eventually(
      `event ${reason} of ${pod}`,
      () => eventsOf(pod),
      (events) => events.some((event) => event.reason === reason && event.message.includes(words)),
    );
  };

  beforeAll(async () => {
    await Promise.all([image.load(), fleeting.load(), play.start(1)]);
    agent = play.upFile.agents[0]?.pid ?? 0;
  });
  afterAll(async () => {
    await play.remove();
    await Promise.all([image, fleeting].map((one) => one[Symbol.asyncDispose]()));
  });

  it('a container that is removed by hand is made again, counted as one restart', async () => {
    await play.pod('robbed', { containers: [container('taken'), container('beside')] });
    const before = await play.ready('robbed');
    const taken = idOf(containerSeen(before, 'taken'));
    await engine('DELETE', `/containers/${taken}?force=1`);
    const after = await play.until('robbed', 'ready again', (pod) => ready(pod) && idOf(containerSeen(pod, 'taken')) !== taken);

    expect(after.metadata.uid).toBe(before.metadata.uid);
    expect(after.status.podIP).toBe(before.status.podIP);
    expect(counts(after)).toEqual({ taken: 1, beside: 0 });
    expect(idOf(containerSeen(after, 'beside'))).toBe(idOf(containerSeen(before, 'beside')));
    // Nobody can tell any more how it ended.
    expect(containerSeen(after, 'taken').lastState?.terminated?.exitCode).toBe(137);
    expect(['ContainerStatusUnknown', 'Error']).toContain(containerSeen(after, 'taken').lastState?.terminated?.reason);
  });

  it('a pause container that is killed takes the pod with it: all is made anew, init containers run again', async () => {
    await play.pod('unpaused', {
      initContainers: [container('prepare', { command: ['true'] })],
      containers: [container('one'), container('two')],
    });
    const before = await play.ready('unpaused');
    expect(counts(before)).toEqual({ prepare: 0, one: 0, two: 0 });
    const pause = (await play.containers()).find(
      ({ Labels, State }) =>
        Labels['podplane.dev/pod-uid'] === before.metadata.uid && Labels['podplane.dev/container'] === 'POD' && State === 'running',
    );
    expect(pause).toBeDefined();
    await engine('POST', `/containers/${pause?.Id}/kill`);
    const fresh = (pod: PodSeen): boolean =>
      ['one', 'two'].every((name) => idOf(containerSeen(pod, name)) !== idOf(containerSeen(before, name)));
    const after = await play.until('unpaused', 'ready again', (pod) => ready(pod) && fresh(pod), 90_000);

    expect(after.metadata.uid).toBe(before.metadata.uid);
    // An address is a pod's for its life.
    expect(after.status.podIP).toBe(before.status.podIP);
    expect(counts(after)).toEqual({ prepare: 1, one: 1, two: 1 });
    await told('unpaused', 'SandboxChanged', 'Pod sandbox changed, it will be killed and re-created.');
    const inspect = async (id: string): Promise<string> =>
      (await engine<{ HostConfig: { NetworkMode: string } }>('GET', `/containers/${id}/json`)).HostConfig.NetworkMode;
    const modes = await Promise.all(['one', 'two'].map((name) => inspect(idOf(containerSeen(after, name)))));
    expect(modes[0]).toBe(modes[1]);
    expect(modes[0]).not.toContain(pause?.Id ?? '');
  });

  it('an image that is removed below its container is told when the container has to start again, and the pod goes on when it is back', async () => {
    const exits = "trap 'exit 3' TERM; touch /tmp/trapped; while true; do sleep 1; done";
    await play.pod('bare', { containers: [container('main', { image: fleeting.name, command: ['sh', '-c', exits] })] });
    const before = await play.ready('bare');
    await engine('DELETE', `/images/${encodeURIComponent(fleeting.name)}?force=1`);
    // What runs goes on. (A signal before its trap would be lost.)
    expect(await play.sh('bare', 'until [ -e /tmp/trapped ]; do sleep 0.1; done; echo there')).toBe('there');
    expect(counts(await play.see('bare'))).toEqual({ main: 0 });

    await engine('POST', `/containers/${idOf(containerSeen(before, 'main'))}/kill?signal=TERM`);
    const waiting = await play.until('bare', 'without its image', (pod) =>
      ['ErrImagePull', 'ImagePullBackOff'].includes(String(containerSeen(pod, 'main').state.waiting?.reason)),
    );
    expect(String(containerSeen(waiting, 'main').state.waiting?.message)).toContain(fleeting.name);
    expect(containerSeen(waiting, 'main').lastState?.terminated?.exitCode).toBe(3);
    expect(waiting.status.phase).toBe('Running');
    await told('bare', 'Failed', fleeting.name);

    await fleeting.load();
    const after = await play.until('bare', 'ready again', ready, 90_000);
    expect(after.metadata.uid).toBe(before.metadata.uid);
    expect(counts(after)).toEqual({ main: 1 });
  });

  it('and its agent is the same process all the while', () => {
    expect(agent).toBeGreaterThan(0);
    expect(() => process.kill(agent, 0)).not.toThrow();
    expect(play.upFile.agents.map(({ pid }) => pid)).toEqual([agent]);
  });
});
