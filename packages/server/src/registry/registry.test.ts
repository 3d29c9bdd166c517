// The registry on a store whose journal and time move only when told: when answers go out, whose turn it is, what watchers are told.
import { Object as AnyObject } from '@podplane/api/gen/podplane/api/v1/object';
import { ConfigMap } from '@podplane/api/gen/podplane/core/v1/config_map';
import { Namespace } from '@podplane/api/gen/podplane/core/v1/namespace';
import { toObject } from '@podplane/api/kinds/catalogue';
import type { Kind } from '@podplane/api/kinds/kind-map';
import { allKinds } from '@podplane/api/kinds/kind-names';
import { createDefaultNamespaces } from '@podplane/controllers/namespace/bootstrap';
import { catalogueCodecs } from '@podplane/store/catalogue-codecs';
import { MemoryJournal } from '@podplane/store/journals/memory';
import { createStore } from '@podplane/store/store';
import { HandSystem } from '@podplane/store/testkit/hand-system';
import type { Journal, Store } from '@podplane/store/types';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { encodeAny } from './encoding.js';
import { type Given, Registry, type Writer } from './registry.js';
import { type WatchStep, watch } from './watches.js';

let system: HandSystem;
let journal: MemoryJournal;
let store: Store;
let registry: Registry;

const writer: Writer = { identity: { kind: 'admin', name: 'a' }, fieldManager: '', dryRun: false };
const query = { kind: 'ConfigMap', namespace: 'default', labelSelector: '', fieldSelector: '', resourceVersion: '' };

function given(name: string, labels: Record<string, string> = {}): Given {
  return { kind: 'ConfigMap', object: ConfigMap.fromPartial({ metadata: { name, namespace: 'default', labels } }) };
}

function put(name: string, labels: Record<string, string>): void {
  store.transact({ actor: 'test', reason: 'test' }, (tx) => {
    if (tx.get('ConfigMap', 'default', name) === undefined)
      tx.create('ConfigMap', ConfigMap.fromPartial({ metadata: { name, namespace: 'default', labels } }));
    else tx.edit('ConfigMap', 'default', name, ({ metadata }) => void (metadata !== undefined && (metadata.labels = labels)));
  });
}

async function open(on: Journal): Promise<void> {
  store = await createStore({ system, journal: on, codecs: catalogueCodecs });
  registry = new Registry(store, system);
}

beforeEach(async () => {
  system = new HandSystem();
  journal = new MemoryJournal();
  await open(journal);
  store.transact({ actor: 'test', reason: 'start' }, (tx) => createDefaultNamespaces(tx));
  await registry.create(given('dry'), { ...writer, dryRun: true }); // what is loaded with the first write takes real time
  await system.advance(0);
});
afterEach(async () => {
  journal.release();
  await store.close();
});

describe('a namespace', () => {
  it('is made and changed without a word about the finalizer that the server gives it; a word about others', async () => {
    const made = await registry.create({ kind: 'Namespace', object: Namespace.fromPartial({ metadata: { name: 'plain' } }) }, writer);
    expect(made.warnings).toEqual([]);
    const place = { kind: 'Namespace', namespace: '', name: 'plain' } as const;
    const patch = Buffer.from(JSON.stringify({ metadata: { labels: { a: 'b' } } }));
    expect((await registry.patch(place, 'merge', patch, '', writer)).warnings).toEqual([]);
    const odd = Namespace.fromPartial({ metadata: { name: 'odd' }, spec: { finalizers: ['example.com/mine'] } });
    const { object, warnings } = await registry.create({ kind: 'Namespace', object: odd }, writer);
    expect(warnings).toEqual(['spec.finalizers: accepted without effect: nothing waits for it']);
    expect(object).toMatchObject({ spec: { finalizers: ['example.com/mine', 'kubernetes'] } });
  });
});

describe('a refusal', () => {
  it('waits like an answer for what it was judged by to be durable', async () => {
    journal.hold();
    const answers: string[] = [];
    const note = (error: unknown): void => void answers.push((error as Error).message);
    const first = registry.create(given('a'), writer);
    const again = registry.create(given('a'), writer).catch(note);
    const dry = registry.create(given('a'), { ...writer, dryRun: true }).catch(note);
    await system.advance(1000);
    expect(answers).toEqual([]);
    journal.release();
    await system.advance(1);
    await Promise.all([first, again, dry]);
    expect(answers).toEqual(['configmaps "a" already exists', 'configmaps "a" already exists']);
  });
});

