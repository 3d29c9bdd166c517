// What a pod gets from its service account, and when it is refused; one row a case.

import { PodSpec } from '@podplane/api/gen/podplane/core/v1/pod';
import { ServiceAccount } from '@podplane/api/gen/podplane/core/v1/service_account';
import type { Obj } from '@podplane/api/kinds/kind-map';
import type { ReadView } from '@podplane/store/types';
import { describe, expect, it } from 'vitest';
import { checkSecrets, TOKEN_FOLDER, withAccount } from './service-account.js';

type Pod = Obj<'Pod'>;
type Manifest = Parameters<typeof PodSpec.fromPartial>[0];

function viewOf(account: Parameters<typeof ServiceAccount.fromPartial>[0] | undefined): ReadView {
  const found = account && ServiceAccount.fromPartial({ ...account, metadata: { name: 'default', namespace: 'ns', ...account.metadata } });
  return {
    get: (_kind: string, _namespace: string, name: string) => (name === found?.metadata?.name ? found : undefined),
  } as unknown as ReadView;
}

const podOf = (spec: Manifest): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p', namespace: 'ns', labels: {}, annotations: {}, ownerReferences: [], finalizers: [], managedFields: [] },
  spec: PodSpec.fromPartial({ containers: [{ name: 'a' }], ...spec }),
});

const mountsOf = (pod: Pod): boolean[] =>
  [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])].map(({ volumeMounts }) =>
    volumeMounts.some(
      ({ name, mountPath, readOnly }) => name.startsWith('kube-api-access-') && mountPath === TOKEN_FOLDER && readOnly === true,
    ),
  );

describe('the token', () => {
  it.each<[string, Manifest, Parameters<typeof ServiceAccount.fromPartial>[0], boolean[]]>([
    ['comes unasked', {}, {}, [true]],
    [
      'goes into init containers too',
      { initContainers: [{ name: 'i' }], containers: [{ name: 'a' }, { name: 'b' }] },
      {},
      [true, true, true],
    ],
    ['not where the pod does not want it', { automountServiceAccountToken: false }, {}, [false]],
    ['not where the account does not', {}, { automountServiceAccountToken: false }, [false]],
    ['the pod wins: yes', { automountServiceAccountToken: true }, { automountServiceAccountToken: false }, [true]],
    ['the pod wins: no', { automountServiceAccountToken: false }, { automountServiceAccountToken: true }, [false]],
    [
      'not where something is mounted there',
      { containers: [{ name: 'a', volumeMounts: [{ name: 'v', mountPath: TOKEN_FOLDER }] }, { name: 'b' }], volumes: [{ name: 'v' }] },
      {},
      [false, true],
    ],
  ])('%s', (_what, spec, account, mounts) => {
    const pod = withAccount(viewOf(account), podOf(spec), 'p');
    expect(mountsOf(pod)).toEqual(mounts);
    const volumes = pod.spec?.volumes.filter(({ projected }) => projected !== undefined) ?? [];
    expect(volumes).toHaveLength(mounts.includes(true) ? 1 : 0);
  });

  it('is no volume where every container has something of its own there', () => {
    const volumeMounts = [{ name: 'v', mountPath: TOKEN_FOLDER }];
    const before = podOf({ containers: [{ name: 'a', volumeMounts }], volumes: [{ name: 'v' }] });
    expect(withAccount(viewOf({}), before, 'p')).toBe(before);
  });

  it('is projected with the authority and the namespace', () => {
    const pod = withAccount(viewOf({}), podOf({}), 'p');
    expect(pod.spec?.volumes[0]?.projected).toMatchObject({
      defaultMode: 420,
      sources: [
        { serviceAccountToken: { path: 'token', expirationSeconds: 3607 } },
        { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
        { downwardAPI: { items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }] } },
      ],
    });
  });

  it('has a volume whose name no other volume has', () => {
    const first = withAccount(viewOf({}), podOf({}), 'p').spec?.volumes[0]?.name ?? '';
    expect(first).toMatch(/^kube-api-access-[a-z0-9]{5}$/);
    const names = withAccount(viewOf({}), podOf({ volumes: [{ name: first }] }), 'p').spec?.volumes.map(({ name }) => name) ?? [];
    expect(new Set(names).size).toBe(2);
  });

  it('pods of one template share their spec; those that differ elsewhere share its parts; another account makes another one', () => {
    const view = viewOf({});
    const { spec } = podOf({});
    if (spec === undefined) throw new Error('no spec');
    const [a, b] = ['a', 'b'].map((name) => withAccount(view, { ...podOf({}), spec }, name).spec);
    expect(a).toBe(b);
    const c = withAccount(view, { ...podOf({}), spec: { ...spec, hostname: 'c' } }, 'c').spec;
    expect([c?.hostname, c?.containers === a?.containers, c?.volumes === a?.volumes]).toEqual(['c', true, true]);
    const other = withAccount(view, { ...podOf({}), spec: { ...spec, automountServiceAccountToken: false } }, 'd').spec;
    expect(other?.volumes).toEqual([]);
    expect(withAccount(viewOf({ automountServiceAccountToken: false }), { ...podOf({}), spec }, 'e').spec).toBe(spec);
  });
});

