// Numbers and names of a StatefulSet's pods. Pure.
import type { Obj } from '@podplane/api/kinds/kind-map';
import { nameOf } from '../shared/objects.js';

type StatefulSet = Obj<'StatefulSet'>;

/** The number in a pod's name; undefined where the name is not one of the set's. */
export function ordinalOf(set: StatefulSet, podName: string): number | undefined {
  const prefix = `${nameOf(set)}-`;
  const rest = podName.startsWith(prefix) ? podName.slice(prefix.length) : '';
  return /^(0|[1-9]\d{0,8})$/.test(rest) ? Number(rest) : undefined;
}

export const podName = (set: StatefulSet, ordinal: number): string => `${nameOf(set)}-${ordinal}`;
