// Claims and volumes on a real store: binding, provisioning, what is in use stays, what becomes of data. And, from random states, that no
// volume ever has two claims.
import type { Kind, KindMap, Obj } from '@podplane/api/kinds/kind-map';
import { DATA_PROTECTION, RECLAIM_NODE, SELECTED_NODE } from '@podplane/api/storage/words';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, it, test } from 'vitest';
import { barePod, cause, World } from '../testkit/world.js';
import { createDefaultClass } from './bootstrap.js';

let world: World;
beforeEach(async () => {
  world = await World.open();
  world.addNode('n1');
  world.addNode('n2');
  world.store.transact(cause, createDefaultClass);
  await world.settle();
});
afterEach(async () => {
  expect(world.errors).toEqual([]);
  await world.close();
});

const claimManifest = (name: string, spec: object = {}): object => ({
  metadata: { name, namespace: 'default' },
  spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } }, ...spec },
});
const volumeManifest = (name: string, spec: object = {}): object => ({
  metadata: { name },
  spec: { capacity: { storage: '1Gi' }, accessModes: ['ReadWriteOnce'], storageClassName: 'manual', hostPath: { path: '/srv' }, ...spec },
});
async function apply<K extends Kind>(kind: K, manifest: object): Promise<void> {
  world.apply(kind, manifest as never);
  await world.settle();
}
const claim = (name: string): Obj<'PersistentVolumeClaim'> => world.get('PersistentVolumeClaim', name);
const volume = (name: string): Obj<'PersistentVolume'> | undefined => world.store.get('PersistentVolume', '', name);
const volumes = (): Obj<'PersistentVolume'>[] => [...world.store.list('PersistentVolume')];
const told = (reason: string): string[] => world.events.filter((one) => one.reason === reason).map((one) => one.message);
async function edit<K extends Kind>(kind: K, namespace: string, name: string, fn: (draft: KindMap[K]) => void): Promise<void> {
  world.store.transact(cause, (tx) => void tx.edit(kind, namespace, name, fn));
  await world.settle();
}
async function remove(kind: Kind, namespace: string, name: string): Promise<void> {
  world.store.transact(cause, (tx) => void tx.markDeleted(kind, namespace, name, 0));
  await world.settle();
}
const select = (name: string, node: string): Promise<void> =>
  edit('PersistentVolumeClaim', 'default', name, (draft) => {
    if (draft.metadata !== undefined) draft.metadata.annotations[SELECTED_NODE] = node;
  });
/** What the agent says when the data is gone. */
const dataGone = (name: string): Promise<void> =>
  edit('PersistentVolume', '', name, (draft) => {
    if (draft.metadata !== undefined) draft.metadata.finalizers = draft.metadata.finalizers.filter((one) => one !== DATA_PROTECTION);
  });

it('a claim without a class gets the default one, waits for its first pod, and gets a volume on the node of that pod', async () => {
  await apply('PersistentVolumeClaim', claimManifest('data'));
  expect(claim('data')).toMatchObject({ spec: { storageClassName: 'node-local' }, status: { phase: 'Pending' } });
  expect([...new Set(told('WaitForFirstConsumer'))]).toEqual(['waiting for first consumer to be created before binding']);
  await select('data', 'n2');
  const name = `pvc-${claim('data').metadata?.uid}`;
  expect(claim('data')).toMatchObject({ spec: { volumeName: name }, status: { phase: 'Bound', capacity: { storage: '1Gi' } } });
  expect(volume(name)).toMatchObject({
    spec: {
      csi: { driver: 'node-local.podplane.dev', volumeHandle: name },
      claimRef: { name: 'data' },
      persistentVolumeReclaimPolicy: 'Delete',
    },
    status: { phase: 'Bound' },
  });
  expect(JSON.stringify(volume(name)?.spec?.nodeAffinity)).toContain('"values":["n2"]');
});

