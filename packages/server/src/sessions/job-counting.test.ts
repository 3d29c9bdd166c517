// Jobs count exactly, whatever comes in between: agents' reports that are late, doubled, out of order, of another node or of an agent that forgot;
// deletions, suspension, changes of size, nodes that go, controllers that start anew in the middle of anything.
//
// What is checked is each transaction by itself: the finalizers that it takes off pods are what it adds to the job's counts, and nothing else is.
import { ContainerStatus } from '@podplane/api/gen/podplane/core/v1/container_status';
import { PodStatus } from '@podplane/api/gen/podplane/core/v1/pod';
import type { PodReport } from '@podplane/api/gen/podplane/node/v1/session';
import type { KindMap, Obj } from '@podplane/api/kinds/kind-map';
import { isBeingDeleted, isPodTerminal, JOB_TRACKING } from '@podplane/api/pod-state';
import { World } from '@podplane/controllers/testkit/world';
import type { ChangeBatch, Cursor } from '@podplane/store/types';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { takeStatuses } from './statuses.js';

type Pod = Obj<'Pod'>;
type Job = Obj<'Job'>;

const INDEX = 'batch.kubernetes.io/job-completion-index';
const IGNORED = 42;
const NODES = ['n1', 'n2'];
const cause = { actor: 'user:test', reason: 'test' };
const uidOf = (pod: Pod): string => pod.metadata?.uid ?? '';
const nameOf = (pod: Pod): string => pod.metadata?.name ?? '';
const isTracked = (pod: Pod | undefined): boolean => pod?.metadata?.finalizers.includes(JOB_TRACKING) === true;
const indexOf = (pod: Pod): number => Number(pod.metadata?.annotations[INDEX] ?? -1);

interface Shape {
  readonly indexed: boolean;
  /** podReplacementPolicy Failed. */
  readonly late: boolean;
  /** backoffLimitPerIndex. */
  readonly perIndex: boolean;
  /** A podFailurePolicy that ignores one exit code. */
  readonly policy: boolean;
}

let world: World;
afterEach(() => world.close());

function makeJob({ indexed, late, perIndex, policy }: Shape, completions: number, parallelism: number): void {
  const ignore = { rules: [{ action: 'Ignore', onExitCodes: { operator: 'In', values: [IGNORED] } }] };
  world.apply('Job', {
    metadata: { name: 'sum', namespace: 'default' },
    spec: {
      completions,
      parallelism,
      completionMode: indexed ? 'Indexed' : 'NonIndexed',
      backoffLimit: 100_000,
      podReplacementPolicy: late || policy ? 'Failed' : 'TerminatingOrFailed',
      ...(perIndex ? { backoffLimitPerIndex: 1000 } : {}),
      ...(policy ? { podFailurePolicy: ignore } : {}),
      template: { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'v1' }] } },
    },
  });
}

/** The agents of all nodes: what is true of each pod, and every report that was ever sent. */
class Agents {
  readonly #ended = new Map<string, { readonly phase: 'Succeeded' | 'Failed'; readonly code: number; readonly at: string }>();
  readonly sent: { readonly node: string; readonly report: PodReport }[] = [];

  /** A pod's container ends, unless it has. */
  end(pod: Pod, code: number): void {
    const at = new Date(world.system.clock.now()).toISOString();
    if (!this.#ended.has(uidOf(pod))) this.#ended.set(uidOf(pod), { phase: code === 0 ? 'Succeeded' : 'Failed', code, at });
  }

  report(pod: Pod, terminated = false): void {
    const node = pod.spec?.nodeName ?? '';
    if (node === '') return;
    if (terminated) this.end(pod, 137);
    const end = this.#ended.get(uidOf(pod));
    const state = end === undefined ? { running: {} } : { terminated: { exitCode: end.code, finishedAt: end.at } };
    const status = PodStatus.fromPartial({
      phase: end?.phase ?? 'Running',
      conditions: [{ type: 'Ready', status: end === undefined ? 'True' : 'False', lastTransitionTime: end?.at ?? '2026-01-01T00:00:00Z' }],
      containerStatuses: [
        ContainerStatus.fromPartial({ name: 'c', ready: end === undefined, restartCount: 0, image: 'v1', imageID: '', state }),
      ],
    });
    const report = { uid: uidOf(pod), status, terminated } as PodReport;
    this.sent.push({ node, report });
    takeStatuses(world.store, node, [report]);
  }

  /** Reports of before come (again), several in one batch, the newer ones first; now and then of a node that they are not of. */
  again(from: number, count: number, node: string | undefined): void {
    const some = this.sent.slice(from % Math.max(1, this.sent.length)).slice(0, count);
    for (const [own, reports] of Map.groupBy(some.reverse(), (one) => one.node))
      takeStatuses(
        world.store,
        node ?? own,
        reports.map(({ report }) => report),
      );
  }

  /** An agent that lost its memory begins anew with a pod. */
  forget(pod: Pod): void {
    if (pod.spec?.nodeName)
      takeStatuses(world.store, pod.spec.nodeName, [
        { uid: uidOf(pod), status: PodStatus.fromPartial({ phase: 'Pending' }), terminated: false } as PodReport,
      ]);
  }
}

/** Follows every transaction. */
class Ledger {
  readonly #cursor: Cursor;
  readonly #counted = new Set<string>();
  readonly #indexes = new Set<number>();
  readonly #running = new Map<string, Pod>();
  readonly problems: string[] = [];
  releases = 0;

