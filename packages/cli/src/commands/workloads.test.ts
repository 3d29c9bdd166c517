// Commands on DaemonSets, StatefulSets, Jobs and CronJobs: rollout, scale, describe, get. What a Deployment's do is in commands.test.ts.
import { beforeEach, describe, expect, it } from 'vitest';
import { runCommand, TestCluster } from '../testkit/world.js';

let cluster: TestCluster;
const run = (...args: string[]): ReturnType<typeof runCommand> => runCommand(cluster, args, { cwd: '/' });

const template = (image: string): object => ({ metadata: { labels: { app: 'db' } }, spec: { containers: [{ name: 'c', image }] } });
const owner = (kind: string, uid: string): object[] => [{ apiVersion: 'apps/v1', kind, name: 'db', uid, controller: true }];

function put(kind: 'DaemonSet' | 'StatefulSet', image = 'v2'): void {
  cluster.put(kind, {
    metadata: { name: 'db', namespace: 'default', uid: 'u1', generation: 2, creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: { replicas: 1, selector: { matchLabels: { app: 'db' } }, template: template(image), updateStrategy: { type: 'RollingUpdate' } },
    status:
      kind === 'DaemonSet'
        ? {
            observedGeneration: 2,
            desiredNumberScheduled: 2,
            currentNumberScheduled: 2,
            updatedNumberScheduled: 2,
            numberReady: 2,
            numberAvailable: 2,
          }
        : {
            observedGeneration: 2,
            replicas: 1,
            readyReplicas: 1,
            availableReplicas: 1,
            updatedReplicas: 1,
            currentRevision: 'db-b',
            updateRevision: 'db-b',
          },
  });
  for (const [number, held] of [
    [1, 'v1'],
    [2, 'v2'],
  ] as const) {
    cluster.put('ControllerRevision', {
      metadata: { name: `db-${number}`, namespace: 'default', ownerReferences: owner(kind, 'u1') },
      revision: number,
      data: { spec: { template: { ...template(held), $patch: 'replace' } } },
    });
  }
}

beforeEach(() => {
  cluster = new TestCluster();
});

describe.each(['DaemonSet', 'StatefulSet'] as const)('rollout of a %s', (kind) => {
  const word = kind === 'DaemonSet' ? 'ds' : 'sts';
  const plain = kind.toLowerCase();

  it('status, history', async () => {
    put(kind);
    expect(await run('rollout', 'status', `${word}/db`)).toMatchObject({ code: 0, out: `${plain} "db" successfully rolled out\n` });
    expect((await run('rollout', 'status', `${word}/db`, '--watch=false')).out).toBe(`${plain} "db" successfully rolled out\n`);
    const { out } = await run('rollout', 'history', `${word}/db`);
    expect(out).toMatch(new RegExp(`^${plain}\\.apps/db\\nREVISION +CHANGE-CAUSE +IMAGES\\n1 +<none> +v1\\n2 +<none> +v2\\n$`));
  });

  it('restart, undo', async () => {
    put(kind);
    await run('rollout', 'restart', `${word}/db`);
    const restarted = await cluster.get(kind, 'default', 'db');
    expect(restarted.spec?.template?.metadata?.annotations['kubectl.kubernetes.io/restartedAt']).toBeDefined();
    expect((await run('rollout', 'undo', `${word}/db`)).out).toBe(`${plain}.apps/db rolled back to revision 1\n`);
    const undone = await cluster.get(kind, 'default', 'db');
    expect(undone.spec?.template?.spec?.containers[0]?.image).toBe('v1');
    expect(undone.spec?.template?.metadata?.labels).toEqual({ app: 'db' });
    expect((await run('rollout', 'undo', `${word}/db`, '--to-revision', '9')).code).toBe(1);
    cluster.remove('ControllerRevision', 'default', 'db-1');
    expect(await run('rollout', 'undo', `${word}/db`)).toMatchObject({
      code: 1,
      err: `error: no rollout history found for ${plain} "db"\nThere are: 2. There is nothing to go back to before the template has changed.\n`,
    });
  });

  it('pause is refused, describe tells its numbers', async () => {
    put(kind);
    expect((await run('rollout', 'pause', `${word}/db`)).err).toContain('pausing is not supported');
    const { out } = await run('describe', `${word}/db`);
    expect(out).toContain(kind === 'DaemonSet' ? 'Number of Nodes Scheduled with Available Pods' : 'Update Revision');
    expect(out).toContain('Pods Status');
  });
});

describe('rollout of a Deployment', () => {
  const set = (number: number, image: string, cause?: string): void => {
    cluster.put('ReplicaSet', {
      metadata: {
        name: `db-${number}`,
        namespace: 'default',
        labels: { app: 'db' },
        annotations: {
          'deployment.kubernetes.io/revision': String(number),
          ...(cause === undefined ? {} : { 'kubernetes.io/change-cause': cause }),
        },
        ownerReferences: owner('Deployment', 'u1'),
      },
      spec: { template: template(image) },
    });
  };
  const deployment = (paused: boolean, conditions: object[] = []): void => {
    cluster.put('Deployment', {
      metadata: { name: 'db', namespace: 'default', uid: 'u1', generation: 2, annotations: { 'kubernetes.io/change-cause': 'second' } },
      spec: { replicas: 1, paused, selector: { matchLabels: { app: 'db' } }, template: template('v2') },
      status: { observedGeneration: 2, replicas: 1, updatedReplicas: 1, readyReplicas: 1, availableReplicas: 1, conditions },
    });
    set(1, 'v1', 'first');
    set(2, 'v2', 'second');
  };

  it('history, all of one revision, and back with its change cause', async () => {
    deployment(false);
    expect((await run('rollout', 'history', 'deploy/db')).out).toMatch(/^1 +first +v1\n2 +second +v2\n$/m);
    const { out } = await run('rollout', 'history', 'deploy/db', '--revision=1');
    expect(out).toMatch(/^deployment\.apps\/db with revision #1\nChange-Cause: first\nPod Template:\n +Labels: +app=db\n[^]*Image: +v1/);
    expect((await run('rollout', 'history', 'deploy/db', '--revision=7')).err).toMatch(
      /unable to find specified revision 7 in history[^]*There are: 1, 2/,
    );
    expect((await run('rollout', 'undo', 'deploy/db')).code).toBe(0);
    const undone = await cluster.get('Deployment', 'default', 'db');
    expect(undone.metadata?.annotations['kubernetes.io/change-cause']).toBe('first');
    expect(undone.spec?.template?.spec?.containers[0]?.image).toBe('v1');
  });

  it('going back to what is there changes nothing', async () => {
    deployment(false);
    const before = await cluster.get('Deployment', 'default', 'db');
    expect((await run('rollout', 'undo', 'deploy/db', '--to-revision', '2')).out).toBe(
      'deployment.apps/db skipped rollback (current template already matches revision 2)\n',
    );
    expect(await cluster.get('Deployment', 'default', 'db')).toBe(before);
  });

  it('a paused one is not restarted, and says that it waits when it is taken back; pause and resume say when there is nothing to do', async () => {
    deployment(true);
    expect((await run('rollout', 'restart', 'deploy/db')).err).toContain("can't restart paused deployment (run rollout resume first)");
    expect(await run('rollout', 'undo', 'deploy/db')).toEqual({
      code: 0,
      out: 'deployment.apps/db rolled back to revision 1\n',
      err: 'It is paused: podplane rollout resume deploy/db lets it be rolled out.\n',
    });
    expect((await run('rollout', 'pause', 'deploy/db')).err).toContain('is already paused');
    expect((await run('rollout', 'resume', 'deploy/db')).out).toBe('deployment.apps/db resumed\n');
    expect((await run('rollout', 'resume', 'deploy/db')).err).toContain('is not paused');
  });

  it('status fails where the rollout was taken back, and waits while it bakes', async () => {
    deployment(false, [
      { type: 'RolloutFailed', status: 'True', reason: 'RolledBack', message: 'Revision 2 made no progress; rolled back to revision 1' },
    ]);
    const failed = await run('rollout', 'status', 'deploy/db');
    expect([failed.code, failed.err]).toEqual([
      1,
      expect.stringContaining('has failed: Revision 2 made no progress; rolled back to revision 1'),
    ]);
    deployment(false, [{ type: 'Progressing', status: 'True', reason: 'Baking' }]);
    expect((await run('rollout', 'status', 'deploy/db', '--watch=false')).out).toContain(
      '1 of 1 pods ready, which have to stay available for a while',
    );
  });
});

describe('others', () => {
  it('a StatefulSet is scaled, a DaemonSet is not', async () => {
    put('StatefulSet');
    expect((await run('scale', 'sts/db', '--replicas', '3', '--current-replicas', '1')).out).toBe('statefulset.apps/db scaled\n');
    expect((await cluster.get('StatefulSet', 'default', 'db')).spec?.replicas).toBe(3);
    expect((await run('scale', 'ds/db', '--replicas', '3')).err).toContain('a DaemonSet cannot be scaled');
  });

  it('a ReplicationController: get, scale, describe, the logs of its pods', async () => {
    cluster.put('ReplicationController', {
      metadata: { name: 'db', namespace: 'default', uid: 'u1' },
      spec: { replicas: 2, selector: { app: 'db' }, template: template('v1') },
      status: { replicas: 2, readyReplicas: 1 },
    });
    const owned = (uid: string, name: string): void => {
      const ownerReferences = [{ apiVersion: 'v1', kind: 'ReplicationController', name: 'db', uid, controller: true }];
      cluster.put('Pod', {
        metadata: { name, namespace: 'default', labels: { app: 'db' }, ownerReferences },
        status: { phase: 'Running' },
      });
    };
    owned('u1', 'db-1');
    owned('other', 'db-2');
    expect((await run('get', 'rc')).out).toMatch(/^NAME +DESIRED +CURRENT +READY +AGE\ndb +2 +2 +1 /);
    expect((await run('scale', 'rc/db', '--replicas', '5', '--current-replicas', '2')).out).toBe('replicationcontroller/db scaled\n');
    expect((await cluster.get('ReplicationController', 'default', 'db')).spec?.replicas).toBe(5);
    const { out } = await run('describe', 'rc/db');
    expect(out).toMatch(/Selector: +app=db\n/);
    expect(out).toMatch(/Replicas: +2 current \/ 5 desired\nPods Status: +1 Running \/ 0 Waiting/);
  });

  it('jobs and cron jobs: get, describe, logs of their pods', async () => {
    cluster.put('Job', {
      metadata: { name: 'tick-1', namespace: 'default', uid: 'j1', creationTimestamp: '2026-01-01T00:00:00Z' },
      spec: { completions: 3, selector: { matchLabels: { job: 'tick-1' } }, completionMode: 'Indexed', template: template('v1') },
      status: { active: 1, succeeded: 2, completedIndexes: '0,2', startTime: '2026-01-01T00:00:00Z' },
    });
    cluster.put('CronJob', {
      metadata: { name: 'tick', namespace: 'default' },
      spec: { schedule: '@hourly', jobTemplate: { spec: { template: template('v1') } } },
    });
    const of = (name: string): object[] => [{ apiVersion: 'batch/v1', kind: 'Job', name, uid: 'j1', controller: true }];
    for (const [name, job] of [
      ['tick-1-0-aaaaa', 'tick-1'],
      ['tick-more-1-aaaaa', 'tick-more-1'],
    ] as const) {
      cluster.put('Pod', {
        metadata: { name, namespace: 'default', labels: { job }, ownerReferences: of(job) },
        spec: { nodeName: 'n1', containers: [{ name: 'c' }] },
      });
    }
    expect((await run('get', 'jobs')).out).toMatch(/^NAME +STATUS +COMPLETIONS +DURATION +AGE\ntick-1 +Running +2\/3 /);
    expect((await run('get', 'cj')).out).toMatch(
      /^NAME +SCHEDULE +TIMEZONE +SUSPEND +ACTIVE +LAST SCHEDULE +AGE\ntick +@hourly +<none> +False +0 +<none> /,
    );
    expect((await run('describe', 'job', 'tick-1')).out).toMatch(/Completed Indexes: +0,2/);
    expect((await run('describe', 'cj/tick')).out).toMatch(/Schedule: +@hourly/);
    for (const target of ['job/tick-1', 'cj/tick']) {
      cluster.logAnswers.push(async function* () {
        yield Buffer.from('hello\n');
        await Promise.resolve();
      });
      const { out } = await run('logs', target, '--prefix');
      expect(out).toBe('[pod/tick-1-0-aaaaa/c] hello\n');
    }
  });
});

it('describe and get of a PodDisruptionBudget', async () => {
  cluster.put('PodDisruptionBudget', {
    metadata: { name: 'web', namespace: 'default', creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: { minAvailable: '50%', selector: { matchLabels: { app: 'web' } }, unhealthyPodEvictionPolicy: 'AlwaysAllow' },
    status: {
      expectedPods: 4,
      desiredHealthy: 2,
      currentHealthy: 2,
      conditions: [{ type: 'DisruptionAllowed', status: 'False', reason: 'InsufficientPods', message: '' }],
    },
  });
  const { out } = await run('describe', 'pdb', 'web');
  expect(out.replaceAll(/ +/g, ' ')).toContain(
    'Min available: 50%\nSelector: app=web\nUnhealthy Pod Eviction Policy: AlwaysAllow\nStatus:\n Allowed disruptions: 0\n Current: 2\n Desired: 2\n Total: 4\n Reason: InsufficientPods\n',
  );
  expect((await run('get', 'pdb')).out).toMatch(/^NAME +MIN AVAILABLE +MAX UNAVAILABLE +ALLOWED DISRUPTIONS +AGE\nweb +50% +N\/A +0 /);
});
