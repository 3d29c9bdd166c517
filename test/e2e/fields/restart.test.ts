// When containers start again, and what is told of it: policies and rules of a container, back-off, stop signals, gates, generations.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { engineAnswers, eventually } from '../harness.js';
import { backOff, containerSeen, FieldCluster, PATIENCE_MS, podOf, STAY, shell } from './field-cluster.js';

const answers = await engineAnswers();

/** Ends with the first number, then with the second and so on; the last one counts for the rest. Counts in a volume of the pod. */
const endings = (...codes: number[]): string =>
  `n=$(cat /count/n 2>/dev/null || echo 0); echo $((n + 1)) > /count/n; set -- ${codes.join(' ')}; [ $n -ge ${codes.length} ] && n=${codes.length - 1}; shift $n; exit $1`;
const counting = { volumeMounts: [{ name: 'count', mountPath: '/count' }] };
const volumes = [{ name: 'count', emptyDir: {} }];
const fast = (...names: string[]) => ({
  annotations: Object.fromEntries(names.map((name) => [`podplane.dev/backoff.${name}`, 'initial=1s,max=1s'])),
});

describe.skipIf(!answers)('restarts', () => {
  const play = new FieldCluster();

  beforeAll(async () => {
    await play.start(1);
    await play.apply(
      podOf(
        'rules',
        {
          restartPolicy: 'Never',
          volumes,
          containers: [
            shell('main', endings(42, 42, 7), {
              ...counting,
              restartPolicy: 'Never',
              restartPolicyRules: [{ action: 'Restart', exitCodes: { operator: 'In', values: [42] } }],
            }),
          ],
        },
        fast('main'),
      ),
      podOf('once', {
        restartPolicy: 'Always',
        containers: [shell('stays', STAY), shell('once', 'exit 3', { restartPolicy: 'Never' })],
      }),
      podOf('init-once', {
        restartPolicy: 'Always',
        initContainers: [shell('first', 'exit 4', { restartPolicy: 'Never' })],
        containers: [shell('main', STAY)],
      }),
      podOf('crash', { volumes, containers: [shell('quick', endings(1), counting), shell('usual', 'exit 1')] }, fast('quick')),
      podOf('signal', {
        os: { name: 'linux' },
        terminationGracePeriodSeconds: 20,
        restartPolicy: 'Never',
        containers: [
          shell('main', 'trap "exit 21" USR1; touch /tmp/up; sleep 100000 & wait', {
            lifecycle: { stopSignal: 'SIGUSR1' },
            // Before it has said what it does at the signal, nothing would come of it.
            readinessProbe: { exec: { command: ['sh', '-c', 'test -e /tmp/up'] }, periodSeconds: 1, timeoutSeconds: 30 },
          }),
        ],
      }),
      podOf('gated', { schedulingGates: [{ name: 'example.com/a' }], containers: [shell('main', STAY)] }),
      podOf('changed', { containers: [shell('main', STAY)] }),
    );
  });
  afterAll(async () => {
    await play.remove();
  });

  it('Container restartPolicy, Container restartPolicyRules: a code of the rules starts it again, any other ends the pod as its policy says', async () => {
    const { status } = await play.until('rules', 'ended', (pod) => pod.status.phase === 'Failed' || pod.status.phase === 'Succeeded');
    expect(status.phase).toBe('Failed');
    expect(status.containerStatuses?.[0]).toMatchObject({
      restartCount: 2,
      state: { terminated: { exitCode: 7, reason: 'Error' } },
      lastState: { terminated: { exitCode: 42 } },
    });
    const once = await play.until(
      'once',
      'half ended, and running',
      (pod) => containerSeen(pod, 'once').state.terminated !== undefined && pod.status.phase === 'Running',
    );
    expect(containerSeen(once, 'once')).toMatchObject({ restartCount: 0, state: { terminated: { exitCode: 3 } } });
    const init = await play.until('init-once', 'failed', (pod) => pod.status.phase === 'Failed');
    expect(containerSeen(init, 'first')).toMatchObject({ restartCount: 0, state: { terminated: { exitCode: 4 } } });
  });

  it('PodSpec restartPolicy: a container that crashes waits 10 s before its second restart, or as long as its annotation says', async () => {
    const seen = await play.until(
      'crash',
      'crashed',
      (pod) => containerSeen(pod, 'usual').state.waiting?.reason === 'CrashLoopBackOff' && containerSeen(pod, 'quick').restartCount >= 3,
    );
    // 10 s, then twice as long each time: as often as it has been started again by now.
    const delay = backOff(containerSeen(seen, 'usual').restartCount);
    expect(containerSeen(seen, 'usual').state.waiting?.message).toBe(
      `back-off ${delay} restarting failed container=usual pod=crash_default(${seen.metadata.uid})`,
    );
    expect(containerSeen(seen, 'usual').restartCount).toBeLessThan(containerSeen(seen, 'quick').restartCount);
    const refused = await play.tryApply(
      podOf('bad', { containers: [shell('a', STAY)] }, { annotations: { 'podplane.dev/backoff.a': 'max=1h' } }),
    );
    expect(refused.stderr).toContain('metadata.annotations[podplane.dev/backoff.a]: Invalid value: "max=1h": must be as in');
  });

  it('Container lifecycle.stopSignal: the container gets this signal and ends with its own code', async () => {
    const ready = await play.ready('signal');
    expect(containerSeen(ready, 'main')).toMatchObject({ stopSignal: 'SIGUSR1' });
    // The image asks for nothing else.
    expect(containerSeen(await play.ready('changed'), 'main')).toMatchObject({ stopSignal: 'SIGTERM' });
    const watched = play.run(['get', 'pod', 'signal', '-w', '-o', 'json']);
    let seen = '';
    watched.stdout?.on('data', (piece: Buffer) => {
      seen += piece.toString();
    });
    const shown = (what: string, pattern: RegExp): Promise<string> =>
      eventually(
        what,
        () => Promise.resolve(seen),
        (text) => pattern.test(text),
        PATIENCE_MS,
      );
    await shown('the pod', /"name":\s*"signal"/);
    await play.must('delete', 'pod', 'signal');
    await shown('the end', /"exitCode":\s*21\b/);
    watched.kill();
  });

  it('PodSpec schedulingGates: a pod waits for its gates, which can be taken away and not added', async () => {
    const { status } = await play.until('gated', 'told', (pod) => pod.status.conditions.length > 0);
    expect(status.conditions).toMatchObject([
      {
        type: 'PodScheduled',
        status: 'False',
        reason: 'SchedulingGated',
        message: 'Scheduling is blocked due to non-empty scheduling gates',
      },
    ]);
    expect(await play.must('get', 'pods')).toMatch(/^gated\s+0\/1\s+SchedulingGated/m);
    const more = podOf('gated', { schedulingGates: [{ name: 'example.com/a' }, { name: 'b' }], containers: [shell('main', STAY)] });
    expect((await play.tryApply(more)).stderr).toContain(
      "spec.schedulingGates[1].name: Forbidden: only deletion is allowed, but found new scheduling gate 'b'",
    );
    await play.apply(podOf('gated', { containers: [shell('main', STAY)] }));
    await play.ready('gated');
  });

  it('Container image: a change restarts the container, and the status tells by its generation that the node has seen it', async () => {
    const before = await play.ready('changed');
    const { generation = 0 } = before.metadata;
    expect(generation).toBeGreaterThan(0);
    expect(before.status.observedGeneration).toBe(generation);
    await play.apply(podOf('changed', { containers: [shell('main', STAY, { image: 'podplane-example/web:2' })] }));
    const after = await play.until('changed', 'seen', ({ status }) => status.observedGeneration === generation + 1);
    expect(after.metadata.generation).toBe(generation + 1);
    // The scheduler's own condition is not the node's.
    const ofNode = after.status.conditions.filter(({ type }) => type !== 'PodScheduled');
    expect(new Set(ofNode.map((condition) => (condition as { observedGeneration?: number }).observedGeneration))).toEqual(
      new Set([generation + 1]),
    );
    await play.until('changed', 'restarted', (pod) => containerSeen(pod, 'main').restartCount === 1 && containerSeen(pod, 'main').ready);
  });
});
