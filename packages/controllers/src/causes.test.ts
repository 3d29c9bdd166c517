// Why each controller writes: the words of its decisions, and what they followed from. What `why` makes of them is the server's.
import type { Kind, Obj } from '@podplane/api/kinds/kind-map';
import type { CauseRecord, Key } from '@podplane/store/types';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { withDrain } from './drain/request.js';
import { newNamespace } from './namespace/bootstrap.js';
import { deleteWithPropagation } from './owner-gc/propagation.js';
import { deletePod } from './shared/delete-pod.js';
import { barePod, cause, makeDeployment, World } from './testkit/world.js';

let world: World;
beforeEach(async () => {
  world = await World.open();
  world.addNode('n1');
  world.addNode('n2');
  await world.settle();
});
afterEach(async () => {
  expect(world.errors).toEqual([]);
  await world.close();
});

const keyOf = (kind: Kind, name: string): Key => ({
  kind,
  namespace: kind === 'Node' || kind === 'Namespace' ? '' : 'default',
  name,
});
const nameOf = (object: Obj | undefined): string => object?.metadata?.name ?? '';

/** "who: because | of what"; of what is "time" where only time asked, and begins with "=" where it is what the object asks for. */
function line({ cause: { actor, reason, becauseOf, of } }: CauseRecord): string {
  const after = of === undefined ? 'time' : `${becauseOf === undefined ? '=' : ''}${of.kind} ${of.name}`;
  return `${actor.replace('controller:', '')}: ${reason} | ${after}`;
}

const lines = (kind: Kind, name: string): string[] => world.store.causes(keyOf(kind, name), 50).map(line);
const newest = (kind: Kind, name: string): string => lines(kind, name)[0] ?? '';
const template = { metadata: { labels: { app: 'x' } }, spec: { containers: [{ name: 'c', image: 'v1' }] } };
const workload = (name: string, spec: object): object => ({
  metadata: { name, namespace: 'default' },
  spec: { selector: { matchLabels: { app: 'x' } }, template, ...spec },
});
const names = (): string[] => world.pods().map(nameOf);

async function deployed(replicas: number): Promise<Obj<'ReplicaSet'>> {
  world.create('Deployment', makeDeployment('web', { replicas, maxSurge: 1, maxUnavailable: 0 }));
  await world.converge();
  const [set] = world.sets();
  if (set === undefined) throw new Error('no set');
  return set;
}

const newImage = (image: string): void =>
  world.edit('Deployment', 'web', ({ spec }) => {
    const [container] = spec?.template?.spec?.containers ?? [];
    if (container !== undefined) container.image = image;
  });

