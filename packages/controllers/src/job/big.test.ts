// A Job of many completions: each pod is counted once, whatever is cleared meanwhile. JOB_COMPLETIONS=100000 runs as many as are promised.
import { afterEach, expect, it } from 'vitest';
import { cause, World } from '../testkit/world.js';

const COMPLETIONS = Number(process.env.JOB_COMPLETIONS ?? 3000);
const PARALLELISM = Math.min(5000, Math.ceil(COMPLETIONS / 5));

let world: World;
afterEach(async () => {
  expect(world.errors).toEqual([]);
  await world.close();
});

it.each(['NonIndexed', 'Indexed'])(
  'a %s one succeeds as often as asked for, by as many pods, and no pod is kept back',
  async (completionMode) => {
    world = await World.open();
    world.addNode('n1');
    world.apply('Job', {
      metadata: { name: 'big', namespace: 'default' },
      spec: {
        completions: COMPLETIONS,
        parallelism: PARALLELISM,
        completionMode,
        template: { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'v1' }] } },
      },
    });
    const made = new Set<string>();
    const succeed = (): number => {
      const open = [...world.store.list('Pod')].filter(({ status }) => status?.phase === 'Pending');
      world.store.transact(cause, (tx) => {
        for (const pod of open) {
          made.add(pod.metadata?.uid ?? '');
          if (pod.status !== undefined) tx.update('Pod', { ...pod, status: { ...pod.status, phase: 'Succeeded' } }, 'any');
        }
      });
      return open.length;
    };
    await world.settle();
    let most = 0;
    for (let left = succeed(); left > 0; left = succeed()) {
      most = Math.max(most, left);
      await world.settle();
    }
    const { status } = world.get('Job', 'big');
    expect(status).toMatchObject({ succeeded: COMPLETIONS, failed: 0, active: 0 });
    expect(status?.conditions.find(({ type }) => type === 'Complete')?.status).toBe('True');
    if (completionMode === 'Indexed') expect(status?.completedIndexes).toBe(`0-${COMPLETIONS - 1}`);
    expect([made.size, most]).toEqual([COMPLETIONS, PARALLELISM]);
    expect([...world.store.list('Pod')].filter(({ metadata }) => (metadata?.finalizers.length ?? 0) > 0)).toEqual([]);
  },
  600_000,
);
