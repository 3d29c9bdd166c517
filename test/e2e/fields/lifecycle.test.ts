// How containers begin and end, on real Docker: hooks around their lives, and the grace that their ends are given. Probes are in probes.test.ts,
// signals other than SIGTERM in restart.test.ts.
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { engineAnswers, eventually } from '../harness.js';
import { FieldCluster, PATIENCE_MS } from './field-cluster.js';

const answers = await engineAnswers();

// What programs say they write into a file of the node: it is there as soon as it is said, and when their pod has gone.
const SAID = '/said';
const say = (file: string): string => `const say = (text) => fs.appendFileSync('${SAID}/${file}', text + '\\n');`;
/** Writes down what it is asked. /start is answered when /release is asked for, /stop after half a second. */
const server = (file: string): string => `${say(file)}
const held = [];
require('http').createServer((q, r) => {
  say(q.url + ' ' + (q.headers['x-hook'] ?? ''));
  if (q.url === '/start') held.push(r);
  else if (q.url === '/held') r.end(String(held.length));
  else if (q.url === '/stop') setTimeout(() => { say('answered'); r.end(); }, 500);
  else { for (const one of held) one.end(); r.end(); }
}).listen(8080, () => say('up'));
process.on('SIGTERM', () => { say('TERM'); process.exit(0); });
`;
/** Says when it hears SIGTERM, and ends. */
const hears = (file: string): string =>
  `${say(file)} process.on('SIGTERM', () => { say('TERM ' + Date.now()); process.exit(0); }); setInterval(() => {}, 1e6); say('up')`;
/** Says when it hears SIGTERM, and does not end. */
const deaf = (file: string): string => `${say(file)} process.on('SIGTERM', () => say('TERM')); setInterval(() => {}, 1e6); say('up')`;

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
const volumeMounts = [{ name: 'said', mountPath: SAID }];
const STAY = 'trap "exit 0" TERM; sleep 100000 & wait';

