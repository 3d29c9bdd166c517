import { describe, expect, test } from 'vitest';
import { messageSchema } from '../schema/model.js';
import { catalogue, fromObject, kindByApiVersion, kindByName, kindsOfCategory, toObject } from './catalogue.js';
import { allKinds, type Kind } from './kind-names.js';
import { admitted, goodPod } from './testing/pods.js';

describe('words for kinds', () => {
  test.each<[string, Kind]>([
    ['po', 'Pod'],
    ['pod', 'Pod'],
    ['pods', 'Pod'],
    ['Pod', 'Pod'],
    ['PODS', 'Pod'],
    ['no', 'Node'],
    ['ns', 'Namespace'],
    ['cm', 'ConfigMap'],
    ['svc', 'Service'],
    ['sa', 'ServiceAccount'],
    ['ev', 'Event'],
    ['deploy', 'Deployment'],
    ['deployments.apps', 'Deployment'],
    ['deployments.v1.apps', 'Deployment'],
    ['deploy.apps', 'Deployment'],
    ['rs', 'ReplicaSet'],
    ['ds', 'DaemonSet'],
    ['sts', 'StatefulSet'],
    ['jobs.batch', 'Job'],
    ['cj', 'CronJob'],
    ['rc', 'ReplicationController'],
    ['podtemplates', 'PodTemplate'],
    ['pdb', 'PodDisruptionBudget'],
    ['poddisruptionbudgets.policy', 'PodDisruptionBudget'],
    ['leases.coordination.k8s.io', 'Lease'],
    ['controllerrevision', 'ControllerRevision'],
    ['pods.v1.', 'Pod'],
  ])('%s is %s', (word, kind) => {
    expect(kindByName(word)).toBe(kind);
  });

  test.each([
    ['deployment.app', ['deployment.apps']],
    ['podz', ['pods']],
    ['servce', ['service']],
    ['xyzzy', []],
    ['', []],
    ['toString', []],
  ])('%s is none; perhaps %j', (word, suggestions) => {
    expect(kindByName(word)).toEqual({ suggestions });
  });

  test('categories, groups', () => {
    expect(kindsOfCategory('all')).toEqual([
      'Pod',
      'Service',
      'Deployment',
      'ReplicaSet',
      'DaemonSet',
      'StatefulSet',
      'Job',
      'CronJob',
      'ReplicationController',
    ]);
    expect(kindsOfCategory('none')).toEqual([]);
    expect(kindByApiVersion('apps/v1', 'Deployment')).toBe('Deployment');
    expect(kindByApiVersion('v1', 'Deployment')).toBeUndefined();
  });
});

test.each(allKinds)('%s: its arm in the union, its message', (kind) => {
  const object = catalogue[kind].codec.fromJSON({ metadata: { name: 'x' } });
  const any = toObject(kind, object as never);
  expect(any.kind?.$case).toBe(catalogue[kind].oneofCase);
  expect(fromObject(any)).toEqual({ kind, object });
  expect(messageSchema(catalogue[kind].typeName).name).toBe(kind);
});

test('an empty union is no object', () => {
  expect(fromObject({})).toBeUndefined();
});

