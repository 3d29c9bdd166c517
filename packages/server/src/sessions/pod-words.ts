// What a node says of a pod, in a few words, for the cause of the write: how it stands, and what is wrong with the first container of which
// something is. Pure.
import type { Obj } from '@podplane/api/kinds/kind-map';
import { isPodReady } from '@podplane/api/pod-state';
import type { Change } from '@podplane/store/types';

type Pod = Obj<'Pod'>;
type Container = NonNullable<Pod['status']>['containerStatuses'][number];

/** Waiting reasons that say nothing: the pod is on its way. */
const ON_ITS_WAY: ReadonlySet<string> = new Set(['', 'ContainerCreating', 'PodInitializing']);

/** Of a change that a node's report made; undefined for what is no pod. */
export function podWords({ kind, type, object }: Change): string | undefined {
  if (kind !== 'Pod') return undefined;
  const pod = object as Pod;
  if (type === 'deleted') return 'its containers have ended';
  const phase = pod.status?.phase ?? 'Pending';
  const ready = phase === 'Running' ? (isPodReady(pod) ? ', ready' : ', not ready') : '';
  const trouble = troubleOf(pod);
  const reason = pod.status?.reason ? `: ${pod.status.reason}` : '';
  const leaving = pod.metadata?.deletionTimestamp === undefined ? '' : 'on its way out: ';
  return `${leaving}${phase}${ready}${reason}${trouble === undefined ? '' : `: ${trouble}`}`;
}

function troubleOf({ status }: Pod): string | undefined {
  for (const one of [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])]) {
    const words = troubleOfContainer(one);
    if (words !== undefined) return words;
  }
  return undefined;
}

function troubleOfContainer({ name, state, lastState, restartCount }: Container): string | undefined {
  const waiting = state?.waiting?.reason ?? '';
  const ended = state?.terminated ?? (ON_ITS_WAY.has(waiting) ? undefined : lastState?.terminated);
  const bad = ended !== undefined && ended.exitCode !== 0;
  const how = bad ? `ended with ${ended.exitCode}${ended.reason && ended.reason !== 'Error' ? ` (${ended.reason})` : ''}` : '';
  const wait = ON_ITS_WAY.has(waiting) ? '' : waiting;
  if (how === '' && wait === '') return undefined;
  const times = restartCount > 0 ? `, ${restartCount} restart${restartCount === 1 ? '' : 's'}` : '';
  return `container ${name}: ${[wait, how].filter((one) => one !== '').join(', ')}${times}`;
}
