import { ConfigMap } from '@podplane/api/gen/podplane/core/v1/config_map';
import { PersistentVolume } from '@podplane/api/gen/podplane/core/v1/persistent_volume';
import { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import type { Assignments } from '@podplane/api/gen/podplane/node/v1/session';
import { describe, expect, it } from 'vitest';
import { AssignmentStore } from './assignments.js';

const pod = (uid: string): Pod => Pod.fromJSON({ metadata: { uid, name: uid, namespace: 'd' } });
const map = (name: string, value: string): ConfigMap => ConfigMap.fromJSON({ metadata: { name, namespace: 'd' }, data: { value } });
const message = (change: Partial<Assignments>): Assignments => ({
  complete: false,
  from: 0,
  to: 0,
  pods: [],
  removedPodUids: [],
  configMaps: [],
  secrets: [],
  removedReferences: [],
  claimedVolumes: [],
  volumesToRemove: [],
  volumesToLeave: [],
  ...change,
});

const FIRST = { term: 1, previousTerm: 0, epoch: 0 };

describe('AssignmentStore', () => {
  it('takes everything first, then differences in a chain', () => {
    const store = new AssignmentStore();
    store.begin(FIRST);
    expect(store.apply(message({ from: 1, to: 2 }))).toEqual({ gap: true });
    expect(store.apply(message({ complete: true, to: 5, pods: [pod('a'), pod('b')], configMaps: [map('m', '1')] }))).toMatchObject({
      gap: false,
      removedUids: [],
    });
    expect(store.apply(message({ from: 5, to: 7, removedPodUids: ['a'], configMaps: [map('m', '2')] }))).toMatchObject({
      gap: false,
      removedUids: ['a'],
      referencesIn: new Set(['d']),
    });
    expect([...store.pods.keys()]).toEqual(['b']);
    expect(store.configMap('d', 'm')?.data.value).toBe('2');
    expect(store.apply(message({ from: 5, to: 8, pods: [pod('c')] }))).toEqual({ gap: true });
    expect(store.pods.has('c')).toBe(false);
    expect(store.apply(message({ from: 7, to: 9, removedReferences: ['ConfigMap/d/m'] })).gap).toBe(false);
    expect(store.configMap('d', 'm')).toBeUndefined();
  });

  it('what a complete message does not name goes, also what was known before the restart', () => {
    const store = new AssignmentStore();
    const claims = new Map([['d/c', PersistentVolume.fromJSON({ metadata: { name: 'v' } })]]);
    store.restore({ term: 0, epoch: 0, pods: [pod('old'), pod('kept')], configMaps: [map('m', '1')], secrets: [], claims });
    expect(store.claim('d', 'c')?.metadata?.name).toBe('v');
    store.begin(FIRST);
    expect(store.apply(message({ complete: true, to: 1, pods: [pod('kept')] }))).toMatchObject({ removedUids: ['old'] });
    expect(store.configMap('d', 'm')).toBeUndefined();
    expect(store.claim('d', 'c')).toBeUndefined();
  });

  it('a claim has its volume until it is taken back', () => {
    const store = new AssignmentStore();
    store.begin(FIRST);
    const claimedVolumes = [{ namespace: 'd', claim: 'c', volume: PersistentVolume.fromJSON({ metadata: { name: 'v' } }) }];
    expect(store.apply(message({ complete: true, to: 1, claimedVolumes }))).toMatchObject({ referencesIn: new Set(['d']) });
    expect(store.claim('d', 'c')?.metadata?.name).toBe('v');
    store.apply(message({ from: 1, to: 2, removedReferences: ['PersistentVolumeClaim/d/c'] }));
    expect(store.claim('d', 'c')).toBeUndefined();
  });

  it('a new session begins with everything', () => {
    const store = new AssignmentStore();
    store.begin(FIRST);
    store.apply(message({ complete: true, to: 3 }));
    store.begin(FIRST);
    expect(store.apply(message({ from: 3, to: 4 }))).toEqual({ gap: true });
  });
});