describe('defaults', () => {
  test('of a pod', () => {
    const pod = admitted('Pod', {
      metadata: { name: 'web', namespace: 'default' },
      spec: {
        containers: [
          {
            name: 'a',
            image: 'nginx',
            ports: [{ containerPort: 80 }],
            resources: { limits: { cpu: '0.5', memory: '1Gi' }, requests: { cpu: '100.5m' } },
            env: [
              { name: 'A', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
              { name: 'B', valueFrom: { resourceFieldRef: { resource: 'limits.cpu' } } },
            ],
            livenessProbe: { httpGet: { port: 80 } },
            readinessProbe: { exec: { command: ['x'] }, periodSeconds: 3, timeoutSeconds: 2, successThreshold: 4, failureThreshold: 5 },
            lifecycle: { preStop: { httpGet: { port: 'http' } } },
          },
        ],
        volumes: [{ name: 'v' }],
      },
    });
    expect(catalogue.Pod.codec.toJSON(pod)).toEqual({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'web', namespace: 'default' },
      spec: {
        containers: [
          {
            name: 'a',
            image: 'nginx',
            imagePullPolicy: 'Always',
            ports: [{ containerPort: 80, protocol: 'TCP' }],
            resources: { limits: { cpu: '0.5', memory: '1Gi' }, requests: { cpu: '101m', memory: '1Gi' } },
            env: [
              { name: 'A', valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.name' } } },
              { name: 'B', valueFrom: { resourceFieldRef: { resource: 'limits.cpu', divisor: '0' } } },
            ],
            livenessProbe: {
              httpGet: { path: '/', port: 80, scheme: 'HTTP' },
              timeoutSeconds: 1,
              periodSeconds: 10,
              successThreshold: 1,
              failureThreshold: 3,
            },
            readinessProbe: { exec: { command: ['x'] }, timeoutSeconds: 2, periodSeconds: 3, successThreshold: 4, failureThreshold: 5 },
            lifecycle: { preStop: { httpGet: { path: '/', port: 'http', scheme: 'HTTP' } } },
            terminationMessagePath: '/dev/termination-log',
            terminationMessagePolicy: 'File',
          },
        ],
        volumes: [{ name: 'v', emptyDir: {} }],
        restartPolicy: 'Always',
        terminationGracePeriodSeconds: 30,
        dnsPolicy: 'ClusterFirst',
        serviceAccountName: 'default',
        serviceAccount: 'default',
        securityContext: {},
        schedulerName: 'default-scheduler',
        enableServiceLinks: true,
      },
      status: { phase: 'Pending', qosClass: 'Burstable' },
    });
  });

  test('of a deployment: those of its template, but not those that only pods get', () => {
    const deployment = admitted('Deployment', {
      metadata: { name: 'web', namespace: 'default' },
      spec: {
        selector: { matchLabels: { a: 'b' } },
        template: {
          metadata: { labels: { a: 'b' } },
          spec: { containers: [{ name: 'a', image: 'nginx:1', resources: { limits: { cpu: '1' } } }] },
        },
      },
    });
    expect(catalogue.Deployment.codec.toJSON(deployment)).toEqual({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'web', namespace: 'default' },
      spec: {
        replicas: 1,
        selector: { matchLabels: { a: 'b' } },
        template: {
          metadata: { labels: { a: 'b' } },
          spec: {
            containers: [
              {
                name: 'a',
                image: 'nginx:1',
                imagePullPolicy: 'IfNotPresent',
                resources: { limits: { cpu: '1' } },
                terminationMessagePath: '/dev/termination-log',
                terminationMessagePolicy: 'File',
              },
            ],
            restartPolicy: 'Always',
            terminationGracePeriodSeconds: 30,
            dnsPolicy: 'ClusterFirst',
            securityContext: {},
            schedulerName: 'default-scheduler',
          },
        },
        strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: '25%', maxSurge: '25%' } },
        revisionHistoryLimit: 10,
        progressDeadlineSeconds: 600,
      },
      status: {},
    });
  });

  test('zero that was written stays zero', () => {
    const { spec } = admitted('Deployment', {
      metadata: { name: 'a', namespace: 'd' },
      spec: { replicas: 0, revisionHistoryLimit: 0, strategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } } },
    });
    expect(spec).toMatchObject({
      replicas: 0,
      revisionHistoryLimit: 0,
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } },
    });
    expect(admitted('Pod', { ...goodPod, spec: { terminationGracePeriodSeconds: 0 } }).spec).toMatchObject({
      terminationGracePeriodSeconds: 0,
    });
  });

  test.each([
    ['nginx', 'Always'],
    ['nginx:latest', 'Always'],
    ['nginx:1', 'IfNotPresent'],
    ['localhost:5000/nginx', 'Always'],
    ['localhost:5000/nginx:1', 'IfNotPresent'],
    ['nginx@sha256:00', 'IfNotPresent'],
    ['nginx:latest@sha256:00', 'Always'],
    ['', 'Always'],
  ])('image %j is pulled %s', (image, policy) => {
    expect(admitted('Pod', { ...goodPod, spec: { containers: [{ name: 'a', image }] } }).spec?.containers[0]?.imagePullPolicy).toBe(policy);
  });

  test.each([
    ['BestEffort', [{}]],
    ['BestEffort', [{ requests: { cpu: '0' } }]],
    ['Burstable', [{ requests: { cpu: '1' } }]],
    ['Burstable', [{ limits: { cpu: '1' } }]],
    ['Burstable', [{ limits: { cpu: '1', memory: '1' } }, {}]],
    ['Burstable', [{ limits: { cpu: '1', memory: '2' }, requests: { memory: '1' } }]],
    ['Guaranteed', [{ limits: { cpu: '1', memory: '1Ki' } }]],
    ['Guaranteed', [{ limits: { cpu: '1', memory: '1Ki' }, requests: { cpu: '1000m', memory: '1024' } }]],
  ])('%s: %j', (qosClass, resources) => {
    const containers = resources.map((one, i) => ({ name: `c${i}`, image: 'x', resources: one }));
    expect(admitted('Pod', { ...goodPod, spec: { containers } }).status?.qosClass).toBe(qosClass);
  });

  test('of the other kinds', () => {
    const meta = { name: 'a', namespace: 'd' };
    expect(admitted('Secret', { metadata: meta, data: { a: 'eA==' }, stringData: { a: 'y', b: 'z' } })).toMatchObject({
      type: 'Opaque',
      data: { a: Buffer.from('y'), b: Buffer.from('z') },
      stringData: {},
    });
    expect(admitted('Namespace', { metadata: { name: 'a' } })).toMatchObject({
      metadata: { labels: { 'kubernetes.io/metadata.name': 'a' } },
      status: { phase: 'Active' },
    });
    expect(admitted('ReplicaSet', { metadata: meta, spec: {} })).toMatchObject({ spec: { replicas: 1 }, status: { replicas: 0 } });
    expect(
      admitted('Service', {
        metadata: meta,
        spec: { type: 'LoadBalancer', sessionAffinity: 'ClientIP', ports: [{ port: 80 }, { name: 'x', port: 81, targetPort: 'y' }] },
      }).spec,
    ).toMatchObject({
      ports: [{ port: 80, protocol: 'TCP', targetPort: 80 }, { targetPort: 'y' }],
      sessionAffinityConfig: { clientIP: { timeoutSeconds: 10800 } },
      externalTrafficPolicy: 'Cluster',
      internalTrafficPolicy: 'Cluster',
      allocateLoadBalancerNodePorts: true,
    });
  });
});
