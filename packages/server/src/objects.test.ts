// Objects over real gRPC and mTLS on loopback: every method, and every refusal that a client can provoke.
import { ApiError } from '@podplane/api/errors';
import { Deployment } from '@podplane/api/gen/podplane/apps/v1/deployment';
import { Namespace } from '@podplane/api/gen/podplane/core/v1/namespace';
import { Node } from '@podplane/api/gen/podplane/core/v1/node';
import { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import { PodplaneClient } from '@podplane/client/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type TestServer, testServer } from './testkit/harness.js';
import { configMap, pod, refusal } from './testkit/objects.js';

let server: TestServer;
let client: PodplaneClient;

beforeAll(async () => {
  server = await testServer();
  client = new PodplaneClient(server.context, { fieldManager: 'test' });
});
afterAll(async () => {
  client.close();
  await server[Symbol.asyncDispose]();
});

describe('create', () => {
  it('sets defaults, uid, revision and time, and tells warnings', async () => {
    const { object } = await client.create('Pod', pod('created'));
    expect(object.metadata).toMatchObject({
      name: 'created',
      namespace: 'default',
      uid: expect.stringMatching(/^[0-9a-f-]{36}$/),
      resourceVersion: expect.stringMatching(/^\d+$/),
    });
    expect(object.metadata?.creationTimestamp).toMatch(/^\d{4}-\d\d-\d\dT/);
    expect(object.spec).toMatchObject({ restartPolicy: 'Always', terminationGracePeriodSeconds: 30 });
    expect(await client.get('Pod', 'default', 'created')).toEqual(object);
  });

  it('makes a name from generateName', async () => {
    const named = await client.create(
      'Pod',
      pod('', ({ metadata }) => Object.assign(metadata ?? {}, { name: undefined, generateName: 'web-' })),
    );
    expect(named.object.metadata?.name).toMatch(/^web-[bcdfghjklmnpqrstvwxz2456789]{5}$/);
  });

  it('keeps nothing of a dry run', async () => {
    const { object } = await client.create('Pod', pod('dry'), { dryRun: true });
    expect(object.spec?.restartPolicy).toBe('Always');
    expect((await refusal(client.get('Pod', 'default', 'dry'))).reason).toBe('NotFound');
  });

  it('drops a status that a client sends', async () => {
    const { object } = await client.create(
      'Pod',
      pod(
        'with-status',
        (it) => (it.status = { ...Pod.fromPartial({ status: {} }).status, phase: 'Running' } as NonNullable<Pod['status']>),
      ),
    );
    expect(object.status?.phase).not.toBe('Running');
  });

  it('records who wrote', async () => {
    await client.create('ConfigMap', configMap('caused'));
    const [cause] = server.running.store.causes({ kind: 'ConfigMap', namespace: 'default', name: 'caused' }, 1);
    expect(cause?.cause).toEqual({ actor: 'user:admin', reason: 'create configmap caused (test)' });
  });

  const refused: [string, () => Promise<unknown>, Partial<ApiError>][] = [
    [
      'a name that is taken',
      () => client.create('Pod', pod('created')),
      { reason: 'AlreadyExists', message: 'pods "created" already exists' },
    ],
    [
      'a namespace that is not there',
      () => client.create('ConfigMap', configMap('x', 'nowhere')),
      { reason: 'NotFound', message: 'namespaces "nowhere" not found' },
    ],
    [
      'no namespace',
      () => client.create('ConfigMap', configMap('x', '')),
      { reason: 'Invalid', message: expect.stringContaining('metadata.namespace: Required value') },
    ],
    [
      'a namespace where there is none',
      () => client.create('Node', Node.fromPartial({ metadata: { name: 'n', namespace: 'default' } })),
      { reason: 'Invalid', message: expect.stringContaining('metadata.namespace: Forbidden') },
    ],
    [
      'a name that is no DNS name',
      () => client.create('Pod', pod('Not_DNS')),
      { reason: 'Invalid', message: expect.stringContaining('metadata.name: Invalid value: "Not_DNS"') },
    ],
    [
      'a name that is too long',
      () => client.create('Pod', pod('a'.repeat(254))),
      { reason: 'Invalid', message: expect.stringContaining('must be no more than 253 bytes') },
    ],
    [
      'no image',
      () =>
        client.create(
          'Pod',
          pod('x', ({ spec }) => Object.assign(spec?.containers[0] ?? {}, { image: undefined })),
        ),
      { reason: 'Invalid', message: 'Pod "x" is invalid: spec.containers[0].image: Required value' },
    ],
    [
      'two containers with one name',
      () =>
        client.create(
          'Pod',
          pod('x', ({ spec }) =>
            spec?.containers.push(...(Pod.fromPartial({ spec: { containers: [{ name: 'web', image: 'w' }] } }).spec?.containers ?? [])),
          ),
        ),
      { reason: 'Invalid', causes: [expect.objectContaining({ reason: 'FieldValueDuplicate', field: 'spec.containers[1].name' })] },
    ],
    [
      'a port out of range',
      () =>
        client.create(
          'Pod',
          pod('x', ({ spec }) => spec?.containers[0]?.ports.push({ containerPort: 70_000, protocol: 'TCP' })),
        ),
      { reason: 'Invalid', message: expect.stringContaining('spec.containers[0].ports[0].containerPort: Invalid value: 70000') },
    ],
    [
      'a selector that does not match its template',
      () =>
        client.create(
          'Deployment',
          Deployment.fromPartial({
            metadata: { name: 'd', namespace: 'default' },
            spec: {
              selector: { matchLabels: { app: 'a' } },
              template: { metadata: { labels: { app: 'b' } }, spec: { containers: [{ name: 'c', image: 'i' }] } },
            },
          }),
        ),
      { reason: 'Invalid', message: expect.stringContaining('spec.template.metadata.labels') },
    ],
    [
      'a revision',
      () =>
        client.create(
          'Pod',
          pod('x', ({ metadata }) => Object.assign(metadata ?? {}, { resourceVersion: '1' })),
        ),
      { reason: 'BadRequest' },
    ],
    [
      'a request of more than 4 MiB',
      () => client.create('ConfigMap', configMap('big', 'default', { a: 'x'.repeat(5 * 1024 * 1024) })),
      { reason: 'RequestEntityTooLarge', message: expect.stringContaining('at most 4194304') },
    ],
    [
      'a request of more than 8 MiB',
      () => client.create('ConfigMap', configMap('big', 'default', { a: 'x'.repeat(9 * 1024 * 1024) })),
      { reason: 'RequestEntityTooLarge' },
    ],
  ];
  it.each(refused)('refuses %s', async (_what, attempt, wanted) => {
    expect(await refusal(attempt())).toMatchObject(wanted);
  });
});

describe('a batch', () => {
  it('judges each object alone, in order', async () => {
    const results = await client.createBatch([
      { kind: 'Pod', object: pod('batch-1') },
      { kind: 'Pod', object: pod('Bad Name') },
      { kind: 'Pod', object: pod('batch-1') },
      { kind: 'ConfigMap', object: configMap('batch-2') },
      { kind: 'ConfigMap', object: configMap('x', 'nowhere') },
    ]);
    expect(results.map((result) => (result instanceof ApiError ? result.reason : result.name))).toEqual([
      'batch-1',
      'Invalid',
      'AlreadyExists',
      'batch-2',
      'NotFound',
    ]);
    expect((await client.get('Pod', 'default', 'batch-1')).metadata?.uid).toBe((results[0] as { uid: string }).uid);
  });

  it('of thousands is taken in few transactions', async () => {
    const before = server.running.store.revision;
    const results = await client.createBatch(
      Array.from({ length: 1200 }, (_, i) => ({ kind: 'ConfigMap' as const, object: configMap(`many-${i}`) })),
    );
    expect(results.filter((result) => result instanceof ApiError)).toEqual([]);
    expect(server.running.store.revision - before).toBe(12);
  });
});

describe('update', () => {
  it('changes an object at its newest revision', async () => {
    const { object } = await client.create('ConfigMap', configMap('update'));
    const updated = await client.update('ConfigMap', { ...object, data: { b: '2' } });
    expect(updated.object.data).toEqual({ b: '2' });
    expect(updated.object.metadata?.uid).toBe(object.metadata?.uid);
    expect(await refusal(client.update('ConfigMap', { ...object, data: { c: '3' } }))).toMatchObject({
      reason: 'Conflict',
      message:
        'Operation cannot be fulfilled on configmaps "update": the object has been modified; please apply your changes to the latest version and try again',
    });
  });

  it('without a revision takes the newest', async () => {
    await client.create('ConfigMap', configMap('blind'));
    expect((await client.update('ConfigMap', configMap('blind', 'default', { z: '1' }))).object.data).toEqual({ z: '1' });
  });

  it('is no revision where nothing changes', async () => {
    const { object } = await client.create('ConfigMap', configMap('same'));
    expect((await client.update('ConfigMap', object)).object.metadata?.resourceVersion).toBe(object.metadata?.resourceVersion);
  });

  it('of the status changes only the status, and the other way round', async () => {
    const { object } = await client.create('Pod', pod('status'));
    const status = { ...Pod.fromPartial({ status: { phase: 'Running' } }).status, phase: 'Running' } as NonNullable<Pod['status']>;
    const written = await client.update(
      'Pod',
      { ...object, metadata: { ...object.metadata, labels: { app: 'web' } } as NonNullable<Pod['metadata']>, spec: undefined, status },
      { subresource: 'status' },
    );
    expect(written.object).toMatchObject({ spec: object.spec, status: { phase: 'Running' } });
    const back = await client.update('Pod', { ...written.object, status: undefined });
    expect(back.object.status?.phase).toBe('Running');
    expect(await refusal(client.update('ConfigMap', configMap('same'), { subresource: 'status' }))).toMatchObject({ reason: 'BadRequest' });
  });

  it('refuses what must not change, and what is not there', async () => {
    const { object } = await client.create('Pod', pod('fixed'));
    const renamed = structuredClone(object);
    if (renamed.spec?.containers[0] !== undefined) renamed.spec.containers[0].name = 'other';
    renamed.metadata = { ...renamed.metadata, resourceVersion: undefined } as NonNullable<Pod['metadata']>;
    expect((await refusal(client.update('Pod', renamed))).reason).toBe('Invalid');
    expect(await refusal(client.update('Pod', pod('not-there')))).toMatchObject({
      reason: 'NotFound',
      message: 'pods "not-there" not found',
    });
  });
});

describe('patch', () => {
  it('merges', async () => {
    await client.create('ConfigMap', configMap('merge', 'default', { a: '1', b: '2' }));
    const { object } = await client.mergePatch('ConfigMap', 'default', 'merge', {
      data: { b: null, c: '3' },
      metadata: { labels: { x: 'y' } },
    });
    expect(object.data).toEqual({ a: '1', c: '3' });
    expect(object.metadata?.labels).toEqual({ x: 'y' });
  });

  it('merges strategically: elements of lists are found by their names', async () => {
    await client.create('ConfigMap', configMap('strategic', 'default', { a: '1', b: '2' }));
    const { object } = await client.strategicPatch('ConfigMap', 'default', 'strategic', { data: { $patch: 'replace', c: '3' } });
    expect(object.data).toEqual({ c: '3' });
    const owners = ['x', 'y'].map((uid) => ({
      apiVersion: 'v1',
      kind: 'Pod',
      name: uid,
      uid,
      controller: false,
      blockOwnerDeletion: false,
    }));
    await client.strategicPatch('ConfigMap', 'default', 'strategic', { metadata: { ownerReferences: owners } }, { dryRun: true });
    const failed = await refusal(
      client.strategicPatch('ConfigMap', 'default', 'strategic', { metadata: { ownerReferences: [{ name: 'x' }] } }),
    );
    expect(failed).toMatchObject({
      reason: 'BadRequest',
      message: 'the patch cannot be applied: ownerReferences: each element must say its uid, by which it is found',
    });
  });

  it('applies operations, all or none', async () => {
    await client.create('ConfigMap', configMap('operations'));
    const done = await client.jsonPatch('ConfigMap', 'default', 'operations', [
      { op: 'test', path: '/data/a', value: '1' },
      { op: 'replace', path: '/data/a', value: '2' },
    ]);
    expect(done.object.data).toEqual({ a: '2' });
    const failed = await refusal(
      client.jsonPatch('ConfigMap', 'default', 'operations', [
        { op: 'add', path: '/data/b', value: 'x' },
        { op: 'test', path: '/data/a', value: '1' },
      ]),
    );
    expect(failed.reason).toBe('Invalid');
    expect((await client.get('ConfigMap', 'default', 'operations')).data).toEqual({ a: '2' });
  });

  it('is decoded strictly and validated', async () => {
    expect(await refusal(client.mergePatch('Pod', 'default', 'created', { spec: { contaners: [] } }))).toMatchObject({
      reason: 'BadRequest',
      message: 'Pod in version "v1" cannot be handled as a Pod: strict decoding error: unknown field "spec.contaners"',
    });
    expect(
      (await refusal(client.mergePatch('Pod', 'default', 'created', { spec: { terminationGracePeriodSeconds: 'soon' } }))).reason,
    ).toBe('BadRequest');
    expect((await refusal(client.mergePatch('Pod', 'default', 'created', { metadata: { labels: { 'not a label': 'x' } } }))).reason).toBe(
      'Invalid',
    );
    expect((await refusal(client.mergePatch('Pod', 'default', 'created', { metadata: { name: 'other' } }))).reason).toBe('Invalid');
    expect((await refusal(client.mergePatch('Pod', 'default', 'not-there', {}))).reason).toBe('NotFound');
  });

  it('with a revision needs that revision', async () => {
    expect((await refusal(client.mergePatch('ConfigMap', 'default', 'merge', { metadata: { resourceVersion: '1' } }))).reason).toBe(
      'Conflict',
    );
  });
});

describe('delete', () => {
  it('takes a pod without a node at once, and asks one with a node to end', async () => {
    await client.create('Pod', pod('unbound'));
    expect((await client.delete('Pod', 'default', 'unbound')).gone).toBe(true);
    await client.create(
      'Pod',
      pod('bound', ({ spec }) => Object.assign(spec ?? {}, { nodeName: 'n1' })),
    );
    const asked = await client.delete('Pod', 'default', 'bound');
    expect(asked).toMatchObject({ gone: false, object: { metadata: { deletionGracePeriodSeconds: 30 } } });
    expect((await client.delete('Pod', 'default', 'bound', { gracePeriodSeconds: 3 })).object.metadata?.deletionGracePeriodSeconds).toBe(3);
    expect((await client.delete('Pod', 'default', 'bound', { gracePeriodSeconds: 0 })).gone).toBe(true);
    expect((await refusal(client.delete('Pod', 'default', 'bound'))).reason).toBe('NotFound');
  });

  it('holds preconditions', async () => {
    const { object } = await client.create('ConfigMap', configMap('guarded'));
    expect(await refusal(client.delete('ConfigMap', 'default', 'guarded', { uid: 'other' }))).toMatchObject({
      reason: 'Conflict',
      message: expect.stringContaining('the UID in the precondition (other) does not match the UID in record'),
    });
    expect((await refusal(client.delete('ConfigMap', 'default', 'guarded', { resourceVersion: '1' }))).reason).toBe('Conflict');
    expect((await client.delete('ConfigMap', 'default', 'guarded', { dryRun: true })).gone).toBe(true);
    expect(
      (
        await client.delete('ConfigMap', 'default', 'guarded', {
          uid: object.metadata?.uid ?? '',
          resourceVersion: object.metadata?.resourceVersion ?? '',
        })
      ).gone,
    ).toBe(true);
  });

  it('waits for finalizers', async () => {
    const held = configMap('held');
    held.metadata?.finalizers.push('example.com/hold');
    await client.create('ConfigMap', held);
    expect((await client.delete('ConfigMap', 'default', 'held')).gone).toBe(false);
    await client.mergePatch('ConfigMap', 'default', 'held', { metadata: { finalizers: [] } });
    expect((await refusal(client.get('ConfigMap', 'default', 'held'))).reason).toBe('NotFound');
  });

  it('notes what shall become of dependents', async () => {
    const owner = await client.create('ConfigMap', configMap('owner'));
    const child = configMap('child');
    child.metadata?.ownerReferences.push({ apiVersion: 'v1', kind: 'ConfigMap', name: 'owner', uid: owner.object.metadata?.uid ?? '' });
    await client.create('ConfigMap', child);
    const asked = await client.delete('ConfigMap', 'default', 'owner', { propagationPolicy: 'Orphan' });
    expect(asked).toMatchObject({ gone: false, object: { metadata: { finalizers: ['orphan'] } } });
    const unknown = { propagationPolicy: 'Sideways' as 'Orphan' };
    expect(await refusal(client.delete('ConfigMap', 'default', 'child', unknown))).toMatchObject({
      reason: 'Invalid',
      message:
        'DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Unsupported value: "Sideways": supported values: "Foreground", "Background", "Orphan", "nil"',
    });
    expect((await refusal(client.delete('ConfigMap', 'default', 'child', { gracePeriodSeconds: -1 }))).reason).toBe('BadRequest');
  });

  it('of a namespace lets nothing new in', async () => {
    await client.create('Namespace', Namespace.fromPartial({ metadata: { name: 'going' } }));
    await client.create('ConfigMap', configMap('inside', 'going'));
    expect((await client.delete('Namespace', '', 'going')).object.status?.phase).toBe('Terminating');
    expect(await refusal(client.create('ConfigMap', configMap('late', 'going')))).toMatchObject({
      reason: 'Forbidden',
      message: expect.stringContaining('because it is being terminated'),
    });
    expect(await refusal(client.delete('Namespace', '', 'default'))).toMatchObject({ reason: 'Forbidden' });
  });
});
