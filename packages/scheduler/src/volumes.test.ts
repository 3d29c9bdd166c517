// Pods with claims on a real store: what keeps them waiting, in Kubernetes' words, what lets them go on, and that they go where their
// volumes are.
import { PersistentVolume } from '@podplane/api/gen/podplane/core/v1/persistent_volume';
import { PersistentVolumeClaim } from '@podplane/api/gen/podplane/core/v1/persistent_volume_claim';
import { StorageClass } from '@podplane/api/gen/podplane/storage/v1/storage_class';
import type { Kind, Obj } from '@podplane/api/kinds/kind-map';
import { podCondition } from '@podplane/api/pod-state';
import { catalogueCodecs as codecs } from '@podplane/store/catalogue-codecs';
import { memoryJournal } from '@podplane/store/journals/memory';
import { createStore, type ObjectStore } from '@podplane/store/store';
import { HandSystem } from '@podplane/store/testkit/hand-system';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Scheduler } from './shell.js';
import { makeNode, makePod } from './testkit/fixtures.js';

let system: HandSystem;
let store: ObjectStore;
let scheduler: Scheduler;
const cause = { actor: 'user:test', reason: 'test' };
const settle = (): Promise<void> => system.advance(0);

beforeEach(async () => {
  system = new HandSystem();
  store = await createStore({ system, journal: memoryJournal(), codecs });
  scheduler = new Scheduler({ store, system, event: () => undefined, onError: (error) => expect.fail(String(error)) });
  scheduler.start();
  for (const name of ['n1', 'n2', 'n3']) store.transact(cause, (tx) => void tx.create('Node', makeNode(name)));
  putClass('wait', 'WaitForFirstConsumer', 'kubernetes.io/no-provisioner');
  putClass('local', 'WaitForFirstConsumer', 'podplane.dev/node-local');
  putClass('now', 'Immediate', 'podplane.dev/shared-directory');
  await settle();
});
afterEach(async () => {
  scheduler.stop();
  const closing = store.close();
  await system.advance(1000);
  await closing;
});

function putClass(name: string, volumeBindingMode: string, provisioner: string): void {
  store.transact(
    cause,
    (tx) => void tx.create('StorageClass', StorageClass.fromPartial({ metadata: { name }, provisioner, volumeBindingMode })),
  );
}

const BOUND = { 'pv.kubernetes.io/bind-completed': 'yes' };

function putClaim(name: string, storageClassName: string, volumeName = '', accessModes = ['ReadWriteOnce']): void {
  const metadata = { name, namespace: 'default', annotations: volumeName === '' ? {} : BOUND };
  const spec = { storageClassName, volumeName, accessModes, resources: { requests: { storage: '1Gi' } } };
  store.transact(cause, (tx) => void tx.create('PersistentVolumeClaim', PersistentVolumeClaim.fromPartial({ metadata, spec })));
}

function putVolume(name: string, storageClassName: string, node?: string, claim?: string): void {
  const term = { matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: [node ?? ''] }] };
  const uid = claim === undefined ? undefined : store.get('PersistentVolumeClaim', 'default', claim)?.metadata?.uid;
  const spec = {
    capacity: { storage: '1Gi' },
    accessModes: ['ReadWriteOnce', 'ReadWriteOncePod'],
    storageClassName,
    nodeAffinity: node === undefined ? undefined : { required: { nodeSelectorTerms: [term] } },
    claimRef: claim === undefined ? undefined : { namespace: 'default', name: claim, uid },
  };
  store.transact(cause, (tx) => void tx.create('PersistentVolume', PersistentVolume.fromPartial({ metadata: { name }, spec })));
}

async function putPod(name: string, ...claims: string[]): Promise<void> {
  const volumes = claims.map((claimName, i) => ({ name: `v${i}`, persistentVolumeClaim: { claimName } }));
  store.transact(cause, (tx) => void tx.create('Pod', makePod(name, { spec: { volumes } })));
  await settle();
}

const pod = (name: string): Obj<'Pod'> => store.get('Pod', 'default', name) ?? expect.fail(`no pod ${name}`);
const nodeOf = (name: string): string | undefined => pod(name).spec?.nodeName;
const whyNot = (name: string): string => podCondition(pod(name), 'PodScheduled')?.message?.split('\n')[0] ?? '';
async function drop(kind: Kind, name: string): Promise<void> {
  store.transact(cause, (tx) => tx.remove(kind, kind === 'PersistentVolume' ? '' : 'default', name));
  await settle();
}

it('a pod waits for its claim, and goes where its volume is as soon as there is one', async () => {
  await putPod('p', 'data');
  expect(whyNot('p')).toBe('0/3 nodes are available: persistentvolumeclaim "data" not found.');
  putClaim('data', 'now');
  await settle();
  expect(whyNot('p')).toBe('0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims.');
  putVolume('v', 'now', 'n2', 'data');
  store.transact(cause, (tx) =>
    tx.edit('PersistentVolumeClaim', 'default', 'data', (draft) => {
      if (draft.spec !== undefined) draft.spec.volumeName = 'v';
      if (draft.metadata !== undefined) draft.metadata.annotations = BOUND;
    }),
  );
  await system.advance(2000); // the second try
  expect(nodeOf('p')).toBe('n2');
});

