// Rollouts over whatever order things happen in: what must hold at every moment, and where it must end.

import type { Obj } from '@podplane/api/kinds/kind-map';
import { availableAt } from '@podplane/api/pod-state';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OwnerGcController } from '../owner-gc/controller.js';
import { ReplicaSetController } from '../replicaset/controller.js';
import type { Reconciler } from '../runtime/types.js';
import { type DeploymentShape, makeDeployment, World } from '../testkit/world.js';
import { boundsOf } from './bounds.js';
import { DeploymentController } from './controller.js';

const workloads = (): Reconciler[] => [new OwnerGcController(), new ReplicaSetController(), new DeploymentController()];

describe('properties of rollouts', () => {
  type Step =
    | { readonly do: 'image'; readonly image: string }
    | { readonly do: 'scale'; readonly to: number }
    | { readonly do: 'ready' | 'unready' | 'fail' | 'delete' | 'reap'; readonly which: number }
    | { readonly do: 'settle' };
  const step: fc.Arbitrary<Step> = fc.oneof(
    fc.record({ do: fc.constant('image' as const), image: fc.constantFrom('v1', 'v2', 'v3') }),
    fc.record({ do: fc.constant('scale' as const), to: fc.integer({ min: 0, max: 7 }) }),
    { weight: 6, arbitrary: fc.record({ do: fc.constant('ready' as const), which: fc.nat() }) },
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constantFrom('unready' as const, 'fail' as const, 'delete' as const, 'reap' as const),
        which: fc.nat(),
      }),
    },
    { weight: 3, arbitrary: fc.constant({ do: 'settle' as const }) },
  );
  const shape: fc.Arbitrary<DeploymentShape> = fc.record({
    replicas: fc.integer({ min: 0, max: 7 }),
    maxSurge: fc.constantFrom<number | string>(0, 1, 2, '25%', '100%'),
    maxUnavailable: fc.constantFrom<number | string>(0, 1, '25%', '50%'),
    recreate: fc.constantFrom(false, false, false, true),
    minReadySeconds: fc.constantFrom(0, 0, 10),
    history: fc.constantFrom(0, 2),
  });

  it('converges from anywhere, never has more pods than allowed, never takes an available one that is needed', async () => {
    await fc.assert(
      fc.asyncProperty(shape, fc.array(step, { maxLength: 40 }), async (initial, steps) => {
        const w = await World.open(workloads);
        try {
          w.create('Deployment', makeDeployment('web', initial));
          await w.settle();
          const isAvailable = (pod: Obj<'Pod'>): boolean =>
            (availableAt(pod, initial.minReadySeconds ?? 0) ?? Number.POSITIVE_INFINITY) <= w.system.clock.now();
          const available = (): number => w.activePods().filter(isAvailable).length;
          for (const s of steps) {
            // What controllers take away by themselves is measured against what was there before they could act.
            const before = available();
            const pods = w.activePods();
            const pick = pods['which' in s ? s.which % Math.max(1, pods.length) : 0];
            let external = 0;
            switch (s.do) {
              case 'image':
                w.edit('Deployment', 'web', (d) => {
                  const container = d.spec?.template?.spec?.containers[0];
                  if (container !== undefined) container.image = s.image;
                });
                break;
              case 'scale':
                w.edit('Deployment', 'web', (d) => {
                  if (d.spec !== undefined) d.spec.replicas = s.to;
                });
                break;
              case 'ready':
                if (pick !== undefined) w.run(pick, true);
                break;
              case 'unready':
                if (pick !== undefined) {
                  external = isAvailable(pick) ? 1 : 0;
                  w.run(pick, false);
                }
                break;
              case 'fail':
              case 'delete':
                if (pick === undefined) break;
                external = isAvailable(pick) ? 1 : 0;
                if (s.do === 'delete')
                  w.store.transact(
                    { actor: 'u', reason: 'r' },
                    (tx) => void tx.markDeleted('Pod', 'default', pick.metadata?.name ?? '', 30),
                  );
                else
                  w.edit('Pod', pick.metadata?.name ?? '', (d) => {
                    if (d.status !== undefined) d.status.phase = 'Failed';
                  });
                break;
              case 'reap':
                w.reap();
                break;
              case 'settle':
                await w.system.advance(11_000);
            }
            await w.settle();
            const bounds = boundsOf(w.deployment());
            // More than asked for and surge: only while a smaller size is being reached, and never by growing.
            expect(w.activePods().length).toBeLessThanOrEqual(Math.max(bounds.replicas + bounds.maxSurge, pods.length));
            if (initial.recreate !== true && s.do !== 'scale') {
              expect(available() + external).toBeGreaterThanOrEqual(Math.min(before, bounds.replicas - bounds.maxUnavailable));
            }
          }
          // With minReadySeconds each step of a rollout takes its time.
          for (let i = 0; i < 20; i++) {
            await w.converge();
            await w.system.advance(11_000);
          }
          const { spec, status } = w.deployment();
          const wanted = spec?.replicas ?? 1;
          const alive = w.activePods();
          expect(alive.map((pod) => pod.spec?.containers[0]?.image)).toEqual(
            Array.from({ length: wanted }, () => spec?.template?.spec?.containers[0]?.image),
          );
          expect(status).toMatchObject({ replicas: wanted, updatedReplicas: wanted, availableReplicas: wanted, unavailableReplicas: 0 });
          expect(w.sets().filter((set) => (set.spec?.replicas ?? 0) > 0).length).toBeLessThanOrEqual(1);
          const { revision } = w.store;
          w.start(workloads);
          await w.system.advance(20_000);
          expect(w.store.revision).toBe(revision);
          expect(w.errors).toEqual([]);
        } finally {
          await w.close();
        }
      }),
      { numRuns: 60 },
    );
  });
});
