// Objects and patches held against what a manifest could say, before admission. A module of its own, loaded with the first write: the
// strict decoder brings YAML along, 8 MB that a server without writes spares. The rules of each kind are not here.
import { decodeObject, strictObject } from '@podplane/api/decode/decode';
import { type DecodeProblem, strictDecodingMessage } from '@podplane/api/decode/problems';
import { type ApiError, badRequest } from '@podplane/api/errors';
import type { Kind, KindMap } from '@podplane/api/kinds/kind-map';
import { kindNames } from '@podplane/api/kinds/kind-names';

interface Target {
  readonly kind: Kind;
  readonly namespace: string;
  readonly name: string;
}

/**
 * An object that came as protobuf bytes, held against what a manifest could say: bytes can carry times, ports and kinds that are none.
 * Gives the object in the one form that objects have. Throws ApiError BadRequest with the paths of what is wrong.
 */
export function admitBytes<K extends Kind>(kind: K, object: KindMap[K]): KindMap[K] {
  const decoded = strictObject(kind, object);
  if (decoded.ok) return decoded.object;
  const { namespace = '', name = '', generateName = '' } = object.metadata ?? {};
  throw undecodable({ kind, namespace, name: name || generateName }, decoded.problems);
}

/** An object whose parts are not of the types that its kind has. */
function undecodable(target: Target, problems: readonly DecodeProblem[]): ApiError {
  return badRequest(strictDecodingMessage(target.kind, kindNames[target.kind].apiVersion, problems), {
    target,
    causes: problems.map((problem) => ({
      reason: 'FieldValueInvalid',
      message: problem.message,
      field: 'path' in problem ? problem.path : '',
    })),
    advice: problems[0]?.advice ?? '',
  });
}

/** An object from a JSON tree. Throws ApiError BadRequest with the paths of what is wrong. */
export function admitTree<K extends Kind>(kind: K, tree: unknown, target: Target): KindMap[K] {
  const decoded = decodeObject(kind, tree);
  if (decoded.ok) return decoded.object;
  throw undecodable(target, decoded.problems);
}