describe('batches', () => {
  it('that come together take turns, a slice each', async () => {
    const batch = (prefix: string): Given[] => Array.from({ length: 150 }, (_, i) => given(`${prefix}-${i}`));
    const before = store.revision;
    const done = Promise.all(['a', 'b', 'c'].map((prefix) => registry.createBatch(batch(prefix), writer)));
    const seen: number[] = [];
    for (let turn = 0; turn < 12; turn++) {
      await system.advance(0, 1);
      seen.push(store.revision - before);
    }
    for (const [i, count] of seen.entries()) expect(count - (seen[i - 1] ?? 0)).toBeLessThanOrEqual(1);
    expect(seen.at(-1)).toBe(6);
    await system.advance(1);
    expect((await done).map((results) => results.length)).toEqual([150, 150, 150]);
  });

  it('hold back while the journal has thousands of changes in its hands', async () => {
    journal.hold();
    let answered = false;
    const done = registry
      .createBatch(
        Array.from({ length: 6000 }, (_, i) => given(`a-${i}`)),
        writer,
      )
      .finally(() => void (answered = true));
    await system.advance(1000);
    expect(store.backlog).toBe(4000);
    expect(answered).toBe(false);
    journal.release();
    await system.advance(1000);
    expect(await done).toHaveLength(6000);
    expect(store.backlog).toBe(0);
  });
});

describe('a watch', () => {
  it('through a selector says how far it has read though all that happens passes it by', async () => {
    const steps = watch(store, system, { ...query, labelSelector: 'app=web' }, new AbortController().signal);
    expect((await steps.next()).value.synced).toBe(true);
    let step: WatchStep | undefined;
    void steps.next().then(({ value }) => (step = value));
    for (let second = 1; second <= 31; second++) {
      expect(step).toBeUndefined();
      put('other', { second: `${second}` });
      await system.advance(1000);
    }
    expect(step).toMatchObject({ changes: [], synced: false });
    expect(step?.revision).toBeGreaterThanOrEqual(store.revision - 1);
  });

  it('resumed over a restart is told of an object that left its selector, though nobody knows what it was before', async () => {
    put('a', { app: 'web' });
    await system.advance(1);
    const since = store.revision;
    put('a', { app: 'db' });
    put('b', { app: 'web' });
    await system.advance(1);
    await store.close();
    journal = journal.crash();
    const bounded: Journal = {
      // Its history begins after the first of these changes.
      recover: async () => {
        const recovered = await journal.recover();
        return { ...recovered, history: recovered.history.filter(({ revision }) => revision > since) };
      },
      append: (batch) => journal.append(batch),
      causes: (key, limit) => journal.causes(key, limit),
      causesAt: (revision, limit) => journal.causesAt(revision, limit),
      decisiveCause: (key, before) => journal.decisiveCause(key, before),
      close: () => journal.close(),
    };
    await open(bounded);
    const signal = new AbortController().signal;
    const steps = watch(store, system, { ...query, labelSelector: 'app=web', resourceVersion: String(since) }, signal);
    const told: string[] = [];
    while (told.length < 2)
      for (const { type, object } of (await steps.next()).value.changes) told.push(`${type} ${object.metadata?.name}`);
    expect(told).toEqual(['deleted a', 'added b']);
  });
});

describe('the wire form', () => {
  it.each(allKinds)('of a %s is what the generated code makes of it', (kind: Kind) => {
    const object = catalogueCodecs[kind].decode(new Uint8Array());
    object.metadata = {
      name: 'n'.repeat(200),
      labels: { a: 'b' },
      annotations: {},
      ownerReferences: [],
      finalizers: [],
      managedFields: [],
    };
    expect(Buffer.from(encodeAny(kind, object, false))).toEqual(Buffer.from(AnyObject.encode(toObject<Kind>(kind, object)).finish()));
  });
});
