// The claims of a StatefulSet: one for each number, kept over pods, and owned as the retention policy says.
import type { StatefulSet } from '@podplane/api/gen/podplane/apps/v1/stateful_set';
import type { Obj } from '@podplane/api/kinds/kind-map';
import { afterEach, expect, it, test } from 'vitest';
import { World } from '../testkit/world.js';

let world: World;
afterEach(async () => {
  expect(world.errors).toEqual([]);
  await world.close();
});

async function open(spec: Record<string, unknown> = {}): Promise<void> {
  world = await World.open();
  world.addNode('n1');
  world.apply('StatefulSet', {
    metadata: { name: 'db', namespace: 'default' },
    spec: {
      replicas: 2,
      podManagementPolicy: 'Parallel',
      selector: { matchLabels: { app: 'db' } },
      template: {
        metadata: { labels: { app: 'db' } },
        spec: {
          containers: [{ name: 'c', image: 'v1', volumeMounts: [{ name: 'data', mountPath: '/d' }] }],
          volumes: [
            { name: 'data', emptyDir: {} },
            { name: 'tmp', emptyDir: {} },
          ],
        },
      },
      volumeClaimTemplates: [
        {
          metadata: { name: 'data', labels: { tier: 'back' } },
          spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
        },
      ],
      ...spec,
    },
  });
  await world.converge();
}

const claims = (): Obj<'PersistentVolumeClaim'>[] => [...world.store.list('PersistentVolumeClaim', undefined, { ordered: true })];
const names = (): string[] => claims().map(({ metadata }) => metadata?.name ?? '');
const owners = (name: string): string[] =>
  world.get('PersistentVolumeClaim', name).metadata?.ownerReferences.map((owner) => `${owner.kind}/${owner.name}`) ?? [];
async function change(edit: (spec: NonNullable<StatefulSet['spec']>) => void): Promise<void> {
  world.edit('StatefulSet', 'db', (draft) => draft.spec && edit(draft.spec));
  await world.settle();
}

it('each pod has its own claim in place of the volume of that name; the claim stays when pod and replicas go', async () => {
  await open();
  expect(names()).toEqual(['data-db-0', 'data-db-1']);
  expect(world.get('PersistentVolumeClaim', 'data-db-1')).toMatchObject({
    metadata: { labels: { tier: 'back', app: 'db' }, finalizers: ['kubernetes.io/pvc-protection'], ownerReferences: [] },
    spec: { volumeMode: 'Filesystem', accessModes: ['ReadWriteOnce'] },
  });
  expect(world.get('Pod', 'db-1').spec?.volumes).toMatchObject([
    { name: 'data', persistentVolumeClaim: { claimName: 'data-db-1' } },
    { name: 'tmp', emptyDir: {} },
    { name: expect.stringMatching(/^kube-api-access-/) },
  ]);
  const { uid } = world.get('PersistentVolumeClaim', 'data-db-1').metadata ?? {};
  await change((spec) => (spec.replicas = 0));
  await world.converge();
  expect(names()).toEqual(['data-db-0', 'data-db-1']);
  await change((spec) => (spec.replicas = 2));
  await world.converge();
  expect(world.get('PersistentVolumeClaim', 'data-db-1').metadata?.uid).toBe(uid);
});

test.each<[string, string, string[], string[]]>([
  // whenDeleted, whenScaled: owners of a number that is wanted, and of one that goes
  ['Retain', 'Retain', [], []],
  ['Delete', 'Retain', ['StatefulSet/db'], ['StatefulSet/db']],
  ['Retain', 'Delete', [], ['Pod/db-1']],
  ['Delete', 'Delete', ['StatefulSet/db'], ['Pod/db-1']],
])('whenDeleted %s, whenScaled %s: claims are owned by %j, those of pods that go by %j', async (whenDeleted, whenScaled, stays, goes) => {
  await open({ persistentVolumeClaimRetentionPolicy: { whenDeleted, whenScaled } });
  expect(owners('data-db-1')).toEqual(stays);
  await change((spec) => (spec.replicas = 1));
  expect(owners('data-db-0')).toEqual(stays);
  expect(owners('data-db-1')).toEqual(goes);
});

it('whenScaled Delete: the claim goes with its pod, and the next pod of the number has a new one', async () => {
  await open({ persistentVolumeClaimRetentionPolicy: { whenScaled: 'Delete' } });
  const { uid } = world.get('PersistentVolumeClaim', 'data-db-1').metadata ?? {};
  await change((spec) => (spec.replicas = 1));
  await world.converge();
  expect(names()).toEqual(['data-db-0']);
  await change((spec) => (spec.replicas = 2));
  await world.converge();
  expect(names()).toEqual(['data-db-0', 'data-db-1']);
  expect(world.get('PersistentVolumeClaim', 'data-db-1').metadata?.uid).not.toBe(uid);
});

it('whenDeleted Delete: the claims go with the set', async () => {
  await open({ persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Delete' } });
  world.store.transact({ actor: 'user:test', reason: 'delete' }, (tx) => tx.remove('StatefulSet', 'default', 'db'));
  await world.converge();
  expect(names()).toEqual([]);
});

it('a policy that changes changes the owners; a claim that was removed is made anew for its pod', async () => {
  await open();
  await change((spec) => (spec.persistentVolumeClaimRetentionPolicy = { whenDeleted: 'Delete', whenScaled: 'Retain' }));
  expect(owners('data-db-0')).toEqual(['StatefulSet/db']);
  world.store.transact({ actor: 'user:test', reason: 'remove' }, (tx) => tx.remove('PersistentVolumeClaim', 'default', 'data-db-0'));
  await world.settle();
  expect(names()).toEqual(['data-db-0', 'data-db-1']);
});
