// Cgroups of pods on real Docker: what is in the kernel's files, what several containers of a pod share, what is left after them, who is said to be
// killed for memory; and a node whose pods together take more memory than it has for them. Where they cannot be made, that the node says so.
import type { ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { containerSeen, FieldCluster, type PodSeen, podOf, STAY, shell } from './fields/field-cluster.js';
import { engine, engineAnswers, eventually } from './harness.js';

interface NodeObject {
  readonly spec?: { readonly taints?: readonly { readonly key: string; readonly effect: string }[] };
  readonly status: {
    readonly capacity: { readonly memory: string };
    readonly allocatable: { readonly memory: string };
    readonly conditions: readonly { readonly type: string; readonly status: string; readonly reason: string; readonly message: string }[];
  };
}

const answers = await engineAnswers();
const { CgroupDriver: driver, CgroupVersion: version } = answers
  ? await engine<{ CgroupDriver: string; CgroupVersion?: string }>('GET', '/info')
  : { CgroupDriver: '', CgroupVersion: '' };
const two = version === '2';
const made = answers && driver === 'cgroupfs' && process.getuid?.() === 0;
if (answers && !made)
  process.stderr.write(`\n*** SKIPPED: cgroups of pods (driver ${driver}, or not root); only that the node says so is tested ***\n\n`);

const MIB = 1024 * 1024;
const PIDS = 60;
/** Of all pods together, and what of it shall stay free. */
const LIMIT_MIB = 700;
const LEAST_MIB = 200;
const TAINT = 'node.kubernetes.io/memory-pressure';

const limits = (cpu: string, memory: string) => ({ resources: { limits: { cpu, memory } } });
/** A program that holds so many MiB, and so many more when there is a file /tmp/go. */
const holds = (mib: number, later = 0) => ({
  command: [
    'node',
    '-e',
    `const fs = require('node:fs'); const kept = [Buffer.alloc(${mib} * ${MIB}, 1)]; console.log('held');
     const timer = setInterval(() => { if (fs.existsSync('/tmp/go')) { clearInterval(timer); kept.push(Buffer.alloc(${later} * ${MIB}, 1)); setInterval(() => kept.length, 1e6); } }, 100);`,
  ],
});

describe.skipIf(!answers)('cgroups of pods', () => {
  const play = new FieldCluster();
  const agents: ChildProcess[] = [];
  let name = '';

  const node = (): Promise<NodeObject> => play.json<NodeObject>('get', 'node', name);
  const condition = ({ status }: NodeObject, type: string) => status.conditions.find((one) => one.type === type);
  /** Below each hierarchy. */
  const ofPod = (pod: PodSeen): string => {
    const qos = pod.status.qosClass;
    return path.join('/podplane', name, qos === 'Guaranteed' ? '' : (qos ?? '').toLowerCase(), `pod${pod.metadata.uid}`);
  };
  const at = (controller: string, folder: string, file = ''): string => path.join('/sys/fs/cgroup', two ? '' : controller, folder, file);
  const read = (controller: string, folder: string, file: string): string => readFileSync(at(controller, folder, file), 'latin1').trim();
  const weight = (shares: number): string => String(two ? 1 + Math.floor(((shares - 2) * 9999) / 262_142) : shares);
  /** What the kernel has been told of a cgroup. */
  const told = (folder: string) => ({
    cpu: read('cpu', folder, two ? 'cpu.weight' : 'cpu.shares'),
    quota: two ? read('cpu', folder, 'cpu.max').split(' ')[0] : read('cpu', folder, 'cpu.cfs_quota_us').replace('-1', 'max'),
    memory: two ? read('memory', folder, 'memory.max') : read('memory', folder, 'memory.limit_in_bytes'),
    pids: read('pids', folder, 'pids.max'),
  });
  const NO_MEMORY_LIMIT = two ? 'max' : '9223372036854771712';
  /** The pod's cgroup has gone in every hierarchy. */
  const gone = (folder: string): Promise<boolean> =>
    eventually(
      `${folder} gone`,
      () =>
        Promise.resolve(['memory', 'cpu', 'pids', 'cpuset', 'devices', 'freezer', 'systemd'].some((one) => existsSync(at(one, folder)))),
      (there) => !there,
    );
  const startAgent = async (): Promise<void> => {
    const total = Number.parseInt((await node()).status.capacity.memory, 10) * 1024;
    const agent = play.run([
      'agent',
      '--data',
      path.join(play.data, 'agents', name),
      '--pod-pids-limit',
      String(PIDS),
      '--system-reserved',
      `memory=${total - LIMIT_MIB * MIB}`,
      '--eviction-hard',
      `memory.available<${LEAST_MIB}Mi`,
      '--eviction-pressure-transition-period',
      '11s',
    ]);
    agents.push(agent);
    await eventually(
      'the agent with these limits',
      node,
      ({ status }) => status.allocatable.memory === `${(LIMIT_MIB - LEAST_MIB) * 1024}Ki`,
    );
    await eventually('the word about cgroups', node, (seen) => condition(seen, 'PodCgroups') !== undefined);
    await play.readyAgain(name);
  };
  const killAgent = async (): Promise<void> => {
    const agent = agents.at(-1);
    if (agent === undefined) throw new Error('no agent');
    const ended = once(agent, 'exit');
    agent.kill('SIGKILL');
    await ended;
  };

  beforeAll(async () => {
    await play.start(1);
    const [first] = play.upFile.agents;
    if (first === undefined) throw new Error('no agent');
    name = first.name;
    process.kill(first.pid, 'SIGKILL');
    await startAgent();
  });
  afterAll(async () => {
    for (const agent of agents.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null)) {
      const ended = once(agent, 'exit');
      agent.kill('SIGTERM');
      await ended;
    }
    await play.remove();
    if (made && name !== '') expect(existsSync(at('memory', `/podplane/${name}`))).toBe(false);
  });

  it('the node says whether there are any', async () => {
    const { status, message } = condition(await node(), 'PodCgroups') ?? {};
    expect(status).toBe(made ? 'True' : 'False');
    expect(message).toMatch(
      made ? `pods have cgroups of their own below /podplane/${name}` : /^limits hold for containers, not for pods as a whole: ./,
    );
  });

  it.skipIf(!made)('have what the containers of the pod come to, and go with it', async () => {
    await play.apply(
      podOf('guaranteed', { containers: [shell('a', STAY, limits('200m', '64Mi')), shell('b', STAY, limits('100m', '32Mi'))] }),
      podOf('burstable', {
        initContainers: [shell('first', 'true', { resources: { requests: { cpu: '500m' } } })],
        containers: [shell('a', STAY, { resources: { requests: { cpu: '250m' }, limits: { memory: '64Mi' } } }), shell('b', STAY)],
      }),
      podOf('effort', { containers: [shell('a', STAY)] }),
    );
    const [guaranteed, burstable, effort] = [await play.ready('guaranteed'), await play.ready('burstable'), await play.ready('effort')];
    const pids = String(PIDS);
    expect(told(ofPod(guaranteed))).toEqual({ cpu: weight(307), quota: '30000', memory: String(96 * MIB), pids });
    expect(told(ofPod(burstable))).toEqual({ cpu: weight(512), quota: 'max', memory: NO_MEMORY_LIMIT, pids });
    expect(told(ofPod(effort))).toEqual({ cpu: weight(2), quota: 'max', memory: NO_MEMORY_LIMIT, pids });
    expect(told(`/podplane/${name}`)).toMatchObject({ quota: 'max', memory: String(LIMIT_MIB * MIB), pids: 'max' });
    expect(told(`/podplane/${name}/burstable`)).toMatchObject({ cpu: weight(512), memory: NO_MEMORY_LIMIT });
    expect(told(`/podplane/${name}/besteffort`)).toMatchObject({ cpu: weight(2) });
    // Pause and both containers are in it, and each container's own limits hold as well.
    const containers = (await play.containers()).filter(({ Labels }) => Labels['podplane.dev/pod-uid'] === guaranteed.metadata.uid);
    expect(containers.length).toBe(3);
    for (const { Id } of containers) expect(read('memory', path.join(ofPod(guaranteed), Id), 'cgroup.procs')).toMatch(/\d/);
    await play.must('delete', 'pod', 'guaranteed', 'burstable', 'effort');
    for (const pod of [guaranteed, burstable, effort]) await gone(ofPod(pod));
    await eventually(
      'the class without pods',
      () => Promise.resolve(told(`/podplane/${name}/burstable`).cpu),
      (cpu) => cpu === weight(2),
    );
  });

  it.skipIf(!made)('two containers share the processes that a pod may have', async () => {
    await play.pod('forks', { containers: [shell('a', STAY), shell('b', STAY)] });
    const pod = await play.ready('forks');
    const start = (count: number): string => `i=0; while [ $i -lt ${count} ]; do sleep 10000 >/dev/null 2>&1 & i=$((i+1)); done; echo all`;
    expect(await play.sh('forks', start(40), 'a')).toBe('all');
    const refused = await play.cli(['exec', 'forks', '-c', 'b', '--', 'sh', '-c', start(40)]);
    expect(refused.stdout).not.toContain('all');
    expect(refused.stderr).toMatch(/fork|temporarily unavailable/i);
    expect(Number(read('pids', ofPod(pod), 'pids.current'))).toBeGreaterThan(PIDS - 5);
    await play.must('delete', 'pod', 'forks');
    await gone(ofPod(pod));
  });

  it.skipIf(!made)('outlive an agent that is killed: what runs stays where it is, what ends meanwhile leaves nothing', async () => {
    await play.apply(
      podOf('stays', { containers: [shell('a', 'until [ -e /tmp/end ]; do sleep 0.1; done; exit 1')] }),
      podOf('goes', { containers: [shell('a', STAY)] }),
    );
    const [stays, goes] = [await play.ready('stays'), await play.ready('goes')];
    await killAgent();
    await play.must('delete', 'pod', 'goes', '--wait=false');
    const orphan = `/podplane/${name}/besteffort/pod${randomUUID()}`;
    for (const controller of ['memory', 'cpu', 'pids']) mkdirSync(at(controller, orphan), { recursive: true });
    await startAgent();
    await gone(ofPod(goes));
    await gone(orphan);
    expect(containerSeen(await play.see('stays'), 'a').containerID).toBe(containerSeen(stays, 'a').containerID);
    await play.sh('stays', 'touch /tmp/end');
    const again = await play.until(
      'stays',
      'started again',
      (pod) => containerSeen(pod, 'a').state['running'] !== undefined && containerSeen(pod, 'a').restartCount === 1,
    );
    const id = containerSeen(again, 'a').containerID?.replace('docker://', '') ?? '';
    expect(read('memory', path.join(ofPod(stays), id), 'cgroup.procs')).toMatch(/\d/);
    await play.must('delete', 'pod', 'stays');
    await gone(ofPod(stays));
  });

  it.skipIf(!made)('what a volume in memory holds counts for the pod; OOMKilled is who was killed for it, and nobody else', async () => {
    const mounted = { volumeMounts: [{ name: 'memory', mountPath: '/memory' }] };
    const of = (memory: string) => ({ resources: { limits: { memory } } });
    await play.pod('full', {
      restartPolicy: 'Never',
      volumes: [{ name: 'memory', emptyDir: { medium: 'Memory' } }],
      // What it writes stays when it has ended: no container is charged for it any more, but the pod.
      initContainers: [shell('fills', `head -c ${180 * MIB} /dev/zero > /memory/file`, { ...of('200Mi'), ...mounted })],
      containers: [shell('bystander', 'sleep 100000', of('100Mi')), { ...shell('grows', ''), ...holds(1, 80), ...of('140Mi') }],
    });
    const pod = await play.ready('full');
    expect(told(ofPod(pod)).memory).toBe(String(240 * MIB));
    await play.sh('full', 'touch /tmp/go', 'grows');
    const after = await play.until('full', 'killed', (seen) => containerSeen(seen, 'grows').state['terminated'] !== undefined);
    expect(containerSeen(after, 'grows').state['terminated']).toMatchObject({ reason: 'OOMKilled', exitCode: 137 });
    const full = two
      ? (/^max (\d+)$/m.exec(read('memory', ofPod(pod), 'memory.events'))?.[1] ?? '0')
      : read('memory', ofPod(pod), 'memory.failcnt');
    expect(Number(full)).toBeGreaterThan(0);
    // The engine heard of it for this one too.
    const bystander = containerSeen(after, 'bystander');
    expect(bystander.state['running']).toBeDefined();
    await engine('POST', `/containers/${bystander.containerID?.replace('docker://', '') ?? ''}/kill?signal=SIGKILL`);
    const ended = await play.until('full', 'over', ({ status }) => status.phase === 'Failed');
    expect(containerSeen(ended, 'bystander').state['terminated']).toMatchObject({ reason: 'Error', exitCode: 137 });
    expect(containerSeen(ended, 'grows').state['terminated']).toMatchObject({ reason: 'OOMKilled', exitCode: 137 });
    await play.must('delete', 'pod', 'full');
    await gone(ofPod(pod));
  });

  it.skipIf(!made)(
    'memory that runs short: the node says so, the pod that takes most beyond its request leaves, and all is well again',
    async () => {
      const requests = (memory: string) => ({ resources: { requests: { memory } } });
      await play.apply(
        podOf('kept', { containers: [{ ...shell('main', ''), ...holds(110), ...limits('50m', '220Mi') }] }),
        podOf('greedy', { containers: [{ ...shell('main', ''), ...holds(20, 360), ...requests('50Mi') }] }),
        podOf('light', { containers: [{ ...shell('main', ''), ...holds(10) }] }),
      );
      for (const pod of ['kept', 'greedy', 'light']) {
        await play.ready(pod);
        await eventually(
          `${pod} holds it`,
          () => play.must('logs', pod),
          (text) => text.includes('held'),
        );
      }
      expect(condition(await node(), 'MemoryPressure')?.status).toBe('False');

      await play.sh('greedy', 'touch /tmp/go');
      const pressed = await eventually(
        'MemoryPressure',
        // Over gRPC: the pressure does not last for ever, and a command takes seconds on a busy machine.
        () => play.client.get('Node', '', name),
        ({ status: now, spec }) =>
          now?.conditions.some(({ type, status: is }) => type === 'MemoryPressure' && is === 'True') === true &&
          spec?.taints.some(({ key, effect }) => `${key}:${effect}` === `${TAINT}:NoSchedule`) === true,
      );
      expect(pressed.status?.conditions.find(({ type }) => type === 'MemoryPressure')).toMatchObject({
        reason: 'AgentHasInsufficientMemory',
        message: 'agent has insufficient memory available',
      });
      await play.make('waits', { containers: [shell('a', STAY)] });
      const waits = await play.podUntil(
        'waits',
        'refused a place',
        (seen) => seen.status?.conditions.some(({ reason }) => reason === 'Unschedulable') === true,
      );
      expect(waits.status?.conditions.find(({ reason }) => reason === 'Unschedulable')?.message).toContain(TAINT);
      const { status } = await play.until('greedy', 'evicted', (seen) => seen.status.phase === 'Failed');
      expect(status.reason).toBe('Evicted');
      expect(status.message).toMatch(
        new RegExp(
          `^The node was low on resource: memory\\. Threshold quantity: ${LEAST_MIB}Mi, available: \\d+[KM]i\\. Container main was using \\d+[KM]i, request is 50Mi, has larger consumption of memory\\. $`,
        ),
      );
      expect(status.conditions.find(({ type }) => type === 'DisruptionTarget')).toMatchObject({
        status: 'True',
        reason: 'TerminationByKubelet',
      });

      await eventually('no pressure', node, (seen) => condition(seen, 'MemoryPressure')?.status === 'False');
      await play.ready('waits');
      for (const pod of ['kept', 'light'])
        expect(containerSeen(await play.see(pod), 'main')).toMatchObject({ ready: true, restartCount: 0 });
    },
  );
});
