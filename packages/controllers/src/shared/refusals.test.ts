// Controllers whose pods are refused: what each says, that it tries again ever later, and that it goes on when it may.
import type { Kind, KindMap } from '@podplane/api/kinds/kind-map';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { World } from '../testkit/world.js';

let world: World;
beforeEach(async () => {
  world = await World.open();
});
afterEach(() => world.close());

const spec = (more: object = {}): object => ({ serviceAccountName: 'later', containers: [{ name: 'c', image: 'i' }], ...more });
const workload = (more: object, podSpec = spec()): object => ({
  selector: { matchLabels: { app: 'w' } },
  template: { metadata: { labels: { app: 'w' } }, spec: podSpec },
  ...more,
});
const MISSING = 'is forbidden: error looking up service account default/later: serviceaccount "later" not found';

type Workload = Extract<Kind, 'ReplicaSet' | 'ReplicationController' | 'Deployment' | 'DaemonSet' | 'StatefulSet' | 'Job'>;

function make(kind: Workload): void {
  const group = { ReplicationController: 'v1', Job: 'batch/v1' }[kind as 'Job'] ?? 'apps/v1';
  const more: Record<Workload, object> = {
    ReplicaSet: workload({ replicas: 2 }),
    ReplicationController: { ...workload({ replicas: 2 }), selector: { app: 'w' } },
    Deployment: workload({ replicas: 2 }),
    DaemonSet: workload({}),
    StatefulSet: workload({ replicas: 2, serviceName: 's' }),
    Job: {
      template: { spec: spec({ restartPolicy: 'Never' }) },
      completions: 2,
      parallelism: 2,
      completionMode: 'Indexed',
      backoffLimitPerIndex: 1,
    },
  };
  world.apply(kind, { apiVersion: group, kind, metadata: { name: 'w', namespace: 'default' }, spec: more[kind] });
}

const told = (): string[] => [
  ...new Set(
    world.events
      .filter(({ reason, type }) => reason === 'FailedCreate' && type === 'Warning')
      .map(({ regarding, message }) => `${regarding.kind}: ${message.replace(/w-[0-9a-z]{8,10}-"/, 'w-HASH-"')}`),
  ),
];
const account = (): void => {
  world.apply('ServiceAccount', { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'later', namespace: 'default' } });
};

describe('a pod that is refused', () => {
  it.each<[Workload, string, number]>([
    ['ReplicaSet', `ReplicaSet: Error creating: pods "w-" ${MISSING}`, 2],
    ['ReplicationController', `ReplicationController: Error creating: pods "w-" ${MISSING}`, 2],
    ['Deployment', `ReplicaSet: Error creating: pods "w-HASH-" ${MISSING}`, 2],
    ['DaemonSet', `DaemonSet: Error creating: pods "w-" ${MISSING}`, 1],
    ['StatefulSet', `StatefulSet: create Pod w-0 in StatefulSet w failed error: pods "w-0" ${MISSING}`, 1],
    ['Job', `Job: Error creating: pods "w-0-" ${MISSING}`, 2],
  ])('is told of by %s, and made as soon as it may be', async (kind, message, pods) => {
    world.addNode('n1');
    make(kind);
    await world.settle();
    expect(world.pods()).toEqual([]);
    expect(told()).toEqual([message]);
    expect(world.errors).toEqual([]);
    account();
    await world.settle();
    expect(world.pods()).toHaveLength(pods);
    await world.pass(60_000);
    expect(told()).toEqual([message]);
  });

  const failureOf = (object: KindMap['ReplicaSet' | 'ReplicationController' | 'Deployment']): string[] =>
    (object.status?.conditions ?? [])
      .filter(({ type }) => type === 'ReplicaFailure')
      .map(({ status, reason, message }) => `${status} ${reason} ${message?.replace(/w-[0-9a-z]{8,10}-"/, 'w-HASH-"')}`);

  it.each<['ReplicaSet' | 'ReplicationController' | 'Deployment', string]>([
    ['ReplicaSet', 'w-'],
    ['ReplicationController', 'w-'],
    ['Deployment', 'w-HASH-'],
  ])('is a condition of %s until it could be made', async (kind, called) => {
    make(kind);
    await world.settle();
    expect(failureOf(world.get(kind, 'w') as KindMap['ReplicaSet'])).toEqual([`True FailedCreate pods "${called}" ${MISSING}`]);
    account();
    await world.settle();
    expect(failureOf(world.get(kind, 'w') as KindMap['ReplicaSet'])).toEqual([]);
  });

  it('is tried again ever later', async () => {
    make('ReplicaSet');
    const tries = (): number => world.events.filter(({ reason }) => reason === 'FailedCreate').length;
    await world.pass(60_000);
    const minute = tries();
    expect(minute).toBeGreaterThan(8);
    await world.pass(120_000);
    expect(tries() - minute).toBeLessThanOrEqual(5);
    const { revision } = world.store;
    await world.pass(60_000);
    expect(world.store.revision).toBe(revision); // what is known already is not written again
  });

  it('for its name: labels made of it are too long', async () => {
    account();
    const name = `w${'x'.repeat(61)}`;
    world.apply('StatefulSet', {
      apiVersion: 'apps/v1',
      kind: 'StatefulSet',
      metadata: { name, namespace: 'default' },
      spec: workload({ replicas: 1, serviceName: 's' }),
    });
    await world.settle();
    expect(world.pods()).toEqual([]);
    expect(told()[0]).toContain(
      `create Pod ${name}-0 in StatefulSet ${name} failed error: Pod "${name}-0" is invalid: [metadata.labels: Invalid value`,
    );
  });

  it('in a namespace that is going: nothing is said, and nothing is tried again', async () => {
    account();
    world.store.transact({ actor: 'u', reason: 'r' }, (tx) => void tx.markDeleted('Namespace', '', 'default', 0));
    make('ReplicaSet');
    make('Job');
    const claims = [{ metadata: { name: 'c' }, spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } } }];
    world.apply('StatefulSet', {
      apiVersion: 'apps/v1',
      kind: 'StatefulSet',
      metadata: { name: 'held', namespace: 'default', finalizers: ['example.com/held'] },
      spec: workload({ replicas: 1, serviceName: 's', volumeClaimTemplates: claims }),
    });
    await world.settle();
    expect([world.pods(), told(), [...world.store.list('PersistentVolumeClaim')]]).toEqual([[], [], []]);
  });
});
