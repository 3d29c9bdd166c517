// What every namespace has: made, made again, put right, and not in one that goes.
import { afterEach, beforeEach, expect, it } from 'vitest';
import { newNamespace } from '../namespace/bootstrap.js';
import { World } from '../testkit/world.js';
import { ServiceAccountController } from './controller.js';
import { RootCaController } from './root-ca.js';

let world: World;
const PEM = 'the authority\n';

beforeEach(async () => {
  world = await World.open(() => [new ServiceAccountController(), new RootCaController(PEM)]);
  await world.settle();
});
afterEach(() => world.close());

const dataIn = (namespace: string): Readonly<Record<string, string>> | undefined =>
  world.store.get('ConfigMap', namespace, 'kube-root-ca.crt')?.data;
const remove = (kind: 'ConfigMap' | 'ServiceAccount', name: string): void => {
  world.store.transact({ actor: 'u', reason: 'r' }, (tx) => void tx.markDeleted(kind, 'default', name, 0));
};

it('every namespace has an account and the authority, also those from before', async () => {
  world.create('Namespace', newNamespace('new'));
  await world.settle();
  for (const namespace of ['default', 'kube-system', 'new']) {
    expect(dataIn(namespace)).toEqual({ 'ca.crt': PEM });
    expect(world.store.get('ServiceAccount', namespace, 'default')).toBeDefined();
  }
});

it('both come back when they are deleted', async () => {
  remove('ConfigMap', 'kube-root-ca.crt');
  remove('ServiceAccount', 'default');
  expect(dataIn('default')).toBeUndefined();
  await world.settle();
  expect(dataIn('default')).toEqual({ 'ca.crt': PEM });
  expect(world.store.get('ServiceAccount', 'default', 'default')).toBeDefined();
});

it.each<[string, { data?: Record<string, string>; binaryData?: Record<string, Buffer>; immutable?: boolean }]>([
  ['another text', { data: { 'ca.crt': 'forged' } }],
  ['another key', { data: { 'ca.crt': PEM, more: 'x' } }],
  ['bytes beside it', { binaryData: { more: Buffer.from('x') } }],
  ['an immutable forgery', { data: { 'ca.crt': 'forged' }, immutable: true }],
])('%s is put right', async (_what, change) => {
  world.edit('ConfigMap', 'kube-root-ca.crt', (draft) => void Object.assign(draft, change));
  await world.settle();
  expect(dataIn('default')).toEqual({ 'ca.crt': PEM });
  expect(world.store.get('ConfigMap', 'default', 'kube-root-ca.crt')?.binaryData).toEqual({});
});

it('labels and annotations are left to people, and nothing is written for them', async () => {
  world.edit('ConfigMap', 'kube-root-ca.crt', (draft) => void (draft.metadata && (draft.metadata.labels = { mine: 'yes' })));
  const { revision } = world.store;
  await world.settle();
  expect(world.store.revision).toBe(revision);
});

it('a namespace that goes gets nothing', async () => {
  world.store.transact({ actor: 'u', reason: 'r' }, (tx) => void tx.markDeleted('Namespace', '', 'default', 0));
  remove('ConfigMap', 'kube-root-ca.crt');
  remove('ServiceAccount', 'default');
  await world.settle();
  expect(dataIn('default')).toBeUndefined();
  expect(world.store.get('ServiceAccount', 'default', 'default')).toBeUndefined();
});