  constructor(readonly shape: Shape) {
    this.#cursor = world.store.snapshotAndWatch({ kinds: ['Job', 'Pod'] }, 'head', () => undefined).cursor;
  }

  check(): void {
    for (const batch of this.#cursor.drain()) this.#one(batch);
  }

  #one({ revision, changes }: ChangeBatch): void {
    let [succeeded, failed] = [0, 0];
    let job: Job | undefined;
    let before: Job | undefined;
    const wrong = (text: string): void => void this.problems.push(`revision ${revision}: ${text}`);
    for (const { kind, type, object, previous } of changes) {
      if (kind === 'Job') [job, before] = [object as Job, previous as Job | undefined];
      if (kind !== 'Pod') continue;
      const [pod, was] = [object as Pod, previous as Pod | undefined];
      if (type === 'added' && this.shape.indexed && this.shape.late)
        for (const other of this.#running.values())
          if (indexOf(other) === indexOf(pod)) wrong(`${nameOf(pod)} is made while ${nameOf(other)} runs`);
      if (type === 'deleted' || isPodTerminal(pod)) this.#running.delete(uidOf(pod));
      else this.#running.set(uidOf(pod), pod);
      if (was === undefined || !isTracked(was)) continue;
      if (type !== 'deleted' && isTracked(pod)) continue;
      if (type === 'deleted' && isTracked(pod)) wrong(`${nameOf(pod)} is gone and was not counted`);
      if (this.#counted.has(uidOf(was))) wrong(`${nameOf(pod)} is let go a second time`);
      this.#counted.add(uidOf(was));
      this.releases++;
      if (this.shape.indexed && indexOf(was) >= this.#completions()) continue;
      if (was.status?.phase === 'Succeeded') {
        succeeded++;
        this.#indexes.add(indexOf(was));
      } else if (was.status?.phase === 'Failed') {
        const ignored = this.shape.policy && was.status.containerStatuses[0]?.state?.terminated?.exitCode === IGNORED;
        if (!ignored) failed++;
      } else if (isBeingDeleted(was)) failed++;
      // Else the job itself lets it go: it is suspended, or smaller.
    }
    const count = (of: Job | undefined, field: 'succeeded' | 'failed'): number => of?.status?.[field] ?? 0;
    const [plus, minus] = [count(job, 'succeeded') - count(before, 'succeeded'), count(job, 'failed') - count(before, 'failed')];
    if (minus !== failed) wrong(`failed grows by ${minus}; ${failed} failed pods were let go`);
    if (!this.shape.indexed) {
      if (plus !== succeeded) wrong(`succeeded grows by ${plus}; ${succeeded} pods that succeeded were let go`);
    } else if (job !== undefined && job.status !== before?.status) {
      // What a smaller job forgets is done again when it grows.
      for (const index of this.#indexes) if (index >= (job.spec?.completions ?? 0)) this.#indexes.delete(index);
      if (count(job, 'succeeded') !== this.#indexes.size)
        wrong(`succeeded is ${count(job, 'succeeded')} (${job.status?.completedIndexes}); indexes that did: ${[...this.#indexes].join()}`);
    }
  }

  #completions(): number {
    return world.store.get('Job', 'default', 'sum')?.spec?.completions ?? 0;
  }
}

const live = (): Pod[] => world.pods().filter((pod) => !isPodTerminal(pod));
const jobNow = (): Job => world.get('Job', 'sum');
const edit = (change: (spec: NonNullable<KindMap['Job']['spec']>) => void): void =>
  world.edit('Job', 'sum', (draft) => draft.spec && change(draft.spec));

const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('bind' as const), at: fc.nat(99) }) },
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constantFrom('succeed' as const, 'fail' as const, 'ignored' as const, 'run' as const), at: fc.nat(99) }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('again' as const, 'elsewhere' as const, 'forget' as const), at: fc.nat(99) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('delete' as const, 'kill' as const, 'ended' as const), at: fc.nat(99) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('settle' as const, 'restart' as const, 'pass' as const), at: fc.nat(99) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constantFrom('suspend' as const, 'resume' as const, 'size' as const, 'node' as const), at: fc.nat(99) }),
  },
);

