// Tokens of service accounts in volumes, on real Docker: whom they name, what they allow, what ends them.
import path from 'node:path';
import { PodplaneClient } from '@podplane/client/client';
import { readContext } from '@podplane/client/context';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { engineAnswers, eventually } from '../harness.js';
import { FieldCluster, FOREVER, scriptContainer } from './field-cluster.js';

const answers = await engineAnswers();

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
  const { play } = cluster;
  beforeAll(async () => {
    await cluster.start(1);
  });
  afterAll(async () => {
    await cluster.remove();
  });

  const as = async (token: string): Promise<PodplaneClient> =>
    new PodplaneClient({ ...(await readContext(path.join(play.data, 'context.json'))), token });
  const whoIs = async (token: string): Promise<string> => {
    using client = await as(token);
    return await client.whoAmI().then(
      ({ username }) => username,
      (error: unknown) => String(error),
    );
  };

  it('PodSpec serviceAccountName, PodSpec serviceAccount: a pod whose account is not there is refused, as in Kubernetes', async () => {
    await expect(cluster.apply(POD)).rejects.toThrow(
      'pods "web" is forbidden: error looking up service account default/web: serviceaccounts "web" not found',
    );
    expect(await play.must('get', 'serviceaccounts')).toMatch(/^default\s/m);
  });

  it('PodSpec volumes[].projected.sources[].serviceAccountToken: it names account, pod and node, allows nothing but that question, and ends with the pod', async () => {
    await cluster.apply(ACCOUNT + POD);
    const { metadata, spec } = await cluster.ready('web');
    const [token = '', vault = ''] = JSON.parse(
      await cluster.inPod('web', "JSON.stringify(['/t/token', '/t/vault'].map((file) => fs.readFileSync(file, 'utf8')))"),
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
    await play.must('delete', 'pod', 'web');
    await eventually(
      'refused',
      () => whoIs(token),
      (said) => said.includes('the pod of the token is no more'),
    );
  });

  it('a token that was asked for by hand is the account as well, until the account goes', async () => {
    const token = (await play.must('create', 'token', 'web', '--duration', '10m')).trim();
    expect(await whoIs(token)).toBe('system:serviceaccount:default:web');
    await play.must('delete', 'serviceaccount', 'web');
    expect(await whoIs(token)).toContain('the service account of the token is no more');
    expect(await play.must('whoami')).toContain('Groups: system:masters');
  });
});
