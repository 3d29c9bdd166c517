// How containers begin and end, on real Docker: hooks around their lives, and the grace that their ends are given. Probes are in probes.test.ts,
// signals other than SIGTERM in restart.test.ts.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { engineAnswers, eventually } from '../harness.js';
import { FieldCluster } from './field-cluster.js';

const answers = await engineAnswers();

/** Writes down what it is asked. /start is answered when /release is asked for, /stop after half a second. */
const SERVER = `
const held = [];
require('http').createServer((q, r) => {
  console.log(q.url + ' ' + (q.headers['x-hook'] ?? ''));
  if (q.url === '/start') held.push(r);
  else if (q.url === '/held') r.end(String(held.length));
  else if (q.url === '/stop') setTimeout(() => { console.log('answered'); r.end(); }, 500);
  else { for (const one of held) one.end(); r.end(); }
}).listen(8080);
process.on('SIGTERM', () => { console.log('TERM'); process.exit(0); });
`;
/** Says when it hears SIGTERM, and ends. */
const HEARS =
  "process.on('SIGTERM', () => { console.log('TERM ' + Date.now()); process.exit(0); }); setInterval(() => {}, 1e6); console.log('up')";
/** Says when it hears SIGTERM, and does not end. */
const DEAF = "process.on('SIGTERM', () => console.log('TERM')); setInterval(() => {}, 1e6); console.log('up')";

type Fields = Readonly<Record<string, unknown>>;

const container = (name: string, command: readonly string[], more: Fields = {}): Fields => ({
  name,
  image: 'podplane-example/web:1',
  imagePullPolicy: 'IfNotPresent',
  command,
  ...more,
});
const script = (name: string, code: string, more: Fields = {}): Fields => container(name, ['node', '-e', code], more);
const shell = (name: string, code: string, more: Fields = {}): Fields => container(name, ['sh', '-c', code], more);
const exec = (code: string): Fields => ({ exec: { command: ['sh', '-c', code] } });
const pod = (name: string, spec: Fields): Fields => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name },
  spec: { terminationGracePeriodSeconds: 1, ...spec },
});
const STAY = 'trap "exit 0" TERM; sleep 100000 & wait';

