// What a person's write asks for anew, in a few words, for its cause: the fields that make controllers act most. Pure.
import { deepEqual } from '@podplane/api/kinds/equal';
import type { Obj } from '@podplane/api/kinds/kind-map';
import type { Change } from '@podplane/store/types';

interface Asked {
  readonly replicas?: number | undefined;
  readonly parallelism?: number | undefined;
  readonly paused?: boolean | undefined;
  readonly suspend?: boolean | undefined;
  readonly unschedulable?: boolean | undefined;
  readonly taints?: readonly unknown[] | undefined;
  readonly template?: { readonly spec?: { readonly containers: readonly Container[] } | undefined } | undefined;
  readonly containers?: readonly Container[] | undefined;
}

interface Container {
  readonly name: string;
  readonly image?: string | undefined;
}

const PLAIN = ['replicas', 'parallelism', 'paused', 'suspend', 'unschedulable'] as const;
/** More is too much for a line. */
const MOST_WORDS = 3;

/** For example "replicas 3 -> 5, image of c: web:1 -> web:2"; undefined where nothing of that kind was changed. */
export function askWords({ type, object, previous }: Change): string | undefined {
  if (type !== 'modified' || previous === undefined) return undefined;
  const now = specOf(object);
  const before = specOf(previous);
  if (now === before || now === undefined || before === undefined) return undefined;
  const words: string[] = [];
  for (const field of PLAIN) {
    if ((now[field] ?? false) !== (before[field] ?? false)) words.push(`${field} ${before[field] ?? 'unset'} -> ${now[field] ?? 'unset'}`);
  }
  if (!deepEqual(now.taints, before.taints)) words.push('taints');
  const images = imageWords(containersOf(now), containersOf(before));
  words.push(...images);
  if (images.length === 0 && !deepEqual(now.template, before.template)) words.push('the template of pods');
  if (words.length === 0) return undefined;
  const more = words.length - MOST_WORDS;
  return `${words.slice(0, MOST_WORDS).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

const specOf = (object: Obj): Asked | undefined => (object as { readonly spec?: Asked }).spec;
const containersOf = ({ template, containers }: Asked): readonly Container[] => template?.spec?.containers ?? containers ?? [];

function imageWords(now: readonly Container[], before: readonly Container[]): string[] {
  return now.flatMap(({ name, image }) => {
    const was = before.find((one) => one.name === name)?.image;
    return was === undefined || was === image ? [] : [`image of ${name}: ${was} -> ${image ?? ''}`];
  });
}
