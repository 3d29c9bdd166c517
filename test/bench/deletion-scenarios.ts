// What `npm run bench -- deletion` does: each scenario brings a core to a state, then deletes or resizes something and says what that cost.
import { Job, type JobStatus } from '@podplane/api/gen/podplane/batch/v1/job';
import type { Kind } from '@podplane/api/kinds/kind-map';
import { isPodReady } from '@podplane/api/pod-state';
import { deleteObject } from '@podplane/server/registry/deletion';
import { evict } from '@podplane/server/registry/eviction';
import { answer } from '@podplane/server/what-if/question';
import { type BedOptions, CoreBed, type Figures } from './core-bed.js';

/** As many as are made for each node. */
export const PODS_A_NODE = 100;
type Policy = 'Background' | 'Foreground' | 'Orphan';

export interface Scenario {
  readonly name: string;
  readonly options?: (n: number) => Partial<BedOptions>;
  readonly run: (bed: CoreBed, n: number) => Promise<Readonly<Record<string, Figures>>>;
}

const template = (app: string, more: object = {}): object => ({
  metadata: { labels: { app } },
  spec: {
    terminationGracePeriodSeconds: 1,
    containers: [{ name: 'main', image: 'example:1', resources: { requests: { cpu: '10m' } } }],
    ...more,
  },
});

const workload = (kind: string, name: string, replicas: number, spec: object = {}, namespace = 'default'): object => ({
  apiVersion: 'apps/v1',
  kind,
  metadata: { name, namespace },
  spec: { replicas, selector: { matchLabels: { app: name } }, template: template(name), ...spec },
});

const stateful = (replicas: number, podManagementPolicy: string): object =>
  workload('StatefulSet', 'db', replicas, { serviceName: 'db', podManagementPolicy });

const count = (bed: CoreBed, kind: Kind): number => bed.store.count(kind);

/** How many of a workload's pods are ready, as its own status says. */
const ready = (bed: CoreBed, kind: 'Deployment' | 'StatefulSet', name: string, namespace = 'default'): number => {
  const found = bed.store.get(kind, namespace, name);
  return found?.status?.observedGeneration === found?.metadata?.generation ? (found?.status?.readyReplicas ?? 0) : -1;
};

function remove(bed: CoreBed, kind: Kind, name: string, propagationPolicy: Policy | '' = '', namespace = 'default'): void {
  const options = { graceSeconds: undefined, propagationPolicy, uid: '', resourceVersion: '' };
  bed.write((tx) => void deleteObject(tx, { kind, namespace, name }, options));
}

function scale(bed: CoreBed, kind: 'Deployment' | 'StatefulSet', name: string, replicas: number): void {
  bed.write((tx) => void tx.edit(kind, 'default', name, (draft) => void (draft.spec && (draft.spec.replicas = replicas))));
}

async function deployed(bed: CoreBed, n: number, spec: object = {}): Promise<Figures> {
  return bed.measure(
    () => bed.create('Deployment', 1, () => workload('Deployment', 'web', n, spec)),
    () => ready(bed, 'Deployment', 'web') === n,
  );
}

const owned = (name: string, owner: { name: string; uid: string } | undefined): object => ({
  metadata: {
    name,
    namespace: 'default',
    ownerReferences: owner === undefined ? [] : [{ apiVersion: 'v1', kind: 'ConfigMap', ...owner, blockOwnerDeletion: true }],
  },
});

const uidOf = (bed: CoreBed, name: string): string => bed.store.get('ConfigMap', 'default', name)?.metadata?.uid ?? '';

/** Config maps of which each owns the next one. */
async function makeChain(bed: CoreBed, n: number): Promise<void> {
  for (let i = 0; i < n; i++) {
    const owner = i === 0 ? undefined : { name: `c${i - 1}`, uid: uidOf(bed, `c${i - 1}`) };
    await bed.create('ConfigMap', 1, () => owned(`c${i}`, owner));
  }
}

async function makeFan(bed: CoreBed, n: number): Promise<void> {
  await bed.create('ConfigMap', 1, () => owned('top', undefined));
  const owner = { name: 'top', uid: uidOf(bed, 'top') };
  await bed.create('ConfigMap', n, (i) => owned(`leaf${i}`, owner));
}

