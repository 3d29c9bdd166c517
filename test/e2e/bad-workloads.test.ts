// Bad input about workloads as a user meets it: each sentence is Kubernetes' own, said by the command line or the client, and nothing was made or
// changed by it. Against a control plane without nodes. Every single message has its row in packages/api/src/kinds/*-parity.test.ts.
import { ApiError } from '@podplane/api/errors';
import { ReplicaSet } from '@podplane/api/gen/podplane/apps/v1/replica_set';
import { ConfigMap } from '@podplane/api/gen/podplane/core/v1/config_map';
import type { Kind } from '@podplane/api/kinds/kind-map';
import { PodplaneClient } from '@podplane/client/client';
import { readContext } from '@podplane/client/context';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ServerOnly } from './server-only.js';

const server = new ServerOnly();

const pods = (labels: string, restart = ''): string =>
  `template:\n    metadata: {labels: ${labels}}\n    spec: {${restart}containers: [{name: web, image: web:1}]}`;
const web = pods('{app: web}');
const once = pods('{app: web}', 'restartPolicy: Never, ');
const selector = 'selector: {matchLabels: {app: web}}';
const manifest = (apiVersion: string, kind: string, name: string, spec: string): string =>
  `apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata: {name: ${name}}\nspec:\n  ${spec}\n`;
const app = (kind: string, spec: string, name = 'bad'): string => manifest('apps/v1', kind, name, spec);
const job = (spec: string, name = 'bad'): string => manifest('batch/v1', 'Job', name, spec);
const cron = (spec: string): string =>
  manifest('batch/v1', 'CronJob', 'bad', `${spec}\n  jobTemplate:\n    spec:\n      ${once.replaceAll('\n', '\n    ')}`);
const budget = (spec: string, name = 'bad'): string => manifest('policy/v1', 'PodDisruptionBudget', name, spec);

async function dialled<T>(work: (client: PodplaneClient) => Promise<T>): Promise<T> {
  using client = new PodplaneClient(await readContext(server.contextFile));
  return await work(client);
}

/** Reason and message of a refusal. */
async function refused(call: Promise<unknown>): Promise<string> {
  const error: unknown = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  return error instanceof ApiError ? `${error.reason}: ${error.message}` : String(error);
}

/** All workloads, with their uids and generations. */
async function everything(): Promise<string> {
  return await dialled(async (client) => {
    const kinds = ['Deployment', 'StatefulSet', 'DaemonSet', 'Job', 'CronJob', 'PodDisruptionBudget', 'ReplicationController'] as const;
    const lists = await Promise.all(kinds.map(async (kind) => (await client.list<Kind>(kind)).items));
    return JSON.stringify(lists.flat().map(({ metadata }) => [metadata?.name, metadata?.uid, metadata?.generation]));
  });
}

beforeAll(async () => {
  await server.start();
  // What changes are tried on. Nothing runs: there are no nodes.
  server.file(
    'good.yaml',
    [
      app('Deployment', `replicas: 0\n  ${selector}\n  ${web}`, 'good'),
      app('StatefulSet', `replicas: 0\n  serviceName: a\n  ${selector}\n  ${web}`, 'good'),
      job(`suspend: true\n  completions: 2\n  ${once}`, 'good'),
      budget(`minAvailable: 1\n  ${selector}`, 'good'),
    ].join('---\n'),
  );
  await server.must('apply', '-f', 'good.yaml', '--wait=false');
});
afterAll(async () => {
  await server.remove();
});

const MISMATCH = '`selector` does not match template `labels`';

