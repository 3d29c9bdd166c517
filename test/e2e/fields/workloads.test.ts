// What a manifest says of Deployments, ReplicaSets, ReplicationControllers, DaemonSets and StatefulSets, seen in their pods.
import type { Kind, KindMap } from '@podplane/api/kinds/kind-map';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { engineAnswers, eventually } from '../harness.js';
import { FieldCluster, FOREVER, isReady, PATIENCE_MS, scriptContainer } from './field-cluster.js';

type Pod = KindMap['Pod'];
type Workload = 'Deployment' | 'ReplicaSet' | 'ReplicationController' | 'DaemonSet' | 'StatefulSet';

const answers = await engineAnswers();

const template = (app: string, container = scriptContainer('main', FOREVER)): string => `template:
    metadata: {labels: {app: ${app}, tier: back}, annotations: {example.com/note: "of ${app}"}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
        - ${container}`;

const workload = (kind: Workload, name: string, more: string, container?: string): string => `---
apiVersion: ${kind === 'ReplicationController' ? 'v1' : 'apps/v1'}
kind: ${kind}
metadata: {name: ${name}}
spec:
  selector: ${kind === 'ReplicationController' ? `{app: ${name}}` : `{matchLabels: {app: ${name}}}`}
  ${more}
  ${template(name, container)}
`;

const NEVER_READY = scriptContainer('main', FOREVER, 'readinessProbe: {exec: {command: ["/bin/false"]}, periodSeconds: 1}');

