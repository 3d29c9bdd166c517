import type { Cause, CausedChange, ChangeType, Key } from '@podplane/store/types';
import { expect, test } from 'vitest';
import { type Causes, type WhyLink, whyChanges } from './why.js';

const key = (kind: Key['kind'], name: string): Key => ({ kind, namespace: 'default', name });
const web = key('Deployment', 'web');
const set = key('ReplicaSet', 'web-1');
const [a, b] = [key('Pod', 'a'), key('Pod', 'b')];

/** A store that remembers these writes: each with the objects it changed; their revisions are 1, 2, ... */
function history(...writes: readonly (readonly [cause: Cause, type: ChangeType, ...keys: readonly Key[]])[]): Causes {
  const rows: CausedChange[] = writes.flatMap(([cause, type, ...keys], i) =>
    keys.map((one) => ({ key: one, revision: i + 1, time: (i + 1) * 1000, type, cause, decisive: cause.reason !== 'status' })),
  );
  return {
    causes: ({ kind, name }, limit) =>
      rows
        .filter((row) => row.key.kind === kind && row.key.name === name)
        .reverse()
        .slice(0, limit),
    causesAt: (revision, limit) => rows.filter((row) => row.revision === revision).slice(0, limit),
    decisiveCause: ({ kind, name }, before) =>
      rows.findLast(({ key, revision, decisive }) => key.kind === kind && key.name === name && revision < before && decisive),
  };
}

const by = (actor: string, reason: string, becauseOf?: number): Cause =>
  becauseOf === undefined ? { actor, reason } : { actor, reason, becauseOf };
const text = ({ key: { name }, cause: { actor }, type }: WhyLink): string => `${name} ${type} ${actor}`;
const told = (store: Causes, of: Key, limit = 10): string[][] => whyChanges(store, of, limit).map(({ links }) => links.map(text));

test('follows a change back to who began it', () => {
  const store = history(
    [by('user:admin', 'create'), 'added', web],
    [by('controller:deployment', 'new replica set', 1), 'added', set, web],
    [by('controller:replicaset', 'create 2 pods', 2), 'added', a, b],
  );
  expect(told(store, a)).toEqual([['a added controller:replicaset', 'web-1 added controller:deployment', 'web added user:admin']]);
  expect(whyChanges(store, a, 10)[0]?.links.map(({ others }) => others)).toEqual([1, 1, 0]);
});

test('of the scheduler, which decides on many pods at once, goes on with the pod itself', () => {
  const store = history(
    [by('user:a', 'create'), 'added', a],
    [by('user:b', 'create'), 'added', b],
    [by('scheduler', 'bind 2 pods', 2), 'modified', b, a],
  );
  expect(told(store, a)[0]).toEqual(['a modified scheduler', 'a added user:a']);
});

test('of a pod that its node ended, goes on with who asked for that', () => {
  const store = history(
    [by('user:admin', 'create'), 'added', a],
    [by('user:admin', 'delete'), 'modified', a],
    [by('node:n1', 'status'), 'modified', a],
    [by('node:n1', 'status'), 'deleted', a],
  );
  expect(told(store, a)[0]).toEqual(['a deleted node:n1', 'a modified user:admin']);
});

test('counts changes in a row that are alike as one', () => {
  const status = [by('node:n1', 'status'), 'modified', a] as const;
  const store = history([by('user:admin', 'create'), 'added', a], status, status, status);
  expect(whyChanges(store, a, 10).map(({ count, since }) => [count, since])).toEqual([
    [3, 2000],
    [1, 1000],
  ]);
  expect(whyChanges(store, a, 1)).toHaveLength(1);
});

test('ends where the cause is no longer kept, and in no circle', () => {
  const store = history([by('controller:x', 'later', 9), 'modified', a], [by('controller:x', 'of itself', 2), 'modified', a]);
  expect(told(store, a)).toEqual([['a modified controller:x'], ['a modified controller:x']]);
  expect(told(store, b)).toEqual([]);
});
