// Logs, commands, connections and images over real gRPC: client, server, and an agent that opens the tunnels it is asked for.

import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LogsRequest } from '@podplane/api/gen/podplane/api/v1/pods';
import { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import type { OpenTunnel } from '@podplane/api/gen/podplane/node/v1/session';
import { PodplaneClient } from '@podplane/client/client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ServerMessage } from './sessions/port.js';
import { type Arrivals, expectNext, FakeAgent, type FakeTunnel } from './testkit/agent.js';
import { type TestServer, testServer } from './testkit/harness.js';

let server: TestServer;
let client: PodplaneClient;
const agents: FakeAgent[] = [];

beforeEach(async () => {
  server = await testServer();
  client = new PodplaneClient(server.context);
});
afterEach(async () => {
  for (const agent of agents.splice(0)) agent[Symbol.dispose]();
  client.close();
  await server[Symbol.asyncDispose]();
});

interface Node {
  readonly agent: FakeAgent;
  readonly said: Arrivals<ServerMessage>;
}

async function node(name = 'n1'): Promise<Node> {
  const agent = await FakeAgent.join(server, name);
  agents.push(agent);
  const said = agent.connect();
  await expectNext(said, 'welcome');
  await expectNext(said, 'assignments');
  return { agent, said };
}

/** The next tunnel that is asked for. */
async function asked({ said }: Node): Promise<OpenTunnel> {
  for (;;) {
    const message = await said.next();
    if (message?.$case === 'openTunnel') return message.value;
    if (message === undefined) throw new Error('the session ended');
  }
}

async function runningPod(name = 'web', change: (pod: Pod) => void = () => undefined): Promise<Pod> {
  const pod = Pod.fromPartial({
    metadata: { name, namespace: 'default' },
    spec: { nodeName: 'n1', containers: [{ name: 'web', image: 'web:1' }] },
  });
  change(pod);
  const { object } = await client.create('Pod', pod);
  const containerStatuses =
    object.spec?.containers.map((container) => ({
      name: container.name,
      ready: true,
      restartCount: 0,
      image: 'web:1',
      imageID: 'x',
      state: { running: {} },
    })) ?? [];
  const { object: started } = await client.mergePatch(
    'Pod',
    'default',
    name,
    { status: { phase: 'Running', containerStatuses } },
    { subresource: 'status' },
  );
  return started;
}

function logs(request: Partial<LogsRequest> = {}): AsyncGenerator<Uint8Array, void, void> {
  return client.logs({
    namespace: 'default',
    pod: 'web',
    container: '',
    follow: false,
    previous: false,
    sinceTime: '',
    timestamps: false,
    ...request,
  });
}

async function text(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  let out = '';
  for await (const chunk of chunks) out += Buffer.from(chunk).toString();
  return out;
}

describe('logs', () => {
  it('come from the node', async () => {
    const n1 = await node();
    const pod = await runningPod();
    const reading = text(logs({ tailLines: 10, timestamps: true, follow: true }));
    const request = await asked(n1);
    expect(request.request).toEqual({
      $case: 'logs',
      value: expect.objectContaining({ podUid: pod.metadata?.uid, container: 'web', tailLines: 10, timestamps: true, follow: true }),
    });
    const tunnel = n1.agent.openTunnel(request);
    tunnel.say({ $case: 'data', value: Buffer.from('one\n') });
    tunnel.say({ $case: 'data', value: Buffer.from('two\n') });
    tunnel.say({ $case: 'exit', value: { code: 0 } });
    expect(await reading).toBe('one\ntwo\n');
  });

  it('that the node refuses are refused in its words', async () => {
    const n1 = await node();
    await runningPod();
    const refused = expect(text(logs({ previous: true }))).rejects.toMatchObject({
      reason: 'BadRequest',
      message: 'previous terminated container "web" in pod "web" not found',
    });
    const request = await asked(n1);
    n1.agent.say({
      $case: 'tunnelRefused',
      value: { tunnelId: request.tunnelId, reason: 'BadRequest', message: 'previous terminated container "web" in pod "web" not found' },
    });
    await refused;
    const broken = expect(text(logs())).rejects.toMatchObject({ reason: 'NotFound', message: 'no such container' });
    const tunnel = n1.agent.openTunnel(await asked(n1));
    tunnel.say({ $case: 'error', value: { reason: 'NotFound', message: 'no such container' } });
    await broken;
  });

  it('name what is wrong with the request', async () => {
    await node();
    await runningPod('two', ({ spec }) =>
      spec?.containers.push(...(Pod.fromPartial({ spec: { containers: [{ name: 'side', image: 's' }] } }).spec?.containers ?? [])),
    );
    const messageOf = (request: Partial<LogsRequest>): Promise<string> =>
      text(logs(request)).then(
        () => 'accepted',
        (error: unknown) => (error instanceof Error ? error.message : ''),
      );
    expect(await messageOf({ pod: 'nobody' })).toBe('pods "nobody" not found');
    expect(await messageOf({ pod: 'two' })).toBe('a container name must be specified for pod two, choose one of: [web side]');
    expect(await messageOf({ pod: 'two', container: 'x' })).toBe('container "x" is not valid for pod two');
    expect(await messageOf({ pod: 'two', container: 'web', sinceTime: 'yesterday' })).toContain('sinceTime: Invalid value');
    expect(await messageOf({ pod: 'two', container: 'web', tailLines: -1 })).toContain('tailLines: Invalid value');
    await client.create(
      'Pod',
      Pod.fromPartial({ metadata: { name: 'homeless', namespace: 'default' }, spec: { containers: [{ name: 'web', image: 'web:1' }] } }),
    );
    expect(await messageOf({ pod: 'homeless' })).toBe('pod homeless does not have a host assigned');
    await client.create(
      'Pod',
      Pod.fromPartial({
        metadata: { name: 'young', namespace: 'default' },
        spec: { nodeName: 'n1', containers: [{ name: 'web', image: 'web:1' }] },
      }),
    );
    expect(await messageOf({ pod: 'young' })).toBe('container "web" in pod "young" is waiting to start: ContainerCreating');
    await runningPod('lost', ({ spec }) => Object.assign(spec ?? {}, { nodeName: 'n9' }));
    expect(await messageOf({ pod: 'lost' })).toBe('node n9 is not connected');
  });

  it('end with an error where the node goes away in the middle', async () => {
    const n1 = await node();
    await runningPod();
    const reading = text(logs({ follow: true }));
    const refused = expect(reading).rejects.toMatchObject({ reason: 'ServiceUnavailable' });
    const tunnel = n1.agent.openTunnel(await asked(n1));
    tunnel.say({ $case: 'data', value: Buffer.from('one\n') });
    tunnel.end();
    await refused;
  });

  it('end the tunnel when the reader goes away', async () => {
    const n1 = await node();
    await runningPod();
    const reading = logs({ follow: true });
    const first = reading.next();
    const tunnel = n1.agent.openTunnel(await asked(n1));
    tunnel.say({ $case: 'data', value: Buffer.from('one\n') });
    await first;
    await reading.return();
    expect(await tunnel.arrivals.next()).toBeUndefined(); // the stream is over
  });

  it('are not read faster than the reader reads', async () => {
    const n1 = await node();
    await runningPod();
    const reading = logs({ follow: true });
    const first = reading.next();
    const tunnel = n1.agent.openTunnel(await asked(n1));
    const chunk = Buffer.alloc(64 * 1024, 'x');
    let sent = 0;
    const write = async (): Promise<void> => {
      for (let i = 0; i < 1000; i++) {
        sent++;
        if (!tunnel.say({ $case: 'data', value: chunk })) await new Promise((resolve) => tunnel.stream.once('drain', resolve));
      }
      tunnel.say({ $case: 'exit', value: { code: 0 } });
    };
    const writing = write();
    await first;
    // Until nothing moves any more: the reader reads nothing, so the writer must come to a stand, far before its 64 MB.
    for (let before = -1; before !== sent; ) {
      before = sent;
      await sleep(200);
    }
    expect(sent).toBeLessThan(300);
    let bytes = 64 * 1024;
    for await (const data of reading) bytes += data.byteLength;
    await writing;
    expect(bytes).toBe(1000 * chunk.byteLength);
  });
});

describe('a command', () => {
  it('has input, output, errors and an exit code', async () => {
    const n1 = await node();
    const pod = await runningPod();
    const call = client.exec();
    await call.write({
      message: { $case: 'start', value: { namespace: 'default', pod: 'web', container: '', command: ['cat'], stdin: true, tty: false } },
    });
    const request = await asked(n1);
    expect(request.request).toEqual({
      $case: 'exec',
      value: { podUid: pod.metadata?.uid, container: 'web', command: ['cat'], stdin: true, tty: false },
    });
    const tunnel = n1.agent.openTunnel(request);
    await call.write({ message: { $case: 'stdin', value: Buffer.from('hello') } });
    await call.write({ message: { $case: 'resize', value: { width: 80, height: 24 } } });
    await call.write({ message: { $case: 'stdinClosed', value: true } });
    expect(await tunnel.arrivals.next()).toEqual({ $case: 'data', value: Buffer.from('hello') });
    expect(await tunnel.arrivals.next()).toEqual({ $case: 'resize', value: { width: 80, height: 24 } });
    expect(await tunnel.arrivals.next()).toEqual({ $case: 'closed', value: true });
    tunnel.say({ $case: 'data', value: Buffer.from('out') });
    tunnel.say({ $case: 'errorData', value: Buffer.from('err') });
    tunnel.say({ $case: 'exit', value: { code: 3 } });
    const answers: unknown[] = [];
    for await (const { message } of call) answers.push(message);
    expect(answers).toEqual([
      { $case: 'stdout', value: Buffer.from('out') },
      { $case: 'stderr', value: Buffer.from('err') },
      { $case: 'exit', value: { code: 3 } },
    ]);
  });

  it('is refused where there is nothing to run it in', async () => {
    await node();
    await runningPod();
    const messageOf = async (start: object): Promise<string> => {
      const call = client.exec();
      await call.write({
        message: {
          $case: 'start',
          value: { namespace: 'default', pod: 'web', container: '', command: ['x'], stdin: false, tty: false, ...start },
        },
      });
      try {
        for await (const _ of call) return 'accepted';
        return 'ended';
      } catch (error) {
        return error instanceof Error ? error.message : '';
      }
    };
    expect(await messageOf({ command: [] })).toContain('command: Required value');
    expect(await messageOf({ container: 'x' })).toBe('container "x" is not valid for pod web');
    await client.mergePatch('Pod', 'default', 'web', { status: { phase: 'Succeeded' } }, { subresource: 'status' });
    expect(await messageOf({})).toBe('cannot exec into a container in a completed pod; current phase is Succeeded');
  });
});

describe('a connection', () => {
  it('carries bytes both ways until both sides have ended', async () => {
    const n1 = await node();
    const pod = await runningPod();
    const call = client.portForward();
    await call.write({ message: { $case: 'start', value: { namespace: 'default', pod: 'web', port: 80 } } });
    const request = await asked(n1);
    expect(request.request).toEqual({ $case: 'portForward', value: { podUid: pod.metadata?.uid, port: 80 } });
    const tunnel: FakeTunnel = n1.agent.openTunnel(request);
    const answers = call[Symbol.asyncIterator]();
    tunnel.say({ $case: 'ready', value: true });
    expect((await answers.next()).value).toEqual({ message: { $case: 'connected', value: true } });
    await call.write({ message: { $case: 'data', value: Buffer.from('GET /') } });
    expect(await tunnel.arrivals.next()).toEqual({ $case: 'data', value: Buffer.from('GET /') });
    tunnel.say({ $case: 'data', value: Buffer.from('200 OK') });
    expect((await answers.next()).value).toEqual({ message: { $case: 'data', value: Buffer.from('200 OK') } });
    tunnel.say({ $case: 'closed', value: true });
    expect((await answers.next()).value).toEqual({ message: { $case: 'closed', value: true } });
    call.end();
    expect(await tunnel.arrivals.next()).toEqual({ $case: 'closed', value: true });
    tunnel.say({ $case: 'exit', value: { code: 0 } });
    expect((await answers.next()).done).toBe(true);
  });

  it('that the pod refuses is refused', async () => {
    const n1 = await node();
    await runningPod();
    const call = client.portForward();
    await call.write({ message: { $case: 'start', value: { namespace: 'default', pod: 'web', port: 81 } } });
    n1.agent.openTunnel(await asked(n1)).say({ $case: 'error', value: { reason: 'Unavailable', message: 'connection refused' } });
    await expect(call[Symbol.asyncIterator]().next()).rejects.toMatchObject({
      reason: 'ServiceUnavailable',
      message: 'connection refused',
    });
  });
});

describe('tunnels', () => {
  it('belong to the node that was asked', async () => {
    const n1 = await node('n1');
    const n2 = await node('n2');
    await runningPod();
    const reading = text(logs());
    const request = await asked(n1);
    const thief = n2.agent.openTunnel(request);
    expect((await thief.failed.promise).code).toBe(5);
    const tunnel = n1.agent.openTunnel(request);
    tunnel.say({ $case: 'data', value: Buffer.from('mine') });
    tunnel.say({ $case: 'exit', value: { code: 0 } });
    expect(await reading).toBe('mine');
  });
});

describe('an image', () => {
  it('goes once to the server, and from there to the nodes that lack it, each at its own pace', async () => {
    const has = await node('n1');
    const slow = await node('n2');
    const fast = await node('n3');
    const broken = await node('n4');
    const call = client.loadImage();
    const archive = Buffer.alloc(3 * 1024 * 1024, 'y');
    await call.write({ message: { $case: 'start', value: { image: 'web:1', imageId: 'sha256:1', size: archive.byteLength, nodes: [] } } });
    const request = await asked(has);
    expect(request.request).toEqual({ $case: 'image', value: { image: 'web:1', imageId: 'sha256:1' } });
    has.agent.openTunnel(request).say({ $case: 'present', value: true });
    const slowTunnel = slow.agent.openTunnel(await asked(slow));
    const fastTunnel = fast.agent.openTunnel(await asked(fast));
    for (const tunnel of [slowTunnel, fastTunnel]) tunnel.say({ $case: 'ready', value: true });
    slowTunnel.stream.pause();
    broken.agent
      .openTunnel(await asked(broken))
      .say({ $case: 'error', value: { reason: 'Unavailable', message: 'Docker is not running' } });

    const states = new Map<string, string[]>();
    const fastLoaded = Promise.withResolvers<void>();
    const talking = (async () => {
      for await (const { message } of call) {
        if (message?.$case === 'sendData') {
          for (let i = 0; i < archive.byteLength; i += 256 * 1024)
            await call.write({ message: { $case: 'data', value: archive.subarray(i, i + 256 * 1024) } });
          await call.write({ message: { $case: 'end', value: true } });
        } else if (message?.$case === 'progress') {
          const { node: name, state, error } = message.value;
          states.set(name, [...(states.get(name) ?? []), error === '' ? state : `${state}: ${error}`]);
          if (name === 'n3' && state === 'loaded') fastLoaded.resolve();
        }
      }
    })();
    const receive = async (tunnel: FakeTunnel): Promise<number> => {
      for (let bytes = 0; ; ) {
        const message = await tunnel.arrivals.next();
        if (message?.$case === 'data') bytes += message.value.byteLength;
        else return message?.$case === 'closed' ? bytes : -1;
      }
    };
    expect(await receive(fastTunnel)).toBe(archive.byteLength);
    fastTunnel.say({ $case: 'exit', value: { code: 0 } });
    await fastLoaded.promise; // while the slow one has not taken a byte
    expect(states.get('n2')?.includes('loaded')).toBe(false);
    slowTunnel.stream.resume();
    expect(await receive(slowTunnel)).toBe(archive.byteLength);
    slowTunnel.say({ $case: 'exit', value: { code: 0 } });
    await talking;
    expect(states.get('n1')).toEqual(['present']);
    expect(states.get('n2')?.at(-1)).toBe('loaded');
    expect(states.get('n4')).toEqual(['failed: Docker is not running']);
    expect(await readdir(join(server.dataDir, 'spool'))).toEqual([]);
  });

  it('that every node has costs nothing', async () => {
    const n1 = await node();
    const call = client.loadImage();
    await call.write({ message: { $case: 'start', value: { image: 'web:1', imageId: 'sha256:1', size: 0, nodes: ['n1'] } } });
    n1.agent.openTunnel(await asked(n1)).say({ $case: 'present', value: true });
    const answers: unknown[] = [];
    for await (const { message } of call) answers.push(message);
    expect(answers).toEqual([{ $case: 'progress', value: { node: 'n1', state: 'present', receivedBytes: 0, error: '' } }]);
  });
});
