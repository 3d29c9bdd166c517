// Probes and hooks of containers, on real Docker: what the API says of a container while what is probed is well, unwell and gone.
import { ApiError } from '@podplane/api/errors';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { engineAnswers, eventually } from '../harness.js';
import { FieldCluster, isReady, PATIENCE_MS } from './field-cluster.js';

const answers = await engineAnswers();

/**
 * Says of three things (startup, ready, live) whether they are well: yes, unless /tmp/NAME-bad exists (startup: only once /tmp/up exists). By HTTP
 * paths, by ports that are open, by names of gRPC's health service, and by files for commands.
 */
const SERVER = `
const fs = require('fs'), http = require('http'), net = require('net'), http2 = require('http2');
const well = (name) => name === 'startup' ? fs.existsSync('/tmp/up') : !fs.existsSync('/tmp/' + name + '-bad');
http.createServer((q, r) => { r.statusCode = well(q.url.slice(1)) ? 200 : 503; r.end(q.url); }).listen(8080);
['startup', 'ready', 'live'].forEach((name, i) => {
  let server;
  setInterval(() => {
    if (well(name) && !server) server = net.createServer((s) => s.destroy()).listen(7001 + i);
    if (!well(name) && server) { server.close(); server = undefined; }
  }, 50);
});
http2.createServer().on('stream', (s) => {
  const parts = [];
  s.on('data', (d) => parts.push(d));
  s.on('end', () => {
    const name = Buffer.concat(parts).subarray(7).toString();
    s.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    s.on('wantTrailers', () => s.sendTrailers({ 'grpc-status': '0' }));
    s.end(Buffer.from([0, 0, 0, 0, 2, 8, well(name) ? 1 : 2]));
  });
}).listen(9090);
process.on('SIGTERM', () => process.exit(0));
`;

const KINDS = ['exec', 'http', 'tcp', 'grpc'] as const;

function handler(kind: (typeof KINDS)[number], name: 'startup' | 'ready' | 'live'): object {
  const port = 7001 + ['startup', 'ready', 'live'].indexOf(name);
  switch (kind) {
    case 'exec':
      return { exec: { command: ['sh', '-c', name === 'startup' ? 'test -e /tmp/up' : `! test -e /tmp/${name}-bad`] } };
    case 'http':
      return { httpGet: { path: `/${name}`, port: 8080 } };
    case 'tcp':
      return { tcpSocket: { port } };
    case 'grpc':
      return { grpc: { port: 9090, service: name } };
  }
}

const image = { image: 'podplane-example/web:1', imagePullPolicy: 'IfNotPresent' };

