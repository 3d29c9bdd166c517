// Numbers and names of a StatefulSet's pods. Pure.
import type { Obj } from '@podplane/api/kinds/kind-map';
import { nameOf } from '../shared/objects.js';

type StatefulSet = Obj<'StatefulSet'>;

const DASH = 45;
const NUMBER = /^(0|[1-9]\d{0,8})$/;

/** The number in a pod's name; undefined where the name is not one of the set's. It is asked for of every pod at every look. */
export function ordinalOf(set: StatefulSet, podName: string): number | undefined {
  const own = nameOf(set);
  if (podName.charCodeAt(own.length) !== DASH || !podName.startsWith(own)) return undefined;
  const rest = podName.slice(own.length + 1);
  return NUMBER.test(rest) ? Number(rest) : undefined;
}

export const podName = (set: StatefulSet, ordinal: number): string => `${nameOf(set)}-${ordinal}`;
