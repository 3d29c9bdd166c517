// Storage that outlives pods, field by field, on real Docker, by the built command: claims get volumes of the node's engine, pods go where their volumes
// are, data outlives pods and agents, and what is released is really removed.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { ApiError } from '@podplane/api/errors';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { engine, engineAnswers, eventually } from '../harness.js';
import { FieldCluster, FOREVER, isReady, PATIENCE_MS, scriptContainer } from './field-cluster.js';

const answers = await engineAnswers();

interface EngineVolume {
  readonly Name: string;
  readonly Labels: Readonly<Record<string, string>> | null;
}

const claim = (name: string, more = ''): string => `apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: ${name}}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}${more}}
---
`;
const pod = (name: string, claimName: string, script: string, more = ''): string => `apiVersion: v1
kind: Pod
metadata: {name: ${name}}
spec:
  terminationGracePeriodSeconds: 0
  containers: [${scriptContainer('a', script, 'volumeMounts: [{name: d, mountPath: /data}]')}]
  volumes: [{name: d, persistentVolumeClaim: {claimName: ${claimName}}}]
${more}---
`;

describe.skipIf(!answers)('storage', () => {
  const cluster = new FieldCluster();

  /** Volumes of the engine that belong to claims of this cluster. */
  const volumes = async (): Promise<EngineVolume[]> => {
    const { Volumes } = await engine<{ Volumes: EngineVolume[] | null }>('GET', '/volumes');
    return (Volumes ?? []).filter(({ Labels }) => Labels?.['podplane.dev/volume-node']?.startsWith(cluster.prefix) === true);
  };
  const gone = async (kind: 'PersistentVolume' | 'PersistentVolumeClaim', namespace: string, name: string): Promise<void> => {
    const { client } = cluster;
    await eventually(
      `${kind} ${name} gone`,
      () =>
        client.get(kind, namespace, name).then(
          () => 'there',
          (error: unknown) => (error instanceof ApiError ? error.reason : String(error)),
        ),
      (state) => state === 'NotFound',
      PATIENCE_MS,
    );
  };
  /** The file is so as soon as the container has written it: one that runs may have only just begun. */
  const holds = (name: string, file: string, text: string): Promise<string> =>
    cluster.says(name, `cat ${file} || true`, (said) => said === text);

  beforeAll(async () => {
    await cluster.start(2);
  });
  afterAll(async () => {
    await cluster.remove();
    expect(await volumes()).toEqual([]); // down removes what is left, with its data
  });

  it('PersistentVolumeClaim spec.accessModes, PersistentVolumeClaim spec.resources.requests, PersistentVolumeClaim spec.storageClassName, PersistentVolume spec.capacity, PersistentVolume spec.accessModes, StorageClass provisioner, StorageClass volumeBindingMode, PodSpec volumes[].persistentVolumeClaim: a claim waits for its first pod; then it has a volume of the engine on the node of that pod', async () => {
    await cluster.apply(claim('data'));
    expect(await cluster.must('get', 'pvc')).toMatch(/^data\s+Pending\s+node-local\s+<unset>/m);
    expect(await cluster.must('get', 'storageclass')).toMatch(
      /^node-local \(default\)\s+podplane.dev\/node-local\s+Delete\s+WaitForFirstConsumer\s+true/m,
    );
    await cluster.apply(pod('first', 'data', `fs.appendFileSync('/data/log', 'first '); ${FOREVER}`));
    await cluster.podReady('first');
    await holds('first', '/data/log', 'first');
    const bound = await cluster.get('PersistentVolumeClaim', 'data');
    expect(bound.status).toMatchObject({ phase: 'Bound', capacity: { storage: '1Gi' } });
    const [volume] = await volumes();
    expect(volume).toMatchObject({ Name: bound.spec?.volumeName, Labels: { 'podplane.dev/claim': 'default/data' } });
    expect(await cluster.must('get', 'pv')).toMatch(/^pvc-\S+\s+1Gi\s+RWO\s+Delete\s+Bound\s+default\/data\s+node-local/m);
  });

  it('PersistentVolume spec.nodeAffinity, PersistentVolume spec.csi.driver, PersistentVolume spec.csi.volumeHandle: the next pod goes where the volume is and finds the data, also while the other node has more room', async () => {
    const home = (await cluster.get('Pod', 'first')).spec?.nodeName;
    await cluster.must('delete', 'pod', 'first');
    for (const [name, log] of [
      ['second', 'first second'],
      ['third', 'first second third'],
    ] as const) {
      await cluster.apply(pod(name, 'data', `fs.appendFileSync('/data/log', '${name} '); ${FOREVER}`));
      expect((await cluster.podReady(name)).spec?.nodeName).toBe(home);
      await holds(name, '/data/log', log);
    }
  });

  it('a pod that must not run there waits, and says which volume is elsewhere', async () => {
    const home = (await cluster.get('Pod', 'second')).spec?.nodeName ?? '';
    const other = cluster.node(home === cluster.node(1) ? 2 : 1);
    await cluster.apply(pod('away', 'data', FOREVER, `  nodeSelector: {kubernetes.io/hostname: ${other}}\n`));
    await cluster.podUntil('away', 'waiting', ({ status }) => {
      const message = status?.conditions.find(({ type }) => type === 'PodScheduled')?.message ?? '';
      return message.includes('had volume node affinity conflict (volume "pvc-');
    });
    await cluster.must('delete', 'pod', 'away');
  });

  it('data and claim outlive the agents and the server', async () => {
    await cluster.interrupt();
    await cluster.start(2);
    for (const i of [1, 2]) await cluster.readyAgain(cluster.node(i));
    await cluster.podReady('third');
    expect(await cluster.js('third', "fs.readFileSync('/data/log', 'utf8')")).toBe('first second third');
    expect(await volumes()).toHaveLength(1);
  });

  it('StorageClass reclaimPolicy, PersistentVolume spec.persistentVolumeReclaimPolicy: a claim that is deleted stays while pods use it; then its volume goes, with the data', async () => {
    const name = (await cluster.get('PersistentVolumeClaim', 'data')).spec?.volumeName ?? '';
    await cluster.must('delete', 'pvc', 'data', '--wait=false');
    expect(await cluster.must('get', 'pvc')).toMatch(/^data\s+Terminating/m);
    expect(await volumes()).toHaveLength(1);
    await cluster.must('delete', 'pod', 'second', 'third');
    await gone('PersistentVolumeClaim', 'default', 'data');
    await gone('PersistentVolume', '', name);
    expect(await volumes()).toEqual([]);
  });

  it('PodSpec securityContext.fsGroup, Container volumeMounts[].subPath, Container volumeMounts[].readOnly: on the volume of a claim the files are of the group, and a pod sees only its part', async () => {
    await cluster.apply(`${claim('grouped')}apiVersion: v1
kind: Pod
metadata: {name: grouped}
spec:
  terminationGracePeriodSeconds: 0
  securityContext: {runAsUser: 1000, runAsGroup: 1000, fsGroup: 2000}
  containers:
    - ${scriptContainer('a', `fs.writeFileSync('/data/part/x', 'x'); ${FOREVER}`, 'volumeMounts: [{name: d, mountPath: /data}, {name: d, mountPath: /part, subPath: part}, {name: d, mountPath: /ro, readOnly: true}]')}
  volumes: [{name: d, persistentVolumeClaim: {claimName: grouped}}]
`);
    await cluster.podReady('grouped');
    await holds('grouped', '/data/part/x', 'x');
    expect(
      await cluster.js('grouped', "[fs.statSync('/data').gid, fs.statSync('/part/x').gid, fs.readFileSync('/part/x', 'utf8')].join()"),
    ).toBe('2000,2000,x');
    expect(await cluster.js('grouped', "try { fs.writeFileSync('/ro/y', ''); 'written' } catch (error) { error.code }")).toBe('EROFS');
  });

  it('PersistentVolume spec.claimRef, PersistentVolume spec.storageClassName, PersistentVolumeClaim spec.volumeName: with Retain the volume and its data stay, and can be given to another claim by hand', async () => {
    const claimed = await cluster.get('PersistentVolumeClaim', 'grouped');
    const name = claimed.spec?.volumeName ?? '';
    await cluster.client.mergePatch('PersistentVolume', '', name, { spec: { persistentVolumeReclaimPolicy: 'Retain' } });
    await cluster.must('delete', 'pod', 'grouped');
    await cluster.must('delete', 'pvc', 'grouped');
    await eventually(
      'Released',
      () => cluster.must('get', 'pv'),
      (table) => /Retain\s+Released\s+default\/grouped/.test(table),
      PATIENCE_MS,
    );
    expect(await volumes()).toHaveLength(1);
    await cluster.client.mergePatch('PersistentVolume', '', name, { spec: { claimRef: null } });
    await cluster.apply(claim('again', `, volumeName: ${name}`) + pod('again', 'again', FOREVER));
    await cluster.podReady('again');
    expect(await cluster.js('again', "fs.readFileSync('/data/part/x', 'utf8')")).toBe('x');
  });

  it('StorageClass parameters: a directory that all nodes share, pods on both nodes see the same files; a node without it says so', async () => {
    const shared = path.join(cluster.directory, 'shared');
    mkdirSync(shared);
    const storageClass = (name: string, more: string): string => `apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: ${name}}
provisioner: podplane.dev/shared-directory
parameters: {path: ${shared}${more}}
---
`;
    const many = (name: string, sc: string): string =>
      claim(name, `, storageClassName: ${sc}`).replace('[ReadWriteOnce]', '[ReadWriteMany]');
    const on = (i: number): string => `  nodeSelector: {kubernetes.io/hostname: ${cluster.node(i)}}\n`;
    await cluster.apply(storageClass('shared', ', requireMount: "false"') + many('all', 'shared'));
    await cluster.apply(
      pod('left', 'all', `fs.writeFileSync('/data/left', 'l'); ${FOREVER}`, on(1)) +
        pod('right', 'all', `fs.writeFileSync('/data/right', 'r'); ${FOREVER}`, on(2)),
    );
    await Promise.all([cluster.podReady('left'), cluster.podReady('right')]);
    for (const name of ['left', 'right']) await cluster.says(name, 'echo $(ls /data)', (list) => list === 'left right');
    await cluster.must('delete', 'pod', 'left', 'right');
    await cluster.must('delete', 'pvc', 'all');
    await eventually(
      'the directory gone',
      () => Promise.resolve(readdirSync(shared)),
      (left) => left.length === 0,
      PATIENCE_MS,
    );

    await cluster.apply(storageClass('mounted', '') + many('nowhere', 'mounted') + pod('waits', 'nowhere', FOREVER));
    const node = (await cluster.podUntil('waits', 'placed', ({ spec }) => Boolean(spec?.nodeName))).spec?.nodeName;
    await eventually(
      'the reason',
      async () =>
        (await cluster.must('get', 'events'))
          .split('\n')
          .filter((line) => line.includes('pod/waits'))
          .join('\n'),
      (table) => table.includes(`path "${shared}" is not mounted on node ${node}`),
      PATIENCE_MS,
    );
  });

  it('StorageClass allowVolumeExpansion: a claim grows, where its class allows it; never below what it has', async () => {
    await cluster.apply(claim('grows') + pod('grows', 'grows', FOREVER));
    await cluster.podReady('grows');
    await cluster.apply(claim('grows').replace('1Gi', '2Gi'));
    await eventually(
      'two',
      () => cluster.must('get', 'pvc'),
      (table) => /^grows\s+Bound\s+\S+\s+2Gi/m.test(table),
      PATIENCE_MS,
    );
    const shrink = path.join(cluster.directory, 'shrink.yaml');
    writeFileSync(shrink, claim('grows'));
    const outcome = await cluster.cli(['apply', '-f', shrink]);
    expect(outcome.code).not.toBe(0);
    expect(outcome.stderr).toContain('spec.resources.requests.storage: Forbidden: field can not be less than status.capacity');
    await cluster.must('delete', 'pod', 'grows');
    await cluster.must('delete', 'pvc', 'grows');
  });

  it('PersistentVolume spec.local.path, PersistentVolume spec.hostPath, PersistentVolumeClaim spec.selector, PersistentVolumeClaim spec.resources.limits, StorageClass allowedTopologies: volumes that somebody made, by label and where they are', async () => {
    const folders = ['local', 'host'].map((name) => path.join(cluster.directory, name));
    for (const folder of folders) mkdirSync(folder);
    const [local, host] = folders;
    const affinity = `nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [${cluster.node(2)}]}]}]}}`;
    const made = (name: string, source: string): string => `apiVersion: v1
kind: PersistentVolume
metadata: {name: ${cluster.prefix}-${name}, labels: {kind: ${name}}}
spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], storageClassName: manual, ${source}}
---
`;
    const picks = (kind: string): string =>
      claim(kind, `, storageClassName: manual, selector: {matchLabels: {kind: ${kind}}}`).replace(
        'requests:',
        'limits: {storage: 2Gi}, requests:',
      );
    await cluster.apply(`${made('local', `local: {path: ${local}}, ${affinity}`)}${made('host', `hostPath: {path: ${host}, type: Directory}`)}${picks('local')}${picks('host')}apiVersion: v1
kind: Pod
metadata: {name: manual}
spec:
  terminationGracePeriodSeconds: 0
  containers:
    - ${scriptContainer('a', `fs.writeFileSync('/l/x', 'l'); fs.writeFileSync('/h/x', 'h'); ${FOREVER}`, 'volumeMounts: [{name: l, mountPath: /l}, {name: h, mountPath: /h}]')}
  volumes: [{name: l, persistentVolumeClaim: {claimName: local}}, {name: h, persistentVolumeClaim: {claimName: host}}]
`);
    const running = await cluster.podReady('manual');
    expect(running.spec?.nodeName).toBe(cluster.node(2));
    await eventually(
      'written',
      () =>
        Promise.resolve(
          folders.map((folder) => (existsSync(path.join(folder, 'x')) ? readFileSync(path.join(folder, 'x'), 'utf8') : '')).join(''),
        ),
      (text) => text === 'lh',
      PATIENCE_MS,
    );

    const there = `apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: there}
provisioner: podplane.dev/node-local
allowedTopologies: [{matchLabelExpressions: [{key: kubernetes.io/hostname, values: [${cluster.node(1)}]}]}]
---
`;
    await cluster.apply(there + claim('there', ', storageClassName: there') + pod('there', 'there', FOREVER));
    expect((await cluster.podReady('there')).spec?.nodeName).toBe(cluster.node(1));
  });

  it('PersistentVolume spec.csi.readOnly: a volume of the engine that was there already, which no pod may write to', async () => {
    const name = `${cluster.prefix}-own`;
    await engine('POST', '/volumes/create', { Name: name });
    try {
      await cluster.apply(`apiVersion: v1
kind: PersistentVolume
metadata: {name: ${name}}
spec:
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteOnce]
  storageClassName: manual
  csi: {driver: node-local.podplane.dev, volumeHandle: ${name}, readOnly: true}
  nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [${cluster.node(1)}]}]}]}}
---
${claim('own', `, storageClassName: manual, volumeName: ${name}`)}${pod('own', 'own', FOREVER)}`);
      await cluster.podReady('own');
      expect(await cluster.js('own', "try { fs.writeFileSync('/data/y', ''); 'written' } catch (error) { error.code }")).toBe('EROFS');
      await cluster.must('delete', 'pod', 'own');
    } finally {
      await eventually(
        'removed',
        () =>
          engine('DELETE', `/volumes/${name}`).then(
            () => true,
            () => false,
          ),
        (removed) => removed,
        PATIENCE_MS,
      );
    }
  });

  it('StatefulSet spec.volumeClaimTemplates[].metadata, StatefulSet spec.volumeClaimTemplates[].spec.accessModes, StatefulSet spec.volumeClaimTemplates[].spec.resources, StatefulSet spec.volumeClaimTemplates[].spec.storageClassName, StatefulSet spec.persistentVolumeClaimRetentionPolicy: each pod has its own volume, which the next one of its number finds again', async () => {
    await cluster.apply(`apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  replicas: 2
  serviceName: db
  podManagementPolicy: Parallel
  persistentVolumeClaimRetentionPolicy: {whenDeleted: Delete, whenScaled: Retain}
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
        - ${scriptContainer('a', `fs.appendFileSync('/data/log', require('os').hostname() + ' '); ${FOREVER}`, 'volumeMounts: [{name: data, mountPath: /data}]')}
  volumeClaimTemplates:
    - apiVersion: v1
      kind: PersistentVolumeClaim
      metadata: {name: data, labels: {tier: back}}
      spec: {storageClassName: node-local, accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
`);
    await Promise.all([cluster.podReady('db-0'), cluster.podReady('db-1')]);
    const before = await cluster.podReady('db-1');
    await holds('db-1', '/data/log', 'db-1');
    await cluster.must('delete', 'pod', 'db-1');
    const after = await cluster.podUntil(
      'db-1',
      'made anew and Ready',
      (one) => isReady(one) && one.metadata?.uid !== before.metadata?.uid,
    );
    expect(after.spec?.nodeName).toBe(before.spec?.nodeName);
    await holds('db-1', '/data/log', 'db-1 db-1');
    expect((await cluster.get('PersistentVolumeClaim', 'data-db-0')).metadata?.labels).toEqual({ tier: 'back', app: 'db' });
    await cluster.must('delete', 'statefulset', 'db');
    for (const name of ['data-db-0', 'data-db-1']) await gone('PersistentVolumeClaim', 'default', name);
  });
});
