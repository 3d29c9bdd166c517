// Commands of probes and hooks that take too long, on real Docker: when their time is over they are gone with all that they started, whichever way
// they were run. What runs is asked of the machine, not of the agent.
import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FieldCluster } from './fields/field-cluster.js';
import { engine, engineAnswers, eventually } from './harness.js';
import { ShellImage } from './shell-image.js';

const answers = await engineAnswers();
const LIMIT_MS = 60_000;

/** Hangs the first time with four processes: two in the group of the command, one in a session of its own, one below another such. Then it is well. */
const hangs = (number: number): readonly string[] => [
  'sh',
  '-c',
  `test -e /tmp/begun && exit; touch /tmp/begun; sleep ${number}1 & setsid sleep ${number}2 & setsid sh -c "sleep ${number}3 & wait" & sleep ${number}4; true`,
];

/** Command lines of this machine's processes that match. */
function running(pattern: RegExp): readonly string[] {
  return readdirSync('/proc').flatMap((pid) => {
    try {
      const command = /^\d+$/.test(pid) ? readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ').trim() : '';
      return pattern.test(command) ? [command] : [];
    } catch {
      return []; // it has ended
    }
  });
}

const sleepers = (number: number): readonly string[] => running(new RegExp(`^sleep ${number}\\d$`));
const asMany = (number: number, count: number): Promise<unknown> =>
  eventually(
    `${count} processes of ${number}`,
    () => Promise.resolve(sleepers(number)),
    ({ length }) => length === count,
    LIMIT_MS,
  );

describe.skipIf(!answers)('commands that take too long', () => {
  const cluster = new FieldCluster();
  const shell = new ShellImage();
  const main = { name: 'main', image: shell.name, imagePullPolicy: 'IfNotPresent', command: ['sleep', '1000000'] };
  const apply = (name: string, spec: object): Promise<string> =>
    cluster.apply(JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata: { name }, spec }));
  const idOf = async (pod: string): Promise<string> => {
    const all = await cluster.containers();
    const found = all.find(({ Labels }) => Labels['podplane.dev/pod-name'] === pod && Labels['podplane.dev/container'] === 'main');
    if (found === undefined) throw new Error(`no container of ${pod}`);
    return found.Id;
  };
  /** What runs in the container, as the engine says. */
  const inside = async (pod: string): Promise<readonly string[]> => {
    const { Processes } = await engine<{ Processes: string[][] }>('GET', `/containers/${await idOf(pod)}/top?ps_args=-eo%20pid,args`);
    return Processes.map((fields) => fields.at(-1) ?? '');
  };

  beforeAll(async () => {
    await Promise.all([shell.load(), cluster.start()]);
  });
  afterAll(async () => {
    await cluster.remove();
    await shell[Symbol.asyncDispose]();
  });

  it.each([
    ['livenessProbe', 'the runner', 7101],
    ['readinessProbe', 'the runner', 7102],
    ['startupProbe', 'the runner', 7103],
    ['livenessProbe', 'the engine, where the container has something of its own in the place of the runner', 7104],
    ['readinessProbe', 'the engine, where the container has something of its own in the place of the runner', 7105],
    ['startupProbe', 'the engine, where the container has something of its own in the place of the runner', 7106],
  ])('%s by %s', async (kind, way, number) => {
    const pod = `late-${number}`;
    const hidden = way !== 'the runner';
    const probe = { exec: { command: hangs(number) }, initialDelaySeconds: 1, periodSeconds: 5, timeoutSeconds: 5, failureThreshold: 10 };
    await apply(pod, {
      terminationGracePeriodSeconds: 0,
      volumes: hidden ? [{ name: 'own', emptyDir: {} }] : [],
      containers: [{ ...main, [kind]: probe, ...(hidden ? { volumeMounts: [{ name: 'own', mountPath: '/dev/.podplane' }] } : {}) }],
    });
    await asMany(number, 4);
    await asMany(number, 0);
    // The way that was meant was taken, and the container is the one that was there all along.
    expect((await inside(pod)).some((one) => one.includes('/dev/.podplane/run'))).toBe(!hidden);
    const { status } = await cluster.get('Pod', pod);
    expect([status?.phase, status?.containerStatuses[0]?.restartCount]).toEqual(['Running', 0]);
    await cluster.must('delete', 'pod', pod, '--wait=false');
  });

  // In the processes of the host nothing ends by itself with the first one of the container.
  it('preStop, when the grace of the pod is over', async () => {
    const lifecycle = { preStop: { exec: { command: hangs(7107) } } };
    await apply('stops', { terminationGracePeriodSeconds: 5, hostPID: true, containers: [{ ...main, lifecycle }] });
    await cluster.podUntil('stops', 'running', ({ status }) => status?.phase === 'Running');
    // They are looked for from the beginning: the grace may be short for the command that asks for the deletion.
    await Promise.all([asMany(7107, 4), cluster.must('delete', 'pod', 'stops', '--wait=false')]);
    await asMany(7107, 0);
  });

  it('postStart, when the pod is deleted', async () => {
    const lifecycle = { postStart: { exec: { command: hangs(7108) } } };
    await apply('starts', { terminationGracePeriodSeconds: 1, hostPID: true, containers: [{ ...main, lifecycle }] });
    await asMany(7108, 4);
    await cluster.must('delete', 'pod', 'starts', '--wait=false');
    await asMany(7108, 0);
  });

  it('of a probe that the engine began for an agent that was killed, when the next agent is there', async () => {
    const livenessProbe = { exec: { command: hangs(7109) }, initialDelaySeconds: 1, periodSeconds: 3600, timeoutSeconds: 3600 };
    await apply('outlives', {
      terminationGracePeriodSeconds: 0,
      volumes: [{ name: 'own', emptyDir: {} }],
      containers: [{ ...main, livenessProbe, volumeMounts: [{ name: 'own', mountPath: '/dev/.podplane' }] }],
    });
    await asMany(7109, 4);
    const node = cluster.node(1);
    process.kill(cluster.upFile.agents[0]?.pid ?? 0, 'SIGKILL');
    await eventually(
      'the agent has ended',
      () => Promise.resolve(running(new RegExp(`agents/${node} --name`))),
      ({ length }) => length === 0,
      LIMIT_MS,
    );
    expect(sleepers(7109)).toHaveLength(4);
    cluster.restartAgent(node);
    await asMany(7109, 0);
    expect((await inside('outlives')).filter((one) => one.startsWith('sleep'))).toEqual(['sleep 1000000']);
  });
});
