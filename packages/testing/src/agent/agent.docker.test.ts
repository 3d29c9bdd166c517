// The agent on a real Docker Engine, with a server that the test plays: pods, probes, crashes, adoption.
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { whyNoEngine } from '@podplane/agent/runtime/testing/real-engine';
import type { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DockerWorld, STAY } from './docker-world.js';
import { condition } from './harness.js';

const noEngine = await whyNoEngine();
const WEB = `mkdir -p /www; echo hello > /www/index.html; httpd -h /www -p 8080; ${STAY}`;

describe.skipIf(noEngine !== undefined)('Agent on Docker', { timeout: 120_000 }, () => {
  const world = new DockerWorld();
  const { node, server } = world;
  const pod = (name: string, spec: object): Pod => world.pod(name, { restartPolicy: 'Always', ...spec });
  const idOf = (one: Pod, container: number): string => world.id(one, one.spec?.containers[container]?.name ?? '');

  beforeAll(() => world.open());
  afterAll(() => world.close());

  it('runs a pod of two containers that share network and volume, probes it, and keeps it over kill -9 of the agent', async () => {
    const web = pod('web', {
      volumes: [{ name: 'shared', emptyDir: {} }],
      containers: [
        world.shell('web', WEB, {
          volumeMounts: [{ name: 'shared', mountPath: '/data' }],
          env: [
            { name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
            { name: 'URL', value: 'http://$(IP):8080' },
          ],
          readinessProbe: { httpGet: { path: '/index.html', port: 8080 } },
          livenessProbe: { exec: { command: ['true'] }, periodSeconds: 1 },
          resources: { limits: { cpu: '500m', memory: '64Mi' } },
        }),
        world.shell('side', STAY, {
          volumeMounts: [{ name: 'shared', mountPath: '/data' }],
          readinessProbe: { tcpSocket: { port: 8080 } },
        }),
      ],
    });
    server.assign(web);
    await world.until('ready', () => world.isReady(web));
    const status = world.status(web);
    expect(status?.qosClass).toBe('Burstable');
    expect(await node.run(idOf(web, 1), 'wget', '-qO-', 'http://127.0.0.1:8080/index.html')).toMatchObject({ code: 0, out: 'hello\n' });
    await node.run(idOf(web, 0), 'sh', '-c', 'echo x > /data/f');
    expect((await node.run(idOf(web, 1), 'cat', '/data/f')).out).toBe('x\n');
    expect((await node.run(idOf(web, 1), 'hostname')).out).toBe('web\n');
    expect((await node.run(idOf(web, 0), 'sh', '-c', 'echo $URL')).out).toBe(`http://${status?.podIP}:8080\n`);

    // the state has been written (it is within a second); then the agent is gone without a word
    const before = await node.runtime.listContainers(node.name);
    await world.until('state', () => true);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(statSync(join(world.dataDir, 'state.json')).mode & 0o777).toBe(0o600);
    await world.stop();
    server.reports.clear();
    const readiness: (string | undefined)[] = [];
    const record = (): void => void readiness.push(condition(world.status(web), 'Ready'));
    const recorded = world.onMessage(record);
    world.start();
    await world.until('reported again', () => world.isReady(web));
    await world.until('probed again', () => server.received.length > 0);
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    recorded();
    expect(readiness).not.toContain('False');
    const after = await node.runtime.listContainers(node.name);
    expect(after.map(({ id, startedAt }) => [id, startedAt]).sort()).toEqual(before.map(({ id, startedAt }) => [id, startedAt]).sort());

    // the pause container dies: a new sandbox with the same address
    const pause = after.find(({ labels }) => labels['podplane.dev/container'] === 'POD');
    await node.runtime.kill(pause?.id ?? '', 'SIGKILL');
    await world.until(
      'rebuilt',
      () => world.isReady(web) && world.status(web)?.containerStatuses.every(({ restartCount }) => restartCount === 1) === true,
    );
    expect(world.status(web)?.podIP).toBe(status?.podIP);

    // deletion leaves nothing
    web.metadata = { ...web.metadata!, deletionTimestamp: new Date().toISOString(), deletionGracePeriodSeconds: 5 };
    server.assign(web);
    await world.until('gone', () => server.reports.get(web.metadata?.uid ?? '')?.terminated === true);
    server.remove(web.metadata.uid ?? '');
    expect(await node.runtime.listContainers(node.name)).toEqual([]);
    expect(await node.runtime.listVolumes(node.name)).toEqual([]);
  });

  it('tells crashes, commands that are not there, memory limits and liveness', async () => {
    const crash = pod('crash', { containers: [world.shell('c', 'exit 7')] });
    const missing = pod('missing', {
      restartPolicy: 'Never',
      containers: [{ name: 'm', image: node.image, imagePullPolicy: 'Never', command: ['/nope'] }],
    });
    const sick = pod('sick', {
      containers: [world.shell('s', STAY, { livenessProbe: { exec: { command: ['false'] }, periodSeconds: 1, failureThreshold: 1 } })],
    });
    for (const one of [crash, missing, sick]) server.assign(one);
    await world.until('crash loop', () => world.status(crash)?.containerStatuses[0]?.state?.waiting?.reason === 'CrashLoopBackOff');
    expect(world.status(crash)?.containerStatuses[0]).toMatchObject({
      restartCount: 1,
      lastState: { terminated: { exitCode: 7, reason: 'Error' } },
    });
    await world.until('missing', () => world.status(missing)?.phase === 'Failed');
    expect(world.status(missing)?.containerStatuses[0]?.state?.terminated).toMatchObject({ exitCode: 127, reason: 'StartError' });
    await world.until('liveness', () => (world.status(sick)?.containerStatuses[0]?.restartCount ?? 0) > 0);
    const wanted = ['Unhealthy', 'Killing', 'BackOff', 'Failed'];
    await world.until('events', () => wanted.every((reason) => server.events.some((event) => event.reason === reason)));
    await world.gone(crash, missing, sick);
    expect(await node.runtime.listContainers(node.name)).toEqual([]);
  });

  it('is not much slower than the bare engine', async () => {
    const one = pod('quick', { containers: [world.shell('a', STAY), world.shell('b', STAY)] });
    const begin = performance.now();
    server.assign(one);
    await world.until('ready', () => world.isReady(one));
    process.stderr.write(`create -> Ready of two containers: ${Math.round(performance.now() - begin)} ms\n`);
    await world.gone(one);
  });
});
