// The eviction call: which errors it answers with, preconditions, dry run, and hundreds of callers at once against one budget.
import { ApiError } from '@podplane/api/errors';
import { Deployment } from '@podplane/api/gen/podplane/apps/v1/deployment';
import { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import { PodDisruptionBudget } from '@podplane/api/gen/podplane/policy/v1/pod_disruption_budget';
import { catalogueCodecs } from '@podplane/store/catalogue-codecs';
import { MemoryJournal } from '@podplane/store/journals/memory';
import { createStore } from '@podplane/store/store';
import { HandSystem } from '@podplane/store/testkit/hand-system';
import type { Store, Tx } from '@podplane/store/types';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { EvictOptions } from './eviction.js';
import { Registry, type Writer } from './registry.js';

const writer: Writer = { identity: { kind: 'admin', name: 'a' }, fieldManager: '', dryRun: false };
const options: EvictOptions = { graceSeconds: undefined, propagationPolicy: '', uid: '', resourceVersion: '' };
const PODS = 200;
const KEPT = 150;

let store: Store;
let registry: Registry;

beforeEach(async () => {
  const system = new HandSystem();
  store = await createStore({ system, journal: new MemoryJournal(), codecs: catalogueCodecs });
  registry = new Registry(store, system);
  store.transact({ actor: 'test', reason: 'test' }, (tx) => {
    tx.create('Deployment', Deployment.fromPartial({ metadata: { name: 'web', namespace: 'default' }, spec: { replicas: PODS } }));
    for (let i = 0; i < PODS; i++) {
      tx.create(
        'Pod',
        Pod.fromPartial({
          metadata: { name: `web-${i}`, namespace: 'default', labels: { app: 'web' } },
          spec: { nodeName: 'n1', terminationGracePeriodSeconds: 7 },
          status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] },
        }),
      );
    }
    budget(tx, 'web');
  });
});
afterEach(() => store.close());

function budget(tx: Tx, name: string): void {
  tx.create(
    'PodDisruptionBudget',
    PodDisruptionBudget.fromPartial({
      metadata: { name, namespace: 'default' },
      spec: { minAvailable: KEPT, selector: { matchLabels: { app: 'web' } } },
    }),
  );
}

async function refusal(promise: Promise<unknown>): Promise<ApiError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(ApiError);
  return error as ApiError;
}
const evict = (name: string, more: Partial<EvictOptions> = {}, by: Writer = writer): ReturnType<Registry['evict']> =>
  registry.evict({ namespace: 'default', name }, { ...options, ...more }, by);
const living = (): number => [...store.list('Pod')].filter((pod) => pod.metadata?.deletionTimestamp === undefined).length;

it('many callers at once get as many pods as the budget has to give, and not one more', async () => {
  const results = await Promise.allSettled(Array.from({ length: PODS }, (_, i) => evict(`web-${i}`)));
  expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(PODS - KEPT);
  expect(living()).toBe(KEPT);
  expect(store.get('PodDisruptionBudget', 'default', 'web')?.status).toMatchObject({ disruptionsAllowed: 0, currentHealthy: KEPT });
});

it('a refusal is 429 in the words of Kubernetes: the budget, what it needs and has, what to do', async () => {
  for (let i = 0; i < PODS - KEPT; i++) await evict(`web-${i}`);
  expect(await refusal(evict('web-199'))).toMatchObject({
    reason: 'TooManyRequests',
    message: "Cannot evict pod as it would violate the pod's disruption budget.",
    causes: [{ reason: 'DisruptionBudget', message: `The disruption budget web needs ${KEPT} healthy pods and has ${KEPT} currently` }],
    advice: 'Try again when more of its pods are ready; see: podplane describe pdb web -n default',
    target: { kind: 'Pod', namespace: 'default', name: 'web-199' },
    retryAfterSeconds: 10,
  });
});

it('grace, preconditions, dry run; a pod that is not there; options that mean nothing', async () => {
  expect((await evict('web-0', {}, { ...writer, dryRun: true })).object.metadata?.deletionTimestamp).toBeDefined();
  expect(living()).toBe(PODS);
  expect((await evict('web-0')).object.metadata?.deletionGracePeriodSeconds).toBe(7);
  expect((await evict('web-1', { graceSeconds: 3 })).object.metadata?.deletionGracePeriodSeconds).toBe(3);
  expect((await evict('web-2', { graceSeconds: 0 })).gone).toBe(true);
  expect((await evict('web-4', { propagationPolicy: 'Orphan' })).object.metadata?.finalizers).toEqual(['orphan']);
  expect((await refusal(evict('web-3', { propagationPolicy: 'Some' }))).reason).toBe('Invalid');
  expect((await refusal(evict('web-3', { uid: 'other' }))).message).toContain(
    'the UID in the precondition (other) does not match the UID in record',
  );
  expect((await refusal(evict('web-3', { resourceVersion: '99' }))).reason).toBe('Conflict');
  expect((await refusal(evict('web-3', { graceSeconds: -1 }))).reason).toBe('BadRequest');
  expect((await refusal(evict('none'))).message).toBe('pods "none" not found');
  expect(store.get('Pod', 'default', 'web-3')?.metadata?.deletionTimestamp).toBeUndefined();
});

it('a fenced pod keeps its name until it has ended, whatever the grace', async () => {
  store.transact({ actor: 'test', reason: 'test' }, (tx) =>
    tx.create(
      'Pod',
      Pod.fromPartial({
        metadata: { name: 'db-0', namespace: 'default', annotations: { 'podplane.dev/fencing': 'strict' } },
        spec: { nodeName: 'n1', terminationGracePeriodSeconds: 7 },
        status: { phase: 'Running' },
      }),
    ),
  );
  const { gone, object } = await evict('db-0', { graceSeconds: 0 });
  expect([gone, object.metadata?.deletionGracePeriodSeconds]).toEqual([false, 1]);
});

it('two budgets: refused as Kubernetes does, with their names', async () => {
  store.transact({ actor: 'test', reason: 'test' }, (tx) => budget(tx, 'also'));
  expect(await refusal(evict('web-0'))).toMatchObject({
    reason: 'InternalError',
    message: 'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.',
    causes: [{ message: 'The disruption budget also is about it' }, { message: 'The disruption budget web is about it' }],
  });
});