it('says of each node that the volume is elsewhere, and which volume it is', async () => {
  putClaim('data', 'local', 'v');
  putVolume('v', 'local', 'n9', 'data');
  await putPod('p', 'data');
  expect(whyNot('p')).toBe('0/3 nodes are available: 3 node(s) had volume node affinity conflict (volume "v" on n1).');
  store.transact(cause, (tx) => void tx.create('Node', makeNode('n9')));
  await system.advance(2000);
  expect(nodeOf('p')).toBe('n9');
});

it('a claim that waits for its first pod is told the node, and gets the volume there is on it', async () => {
  putClaim('data', 'wait');
  await putPod('p', 'data');
  expect(whyNot('p')).toContain(`3 node(s) didn't find available persistent volumes to bind (claim "data"`);
  putVolume('v', 'wait', 'n3');
  await settle();
  expect(nodeOf('p')).toBe('n3');
  expect(store.get('PersistentVolume', '', 'v')?.spec?.claimRef).toMatchObject({
    name: 'data',
    uid: store.get('PersistentVolumeClaim', 'default', 'data')?.metadata?.uid,
  });
  expect(store.get('PersistentVolumeClaim', 'default', 'data')?.metadata?.annotations['volume.kubernetes.io/selected-node']).toBe('n3');
});

it('two claims never get one volume, also when both are decided in one pass', async () => {
  putClaim('a', 'wait');
  putClaim('b', 'wait');
  putVolume('v', 'wait', 'n1');
  const volumes = (claimName: string): object => ({ volumes: [{ name: 'v', persistentVolumeClaim: { claimName } }] });
  store.transact(cause, (tx) => {
    tx.create('Pod', makePod('p', { spec: volumes('a') as never }));
    tx.create('Pod', makePod('q', { spec: volumes('b') as never }));
  });
  await system.advance(5000);
  expect([nodeOf('p'), nodeOf('q')].filter((node) => node === 'n1')).toHaveLength(1);
  putVolume('w', 'wait', 'n2');
  await system.advance(15_000);
  expect([nodeOf('p'), nodeOf('q')].sort()).toEqual(['n1', 'n2']);
});

it('ReadWriteOncePod: one pod at a time; ReadWriteOnce: one node at a time', async () => {
  putClaim('one', 'now', 'v', ['ReadWriteOncePod']);
  putVolume('v', 'now', undefined, 'one');
  await putPod('p', 'one');
  expect(nodeOf('p')).toBeDefined();
  await putPod('q', 'one');
  expect(whyNot('q')).toBe(
    '0/3 nodes are available: node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode.',
  );
  await drop('Pod', 'p');
  expect(nodeOf('q')).toBeDefined();

  putClaim('shared', 'now', 'w');
  putVolume('w', 'now', undefined, 'shared');
  await putPod('r', 'shared');
  for (const name of ['s', 't']) await putPod(name, 'shared');
  expect(new Set([nodeOf('r'), nodeOf('s'), nodeOf('t')]).size).toBe(1);
});

it('a volume of the node is made anywhere, unless the class says where', async () => {
  putClaim('data', 'local');
  await putPod('p', 'data');
  expect(nodeOf('p')).toBeDefined();
  const allowedTopologies = [{ matchLabelExpressions: [{ key: 'kubernetes.io/hostname', values: ['n2'] }] }];
  const only = StorageClass.fromPartial({
    metadata: { name: 'only' },
    provisioner: 'podplane.dev/node-local',
    volumeBindingMode: 'WaitForFirstConsumer',
    allowedTopologies,
  });
  store.transact(cause, (tx) => void tx.create('StorageClass', only));
  putClaim('there', 'only');
  await putPod('q', 'there');
  expect(nodeOf('q')).toBe('n2');
});

it('a pod waits for the claim that is made for it, and never takes one of that name which is not its own', async () => {
  const volumes = [{ name: 'scratch', ephemeral: { volumeClaimTemplate: { spec: { accessModes: ['ReadWriteOnce'] } } } }];
  const made = store.transact(cause, (tx) => tx.create('Pod', makePod('p', { spec: { volumes } }))).result;
  await settle();
  expect(whyNot('p')).toBe(
    '0/3 nodes are available: waiting for ephemeral volume controller to create the persistentvolumeclaim "p-scratch".',
  );
  putClaim('p-scratch', 'local');
  await settle();
  expect(whyNot('p')).toBe('0/3 nodes are available: PVC default/p-scratch was not created for pod default/p (pod is not owner).');
  store.transact(cause, (tx) =>
    tx.edit('PersistentVolumeClaim', 'default', 'p-scratch', (draft) => {
      const owner = { apiVersion: 'v1', kind: 'Pod', name: 'p', uid: made.metadata?.uid ?? '', controller: true };
      draft.metadata?.ownerReferences.push({ ...owner, blockOwnerDeletion: true });
    }),
  );
  await system.advance(2000);
  expect(nodeOf('p')).not.toBe('');
  expect(store.get('PersistentVolumeClaim', 'default', 'p-scratch')?.metadata?.annotations['volume.kubernetes.io/selected-node']).toBe(
    nodeOf('p'),
  );
});
