// A Deployment that says what shall happen to a rollout that fails, on real Docker: it goes back by itself, also when its pods ran well for a
// moment only, or it stops.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { engineAnswers, eventually, Playground } from './harness.js';

interface Deployment {
  readonly metadata: { readonly annotations: Readonly<Record<string, string>> };
  readonly spec: {
    readonly paused?: boolean;
    readonly template: { readonly spec: { readonly containers: readonly { readonly command: readonly string[] }[] } };
  };
  readonly status: {
    readonly availableReplicas?: number;
    readonly conditions: readonly { readonly type: string; readonly reason: string; readonly message: string }[];
  };
}

const GOOD = "require('http').createServer((_, r) => r.end()).listen(8080)";
const BROKEN = 'process.exit(1)';
/** What a first revision may take to be ready, on whatever machine, and how long one that fails is waited for. */
const PATIENT_S = 600;
const HASTY_S = 10;
/** Long enough to be Ready, too short to be good. */
const SHORT_LIVED = `${GOOD}; setTimeout(() => process.exit(1), 2500)`;

function manifest(name: string, script: string, cause: string, annotations: string, deadlineSeconds = PATIENT_S): string {
  return `apiVersion: apps/v1
kind: Deployment
metadata:
  name: ${name}
  annotations: {kubernetes.io/change-cause: ${cause}, ${annotations}}
spec:
  replicas: 2
  progressDeadlineSeconds: ${deadlineSeconds}
  strategy: {rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}
  selector: {matchLabels: {app: ${name}}}
  template:
    metadata: {labels: {app: ${name}}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: main
          image: podplane-example/web:1
          imagePullPolicy: IfNotPresent
          command: [node, -e, ${JSON.stringify(script)}]
          readinessProbe: {tcpSocket: {port: 8080}, periodSeconds: 1}
`;
}

const answers = await engineAnswers();

describe.skipIf(!answers)('a rollout that fails', () => {
  const play = new Playground();
  const get = (name: string): Promise<Deployment> => play.json<Deployment>('get', 'deploy', name);
  const scriptOf = ({ spec }: Deployment): string | undefined => spec.template.spec.containers[0]?.command[2];
  const condition = ({ status }: Deployment, type: string): { readonly reason: string; readonly message: string } | undefined =>
    status.conditions.find((one) => one.type === type);
  const settled = (name: string, script: string): Promise<Deployment> =>
    eventually(
      `${name} is back and available`,
      () => get(name),
      (one) =>
        scriptOf(one) === script &&
        one.status.availableReplicas === 2 &&
        condition(one, 'Progressing')?.reason === 'NewReplicaSetAvailable',
      90_000,
    );

  beforeAll(async () => {
    await play.start(1);
  });
  afterAll(async () => {
    await play.remove();
  });

  it('goes back to the last good revision, tells apply so, and stays there', async () => {
    const ask = 'podplane.dev/on-failure: rollback';
    const first = await play.cli(['apply', '-f', '-'], manifest('web', GOOD, 'first', ask));
    expect(first.code, first.stderr).toBe(0);
    const second = await play.cli(['apply', '-f', '-'], manifest('web', BROKEN, 'second', ask, HASTY_S));
    expect(second.code).toBe(1);
    // On a busy machine the container has not been started in that time, so that there is no trouble to be told of its pod.
    expect(second.stderr).toMatch(
      /has failed: Revision 2 \(web-\w+\) made no progress for 10 s(?: \(pod \S+: container main.*\))?; rolled back to revision 1 /,
    );
    const web = await settled('web', GOOD);
    expect(condition(web, 'RolloutFailed')?.reason).toBe('RolledBack');
    expect(web.metadata.annotations['kubernetes.io/change-cause']).toBe('first');
    expect(await play.must('rollout', 'history', 'deploy/web')).toMatch(/^2 +second .*\n3 +first /m);
    await eventually(
      'the event',
      () => play.must('events', '--for', 'deploy/web'),
      (table) => /Warning +RolledBack/.test(table),
    );
    // It served all the time: maxUnavailable is 0, and nothing of the old revision was ever taken away.
    expect(await play.must('get', 'pods', '-l', 'app=web')).toMatch(/(web-\S+ +1\/1 +Running +0 .*\n){2}/);
  });

  it('one whose pods ran well for a moment goes back within its bake time', async () => {
    const ask = 'podplane.dev/on-failure: rollback, podplane.dev/bake-time: 4s';
    expect((await play.cli(['apply', '-f', '-'], manifest('api', GOOD, 'first', ask))).code).toBe(0);
    expect(condition(await get('api'), 'Progressing')?.reason).toBe('NewReplicaSetAvailable');
    await play.cli(['apply', '-f', '-', '--wait=false'], manifest('api', SHORT_LIVED, 'second', ask, HASTY_S));
    const api = await settled('api', GOOD);
    expect(condition(api, 'RolloutFailed')?.message).toContain('rolled back to revision 1');
  });

  it('or stops where it is, until somebody lets it go on', async () => {
    const ask = 'podplane.dev/on-failure: pause';
    expect((await play.cli(['apply', '-f', '-'], manifest('db', GOOD, 'first', ask))).code).toBe(0);
    const second = await play.cli(['apply', '-f', '-'], manifest('db', BROKEN, 'second', ask, HASTY_S));
    expect([second.code, second.stderr]).toEqual([1, expect.stringContaining('the rollout is paused')]);
    const db = await get('db');
    expect([db.spec.paused, scriptOf(db), db.status.availableReplicas, condition(db, 'RolloutFailed')?.reason]).toEqual([
      true,
      BROKEN,
      2,
      'RolloutPaused',
    ]);
    await play.must('rollout', 'undo', 'deploy/db');
    await play.must('rollout', 'resume', 'deploy/db');
    const mended = await settled('db', GOOD);
    expect([condition(mended, 'RolloutFailed'), mended.metadata.annotations['kubernetes.io/change-cause']]).toEqual([undefined, 'first']);
  });

  it('a wrong annotation is refused by its path', async () => {
    const wrong = await play.cli(['apply', '-f', '-'], manifest('no', GOOD, 'x', 'podplane.dev/on-failure: retry'));
    expect([wrong.code, wrong.stderr]).toEqual([
      1,
      expect.stringContaining('metadata.annotations[podplane.dev/on-failure]: Unsupported value: "retry"'),
    ]);
  });
});
