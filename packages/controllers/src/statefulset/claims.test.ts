// The claims of a StatefulSet: one for each number, kept over pods, and owned as the retention policy says.
import type { StatefulSet } from '@podplane/api/gen/podplane/apps/v1/stateful_set';
import { ConfigMap } from '@podplane/api/gen/podplane/core/v1/config_map';
import { OwnerReference } from '@podplane/api/gen/podplane/meta/v1/meta';
import type { Obj } from '@podplane/api/kinds/kind-map';
import { afterEach, expect, it, test } from 'vitest';
import { World } from '../testkit/world.js';
import { createDefaultClass } from '../volumes/bootstrap.js';
import { createClaims } from './claims.js';

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

it('a claim has the default class when it is made: one without would be taken for one to be bound before its pod is placed', async () => {
  await open({ replicas: 0 });
  const cause = { actor: 'test', reason: 'test' };
  const make = (ordinal: number): string | undefined =>
    world.store.transact(cause, (tx) => {
      const [name = ''] = createClaims(tx, world.get('StatefulSet', 'db'), ordinal);
      return tx.get('PersistentVolumeClaim', 'default', name)?.spec?.storageClassName;
    }).result;
  expect(make(0)).toBeUndefined();
  world.store.transact(cause, (tx) => createDefaultClass(tx));
  expect(make(1)).toBe('node-local');
});

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
  for (const claim of claims())
    for (const owner of claim.metadata?.ownerReferences ?? []) expect(owner).toMatchObject({ controller: true, blockOwnerDeletion: true });
});

test.each<[string, object[], string[], boolean?]>([
  // whether the claim goes, and is made anew
  ['one that only owns stays beside the set', [{ kind: 'ConfigMap', name: 'x' }], ['ConfigMap/x', 'StatefulSet/db']],
  ['one that controls it is left alone', [{ kind: 'ConfigMap', name: 'x', controller: true }], ['ConfigMap/x']],
  ['an older set of the name has it: it goes', [{ kind: 'StatefulSet', name: 'db', uid: 'old' }], ['StatefulSet/db'], true],
])('whenDeleted Delete: %s', async (_what, before, after, goes = false) => {
  await open({ persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Delete' } });
  const x = world.create(
    'ConfigMap',
    ConfigMap.fromPartial({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'x', namespace: 'default' } }),
  );
  const uid = world.get('PersistentVolumeClaim', 'data-db-0').metadata?.uid;
  world.edit('PersistentVolumeClaim', 'data-db-0', (draft) => {
    if (draft.metadata !== undefined)
      draft.metadata.ownerReferences = before.map((one) => {
        const apiVersion = 'kind' in one && one.kind === 'StatefulSet' ? 'apps/v1' : 'v1';
        return OwnerReference.fromPartial({ apiVersion, uid: x.metadata?.uid ?? '', ...one });
      });
  });
  world.start();
  await world.settle();
  if (goes) {
    world.store.transact({ actor: 'user:test', reason: 'kill' }, (tx) => void tx.markDeleted('Pod', 'default', 'db-0', 1));
    await world.converge();
  }
  expect(world.get('PersistentVolumeClaim', 'data-db-0').metadata?.uid === uid).toBe(!goes);
  expect(owners('data-db-0')).toEqual(after);
});

it('tells of each claim that it makes, before the pod that is for it', async () => {
  await open({ replicas: 1 });
  expect(world.events.filter(({ reason }) => reason === 'SuccessfulCreate').map(({ message }) => message)).toEqual([
    'create Claim data-db-0 Pod db-0 in StatefulSet db success',
    'create Pod db-0 in StatefulSet db successful',
  ]);
});

it('whenScaled Delete: the claim of a pod that no node ever had goes with it, and the next pod waits until it is gone', async () => {
  await open({ persistentVolumeClaimRetentionPolicy: { whenScaled: 'Delete' } });
  const { uid } = world.get('PersistentVolumeClaim', 'data-db-1').metadata ?? {};
  await change((spec) => (spec.replicas = 3));
  expect(names()).toEqual(['data-db-0', 'data-db-1', 'data-db-2']);
  await change((spec) => (spec.replicas = 2));
  expect(names()).toEqual(['data-db-0', 'data-db-1']);
  // Gone and wanted again before its claim could go.
  await change((spec) => (spec.replicas = 1));
  world.edit('PersistentVolumeClaim', 'data-db-1', (draft) => draft.metadata?.finalizers.push('example.com/hold'));
  world.reap();
  await world.settle();
  expect(world.get('PersistentVolumeClaim', 'data-db-1').metadata?.deletionTimestamp).toBeDefined();
  await change((spec) => (spec.replicas = 2));
  expect(world.pods().map(({ metadata }) => metadata?.name)).toEqual(['db-0']);
  world.edit('PersistentVolumeClaim', 'data-db-1', (draft) => draft.metadata && (draft.metadata.finalizers = []));
  await world.converge();
  expect(world.pods().map(({ metadata }) => metadata?.name)).toEqual(['db-0', 'db-1']);
  expect(world.get('PersistentVolumeClaim', 'data-db-1').metadata?.uid).not.toBe(uid);
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
