// A rollout that fails goes back or pauses where the Deployment asks for it, once, and says so; and one that is complete has to stay so.
import { ContainerStatus } from '@podplane/api/gen/podplane/core/v1/container_status';
import type { Obj } from '@podplane/api/kinds/kind-map';
import { isPodReady } from '@podplane/api/pod-state';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { OwnerGcController } from '../owner-gc/controller.js';
import { ReplicaSetController } from '../replicaset/controller.js';
import { makeDeployment, World } from '../testkit/world.js';
import { DeploymentController } from './controller.js';
import { conditionOf } from './status.js';

let world: World;

beforeEach(async () => {
  world = await World.open(() => [new OwnerGcController(), new ReplicaSetController(), new DeploymentController()]);
});

afterEach(async () => {
  expect(world.errors).toEqual([]);
  await world.close();
});

const imageOf = (object: Obj<'Pod'> | Obj<'Deployment'>): string =>
  (object.kind === 'Pod' ? (object as Obj<'Pod'>).spec : (object as Obj<'Deployment'>).spec?.template?.spec)?.containers[0]?.image ?? '';
const setImage = (image: string, cause?: string): void =>
  world.edit('Deployment', 'web', (draft) => {
    const container = draft.spec?.template?.spec?.containers[0];
    if (container !== undefined) container.image = image;
    if (cause !== undefined && draft.metadata !== undefined) draft.metadata.annotations['kubernetes.io/change-cause'] = cause;
  });
const failure = (): { readonly reason?: string | undefined; readonly message?: string | undefined } | undefined =>
  conditionOf(world.deployment().status, 'RolloutFailed');
const progress = (): string | undefined => conditionOf(world.deployment().status, 'Progressing')?.reason;
const told = (reason: string): number => world.events.filter((event) => event.reason === reason).length;

/** Lets everything work until nothing changes; pods of bad images never get ready, those being deleted go. */
async function work(bad: readonly string[] = []): Promise<void> {
  for (;;) {
    const before = world.store.revision;
    await world.settle();
    for (const pod of world.activePods()) if (!bad.includes(imageOf(pod)) && !isPodReady(pod)) world.run(pod);
    world.reap();
    await world.settle();
    if (world.store.revision === before) return;
  }
}

function crash(pod: Obj<'Pod'>): void {
  world.run(pod, false);
  world.edit('Pod', pod.metadata?.name ?? '', (draft) => {
    if (draft.status === undefined) return;
    const state = { waiting: { reason: 'CrashLoopBackOff', message: 'back-off 10s restarting' } };
    draft.status.containerStatuses = [
      ContainerStatus.fromPartial({ name: 'c', ready: false, restartCount: 2, image: '', imageID: '', state }),
    ];
  });
}

async function start(annotations: Record<string, string>, history?: number): Promise<void> {
  const deployment = makeDeployment('web', { replicas: 3, maxSurge: 1, maxUnavailable: 0, deadline: 60, history: history ?? 10 });
  if (deployment.metadata !== undefined) deployment.metadata.annotations = annotations;
  world.create('Deployment', deployment);
  await work();
}

