// Generic ephemeral volumes on real Docker: each is a claim of the pod's own, with all that claims have, and goes with the pod.
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { engine, engineAnswers, eventually } from '../harness.js';
import { FieldCluster, FOREVER, PATIENCE_MS, scriptContainer } from './field-cluster.js';

const answers = await engineAnswers();

const volume = (name: string, spec: string, metadata = '{}'): string =>
  `{name: ${name}, ephemeral: {volumeClaimTemplate: {metadata: ${metadata}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}${spec}}}}}`;
const pod = (name: string, script: string, volumes: readonly string[], more = ''): string => `apiVersion: v1
kind: Pod
metadata: {name: ${name}}
spec:
  terminationGracePeriodSeconds: 0
  ${more}
  containers: [${scriptContainer(
    'a',
    script,
    `volumeMounts: [${volumes
      .map((text) => /name: (\w+)/.exec(text)?.[1] ?? '')
      .map((one) => `{name: ${one}, mountPath: /${one}}`)
      .join(', ')}]`,
  )}]
  volumes: [${volumes.join(', ')}]
---
`;

describe.skipIf(!answers)('generic ephemeral volumes', () => {
  const cluster = new FieldCluster();
  beforeAll(async () => {
    await cluster.start(1);
  });
  afterAll(async () => {
    await cluster.remove();
  });

  const volumesOfEngine = async (): Promise<readonly string[]> => {
    const { Volumes } = await engine<{ Volumes: { Name: string; Labels: Record<string, string> | null }[] | null }>('GET', '/volumes');
    return (Volumes ?? [])
      .filter(({ Labels }) => Labels?.['podplane.dev/volume-node']?.startsWith(cluster.prefix) === true)
      .map(({ Name }) => Name);
  };
  const claims = (): Promise<string> => cluster.must('get', 'pvc');

  it('PodSpec volumes[].ephemeral.volumeClaimTemplate.metadata, PodSpec volumes[].ephemeral.volumeClaimTemplate.spec.accessModes, PodSpec volumes[].ephemeral.volumeClaimTemplate.spec.storageClassName, PodSpec volumes[].ephemeral.volumeClaimTemplate.spec.resources: the pod has a claim of its own and a volume of the engine behind it, which survive its containers and go with it', async () => {
    const scratch = volume('scratch', ', storageClassName: node-local', '{labels: {of: p}, annotations: {why: tests}}');
    await cluster.apply(
      pod(
        'p',
        `fs.appendFileSync('/scratch/log', 'run '); if (fs.readFileSync('/scratch/log', 'utf8') === 'run ') process.exit(1); ${FOREVER}`,
        [scratch],
      ),
    );
    const running = await cluster.podUntil(
      'p',
      'started again',
      ({ status }) => status?.containerStatuses[0]?.restartCount === 1 && status.containerStatuses[0].ready,
    );
    // A container that runs may have only just begun.
    await cluster.says('p', 'cat /scratch/log', (log) => log === 'run run');
    const claim = await cluster.get('PersistentVolumeClaim', 'p-scratch');
    expect(claim).toMatchObject({
      metadata: {
        labels: { of: 'p' },
        annotations: { why: 'tests' },
        ownerReferences: [{ kind: 'Pod', name: 'p', uid: running.metadata?.uid, controller: true, blockOwnerDeletion: true }],
      },
      spec: { accessModes: ['ReadWriteOnce'], storageClassName: 'node-local', resources: { requests: { storage: '1Gi' } } },
      status: { phase: 'Bound', capacity: { storage: '1Gi' } },
    });
    expect(await volumesOfEngine()).toHaveLength(1);
    await cluster.must('delete', 'pod', 'p');
    await eventually('the claim is gone', claims, (table) => !table.includes('p-scratch'), PATIENCE_MS);
    await eventually('its data is gone', volumesOfEngine, (names) => names.length === 0, PATIENCE_MS);
  });

  it('PodSpec volumes[].ephemeral.volumeClaimTemplate.spec.selector, PodSpec volumes[].ephemeral.volumeClaimTemplate.spec.volumeName: it takes volumes by label and by name', async () => {
    const folder = (name: string): string => path.join(cluster.directory, name);
    const made = (name: string): string => {
      mkdirSync(folder(name));
      return `apiVersion: v1
kind: PersistentVolume
metadata: {name: ${cluster.prefix}-${name}, labels: {disk: ${name}}}
spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], storageClassName: manual, hostPath: {path: ${folder(name)}, type: Directory}}
---
`;
    };
    const labelled = volume('l', ', storageClassName: manual, selector: {matchLabels: {disk: labelled}}');
    const named = volume('n', `, storageClassName: manual, volumeName: ${cluster.prefix}-named`);
    const write = `for (const one of ['l', 'n']) fs.writeFileSync('/' + one + '/mine', one); ${FOREVER}`;
    await cluster.apply(['other', 'labelled', 'named'].map(made).join('') + pod('q', write, [labelled, named]));
    await cluster.podReady('q');
    const written = (name: string): string => {
      const file = path.join(folder(name), 'mine');
      return existsSync(file) ? readFileSync(file, 'utf8') : '';
    };
    await eventually(
      'both are written',
      async () => [written('labelled'), written('named')],
      (texts) => texts.join() === 'l,n',
      PATIENCE_MS,
    );
    await cluster.must('delete', 'pod', 'q');
  });

  it('a claim of that name which is not the pod’s is never used, by whatever way the pod comes to its node', async () => {
    await cluster.apply(`apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: r-v}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
${pod('first', FOREVER, ['{name: v, persistentVolumeClaim: {claimName: r-v}}'])}`);
    const { spec } = await cluster.podReady('first'); // so that the foreign claim has a volume on the node
    const foreign = 'PVC default/r-v was not created for pod default/r (pod is not owner)';
    await cluster.apply(pod('r', FOREVER, [volume('v', '')]));
    await cluster.podUntil(
      'r',
      'waits',
      ({ status }) => status?.conditions.some(({ message }) => message?.includes(foreign) === true) === true,
    );
    await eventually(
      'an event',
      () => cluster.must('get', 'events'),
      (table) => table.includes(`ephemeral volume v: ${foreign}`),
      PATIENCE_MS,
    );
    await cluster.must('delete', 'pod', 'r');
    await cluster.apply(pod('r', FOREVER, [volume('v', '')], `nodeName: ${spec?.nodeName ?? ''}`));
    const [container] =
      (await cluster.podUntil('r', 'told by its node', ({ status }) => (status?.containerStatuses.length ?? 0) > 0)).status
        ?.containerStatuses ?? [];
    expect(container?.state?.waiting?.reason).toBe('ContainerCreating');
    await cluster.must('delete', 'pod', 'first');
    await cluster.must('delete', 'pvc', 'r-v');
    const { metadata } = await cluster.podReady('r');
    expect((await cluster.get('PersistentVolumeClaim', 'r-v')).metadata?.ownerReferences[0]?.uid).toBe(metadata?.uid);
    await cluster.must('delete', 'pod', 'r');
  });
});
