// The times of readiness and startup probes that take their time to see, on real Docker; the rest of probes is in probes.test.ts.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { engineAnswers, eventually } from '../harness.js';
import { FieldCluster, FOREVER, isReady, PATIENCE_MS, scriptContainer } from './field-cluster.js';

const answers = await engineAnswers();

describe.skipIf(!answers)('times of probes', () => {
  const cluster = new FieldCluster();
  const DEAF = `process.on('SIGTERM', () => {}); ${FOREVER}`;
  const HANGS = `exec: {command: [node, -e, ${JSON.stringify(FOREVER)}]}`;
  /** With time enough for a busy machine to run it. */
  const WELL = 'exec: {command: [node, -e, "0"]}, timeoutSeconds: 30';
  const pod = (name: string, grace: number, container: string): string => `apiVersion: v1
kind: Pod
metadata: {name: ${name}}
spec: {terminationGracePeriodSeconds: ${grace}, containers: [${container}]}
---
`;
  /** Whole seconds: as times in a status are. */
  const seconds = (from: string | undefined, to: string | undefined): number => (Date.parse(to ?? '') - Date.parse(from ?? '')) / 1000;
  const startedAt = async (name: string): Promise<string | undefined> =>
    (await cluster.get('Pod', name)).status?.containerStatuses[0]?.state?.running?.startedAt;

  beforeAll(async () => {
    await cluster.start();
    await cluster.apply(
      pod('ready-late', 0, scriptContainer('a', FOREVER, `readinessProbe: {${WELL}, initialDelaySeconds: 5, periodSeconds: 1}`)) +
        pod('started-late', 0, scriptContainer('a', FOREVER, `startupProbe: {${WELL}, initialDelaySeconds: 5, periodSeconds: 1}`)) +
        pod(
          'ready-hangs',
          0,
          scriptContainer('a', FOREVER, `readinessProbe: {${HANGS}, timeoutSeconds: 1, periodSeconds: 1, failureThreshold: 1}`),
        ) +
        pod(
          'starts-never',
          600,
          scriptContainer(
            'a',
            DEAF,
            `startupProbe: {${HANGS}, timeoutSeconds: 1, periodSeconds: 1, failureThreshold: 2, terminationGracePeriodSeconds: 1}`,
          ),
        ),
    );
  });
  afterAll(async () => {
    try {
      await cluster.client.delete('Pod', 'default', 'starts-never', { gracePeriodSeconds: 0 });
    } finally {
      await cluster.remove();
    }
  });

  it('Container readinessProbe.initialDelaySeconds: it is not asked before, so not Ready', async () => {
    const { status } = await cluster.podReady('ready-late');
    const ready = status?.conditions.find(({ type }) => type === 'Ready')?.lastTransitionTime;
    // Both are cut to whole seconds.
    expect(seconds(await startedAt('ready-late'), ready)).toBeGreaterThan(4 - 0.001);
  });

  it('Container startupProbe.initialDelaySeconds: it counts as started, and Ready, only after it', async () => {
    const { status } = await cluster.podReady('started-late');
    expect(status?.containerStatuses[0]?.started).toBe(true);
    const ready = status?.conditions.find(({ type }) => type === 'Ready')?.lastTransitionTime;
    expect(seconds(await startedAt('started-late'), ready)).toBeGreaterThan(4 - 0.001);
  });

  it('Container readinessProbe.timeoutSeconds: a command that does not end in time has failed', async () => {
    await eventually(
      'the event',
      () => cluster.must('events', '--for', 'pod/ready-hangs'),
      (told) => /Unhealthy.*Readiness probe failed: .*timed out/.test(told),
      PATIENCE_MS,
    );
    expect(isReady(await cluster.get('Pod', 'ready-hangs'))).toBe(false);
  });

  it('Container startupProbe.timeoutSeconds, Container startupProbe.terminationGracePeriodSeconds: two that hang end the container, killed after the grace of the probe, not the ten minutes of the pod', async () => {
    const { status } = await cluster.podUntil(
      'starts-never',
      'restarted',
      (one) => (one.status?.containerStatuses[0]?.restartCount ?? 0) > 0,
    );
    const [container] = status?.containerStatuses ?? [];
    expect(container?.lastState?.terminated).toMatchObject({ exitCode: 137 });
    expect(container?.started).toBe(false);
    await eventually(
      'the event',
      () => cluster.must('events', '--for', 'pod/starts-never'),
      (told) => /Startup probe failed: .*timed out/.test(told),
      PATIENCE_MS,
    );
  });
});
