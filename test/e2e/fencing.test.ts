// Fencing on real Docker: whatever happens to a node, its StatefulSet's pod and the replacement never run at the same time, by what the engine
// itself says about its containers. Each test prints its time line.
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FencingStage } from './fencing-stage.js';
import { engine, engineAnswers, eventually } from './harness.js';

const run = await engineAnswers();

describe.runIf(run)('a fenced pod', () => {
  const stage = new FencingStage();
  const { witness, play } = stage;
  beforeAll(() => stage.open());
  afterAll(() => stage.close());

  const print = (title: string, zero: number): void => {
    process.stdout.write(`\n${title}\n${witness.timeLine(zero)}\n`);
  };
  const epochOf = (pod: { metadata: { annotations: Readonly<Record<string, string>> } }): number =>
    Number(pod.metadata.annotations['podplane.dev/epoch']);

  /** What is true after each story. */
  async function check(before: Awaited<ReturnType<typeof stage.pod>>): Promise<void> {
    const after = await stage.replaced(before);
    expect(witness.overlaps()).toEqual([]);
    const old = witness.runs.find(({ podUid }) => podUid === before.metadata.uid);
    const next = witness.runs.find(({ podUid }) => podUid === after.metadata.uid);
    // It had ended before the server made the next one (a time of whole seconds): by the lease that both keep, not by the server's word.
    expect(old?.endedAt).toBeLessThan(Date.parse(after.metadata.creationTimestamp) + 1000);
    // The lease and its margin, from the last heartbeat; what the server heard last may have been something else, up to a second later.
    expect(next?.startedAt).toBeGreaterThan(stage.cable.heardAt + 15_000);
    expect(epochOf(after)).toBeGreaterThan(epochOf(before));
    const log = await eventually(
      'the first words of the next one',
      () => play.must('logs', 'db-0'),
      (text) => text !== '',
    );
    expect(log).toBe(`epoch ${epochOf(after)}\n`);
  }

  /** The node is back; nothing of the old pod runs or comes back. */
  async function returned(): Promise<void> {
    witness.note('the node is back');
    await play.readyAgain(stage.node);
    await eventually(
      'what was left of the pod is gone',
      async () => (await play.containers(stage.node)).filter(({ Labels }) => Labels['podplane.dev/pod-name'] === 'db-0'),
      (left) => left.length === 0,
    );
    expect(witness.overlaps()).toEqual([]);
    expect(witness.running).toHaveLength(1);
  }

  it('is ended by the watchdog when its agent was killed, and only then replaced', async () => {
    const before = await stage.settle();
    const zero = Date.now();
    witness.note('kill -9 of the agent; its containers go on');
    stage.agent.kill('SIGKILL');
    await once(stage.agent, 'exit');
    await check(before);
    stage.startAgent();
    await returned();
    print('agent killed:', zero);
  });

  it('is ended by the watchdog when its agent is frozen, and only then replaced', async () => {
    const before = await stage.settle();
    const zero = Date.now();
    witness.note('SIGSTOP to the agent');
    stage.agent.kill('SIGSTOP');
    try {
      await check(before);
    } finally {
      stage.agent.kill('SIGCONT'); // or every test after it would fail, too
    }
    await returned();
    print('agent frozen:', zero);
  });

  it('is ended by its agent when the node is cut off, and only then replaced', async () => {
    const before = await stage.settle();
    const zero = Date.now();
    witness.note('the network between node and server is cut');
    stage.cable.pull();
    try {
      await check(before);
      expect(stage.agentLog).toContain('fenced pods stop');
    } finally {
      stage.cable.plug();
    }
    await returned();
    print('node cut off:', zero);
  });

  it('runs on over a restart of its agent, and over a cut that is shorter than the lease', async () => {
    const before = await stage.settle();
    const [container] = witness.running;
    const first = await stage.startKnown();
    stage.agent.kill('SIGTERM');
    await once(stage.agent, 'exit');
    stage.startAgent();
    // The node is said to be Ready all the while.
    await eventually(
      'the server knows the next agent',
      () => stage.startKnown(),
      (start) => start !== first,
    );
    stage.cable.pull();
    await new Promise((resolve) => setTimeout(resolve, 4000)); // a cut has to last for a while
    stage.cable.plug();
    await play.readyAgain(stage.node);
    await new Promise((resolve) => setTimeout(resolve, 16_000)); // longer than the lease that it had
    expect((await stage.pod()).metadata.uid).toBe(before.metadata.uid);
    expect(witness.running).toEqual([container]);
  });

  it('waits for the server and starts again in its place when that was away for longer than the lease', async () => {
    const before = await stage.settle();
    const zero = Date.now();
    const { pid, address } = play.upFile.server;
    witness.note('kill -9 of the server');
    process.kill(pid, 'SIGKILL');
    await eventually(
      'the pod has been stopped',
      () => Promise.resolve(witness.running.length),
      (count) => count === 0,
    );
    witness.note('the server is started again');
    const server = play.run([
      'server',
      '--data',
      `${play.data}/server`,
      '--port',
      address.split(':')[1] ?? '',
      '--context-file',
      `${play.data}/context.json`,
    ]);
    try {
      const after = await eventually(
        'the pod runs again',
        () => stage.pod().catch(() => undefined),
        (pod) => pod !== undefined && stage.isReady(pod) && (pod.status?.containerStatuses?.[0]?.restartCount ?? 0) > 0,
      );
      expect(after?.metadata.uid).toBe(before.metadata.uid);
      expect(after?.status?.containerStatuses?.[0]?.lastState?.terminated?.reason).toBe('Fenced');
      expect(witness.overlaps()).toEqual([]);
      print('server away:', zero);
    } finally {
      const ended = once(server, 'exit');
      server.kill('SIGTERM');
      await ended;
    }
  });

  it('has one watchdog a node', async () => {
    const watchdogs = (await engine<{ readonly Names: readonly string[] }[]>('GET', '/containers/json')).filter(({ Names }) =>
      Names.includes(`/podplane-watchdog-${stage.node}`),
    );
    expect(watchdogs).toHaveLength(1);
  });
});
