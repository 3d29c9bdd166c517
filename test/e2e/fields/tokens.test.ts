// Tokens of service accounts in volumes, on real Docker: whom they name, what they allow, what ends them.
import path from 'node:path';
import { PodplaneClient } from '@podplane/client/client';
import { readContext } from '@podplane/client/context';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { engineAnswers, eventually } from '../harness.js';
import { FieldCluster, FOREVER, PATIENCE_MS, scriptContainer } from './field-cluster.js';

const answers = await engineAnswers();

const FOLDER = '/var/run/secrets/kubernetes.io/serviceaccount';
const ACCOUNT = `apiVersion: v1
kind: ServiceAccount
metadata: {name: web}
---
`;
const POD = `apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  serviceAccountName: web
  terminationGracePeriodSeconds: 0
  containers: [${scriptContainer('a', FOREVER, 'volumeMounts: [{name: t, mountPath: /t}]')}]
  volumes:
    - name: t
      projected:
        sources:
          - serviceAccountToken: {path: token, expirationSeconds: 600}
          - serviceAccountToken: {path: vault, audience: vault}
`;

describe.skipIf(!answers)('service account tokens', () => {
  const cluster = new FieldCluster();
  beforeAll(async () => {
    await cluster.start(1);
  });
  afterAll(async () => {
    await cluster.remove();
  });

  const as = async (token: string): Promise<PodplaneClient> =>
    new PodplaneClient({ ...(await readContext(path.join(cluster.data, 'context.json'))), token });
  const whoIs = async (token: string): Promise<string> => {
    using client = await as(token);
    return await client.whoAmI().then(
      ({ username }) => username,
      (error: unknown) => String(error),
    );
  };

  it('PodSpec serviceAccountName, PodSpec serviceAccount: a pod whose account is not there is refused, as in Kubernetes', async () => {
    await expect(cluster.apply(POD)).rejects.toThrow(
      'pods "web" is forbidden: error looking up service account default/web: serviceaccount "web" not found',
    );
    expect(await cluster.must('get', 'serviceaccounts')).toMatch(/^default\s/m);
  });

  it('PodSpec volumes[].projected.sources[].serviceAccountToken: it names account, pod and node, allows nothing but that question, and ends with the pod', async () => {
    await cluster.apply(ACCOUNT + POD);
    const { metadata, spec } = await cluster.podReady('web');
    const [token = '', vault = ''] = JSON.parse(
      await cluster.js('web', "JSON.stringify(['/t/token', '/t/vault'].map((file) => fs.readFileSync(file, 'utf8')))"),
    ) as string[];
    const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as { exp: number; iat: number };
    expect(claims).toMatchObject({
      sub: 'system:serviceaccount:default:web',
      'kubernetes.io': { pod: { name: 'web', uid: metadata?.uid }, node: { name: spec?.nodeName }, serviceaccount: { name: 'web' } },
    });
    expect(claims.exp - claims.iat).toBe(600);
    expect(await whoIs(token)).toBe('system:serviceaccount:default:web');
    expect(await whoIs(vault)).toContain('the token is for another audience');
    using client = await as(token);
    await expect(client.get('Pod', 'default', 'web')).rejects.toMatchObject({ reason: 'Forbidden' });
    await cluster.must('delete', 'pod', 'web');
    await eventually(
      'refused',
      () => whoIs(token),
      (said) => said.includes('the pod of the token is no more'),
      PATIENCE_MS,
    );
  });

  it('PodSpec automountServiceAccountToken, ServiceAccount automountServiceAccountToken: every container finds the token, the authority and the namespace, unless the pod or else its account says no', async () => {
    const account = 'apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: quiet}\nautomountServiceAccountToken: false\n---\n';
    const pod = (name: string, fields: string): string => `apiVersion: v1
kind: Pod
metadata: {name: ${name}}
spec:
  terminationGracePeriodSeconds: 0
  ${fields}
  initContainers: [${scriptContainer('i', `console.log(fs.readFileSync('${FOLDER}/namespace', 'utf8'))`)}]
  containers: [${scriptContainer('a', FOREVER)}, ${scriptContainer('own', FOREVER, `volumeMounts: [{name: own, mountPath: ${FOLDER}}]`)}]
  volumes: [{name: own, emptyDir: {}}]
---
`;
    await cluster.apply(
      account +
        pod('plain', '') +
        pod('never', 'automountServiceAccountToken: false').replace(/^ {2}initContainers.*\n/m, '') +
        pod('by-account', 'serviceAccountName: quiet').replace(/^ {2}initContainers.*\n/m, '') +
        pod('wants', 'serviceAccountName: quiet\n  automountServiceAccountToken: true'),
    );
    const files = `JSON.stringify(fs.existsSync('${FOLDER}') && fs.readdirSync('${FOLDER}').filter((name) => !name.startsWith('..')))`;
    const { spec } = await cluster.podReady('plain');
    const volume = spec?.volumes.find(({ name }) => name.startsWith('kube-api-access-'));
    expect(volume?.projected?.sources.map(({ serviceAccountToken }) => serviceAccountToken?.expirationSeconds)).toEqual([
      3607,
      undefined,
      undefined,
    ]);
    expect(await cluster.logs('plain', '-c', 'i')).toBe('default\n');
    expect(JSON.parse(await cluster.js('plain', files, 'a'))).toEqual(['ca.crt', 'namespace', 'token']);
    expect(await cluster.js('plain', files, 'own')).toBe('[]');
    expect(await cluster.js('plain', `try { fs.writeFileSync('${FOLDER}/x', '') } catch ({ code }) { code }`, 'a')).toBe('EROFS');
    const { caCertificate } = await readContext(path.join(cluster.data, 'context.json'));
    expect(`${await cluster.js('plain', `fs.readFileSync('${FOLDER}/ca.crt', 'utf8')`, 'a')}\n`).toBe(caCertificate);
    const token = await cluster.js('plain', `fs.readFileSync('${FOLDER}/token', 'utf8')`, 'a');
    expect(await whoIs(token)).toBe('system:serviceaccount:default:default');
    for (const name of ['never', 'by-account']) {
      expect((await cluster.podReady(name)).spec?.volumes).toHaveLength(1);
      expect(await cluster.js(name, files, 'a')).toBe('false');
    }
    await cluster.podReady('wants');
    const wanted = await cluster.js('wants', `fs.readFileSync('${FOLDER}/token', 'utf8')`, 'a');
    expect(await whoIs(wanted)).toBe('system:serviceaccount:default:quiet');
    await cluster.must('delete', 'pod', 'plain', 'never', 'by-account', 'wants');
  });

  it('the token belongs to the pod’s user and group where it has them, and nobody else may read it', async () => {
    const pod = (name: string, context: string, of = ''): string => `apiVersion: v1
kind: Pod
metadata: {name: ${name}}
spec:
  terminationGracePeriodSeconds: 0
  securityContext: {${context}}
  containers: [${scriptContainer('a', FOREVER, of)}]
---
`;
    await cluster.apply(
      pod('anybody', '') +
        pod('user', 'runAsUser: 1234') +
        pod('group', 'fsGroup: 4321') +
        pod('both', 'runAsUser: 1234, fsGroup: 4321') +
        pod('own', 'runAsUser: 1234', 'securityContext: {runAsUser: 99}'),
    );
    const token = `const { mode, uid, gid } = fs.statSync('${FOLDER}/token'); (mode & 0o777).toString(8) + ' ' + uid + ' ' + gid`;
    for (const [name, is] of [
      ['anybody', '644 0 0'],
      ['user', '600 1234 0'],
      ['group', '640 0 4321'],
      ['both', '640 1234 4321'],
      ['own', '600 99 0'],
    ] as const) {
      await cluster.podReady(name);
      expect(`${name} ${await cluster.js(name, token)}`).toBe(`${name} ${is}`);
    }
    const read = `fs.readFileSync('${FOLDER}/token', 'utf8').length > 100`;
    for (const name of ['user', 'group', 'both']) expect(await cluster.js(name, read)).toBe('true');
    await cluster.must('delete', 'pod', 'anybody', 'user', 'group', 'both', 'own');
  });

  it('ServiceAccount imagePullSecrets, ServiceAccount secrets: its pods have the credentials, and may use no other Secrets where it says so', async () => {
    await cluster.apply(`apiVersion: v1
kind: ServiceAccount
metadata: {name: strict, annotations: {kubernetes.io/enforce-mountable-secrets: "true"}}
secrets: [{name: mine}]
imagePullSecrets: [{name: pull}]
---
apiVersion: v1
kind: Secret
metadata: {name: mine}
stringData: {key: told}
`);
    const pod = (name: string, secret: string, more = ''): string => `apiVersion: v1
kind: Pod
metadata: {name: ${name}}
spec:
  serviceAccountName: strict
  terminationGracePeriodSeconds: 0
  ${more}
  containers: [${scriptContainer('a', FOREVER, `env: [{name: KEY, valueFrom: {secretKeyRef: {name: ${secret}, key: key}}}]`)}]
`;
    await cluster.apply(pod('may', 'mine'));
    expect((await cluster.podReady('may')).spec?.imagePullSecrets).toEqual([{ name: 'pull' }]);
    expect(await cluster.js('may', 'process.env.KEY')).toBe('told');
    await expect(cluster.apply(pod('may-not', 'other'))).rejects.toThrow(
      'pods "may-not" is forbidden: container a with envVar KEY referencing secret.secretName="other" is not allowed because service account strict does not reference that secret',
    );
    await expect(cluster.apply(pod('other-login', 'mine', 'imagePullSecrets: [{name: foreign}]'))).rejects.toThrow(
      'imagePullSecrets[0].name="foreign" is not allowed because service account strict does not reference that imagePullSecret',
    );
    await cluster.must('delete', 'pod', 'may');
  });

  it('the authority is in every namespace, and comes back as it was when it is deleted or changed', async () => {
    const { caCertificate } = await readContext(path.join(cluster.data, 'context.json'));
    const found = async (): Promise<string | undefined> =>
      (await cluster.client.get('ConfigMap', 'fresh', 'kube-root-ca.crt').catch(() => undefined))?.data['ca.crt'];
    await cluster.must('create', 'namespace', 'fresh');
    expect(await found()).toBe(caCertificate);
    await cluster.must('delete', 'configmap', 'kube-root-ca.crt', '-n', 'fresh');
    await eventually('it is back', found, (text) => text === caCertificate, PATIENCE_MS);
    const map = await cluster.client.get('ConfigMap', 'fresh', 'kube-root-ca.crt');
    await cluster.client.update('ConfigMap', { ...map, data: { 'ca.crt': 'forged' } });
    await eventually('it is put right', found, (text) => text === caCertificate, PATIENCE_MS);
    await cluster.must('delete', 'namespace', 'fresh');
  });

  it('a controller whose pods are refused says so, and goes on when it may', async () => {
    await cluster.apply(`apiVersion: apps/v1
kind: Deployment
metadata: {name: waits}
spec:
  selector: {matchLabels: {app: waits}}
  template:
    metadata: {labels: {app: waits}}
    spec: {serviceAccountName: later, terminationGracePeriodSeconds: 0, containers: [${scriptContainer('a', FOREVER)}]}
`);
    const refused = await eventually(
      'the deployment tells',
      async () => (await cluster.get('Deployment', 'waits')).status?.conditions.find(({ type }) => type === 'ReplicaFailure'),
      (condition) => condition !== undefined,
      PATIENCE_MS,
    );
    expect(refused).toMatchObject({ status: 'True', reason: 'FailedCreate' });
    expect(refused?.message).toMatch(
      /^pods "waits-[a-z0-9]+-" is forbidden: error looking up service account default\/later: serviceaccount "later" not found$/,
    );
    await eventually(
      'an event of the set',
      () => cluster.must('get', 'events'),
      (table) => /FailedCreate\s+replicaset\/waits-\S+\s+Error creating: pods "waits-/i.test(table),
      PATIENCE_MS,
    );
    await cluster.apply('apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: later}\n');
    const healed = await eventually(
      'it runs',
      () => cluster.get('Deployment', 'waits'),
      ({ status }) => status?.readyReplicas === 1 && !status.conditions.some(({ type }) => type === 'ReplicaFailure'),
      PATIENCE_MS,
    );
    expect(healed.status?.replicas).toBe(1);
    await cluster.must('delete', 'deployment', 'waits');
  });

  it('a token that was asked for by hand is the account as well, until the account goes', async () => {
    const token = (await cluster.must('create', 'token', 'web', '--duration', '10m')).trim();
    expect(await whoIs(token)).toBe('system:serviceaccount:default:web');
    await cluster.must('delete', 'serviceaccount', 'web');
    expect(await whoIs(token)).toContain('the service account of the token is no more');
    expect(await cluster.must('whoami')).toContain('Groups: system:masters');
  });
});