describe('Deployments and ReplicaSets', () => {
  it('say how many there are and shall be, because of the wish', async () => {
    const set = nameOf(await deployed(2));
    const pod = names()[0] ?? '';
    expect(lines('ReplicaSet', set).at(-1)).toBe(
      `deployment: revision 1: new ReplicaSet ${set}, 2 of 2 replicas to begin with | Deployment web`,
    );
    expect(lines('Pod', pod).at(-1)).toBe(`replicaset: 0 of 2 replicas of ${set}: create 2 pods | ReplicaSet ${set}`);
    expect(newest('Deployment', 'web')).toBe(
      `deployment: 2 of 2 ready, 2 of the newest template (NewReplicaSetAvailable) | ReplicaSet ${set}`,
    );
    world.edit('Deployment', 'web', ({ spec }) => void (spec === undefined || (spec.replicas = 1)));
    await world.settle();
    expect(lines('ReplicaSet', set)).toContain(`deployment: 1 replica asked for: ${set} from 2 to 1 | Deployment web`);
    const gone = world.pods().find(({ metadata }) => metadata?.deletionTimestamp !== undefined);
    expect(newest('Pod', nameOf(gone))).toBe(`replicaset: 2 pods for 1 replica of ${set}: delete 1 pod | ReplicaSet ${set}`);
  });

  it('say of each step of a rollout why it may be taken', async () => {
    const old = nameOf(await deployed(2));
    newImage('v2');
    await world.converge();
    const set = nameOf(world.sets().find((one) => nameOf(one) !== old));
    const all = [...lines('ReplicaSet', set), ...lines('ReplicaSet', old)].filter((one) => one.startsWith('deployment'));
    expect(all).toEqual(
      expect.arrayContaining([
        `deployment: revision 2: new ReplicaSet ${set}, 1 of 2 replicas to begin with | Deployment web`,
        `deployment: rolling update to ${set}, 2 of at most 3 pods: ${set} from 1 to 2 | =Deployment web`,
        `deployment: rolling update to ${set}, 3 available, 2 needed: ${old} from 2 to 1 | =Deployment web`,
      ]),
    );
  });

  it('say of a pod that is surplus what was asked for, whatever else ended meanwhile', async () => {
    const set = nameOf(await deployed(3));
    const [ended, ...others] = world.pods();
    world.edit('Deployment', 'web', ({ spec }) => void (spec === undefined || (spec.replicas = 1)));
    world.edit('ReplicaSet', set, ({ spec }) => void (spec === undefined || (spec.replicas = 1)));
    world.end(nameOf(ended), 'Failed');
    await world.settle();
    const gone = others.map(nameOf).find((name) => newest('Pod', name).includes('delete'));
    expect(newest('Pod', gone ?? '')).toBe(`replicaset: 2 pods for 1 replica of ${set}: delete 1 pod | =ReplicaSet ${set}`);
  });

  it('say of a pod that is made anew which one is gone, or lost', async () => {
    const set = nameOf(await deployed(2));
    const [gone] = world.pods();
    if (gone === undefined) throw new Error('no pod');
    world.store.transact(cause, (tx) => void deletePod(tx, gone));
    await world.settle();
    const made = nameOf(world.activePods().find(({ spec }) => !spec?.nodeName));
    expect(newest('Pod', made)).toBe(`replicaset: 1 of 2 replicas of ${set}: create 1 pod | Pod ${nameOf(gone)}`);
  });

  it('say that old sets are not kept, and what went back by itself', async () => {
    const deployment = makeDeployment('web', { replicas: 1, history: 0, deadline: 5 });
    if (deployment.metadata !== undefined) deployment.metadata.annotations = { 'podplane.dev/on-failure': 'rollback' };
    world.create('Deployment', deployment);
    await world.converge();
    newImage('v2');
    await world.settle();
    await world.pass(10_000);
    expect(lines('Deployment', 'web').join('\n')).toMatch(
      /deployment: Revision 2 \(web-\w+\) made no progress for 5 s.*; rolled back to revision 1 \(web-\w+\) \| =Deployment web/,
    );
  });
});

