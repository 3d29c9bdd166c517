// Finding fields by path ("spec.template.spec.containers"), and paths by field. Indexes as in containers[0] are skipped.
import { type FieldSchema, kindSchema, type MessageSchema } from './model.js';

/** How deep pathsTo looks; deeper places are no help to a reader. */
const MAX_DEPTH = 7;

/** The names in a path: `spec.containers[0].image` gives spec, containers, image. */
export function pathNames(path: string): string[] {
  return path
    .replaceAll(/\[[^\]]*\]/g, '')
    .split('.')
    .filter((name) => name !== '');
}

/** The field at a path below a message; undefined where there is none, or where the path goes into a map or free-form value. */
export function fieldAt(message: MessageSchema, path: string): FieldSchema | undefined {
  let at: MessageSchema | undefined = message;
  let field: FieldSchema | undefined;
  for (const name of pathNames(path)) {
    field = at?.fields.get(name);
    if (field === undefined) return undefined;
    at = field.shape === 'map' ? undefined : field.message;
  }
  return field;
}

/** The field at a path of a kind. */
export function fieldOfKind(kind: string, path: string): FieldSchema | undefined {
  const schema = kindSchema(kind);
  return schema === undefined ? undefined : fieldAt(schema, path);
}

/** The shallowest places below a message at which there is a field of this name, nearest first, at most `most`. */
export function pathsTo(message: MessageSchema, name: string, most = 1): string[] {
  const found: string[] = [];
  let level: { readonly at: MessageSchema; readonly path: string }[] = [{ at: message, path: '' }];
  const seen = new Set<MessageSchema>();
  for (let depth = 0; depth < MAX_DEPTH && level.length > 0; depth++) {
    const next: typeof level = [];
    for (const { at, path } of level) {
      if (seen.has(at)) continue;
      seen.add(at);
      for (const field of at.fields.values()) {
        const own = `${path === '' ? '' : `${path}.`}${field.name}${field.shape === 'list' ? '[]' : ''}`;
        if (field.name === name) found.push(own.replace(/\[\]$/, ''));
        if (found.length >= most) return found;
        // What the system writes is no place to send a writer of manifests to.
        if (field.message !== undefined && field.shape !== 'map' && own !== 'status' && field.name !== 'managedFields') {
          next.push({ at: field.message, path: own });
        }
      }
    }
    level = next;
  }
  return found;
}
