// What every namespace has from its first moment on, so that a pod that comes with it finds it: the service account that pods run as where
// they name none, and the cluster's authority for programs in pods. Who puts them right later is controller.ts and root-ca.ts.
import { ConfigMap } from '@podplane/api/gen/podplane/core/v1/config_map';
import { ServiceAccount } from '@podplane/api/gen/podplane/core/v1/service_account';
import type { Tx } from '@podplane/store/types';
import { DEFAULT_ACCOUNT, ROOT_CA, ROOT_CA_KEY } from '../admission/service-account.js';

const DESCRIPTION = 'kubernetes.io/description';
const DESCRIPTION_TEXT =
  "The certificate of the cluster's own authority, by which programs in pods know the server. Kept as it is by the server.";

export function newDefaultAccount(namespace: string): ServiceAccount {
  return ServiceAccount.fromPartial({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: DEFAULT_ACCOUNT, namespace } });
}

/** pem: the authority's certificate. */
export function newRootCa(namespace: string, pem: string): ConfigMap {
  return ConfigMap.fromPartial({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: ROOT_CA, namespace, annotations: { [DESCRIPTION]: DESCRIPTION_TEXT } },
    data: { [ROOT_CA_KEY]: pem },
  });
}

/** Makes what is missing of both. pem undefined: no authority is known here (copies of the state that are only thought about). */
export function createAccountObjects(tx: Tx, namespace: string, pem: string | undefined): void {
  if (tx.get('ServiceAccount', namespace, DEFAULT_ACCOUNT) === undefined) tx.create('ServiceAccount', newDefaultAccount(namespace));
  if (pem !== undefined && tx.get('ConfigMap', namespace, ROOT_CA) === undefined) tx.create('ConfigMap', newRootCa(namespace, pem));
}