describe('nodes', () => {
  it('are lost with their last heartbeat, and take their pods along', async () => {
    world.create('Deployment', makeDeployment('web', { replicas: 1 }));
    await world.settle();
    for (const pod of world.activePods()) world.run(pod, true, 'n2');
    await world.pass(2000);
    const [lost] = world.pods();
    world.liveness.sessions.delete('n2');
    await world.pass(5000);
    expect(newest('Node', 'n2')).toMatch(/^node-lifecycle: node n2 is silent: last heartbeat [\d:.]+ \(3\.0 s ago\) \| (time|Node n2)$/);
    expect(newest('Pod', nameOf(lost))).toMatch(/^node-lifecycle: node n2 is lost \(last heartbeat [\d:.]+ \(3\.0 s ago\)\) \|/);
    const made = nameOf(world.activePods()[0]);
    expect(newest('Pod', made)).toMatch(new RegExp(`^replicaset: 0 of 1 replica of web-\\w+: create 1 pod \\| Pod ${nameOf(lost)}$`));
  });

  it('send away what does not tolerate a taint, because of who set it', async () => {
    world.create('Pod', barePod('a', {}, 'n1'));
    world.edit(
      'Pod',
      'a',
      ({ spec }) => void spec?.tolerations.push({ key: 'k', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 3 }),
    );
    await world.settle();
    world.edit('Node', 'n1', ({ spec }) => void spec?.taints.push({ key: 'k', value: 'v', effect: 'NoExecute' }));
    await world.pass(5000);
    expect(newest('Pod', 'a')).toBe('node-lifecycle: evicted from node n1: taint k=v:NoExecute, tolerated for 3 s | =Node n1');
  });

  it('are drained by somebody', async () => {
    world.create('Pod', barePod('a', {}, 'n1'));
    await world.settle();
    const options = {
      ...{ ignoreDaemonSets: false, force: true, deleteEmptyDirData: false, disableEviction: false, podSelector: '' },
      ...{ gracePeriodSeconds: undefined, skipWaitForDeleteSeconds: undefined, deadline: undefined, total: 1, outcome: undefined },
      onTimeout: 'Stop',
    } as const;
    world.store.transact(cause, (tx) => {
      const node = withDrain(world.node('n1'), { ...options, id: 'd', by: 'user:ada', startedAt: world.system.clock.now() });
      tx.update('Node', { ...node, spec: { podCIDRs: [], taints: [], ...node.spec, unschedulable: true } }, 'any');
    });
    await world.settle();
    expect(newest('Pod', 'a')).toBe('drain: drain of node n1 by user:ada | =Node n1');
    expect(lines('Node', 'n1')).toContain('drain: drain of node n1 by user:ada: 1 of 1 pod left | =Node n1');
    world.reap();
    await world.settle();
    expect(newest('Node', 'n1')).toBe('drain: drain of node n1 by user:ada: Drained | =Node n1');
  });

  it('that are removed take their pods along', async () => {
    world.create('Pod', barePod('a', {}, 'n1'));
    world.store.transact(cause, (tx) => tx.remove('Node', '', 'n1'));
    await world.pass(10_000);
    expect(newest('Pod', 'a')).toBe('pod-gc: node n1 is no more | =Node n1');
  });
});

describe('StatefulSets and DaemonSets', () => {
  it('name the pods, and why they go', async () => {
    world.apply('StatefulSet', workload('db', { replicas: 2, serviceName: 'db' }));
    await world.converge();
    expect(lines('Pod', 'db-0').at(-1)).toBe('statefulset: 0 of 2 replicas: create db-0 | StatefulSet db');
    expect(newest('StatefulSet', 'db')).toMatch(/^statefulset: 2 of 2 ready, 2 of the newest template \| Pod db-1$/);
    world.edit('StatefulSet', 'db', ({ spec }) => void (spec === undefined || (spec.replicas = 1)));
    await world.settle();
    expect(newest('Pod', 'db-1')).toBe('statefulset: 1 replica asked for: db-1 of StatefulSet db is beyond that | StatefulSet db');
  });

  it('say on which nodes a pod is missing, and what a rolling update does', async () => {
    world.apply('DaemonSet', workload('agent', {}));
    await world.converge();
    expect(lines('Pod', names()[0] ?? '').at(-1)).toBe('daemonset: n1, n2 without a pod of agent: create 2 pods | DaemonSet agent');
    world.edit('DaemonSet', 'agent', ({ spec }) => {
      const [container] = spec?.template?.spec?.containers ?? [];
      if (container !== undefined) container.image = 'v2';
    });
    await world.settle();
    const gone = world.pods().find(({ metadata }) => metadata?.deletionTimestamp !== undefined);
    expect(newest('Pod', nameOf(gone))).toBe('daemonset: rolling update, at most 1 not available | DaemonSet agent');
  });
});

