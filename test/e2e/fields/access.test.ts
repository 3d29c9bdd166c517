// Fields of pods that decide who sees which processes, on real Docker: one cluster, a pod for each group of fields.
import { readlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { engineAnswers, eventually, Playground } from '../harness.js';
import { ShellImage } from '../shell-image.js';

const answers = await engineAnswers();

interface PodStatus {
  readonly status: {
    readonly containerStatuses?: readonly {
      readonly name: string;
      readonly ready: boolean;
      readonly restartCount: number;
      readonly lastState?: { readonly terminated?: { readonly exitCode: number } };
    }[];
  };
}

describe.skipIf(!answers)('access', () => {
  const play = new Playground();
  const image = new ShellImage();
  const container = (name: string, script: string, more: object = {}): object => ({
    name,
    image: image.name,
    imagePullPolicy: 'IfNotPresent',
    command: ['/bin/sh', '-c', script],
    ...more,
  });
  const STAY = 'trap "exit 0" TERM; sleep 100000 & wait';

  async function apply(name: string, spec: object): Promise<void> {
    const file = path.join(play.directory, `${name}.json`);
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name }, spec: { terminationGracePeriodSeconds: 1, ...spec } };
    writeFileSync(file, JSON.stringify(pod));
    await play.must('apply', '-f', file);
  }
  const status = (name: string): Promise<PodStatus> => play.json<PodStatus>('get', 'pod', name);
  const inside = async (pod: string, of: string, script: string): Promise<string> =>
    (await play.must('exec', pod, '-c', of, '--', 'sh', '-c', script)).trim();

  beforeAll(async () => {
    await Promise.all([image.load(), play.start(1)]);
  });
  afterAll(async () => {
    await play.remove();
    await image[Symbol.asyncDispose]();
  });

  it('PodSpec shareProcessNamespace: a container sees and ends the processes of its neighbour, which is started again', async () => {
    await apply('shared', { shareProcessNamespace: true, containers: [container('one', STAY), container('two', 'exec sleep 12345')] });
    expect(await inside('shared', 'one', 'tr "\\0" " " < /proc/1/cmdline')).toMatch(/^\/pause/);
    const find = 'for p in /proc/[0-9]*; do case "$(tr "\\0" " " < $p/cmdline)" in "sleep 12345 ") echo ${p#/proc/};; esac; done';
    const victim = await inside('shared', 'one', find);
    expect(victim).toMatch(/^\d+$/);
    await inside('shared', 'one', `kill -9 ${victim}`);
    const after = await eventually(
      'the container runs again',
      () => status('shared'),
      ({ status: { containerStatuses = [] } }) => containerStatuses[1]?.restartCount === 1 && containerStatuses[1].ready,
    );
    expect(after.status.containerStatuses?.map(({ restartCount }) => restartCount)).toEqual([0, 1]);
    expect(after.status.containerStatuses?.[1]?.lastState?.terminated?.exitCode).toBe(137);
    expect(await inside('shared', 'one', find)).toMatch(/^\d+$/);
  });

  it('PodSpec hostPID, PodSpec hostIPC: the namespaces of the node', async () => {
    await Promise.all([
      apply('host', { hostPID: true, hostIPC: true, containers: [container('one', STAY)] }),
      apply('own', { containers: [container('one', STAY), container('two', STAY)] }),
    ]);
    const read = async (pod: string, of: string): Promise<string[]> =>
      (await inside(pod, of, 'readlink /proc/self/ns/pid; readlink /proc/self/ns/ipc')).split('\n');
    const node = [readlinkSync('/proc/self/ns/pid'), readlinkSync('/proc/self/ns/ipc')];
    const [host, one, two] = await Promise.all([read('host', 'one'), read('own', 'one'), read('own', 'two')]);
    expect(host).toEqual(node);
    // Without these fields: processes of its own for each container, one shared memory for the pod.
    expect(new Set([node[0], one[0], two[0]]).size).toBe(3);
    expect(one[1]).toBe(two[1]);
    expect(one[1]).not.toBe(node[1]);
  });
});