describe('credentials for images', () => {
  it.each<[string, Manifest, string[]]>([
    ["are the account's where the pod names none", {}, ['x', 'y']],
    ["are the pod's where it names some", { imagePullSecrets: [{ name: 'own' }] }, ['own']],
  ])('%s', (_what, spec, names) => {
    const pod = withAccount(viewOf({ imagePullSecrets: [{ name: 'x' }, { name: 'y' }] }), podOf(spec), 'p');
    expect(pod.spec?.imagePullSecrets.map(({ name }) => name)).toEqual(names);
  });
});

describe('refusals', () => {
  const strict = { metadata: { annotations: { 'kubernetes.io/enforce-mountable-secrets': 'true' } }, secrets: [{ name: 'mine' }] };
  const env = [{ name: 'E', valueFrom: { secretKeyRef: { name: 'other', key: 'k' } } }];
  const rest = 'is not allowed because service account default does not reference that';
  it.each<[string, Manifest, Parameters<typeof ServiceAccount.fromPartial>[0] | undefined, string | undefined]>([
    ['no account', {}, undefined, 'error looking up service account ns/default: serviceaccount "default" not found'],
    ['no account of that name', { serviceAccountName: 'x' }, {}, 'error looking up service account ns/x: serviceaccount "x" not found'],
    [
      'a volume',
      { volumes: [{ name: 'v', secret: { secretName: 'other' } }] },
      strict,
      `volume with secret.secretName="other" ${rest} secret`,
    ],
    ['a listed volume', { volumes: [{ name: 'v', secret: { secretName: 'mine' } }] }, strict, undefined],
    ['env', { containers: [{ name: 'a', env }] }, strict, `container a with envVar E referencing secret.secretName="other" ${rest} secret`],
    [
      'env of an init container',
      { initContainers: [{ name: 'i', env }] },
      strict,
      `init container i with envVar E referencing secret.secretName="other" ${rest} secret`,
    ],
    [
      'envFrom',
      { containers: [{ name: 'a', envFrom: [{ secretRef: { name: 'other' } }] }] },
      strict,
      `container a with envFrom referencing secret.secretName="other" ${rest} secret`,
    ],
    ['a login', { imagePullSecrets: [{ name: 'l' }] }, strict, `imagePullSecrets[0].name="l" ${rest} imagePullSecret`],
    ['nothing where the account does not say so', { containers: [{ name: 'a', env }] }, { secrets: [{ name: 'mine' }] }, undefined],
  ])('%s', (_what, spec, account, message) => {
    const admit = (): Pod => withAccount(viewOf(account), podOf(spec), 'p');
    if (message === undefined) expect(admit()).toBeDefined();
    else expect(admit).toThrow(`pods "p" is forbidden: ${message}`);
  });

  it('of an ephemeral container, for what it alone uses', () => {
    const pod = podOf({ containers: [{ name: 'a', env }], ephemeralContainers: [{ name: 'e' }] });
    expect(() => checkSecrets(viewOf(strict), pod)).not.toThrow();
    const worse = podOf({ ephemeralContainers: [{ name: 'e', env }] });
    expect(() => checkSecrets(viewOf(strict), worse)).toThrow(
      `ephemeral container e with envVar E referencing secret.secretName="other" ${rest} secret`,
    );
  });
});
