// label, annotate, patch, set, scale, wait, and get by templates: what they send and what they say, in kubectl's words.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { pod } from '../testkit/pods.js';
import { runCommand, TestCluster } from '../testkit/world.js';

let cluster: TestCluster;
let folder: string;
const run = (...args: string[]): ReturnType<typeof runCommand> => runCommand(cluster, args, { cwd: folder });
const written = (): readonly string[] => cluster.calls.filter((call) => call.startsWith('patch '));

function putDeployment(name = 'web', status: object = {}, replicas = 2): void {
  cluster.put('Deployment', {
    metadata: { name, namespace: 'default', uid: `uid-of-${name}`, labels: { app: name }, generation: 1 },
    spec: {
      replicas,
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: {
          initContainers: [{ name: 'setup', image: 'setup:1' }],
          containers: [
            { name: 'web', image: 'web:1', env: [{ name: 'A', value: '1' }], resources: { limits: { cpu: '1' } } },
            { name: 'side', image: 'side:1' },
          ],
        },
      },
    },
    status: { observedGeneration: 1, replicas, ...status },
  });
}

const imagesOf = async (): Promise<readonly string[]> => {
  const { spec } = await cluster.get('Deployment', 'default', 'web');
  const { initContainers = [], containers = [] } = spec?.template?.spec ?? {};
  return [...initContainers, ...containers].map(({ image }) => image ?? '');
};

