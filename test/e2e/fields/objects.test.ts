// Kinds that hold facts and run nothing: what is written is what is read, defaults and rules apply. Against a control plane without nodes;
// what such objects do in pods is in the tests of volumes and environment.
import { decodeManifests } from '@podplane/api/decode/decode';
import type { Kind, KindMap } from '@podplane/api/kinds/kind-map';
import { PodplaneClient } from '@podplane/client/client';
import { readContext } from '@podplane/client/context';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ServerOnly } from '../server-only.js';

const server = new ServerOnly();
let client: PodplaneClient;

beforeAll(async () => {
  await server.start();
  client = new PodplaneClient(await readContext(server.contextFile));
});
afterAll(async () => {
  client[Symbol.dispose]();
  await server.remove();
});

/** Makes it with the command, and reads it again after the server was killed and started: what is durable. */
async function kept<K extends Kind>(kind: K, text: string): Promise<KindMap[K]> {
  server.file('object.yaml', text);
  await server.must('create', '-f', 'object.yaml');
  await server.stop('SIGKILL');
  await server.start();
  const result = decodeManifests(text, { source: 'object.yaml' });
  if (!result.ok) throw new Error('the manifest of the test is wrong');
  const metadata = result.objects[0]?.object.metadata;
  return await client.get(kind, kind === 'Namespace' ? '' : 'default', metadata?.name ?? '');
}

const refusal = async (text: string): Promise<string> => {
  server.file('bad.yaml', text);
  const { code, stderr } = await server.run(['apply', '-f', 'bad.yaml', '--wait=false']);
  expect(code).toBe(1);
  return stderr;
};

it('ConfigMap data, ConfigMap binaryData, ConfigMap immutable: kept byte for byte; nothing of an immutable one can be changed', async () => {
  const text = (value: string, immutable: boolean): string =>
    `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: facts}\ndata: {text: "${value}"}\nbinaryData: {bytes: AP8Q}\nimmutable: ${immutable}\n`;
  const map = await kept('ConfigMap', text('ä\\n', true));
  expect(map.data).toEqual({ text: 'ä\n' });
  expect([...(map.binaryData['bytes'] ?? [])]).toEqual([0, 255, 16]);
  expect(await refusal(text('b', true))).toContain('data: Forbidden: field is immutable when `immutable` is set');
  expect(await refusal(text('ä\\n', false))).toContain('immutable: Forbidden: field is immutable when `immutable` is set');
});

it('Secret data, Secret stringData, Secret type, Secret immutable: text becomes data, the type is checked and cannot change', async () => {
  const secret = await kept(
    'Secret',
    'apiVersion: v1\nkind: Secret\nmetadata: {name: pass}\nstringData: {b: plain}\ndata: {a: eA==, b: b2xk}\nimmutable: true\n',
  );
  const entries = Object.fromEntries(Object.entries(secret.data).map(([key, value]) => [key, Buffer.from(value).toString()]));
  expect({ entries, text: secret.stringData, type: secret.type }).toEqual({ entries: { a: 'x', b: 'plain' }, text: {}, type: 'Opaque' });
  expect(
    await refusal('apiVersion: v1\nkind: Secret\nmetadata: {name: pass}\ntype: kubernetes.io/tls\ndata: {tls.crt: "", tls.key: ""}\n'),
  ).toContain('type: Invalid value');
  expect(
    await refusal('apiVersion: v1\nkind: Secret\nmetadata: {name: cert}\ntype: kubernetes.io/tls\nstringData: {tls.crt: x}\n'),
  ).toContain('data[tls.key]: Required value');
  expect(await refusal('apiVersion: v1\nkind: Secret\nmetadata: {name: pass}\nstringData: {b: other}\n')).toContain(
    'Forbidden: field is immutable when `immutable` is set',
  );
});

