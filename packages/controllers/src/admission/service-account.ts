// What a new pod gets from its service account, as Kubernetes' admission plugin of that name does it: a token with what belongs to it,
// mounted into every container, and credentials for images. Pure but for the view. Templates of workloads are left alone.
import { forbiddenCall } from '@podplane/api/errors';
import { VolumeMount } from '@podplane/api/gen/podplane/core/v1/container';
import { Volume } from '@podplane/api/gen/podplane/core/v1/volume';
import type { Obj } from '@podplane/api/kinds/kind-map';
import { GIVEN_VOLUME_PREFIX } from '@podplane/api/kinds/pod-spec/given-token';
import type { ReadView } from '@podplane/store/types';
import { nameHash } from '../shared/hash.js';
import { secretProblem } from './mountable-secrets.js';

export const DEFAULT_ACCOUNT = 'default';
/** The ConfigMap of every namespace with the cluster's authority. */
export const ROOT_CA = 'kube-root-ca.crt';
export const ROOT_CA_KEY = 'ca.crt';
/** Where programs for Kubernetes look for their token. */
export const TOKEN_FOLDER = '/var/run/secrets/kubernetes.io/serviceaccount';
/** Kubernetes' own hour and seven seconds, by which its tools know tokens that nobody asked for. */
const TOKEN_SECONDS = 3607;
const SUFFIX = 5;

type Pod = Obj<'Pod'>;
type Spec = NonNullable<Pod['spec']>;
type Account = Obj<'ServiceAccount'>;

interface Known {
  readonly account: Account;
  readonly before: Spec;
  readonly after: Spec;
}
/** By their containers, which pods of one template share. */
const known = new WeakMap<Spec['containers'], Known>();

/** The pod as it may be made. called: its name, or what its name begins with. Throws ApiError Forbidden, in Kubernetes' words. */
export function withAccount(view: ReadView, pod: Pod, called: string): Pod {
  const { spec } = pod;
  if (spec === undefined) return pod;
  const namespace = pod.metadata?.namespace ?? '';
  const name = spec.serviceAccountName || DEFAULT_ACCOUNT;
  const account = view.get('ServiceAccount', namespace, name);
  if (account === undefined)
    throw refused(namespace, called, `error looking up service account ${namespace}/${name}: serviceaccount "${name}" not found`);
  const after = again(spec, account);
  if (after !== undefined) return after === spec ? pod : { ...pod, spec: after };
  const made = specFor(spec, account, namespace);
  const problem = secretProblem(account, made);
  if (problem !== undefined) throw refused(namespace, called, problem);
  known.set(spec.containers, { account, before: spec, after: made });
  return made === spec ? pod : { ...pod, spec: made };
}

/** What was made of the same spec before; of one that differs only in what does not matter here, with the same parts. So all share them. */
function again(spec: Spec, account: Account): Spec | undefined {
  const found = known.get(spec.containers);
  if (found === undefined || found.account !== account) return undefined;
  const { before, after } = found;
  if (before === spec) return after;
  const { initContainers, volumes, imagePullSecrets, automountServiceAccountToken } = spec;
  const same =
    before.initContainers === initContainers &&
    before.volumes === volumes &&
    before.imagePullSecrets === imagePullSecrets &&
    before.automountServiceAccountToken === automountServiceAccountToken;
  if (!same) return undefined;
  return {
    ...spec,
    containers: after.containers,
    initContainers: after.initContainers,
    volumes: after.volumes,
    imagePullSecrets: after.imagePullSecrets,
  };
}

/** Ephemeral containers may not use Secrets either that the account keeps from its pods. Throws ApiError Forbidden. */
export function checkSecrets(view: ReadView, pod: Pod): void {
  const namespace = pod.metadata?.namespace ?? '';
  const account = view.get('ServiceAccount', namespace, pod.spec?.serviceAccountName || DEFAULT_ACCOUNT);
  if (account === undefined || pod.spec === undefined) return;
  const problem = secretProblem(account, { ...pod.spec, volumes: [], initContainers: [], containers: [], imagePullSecrets: [] });
  if (problem !== undefined) throw refused(namespace, pod.metadata?.name ?? '', problem);
}

function refused(namespace: string, name: string, message: string): Error {
  return forbiddenCall(`pods "${name}" is forbidden: ${message}`, { target: { kind: 'Pod', namespace, name } });
}

function specFor(before: Spec, account: Account, namespace: string): Spec {
  let spec = before;
  if (spec.imagePullSecrets.length === 0 && account.imagePullSecrets.length > 0)
    spec = { ...spec, imagePullSecrets: account.imagePullSecrets.map((secret) => ({ ...secret })) };
  return (spec.automountServiceAccountToken ?? account.automountServiceAccountToken ?? true) ? withToken(spec, namespace) : spec;
}

function withToken(spec: Spec, namespace: string): Spec {
  if ([...spec.initContainers, ...spec.containers].every(hasMount)) return spec;
  const name = freeName(spec, namespace);
  const mount = VolumeMount.fromPartial({ name, readOnly: true, mountPath: TOKEN_FOLDER });
  const mounted = <T extends Spec['containers'][number]>(container: T): T =>
    hasMount(container) ? container : { ...container, volumeMounts: [...container.volumeMounts, mount] };
  return {
    ...spec,
    initContainers: spec.initContainers.map(mounted),
    containers: spec.containers.map(mounted),
    volumes: [...spec.volumes, tokenVolume(name)],
  };
}

const hasMount = ({ volumeMounts }: Spec['containers'][number]): boolean =>
  volumeMounts.some(({ mountPath }) => mountPath === TOKEN_FOLDER);

/** Letters that follow from what the pod has, so that nothing here needs chance. */
function freeName(spec: Spec, namespace: string): string {
  const seed = [namespace, ...spec.containers.flatMap(({ name, image }) => [name, image ?? ''])].join('\n');
  for (let i = 0; ; i++) {
    const name = `${GIVEN_VOLUME_PREFIX}${nameHash(`${seed}\n${i}`).slice(0, SUFFIX)}`;
    if (!spec.volumes.some((volume) => volume.name === name)) return name;
  }
}

function tokenVolume(name: string): Volume {
  return Volume.fromPartial({
    name,
    projected: {
      defaultMode: 0o644,
      sources: [
        { serviceAccountToken: { path: 'token', expirationSeconds: TOKEN_SECONDS } },
        { configMap: { name: ROOT_CA, items: [{ key: ROOT_CA_KEY, path: ROOT_CA_KEY }] } },
        { downwardAPI: { items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }] } },
      ],
    },
  });
}