const noConfigMaps = (bed: CoreBed) => (): boolean =>
  ![...bed.store.list('ConfigMap', 'default')].some(({ metadata }) => /^(c\d|top|leaf|o\d)/.test(metadata?.name ?? ''));

const jobManifest = (n: number): object => ({
  metadata: { name: 'big', namespace: 'default' },
  spec: { completions: n, parallelism: n, template: template('big', { restartPolicy: 'Never' }) },
});

async function jobDone(bed: CoreBed, n: number): Promise<Figures> {
  return bed.measure(
    () => bed.create('Job', 1, () => jobManifest(n)),
    () => bed.store.get('Job', 'default', 'big')?.status?.conditions.some(({ type }) => type === 'Complete') === true,
  );
}

const complete = Job.fromPartial({ status: { startTime: '2026-01-01T00:00:00Z', conditions: [{ type: 'Complete', status: 'True' }] } })
  .status as JobStatus;

const noPods = (bed: CoreBed) => (): boolean => count(bed, 'Pod') === 0;

const daemonDone = (bed: CoreBed, n: number) => (): boolean => {
  const { metadata, status } = bed.store.get('DaemonSet', 'default', 'd') ?? {};
  return status?.observedGeneration === metadata?.generation && status?.updatedNumberScheduled === n && status.numberReady === n;
};

