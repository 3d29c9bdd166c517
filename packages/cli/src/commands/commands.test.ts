import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ApiError } from '@podplane/api/errors';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { pod } from '../testkit/pods.js';
import { runCommand, TestCluster } from '../testkit/world.js';

const deployment = (replicas: number, image = 'web:1'): string => `apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replicas: ${replicas}
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: web
          image: ${image}
`;

let cluster: TestCluster;
let folder: string;

beforeEach(() => {
  cluster = new TestCluster();
  folder = mkdtempSync(join(tmpdir(), 'podplane-cli-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const run = (...args: string[]): ReturnType<typeof runCommand> => runCommand(cluster, args, { cwd: folder });

describe('get', () => {
  it('prints a table', async () => {
    cluster.put('Pod', pod('web-1'));
    cluster.put('Pod', pod('web-2', false));
    const { code, out } = await run('get', 'pods');
    expect(code).toBe(0);
    expect(out).toMatch(/^NAME +READY +STATUS +RESTARTS +AGE\nweb-1 +1\/1 +Running +0 +\d+s\nweb-2 +0\/1 +Running +0 +\d+s\n$/);
  });

  it('adds columns with -o wide, labels and namespaces', async () => {
    cluster.put('Pod', pod('web-1'));
    const { out } = await run('get', 'po', '-o', 'wide', '-A', '--show-labels');
    expect(out.split('\n')[0]).toMatch(/^NAMESPACE +NAME +READY +STATUS +RESTARTS +AGE +IP +NODE +.*LABELS$/);
    expect(out).toContain('app=web');
  });

  it('says names with their kind where there are several', async () => {
    cluster.put('Pod', pod('web-1'));
    cluster.put('Deployment', { metadata: { name: 'web', namespace: 'default' }, spec: { replicas: 1 } });
    const { out } = await run('get', 'pods,deploy');
    expect(out).toMatch(/^pod\/web-1 /m);
    expect(out).toMatch(/\n\nNAME[^\n]*\ndeployment\.apps\/web /);
  });

  it('gives one object as it is and several as a list', async () => {
    cluster.put('Pod', pod('web-1'));
    cluster.put('Pod', pod('web-2'));
    expect(JSON.parse((await run('get', 'pod/web-1', '-o', 'json')).out)).toMatchObject({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'web-1' },
    });
    expect(JSON.parse((await run('get', 'pods', '-o', 'json')).out)).toMatchObject({
      kind: 'List',
      items: [{ kind: 'Pod' }, { kind: 'Pod' }],
    });
    expect((await run('get', 'pods', '-o', 'name')).out).toBe('pod/web-1\npod/web-2\n');
    expect((await run('get', 'pod', 'web-1', '-o', 'yaml')).out).toMatch(/^apiVersion: v1\nkind: Pod\n/);
  });

  it('says on standard error that there is nothing', async () => {
    expect(await run('get', 'pods')).toEqual({ code: 0, out: '', err: 'No resources found in default namespace.\n' });
    expect((await run('get', 'nodes')).err).toBe('No resources found\n');
  });

  it('shows what there is and fails for what there is not', async () => {
    cluster.put('Pod', pod('web-1'));
    const { code, out, err } = await run('get', 'pods', 'web-1', 'web-9');
    expect(code).toBe(1);
    expect(out).toContain('web-1');
    expect(err).toBe(
      'Error from server (NotFound): pods "web-9" not found\nLooked in namespace "default": podplane get pods -n default shows what is there, -A what is elsewhere.\n',
    );
  });

  it('goes on with changes until Ctrl-C', async () => {
    cluster.put('Pod', pod('web-1', false));
    const stop = new AbortController();
    const running = runCommand(cluster, ['get', 'pods', '-w'], { stop: stop.signal });
    await new Promise((resolve) => setImmediate(resolve));
    cluster.put('Pod', pod('web-1', true));
    await new Promise((resolve) => setImmediate(resolve));
    stop.abort();
    const { out } = await running;
    expect(out.match(/^web-1 +0\/1/gm)).toHaveLength(1);
    expect(out.match(/^web-1 +1\/1/gm)).toHaveLength(1);
  });

  it.each([
    [['get'], 2],
    [['get', 'pds'], 2],
    [['get', 'pods', '-o', 'xml'], 2],
    [['get', 'pods', '--selektor', 'a'], 2],
    [['get', 'pods', 'a', '-l', 'app=web'], 2],
    [['gte', 'pods'], 2],
  ])('%j ends with %d', async (args, code) => {
    const outcome = await run(...args);
    expect(outcome.code).toBe(code);
    expect(outcome.err).not.toBe('');
    expect(outcome.out).toBe('');
  });
});

describe('apply', () => {
  it('creates, changes, and leaves alone', async () => {
    writeFileSync(join(folder, 'web.yaml'), deployment(2));
    expect((await run('apply', '-f', 'web.yaml', '--wait=false')).out).toBe('deployment.apps/web created\n');
    expect((await run('apply', '-f', 'web.yaml', '--no-wait')).out).toBe('deployment.apps/web unchanged\n');
    writeFileSync(join(folder, 'web.yaml'), deployment(3));
    expect((await run('apply', '-f', 'web.yaml', '--wait=false')).out).toBe('deployment.apps/web configured\n');
    expect((await cluster.get('Deployment', 'default', 'web')).spec?.replicas).toBe(3);
  });

  it('keeps what others have set and removes what it no longer says', async () => {
    writeFileSync(join(folder, 'web.yaml'), deployment(2).replace('name: web\nspec', 'name: web\n  labels: {tier: front, app: web}\nspec'));
    await run('apply', '-f', 'web.yaml', '--wait=false');
    await cluster.mergePatch('Deployment', 'default', 'web', { metadata: { labels: { owner: 'somebody' } } });
    writeFileSync(join(folder, 'web.yaml'), deployment(2).replace('name: web\nspec', 'name: web\n  labels: {app: web}\nspec'));
    await run('apply', '-f', 'web.yaml', '--wait=false');
    expect((await cluster.get('Deployment', 'default', 'web')).metadata?.labels).toEqual({ app: 'web', owner: 'somebody' });
  });

  it('waits until it is ready, and says how it gets on', async () => {
    writeFileSync(join(folder, 'web.yaml'), deployment(1));
    const running = run('apply', '-f', 'web.yaml');
    await until(() => cluster.calls.filter((call) => call === 'list Pod').length > 0);
    const made = await cluster.get('Deployment', 'default', 'web');
    const status = (available: number): unknown => ({
      observedGeneration: 1,
      replicas: 1,
      updatedReplicas: 1,
      readyReplicas: available,
      availableReplicas: available,
    });
    cluster.put('Deployment', { metadata: made.metadata, spec: made.spec, status: status(0) });
    await new Promise((resolve) => setImmediate(resolve));
    cluster.put('Deployment', { metadata: made.metadata, spec: made.spec, status: status(1) });
    const { code, out, err } = await running;
    expect(code).toBe(0);
    expect(out).toMatch(/^deployment\.apps\/web created\ndeployment\.apps\/web is ready \(1 of 1 pods\) after \d\.\d s\n$/);
    expect(err).toContain('deployment.apps/web: 0 of 1 pods available\n');
  });

  it('ends with 3 when it takes too long', async () => {
    writeFileSync(join(folder, 'web.yaml'), deployment(1));
    const { code, err } = await run('apply', '-f', 'web.yaml', '--timeout', '50ms');
    expect(code).toBe(3);
    expect(err).toContain('timed out waiting for deployment.apps/web');
  });

  it('changes nothing where anything in the files is wrong', async () => {
    writeFileSync(join(folder, 'a.yaml'), deployment(1));
    writeFileSync(join(folder, 'b.yaml'), deployment(1).replace('name: web', 'name: other').replace('replicas', 'replicsa'));
    const { code, err } = await run('apply', '-f', '.', '--wait=false');
    expect(code).toBe(1);
    expect(err).toMatch(/b\.yaml:6:\d+: unknown field "spec\.replicsa"/);
    expect(cluster.calls.filter((call) => call.startsWith('create'))).toEqual([]);
  });

  it('finds faults that only the meaning of a field tells, before anything is sent', async () => {
    writeFileSync(join(folder, 'all.yaml'), `${deployment(1)}---\n${deployment(1).replace('name: web', 'name: Other')}`);
    const { code, err } = await run('apply', '-f', 'all.yaml', '--wait=false');
    expect(code).toBe(1);
    expect(err).toMatch(/^error: all\.yaml:\d+:\d+: Deployment "Other": metadata\.name: Invalid value/);
    expect(cluster.calls.filter((call) => call.startsWith('create'))).toEqual([]);
  });

  it.each(['apply', 'create'])('%s changes nothing where the server refuses one of several', async (command) => {
    writeFileSync(join(folder, 'all.yaml'), `${deployment(1)}---\n${deployment(1).replace('name: web', 'name: other')}`);
    const { create } = cluster;
    cluster.create = (object, options) =>
      object.metadata?.name === 'other'
        ? Promise.reject(new ApiError('Forbidden', 'not this one', { causes: [{ reason: '', message: '', field: 'spec.replicas' }] }))
        : create.call(cluster, object, options);
    const { code, err, out } = await run(command, '-f', 'all.yaml', ...(command === 'apply' ? ['--wait=false'] : []));
    expect({ code, err, out }).toEqual({
      code: 1,
      err: expect.stringMatching(/^error: all\.yaml:\d+:\d+: not this one\nNothing was changed\.\n$/),
      out: '',
    });
    expect((await cluster.list('Deployment', { namespace: '' })).items).toEqual([]);
  });

  it.each([
    [['apply', '-f', 'missing.yaml'], 1, 'does not exist'],
    [['apply'], 2, '-f FILE'],
    [['apply', 'web.yaml'], 2, 'podplane apply -f web.yaml'],
    [['apply', '-f', 'empty.yaml'], 1, 'empty.yaml'],
    [['apply', '-f', 'broken.yaml'], 1, 'broken.yaml:'],
  ])('%j ends with %d and says %s', async (args, code, text) => {
    writeFileSync(join(folder, 'empty.yaml'), '\n');
    writeFileSync(join(folder, 'broken.yaml'), 'a: [b\nc: d\n');
    const outcome = await run(...args);
    expect(outcome).toMatchObject({ code });
    expect(outcome.err).toContain(text);
  });
});

describe('delete', () => {
  it('says what it deleted', async () => {
    cluster.put('Pod', pod('web-1'));
    expect(await run('delete', 'pod', 'web-1')).toEqual({ code: 0, out: 'pod "web-1" deleted\n', err: '' });
  });
  it('goes on after what does not exist, and fails', async () => {
    cluster.put('Pod', pod('web-1'));
    expect(await run('delete', 'pods', 'web-0', 'web-1')).toEqual({
      code: 1,
      out: 'pod "web-1" deleted\n',
      err: 'Error from server (NotFound): pods "web-0" not found\nLooked in namespace "default": podplane get pods -n default shows what is there, -A what is elsewhere.\n',
    });
    expect((await run('delete', 'pods', 'web-0', '--ignore-not-found')).code).toBe(0);
  });
  it('warns of what --force means as kubectl does, and takes no grace with it', async () => {
    cluster.put('Pod', pod('web-1'));
    const { code, out, err } = await run('delete', 'pod', 'web-1', '--force', '--grace-period=0');
    expect([code, out]).toEqual([0, 'pod "web-1" force deleted\n']);
    expect(err).toContain(
      'Warning: Immediate deletion does not wait for confirmation that the running resource has been terminated. The resource may continue to run on the cluster indefinitely.\n',
    );
    for (const grace of ['--grace-period=5', '--now'])
      expect(await run('delete', 'pod', 'web-1', '--force', grace)).toMatchObject({
        code: 2,
        err: expect.stringContaining('--force and --grace-period greater than 0 cannot be specified together') as unknown,
      });
  });

  it('does not delete all by accident', async () => {
    cluster.put('Pod', pod('web-1'));
    expect((await run('delete', 'pods')).code).toBe(2);
    expect((await run('delete', 'pods', '-l', 'app=web')).out).toBe('pod "web-1" deleted\n');
  });
});

describe('scale, cordon', () => {
  it('scales what can be scaled', async () => {
    cluster.put('Deployment', { metadata: { name: 'web', namespace: 'default' }, spec: { replicas: 1 } });
    expect((await run('scale', 'deploy/web', '--replicas', '9')).out).toBe('deployment.apps/web scaled\n');
    expect((await cluster.get('Deployment', 'default', 'web')).spec?.replicas).toBe(9);
    expect((await run('scale', 'pod/web-1', '--replicas', '9')).code).toBe(2);
    expect((await run('scale', 'deploy/web')).code).toBe(2);
    expect((await run('scale', 'deploy/web', '--replicas', '-1')).code).toBe(2);
  });
  it('cordons once', async () => {
    cluster.put('Node', { metadata: { name: 'node-1' } });
    expect((await run('cordon', 'node-1')).out).toBe('node/node-1 cordoned\n');
    expect((await run('cordon', 'node-1')).out).toBe('node/node-1 already cordoned\n');
    expect((await run('uncordon', 'node-1')).out).toBe('node/node-1 uncordoned\n');
  });
});

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}
