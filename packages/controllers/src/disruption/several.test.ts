// Several budgets on one pod, from random pods, labels and budgets: the eviction call and drains never take a pod that more than one of them
// is about (unless none of its containers runs yet or any more), nor one that the only one keeps, whatever callers do and whenever.
import type { Obj } from '@podplane/api/kinds/kind-map';
import { isBeingDeleted, isPodReady, isPodTerminal } from '@podplane/api/pod-state';
import type { ChangeBatch } from '@podplane/store/types';
import fc from 'fast-check';
import { afterEach, expect, it } from 'vitest';
import { type DrainOptions, withDrain } from '../drain/request.js';
import { barePod, cause, World } from '../testkit/world.js';
import { evictPod } from './eviction.js';

type Pod = Obj<'Pod'>;

let world: World;
afterEach(async () => {
  expect(world.errors).toEqual([]);
  await world.close();
});

interface Rule {
  readonly labels: Readonly<Record<string, string>>;
  readonly minAvailable: number;
  readonly always: boolean;
}

const DRAIN: DrainOptions = {
  ignoreDaemonSets: true,
  force: true,
  deleteEmptyDirData: true,
  disableEviction: false,
  podSelector: '',
  gracePeriodSeconds: undefined,
  skipWaitForDeleteSeconds: undefined,
  onTimeout: 'Stop',
};

function drain(node: string): void {
  const now = world.system.clock.now();
  world.store.transact(cause, (tx) => {
    const found = tx.get('Node', '', node);
    if (found === undefined) return;
    const request = { ...DRAIN, id: `d${now}`, by: 'test', startedAt: now, deadline: undefined, total: 0, outcome: undefined };
    tx.update('Node', { ...withDrain(found, request), spec: { taints: [], podCIDRs: [], ...found.spec, unschedulable: true } }, 'any');
  });
}

const covers = ({ labels }: Rule, pod: Pod): boolean => Object.entries(labels).every(([key, value]) => pod.metadata?.labels[key] === value);
const isHealthy = (pod: Pod): boolean => isPodReady(pod) && !isBeingDeleted(pod);
/** An eviction protects nobody in these states. */
const isFree = (pod: Pod): boolean => isPodTerminal(pod) || isBeingDeleted(pod) || pod.status?.phase === 'Pending';

/** What is wrong with a transaction that sends pods away, counted by hand. before: all pods just before it. */
function problemsOf({ changes, revision }: ChangeBatch, before: ReadonlyMap<string, Pod>, rules: readonly Rule[]): string[] {
  const out: string[] = [];
  const pods = new Map(before);
  for (const { kind, type, object } of changes) {
    if (kind !== 'Pod') continue;
    const pod = object as Pod;
    const name = pod.metadata?.name ?? '';
    const was = before.get(name);
    if (type === 'deleted') pods.delete(name);
    else pods.set(name, pod);
    if (was === undefined || isFree(was) || !(type === 'deleted' || isBeingDeleted(pod))) continue;
    const about = rules.filter((rule) => covers(rule, was));
    if (about.length > 1) out.push(`revision ${revision}: ${name} goes under ${about.length} budgets`);
  }
  for (const rule of rules) {
    const healthy = (of: ReadonlyMap<string, Pod>): number => [...of.values()].filter((pod) => covers(rule, pod) && isHealthy(pod)).length;
    const [now, then] = [healthy(pods), healthy(before)];
    if (now < then && now < rule.minAvailable) out.push(`revision ${revision}: ${now} of ${rule.minAvailable} are left by ${then}`);
  }
  return out;
}

const label = fc.constantFrom('x', 'y');
const rule = fc.record({
  labels: fc.oneof(fc.record({ a: label }), fc.record({ b: label }), fc.record({ a: label, b: label })),
  minAvailable: fc.nat(3),
  always: fc.boolean(),
});
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('evict' as const), at: fc.nat(99) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('fail' as const, 'recover' as const), at: fc.nat(99) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('drain' as const, 'drain' as const, 'settle' as const), at: fc.nat(99) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('end' as const, 'relabel' as const, 'restart' as const), at: fc.nat(99) }) },
);

it('nobody takes what several budgets are about, nor what one keeps', async () => {
  const seen = { evicted: 0, blocked: 0, ambiguous: 0, drained: 0 };
  await fc.assert(
    fc.asyncProperty(
      fc.array(rule, { minLength: 1, maxLength: 3 }),
      fc.array(fc.record({ a: label, b: label }), { minLength: 2, maxLength: 8 }),
      fc.array(step, { minLength: 8, maxLength: 40 }),
      async (rules, pods, steps) => {
        world = await World.open();
        for (const node of ['n1', 'n2']) world.addNode(node);
        for (const [i, { labels, minAvailable, always }] of rules.entries())
          world.apply('PodDisruptionBudget', {
            metadata: { name: `b${i}`, namespace: 'default' },
            spec: { minAvailable, selector: { matchLabels: labels }, ...(always ? { unhealthyPodEvictionPolicy: 'AlwaysAllow' } : {}) },
          });
        for (const [i, labels] of pods.entries()) world.run(world.create('Pod', barePod(`p${i}`, labels)), true, i % 2 === 0 ? 'n1' : 'n2');
        await world.settle();
        const { cursor, state } = world.store.snapshotAndWatch({ kinds: ['Pod'] }, 'head', (view) => [...view.list('Pod')]);
        const known = new Map(state.map((pod) => [pod.metadata?.name ?? '', pod]));
        const problems: string[] = [];
        const check = (): void => {
          for (const batch of cursor.drain()) {
            const byCaller = batch.changes.some(({ object }) => isBeingDeleted(object));
            if (byCaller) problems.push(...problemsOf(batch, known, rules));
            for (const { type, object } of batch.changes)
              if (type === 'deleted') known.delete(object.metadata?.name ?? '');
              else known.set(object.metadata?.name ?? '', object as Pod);
          }
        };
        for (const { do: what, at } of steps) {
          const all = world.pods();
          const pod = all[at % Math.max(1, all.length)];
          if (what === 'settle') await world.settle();
          else if (what === 'restart') world.start();
          else if (what === 'drain') drain(at % 2 === 0 ? 'n1' : 'n2');
          else if (pod === undefined) continue;
          else if (what === 'evict') {
            const { result } = world.store.transact(cause, (tx) => evictPod(tx, pod, { message: 'test' }));
            seen[result.kind]++;
          } else if (isFree(pod)) continue;
          else if (what === 'end') world.end(pod.metadata?.name ?? '', 'Succeeded');
          else if (what === 'relabel')
            world.edit(
              'Pod',
              pod.metadata?.name ?? '',
              (draft) => draft.metadata && (draft.metadata.labels = pods[at % pods.length] ?? {}),
            );
          else world.run(pod, what === 'recover');
          check();
        }
        await world.pass(6000);
        check();
        seen.drained += world.events.filter(({ reason }) => reason === 'DrainBlocked' || reason === 'NodeDrained').length;
        expect(problems).toEqual([]);
        expect(world.errors).toEqual([]);
        await world.close();
      },
    ),
    { numRuns: 150, endOnFailure: true },
  );
  for (const [what, times] of Object.entries(seen)) expect([what, times > 5]).toEqual([what, true]);
  world = await World.open();
}, 120_000);