export const scenarios: readonly Scenario[] = [
  {
    name: 'namespace',
    run: async (bed, n) => {
      await bed.create('Namespace', 1, () => ({ metadata: { name: 'big' } }));
      await bed.until(() => bed.store.get('ServiceAccount', 'big', 'default') !== undefined);
      await bed.create('ConfigMap', Math.ceil(n * 0.4), (i) => ({ metadata: { name: `c${i}`, namespace: 'big' }, data: { a: 'b' } }));
      await bed.create('Pod', n / 2, (i) => ({ ...template('bare'), metadata: { name: `p${i}`, namespace: 'big' } }));
      await bed.create('Deployment', 10, (i) => workload('Deployment', `d${i}`, n / 20, {}, 'big'));
      await bed.until(() => count(bed, 'Pod') === n && [...bed.store.list('Pod', 'big')].every(isPodReady));
      return {
        delete: await bed.measure(
          () => remove(bed, 'Namespace', 'big', '', ''),
          () => bed.store.get('Namespace', '', 'big') === undefined,
        ),
      };
    },
  },
  ...(['Background', 'Foreground', 'Orphan'] as const).map(
    (policy): Scenario => ({
      name: `deployment ${policy}`,
      run: async (bed, n) => {
        const create = await deployed(bed, n);
        const done = (): boolean =>
          count(bed, 'Deployment') === 0 &&
          (policy === 'Orphan' ? [...bed.store.list('ReplicaSet')][0]?.metadata?.ownerReferences.length === 0 : count(bed, 'Pod') === 0);
        const deletion = await bed.measure(() => remove(bed, 'Deployment', 'web', policy), done);
        if (policy !== 'Orphan') return { create, delete: deletion };
        const set = [...bed.store.list('ReplicaSet')][0]?.metadata?.name ?? '';
        const orphans = await bed.measure(
          () => remove(bed, 'ReplicaSet', set, policy),
          () => count(bed, 'ReplicaSet') === 0,
        );
        return { 'orphan set': deletion, 'orphan pods': orphans };
      },
    }),
  ),
  ...(['Parallel', 'OrderedReady'] as const).map(
    (policy): Scenario => ({
      name: `statefulset ${policy}`,
      run: async (bed, n) => {
        await bed.create('StatefulSet', 1, () => stateful(0, policy));
        const up = await bed.measure(
          () => scale(bed, 'StatefulSet', 'db', n),
          () => ready(bed, 'StatefulSet', 'db') === n,
        );
        const down = await bed.measure(() => scale(bed, 'StatefulSet', 'db', 0), noPods(bed));
        return { up, down };
      },
    }),
  ),
  {
    name: 'job deleted',
    options: () => ({ runMs: 1 }),
    run: async (bed, n) => {
      const run = await jobDone(bed, n);
      return { run, delete: await bed.measure(() => remove(bed, 'Job', 'big', 'Background'), noPods(bed)) };
    },
  },
  {
    name: 'job ttl',
    options: () => ({ runMs: 1 }),
    run: async (bed, n) => {
      await jobDone(bed, n);
      const act = (): void =>
        bed.write((tx) => void tx.edit('Job', 'default', 'big', (draft) => void (draft.spec && (draft.spec.ttlSecondsAfterFinished = 0))));
      return { ttl: await bed.measure(act, () => noPods(bed)() && count(bed, 'Job') === 0) };
    },
  },
  {
    name: 'cronjob history',
    options: () => ({ nodes: 1 }),
    run: async (bed, n) => {
      await bed.create('CronJob', 1, () => ({
        metadata: { name: 'cron', namespace: 'default' },
        spec: {
          schedule: '0 0 1 1 *',
          successfulJobsHistoryLimit: n,
          failedJobsHistoryLimit: n,
          jobTemplate: { spec: { template: template('j', { restartPolicy: 'Never' }) } },
        },
      }));
      const uid = bed.store.get('CronJob', 'default', 'cron')?.metadata?.uid;
      await bed.create('Job', n, (i) => ({
        metadata: {
          name: `cron-${i}`,
          namespace: 'default',
          ownerReferences: [{ apiVersion: 'batch/v1', kind: 'CronJob', name: 'cron', uid, controller: true }],
        },
        spec: { suspend: true, template: template('j', { restartPolicy: 'Never' }) },
      }));
      // One after the other, as they end in life.
      const end = async (): Promise<void> => {
        for (let i = 0; i < n; i++) {
          bed.write((tx) =>
            tx.edit('Job', 'default', `cron-${i}`, (draft) => {
              draft.status = { ...draft.status, ...complete };
            }),
          );
          if (i % 10 === 9) await new Promise<void>((resolve) => void setImmediate(resolve));
        }
      };
      const fill = await bed.measure(end, () => true);
      const act = (): void =>
        bed.write(
          (tx) => void tx.edit('CronJob', 'default', 'cron', (draft) => void (draft.spec && (draft.spec.successfulJobsHistoryLimit = 1))),
        );
      return { 'jobs end': fill, 'limit 1': await bed.measure(act, () => count(bed, 'Job') === 1) };
    },
  },
  {
    name: 'daemonset',
    options: (n) => ({ nodes: n, podsEach: 10 }),
    run: async (bed, n) => {
      const spec = { updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: '20%' } } };
      const { replicas: _, ...rest } = (workload('DaemonSet', 'd', 0, spec) as { spec: Record<string, unknown> }).spec;
      const create = await bed.measure(
        () => bed.create('DaemonSet', 1, () => ({ metadata: { name: 'd', namespace: 'default' }, spec: rest })),
        daemonDone(bed, n),
      );
      const rollout = await bed.measure(
        () =>
          bed.write(
            (tx) =>
              void tx.edit(
                'DaemonSet',
                'default',
                'd',
                (draft) => void (draft.spec?.template?.metadata && (draft.spec.template.metadata.annotations = { v: '2' })),
              ),
          ),
        daemonDone(bed, n),
      );
      const added = await bed.measure(
        () => {
          for (let i = 0; i < 50; i++) bed.addNode(`x${i}`);
        },
        daemonDone(bed, n + 50),
      );
      const removed = await bed.measure(
        () => {
          for (let i = 0; i < 50; i++) {
            bed.dropNode(`x${i}`);
            remove(bed, 'Node', `x${i}`, '', '');
          }
        },
        () => daemonDone(bed, n)() && count(bed, 'Pod') === n,
      );
      return { create, rollout, 'nodes +50': added, 'nodes -50': removed };
    },
  },
  {
    name: 'budget',
    run: async (bed, n) => {
      await bed.create('PodDisruptionBudget', 1, () => ({
        metadata: { name: 'b', namespace: 'default' },
        spec: { maxUnavailable: '10%', selector: { matchLabels: { app: 'web' } } },
      }));
      const create = await deployed(bed, n);
      const options = { graceSeconds: undefined, propagationPolicy: '', uid: '', resourceVersion: '' };
      const names = [...bed.store.list('Pod')].slice(0, n / 20).map(({ metadata }) => metadata?.name ?? '');
      const calls = await bed.measure(
        () => {
          for (const name of names) bed.write((tx) => void evict(tx, 'default', name, options));
        },
        () => count(bed, 'Pod') === n && ready(bed, 'Deployment', 'web') === n,
      );
      const nodes = [...bed.store.list('Node')].slice(0, Math.ceil(n / PODS_A_NODE / 5)).map(({ metadata }) => metadata?.name ?? '');
      const drains = await bed.measure(
        () => {
          for (const name of nodes) bed.drain(name);
        },
        () => nodes.every((name) => bed.store.countIndex('Pod', 'node', name) === 0) && ready(bed, 'Deployment', 'web') === n,
      );
      return { create, 'n/20 evictions': calls, 'drain 1/5': drains };
    },
  },
  ...(['Background', 'Foreground'] as const).map(
    (policy): Scenario => ({
      name: `owner chain ${policy}`,
      options: () => ({ nodes: 1 }),
      run: async (bed, n) => {
        await makeChain(bed, n / 4);
        return { 'n/4 deep': await bed.measure(() => remove(bed, 'ConfigMap', 'c0', policy), noConfigMaps(bed)) };
      },
    }),
  ),
  ...(['Background', 'Foreground', 'Orphan'] as const).map(
    (policy): Scenario => ({
      name: `owner fan ${policy}`,
      options: () => ({ nodes: 1 }),
      run: async (bed, n) => {
        await makeFan(bed, n);
        const done = policy === 'Orphan' ? (): boolean => uidOf(bed, 'top') === '' : noConfigMaps(bed);
        return { delete: await bed.measure(() => remove(bed, 'ConfigMap', 'top', policy), done) };
      },
    }),
  ),
  {
    name: 'owners many',
    options: () => ({ nodes: 1 }),
    run: async (bed, n) => {
      await bed.create('ConfigMap', n, (i) => owned(`o${i}`, undefined));
      await bed.create('ConfigMap', n, (i) => owned(`leaf${i}`, { name: `o${i}`, uid: uidOf(bed, `o${i}`) }));
      const act = async (): Promise<void> => {
        for (let i = 0; i < n; i++) {
          remove(bed, 'ConfigMap', `o${i}`, 'Foreground');
          if (i % 100 === 99) await new Promise<void>((resolve) => void setImmediate(resolve));
        }
      };
      return { foreground: await bed.measure(act, noConfigMaps(bed)) };
    },
  },
  {
    name: 'preview',
    run: async (bed, n) => {
      await bed.create('PodDisruptionBudget', 1, () => ({
        metadata: { name: 'b', namespace: 'default' },
        spec: { maxUnavailable: '10%', selector: { matchLabels: { app: 'web' } } },
      }));
      await deployed(bed, n);
      const parts = { view: bed.store.durableView, system: bed.system, liveness: bed.liveness };
      const [first, second] = [...bed.store.list('Node')].map(({ metadata }) => metadata?.name ?? '');
      const options = {
        ignoreDaemonSets: true,
        force: true,
        deleteEmptyDirData: true,
        disableEviction: false,
        podSelector: '',
        gracePeriodSeconds: undefined,
        skipWaitForDeleteSeconds: undefined,
        onTimeout: 'Stop',
      } as const;
      const ask = (fn: () => Promise<unknown>): Promise<Figures> =>
        bed.measure(
          () => fn().then(() => undefined),
          () => true,
        );
      return {
        'lose node': await ask(() => answer(parts, { topic: 'loss', nodes: [first ?? ''] })),
        drain: await ask(() => answer(parts, { topic: 'drain', node: second ?? '', options })),
      };
    },
  },
  {
    name: 'rollout scaled',
    run: async (bed, n) => {
      const create = await deployed(bed, n, {
        strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '10%', maxUnavailable: '10%' } },
      });
      const roll = (): void =>
        bed.write(
          (tx) =>
            void tx.edit(
              'Deployment',
              'default',
              'web',
              (draft) =>
                void (draft.spec?.template?.metadata && (draft.spec.template.metadata.annotations = { v: String(bed.store.revision) })),
            ),
        );
      const updated = (): number => bed.store.get('Deployment', 'default', 'web')?.status?.updatedReplicas ?? 0;
      const half = await bed.measure(roll, () => updated() >= n / 2);
      const zero = await bed.measure(() => scale(bed, 'Deployment', 'web', 0), noPods(bed));
      const back = await bed.measure(
        async () => {
          roll();
          scale(bed, 'Deployment', 'web', n);
        },
        () => ready(bed, 'Deployment', 'web') === n,
      );
      return { create, 'half of rollout': half, 'to 0': zero, 'back up': back };
    },
  },
];