describe('rollback', () => {
  it('goes back to the last revision that was complete, says why, and rests', async () => {
    await start({ 'podplane.dev/on-failure': 'rollback', 'kubernetes.io/change-cause': 'first' });
    setImage('bad', 'second');
    await work(['bad']);
    expect(world.activePods().map(imageOf).sort()).toEqual(['bad', 'v1', 'v1', 'v1']);
    await world.pass(61_000);
    await work(['bad']);
    expect(world.activePods().map(imageOf)).toEqual(['v1', 'v1', 'v1']);
    expect(imageOf(world.deployment())).toBe('v1');
    expect(world.deployment().metadata?.annotations).toMatchObject({
      'kubernetes.io/change-cause': 'first',
      'deployment.kubernetes.io/revision': '3',
    });
    expect(failure()).toMatchObject({
      reason: 'RolledBack',
      message: expect.stringMatching(/^Revision 2 \(web-\w+\) made no progress for 60 s; rolled back to revision 1 \(web-\w+\)$/) as string,
    });
    expect(progress()).toBe('NewReplicaSetAvailable');
    const { revision } = world.store;
    await world.pass(300_000);
    expect(world.store.revision).toBe(revision);
    expect(told('RolledBack')).toBe(1);
  });

  it('a new rollout begins with a clean sheet; so does the failed template when it is asked for again', async () => {
    await start({ 'podplane.dev/on-failure': 'rollback' });
    setImage('bad');
    await work(['bad']);
    await world.pass(61_000);
    await work(['bad']);
    setImage('v2');
    await work(['bad']);
    expect([failure(), progress()]).toEqual([undefined, 'NewReplicaSetAvailable']);
    setImage('bad');
    await work(['bad']);
    expect([failure(), progress()]).toEqual([undefined, 'ReplicaSetUpdated']);
    // What was wrong around it has been mended.
    await world.pass(30_000);
    await work();
    expect([failure(), progress(), imageOf(world.deployment())]).toEqual([undefined, 'NewReplicaSetAvailable', 'bad']);
    expect(told('RolledBack')).toBe(1);
  });

  it('skips revisions that were never complete', async () => {
    await start({ 'podplane.dev/on-failure': 'rollback' });
    setImage('bad1');
    await work(['bad1', 'bad2']);
    await world.pass(30_000);
    setImage('bad2');
    await work(['bad1', 'bad2']);
    await world.pass(61_000);
    await work(['bad1', 'bad2']);
    expect(imageOf(world.deployment())).toBe('v1');
    expect(failure()?.message).toContain('rolled back to revision 1 ');
  });

  it('a first rollout has nothing to go back to, and a way back that fails is not taken back', async () => {
    world.create('Deployment', {
      ...makeDeployment('web', { replicas: 1, deadline: 60 }),
      metadata: { ...makeDeployment('web').metadata, annotations: { 'podplane.dev/on-failure': 'rollback' } } as never,
    });
    await work(['v1']);
    await world.pass(61_000);
    expect(failure()).toMatchObject({ reason: 'NothingToRollBackTo' });
    await world.pass(120_000);
    expect(told('NothingToRollBackTo')).toBe(1);
    // It becomes ready at last: then it has not failed.
    await work();
    expect([failure(), progress()]).toEqual([undefined, 'NewReplicaSetAvailable']);
    setImage('v2');
    await work();
    setImage('bad');
    await work(['bad']);
    await world.pass(61_000);
    await work(['bad', 'v2']);
    expect(imageOf(world.deployment())).toBe('v2');
    for (const pod of world.activePods()) world.run(pod, false);
    await world.pass(61_000);
    await work(['bad', 'v2']);
    expect(imageOf(world.deployment())).toBe('v2');
    expect(told('RolledBack')).toBe(1);
  });

  it('the revision to go back to is kept until the new one is good, whatever the history limit', async () => {
    await start({ 'podplane.dev/on-failure': 'rollback', 'podplane.dev/bake-time': '30s' }, 0);
    await world.pass(31_000);
    setImage('v2');
    await work();
    expect([progress(), world.sets().length]).toEqual(['Baking', 2]);
    await world.pass(31_000);
    expect([progress(), world.sets().length]).toEqual(['NewReplicaSetAvailable', 1]);
  });

  it('after a restart of the server it is done exactly once', async () => {
    await start({ 'podplane.dev/on-failure': 'rollback' });
    setImage('bad');
    await work(['bad']);
    await world.pass(59_000);
    world.start(() => [new OwnerGcController(), new ReplicaSetController(), new DeploymentController()]);
    await world.pass(5000);
    world.start(() => [new OwnerGcController(), new ReplicaSetController(), new DeploymentController()]);
    await work(['bad']);
    expect([imageOf(world.deployment()), told('RolledBack'), failure()?.reason]).toEqual(['v1', 1, 'RolledBack']);
  });
});