describe.skipIf(!answers)('lifecycle', () => {
  const cluster = new FieldCluster();
  const folder = path.join(cluster.directory, 'said');
  let warnings = '';

  const pod = (name: string, spec: Fields): Fields => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name },
    spec: {
      terminationGracePeriodSeconds: 1,
      volumes: [{ name: 'said', hostPath: { path: folder, type: 'DirectoryOrCreate' } }],
      ...spec,
    },
  });

  beforeAll(async () => {
    await cluster.start();
    const items = [
      pod('starts', {
        initContainers: [
          script('server', server('starts'), {
            volumeMounts,
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
          script('exec', hears('exec'), {
            volumeMounts,
            lifecycle: { preStop: exec(`echo hook >> ${SAID}/exec; sleep 1; echo hooked >> ${SAID}/exec`) },
          }),
          script('http', server('http'), {
            volumeMounts,
            lifecycle: { preStop: { httpGet: { path: '/stop', port: 8080, httpHeaders: [{ name: 'X-Hook', value: 'pre' }] } } },
          }),
          script('sleep', hears('sleep'), { volumeMounts, lifecycle: { preStop: { sleep: { seconds: 2 } } } }),
          script('tcp', hears('tcp'), { volumeMounts, lifecycle: { preStop: { tcpSocket: { port: 8080 } } } }),
        ],
      }),
      pod('deaf', { terminationGracePeriodSeconds: 3, containers: [script('main', deaf('deaf'), { volumeMounts })] }),
      pod('patient', { terminationGracePeriodSeconds: 600, containers: [script('main', deaf('patient'), { volumeMounts })] }),
    ];
    warnings = await cluster.apply(JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
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
      PATIENCE_MS,
    );
  const said = (file: string): readonly string[] =>
    existsSync(path.join(folder, file)) ? readFileSync(path.join(folder, file), 'utf8').trim().split('\n') : [];
  /** The program hears signals: who is the first in a container is not even ended by those that it has not asked for. */
  const hasSaid = (file: string, word: string): Promise<unknown> =>
    eventually(
      `${file} says ${word}`,
      async () => said(file),
      (lines) => lines.includes(word),
      PATIENCE_MS,
    );
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
      ({ status }) => status?.containerStatuses.filter(({ state }) => state?.running !== undefined).length === 2,
    );
    await eventually(
      'both hooks',
      () => cluster.js('starts', "fetch('http://127.0.0.1:8080/held').then((a) => a.text()).then(console.log)", 'server'),
      (text) => text.includes('1'),
      PATIENCE_MS,
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
    expect(said('starts')).toContain('/start post');
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
    expect(warnings).toContain('spec.containers[0].lifecycle.postStart.tcpSocket');
    const cannot = await cluster.podEnded('cannot');
    expect(cannot.status?.containerStatuses[0]?.state?.terminated).toBeDefined();
    expect(await eventsOf('cannot', 'FailedPostStartHook')).toEqual([expect.stringContaining('tcpSocket cannot be run')]);
  });

  it('Container lifecycle.preStop.exec, Container lifecycle.preStop.httpGet, Container lifecycle.preStop.sleep, Container lifecycle.preStop.tcpSocket: SIGTERM comes when the hook has ended, also when it failed', async () => {
    expect(warnings).toContain('spec.containers[3].lifecycle.preStop.tcpSocket');
    await cluster.podReady('stops');
    for (const file of ['exec', 'http', 'sleep', 'tcp']) await hasSaid(file, 'up');
    const began = Date.now();
    const last = await gone(await remove('stops'));
    expect(said('exec')).toEqual(['up', 'hook', 'hooked', expect.stringMatching(/^TERM /)]);
    expect(said('http')).toEqual(['up', '/stop pre', 'answered', 'TERM']);
    expect(said('sleep')).toEqual(['up', expect.stringMatching(/^TERM /)]);
    expect(Number(said('sleep')[1]?.split(' ')[1]) - began).toBeGreaterThanOrEqual(1_950);
    expect(said('tcp')).toEqual(['up', expect.stringMatching(/^TERM /)]);
    expect(last.status?.containerStatuses.map(({ state }) => state?.terminated?.exitCode)).toEqual([0, 0, 0, 0]);
    expect(await eventsOf('stops', 'FailedPreStopHook')).toEqual([expect.stringContaining('tcpSocket cannot be run')]);
  });

  it('PodSpec terminationGracePeriodSeconds: a container that does not end on SIGTERM is killed after the grace', async () => {
    await cluster.podReady('deaf');
    await hasSaid('deaf', 'up');
    const began = Date.now();
    const last = await gone(await remove('deaf'));
    expect(said('deaf')).toEqual(['up', 'TERM']);
    const { exitCode, finishedAt = '' } = last.status?.containerStatuses[0]?.state?.terminated ?? {};
    expect(exitCode).toBe(137);
    // finishedAt is told in whole seconds.
    expect(Date.parse(finishedAt) + 1_000 - began).toBeGreaterThanOrEqual(2_950);
  });

  it('PodSpec terminationGracePeriodSeconds: who deletes again with a shorter grace does not wait for the longer one', async () => {
    await cluster.podReady('patient');
    await hasSaid('patient', 'up');
    const terminating = await remove('patient');
    expect(terminating.metadata?.deletionGracePeriodSeconds).toBe(600);
    await hasSaid('patient', 'TERM');
    expect((await cluster.get('Pod', 'patient')).status?.containerStatuses[0]?.state?.running).toBeDefined();
    const shorter = await remove('patient', 1);
    expect(shorter.metadata?.deletionGracePeriodSeconds).toBe(1);
    // A test has less time than 600 s.
    const last = await gone(shorter);
    expect(last.status?.containerStatuses[0]?.state?.terminated?.exitCode).toBe(137);
  });
});