describe('refused:', () => {
  it.each<[string, string, ...string[]]>([
    [
      'a changed selector',
      app('Deployment', `selector: {matchLabels: {app: web, b: c}}\n  ${pods('{app: web, b: c}')}`, 'good'),
      'spec.selector: Invalid value: {"matchLabels":{"app":"web","b":"c"}}: field is immutable',
    ],
    [
      'template labels that do not match',
      app('StatefulSet', `selector: {matchLabels: {app: other}}\n  ${web}`),
      `spec.template.metadata.labels: Invalid value: {"app":"web"}: ${MISMATCH}`,
    ],
    [
      'no selector',
      app('Deployment', web),
      'spec.selector: Required value',
      `spec.template.metadata.labels: Invalid value: {"app":"web"}: ${MISMATCH}`,
    ],
    [
      'completions below zero',
      job(`completions: -1\n  ${once}`),
      'spec.completions: Invalid value: -1: must be greater than or equal to 0',
    ],
    [
      'an Indexed job without completions',
      job(`completionMode: Indexed\n  parallelism: 2\n  ${once}`),
      'spec.completions: Required value: when completion mode is Indexed',
    ],
    [
      'changed completions',
      job(`suspend: true\n  completions: 0\n  ${once}`, 'good'),
      'spec.completions: Invalid value: 0: field is immutable',
    ],
    ['a job that restarts for ever', job(web), 'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"'],
    [
      'a cron expression that does not exist',
      cron('schedule: "61 * * * *"'),
      'spec.schedule: Invalid value: "61 * * * *": end of range (61) above maximum (59): 61',
    ],
    [
      'a time zone that does not exist',
      cron('schedule: "* * * * *"\n  timeZone: Mars/Olympus'),
      'spec.timeZone: Invalid value: "Mars/Olympus": unknown time zone Mars/Olympus',
    ],
    [
      'negative replicas',
      app('Deployment', `replicas: -1\n  ${selector}\n  ${web}`),
      'spec.replicas: Invalid value: -1: must be greater than or equal to 0',
    ],
    [
      'neither surge nor unavailable',
      app('Deployment', `strategy: {rollingUpdate: {maxSurge: 0, maxUnavailable: 0}}\n  ${selector}\n  ${web}`),
      'spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0',
    ],
    [
      'neither of them on nodes',
      app('DaemonSet', `updateStrategy: {rollingUpdate: {maxSurge: 0, maxUnavailable: 0}}\n  ${selector}\n  ${web}`),
      'spec.updateStrategy.rollingUpdate.maxUnavailable: Required value: cannot be 0 when maxSurge is 0',
    ],
    [
      'a budget with both fields',
      budget(`minAvailable: 1\n  maxUnavailable: 1\n  ${selector}`),
      'spec: Invalid value: {"minAvailable":1,"selector":{"matchLabels":{"app":"web"}},"maxUnavailable":1}: minAvailable and maxUnavailable cannot be both set',
    ],
    [
      'a budget that gets the other field',
      budget(`minAvailable: 1\n  maxUnavailable: 1\n  ${selector}`, 'good'),
      'minAvailable and maxUnavailable cannot be both set',
    ],
    [
      'a service name that changes',
      app('StatefulSet', `replicas: 0\n  serviceName: b\n  ${selector}\n  ${web}`, 'good'),
      "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
    ],
    [
      'a finalizer that is none',
      'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: bad, finalizers: [mine]}\n',
      'metadata.finalizers[0]: Invalid value: "mine": name is neither a standard finalizer name nor is it fully qualified',
    ],
    [
      'an event as owner',
      'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: bad, ownerReferences: [{apiVersion: v1, kind: Event, name: a, uid: b}]}\n',
      '/v1, Kind=Event is disallowed from being an owner',
    ],
  ])('%s', async (_what, text, ...says) => {
    server.file('bad.yaml', text);
    const before = await everything();
    const { code, stdout, stderr } = await server.run(['apply', '-f', 'bad.yaml', '--timeout', '1s']);
    for (const said of says) expect(stderr).toContain(said);
    expect(stderr).toMatch(/bad\.yaml:\d+:\d+: /); // the place in the file
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(await everything()).toBe(before);
  });

  it('scaling below nothing, deleting with no such policy, over the client', async () => {
    await dialled(async (client) => {
      expect(await refused(client.mergePatch('Deployment', 'default', 'good', { spec: { replicas: -1 } }))).toBe(
        'Invalid: Deployment.apps "good" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0',
      );
      expect(await refused(client.delete('Deployment', 'default', 'good', { propagationPolicy: 'Sideways' as 'Orphan' }))).toBe(
        'Invalid: DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Unsupported value: "Sideways": supported values: "Foreground", "Background", "Orphan", "nil"',
      );
      expect(await refused(client.delete('Deployment', 'default', 'good', { uid: 'other' }))).toMatch(
        /^Conflict: Operation cannot be fulfilled on deployments\.apps "good": the UID in the precondition \(other\) does not match the UID in record \(.+\)\. The object might have been deleted and then recreated$/,
      );
      const there = await client.get('Deployment', 'default', 'good');
      expect(await refused(client.create('Deployment', there))).toBe(
        'BadRequest: resourceVersion should not be set on objects to be created',
      );
    });
  });
});

describe('completions and parallelism of zero', () => {
  it('are allowed, as in Kubernetes', async () => {
    server.file('none.yaml', job(`suspend: true\n  completions: 0\n  parallelism: 0\n  ${once}`, 'none'));
    await server.must('apply', '-f', 'none.yaml', '--wait=false');
    await server.must('delete', 'job', 'none');
  });
});

