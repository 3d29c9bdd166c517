// What pods of one owner share is right for each of them.
import { ReplicaSet } from '@podplane/api/gen/podplane/apps/v1/replica_set';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { controllerReference } from './objects.js';
import { type Mould, podFrom } from './pod-mould.js';

const mould: Mould = { labels: {}, annotations: {}, finalizers: [], spec: undefined, status: undefined };
const owner = (name: string, uid: string): ReplicaSet => ReplicaSet.fromPartial({ metadata: { name, uid, namespace: 'd' } });

it('names the owner that it was asked for, whoever had pods made before', () => {
  const one = fc.record({
    kind: fc.constantFrom('ReplicaSet', 'Job'),
    name: fc.constantFrom('a', 'b'),
    uid: fc.constantFrom('1', '2', ''),
  } as const);
  fc.assert(
    fc.property(fc.array(one, { maxLength: 10 }), (owners) => {
      for (const { kind, name, uid } of owners) {
        const { metadata } = podFrom(kind, owner(name, uid), mould, 'p');
        expect(metadata?.ownerReferences).toEqual([controllerReference(kind, owner(name, uid))]);
        expect(metadata?.generateName).toBe(`${name}-`);
        expect(metadata?.managedFields).toEqual([]);
      }
    }),
  );
});

it('keeps the reference to an owner once for all its pods', () => {
  const [first, second] = ['p', 'q'].map((name) => podFrom('ReplicaSet', owner('a', '7'), mould, name).metadata?.ownerReferences);
  expect(first).toBe(second);
  expect(Object.isFrozen(first?.[0])).toBe(true);
});