describe.skipIf(!answers)('workloads', () => {
  const cluster = new FieldCluster();

  const podsOf = async (app: string): Promise<Pod[]> =>
    (await cluster.client.list('Pod', { namespace: 'default', labelSelector: `app=${app}` })).items;
  /** Those that are not on their way out. */
  const living = async (app: string): Promise<Pod[]> =>
    (await podsOf(app)).filter(({ metadata }) => metadata?.deletionTimestamp === undefined);
  const until = <K extends Kind>(kind: K, name: string, what: string, satisfied: (object: KindMap[K]) => boolean): Promise<KindMap[K]> =>
    eventually(`${kind} ${name} ${what}`, () => cluster.get(kind, name), satisfied, PATIENCE_MS);
  const ready = (app: string, count: number): Promise<Pod[]> =>
    eventually(
      `${count} pods of ${app} are Ready`,
      () => living(app),
      (pods) => pods.length === count && pods.every(isReady),
      PATIENCE_MS,
    );
  const change = (kind: Workload, name: string, spec: object): Promise<unknown> =>
    cluster.client.mergePatch(kind, 'default', name, { spec });
  const note = (text: string): object => ({ template: { metadata: { annotations: { 'example.com/note': text } } } });
  const noteOf = ({ metadata }: Pod): string => metadata?.annotations['example.com/note'] ?? '';
  const nameOf = ({ metadata }: Pod): string => metadata?.name ?? '';

  beforeAll(async () => {
    await cluster.start(2);
    await cluster.apply(
      [
        workload(
          'Deployment',
          'web',
          'replicas: 2\n  revisionHistoryLimit: 1\n  strategy: {rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}',
        ),
        workload('Deployment', 'once', 'strategy: {type: Recreate}'),
        workload('Deployment', 'slow', 'minReadySeconds: 500'),
        workload('Deployment', 'late', 'progressDeadlineSeconds: 1', NEVER_READY),
        `---
apiVersion: v1
kind: Pod
metadata: {name: stray, labels: {app: rs}}
spec: {terminationGracePeriodSeconds: 0, containers: [${scriptContainer('main', FOREVER)}]}
`,
        workload('ReplicaSet', 'rs', 'replicas: 2\n  minReadySeconds: 500'),
        workload('ReplicationController', 'rc', 'replicas: 2\n  minReadySeconds: 500'),
        workload('DaemonSet', 'each', 'revisionHistoryLimit: 0\n  updateStrategy: {rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}'),
        workload('DaemonSet', 'kept', 'minReadySeconds: 500\n  updateStrategy: {type: OnDelete}'),
        workload(
          'StatefulSet',
          'db',
          'replicas: 2\n  serviceName: db\n  ordinals: {start: 3}\n  revisionHistoryLimit: 0\n  updateStrategy: {rollingUpdate: {partition: 1}}',
        ),
        workload(
          'StatefulSet',
          'par',
          'replicas: 2\n  podManagementPolicy: Parallel\n  minReadySeconds: 500\n  updateStrategy: {type: OnDelete}',
        ),
        workload(
          'StatefulSet',
          'many',
          'replicas: 3\n  podManagementPolicy: Parallel\n  updateStrategy: {rollingUpdate: {maxUnavailable: 2}}',
        ),
        `---
apiVersion: v1
kind: PodTemplate
metadata: {name: mould}
${template('mould').replaceAll('\n  ', '\n')}
`,
      ].join(''),
    );
  });
  afterAll(async () => {
    await cluster.remove();
  });

  it('Deployment spec.replicas, Deployment spec.selector, Deployment spec.template.metadata: as many pods with these labels and annotations', async () => {
    const pods = await ready('web', 2);
    expect(pods.map(noteOf)).toEqual(['of web', 'of web']);
    expect(pods.map(({ metadata }) => metadata?.labels['tier'])).toEqual(['back', 'back']);
    await until('Deployment', 'web', 'is available', ({ status }) => status?.availableReplicas === 2);
    await change('Deployment', 'web', { replicas: 1 });
    await ready('web', 1);
  });

  it('Deployment spec.paused: a changed template is not rolled out, a changed size is', async () => {
    await change('Deployment', 'web', { paused: true, replicas: 2, ...note('changed') });
    expect((await ready('web', 2)).map(noteOf)).toEqual(['of web', 'of web']);
    const { status } = await until(
      'Deployment',
      'web',
      'says so',
      (web) => web.status?.conditions.some(({ reason }) => reason === 'DeploymentPaused') === true,
    );
    expect(status?.updatedReplicas).toBe(0);
    await change('Deployment', 'web', { paused: null });
    await eventually(
      'web is rolled out',
      () => living('web'),
      (pods) => pods.length === 2 && pods.every((pod) => noteOf(pod) === 'changed' && isReady(pod)),
      PATIENCE_MS,
    );
  });

  it('Deployment spec.revisionHistoryLimit: so many old ReplicaSets stay', async () => {
    await change('Deployment', 'web', note('third'));
    await until(
      'Deployment',
      'web',
      'is rolled out',
      ({ status, metadata }) =>
        status?.observedGeneration === metadata?.generation && status?.updatedReplicas === 2 && status?.replicas === 2,
    );
    const sets = await eventually(
      'the oldest set is gone',
      async () => (await cluster.client.list('ReplicaSet', { namespace: 'default', labelSelector: 'app=web' })).items,
      (items) => items.length <= 2,
      PATIENCE_MS,
    );
    expect(sets.map(({ metadata }) => metadata?.annotations['deployment.kubernetes.io/revision']).sort()).toEqual(['2', '3']);
  });

  it('Deployment spec.strategy: Recreate ends the old pod before the new one is made', async () => {
    const [old] = await ready('once', 1);
    await change('Deployment', 'once', note('new'));
    const seen: string[][] = [];
    await eventually(
      'the new pod is Ready',
      async () => {
        const pods = await podsOf('once');
        seen.push(pods.map(noteOf).sort());
        return pods;
      },
      (pods) => pods.length === 1 && pods[0]?.metadata?.uid !== old?.metadata?.uid && pods.every(isReady),
      PATIENCE_MS,
    );
    expect(seen.filter((notes) => notes.length > 1)).toEqual([]);
  });

  it('Deployment spec.minReadySeconds: a pod that is Ready is not available yet', async () => {
    const { status } = await until('Deployment', 'slow', 'has a ready pod', (slow) => slow.status?.readyReplicas === 1);
    expect([status?.availableReplicas ?? 0, status?.unavailableReplicas]).toEqual([0, 1]);
  });

  it('Deployment spec.progressDeadlineSeconds: a rollout that does not get on is called failed after it', async () => {
    const { status } = await until(
      'Deployment',
      'late',
      'has failed',
      (late) => late.status?.conditions.some(({ type, status: value }) => type === 'Progressing' && value === 'False') === true,
    );
    expect(status?.conditions.find(({ type }) => type === 'Progressing')?.reason).toBe('ProgressDeadlineExceeded');
    expect((await cluster.cli(['rollout', 'status', 'deploy/late'])).stderr).toContain('exceeded its progress deadline');
  });

  it('ReplicaSet spec.replicas, ReplicaSet spec.selector: a pod that matches already counts, and one that matches no more is let go', async () => {
    const pods = await ready('rs', 2);
    expect(pods.map(nameOf)).toContain('stray');
    const stray = await cluster.get('Pod', 'stray');
    expect(stray.metadata?.ownerReferences).toMatchObject([{ kind: 'ReplicaSet', name: 'rs', controller: true }]);
    await cluster.client.mergePatch('Pod', 'default', 'stray', { metadata: { labels: { app: 'free' } } });
    expect((await ready('rs', 2)).map(nameOf)).not.toContain('stray');
    await cluster.podUntil('stray', 'is let go', ({ metadata: free }) => free?.ownerReferences.length === 0);
  });

  it('ReplicaSet spec.template.metadata, ReplicaSet spec.minReadySeconds: its pods carry them, and are Ready before they are available', async () => {
    const { status } = await until('ReplicaSet', 'rs', 'is ready', (rs) => rs.status?.readyReplicas === 2 && rs.status.replicas === 2);
    expect(status).toMatchObject({ fullyLabeledReplicas: 2, availableReplicas: 0 });
    expect((await living('rs')).map(noteOf)).toEqual(['of rs', 'of rs']);
  });

  it('ReplicationController spec.replicas, ReplicationController spec.selector, ReplicationController spec.template.metadata, ReplicationController spec.minReadySeconds: as with a ReplicaSet', async () => {
    await ready('rc', 2);
    const { status, metadata } = await until('ReplicationController', 'rc', 'is ready', (rc) => rc.status?.readyReplicas === 2);
    expect(status).toMatchObject({ replicas: 2, fullyLabeledReplicas: 2, availableReplicas: 0 });
    expect(metadata?.labels).toEqual({ app: 'rc', tier: 'back' });
    expect((await living('rc')).map(noteOf)).toEqual(['of rc', 'of rc']);
    await cluster.must('scale', 'rc/rc', '--replicas', '1');
    await ready('rc', 1);
    await cluster.must('delete', 'rc', 'rc');
    expect(await podsOf('rc')).toEqual([]);
  });

  it('PodTemplate template.metadata: is kept as it was given', async () => {
    const { template: kept, metadata } = await cluster.get('PodTemplate', 'mould');
    expect(kept?.metadata).toMatchObject({ labels: { app: 'mould', tier: 'back' }, annotations: { 'example.com/note': 'of mould' } });
    expect(metadata?.generation).toBe(1);
    await cluster.client.mergePatch('PodTemplate', 'default', 'mould', note('other'));
    expect((await cluster.get('PodTemplate', 'mould')).metadata?.generation).toBe(2);
  });

  it('DaemonSet spec.selector, DaemonSet spec.template.metadata: one pod on each node, with these labels and annotations', async () => {
    const pods = await ready('each', 2);
    expect(pods.map(({ spec }) => spec?.nodeName).sort()).toEqual([cluster.node(1), cluster.node(2)]);
    expect(pods.map(noteOf)).toEqual(['of each', 'of each']);
  });

  it('DaemonSet spec.updateStrategy, DaemonSet spec.revisionHistoryLimit: surge starts the new pod beside the old one; no old revision is kept', async () => {
    const old = new Set((await ready('each', 2)).map(nameOf));
    await change('DaemonSet', 'each', note('new'));
    let without = 0;
    await eventually(
      'new pods everywhere',
      async () => {
        const pods = await podsOf('each');
        const served = new Set(pods.filter(isReady).map(({ spec }) => spec?.nodeName));
        if (served.size < 2) without++;
        return pods;
      },
      (pods) => pods.length === 2 && pods.every((pod) => isReady(pod) && !old.has(nameOf(pod)) && noteOf(pod) === 'new'),
      PATIENCE_MS,
    );
    expect(without).toBe(0);
    await eventually(
      'one revision is left',
      async () =>
        (await cluster.client.list('ControllerRevision', { namespace: 'default' })).items.filter(
          ({ metadata }) => metadata?.ownerReferences[0]?.name === 'each',
        ),
      (items) => items.length === 1 && items[0]?.revision === 2,
      PATIENCE_MS,
    );
  });

  it('DaemonSet spec.minReadySeconds: pods that are Ready are not available yet; OnDelete leaves them until somebody deletes them', async () => {
    const old = await ready('kept', 2);
    await change('DaemonSet', 'kept', note('new'));
    const { status } = await until(
      'DaemonSet',
      'kept',
      'is observed',
      (set) => set.status?.observedGeneration === set.metadata?.generation,
    );
    expect(status).toMatchObject({ numberReady: 2, numberAvailable: 0, numberUnavailable: 2, updatedNumberScheduled: 0 });
    await cluster.must('delete', 'pod', nameOf(old[0] as Pod), '--now');
    const pods = await ready('kept', 2);
    expect(pods.map(noteOf).sort()).toEqual(['new', 'of kept']);
  });

  it('ControllerRevision data, ControllerRevision revision: each template that was there, in order', async () => {
    const { items } = await cluster.client.list('ControllerRevision', { namespace: 'default', labelSelector: 'app=kept' });
    const held = items.map(({ revision, data }) => [
      revision,
      (data as { spec: { template: { metadata: { annotations: object } } } }).spec.template.metadata.annotations,
    ]);
    expect(held.sort()).toEqual([
      [1, { 'example.com/note': 'of kept' }],
      [2, { 'example.com/note': 'new' }],
    ]);
    expect(await cluster.must('rollout', 'history', 'ds/kept')).toMatch(/^1 .*\n2 /m);
  });

  it('StatefulSet spec.replicas, StatefulSet spec.selector, StatefulSet spec.ordinals, StatefulSet spec.serviceName, StatefulSet spec.template.metadata: pods of these numbers, one after the other', async () => {
    const pods = await ready('db', 2);
    expect(pods.map(nameOf).sort()).toEqual(['db-3', 'db-4']);
    expect(pods.map(noteOf)).toEqual(['of db', 'of db']);
    const [third, fourth] = ['db-3', 'db-4'].map((name) => pods.find((pod) => nameOf(pod) === name));
    const readySince = third?.status?.conditions.find(({ type }) => type === 'Ready')?.lastTransitionTime ?? '';
    // Times of creation have whole seconds.
    expect(Date.parse(fourth?.metadata?.creationTimestamp ?? '')).toBeGreaterThan(Date.parse(readySince) - 1000);
    expect((await cluster.get('StatefulSet', 'db')).spec?.serviceName).toBe('db');
    expect(await cluster.js('db-4', "require('os').hostname()")).toBe('db-4');
    expect(await cluster.js('db-4', "require('fs').readFileSync('/etc/hosts', 'utf8')")).toContain(
      '\tdb-4.db.default.svc.cluster.local\tdb-4',
    );
  });

  it('StatefulSet spec.updateStrategy.type, StatefulSet spec.updateStrategy.rollingUpdate.partition, StatefulSet spec.revisionHistoryLimit: numbers below the partition keep the old template, OnDelete all', async () => {
    await ready('par', 2);
    await change('StatefulSet', 'db', note('new'));
    await change('StatefulSet', 'par', note('new'));
    await cluster.podUntil('db-4', 'is new and Ready', (pod) => noteOf(pod) === 'new' && isReady(pod));
    const revisions = async (): Promise<string[]> =>
      (await cluster.client.list('ControllerRevision', { namespace: 'default', labelSelector: 'app=db' })).items.map(
        ({ metadata }) => metadata?.name ?? '',
      );
    const { status } = await until(
      'StatefulSet',
      'db',
      'counts it',
      (db) => db.status?.updatedReplicas === 1 && db.status.readyReplicas === 2,
    );
    expect(noteOf(await cluster.get('Pod', 'db-3'))).toBe('of db');
    expect((await revisions()).sort()).toEqual([status?.currentRevision, status?.updateRevision].sort());
    await change('StatefulSet', 'db', { updateStrategy: { rollingUpdate: { partition: 0 } } });
    await cluster.podUntil('db-3', 'is new and Ready', (pod) => noteOf(pod) === 'new' && isReady(pod));
    await eventually('only the newest revision is left', revisions, (names) => names.length === 1, PATIENCE_MS);
    await until('StatefulSet', 'par', 'is observed', (set) => set.status?.observedGeneration === set.metadata?.generation);
    expect((await living('par')).map(noteOf)).toEqual(['of par', 'of par']);
  });

  it('StatefulSet spec.podManagementPolicy, StatefulSet spec.minReadySeconds: Parallel waits for none of them to be available', async () => {
    await ready('par', 2);
    const { status } = await until('StatefulSet', 'par', 'is ready', (par) => par.status?.readyReplicas === 2);
    expect(status?.availableReplicas ?? 0).toBe(0);
    await cluster.must('delete', 'pod', 'par-0', '--now');
    const pods = await ready('par', 2);
    expect(pods.map((pod) => [nameOf(pod), noteOf(pod)]).sort()).toEqual([
      ['par-0', 'new'],
      ['par-1', 'of par'],
    ]);
  });

  it('StatefulSet spec.updateStrategy.rollingUpdate.maxUnavailable: so many are replaced at once, and no more', async () => {
    await ready('many', 3);
    const query = { namespace: 'default', labelSelector: 'app=many' };
    const { items, resourceVersion } = await cluster.client.list('Pod', query);
    const pods = new Map(items.map((pod) => [nameOf(pod), pod]));
    await change('StatefulSet', 'many', note('new'));
    // Every change of them, so that no moment is missed.
    const signal = AbortSignal.timeout(PATIENCE_MS);
    let most = 0;
    for await (const event of cluster.client.watch('Pod', query, { from: resourceVersion, signal, reset: false })) {
      if (event.type === 'DELETED') pods.delete(nameOf(event.object));
      else if (event.type === 'ADDED' || event.type === 'MODIFIED') pods.set(nameOf(event.object), event.object);
      const serving = [...pods.values()].filter((pod) => isReady(pod) && pod.metadata?.deletionTimestamp === undefined);
      most = Math.max(most, 3 - serving.length);
      if (serving.length === 3 && serving.every((pod) => noteOf(pod) === 'new')) break;
    }
    expect(signal.aborted).toBe(false);
    expect(most).toBe(2);
  });
});