describe('who writes what', () => {
  it('a status is not said by creating or updating, a spec not by writing the status; generation counts changes of the spec', async () => {
    await dialled(async (client) => {
      const labels = { app: 'mine' };
      const made = await client.create(
        'ReplicaSet',
        ReplicaSet.fromPartial({
          metadata: { name: 'mine', namespace: 'default' },
          spec: {
            replicas: 0,
            selector: { matchLabels: labels },
            template: { metadata: { labels }, spec: { containers: [{ name: 'a', image: 'web:1' }] } },
          },
          status: { replicas: 7, observedGeneration: 7 },
        }),
      );
      expect([made.object.status?.replicas, made.object.metadata?.generation]).toEqual([0, 1]);
      const changed = await client.mergePatch('ReplicaSet', 'default', 'mine', { spec: { minReadySeconds: 3 }, status: { replicas: 7 } });
      expect([changed.object.status?.replicas, changed.object.metadata?.generation]).toEqual([0, 2]);
      const labelled = await client.mergePatch('ReplicaSet', 'default', 'mine', { metadata: { labels: { a: 'b' } } });
      expect(labelled.object.metadata?.generation).toBe(2);
      const byStatus = { subresource: 'status' } as const;
      const written = await client.mergePatch(
        'ReplicaSet',
        'default',
        'mine',
        { spec: { replicas: 9 }, status: { replicas: 0 } },
        byStatus,
      );
      expect([written.object.spec?.replicas, written.object.metadata?.generation]).toEqual([0, 2]);
      expect(await refused(client.mergePatch('ReplicaSet', 'default', 'mine', { status: { readyReplicas: 5 } }, byStatus))).toBe(
        'Invalid: ReplicaSet.apps "mine" is invalid: status.readyReplicas: Invalid value: 5: cannot be greater than status.replicas',
      );
      await client.delete('ReplicaSet', 'default', 'mine', {});
    });
  });
});

describe('warned of:', () => {
  it('a name that is no host name; once, when it is new', async () => {
    server.file('dots.yaml', app('Deployment', `replicas: 0\n  ${selector}\n  ${web}`, 'with.dots'));
    const { code, stderr } = await server.run(['apply', '-f', 'dots.yaml', '--wait=false']);
    expect(code).toBe(0);
    expect(stderr).toContain(
      'metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; a DNS label is recommended: [must not contain dots]',
    );
    server.file('dots.yaml', app('Deployment', `replicas: 0\n  paused: true\n  ${selector}\n  ${web}`, 'with.dots'));
    const again = await server.run(['apply', '-f', 'dots.yaml', '--wait=false']);
    expect(again).toMatchObject({ code: 0, stderr: expect.not.stringContaining('DNS label') as string });
    await server.must('delete', 'deployment', 'with.dots');
  });
});

describe('deletion', () => {
  it('of a namespace that is held says what holds it', async () => {
    await server.must('create', 'namespace', 'held');
    server.file('held.yaml', 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: stuck, namespace: held, finalizers: [example.com/hold]}\n');
    await server.must('apply', '-f', 'held.yaml');
    const { code, stderr } = await server.run(['delete', 'namespace', 'held', '--timeout=3s']);
    expect(code).not.toBe(0);
    expect(stderr).toContain(
      'Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances (configmap/stuck)',
    );
    server.file('late.yaml', 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: late, namespace: held}\n');
    expect((await server.run(['apply', '-f', 'late.yaml', '--timeout=1s'])).stderr).toContain(
      'configmaps "late" is forbidden: unable to create new content in namespace held because it is being terminated',
    );
    await dialled(async (client) => {
      await client.mergePatch('ConfigMap', 'held', 'stuck', { metadata: { finalizers: [] } });
    });
    await server.must('delete', 'namespace', 'held', '--ignore-not-found', '--timeout=60s');
    expect((await server.run(['delete', 'namespace', 'default'])).stderr).toContain(
      'namespaces "default" is forbidden: this namespace may not be deleted',
    );
  });

  it('of owners that form a ring takes all of them', async () => {
    await dialled(async (client) => {
      const make = async (name: string): Promise<string> =>
        (await client.create('ConfigMap', ConfigMap.fromPartial({ metadata: { name, namespace: 'default' } }))).object.metadata?.uid ?? '';
      const ring = await Promise.all(['ring-a', 'ring-b'].map(async (name) => ({ name, uid: await make(name) })));
      for (const [i, { name }] of ring.entries()) {
        const owner = ring[1 - i];
        const reference = { apiVersion: 'v1', kind: 'ConfigMap', name: owner?.name, uid: owner?.uid, blockOwnerDeletion: true };
        await client.mergePatch('ConfigMap', 'default', name, { metadata: { ownerReferences: [reference] } });
      }
    });
    await server.must('delete', 'configmap', 'ring-a', '--cascade=foreground', '--timeout=60s');
    await expect
      .poll(
        async () =>
          await dialled(
            async (client) => (await client.list('ConfigMap')).items.filter(({ metadata }) => metadata?.name?.startsWith('ring-')).length,
          ),
        { timeout: 60_000 },
      )
      .toBe(0);
  });
});