describe.each<[string, Shape]>([
  ['NonIndexed', { indexed: false, late: false, perIndex: false, policy: false }],
  ['NonIndexed, replaced when they have ended', { indexed: false, late: true, perIndex: false, policy: false }],
  ['NonIndexed with a policy', { indexed: false, late: true, perIndex: false, policy: true }],
  ['Indexed', { indexed: true, late: false, perIndex: false, policy: false }],
  ['Indexed, replaced when they have ended', { indexed: true, late: true, perIndex: false, policy: false }],
  ['Indexed with limits of each index', { indexed: true, late: false, perIndex: true, policy: false }],
  ['Indexed with limits of each index and a policy', { indexed: true, late: true, perIndex: true, policy: true }],
])('%s', (_, shape) => {
  it('every pod is counted once, in the transaction that lets it go, whatever comes in between', async () => {
    let [releases, completed] = [0, 0];
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: 1, max: 4 }),
        fc.array(step, { minLength: 10, maxLength: 80 }),
        async (completions, parallelism, steps) => {
          world = await World.open();
          for (const node of NODES) world.addNode(node);
          makeJob(shape, completions, parallelism);
          const [agents, ledger] = [new Agents(), new Ledger(shape)];
          await world.settle();
          const remove = (pod: Pod, grace: number): void =>
            void world.store.transact(cause, (tx) => tx.markDeleted('Pod', 'default', nameOf(pod), grace));
          for (const { do: what, at } of steps) {
            const pods = live();
            const bound = pods.filter((pod) => pod.spec?.nodeName);
            const pod = pods[at % Math.max(1, pods.length)];
            const one = bound[at % Math.max(1, bound.length)];
            if (what === 'settle') await world.settle();
            else if (what === 'pass') await world.pass(at < 50 ? 1000 : 30_000);
            else if (what === 'restart') world.start();
            else if (what === 'suspend' || what === 'resume') edit((spec) => void (spec.suspend = what === 'suspend'));
            else if (what === 'size') {
              edit((spec) => {
                spec.parallelism = 1 + (at % 5);
                if (shape.indexed) spec.completions = spec.parallelism;
              });
            } else if (what === 'node') world.store.transact(cause, (tx) => tx.get('Node', '', 'n2') && tx.remove('Node', '', 'n2'));
            else if (what === 'again') agents.again(at, 1 + (at % 7), undefined);
            else if (what === 'elsewhere') agents.again(at, 3, NODES[at % 2]);
            else if (what === 'bind') {
              const waiting = pods.find((candidate) => !candidate.spec?.nodeName && !isBeingDeleted(candidate));
              if (waiting !== undefined) world.edit('Pod', nameOf(waiting), (draft) => draft.spec && (draft.spec.nodeName = NODES[at % 2]));
            } else if (what === 'delete' && pod !== undefined) remove(pod, pod.spec?.nodeName ? 1 : 0);
            else if (what === 'kill' && pod !== undefined) remove(pod, 0);
            else if (one === undefined) continue;
            else if (what === 'forget') agents.forget(one);
            else if (what === 'ended') agents.report(one, isBeingDeleted(one));
            else {
              if (what !== 'run') agents.end(one, what === 'succeed' ? 0 : what === 'fail' ? 1 : IGNORED);
              agents.report(one);
            }
            ledger.check();
          }
          edit((spec) => void (spec.suspend = false));
          for (let i = 0; i < 200 && jobNow().status?.completionTime === undefined; i++) {
            await world.pass(60_000);
            for (const pod of live()) {
              if (!pod.spec?.nodeName) world.edit('Pod', nameOf(pod), (draft) => draft.spec && (draft.spec.nodeName = 'n1'));
              if (isBeingDeleted(pod)) agents.report(pod, true);
              else agents.end(pod, 0);
            }
            for (const pod of live()) agents.report(pod);
          }
          await world.settle();
          ledger.check();
          expect(ledger.problems).toEqual([]);
          expect(jobNow().status?.conditions.at(-1)?.type).toBe('Complete');
          expect(world.pods().filter(isTracked)).toEqual([]);
          expect(world.errors).toEqual([]);
          releases += ledger.releases;
          completed += jobNow().status?.succeeded ?? 0;
          await world.close();
        },
      ),
      { numRuns: 25, endOnFailure: true },
    );
    expect(releases).toBeGreaterThan(completed);
    world = await World.open();
  }, 120_000);
});
