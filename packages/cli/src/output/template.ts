// -o jsonpath=..., custom-columns=...: what is printed of objects is said on the command line. JSONPath itself is in jsonpath.ts.
import { toManifest } from '@podplane/api/decode/manifest';
import type { JsonValue } from '@podplane/api/decode/tree';
import { NONE } from '@podplane/api/print';
import { usage } from '../exit-codes.js';
import { JsonPath, relaxedPath, valueText } from './jsonpath.js';
import type { Found } from './objects.js';
import { Table } from './table.js';

/** Prints objects; single: one object was asked for by its name, so the template is about it and no list. */
export type Template = (found: readonly Found[], single: boolean) => string;

function rootOf(found: readonly Found[], single: boolean): JsonValue {
  const manifests = found.map(({ kind, object }) => toManifest(kind, object));
  const [first] = manifests;
  return single && first !== undefined ? first : { apiVersion: 'v1', items: manifests, kind: 'List', metadata: { resourceVersion: '' } };
}

function columns(text: string, noHeaders: boolean): Template {
  const parts = text.split(/,(?![^[(]*[\])])/).map((part) => {
    const at = part.indexOf(':');
    if (at < 1 || at === part.length - 1)
      throw usage(
        `--output: custom-columns: "${part}" is not HEADER:PATH`,
        'For example: -o custom-columns=NAME:.metadata.name,IMAGE:.spec.containers[*].image',
      );
    return { header: part.slice(0, at), path: relaxedPath(part.slice(at + 1)) };
  });
  const table = new Table(
    parts.map(({ header }) => header),
    { noHeaders, asGiven: true },
  );
  return (found) =>
    table.render(
      found.map(({ kind, object }) => {
        const manifest = toManifest(kind, object);
        return parts.map(({ path }) => path.values(manifest).map(valueText).join(',') || NONE);
      }),
    );
}

/** The template that a value of -o is; undefined: it is none. Throws usage errors. */
export function templateOf(text: string, noHeaders: boolean): Template | undefined {
  const [, how, rest = ''] = /^(jsonpath-as-json|jsonpath|custom-columns)(?:=([^]*))?$/.exec(text) ?? [];
  if (how === undefined) return undefined;
  if (rest === '')
    throw usage(
      `--output: ${how} needs a template: ${how}=...`,
      how === 'custom-columns' ? 'For example: -o custom-columns=NAME:.metadata.name' : "For example: -o jsonpath='{.metadata.name}'",
    );
  if (how === 'custom-columns') return columns(rest, noHeaders);
  const path = /\{/.test(rest) ? new JsonPath(rest) : relaxedPath(rest);
  if (how === 'jsonpath') return (found, single) => path.text(rootOf(found, single));
  return (found, single) => `${JSON.stringify(path.values(rootOf(found, single)), undefined, 4)}\n`;
}
