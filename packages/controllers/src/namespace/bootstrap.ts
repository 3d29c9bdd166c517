// The namespaces that are there from the first start, and the finalizers that every namespace has.
import type { Namespace } from '@podplane/api/gen/podplane/core/v1/namespace';
import { NAMESPACE_NAME_LABEL } from '@podplane/api/kinds/namespace';
import type { Tx } from '@podplane/store/types';
import { createAccountObjects } from '../serviceaccount/bootstrap.js';

/** Holds a namespace in the store until it is empty. */
export const CONTENT_FINALIZER = 'podplane.dev/namespace-content';
/** What Kubernetes' clients see in spec.finalizers. */
export const SPEC_FINALIZER = 'kubernetes';

export const DEFAULT_NAMESPACES: readonly string[] = ['default', 'kube-system'];

/** A namespace as a server makes it. */
export function newNamespace(name: string): Namespace {
  return {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: {
      name,
      labels: { [NAMESPACE_NAME_LABEL]: name },
      annotations: {},
      ownerReferences: [],
      finalizers: [CONTENT_FINALIZER],
      managedFields: [],
    },
    spec: { finalizers: [SPEC_FINALIZER] },
    status: { phase: 'Active', conditions: [] },
  };
}

/** Makes the default namespaces that are missing, with what every namespace has. For the server's start. rootCa: PEM. */
export function createDefaultNamespaces(tx: Tx, rootCa?: string): void {
  for (const name of DEFAULT_NAMESPACES) {
    if (tx.get('Namespace', '', name) !== undefined) continue;
    tx.create('Namespace', newNamespace(name));
    createAccountObjects(tx, name, rootCa);
  }
}
