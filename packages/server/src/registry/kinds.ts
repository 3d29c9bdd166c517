// What requests say of kinds and namespaces, checked. What a kind means is in @podplane/api/kinds.
import { badRequest } from '@podplane/api/errors';
import { kindByName } from '@podplane/api/kinds/catalogue';
import type { Kind } from '@podplane/api/kinds/kind-map';
import { allKinds, isKind, kindNames } from '@podplane/api/kinds/kind-names';

/** Throws ApiError BadRequest for a kind that does not exist. */
export function parseKind(text: string): Kind {
  if (isKind(text)) return text;
  const likely = kindByName(text);
  throw badRequest(text === '' ? 'kind: Required value' : `kind ${JSON.stringify(text.slice(0, 100))} is not known`, {
    target: { kind: text.slice(0, 100) },
    advice: typeof likely === 'string' ? `Did you mean ${likely}?` : `Kinds there are: ${allKinds.join(', ')}`,
  });
}

export interface Place {
  readonly kind: Kind;
  readonly namespace: string;
  readonly name: string;
}

/** Kind, namespace and name of one object. Throws ApiError BadRequest. */
export function parsePlace(request: { readonly kind: string; readonly namespace: string; readonly name: string }): Place {
  const kind = parseKind(request.kind);
  const { namespaced } = kindNames[kind];
  if (request.name === '') throw badRequest('name: Required value', { target: { kind } });
  if (namespaced && request.namespace === '')
    throw badRequest(`namespace: Required value: ${kindNames[kind].plural} live in namespaces`, { target: { kind, name: request.name } });
  if (!namespaced && request.namespace !== '') throw noNamespace(kind);
  return { kind, namespace: request.namespace, name: request.name };
}

/** Kind and namespace of many objects; an empty namespace means all. Throws ApiError BadRequest. */
export function parseScope(request: { readonly kind: string; readonly namespace: string }): {
  readonly kind: Kind;
  readonly namespace: string;
} {
  const kind = parseKind(request.kind);
  if (!kindNames[kind].namespaced && request.namespace !== '') throw noNamespace(kind);
  return { kind, namespace: request.namespace };
}

function noNamespace(kind: Kind): Error {
  return badRequest(`namespace: ${kindNames[kind].plural} do not live in namespaces`, {
    target: { kind },
    advice: 'Leave the namespace out.',
  });
}
