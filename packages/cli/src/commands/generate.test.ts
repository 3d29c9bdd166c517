import { describe, expect, it } from 'vitest';
import { runCommand, TestCluster } from '../testkit/world.js';
import { containerName } from './generate.js';

it.each([
  ['web', 'web'],
  ['web:1', 'web'],
  ['example.com:5000/team/my_App:1.2', 'my-app'],
  ['example.com/web@sha256:abc', 'web'],
  ['_', 'main'],
])('the container of image %s is called %s', (image, name) => {
  expect(containerName(image)).toBe(name);
});

describe('create deployment', () => {
  it('as kubectl makes it', async () => {
    const cluster = new TestCluster();
    const line = ['create', 'deployment', 'web', '--image=example.com/web:1', '--replicas=3', '--port=80', '--', 'sh', '-c', 'sleep 1'];
    expect(await runCommand(cluster, line)).toEqual({ code: 0, out: 'deployment.apps/web created\n', err: '' });
    expect(await cluster.get('Deployment', 'default', 'web')).toMatchObject({
      metadata: { labels: { app: 'web' } },
      spec: {
        replicas: 3,
        selector: { matchLabels: { app: 'web' } },
        template: {
          metadata: { labels: { app: 'web' } },
          spec: {
            containers: [{ name: 'web', image: 'example.com/web:1', command: ['sh', '-c', 'sleep 1'], ports: [{ containerPort: 80 }] }],
          },
        },
      },
    });
  });

  it('a manifest of it, with nothing made', async () => {
    const cluster = new TestCluster();
    const { out } = await runCommand(cluster, [
      'create',
      'deploy',
      'web',
      '--image',
      'a:1',
      '--image',
      'b/a:2',
      '--dry-run=client',
      '-o',
      'yaml',
      '-n',
      'x',
    ]);
    expect(out).toMatch(
      /^apiVersion: apps\/v1\nkind: Deployment\nmetadata:\n {2}name: web\n {2}namespace: x\n[^]*name: a\n[^]*name: a-1\n/,
    );
    expect((await cluster.list('Deployment', { namespace: '' })).items).toEqual([]);
  });

  it.each([
    [['create', 'deployment', 'web'], "error: required option '--image <image>' not specified"],
    [['create', 'deployment', 'web', '--image=a', '--image=b', '--', 'x'], 'error: cannot specify multiple --image options and command\n'],
    [['create', 'job', 'x'], 'error: either --image or --from must be specified\n'],
    [['create', 'job', 'x', '--image=a', '--from=cj/x'], 'error: either --image or --from must be specified\n'],
    [['create', 'job', 'x', '--from=deploy/x'], 'error: --from: "deploy/x" is not cronjob/NAME\n'],
    [['create', 'job', 'x', '--from=cj/x', '--', 'y'], 'error: cannot specify --from and command\n'],
  ])('%j is refused', async (line, words) => {
    const { code, err } = await runCommand(new TestCluster(), line);
    expect([code, err.slice(0, words.length)]).toEqual([2, words]);
  });
});

describe('create job', () => {
  it('of an image', async () => {
    const cluster = new TestCluster();
    expect((await runCommand(cluster, ['create', 'job', 'once', '--image=tool:1', '--', 'run'])).out).toBe('job.batch/once created\n');
    expect((await cluster.get('Job', 'default', 'once')).spec?.template?.spec).toMatchObject({
      restartPolicy: 'Never',
      containers: [{ name: 'tool', image: 'tool:1', command: ['run'] }],
    });
  });

  it('as a CronJob would make it now', async () => {
    const cluster = new TestCluster();
    const template = { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'c:1' }] } };
    cluster.put('CronJob', {
      metadata: { name: 'tick', namespace: 'default', uid: 'u1' },
      spec: {
        schedule: '@hourly',
        jobTemplate: { metadata: { labels: { a: 'b' }, annotations: { c: 'd' } }, spec: { backoffLimit: 2, template } },
      },
    });
    expect((await runCommand(cluster, ['create', 'job', 'now', '--from=cronjob/tick'])).out).toBe('job.batch/now created\n');
    expect(await cluster.get('Job', 'default', 'now')).toMatchObject({
      metadata: {
        labels: { a: 'b' },
        annotations: { c: 'd', 'cronjob.kubernetes.io/instantiate': 'manual' },
        ownerReferences: [{ kind: 'CronJob', name: 'tick', uid: 'u1', controller: true }],
      },
      spec: { backoffLimit: 2, template: { spec: { containers: [{ image: 'c:1' }] } } },
    });
    expect((await runCommand(cluster, ['create', 'job', 'now', '--from=cj/gone'])).code).toBe(1);
  });
});