it('Delete: the volume goes when its node has removed the data, and says for whom it waits while that is away', async () => {
  await apply('PersistentVolumeClaim', claimManifest('data'));
  await select('data', 'n2');
  const name = claim('data').spec?.volumeName ?? '';
  await edit('Node', '', 'n2', (draft) => {
    const ready = draft.status?.conditions.find((one) => one.type === 'Ready');
    if (ready !== undefined) ready.status = 'Unknown';
  });
  await remove('PersistentVolumeClaim', 'default', 'data');
  expect(volume(name)?.status).toMatchObject({ phase: 'Released' });
  expect(volume(name)?.status?.message).toMatch(/^waits for node n2, which is not Ready, to remove the data/);
  expect(volume(name)?.metadata?.annotations[RECLAIM_NODE]).toBe('n2');
  await edit('Node', '', 'n2', (draft) => {
    const ready = draft.status?.conditions.find((one) => one.type === 'Ready');
    if (ready !== undefined) ready.status = 'True';
  });
  expect(volume(name)?.status?.message).toBeUndefined();
  expect([...world.store.index('PersistentVolume', 'reclaim', 'n2')]).toHaveLength(1);
  await dataGone(name);
  expect(volume(name)).toBeUndefined();
});

it('Retain: the volume stays Released with its data, also from the next claim of the same name', async () => {
  await apply('PersistentVolume', volumeManifest('v'));
  await apply('PersistentVolumeClaim', claimManifest('data', { storageClassName: 'manual' }));
  expect(claim('data').spec?.volumeName).toBe('v');
  await remove('PersistentVolumeClaim', 'default', 'data');
  expect(volume('v')?.status?.phase).toBe('Released');
  await apply('PersistentVolumeClaim', claimManifest('data', { storageClassName: 'manual' }));
  expect(claim('data').status?.phase).toBe('Pending');
  await edit('PersistentVolume', '', 'v', (draft) => {
    if (draft.spec !== undefined) draft.spec.claimRef = undefined;
  });
  expect(claim('data').status?.phase).toBe('Bound');
});

it('a claim stays while a pod that has a node uses it, a volume while a claim has it', async () => {
  await apply('PersistentVolume', volumeManifest('v'));
  await apply('PersistentVolumeClaim', claimManifest('data', { storageClassName: 'manual' }));
  const pod = barePod('p', {}) as unknown as { spec: { nodeName: string; volumes: unknown[] } };
  pod.spec.nodeName = 'n1';
  pod.spec.volumes = [{ name: 'd', persistentVolumeClaim: { claimName: 'data' } }];
  world.create('Pod', pod as never);
  await remove('PersistentVolume', '', 'v');
  await remove('PersistentVolumeClaim', 'default', 'data');
  expect(claim('data').metadata?.deletionTimestamp).toBeDefined();
  expect(volume('v')?.status?.phase).toBe('Bound');
  world.store.transact(cause, (tx) => tx.remove('Pod', 'default', 'p'));
  await world.settle();
  expect(world.store.get('PersistentVolumeClaim', 'default', 'data')).toBeUndefined();
  expect(volume('v')).toBeUndefined();
});

test.each<[string, object, string, RegExp]>([
  ['no class', { storageClassName: '' }, 'FailedBinding', /^no persistent volumes available for this claim and no storage class is set$/],
  ['a class that is not there', { storageClassName: 'x' }, 'ProvisioningFailed', /^storageclass\.storage\.k8s\.io "x" not found$/],
  ['a volume that is not there', { volumeName: 'x' }, 'FailedBinding', /^volume "x" not found$/],
  ['a volume of another claim', { volumeName: 'taken', storageClassName: 'manual' }, 'FailedBinding', /already bound to a different claim/],
  ['a volume that is too small', { volumeName: 'small', storageClassName: 'manual' }, 'VolumeMismatch', /requested PV is too small$/],
  ['a volume of another class', { volumeName: 'small', storageClassName: 'other' }, 'VolumeMismatch', /./],
])('a claim for %s waits and says why', async (_what, spec, reason, message) => {
  await apply('PersistentVolume', volumeManifest('small', { capacity: { storage: '1Mi' } }));
  await apply('PersistentVolume', volumeManifest('taken', { claimRef: { namespace: 'default', name: 'other', uid: 'u' } }));
  await apply('PersistentVolumeClaim', claimManifest('data', spec));
  expect(claim('data').status?.phase).toBe('Pending');
  expect(told(reason).at(-1)).toMatch(message);
});

