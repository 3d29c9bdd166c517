// The agent on a real Docker Engine, with a server that the test plays: pods, probes, crashes, adoption.
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Agent } from '@podplane/agent/agent';
import { silentLog } from '@podplane/agent/log';
import { NO_READING } from '@podplane/agent/node/pressure';
import { system, TestNode, whyNoEngine } from '@podplane/agent/runtime/testing/real-engine';
import { fileStateStore } from '@podplane/agent/state/state-store';
import { Pod, type PodStatus } from '@podplane/api/gen/podplane/core/v1/pod';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { condition, FakeServer } from './harness.js';

const noEngine = await whyNoEngine();
const WEB = 'mkdir -p /www; echo hello > /www/index.html; httpd -h /www -p 8080; trap "exit 0" TERM; sleep 100000 & wait';
const STAY = 'trap "exit 0" TERM; sleep 100000 & wait';

describe.skipIf(noEngine !== undefined)('Agent on Docker', () => {
  const node = new TestNode();
  const folder = mkdtempSync(join(tmpdir(), 'podplane-agent-'));
  const server = new FakeServer(system);
  const agents = new Set<Agent>();
  const waiters = new Set<() => void>();

  const newAgent = (): Agent => {
    const agent = new Agent({
      system,
      runtime: node.runtime,
      connect: server.connect,
      state: fileStateStore(join(folder, 'state.json'), silentLog),
      log: silentLog,
      flags: {
        nodeName: node.name,
        nodeIP: '127.0.0.1',
        maxPods: 20,
        cpuMillis: undefined,
        memoryBytes: undefined,
        reservedCpuMillis: 0,
        reservedMemoryBytes: 0,
        agentVersion: 'v0',
        machineId: 'm',
        bootId: system.random.uid(),
      },
      labels: {},
      taints: [],
      fallback: { cpus: 2, memoryBytes: 1e9, kernelVersion: '', architecture: 'x64' },
      readHost: () => NO_READING,
    });
    agents.add(agent);
    agent.start();
    return agent;
  };

  /** Waits until the messages of the agent make it true. */
  const until = async (what: string, done: () => boolean, ms = 30_000): Promise<void> => {
    if (done()) return;
    const reached = Promise.withResolvers<void>();
    const look = (): void => {
      if (done()) reached.resolve();
    };
    waiters.add(look);
    const timer = setTimeout(
      () =>
        reached.reject(
          new Error(
            `${what}: ${JSON.stringify([...server.reports.values()], null, 1)}\n${JSON.stringify(server.events.map(({ reason, message }) => [reason, message]))}`,
          ),
        ),
      ms,
    );
    await reached.promise.finally(() => {
      clearTimeout(timer);
      waiters.delete(look);
    });
  };

  const pod = (name: string, spec: object): Pod =>
    Pod.fromJSON({
      metadata: { name, namespace: 'default', uid: system.random.uid() },
      spec: { nodeName: node.name, restartPolicy: 'Always', terminationGracePeriodSeconds: 5, ...spec },
    });
  const shell = (name: string, script: string, more: object = {}): object => ({
    name,
    image: node.image,
    imagePullPolicy: 'IfNotPresent',
    command: ['/bin/sh', '-c', script],
    ...more,
  });
  const statusOf = (one: Pod): PodStatus | undefined => server.status(one.metadata?.uid ?? '');
  const isReady = (one: Pod): boolean => condition(statusOf(one), 'Ready') === 'True';
  const idOf = (one: Pod, container: number): string =>
    statusOf(one)
      ?.containerStatuses.find(({ name }) => name === one.spec?.containers[container]?.name)
      ?.containerID?.replace('docker://', '') ?? '';

  beforeAll(async () => {
    await node.open();
    server.podCIDR = node.podCIDR;
    server.onReceive = () => {
      for (const look of waiters) look();
    };
  });
  afterEach(() => {
    server.mode = 'up';
  });
  afterAll(async () => {
    for (const agent of agents) await agent.stop();
    await node.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('runs a pod of two containers that share network and volume, probes it, and keeps it over kill -9 of the agent', {
    timeout: 120_000,
  }, async () => {
    let agent = newAgent();
    const web = pod('web', {
      volumes: [{ name: 'shared', emptyDir: {} }],
      containers: [
        shell('web', WEB, {
          volumeMounts: [{ name: 'shared', mountPath: '/data' }],
          env: [
            { name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
            { name: 'URL', value: 'http://$(IP):8080' },
          ],
          readinessProbe: { httpGet: { path: '/index.html', port: 8080 } },
          livenessProbe: { exec: { command: ['true'] }, periodSeconds: 1 },
          resources: { limits: { cpu: '500m', memory: '64Mi' } },
        }),
        shell('side', STAY, { volumeMounts: [{ name: 'shared', mountPath: '/data' }], readinessProbe: { tcpSocket: { port: 8080 } } }),
      ],
    });
    server.assign(web);
    await until('ready', () => isReady(web));
    const status = statusOf(web);
    expect(status?.qosClass).toBe('Burstable');
    expect(await node.run(idOf(web, 1), 'wget', '-qO-', 'http://127.0.0.1:8080/index.html')).toMatchObject({ code: 0, out: 'hello\n' });
    await node.run(idOf(web, 0), 'sh', '-c', 'echo x > /data/f');
    expect((await node.run(idOf(web, 1), 'cat', '/data/f')).out).toBe('x\n');
    expect((await node.run(idOf(web, 1), 'hostname')).out).toBe('web\n');
    expect((await node.run(idOf(web, 0), 'sh', '-c', 'echo $URL')).out).toBe(`http://${status?.podIP}:8080\n`);

    // the state has been written (it is within a second); then the agent is gone without a word
    const before = await node.runtime.listContainers(node.name);
    await until('state', () => true);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(statSync(join(folder, 'state.json')).mode & 0o777).toBe(0o600);
    await agent.stop();
    server.reports.clear();
    const readiness: (string | undefined)[] = [];
    const record = (): void => void readiness.push(condition(statusOf(web), 'Ready'));
    waiters.add(record);
    agent = newAgent();
    await until('reported again', () => isReady(web));
    await until('probed again', () => server.received.length > 0);
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    waiters.delete(record);
    expect(readiness).not.toContain('False');
    const after = await node.runtime.listContainers(node.name);
    expect(after.map(({ id, startedAt }) => [id, startedAt]).sort()).toEqual(before.map(({ id, startedAt }) => [id, startedAt]).sort());

    // the pause container dies: a new sandbox with the same address
    const pause = after.find(({ labels }) => labels['podplane.dev/container'] === 'POD');
    await node.runtime.kill(pause?.id ?? '', 'SIGKILL');
    await until(
      'rebuilt',
      () => isReady(web) && statusOf(web)?.containerStatuses.every(({ restartCount }) => restartCount === 1) === true,
      60_000,
    );
    expect(statusOf(web)?.podIP).toBe(status?.podIP);

    // deletion leaves nothing
    web.metadata = { ...web.metadata!, deletionTimestamp: new Date().toISOString(), deletionGracePeriodSeconds: 5 };
    server.assign(web);
    await until('gone', () => server.reports.get(web.metadata?.uid ?? '')?.terminated === true, 60_000);
    server.remove(web.metadata.uid ?? '');
    expect(await node.runtime.listContainers(node.name)).toEqual([]);
    expect(await node.runtime.listVolumes(node.name)).toEqual([]);
  });

  it('tells crashes, commands that are not there, memory limits and liveness', { timeout: 120_000 }, async () => {
    if (agents.size === 0) newAgent();
    const crash = pod('crash', { containers: [shell('c', 'exit 7')] });
    const missing = pod('missing', {
      restartPolicy: 'Never',
      containers: [{ name: 'm', image: node.image, imagePullPolicy: 'Never', command: ['/nope'] }],
    });
    const sick = pod('sick', {
      containers: [shell('s', STAY, { livenessProbe: { exec: { command: ['false'] }, periodSeconds: 1, failureThreshold: 1 } })],
    });
    for (const one of [crash, missing, sick]) server.assign(one);
    await until('crash loop', () => statusOf(crash)?.containerStatuses[0]?.state?.waiting?.reason === 'CrashLoopBackOff', 60_000);
    expect(statusOf(crash)?.containerStatuses[0]).toMatchObject({
      restartCount: 1,
      lastState: { terminated: { exitCode: 7, reason: 'Error' } },
    });
    await until('missing', () => statusOf(missing)?.phase === 'Failed', 60_000);
    expect(statusOf(missing)?.containerStatuses[0]?.state?.terminated).toMatchObject({ exitCode: 127, reason: 'StartError' });
    await until('liveness', () => (statusOf(sick)?.containerStatuses[0]?.restartCount ?? 0) > 0, 60_000);
    const wanted = ['Unhealthy', 'Killing', 'BackOff', 'Failed'];
    await until('events', () => wanted.every((reason) => server.events.some((event) => event.reason === reason)));
    for (const one of [crash, missing, sick]) server.remove(one.metadata?.uid ?? '');
    await until(
      'all gone',
      () => [crash, missing, sick].every((one) => server.reports.get(one.metadata?.uid ?? '')?.terminated === true),
      60_000,
    );
    expect(await node.runtime.listContainers(node.name)).toEqual([]);
  });

  it('is not much slower than the bare engine', { timeout: 120_000 }, async () => {
    if (agents.size === 0) newAgent();
    const one = pod('quick', { containers: [shell('a', STAY), shell('b', STAY)] });
    const begin = performance.now();
    server.assign(one);
    await until('ready', () => isReady(one));
    process.stderr.write(`create -> Ready of two containers: ${Math.round(performance.now() - begin)} ms\n`);
    server.remove(one.metadata?.uid ?? '');
    await until('gone', () => server.reports.get(one.metadata?.uid ?? '')?.terminated === true, 60_000);
  });
});