describe('pause', () => {
  it('stops where it is; resumed it has its time anew', async () => {
    await start({ 'podplane.dev/on-failure': 'pause' });
    setImage('bad');
    await work(['bad']);
    await world.pass(61_000);
    await work(['bad']);
    expect(world.deployment().spec?.paused).toBe(true);
    expect(failure()).toMatchObject({ reason: 'RolloutPaused', message: expect.stringContaining('the rollout is paused') as string });
    expect(world.activePods().map(imageOf).sort()).toEqual(['bad', 'v1', 'v1', 'v1']);
    const resume = (): void => world.edit('Deployment', 'web', (draft) => void (draft.spec && (draft.spec.paused = false)));
    resume();
    await work(['bad']);
    expect([failure(), progress(), world.deployment().spec?.paused]).toEqual([undefined, 'DeploymentResumed', false]);
    await world.pass(61_000);
    expect([failure()?.reason, told('RolloutPaused')]).toEqual(['RolloutPaused', 2]);
    setImage('v2');
    resume();
    await work(['bad']);
    expect([failure(), progress(), world.activePods().map(imageOf)]).toEqual([undefined, 'NewReplicaSetAvailable', ['v2', 'v2', 'v2']]);
  });
});

describe('bake time', () => {
  const bake = { 'podplane.dev/on-failure': 'rollback', 'podplane.dev/bake-time': '1m30s' };

  it('a complete rollout counts as good when its pods have stayed available for it', async () => {
    await start(bake);
    expect(progress()).toBe('Baking');
    await world.pass(89_000);
    expect(progress()).toBe('Baking');
    await world.pass(2000);
    expect(progress()).toBe('NewReplicaSetAvailable');
    const { revision } = world.store;
    // Later trouble is not the rollout's.
    const [pod] = world.activePods();
    if (pod !== undefined) crash(pod);
    await world.pass(200_000);
    expect([progress(), failure(), told('RolledBack')]).toEqual(['NewReplicaSetAvailable', undefined, 0]);
    expect(world.store.revision).toBeGreaterThan(revision);
  });

  it('a pod that does not stay available makes it begin anew; a crash loop ends it', async () => {
    await start(bake);
    await world.pass(91_000);
    setImage('v2');
    await work();
    expect(progress()).toBe('Baking');
    await world.pass(60_000);
    const [pod] = world.activePods();
    if (pod === undefined) throw new Error('no pod');
    world.run(pod, false);
    await world.settle();
    expect(progress()).toBe('BakeInterrupted');
    await world.pass(10_000);
    world.run(pod, true);
    await world.pass(60_000);
    expect([progress(), failure()]).toEqual(['Baking', undefined]);
    crash(pod);
    await work(['v2']);
    expect(imageOf(world.deployment())).toBe('v1');
    expect(failure()?.message).toMatch(
      /^Revision 2 \(web-\w+\) did not stay available: pod web-\S+, container c: back-off 10s restarting; rolled back to revision 1 /,
    );
    await work();
    await world.pass(91_000);
    expect([progress(), failure()?.reason, world.activePods().map(imageOf)]).toEqual([
      'NewReplicaSetAvailable',
      'RolledBack',
      ['v1', 'v1', 'v1'],
    ]);
  });

  it('a change in the middle of it never makes the unbaked revision one to go back to', async () => {
    await start(bake);
    await world.pass(91_000);
    setImage('v2');
    await work();
    await world.pass(60_000);
    setImage('bad');
    await work(['bad']);
    await world.pass(61_000);
    await work(['bad']);
    expect(imageOf(world.deployment())).toBe('v1');
  });
});

it('without the annotation a failed rollout stays where it is', async () => {
  await start({});
  setImage('bad');
  await work(['bad']);
  await world.pass(120_000);
  expect([progress(), failure(), imageOf(world.deployment())]).toEqual(['ProgressDeadlineExceeded', undefined, 'bad']);
});
