// Objects for people and programs: -o json, -o yaml, -o name, and the rows of tables. Which columns a kind has is the catalogue's
// business.
import { toManifest, toYaml } from '@podplane/api/decode/manifest';
import type { JsonValue } from '@podplane/api/decode/tree';
import type { Kind, KindMap } from '@podplane/api/kinds/kind-map';
import { nearest } from '@podplane/api/schema/nearest';
import { usage } from '../exit-codes.js';
import { fullName } from '../kinds.js';

export const OUTPUTS = ['wide', 'json', 'yaml', 'name'] as const;
export type Output = (typeof OUTPUTS)[number];

/** For commander: one of OUTPUTS. */
export function outputOption(text: string): Output {
  const found = OUTPUTS.find((one) => one === text);
  if (found !== undefined) return found;
  const near = nearest(text, OUTPUTS);
  throw usage(
    `unable to match a printer suitable for the output format "${text}", allowed formats are: ${OUTPUTS.join(', ')}`,
    near === undefined ? '' : `Did you mean "${near}"?`,
  );
}

/** JSON or YAML of data. */
export function serialized(data: JsonValue, output: 'json' | 'yaml'): string {
  return output === 'json' ? `${JSON.stringify(data, undefined, 4)}\n` : toYaml(data);
}

export interface Found<K extends Kind = Kind> {
  readonly kind: K;
  readonly object: KindMap[K];
}

/** -o json, yaml or name of objects. single: one object was asked for by its name, so no list is put around it. */
export function printed(found: readonly Found[], output: 'json' | 'yaml' | 'name', single: boolean): string {
  if (output === 'name') return found.map(({ kind, object }) => `${fullName(kind, object.metadata?.name ?? '')}\n`).join('');
  const manifests = found.map(({ kind, object }) => toManifest(kind, object));
  const [first] = manifests;
  if (single && first !== undefined) return serialized(first, output);
  return serialized({ apiVersion: 'v1', items: manifests, kind: 'List', metadata: { resourceVersion: '' } }, output);
}
