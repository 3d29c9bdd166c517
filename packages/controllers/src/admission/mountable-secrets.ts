// Service accounts that say that their pods may use no Secrets but those that they list, by Kubernetes' annotation. Pure.
import type { Obj } from '@podplane/api/kinds/kind-map';

const ENFORCE = 'kubernetes.io/enforce-mountable-secrets';
/** What Go takes for true, as Kubernetes reads the annotation. */
const TRUE: ReadonlySet<string> = new Set(['1', 't', 'T', 'TRUE', 'true', 'True']);

type Spec = NonNullable<Obj<'Pod'>['spec']>;
type Container = Pick<Spec['containers'][number], 'name' | 'env' | 'envFrom'>;

/** What a pod uses that its account does not list, in Kubernetes' words; undefined: nothing, or the account does not ask. */
export function secretProblem(account: Obj<'ServiceAccount'>, spec: Spec): string | undefined {
  if (!TRUE.has(account.metadata?.annotations[ENFORCE] ?? '')) return undefined;
  const name = account.metadata?.name ?? '';
  const listed = new Set(account.secrets.map((secret) => secret.name));
  const rest = `is not allowed because service account ${name} does not reference that`;
  for (const { secret } of spec.volumes)
    if (secret !== undefined && !listed.has(secret.secretName))
      return `volume with secret.secretName="${secret.secretName ?? ''}" ${rest} secret`;
  const groups: readonly (readonly [string, readonly Container[]])[] = [
    ['init container', spec.initContainers],
    ['container', spec.containers],
    ['ephemeral container', spec.ephemeralContainers],
  ];
  for (const [what, containers] of groups) {
    for (const container of containers) {
      const problem = envProblem(container, listed);
      if (problem !== undefined) return `${what} ${container.name} ${problem} ${rest} secret`;
    }
  }
  const pullable = new Set(account.imagePullSecrets.map((secret) => secret.name));
  const at = spec.imagePullSecrets.findIndex((secret) => !pullable.has(secret.name));
  return at < 0 ? undefined : `imagePullSecrets[${at}].name="${spec.imagePullSecrets[at]?.name ?? ''}" ${rest} imagePullSecret`;
}

function envProblem({ env, envFrom }: Container, listed: ReadonlySet<string | undefined>): string | undefined {
  for (const { name, valueFrom } of env) {
    const secret = valueFrom?.secretKeyRef;
    if (secret !== undefined && !listed.has(secret.name)) return `with envVar ${name} referencing secret.secretName="${secret.name ?? ''}"`;
  }
  for (const { secretRef } of envFrom)
    if (secretRef !== undefined && !listed.has(secretRef.name))
      return `with envFrom referencing secret.secretName="${secretRef.name ?? ''}"`;
  return undefined;
}