describe('Jobs and CronJobs', () => {
  it('say how far they are, and which limit ended them because of which pod', async () => {
    const spec = { backoffLimit: 0, template: { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'v1' }] } } };
    world.apply('Job', { metadata: { name: 'sum', namespace: 'default' }, spec: { completions: 2, parallelism: 2, ...spec } });
    await world.settle();
    const [first = ''] = names();
    expect(newest('Pod', first)).toBe('job: Job sum: 0 of 2 succeeded, 0 of 2 at work: create 2 pods | Job sum');
    world.end(first, 'Failed');
    await world.settle();
    expect(lines('Job', 'sum').join('\n')).toContain(`job: Job sum: backoffLimit 0 exceeded: delete 1 pod | Pod ${first}`);
  });

  it('are made when their time has come', async () => {
    world.apply('CronJob', {
      metadata: { name: 'tick', namespace: 'default' },
      spec: { schedule: '*/5 * * * *', jobTemplate: { spec: { template: { spec: { restartPolicy: 'Never', ...template.spec } } } } },
    });
    await world.pass(6 * 60_000);
    const [job] = [...world.store.list('Job', 'default')];
    expect(lines('Job', nameOf(job)).at(-1)).toBe('cronjob: schedule */5 * * * * of CronJob tick due 2026-01-01T00:05:00Z | time');
  });

  it('go when their time after the end is over', async () => {
    world.apply('Job', {
      metadata: { name: 'sum', namespace: 'default' },
      spec: { ttlSecondsAfterFinished: 2, template: { spec: { restartPolicy: 'Never', ...template.spec } } },
    });
    await world.settle();
    world.end(names()[0] ?? '', 'Succeeded');
    await world.pass(5000);
    expect(lines('Job', 'sum').join('\n')).toContain('job: ttlSecondsAfterFinished 2: Job sum ended that long ago | =Job sum');
  });
});

describe('what goes with something else', () => {
  it('names the owner and how it was deleted', async () => {
    const set = nameOf(await deployed(1));
    const pod = names()[0] ?? '';
    world.store.transact(cause, (tx) => void deleteWithPropagation(tx, 'Deployment', world.deployment(), { propagation: 'Background' }));
    await world.settle();
    expect(newest('ReplicaSet', set)).toBe('owner-gc: owner Deployment web is gone (background) | =Deployment web');
    expect(newest('Pod', pod)).toBe(`owner-gc: owner ReplicaSet ${set} is gone (background) | =ReplicaSet ${set}`);
  });

  it('names the owner that waits for it', async () => {
    const set = nameOf(await deployed(1));
    world.store.transact(cause, (tx) => void deleteWithPropagation(tx, 'Deployment', world.deployment(), { propagation: 'Foreground' }));
    await world.settle();
    expect(lines('ReplicaSet', set)).toContain(
      'owner-gc: owner Deployment web is deleted after what it owns (foreground) | =Deployment web',
    );
    expect(newest('Pod', names()[0] ?? '')).toBe(
      `owner-gc: owner ReplicaSet ${set} is deleted after what it owns (foreground) | =ReplicaSet ${set}`,
    );
  });

  it('names its namespace', async () => {
    world.store.transact(cause, (tx) => {
      tx.create('Namespace', newNamespace('shop'));
      const pod = barePod('a');
      tx.create('Pod', { ...pod, metadata: { ...pod.metadata, namespace: 'shop' } as NonNullable<typeof pod.metadata> });
    });
    await world.settle();
    world.store.transact(cause, (tx) => tx.markDeleted('Namespace', '', 'shop', 0));
    await world.settle();
    const told = world.store.causes({ kind: 'Pod', namespace: 'shop', name: 'a' }, 1).map(line);
    expect(told).toEqual(['namespace: namespace shop is deleted | =Namespace shop']);
    expect(newest('Namespace', 'shop')).toBe('namespace: namespace shop is deleted and has nothing left | =Namespace shop');
  });
});

it('no write of a busy day says only that a controller looked', async () => {
  world.apply('StatefulSet', workload('db', { replicas: 2, serviceName: 'db' }));
  world.apply('PodDisruptionBudget', { metadata: { name: 'b', namespace: 'default' }, spec: { minAvailable: 1, selector: {} } });
  await deployed(3);
  newImage('v2');
  await world.converge();
  world.liveness.sessions.delete('n1');
  await world.pass(30_000);
  const silent: string[] = [];
  for (let revision = 1; revision <= world.store.revision; revision++) {
    for (const one of world.store.causesAt(revision, 1000))
      if (one.cause.reason.startsWith('reconcile')) silent.push(`${one.key.kind} ${line(one)}`);
  }
  expect(silent).toEqual([]);
});
