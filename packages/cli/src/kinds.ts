// Which kind a person means by a word, and how objects are named to people: pods, po, deploy/web, deployment.apps/web.
import { kindByName, kindsOfCategory } from '@podplane/api/kinds/catalogue';
import type { KindMap } from '@podplane/api/kinds/kind-map';
import { type Kind, kindNames } from '@podplane/api/kinds/kind-names';
import { usage } from './exit-codes.js';

/** Any object as clients get it. */
export type AnyObject = KindMap[Kind];

/** Kinds that a word stands for: one, or several for a category ("all"). Throws a usage error with a suggestion. */
export function kindsByWord(word: string): readonly Kind[] {
  const category = kindsOfCategory(word);
  if (category.length > 0) return category;
  const found = kindByName(word);
  if (typeof found === 'string') return [found];
  const hint = found.suggestions.length === 0 ? '' : `Did you mean ${found.suggestions.map((one) => `"${one}"`).join(' or ')}? `;
  throw usage(`the server doesn't have a resource type "${word}"`, `${hint}podplane api-resources shows what there is.`);
}

/** Exactly one kind. */
export function kindByWord(word: string): Kind {
  const kinds = kindsByWord(word);
  const [kind] = kinds;
  if (kind === undefined || kinds.length > 1) throw usage(`"${word}" stands for several kinds; name one of them`);
  return kind;
}

/** Whether a word stands for a kind, or for several. */
export function isKindWord(word: string): boolean {
  try {
    return kindsByWord(word).length > 0;
  } catch {
    return false;
  }
}

export interface Named {
  readonly kind: Kind;
  readonly name: string;
}

/** What a command shall work on. */
export type Selection =
  /** All objects of these kinds (that selectors leave). */
  { readonly how: 'kinds'; readonly kinds: readonly Kind[] } | { readonly how: 'names'; readonly objects: readonly Named[] };

/** KIND, KIND NAME..., KIND,KIND, KIND/NAME KIND/NAME. Throws usage errors. */
export function parseSelection(args: readonly string[], defaultKind?: Kind): Selection {
  const [first, ...rest] = args;
  if (first === undefined)
    throw usage('you must say which resources', 'For example: pods, deploy/web, nodes node-1. podplane api-resources shows what there is.');
  if (args.some((arg) => arg.includes('/'))) {
    return {
      how: 'names',
      objects: args.map((arg) => {
        const [word = '', name = '', ...more] = arg.split('/');
        if (more.length > 0 || word === '' || name === '') {
          if (!arg.includes('/')) {
            if (defaultKind !== undefined) return { kind: defaultKind, name: arg };
            throw usage(`"${arg}" must be KIND/NAME like the others; there is a mix of both forms`);
          }
          throw usage(`"${arg}" is not of the form KIND/NAME`);
        }
        return { kind: kindByWord(word), name };
      }),
    };
  }
  if (defaultKind !== undefined) return { how: 'names', objects: args.map((name) => ({ kind: defaultKind, name })) };
  const kinds = first.split(',').flatMap((word) => {
    if (word === '') throw usage(`"${first}" has an empty kind between its commas`);
    return kindsByWord(word);
  });
  const unique = [...new Set(kinds)];
  if (rest.length === 0) return { how: 'kinds', kinds: unique };
  if (unique.length > 1) throw usage('names can be given for one kind only', 'Use KIND/NAME for objects of several kinds.');
  return { how: 'names', objects: rest.map((name) => ({ kind: kinds[0] as Kind, name })) };
}

/** The name of a node from NAME or node/NAME. Throws a usage error for objects of other kinds. */
export function nodeName(text: string): string {
  const [name = '', of, ...more] = text.split('/').reverse();
  if (name === '' || more.length > 0 || (of !== undefined && kindByWord(of) !== 'Node'))
    throw usage(`"${text}" is not the name of a node`, 'podplane get nodes shows what there is.');
  return name;
}

/** deployment.apps/web, pod/web-1: how results are named. */
export function fullName(kind: Kind, name: string): string {
  const { singular, group } = kindNames[kind];
  return `${singular}${group === '' ? '' : `.${group}`}/${name}`;
}

/** "deployments" or "deployments.apps" as server messages name them; for messages of our own. */
export function resourceName(kind: Kind): string {
  const { plural, group } = kindNames[kind];
  return group === '' ? plural : `${plural}.${group}`;
}
