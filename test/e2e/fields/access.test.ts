// Fields of pods that decide who sees which processes and their standard streams, on real Docker: one cluster, a pod for each group of fields.
import { once } from 'node:events';
import { readlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { PodplaneClient } from '@podplane/client/client';
import { readContext } from '@podplane/client/context';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { engineAnswers, eventually, Playground } from '../harness.js';
import { ShellImage } from '../shell-image.js';
import { PATIENCE_MS } from './field-cluster.js';

const answers = await engineAnswers();

interface PodStatus {
  readonly status: {
    readonly phase?: string;
    readonly ephemeralContainerStatuses?: readonly { readonly state?: { readonly terminated?: { readonly exitCode: number } } }[];
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

  async function apply(name: string, spec: object, ...flags: readonly string[]): Promise<void> {
    const file = path.join(play.directory, `${name}.json`);
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name }, spec: { terminationGracePeriodSeconds: 1, ...spec } };
    writeFileSync(file, JSON.stringify(pod));
    await play.must('apply', '-f', file, ...flags);
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
    // A container that runs may have only just begun: its shell becomes the command in a moment.
    const found = (): Promise<string> =>
      eventually(
        'the process of the neighbour',
        () => inside('shared', 'one', find),
        (pid) => /^\d+$/.test(pid),
        PATIENCE_MS,
      );
    const victim = await found();
    await inside('shared', 'one', `kill -9 ${victim}`);
    const after = await eventually(
      'the container runs again',
      () => status('shared'),
      ({ status: { containerStatuses = [] } }) => containerStatuses[1]?.restartCount === 1 && containerStatuses[1].ready,
      PATIENCE_MS,
    );
    expect(after.status.containerStatuses?.map(({ restartCount }) => restartCount)).toEqual([0, 1]);
    expect(after.status.containerStatuses?.[1]?.lastState?.terminated?.exitCode).toBe(137);
    expect(await found()).not.toBe(victim);
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

  it('Container stdin, Container stdinOnce: input stays open for the next who attaches; with stdinOnce it ends with the first', async () => {
    // One of them may end before the others run, so the pod need never be ready.
    await apply(
      'input',
      {
        restartPolicy: 'Never',
        containers: [
          container('open', 'while read line; do echo "open $line"; done; echo end', { stdin: true }),
          container('once', 'while read line; do echo "once $line"; done; echo end', { stdin: true, stdinOnce: true }),
          container('none', 'cat; echo end'),
        ],
      },
      '--wait=false',
    );
    await eventually(
      'those with input run',
      () => status('input'),
      ({ status: { containerStatuses = [] } }) => containerStatuses.filter(({ name, ready }) => ready && name !== 'none').length === 2,
      PATIENCE_MS,
    );
    for (const word of ['one', 'two']) {
      const attached = play.run(['attach', '-i', 'input', '-c', 'open']);
      attached.stdin?.end(`${word}\n`);
      const [answer] = (await once(attached.stdout ?? attached, 'data')) as [Buffer];
      expect(answer.toString()).toBe(`open ${word}\n`);
      const left = once(attached, 'exit');
      attached.kill('SIGINT');
      await left;
    }
    const first = await play.cli(['attach', '-i', 'input', '-c', 'once'], 'three\n');
    expect(first).toMatchObject({ code: 0, stdout: 'once three\nend\n' });
    // Without standard input there is its end at once, and nothing to attach to.
    const refused = await play.cli(['attach', '-i', 'input', '-c', 'none'], 'x');
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain('container "none" of pod input');
    // Logs come by another way than what is attached.
    for (const [of, said] of [
      ['none', 'end\n'],
      ['open', 'open one\nopen two\n'],
    ] as const) {
      await eventually(
        `the log of ${of}`,
        () => play.must('logs', 'input', '-c', of),
        (text) => text === said,
        PATIENCE_MS,
      );
    }
  });

  it('Container tty: a terminal of the size that the other end has', async () => {
    await apply('terminal', {
      containers: [container('shell', 'exec sh -i', { stdin: true, tty: true, env: [{ name: 'PS1', value: '$ ' }] })],
    });
    using client = new PodplaneClient(await readContext(path.join(play.data, 'context.json')));
    const stop = new AbortController();
    const call = client.attach(stop.signal);
    await call.write({ message: { $case: 'start', value: { namespace: 'default', pod: 'terminal', container: '', stdin: true } } });
    let seen = '';
    for await (const { message } of call) {
      if (message?.$case === 'attached') {
        expect(message.value.tty).toBe(true);
        await call.write({ message: { $case: 'resize', value: { width: 97, height: 31 } } });
        await call.write({ message: { $case: 'stdin', value: Buffer.from('test -t 1 && stty size && echo said\n') } });
      } else if (message?.$case === 'stdout') seen += message.value.toString();
      if (seen.includes('\nsaid')) break;
    }
    stop.abort();
    expect(seen.replaceAll('\r', '')).toMatch(/^31 97\nsaid$/m);
  });

  it('PodSpec ephemeralContainers: one is added to a pod that runs, sees the processes that it targets, and changes nothing else', async () => {
    await apply('looked', { containers: [container('app', 'exec sleep 54321'), container('other', STAY)] });
    const pull = ['--image', image.name, '--image-pull-policy', 'IfNotPresent'];
    const first = (): Promise<string> => inside('looked', 'app', 'tr "\\0" " " < /proc/1/cmdline');
    await eventually('the command', first, (text) => text === 'sleep 54321', PATIENCE_MS);
    const look = 'tr "\\0" " " < /proc/1/cmdline; echo; hostname; exit 3';
    const targeted = await play.cli(['debug', 'looked', ...pull, '--target', 'app', '-c', 'tools', '--attach', '--', 'sh', '-c', look]);
    expect(targeted).toMatchObject({ code: 0, stdout: 'sleep 54321 \nlooked\n' });
    const typed = await play.cli(['debug', '-i', 'looked', ...pull, '-c', 'typed', '--', 'sh', '-c', 'read word; echo "$word"'], 'hello\n');
    expect(typed).toMatchObject({ code: 0, stdout: 'hello\n' });
    const after = await eventually(
      'both have ended',
      () => play.json<PodStatus>('get', 'pod', 'looked'),
      ({ status: { ephemeralContainerStatuses = [] } }) => ephemeralContainerStatuses.filter(({ state }) => state?.terminated).length === 2,
      PATIENCE_MS,
    );
    expect(after.status.ephemeralContainerStatuses?.[0]?.state?.terminated?.exitCode).toBe(3);
    expect(after.status.phase).toBe('Running');
    expect(after.status.containerStatuses?.map(({ ready, restartCount }) => [ready, restartCount])).toEqual([
      [true, 0],
      [true, 0],
    ]);
    expect(await play.must('logs', 'looked', '-c', 'tools')).toBe('sleep 54321 \nlooked\n');
    using client = new PodplaneClient(await readContext(path.join(play.data, 'context.json')));
    const write = (ephemeralContainers: unknown): Promise<unknown> =>
      client.mergePatch('Pod', 'default', 'looked', { spec: { ephemeralContainers } }, { subresource: 'ephemeralcontainers' });
    await expect(write([])).rejects.toThrow('existing ephemeral containers "tools" may not be removed');
    await expect(
      write([...((await client.get('Pod', 'default', 'looked')).spec?.ephemeralContainers ?? []), { name: 'x' }]),
    ).rejects.toThrow('spec.ephemeralContainers[2].image: Required value');
    const missing = await play.cli(['debug', 'looked', ...pull, '--target', 'nobody']);
    expect(missing.stderr).toContain('container nobody is not valid for pod looked');
  });
});
