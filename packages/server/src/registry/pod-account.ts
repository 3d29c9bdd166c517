// Whether a pod's service account is there, as Kubernetes' admission asks. The default one is made with its namespace, a moment later.
import { forbiddenCall } from '@podplane/api/errors';
import type { KindMap } from '@podplane/api/kinds/kind-map';
import type { ReadView } from '@podplane/store/types';

/** Throws ApiError Forbidden. */
export function checkPodAccount(view: ReadView, { metadata, spec }: KindMap['Pod']): void {
  const account = spec?.serviceAccountName || 'default';
  const namespace = metadata?.namespace ?? '';
  if (account === 'default' || view.get('ServiceAccount', namespace, account) !== undefined) return;
  const name = metadata?.name || (metadata?.generateName ?? '');
  throw forbiddenCall(
    `pods "${name}" is forbidden: error looking up service account ${namespace}/${account}: serviceaccounts "${account}" not found`,
    { target: { kind: 'Pod', namespace, name } },
  );
}
