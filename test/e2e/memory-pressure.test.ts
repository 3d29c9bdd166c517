// A node runs short of memory, on a real engine: it says so and gets no new pods, the pod that has no claim to what it takes has to leave, and all is
// well again when there is memory. The shortage is the threshold's: nothing is really filled. What is decided when: packages/agent/src/node.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FieldCluster, podOf } from './fields/field-cluster.js';
import { engineAnswers, eventually } from './harness.js';

interface NodeObject {
  readonly spec?: { readonly taints?: readonly { readonly key: string; readonly effect: string }[] };
  readonly status: { readonly conditions: readonly { readonly type: string; readonly status: string; readonly reason: string }[] };
}

const TAINT = 'node.kubernetes.io/memory-pressure';
const STAY = "trap 'exit 0' TERM; sleep 100000 & wait";

describe.skipIf(!(await engineAnswers()))('memory that runs short', () => {
  const play = new FieldCluster();
  let agent: ChildProcess | undefined;

  const node = (): Promise<NodeObject> => play.json<NodeObject>('get', 'node', play.node(1));
  const pressure = ({ status }: NodeObject): string | undefined => status.conditions.find(({ type }) => type === 'MemoryPressure')?.status;
  const tainted = ({ spec }: NodeObject): boolean =>
    (spec?.taints ?? []).some(({ key, effect }) => key === TAINT && effect === 'NoSchedule');
  const pod = (name: string): Readonly<Record<string, unknown>> =>
    podOf(name, {
      containers: [{ name: 'main', image: 'podplane-example/web:1', imagePullPolicy: 'IfNotPresent', command: ['sh', '-c', STAY] }],
    });
  const start = async (least: string): Promise<void> => {
    const [first] = play.upFile.agents;
    if (first === undefined) throw new Error('no agent');
    if (agent === undefined) process.kill(first.pid, 'SIGKILL');
    else await stop();
    const flags = ['--eviction-hard', `memory.available<${least}`, '--eviction-pressure-transition-period', '1s'];
    agent = play.run(['agent', '--data', path.join(play.data, 'agents', first.name), ...flags]);
    await play.readyAgain(first.name);
  };
  const stop = async (): Promise<void> => {
    agent?.kill('SIGTERM');
    if (agent !== undefined && agent.exitCode === null) await once(agent, 'exit');
  };

  beforeAll(async () => {
    await play.start(1);
    await play.apply(pod('effort'));
    await play.ready('effort');
  });
  afterAll(async () => {
    await stop();
    await play.remove();
  });

  it('sends away who asked for nothing, takes no more such pods, and all others again when there is memory', async () => {
    await start('900Ti');
    const gone = await play.until('effort', 'evicted', ({ status: { phase } }) => phase === 'Failed');
    expect(gone.status).toMatchObject({
      reason: 'Evicted',
      message: expect.stringMatching(/^The node was low on resource: memory\. Threshold quantity: 900Ti, available: \S+\. /) as string,
    });
    const isReady = ({ status }: NodeObject): boolean =>
      status.conditions.some(({ type, status: is }) => type === 'Ready' && is === 'True');
    await eventually('the node says so, and is Ready', node, (one) => pressure(one) === 'True' && tainted(one) && isReady(one));
    await play.apply(pod('later'));
    const waits = await play.until(
      'later',
      'told',
      ({ status: { conditions } }) => conditions?.some(({ message }) => message !== undefined) === true,
    );
    expect(JSON.stringify(waits.status.conditions)).toContain(TAINT);
    await start('1Mi');
    await eventually('all is well again', node, (one) => pressure(one) === 'False' && !tainted(one));
    await play.ready('later');
  });
});
