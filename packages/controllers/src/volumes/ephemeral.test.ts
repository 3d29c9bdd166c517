// Claims of pods' own: made with the pod, owned by it, never taken from somebody else, gone with the pod.
import { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import type { Obj } from '@podplane/api/kinds/kind-map';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { barePod, cause, World } from '../testkit/world.js';
import { createDefaultClass } from './bootstrap.js';

let world: World;
beforeEach(async () => {
  world = await World.open();
  world.addNode('n1');
  world.store.transact(cause, createDefaultClass);
  await world.settle();
});
afterEach(async () => {
  expect(world.errors).toEqual([]);
  await world.close();
});

const spec = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' }, limits: {} } };
const template = { metadata: { labels: { of: 'p' }, annotations: { why: 'tests' } }, spec };
const withVolumes = (name: string, ...volumes: readonly string[]): Pod => ({
  ...barePod(name),
  spec: Pod.fromPartial({
    spec: {
      containers: [{ name: 'c' }],
      volumes: volumes.map((volume) => ({ name: volume, ephemeral: { volumeClaimTemplate: template } })),
    },
  }).spec,
});
const claim = (name: string): Obj<'PersistentVolumeClaim'> | undefined => world.store.get('PersistentVolumeClaim', 'default', name);
const told = (): string[] => world.events.filter(({ reason }) => reason === 'FailedBinding').map(({ message }) => message);
async function change(act: (tx: Parameters<Parameters<typeof world.store.transact>[1]>[0]) => void): Promise<void> {
  world.store.transact(cause, (tx) => {
    act(tx);
  });
  await world.settle();
}

it('each volume has a claim that the pod controls, as its template says, with the default class', async () => {
  const pod = world.create('Pod', withVolumes('p', 'a', 'b'));
  await world.settle();
  expect(claim('p-a')).toMatchObject({
    metadata: {
      labels: { of: 'p' },
      annotations: { why: 'tests' },
      finalizers: ['kubernetes.io/pvc-protection'],
      ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: 'p', uid: pod.metadata?.uid, controller: true, blockOwnerDeletion: true }],
    },
    spec: {
      accessModes: ['ReadWriteOnce'],
      storageClassName: 'node-local',
      volumeMode: 'Filesystem',
      resources: { requests: { storage: '1Gi' } },
    },
    status: { phase: 'Pending' },
  });
  expect(claim('p-b')).toBeDefined();
  await change((tx) => tx.edit('Pod', 'default', 'p', (draft) => void (draft.spec !== undefined && (draft.spec.nodeName = 'n1'))));
  expect(claim('p-a')?.status?.phase).toBe('Bound');
});

it('a claim that is deleted is made again while the pod lives, and goes with the pod', async () => {
  world.create('Pod', withVolumes('p', 'a'));
  await world.settle();
  const before = claim('p-a')?.metadata?.uid;
  await change((tx) => tx.markDeleted('PersistentVolumeClaim', 'default', 'p-a', 0));
  expect(claim('p-a')?.metadata?.uid).not.toBe(before);
  expect(claim('p-a')).toBeDefined();
  await change((tx) => tx.markDeleted('Pod', 'default', 'p', 0));
  expect(claim('p-a')).toBeUndefined();
});

it('a claim of that name that is not the pod’s is left alone, and told of; when it goes the pod gets its own', async () => {
  world.apply('PersistentVolumeClaim', { metadata: { name: 'p-a', namespace: 'default' }, spec: { ...spec, storageClassName: 'x' } });
  const pod = world.create('Pod', withVolumes('p', 'a'));
  await world.settle();
  expect([...new Set(told())]).toEqual(['ephemeral volume a: PVC default/p-a was not created for pod default/p (pod is not owner)']);
  expect(claim('p-a')?.metadata?.ownerReferences).toEqual([]);
  await change((tx) => tx.markDeleted('PersistentVolumeClaim', 'default', 'p-a', 0));
  expect(claim('p-a')?.metadata?.ownerReferences[0]?.uid).toBe(pod.metadata?.uid);
});

it('the claim of the pod before, of the same name, is not the next one’s', async () => {
  world.create('Pod', withVolumes('p', 'a'));
  await world.settle();
  // Somebody holds it back.
  await change((tx) =>
    tx.edit('PersistentVolumeClaim', 'default', 'p-a', (draft) => void draft.metadata?.finalizers.push('example.com/held')),
  );
  await change((tx) => tx.markDeleted('Pod', 'default', 'p', 0));
  const pod = world.create('Pod', withVolumes('p', 'a'));
  await world.settle();
  expect(told()).not.toEqual([]);
  await change((tx) =>
    tx.edit('PersistentVolumeClaim', 'default', 'p-a', (draft) => void (draft.metadata && (draft.metadata.finalizers = []))),
  );
  expect(claim('p-a')?.metadata?.ownerReferences[0]?.uid).toBe(pod.metadata?.uid);
});

it('a claim that only has its name is not held back by it, nor bound where it runs', async () => {
  world.apply('PersistentVolumeClaim', { metadata: { name: 'p-a', namespace: 'default' }, spec });
  const pod = withVolumes('p', 'a');
  world.create('Pod', { ...pod, spec: { ...pod.spec, nodeName: 'n1' } as never });
  await world.settle();
  expect(claim('p-a')?.status?.phase).toBe('Pending');
  await change((tx) => tx.markDeleted('PersistentVolumeClaim', 'default', 'p-a', 0));
  expect(claim('p-a')).toMatchObject({ metadata: { ownerReferences: [{ name: 'p' }] }, status: { phase: 'Bound' } });
});

it('none is made for a pod that ends, nor where the namespace goes', async () => {
  const over = withVolumes('over', 'a');
  world.create('Pod', { ...over, status: { ...over.status, phase: 'Succeeded' } as never });
  await change((tx) => tx.markDeleted('Namespace', '', 'default', 0));
  world.create('Pod', withVolumes('late', 'a'));
  await world.settle();
  expect([claim('over-a'), claim('late-a'), told()]).toEqual([undefined, undefined, []]);
});
