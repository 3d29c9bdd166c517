// What a node says of itself, in a few words, for the cause of the write. Pure.
import type { Obj } from '@podplane/api/kinds/kind-map';
import type { Change } from '@podplane/store/types';

/** For example "Ready", "Ready, MemoryPressure", "not ready: PLEG is not healthy"; undefined for what is no node. */
export function nodeStanding({ kind, object }: Change): string | undefined {
  if (kind !== 'Node') return undefined;
  const { conditions = [] } = (object as Obj<'Node'>).status ?? {};
  const ready = conditions.find(({ type }) => type === 'Ready');
  const pressures = conditions.filter(({ type, status }) => type.endsWith('Pressure') && status === 'True').map(({ type }) => type);
  const own = ready?.status === 'True' ? 'Ready' : `not ready${ready?.message ? `: ${ready.message}` : ''}`;
  return [own, ...pressures].join(', ');
}