describe.skipIf(!answers)('probes', () => {
  const cluster = new FieldCluster();
  const pod = (name: string, spec: object): Promise<string> =>
    cluster.apply(
      JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata: { name }, spec: { terminationGracePeriodSeconds: 1, ...spec } }),
    );
  const inside = (name: string, container: string, script: string): Promise<string> =>
    cluster.must('exec', name, '-c', container, '--', 'sh', '-c', script);

  beforeAll(async () => {
    await cluster.start();
    // A pod for each way to ask, as ports are the pod's.
    await Promise.all(
      KINDS.map((kind) =>
        pod(`by-${kind}`, {
          containers: [
            {
              name: 'main',
              ...image,
              command: ['node', '-e', SERVER],
              startupProbe: {
                ...handler(kind, 'startup'),
                periodSeconds: 1,
                failureThreshold: 600,
                successThreshold: 1,
                timeoutSeconds: 30,
              },
              readinessProbe: { ...handler(kind, 'ready'), periodSeconds: 1, failureThreshold: 2, successThreshold: 2, timeoutSeconds: 30 },
              livenessProbe: {
                ...handler(kind, 'live'),
                periodSeconds: 1,
                failureThreshold: 2,
                successThreshold: 1,
                timeoutSeconds: 30,
                terminationGracePeriodSeconds: 60,
              },
            },
          ],
        }),
      ),
    );
  });
  afterAll(() => cluster.remove());

  const each = (check: (name: string) => Promise<void>): Promise<void[]> => Promise.all(KINDS.map((kind) => check(`by-${kind}`)));

  it('Container startupProbe.exec, Container startupProbe.httpGet, Container startupProbe.tcpSocket, Container startupProbe.grpc, Container startupProbe.periodSeconds, Container startupProbe.failureThreshold: a container counts as started when its probe first succeeds, and nothing else is asked before', async () => {
    await each(async (name) => {
      const running = await cluster.podUntil(name, 'running', ({ status }) => status?.containerStatuses[0]?.state?.running !== undefined);
      expect([running.status?.containerStatuses[0]?.started, running.status?.containerStatuses[0]?.ready]).toEqual([false, false]);
      await inside(name, 'main', 'touch /tmp/up');
      const started = await cluster.podReady(name);
      expect(started.status?.containerStatuses[0]).toMatchObject({ started: true, restartCount: 0 });
    });
  });

  it('Container readinessProbe.exec, Container readinessProbe.httpGet, Container readinessProbe.tcpSocket, Container readinessProbe.grpc, Container readinessProbe.periodSeconds, Container readinessProbe.failureThreshold, Container readinessProbe.successThreshold: a container that is not well is not Ready until it is well twice, and runs on', async () => {
    await each(async (name) => {
      await inside(name, 'main', 'touch /tmp/ready-bad');
      await cluster.podUntil(name, 'not Ready', ({ status }) => status?.containerStatuses[0]?.ready === false);
      await inside(name, 'main', 'rm /tmp/ready-bad');
      expect((await cluster.podReady(name)).status?.containerStatuses[0]?.restartCount).toBe(0);
    });
  });

  it('Container livenessProbe.exec, Container livenessProbe.httpGet, Container livenessProbe.tcpSocket, Container livenessProbe.grpc, Container livenessProbe.periodSeconds, Container livenessProbe.failureThreshold, Container livenessProbe.successThreshold: a container that is not well is started again, and the pod says why', async () => {
    await each(async (name) => {
      await inside(name, 'main', 'touch /tmp/live-bad');
      const restarted = await cluster.podUntil(name, 'restarted', ({ status }) => status?.containerStatuses[0]?.restartCount === 1);
      expect(restarted.status?.containerStatuses[0]?.lastState?.terminated?.exitCode).toBe(0);
      await eventually(
        'the event',
        () => cluster.must('describe', 'pod', name),
        (text) => /Unhealthy.*Liveness probe failed/.test(text) && /Killing.*failed liveness probe, will be restarted/.test(text),
        PATIENCE_MS,
      );
    });
  });

  it('Container livenessProbe.timeoutSeconds, Container livenessProbe.initialDelaySeconds, Container livenessProbe.terminationGracePeriodSeconds: a command that hangs counts as failed, and the container is killed after the grace of the probe', async () => {
    await pod('hangs', {
      terminationGracePeriodSeconds: 600,
      containers: [
        {
          name: 'main',
          ...image,
          command: ['sh', '-c', 'trap "" TERM; while :; do sleep 0.2; done'],
          livenessProbe: {
            // How long the container has run, by the kernel: ticks of a hundredth when its first process was made, seconds now.
            exec: {
              command: ['sh', '-c', 'echo $(cut -d " " -f 22 /proc/1/stat) $(cut -d " " -f 1 /proc/uptime) >> /tmp/asked; sleep 1000'],
            },
            initialDelaySeconds: 3,
            timeoutSeconds: 1,
            periodSeconds: 5,
            failureThreshold: 2,
            terminationGracePeriodSeconds: 1,
          },
        },
      ],
    });
    const asked = await eventually(
      'asked',
      async () => /^(\d+) ([\d.]+)$/m.exec((await cluster.cli(['exec', 'hangs', '--', 'cat', '/tmp/asked'])).stdout),
      (found) => found !== null,
      PATIENCE_MS,
    );
    expect(Number(asked?.[2]) - Number(asked?.[1]) / 100).toBeGreaterThanOrEqual(3);
    const restarted = await cluster.podUntil('hangs', 'restarted', ({ status }) => (status?.containerStatuses[0]?.restartCount ?? 0) > 0);
    // It did not hear SIGTERM, and was killed long before the pod's own grace.
    expect(restarted.status?.containerStatuses[0]?.lastState?.terminated?.exitCode).toBe(137);
  });

  it('Container readinessProbe.terminationGracePeriodSeconds, Container startupProbe.successThreshold, Container livenessProbe.successThreshold: what says nothing of such a probe is refused, as in Kubernetes', async () => {
    const wrong = (probe: string, more: object): Promise<string> =>
      pod('wrong', { containers: [{ name: 'main', ...image, [probe]: { exec: { command: ['true'] }, ...more } }] });
    await expect(wrong('readinessProbe', { terminationGracePeriodSeconds: 1 })).rejects.toThrow(
      'spec.containers[0].readinessProbe.terminationGracePeriodSeconds: Invalid value: 1: must not be set for readinessProbes',
    );
    for (const probe of ['startupProbe', 'livenessProbe']) {
      await expect(wrong(probe, { successThreshold: 2 })).rejects.toThrow(
        `spec.containers[0].${probe}.successThreshold: Invalid value: 2: must be 1`,
      );
    }
  });

  it('PodSpec readinessGates: a pod is Ready while somebody says so of its gates', async () => {
    await pod('gated', {
      readinessGates: [{ conditionType: 'example.com/gate' }],
      containers: [{ name: 'main', ...image, command: ['sleep', '1000'] }],
    });
    const notReady = { status: 'False', reason: 'ReadinessGatesNotReady' };
    const waiting = await cluster.podUntil('gated', 'running', ({ status }) => status?.containerStatuses[0]?.ready === true);
    expect(waiting.status?.conditions.find(({ type }) => type === 'Ready')).toMatchObject({
      ...notReady,
      message: 'corresponding condition of pod readiness gate "example.com/gate" does not exist.',
    });
    const say = async (status: 'True' | 'False'): Promise<void> => {
      const now = await cluster.get('Pod', 'gated');
      const conditions = (now.status?.conditions ?? []).filter(({ type }) => type !== 'example.com/gate');
      // Only as the pod still is: its agent may have written in between.
      const patch = {
        metadata: { resourceVersion: now.metadata?.resourceVersion },
        status: { conditions: [...conditions, { type: 'example.com/gate', status }] },
      };
      try {
        await cluster.client.mergePatch('Pod', 'default', 'gated', patch, { subresource: 'status' });
      } catch (error) {
        if (!(error instanceof ApiError) || error.reason !== 'Conflict') throw error;
        await say(status);
      }
    };
    await say('True');
    const ready = await cluster.podReady('gated');
    expect(ready.status?.conditions.find(({ type }) => type === 'example.com/gate')?.status).toBe('True');
    await say('False');
    const again = await cluster.podUntil('gated', 'not Ready', (seen) => !isReady(seen));
    expect(again.status?.conditions.find(({ type }) => type === 'Ready')).toMatchObject(notReady);
    expect(again.status?.containerStatuses[0]).toMatchObject({ ready: true, restartCount: 0 });
  });

  it('PodSpec activeDeadlineSeconds: a pod that takes too long fails with DeadlineExceeded', async () => {
    await pod('late', { activeDeadlineSeconds: 1, containers: [{ name: 'main', ...image, command: ['sleep', '1000'] }] });
    const failed = await cluster.podUntil('late', 'failed', ({ status }) => status?.phase === 'Failed');
    expect(failed.status).toMatchObject({
      reason: 'DeadlineExceeded',
      message: 'Pod was active on the node longer than the specified deadline',
    });
  });
});