beforeEach(() => {
  cluster = new TestCluster();
  folder = mkdtempSync(join(tmpdir(), 'podplane-cli-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('label and annotate', () => {
  it.each([
    [['label', 'deploy/web', 'tier=front'], 0, 'deployment.apps/web labeled\n', '', { app: 'web', tier: 'front' }],
    [['label', 'deploy', 'web', 'tier=a', 'app-'], 0, 'deployment.apps/web labeled\n', '', { tier: 'a' }],
    [['label', 'deploy/web', 'app-'], 0, 'deployment.apps/web unlabeled\n', '', {}],
    [['label', 'deploy/web', 'app=web'], 0, 'deployment.apps/web not labeled\n', '', { app: 'web' }],
    [['label', 'deploy/web', 'x-'], 0, 'label "x" not found.\ndeployment.apps/web not labeled\n', '', { app: 'web' }],
    [['label', 'deploy/web', 'app=x', '--overwrite'], 0, 'deployment.apps/web labeled\n', '', { app: 'x' }],
    [['label', 'deploy/web', 'app=x', '--overwrite=true'], 0, 'deployment.apps/web labeled\n', '', { app: 'x' }],
    [['label', 'deploy/web', 'e='], 0, 'deployment.apps/web labeled\n', '', { app: 'web', e: '' }],
    [['label', 'deploy', '--all', 't=1'], 0, 'deployment.apps/web labeled\n', '', { app: 'web', t: '1' }],
    [['label', 'deploy', '-l', 'app=web', 't=1'], 0, 'deployment.apps/web labeled\n', '', { app: 'web', t: '1' }],
    [['label', 'deploy/web', 't=1', '--dry-run=server'], 0, 'deployment.apps/web labeled (server dry run)\n', '', { app: 'web' }],
    [['label', 'deploy/web', '--list'], 0, 'app=web\n', '', { app: 'web' }],
    [
      ['label', 'deploy/web', 'app=x'],
      1,
      '',
      "error: deployment.apps/web: 'app' already has a value (web), and --overwrite is false\n",
      { app: 'web' },
    ],
    [
      ['label', 'deploy/web', 'deploy/nothing', 't=1'],
      1,
      'deployment.apps/web labeled\n',
      'Error from server (NotFound): deployments.apps "nothing" not found',
      { app: 'web', t: '1' },
    ],
    [['label', 'deploy/web'], 2, '', 'error: at least one label update is required\n', { app: 'web' }],
    [['label', 'deploy/web', 'a=1', 'b'], 2, '', 'error: "b" is neither KEY=VALUE nor KEY-\n', { app: 'web' }],
    [['label', 'deploy/web', 'a=1', 'a-'], 2, '', 'error: cannot both set and remove the label "a"\n', { app: 'web' }],
    [['label', 'deploy', 'a=1'], 2, '', 'error: you must say which deployments: names, a selector (-l), or --all\n', { app: 'web' }],
  ] as const)('%j', async (args, code, out, err, labels) => {
    putDeployment();
    const outcome = await run(...args);
    expect([outcome.code, outcome.out, outcome.err.startsWith(err)]).toEqual([code, out, true]);
    expect((await cluster.get('Deployment', 'default', 'web')).metadata?.labels).toEqual(labels);
  });

  it('annotations may have = and spaces', async () => {
    putDeployment();
    expect((await run('annotate', 'deploy/web', 'kubernetes.io/change-cause=set a=1 for all')).out).toBe('deployment.apps/web annotated\n');
    expect((await cluster.get('Deployment', 'default', 'web')).metadata?.annotations).toEqual({
      'kubernetes.io/change-cause': 'set a=1 for all',
    });
  });

  it('only where it has not changed since', async () => {
    putDeployment();
    await run('label', 'deploy/web', 'a=1', '--resource-version', '7');
    expect(written()).toEqual(['patch Deployment default/web {"metadata":{"labels":{"a":"1"},"resourceVersion":"7"}}']);
  });
});

describe('patch', () => {
  it('is strategic by default, and takes YAML', async () => {
    putDeployment();
    const { out } = await run('patch', 'deploy', 'web', '-p', 'spec: {template: {spec: {containers: [{name: web, image: "web:2"}]}}}');
    expect(out).toBe('deployment.apps/web patched\n');
    expect(await imagesOf()).toEqual(['setup:1', 'web:2', 'side:1']);
    expect((await run('patch', 'deploy/web', '-p', '{"spec":{"replicas":2}}')).out).toBe('deployment.apps/web patched (no change)\n');
  });

  it('merge, json, from a file', async () => {
    putDeployment();
    await run('patch', 'deploy/web', '--type', 'json', '-p', '[{"op":"replace","path":"/spec/replicas","value":5}]');
    expect((await cluster.get('Deployment', 'default', 'web')).spec?.replicas).toBe(5);
    writeFileSync(join(folder, 'p.json'), '{"spec":{"replicas":6}}');
    await run('patch', 'deploy/web', '--type=merge', '--patch-file', 'p.json');
    expect((await cluster.get('Deployment', 'default', 'web')).spec?.replicas).toBe(6);
  });

  it.each([
    [['patch', 'deploy/web'], 'must specify --patch or --patch-file'],
    [['patch', 'deploy/web', '-p', '{'], 'unable to parse the patch'],
    [['patch', 'deploy/web', '-p', '3'], 'a patch is an object'],
    [['patch', 'deploy/web', '-p', '[]'], 'needs --type json'],
    [['patch', 'deploy/web', '-p', '{}', '--type', 'json'], 'is a list of operations'],
    [['patch', 'deploy/web', '-p', '{}', '--type', 'x'], '--type must be one of strategic, merge, json, not "x"'],
    [['patch', 'deploy/web', '-p', '{}', '--subresource', 'scale'], '"scale" is not status'],
  ])('%j is refused', async (args, text) => {
    putDeployment();
    const { code, err } = await run(...args);
    expect([code, err.includes(text)]).toEqual([2, true]);
    expect(written()).toEqual([]);
  });
});

describe('set', () => {
  it.each([
    [['web=web:2'], ['setup:1', 'web:2', 'side:1']],
    [
      ['web=web:2', 'setup=setup:2'],
      ['setup:2', 'web:2', 'side:1'],
    ],
    [['*=all:1'], ['all:1', 'all:1', 'all:1']],
  ])('image %j', async (wishes, images) => {
    putDeployment();
    expect((await run('set', 'image', 'deploy/web', ...wishes)).out).toBe('deployment.apps/web image updated\n');
    expect(await imagesOf()).toEqual(images);
  });

  it('says what is not there, and writes nothing where nothing changes', async () => {
    putDeployment();
    expect(await run('set', 'image', 'deploy/web', 'wob=x')).toEqual({
      code: 1,
      out: '',
      err: 'error: unable to find container named "wob"\nweb has: setup, web, side\n',
    });
    expect((await run('set', 'image', 'deploy/web', 'web=web:1')).out).toBe('deployment.apps/web unchanged\n');
    expect((await run('set', 'image', 'svc/web', 'web=web:1')).code).toBe(1);
    expect((await run('set', 'image', 'deploy/web')).code).toBe(2);
    expect(written()).toEqual([]);
  });

  it('env: sets, takes away, keeps what others have set', async () => {
    putDeployment();
    expect((await run('set', 'env', 'deploy/web', '-c', 'web', 'B=$(A)', 'C=3')).out).toBe('deployment.apps/web env updated\n');
    const envOf = async (): Promise<unknown> =>
      (await cluster.get('Deployment', 'default', 'web')).spec?.template?.spec?.containers.map(({ env }) =>
        env.map(({ name, value }) => `${name}=${value}`),
      );
    expect(await envOf()).toEqual([['A=1', 'B=$(A)', 'C=3'], []]);
    await run('set', 'env', 'deploy/web', 'A-', 'C=4');
    expect(await envOf()).toEqual([['B=$(A)', 'C=4'], ['C=4']]);
    expect((await run('set', 'env', 'deploy/web', 'A-')).out).toBe('deployment.apps/web unchanged\n');
  });

  it('resources', async () => {
    putDeployment();
    expect((await run('set', 'resources', 'deploy/web', '-c', 'web', '--limits', 'cpu=0,memory=64Mi', '--requests=cpu=100m')).out).toBe(
      'deployment.apps/web resource requirements updated\n',
    );
    const [web, side] = (await cluster.get('Deployment', 'default', 'web')).spec?.template?.spec?.containers ?? [];
    expect([web?.resources?.limits, web?.resources?.requests, side?.resources]).toEqual([{ memory: '64Mi' }, { cpu: '100m' }, undefined]);
    expect((await run('set', 'resources', 'deploy/web')).code).toBe(2);
    expect((await run('set', 'resources', 'deploy/web', '--limits', 'cpu')).code).toBe(2);
  });
});

describe('scale', () => {
  it('several, by labels, of a file', async () => {
    putDeployment('web');
    putDeployment('api');
    expect((await run('scale', 'deploy/web', 'deploy/api', '--replicas=3')).out).toBe(
      'deployment.apps/web scaled\ndeployment.apps/api scaled\n',
    );
    expect((await run('scale', 'deploy', '-l', 'app=api', '--replicas=4')).out).toBe('deployment.apps/api scaled\n');
    expect((await run('scale', 'deploy', '--all', '--replicas=5', '--dry-run')).out).toContain(
      'deployment.apps/web scaled (server dry run)\n',
    );
  });

  it('only from a number, at the version at which it was seen', async () => {
    putDeployment();
    const { metadata } = await cluster.get('Deployment', 'default', 'web');
    expect(await run('scale', 'deploy/web', '--replicas=3', '--current-replicas=9')).toMatchObject({
      code: 1,
      err: 'error: expected deployment.apps/web to have 9 replicas, it has 2\n',
    });
    await run('scale', 'deploy/web', '--replicas=3', '--current-replicas=2');
    expect(written()).toEqual([
      `patch Deployment default/web {"metadata":{"resourceVersion":"${metadata?.resourceVersion}"},"spec":{"replicas":3}}`,
    ]);
  });

  it('waits with --timeout', async () => {
    putDeployment('web', { replicas: 3 });
    expect((await run('scale', 'deploy/web', '--replicas=3', '--timeout=30s')).code).toBe(0);
    expect(await run('scale', 'deploy/web', '--replicas=4', '--timeout=1ms')).toMatchObject({
      code: 3,
      out: 'deployment.apps/web scaled\n',
    });
  });
});

describe('wait', () => {
  const conditions = [{ type: 'Available', status: 'True', reason: 'MinimumReplicasAvailable' }];
  it.each([
    [['--for=condition=Available', 'deploy/web'], 0, 'deployment.apps/web condition met\n', ''],
    [['--for', 'condition=available=TRUE', 'deploy/web'], 0, 'deployment.apps/web condition met\n', ''],
    [['--for=jsonpath={.spec.replicas}=2', 'deploy', 'web'], 0, 'deployment.apps/web condition met\n', ''],
    [
      ["--for=jsonpath={.status.conditions[?(@.type=='Available')].status}=True", 'deploy/web'],
      0,
      'deployment.apps/web condition met\n',
      '',
    ],
    [['--for=jsonpath=.spec.replicas', 'deploy/web'], 0, 'deployment.apps/web condition met\n', ''],
    [['--for=create', 'deploy/web'], 0, 'deployment.apps/web condition met\n', ''],
    [['--for=delete', 'deploy/gone'], 0, 'deployment.apps/gone condition met\n', ''],
    [['--for=delete', 'pods', '-l', 'app=gone'], 0, '', ''],
    [['--for=condition=Available', 'deploy', '--all'], 0, 'deployment.apps/web condition met\n', ''],
    [['--for=condition=Ready', 'deploy', '-l', 'app=x'], 1, '', 'error: no matching resources found\n'],
    [['--for=condition=Available', 'deploy/gone'], 1, '', 'Error from server (NotFound): deployments.apps "gone" not found\n'],
    [
      ['--for=condition=Available=false', 'deploy/web', '--timeout=1ms'],
      3,
      '',
      'error: timed out waiting for the condition on deployments/web',
    ],
    [
      ['--for=condition=Available=false', 'deploy/web', '--timeout=0s'],
      3,
      '',
      'error: timed out waiting for the condition on deployments/web: Available is True (MinimumReplicasAvailable)\n',
    ],
    [
      ['--for=delete', 'deploy/web', '--timeout=0s'],
      3,
      '',
      'error: timed out waiting for the condition on deployments/web: is still there\n',
    ],
    [['--for=ready', 'deploy/web'], 2, '', 'error: --for: unrecognized condition: "ready"\n'],
    [['--for=condition=Ready'], 2, '', 'error: you must say which resources'],
  ])('%j', async (args, code, out, err) => {
    putDeployment('web', { conditions });
    const outcome = await run('wait', ...args);
    expect([outcome.code, outcome.out]).toEqual([code, out]);
    expect(outcome.err.slice(0, err.length)).toBe(err);
  });

  it('goes on until it holds, and not by a status that is older than the object', async () => {
    putDeployment('web', { conditions, observedGeneration: 0 });
    const waiting = run('wait', '--for=condition=Available', 'deploy/web');
    await new Promise((resolve) => setImmediate(resolve));
    cluster.put('Pod', pod('other'));
    putDeployment('web', { conditions });
    expect((await waiting).out).toBe('deployment.apps/web condition met\n');
  });

  it('ends when what is waited for goes', async () => {
    putDeployment();
    const waiting = run('wait', '--for=condition=Available', 'deploy/web');
    await new Promise((resolve) => setImmediate(resolve));
    cluster.remove('Deployment', 'default', 'web');
    expect(await waiting).toMatchObject({ code: 1, err: 'error: the condition on deployments/web: was deleted\n' });
  });
});

describe('get by templates', () => {
  it.each([
    [['pods', '-o', 'jsonpath={.items[*].metadata.name}'], 'a b'],
    [['pods', '-o=jsonpath={range .items[*]}{.metadata.name}{"\\n"}{end}'], 'a\nb\n'],
    [['pod', 'a', '-o=name', '-n=default'], 'pod/a\n'],
    [['pod', 'a', '-o', 'jsonpath={.metadata.name}'], 'a'],
    [['pod', 'a', '-o', 'jsonpath=.metadata.name'], 'a'],
    [['pods', '-o', 'jsonpath-as-json={.items[*].metadata.name}'], '[\n    "a",\n    "b"\n]\n'],
    [
      ['pods', '-o', 'custom-columns=Name:.metadata.name,NODE:.spec.nodeName,X:.spec.nothing'],
      'Name   NODE     X\na      node-1   <none>\nb      node-1   <none>\n',
    ],
    [['pods', '-o', 'custom-columns=N:metadata.name', '--no-headers'], 'a\nb\n'],
    [['pods', '-L', 'app,example.com/tier', '--no-headers'], expect.stringMatching(/^a .* web *\nb .* web *\n$/)],
  ] as [string[], unknown][])('%j', async (args, out) => {
    cluster.put('Pod', pod('a'));
    cluster.put('Pod', pod('b'));
    expect((await run('get', ...args)).out).toEqual(out);
  });

  it.each(['jsonpath', 'jsonpath=', 'jsonpath={', 'custom-columns=NAME', 'go-template={{.kind}}'])('-o %s is refused', async (output) => {
    const { code, out } = await run('get', 'pods', '-o', output);
    expect([code, out]).toEqual([2, '']);
  });
});

describe('rollout', () => {
  const conditions = [{ type: 'Progressing', status: 'Unknown', reason: 'DeploymentPaused' }];
  it('status of one that is paused half-way is not complete; complete where it is', async () => {
    const half = { updatedReplicas: 0, readyReplicas: 2, availableReplicas: 2, conditions };
    putDeployment('web', half);
    await cluster.mergePatch('Deployment', 'default', 'web', { spec: { paused: true } });
    expect((await run('rollout', 'status', 'deploy/web', '--watch=false')).out).toBe(
      'Waiting for deployment "web" rollout to finish: 0 of 2 new pods made, 2 of 2 pods ready (it is paused)\n',
    );
    expect((await run('rollout', 'status', 'deploy/web', '--timeout=1ms')).code).toBe(3);
    await cluster.mergePatch('Deployment', 'default', 'web', { status: { updatedReplicas: 2 } });
    expect((await run('rollout', 'status', 'deploy/web')).out).toBe('deployment "web" successfully rolled out\n');
  });

  it('status of a revision', async () => {
    putDeployment('web', { updatedReplicas: 2, readyReplicas: 2, availableReplicas: 2 });
    await cluster.mergePatch('Deployment', 'default', 'web', { metadata: { annotations: { 'deployment.kubernetes.io/revision': '5' } } });
    expect((await run('rollout', 'status', 'deploy/web', '--revision=5')).code).toBe(0);
    const { code, err } = await run('rollout', 'status', 'deploy/web', '--revision=3');
    expect([code, err]).toEqual([1, expect.stringContaining('desired revision (3) is different from the running revision (5)')]);
  });

  it('--timeout=0 waits as long as it takes', async () => {
    putDeployment('web', { updatedReplicas: 1 });
    const waiting = run('rollout', 'status', 'deploy/web', '--timeout=0s');
    await new Promise((resolve) => setImmediate(resolve));
    putDeployment('web', { updatedReplicas: 2, readyReplicas: 2, availableReplicas: 2 });
    expect((await waiting).out).toBe('deployment "web" successfully rolled out\n');
  });

  it('restart, pause and resume of several', async () => {
    putDeployment('web');
    putDeployment('api');
    expect((await run('rollout', 'restart', 'deploy', 'web', 'api')).out).toBe(
      'deployment.apps/web restarted\ndeployment.apps/api restarted\n',
    );
    expect((await run('rollout', 'pause', 'deploy', '-l', 'app=api')).out).toBe('deployment.apps/api paused\n');
    expect(await run('rollout', 'restart', 'deploy', '--all')).toMatchObject({
      code: 1,
      out: 'deployment.apps/web restarted\n',
      err: 'error: deployments.apps "api" can\'t restart paused deployment (run rollout resume first)\n',
    });
    expect((await run('rollout', 'resume', 'deploy/api', 'deploy/gone')).code).toBe(1);
    expect(await run('rollout', 'restart')).toMatchObject({ code: 2, err: expect.stringMatching(/^error: you must say which workload\n/) });
    expect((await run('rollout', 'restart', 'rs/x', 'deploy/web')).err).toContain('replicaset.apps/x has no rollout');
  });
});

describe('describe', () => {
  it('a Deployment: all of its template, the newest set and older ones with pods', async () => {
    const template = {
      metadata: { labels: { app: 'web' }, annotations: { note: 'x' } },
      spec: {
        initContainers: [{ name: 'setup', image: 'i:1' }],
        containers: [{ name: 'web', image: 'web:2' }],
        nodeSelector: { disk: 'ssd' },
        tolerations: [{ key: 'k', operator: 'Exists' }],
        volumes: [{ name: 'v', emptyDir: {} }],
      },
    };
    cluster.put('Deployment', {
      metadata: { name: 'web', namespace: 'default', uid: 'd' },
      spec: { replicas: 2, selector: { matchLabels: { app: 'web' } }, template },
    });
    for (const [name, image, size] of [
      ['web-a', 'web:1', 1],
      ['web-b', 'web:2', 2],
      ['web-c', 'web:3', 0],
    ] as const) {
      const held = {
        ...template,
        metadata: { ...template.metadata, labels: { app: 'web', 'pod-template-hash': name } },
        spec: { ...template.spec, containers: [{ name: 'web', image }] },
      };
      const ownerReferences = [{ apiVersion: 'apps/v1', kind: 'Deployment', name: 'web', uid: 'd', controller: true }];
      cluster.put('ReplicaSet', {
        metadata: { name, namespace: 'default', labels: { app: 'web' }, ownerReferences },
        spec: { replicas: size, template: held },
        status: { replicas: 1 },
      });
    }
    cluster.put('ReplicaSet', { ...(await cluster.get('ReplicaSet', 'default', 'web-c')), status: { replicas: 0 } });
    const out = (await run('describe', 'deploy', 'web')).out.replaceAll(/ +/g, ' ');
    expect(out).toContain('\nOldReplicaSets: web-a (1/1 replicas created)\nNewReplicaSet: web-b (1/2 replicas created)\n');
    expect(out).toMatch(
      /Pod Template:\n Labels: app=web\n Annotations: note: x\n Init Containers:\n setup:[^]*Containers:\n web:[^]*Volumes: v: emptyDir\n Node-Selectors: disk=ssd\n Tolerations: k op=Exists\n/,
    );
  });

  it('a StatefulSet: the claims that it makes', async () => {
    cluster.put('StatefulSet', {
      metadata: { name: 'db', namespace: 'default' },
      spec: {
        selector: { matchLabels: {} },
        volumeClaimTemplates: [
          { metadata: { name: 'data' }, spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } } },
        ],
      },
    });
    const out = (await run('describe', 'sts/db')).out.replaceAll(/ +/g, ' ');
    expect(out).toContain(
      '\nVolume Claims:\n Name: data\n StorageClass:\n Labels: <none>\n Annotations: <none>\n Capacity: 1Gi\n Access Modes: [ReadWriteOnce]\n',
    );
  });
});
