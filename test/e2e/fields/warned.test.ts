// Fields that are accepted and do nothing yet, or say what is so anyway: the warning that `apply` prints, and that the rest works all the same.
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { engineAnswers, eventually } from '../harness.js';
import { FieldCluster, FOREVER, PATIENCE_MS, scriptContainer } from './field-cluster.js';

const answers = await engineAnswers();

describe.skipIf(!answers)('fields without effect', () => {
  const cluster = new FieldCluster();
  beforeAll(async () => {
    await cluster.start(1);
  });
  afterAll(async () => {
    await cluster.remove();
  });

  const pod = (name: string, fields: string): string => `apiVersion: v1
kind: Pod
metadata: {name: ${name}}
spec:
  terminationGracePeriodSeconds: 0
  ${fields}
  containers: [${scriptContainer('a', FOREVER)}]
---
`;

  it('PodSpec enableServiceLinks: the value is kept, true where none is given; there are no variables of Services either way', async () => {
    const service = 'apiVersion: v1\nkind: Service\nmetadata: {name: db}\nspec: {selector: {app: db}, ports: [{port: 5432}]}\n---\n';
    await cluster.apply(service);
    await cluster.apply(pod('links', 'enableServiceLinks: true') + pod('none', 'enableServiceLinks: false') + pod('unsaid', ''));
    for (const [name, value] of [
      ['links', true],
      ['none', false],
      ['unsaid', true],
    ] as const) {
      expect((await cluster.podReady(name)).spec?.enableServiceLinks).toBe(value);
      const found = "Object.keys(process.env).filter((key) => key.startsWith('DB_')).join()";
      expect(await cluster.js(name, found)).toBe('');
    }
  });

  it('Namespace spec.finalizers: a warning; the namespace goes without waiting for anybody', async () => {
    const text = 'apiVersion: v1\nkind: Namespace\nmetadata: {name: odd}\nspec: {finalizers: [example.com/mine]}\n';
    expect(await cluster.apply(text)).toContain('Warning: spec.finalizers: accepted without effect: ');
    await cluster.must('delete', 'namespace', 'odd');
    await eventually(
      'gone',
      () => cluster.must('get', 'namespaces'),
      (table) => !/^odd\s/m.test(table),
      PATIENCE_MS,
    );
  });

  it('StatefulSet spec.volumeClaimTemplates[].apiVersion, StatefulSet spec.volumeClaimTemplates[].kind, StatefulSet spec.volumeClaimTemplates[].spec.selector, StatefulSet spec.volumeClaimTemplates[].spec.volumeName: claims of a set take volumes by label and by name', async () => {
    const folder = (name: string): string => path.join(cluster.directory, name);
    const volume = (name: string): string => {
      mkdirSync(folder(name));
      return `apiVersion: v1
kind: PersistentVolume
metadata: {name: ${cluster.prefix}-${name}, labels: {disk: ${name}}}
spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], storageClassName: manual, hostPath: {path: ${folder(name)}, type: Directory}}
---
`;
    };
    const template = (name: string, spec: string): string =>
      `{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: ${name}}, spec: {storageClassName: manual, accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}, ${spec}}}`;
    await cluster.apply(`${['other', 'labelled', 'named'].map(volume).join('')}apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  replicas: 1
  serviceName: db
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
        - ${scriptContainer('a', FOREVER, 'volumeMounts: [{name: l, mountPath: /l}, {name: n, mountPath: /n}]')}
  volumeClaimTemplates:
    - ${template('l', 'selector: {matchLabels: {disk: labelled}}')}
    - ${template('n', `volumeName: ${cluster.prefix}-named`)}
`);
    await cluster.podReady('db-0');
    expect((await cluster.get('PersistentVolumeClaim', 'l-db-0')).spec?.volumeName).toBe(`${cluster.prefix}-labelled`);
    expect((await cluster.get('PersistentVolumeClaim', 'n-db-0')).spec?.volumeName).toBe(`${cluster.prefix}-named`);
    const kept = (await cluster.get('StatefulSet', 'db')).spec?.volumeClaimTemplates ?? [];
    expect(kept.map(({ apiVersion, kind }) => [apiVersion, kind])).toEqual([
      ['v1', 'PersistentVolumeClaim'],
      ['v1', 'PersistentVolumeClaim'],
    ]);
    await cluster.must('delete', 'statefulset', 'db');
    await cluster.must('delete', 'pvc', 'l-db-0', 'n-db-0');
  });

  it('StatefulSet spec.volumeClaimTemplates[].status: a warning says that it is no wish', async () => {
    const claim =
      '{metadata: {name: c}, status: {phase: Bound}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}';
    const said = await cluster.apply(`apiVersion: apps/v1
kind: StatefulSet
metadata: {name: none}
spec:
  replicas: 0
  serviceName: none
  selector: {matchLabels: {app: none}}
  template: {metadata: {labels: {app: none}}, spec: {containers: [${scriptContainer('a', FOREVER)}]}}
  volumeClaimTemplates: [${claim}]
`);
    expect(said).toContain('Warning: spec.volumeClaimTemplates[0].status: accepted without effect: a status is no wish');
  });
});
