// Label and field selectors of requests as one function over objects. Their grammar is in @podplane/api/selectors.
import { badRequest } from '@podplane/api/errors';
import { kindInfo } from '@podplane/api/kinds/catalogue';
import type { Kind, Obj } from '@podplane/api/kinds/kind-map';
import { compileRequirements, parseLabelSelector, SelectorError } from '@podplane/api/selectors';
import { compileFieldSelector, type FieldReader, parseFieldSelector } from '@podplane/api/selectors-field';
import type { ReadView } from '@podplane/store/types';

export interface Selection<K extends Kind = Kind> {
  readonly kind: K;
  /** "": all. */
  readonly namespace: string;
  /** Whether there is any condition besides kind and namespace. */
  readonly selective: boolean;
  matches(object: Obj<K>): boolean;
  /** Candidates in a state, by the narrowest index there is; not all of them match. */
  candidates(view: ReadView): Iterable<Obj<K>>;
}

interface SelectionRequest {
  readonly namespace: string;
  readonly labelSelector: string;
  readonly fieldSelector: string;
}

/** Throws ApiError BadRequest where a selector cannot be understood. */
export function parseSelection<K extends Kind>(kind: K, request: SelectionRequest): Selection<K> {
  const { namespace } = request;
  let example = 'app=web,tier in (a,b),!canary';
  try {
    const labels = compileRequirements(parseLabelSelector(request.labelSelector));
    example = 'metadata.name=web,metadata.namespace!=default';
    const requirements = parseFieldSelector(request.fieldSelector);
    const readers: Readonly<Record<string, FieldReader<Obj<K>>>> = {
      'metadata.name': (object) => object.metadata?.name ?? '',
      'metadata.namespace': (object) => object.metadata?.namespace ?? '',
      ...kindInfo(kind).selectableFields,
    };
    const fields = compileFieldSelector(requirements, readers);
    const selective = request.labelSelector !== '' || requirements.length > 0;
    const wanted = (field: string): string | undefined => requirements.find((one) => one.field === field && one.operator === '=')?.value;
    return {
      kind,
      namespace,
      selective,
      matches: (object) =>
        (namespace === '' || object.metadata?.namespace === namespace) &&
        (!selective || (labels(object.metadata?.labels ?? {}) && fields(object))),
      candidates(view) {
        const node = kind === 'Pod' ? wanted('spec.nodeName') : undefined;
        if (node !== undefined) return view.index(kind, 'node', node);
        const involved = kind === 'Event' ? wanted('involvedObject.uid') : undefined;
        if (involved !== undefined) return view.index(kind, 'involved', involved);
        const name = wanted('metadata.name');
        if (name !== undefined && (namespace !== '' || !kindInfo(kind).namespaced)) {
          const object = view.get(kind, namespace, name);
          return object === undefined ? [] : [object];
        }
        return view.list(kind, namespace === '' ? undefined : namespace);
      },
    };
  } catch (error) {
    if (error instanceof SelectorError) throw badRequest(error.message, { target: { kind }, advice: `For example: ${example}` });
    throw error;
  }
}