it('Event involvedObject, Event reason, Event message, Event source, Event firstTimestamp, Event lastTimestamp, Event count, Event type, Event eventTime, Event series, Event action, Event related, Event reportingComponent, Event reportingInstance: kept as a client wrote them, found and shown by them', async () => {
  const event = await kept(
    'Event',
    `apiVersion: v1
kind: Event
metadata: {name: web.1}
involvedObject: {kind: Pod, namespace: default, name: web, uid: u-1, apiVersion: v1, fieldPath: "spec.containers{a}"}
related: {kind: Node, name: n1}
reason: Watched
message: somebody looked
action: Looking
type: Warning
source: {component: watcher, host: h1}
firstTimestamp: "2026-01-01T00:00:00Z"
lastTimestamp: "2026-01-01T00:05:00Z"
eventTime: "2026-01-01T00:00:00.000001Z"
count: 3
series: {count: 3, lastObservedTime: "2026-01-01T00:05:00.000002Z"}
reportingComponent: example.com/watcher
reportingInstance: w-1
`,
  );
  expect(event).toMatchObject({
    involvedObject: { kind: 'Pod', name: 'web', uid: 'u-1', fieldPath: 'spec.containers{a}' },
    related: { kind: 'Node', name: 'n1' },
    reason: 'Watched',
    message: 'somebody looked',
    action: 'Looking',
    type: 'Warning',
    source: { component: 'watcher', host: 'h1' },
    firstTimestamp: '2026-01-01T00:00:00Z',
    lastTimestamp: '2026-01-01T00:05:00Z',
    eventTime: '2026-01-01T00:00:00.000001Z',
    count: 3,
    series: { count: 3, lastObservedTime: '2026-01-01T00:05:00.000002Z' },
    reportingComponent: 'example.com/watcher',
    reportingInstance: 'w-1',
  });
  const { items } = await client.list('Event', {
    namespace: 'default',
    fieldSelector: 'involvedObject.name=web,reason=Watched,type=Warning',
  });
  expect(items.map(({ metadata }) => metadata?.name)).toEqual(['web.1']);
  expect(await server.must('get', 'events', '-o', 'wide')).toMatch(
    /Warning\s+Watched\s+pod\/web\s+spec\.containers\{a\}\s+watcher, h1\s+somebody looked\s+\S+\s+3\s+web\.1/,
  );
});

it('Lease spec.holderIdentity, Lease spec.leaseDurationSeconds, Lease spec.acquireTime, Lease spec.renewTime, Lease spec.leaseTransitions: a lock for programs: of two that take it at one revision, one gets it', async () => {
  const lease = await kept(
    'Lease',
    `apiVersion: coordination.k8s.io/v1
kind: Lease
metadata: {name: lock}
spec: {holderIdentity: a, leaseDurationSeconds: 15, acquireTime: "2026-01-01T00:00:00.000001Z", renewTime: "2026-01-01T00:00:10.5Z", leaseTransitions: 2}
`,
  );
  expect(lease.spec).toMatchObject({
    holderIdentity: 'a',
    leaseDurationSeconds: 15,
    leaseTransitions: 2,
    acquireTime: '2026-01-01T00:00:00.000001Z',
  });
  expect(Date.parse(lease.spec?.renewTime ?? '')).toBe(Date.parse('2026-01-01T00:00:10.5Z'));
  const takenBy = (holder: string) =>
    client.update('Lease', { ...lease, spec: { ...lease.spec, holderIdentity: holder, leaseTransitions: 3 } } as KindMap['Lease']);
  const takes = await Promise.allSettled([takenBy('b'), takenBy('c')]);
  expect(takes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  expect(
    await refusal('apiVersion: coordination.k8s.io/v1\nkind: Lease\nmetadata: {name: no}\nspec: {leaseDurationSeconds: 0}\n'),
  ).toContain('spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0');
});

it('Service spec: kept, and the command says that nothing routes to it yet', async () => {
  const service = await kept(
    'Service',
    'apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {selector: {app: web}, ports: [{port: 80, targetPort: http}]}\n',
  );
  expect(service.spec).toMatchObject({ selector: { app: 'web' }, ports: [{ port: 80 }] });
  server.file('service.yaml', 'apiVersion: v1\nkind: Service\nmetadata: {name: other}\nspec: {ports: [{port: 80}]}\n');
  const { stderr } = await server.run(['apply', '-f', 'service.yaml', '--wait=false']);
  expect(stderr).toContain('spec: accepted without effect: nothing routes to Services yet');
});