it('node-local refuses what many nodes shall use, and does not read selectors', async () => {
  await apply('PersistentVolumeClaim', claimManifest('many', { accessModes: ['ReadWriteMany'] }));
  await select('many', 'n1');
  expect(told('ProvisioningFailed').at(-1)).toContain('not ReadWriteMany; see podplane.dev/shared-directory');
  await apply('PersistentVolumeClaim', claimManifest('picky', { selector: { matchLabels: { a: 'b' } } }));
  await select('picky', 'n1');
  expect(told('ProvisioningFailed').at(-1)).toContain('selector is not supported');
  expect(volumes()).toEqual([]);
});

it('a shared directory is made at once, for all nodes; a claim that loses its volume is Lost', async () => {
  world.apply('StorageClass', {
    metadata: { name: 'shared' },
    provisioner: 'podplane.dev/shared-directory',
    parameters: { path: '/mnt/all' },
  } as never);
  await apply('PersistentVolumeClaim', claimManifest('all', { storageClassName: 'shared', accessModes: ['ReadWriteMany'] }));
  const name = claim('all').spec?.volumeName ?? '';
  expect(volume(name)?.spec?.csi).toMatchObject({
    driver: 'shared-directory.podplane.dev',
    volumeHandle: `/mnt/all/default-all-${name}`,
  });
  expect(volume(name)?.spec?.nodeAffinity).toBeUndefined();
  world.store.transact(cause, (tx) => tx.remove('PersistentVolume', '', name));
  await world.settle();
  expect(claim('all').status?.phase).toBe('Lost');
  expect(told('ClaimLost')).toHaveLength(1);
});

it('a bound claim that asks for more gets it; the smallest volume that fits is taken, by label where it says so', async () => {
  for (const [name, storage] of Object.entries({ big: '5Gi', small: '2Gi', tiny: '1Mi' }))
    await apply('PersistentVolume', { ...volumeManifest(name, { capacity: { storage } }), metadata: { name, labels: { size: name } } });
  await apply('PersistentVolumeClaim', claimManifest('a', { storageClassName: 'manual' }));
  expect(claim('a').spec?.volumeName).toBe('small');
  await apply('PersistentVolumeClaim', claimManifest('b', { storageClassName: 'manual', selector: { matchLabels: { size: 'tiny' } } }));
  expect(claim('b').status?.phase).toBe('Pending');
  await edit('PersistentVolumeClaim', 'default', 'a', (draft) => {
    if (draft.spec?.resources !== undefined) draft.spec.resources.requests['storage'] = '3Gi';
  });
  expect(claim('a').status?.capacity['storage']).toBe('3Gi');
  expect(volume('small')?.spec?.capacity['storage']).toBe('3Gi');
});

it('from any interleaving: no volume has two claims, none of two claims has one volume, and what was bound stays bound', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(fc.nat({ max: 5 }), fc.nat({ max: 4 })), { minLength: 5, maxLength: 40 }), async (steps) => {
      const was = new Map<string, string>();
      for (const [what, which] of steps) {
        const name = `x${which}`;
        const uid = world.store.get('PersistentVolumeClaim', 'default', name)?.metadata?.uid ?? '';
        if (what === 0 && uid === '') await apply('PersistentVolumeClaim', claimManifest(name, { storageClassName: 'manual' }));
        else if (what === 1 && volume(name) === undefined) await apply('PersistentVolume', volumeManifest(name));
        else if (what === 2 && uid !== '') await remove('PersistentVolumeClaim', 'default', name);
        else if (what === 3 && volume(name) !== undefined) await remove('PersistentVolume', '', name);
        else if (what === 4 && uid === '') await apply('PersistentVolumeClaim', claimManifest(name));
        else if (what === 5 && uid !== '') await select(name, `n${(which % 2) + 1}`);
        const takers = new Map<string, string>();
        for (const one of world.store.list('PersistentVolumeClaim')) {
          const has = one.spec?.volumeName;
          const id = one.metadata?.uid ?? '';
          if (!has) continue;
          expect(takers.has(has)).toBe(false);
          takers.set(has, id);
          expect(volume(has)?.spec?.claimRef?.uid).toBe(id);
          expect(was.get(id) ?? has).toBe(has);
          was.set(id, has);
        }
      }
      for (const one of [...world.store.list('PersistentVolumeClaim')])
        await remove('PersistentVolumeClaim', 'default', one.metadata?.name ?? '');
      for (const one of volumes()) world.store.transact(cause, (tx) => tx.remove('PersistentVolume', '', one.metadata?.name ?? ''));
      await world.settle();
    }),
    { numRuns: 25 },
  );
});