describe.skipIf(!answers)('lifecycle', () => {
  const cluster = new FieldCluster();
  let said = '';

  beforeAll(async () => {
    await cluster.start();
    const items = [
      pod('starts', {
        initContainers: [
          script('server', SERVER, {
            restartPolicy: 'Always',
            startupProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1, failureThreshold: 60 },
          }),
        ],
        containers: [
          shell('exec', STAY, { lifecycle: { postStart: exec('touch /tmp/began; until test -e /tmp/go; do sleep 0.1; done') } }),
          shell('http', STAY, {
            lifecycle: { postStart: { httpGet: { path: '/start', port: 8080, httpHeaders: [{ name: 'X-Hook', value: 'post' }] } } },
          }),
        ],
      }),
      pod('sleeps', {
        containers: [shell('main', STAY, { lifecycle: { postStart: { sleep: { seconds: 2 } } } })],
        terminationGracePeriodSeconds: 2,
      }),
      pod('fails', {
        restartPolicy: 'Never',
        terminationGracePeriodSeconds: 20,
        containers: [
          shell('exec', 'trap "exit 5" TERM; touch /tmp/up; sleep 100000 & wait', {
            lifecycle: { postStart: exec('until test -e /tmp/up; do sleep 0.1; done; echo no luck; exit 9') },
          }),
        ],
      }),
      pod('cannot', {
        restartPolicy: 'Never',
        containers: [shell('tcp', STAY, { lifecycle: { postStart: { tcpSocket: { port: 8080 } } } })],
      }),
      pod('stops', {
        terminationGracePeriodSeconds: 60,
        containers: [
          script('exec', HEARS, { lifecycle: { preStop: exec('echo hook > /proc/1/fd/1; sleep 1; echo hooked > /proc/1/fd/1') } }),
          script('http', SERVER, {
            lifecycle: { preStop: { httpGet: { path: '/stop', port: 8080, httpHeaders: [{ name: 'X-Hook', value: 'pre' }] } } },
          }),
          script('sleep', HEARS, { lifecycle: { preStop: { sleep: { seconds: 2 } } } }),
          script('tcp', HEARS, { lifecycle: { preStop: { tcpSocket: { port: 8080 } } } }),
        ],
      }),
      pod('deaf', { terminationGracePeriodSeconds: 3, containers: [script('main', DEAF)] }),
      pod('patient', { terminationGracePeriodSeconds: 600, containers: [script('main', DEAF)] }),
    ];
    said = await cluster.apply(JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
  });
  afterAll(() => cluster.remove());

  const inside = (name: string, of: string, code: string): Promise<string> => cluster.must('exec', name, '-c', of, '--', 'sh', '-c', code);
  const events = async (name: string, reason: string): Promise<readonly string[]> => {
    const { items } = await cluster.client.list('Event', { namespace: 'default' });
    return items.filter((event) => event.involvedObject?.name === name && event.reason === reason).map(({ message }) => message ?? '');
  };
  const eventsOf = (name: string, reason: string): Promise<readonly string[]> =>
    eventually(
      `${reason} of ${name}`,
      () => events(name, reason),
      (found) => found.length > 0,
    );
  const logsOf = async (name: string, of: string): Promise<readonly string[]> => (await cluster.logs(name, '-c', of)).trim().split('\n');
  /** What a container writes until it has ended. Resolves when it has said that it is up. */
  const follow = async (name: string, of: string): Promise<{ readonly lines: Promise<readonly string[]> }> => {
    const request = { namespace: 'default', pod: name, container: of, follow: true, previous: false, sinceTime: '', timestamps: false };
    const stream = cluster.client.logs(request);
    const first = await stream.next();
    const rest = async (): Promise<readonly string[]> => {
      let text = Buffer.from(first.value ?? []).toString();
      for await (const data of stream) text += Buffer.from(data).toString();
      return text.trim().split('\n');
    };
    return { lines: rest() };
  };
  type Pod = Awaited<ReturnType<typeof cluster.podReady>>;
  /** The pod as it was last seen, once it is gone. */
  const gone = async (from: Pod): Promise<Pod> => {
    const { name = '', resourceVersion = '' } = from.metadata ?? {};
    const query = { namespace: 'default', fieldSelector: `metadata.name=${name}` };
    for await (const event of cluster.client.watch('Pod', query, { from: resourceVersion })) {
      if (event.type === 'DELETED') return event.object;
    }
    throw new Error('the watch has ended');
  };
  const remove = async (name: string, gracePeriodSeconds?: number): Promise<Pod> =>
    (await cluster.client.delete('Pod', 'default', name, gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds })).object;

  it('Container lifecycle.postStart.exec, Container lifecycle.postStart.httpGet: runs as soon as the container does, which is not started and not Ready before its hook has ended', async () => {
    await cluster.podUntil(
      'starts',
      'running',
      ({ status }) => status?.containerStatuses.every(({ state }) => state?.running !== undefined) === true,
    );
    await eventually(
      'both hooks',
      () => cluster.js('starts', "fetch('http://127.0.0.1:8080/held').then((a) => a.text()).then(console.log)", 'server'),
      (text) => text.includes('1'),
    );
    await inside('starts', 'exec', 'until test -e /tmp/began; do sleep 0.1; done');
    const of = (seen: Pod, name: string) => seen.status?.containerStatuses.find((one) => one.name === name);
    const waiting = await cluster.get('Pod', 'starts');
    for (const name of ['exec', 'http']) expect(of(waiting, name)).toMatchObject({ started: false, ready: false, restartCount: 0 });
    await inside('starts', 'exec', 'touch /tmp/go');
    const half = await cluster.podUntil('starts', 'half ready', (seen) => of(seen, 'exec')?.ready === true);
    expect([of(half, 'exec')?.started, of(half, 'http')?.started]).toEqual([true, false]);
    expect(half.status?.conditions.find(({ type }) => type === 'Ready')?.status).toBe('False');
    await cluster.js('starts', "fetch('http://127.0.0.1:8080/release').then((a) => a.text())", 'server');
    const ready = await cluster.podReady('starts');
    for (const name of ['exec', 'http']) expect(of(ready, name)).toMatchObject({ started: true, ready: true, restartCount: 0 });
    expect(await logsOf('starts', 'server')).toContain('/start post');
  });

  it('Container lifecycle.postStart.sleep: the container is Ready that much later', async () => {
    const { status } = await cluster.podReady('sleeps');
    const startedAt = Date.parse(status?.containerStatuses[0]?.state?.running?.startedAt ?? '');
    const readyAt = Date.parse(status?.conditions.find(({ type }) => type === 'ContainersReady')?.lastTransitionTime ?? '');
    expect(readyAt - startedAt).toBeGreaterThanOrEqual(2_000);
    expect(status?.containerStatuses[0]?.restartCount).toBe(0);
  });

  it('Container lifecycle.postStart.exec, Container lifecycle.postStart.tcpSocket: a hook that fails costs the container its life, one by tcpSocket always does', async () => {
    const failed = await cluster.podEnded('fails');
    expect(failed.status).toMatchObject({
      phase: 'Failed',
      containerStatuses: [{ restartCount: 0, state: { terminated: { exitCode: 5 } } }],
    });
    expect(await eventsOf('fails', 'FailedPostStartHook')).toEqual([expect.stringContaining('no luck')]);
    expect(said).toContain('spec.containers[0].lifecycle.postStart.tcpSocket');
    const cannot = await cluster.podEnded('cannot');
    expect(cannot.status?.containerStatuses[0]?.state?.terminated).toBeDefined();
    expect(await eventsOf('cannot', 'FailedPostStartHook')).toEqual([expect.stringContaining('tcpSocket cannot be run')]);
  });

  it('Container lifecycle.preStop.exec, Container lifecycle.preStop.httpGet, Container lifecycle.preStop.sleep, Container lifecycle.preStop.tcpSocket: SIGTERM comes when the hook has ended, also when it failed', async () => {
    expect(said).toContain('spec.containers[3].lifecycle.preStop.tcpSocket');
    await cluster.podReady('stops');
    await cluster.js('stops', "fetch('http://127.0.0.1:8080/up').then((a) => a.text())", 'http'); // so that there is a first line
    const followed = await Promise.all(['exec', 'http', 'sleep', 'tcp'].map((name) => follow('stops', name)));
    const began = Date.now();
    const ending = gone(await remove('stops'));
    const [byExec, byHttp, bySleep, byTcp] = await Promise.all(followed.map(({ lines }) => lines));
    expect(byExec).toEqual(['up', 'hook', 'hooked', expect.stringMatching(/^TERM /)]);
    expect(byHttp).toEqual(['/up ', '/stop pre', 'answered', 'TERM']);
    expect(bySleep).toEqual(['up', expect.stringMatching(/^TERM /)]);
    expect(Number(bySleep?.[1]?.split(' ')[1]) - began).toBeGreaterThanOrEqual(1_950);
    expect(byTcp).toEqual(['up', expect.stringMatching(/^TERM /)]);
    const last = await ending;
    expect(last.status?.containerStatuses.map(({ state }) => state?.terminated?.exitCode)).toEqual([0, 0, 0, 0]);
    expect(await eventsOf('stops', 'FailedPreStopHook')).toEqual([expect.stringContaining('tcpSocket cannot be run')]);
  });

  it('PodSpec terminationGracePeriodSeconds: a container that does not end on SIGTERM is killed after the grace', async () => {
    await cluster.podReady('deaf');
    const { lines } = await follow('deaf', 'main');
    const began = Date.now();
    const last = await gone(await remove('deaf'));
    expect(await lines).toEqual(['up', 'TERM']);
    const { exitCode, finishedAt = '' } = last.status?.containerStatuses[0]?.state?.terminated ?? {};
    expect(exitCode).toBe(137);
    // finishedAt is told in whole seconds.
    expect(Date.parse(finishedAt) + 1_000 - began).toBeGreaterThanOrEqual(2_950);
  });

  it('PodSpec terminationGracePeriodSeconds: who deletes again with a shorter grace does not wait for the longer one', async () => {
    await cluster.podReady('patient');
    const terminating = await remove('patient');
    expect(terminating.metadata?.deletionGracePeriodSeconds).toBe(600);
    await eventually(
      'SIGTERM',
      () => logsOf('patient', 'main'),
      (lines) => lines.includes('TERM'),
    );
    expect((await cluster.get('Pod', 'patient')).status?.containerStatuses[0]?.state?.running).toBeDefined();
    const shorter = await remove('patient', 1);
    expect(shorter.metadata?.deletionGracePeriodSeconds).toBe(1);
    // A test has less time than 600 s.
    const last = await gone(shorter);
    expect(last.status?.containerStatuses[0]?.state?.terminated?.exitCode).toBe(137);
  });
});
