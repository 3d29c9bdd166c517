// Whether something new may come into a namespace. Asked for everything that people and controllers make; what else is asked of pods is beside this.
import { ApiError, forbiddenCall, notFound } from '@podplane/api/errors';
import type { Kind } from '@podplane/api/kinds/kind-map';
import { kindNames, qualifiedResource } from '@podplane/api/kinds/kind-names';
import type { ReadView } from '@podplane/store/types';

const TERMINATING = 'NamespaceTerminating';

/** New objects need a namespace that is there to stay. Throws ApiError: NotFound, Forbidden. */
export function checkNamespace(view: ReadView, kind: Kind, namespace: string, name: string): void {
  if (!kindNames[kind].namespaced) return;
  const found = view.get('Namespace', '', namespace);
  if (found === undefined) {
    const { reason, message, target } = notFound('Namespace', '', namespace);
    throw new ApiError(reason, message, { target, advice: `Make it first: podplane create namespace ${namespace}` });
  }
  if (found.metadata?.deletionTimestamp === undefined && found.status?.phase !== 'Terminating') return;
  const message = `unable to create new content in namespace ${namespace} because it is being terminated`;
  throw forbiddenCall(`${qualifiedResource(kind)} "${name}" is forbidden: ${message}`, {
    target: { kind, namespace, name },
    causes: [{ reason: TERMINATING, message: `namespace ${namespace} is being terminated`, field: 'metadata.namespace' }],
  });
}

/** Whether something was refused because its namespace is going: it will be refused until the namespace is gone. */
export const isTerminating = ({ causes }: ApiError): boolean => causes.some(({ reason }) => reason === TERMINATING);
