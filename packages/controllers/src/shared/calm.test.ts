// When a workload counts as being at rest, and which changes end that though no number shows them.
import type { Obj } from '@podplane/api/kinds/kind-map';
import type { Change, ReadView } from '@podplane/store/types';
import { expect, it, test } from 'vitest';
import { Calm, isHidden, isLook, isWeightless, lookKey, withoutLook } from './calm.js';

const spec = { replicas: 3 };
const set = (over: Record<string, unknown> = {}): Obj<'StatefulSet'> =>
  ({ metadata: { uid: 'u', name: 'db' }, spec, ...over }) as unknown as Obj<'StatefulSet'>;
const view = (counts: Readonly<Record<string, number>>): ReadView =>
  ({ countIndex: (_kind: string, _index: string, value: string) => counts[value] ?? 0 }) as unknown as ReadView;

function atRest(): Calm {
  const calm = new Calm();
  calm.rest('a/db', set(), 3);
  return calm;
}

test.each<[string, number | undefined, Record<string, number>, Record<string, unknown>]>([
  ['all ready', 3, { 'u ready': 3 }, {}],
  ['one unready, one lost', 1, { 'u ready': 1, 'u unready': 1, 'u lost': 1 }, {}],
  ['another status', 3, { 'u ready': 3 }, { status: { readyReplicas: 2 } }],
  ['one is leaving', undefined, { 'u ready': 2, 'u leaving': 1 }, {}],
  ['one has ended', undefined, { 'u ready': 2, 'u over': 1 }, {}],
  ['one is gone', undefined, { 'u ready': 2 }, {}],
  ['one more', undefined, { 'u ready': 3, 'u unready': 1 }, {}],
  ['one more, which is leaving', undefined, { 'u ready': 3, 'u leaving': 1 }, {}],
  ['another set of its name', undefined, { 'v ready': 3 }, { metadata: { uid: 'v', name: 'db' } }],
  ['another spec', undefined, { 'u ready': 3 }, { spec: { replicas: 4 } }],
  ['deleted', undefined, { 'u ready': 3 }, { metadata: { uid: 'u', name: 'db', deletionTimestamp: '2026-01-01T00:00:00Z' } }],
])('%s: %s ready', (_what, ready, counts, over) => {
  const calm = atRest();
  expect(calm.ready('a/db', set(over), view(counts))).toBe(ready);
  // What was not so once is at rest again only when its controller says so.
  expect(calm.ready('a/db', set(), view({ 'u ready': 3 }))).toBe(ready === undefined ? undefined : 3);
});

it('knows nothing of what was not said to be at rest, or was forgotten', () => {
  const calm = atRest();
  expect(calm.ready('b/db', set(), view({ 'u ready': 3 }))).toBeUndefined();
  calm.forget('a/db');
  expect(calm.ready('a/db', set(), view({ 'u ready': 3 }))).toBeUndefined();
});

const labels = { a: 'b' };
const pod = (metadata: Record<string, unknown>, status?: object): unknown => ({
  metadata: { labels, ownerReferences: owners, finalizers: [], ...metadata },
  status,
});
const owners: unknown[] = [];

test.each<[string, boolean, Record<string, unknown>]>([
  ['a status', false, { type: 'modified', object: pod({}, { phase: 'Running' }), previous: pod({}) }],
  ['a deletion', false, { type: 'deleted', object: pod({}), previous: pod({}) }],
  ['labels', true, { type: 'modified', object: pod({ labels: { a: 'c' } }), previous: pod({}) }],
  ['owners', true, { type: 'modified', object: pod({ ownerReferences: [{}] }), previous: pod({}) }],
  ['a new pod', true, { type: 'added', object: pod({}) }],
  ['a revision', true, { kind: 'ControllerRevision', type: 'modified', object: {}, previous: {} }],
])('%s is hidden from the numbers: %s', (_what, hidden, change) => {
  expect(isHidden({ kind: 'Pod', ...change } as unknown as Change)).toBe(hidden);
});

it('keys that ask for a look are others, of the same set', () => {
  expect([isLook('a/db'), isLook(lookKey('a/db')), withoutLook(lookKey('a/db')), withoutLook('a/db')]).toEqual([
    false,
    true,
    'a/db',
    'a/db',
  ]);
});

const READY = { type: 'Ready', status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z' };
const unready = { phase: 'Pending', conditions: [] };
const ready = { phase: 'Running', conditions: [READY] };

test.each<[string, boolean, object, object, Record<string, unknown>?]>([
  ['an address', true, unready, { ...unready, podIP: '10.0.0.1' }],
  ['another condition', true, ready, { ...ready, conditions: [READY, { type: 'Initialized', status: 'True' }] }],
  ['its phase before it is ready', true, unready, { ...unready, phase: 'Running' }],
  ['ready', false, unready, ready],
  ['not ready any more', false, ready, { ...ready, conditions: [] }],
  ['ready since another time', false, ready, { ...ready, conditions: [{ ...READY, lastTransitionTime: '2026-01-01T00:00:01Z' }] }],
  ['its phase while it is ready', false, ready, { ...ready, phase: 'Unknown' }],
  ['over', false, ready, { phase: 'Failed', conditions: [] }],
  ['a deletion', false, ready, ready, { deletionTimestamp: '2026-01-01T00:00:00Z' }],
  ['labels', false, ready, ready, { labels: { a: 'c' } }],
])('%s is without weight: %s', (_what, weightless, before, now, metadata = {}) => {
  const change = { kind: 'Pod', type: 'modified', object: pod(metadata, now), previous: pod({}, before) };
  expect(isWeightless(change as unknown as Change)).toBe(weightless);
  expect(isWeightless({ ...change, type: 'deleted' } as unknown as Change)).toBe(false);
});
