// What became of pods between two states of a world that is only thought of, told by pod: which other runs in its place, where, or why none does.
import type { SimulatedPod } from '@podplane/api/gen/podplane/api/v1/cluster';
import type { Kind, Obj } from '@podplane/api/kinds/kind-map';
import { isKind } from '@podplane/api/kinds/kind-names';
import { controllerOf, isBeingDeleted, isPodLost, isPodTerminal, podCondition } from '@podplane/api/pod-state';
import type { ReadView } from '@podplane/store/types';

type Pod = Obj<'Pod'>;

/** A pod as it was, with the workload that people made for it. */
export interface PodBefore {
  readonly pod: Pod;
  readonly workload: Workload | undefined;
}

export interface Workload {
  readonly uid: string;
  readonly text: string;
}

/** The pods that count: neither ended nor on their way out. */
export function podsBefore(view: ReadView): Map<string, PodBefore> {
  const found = new Map<string, PodBefore>();
  for (const pod of view.list('Pod')) {
    if (isPodTerminal(pod) || isBeingDeleted(pod) || isPodLost(pod)) continue;
    found.set(pod.metadata?.uid ?? '', { pod, workload: workloadOf(view, pod) });
  }
  return found;
}

/** The topmost controller: of a pod its Deployment, not its ReplicaSet. */
export function workloadOf(view: ReadView, pod: Pod): Workload | undefined {
  let owner = controllerOf(pod);
  let found: Workload | undefined;
  while (owner !== undefined) {
    found = { uid: owner.uid, text: `${owner.kind.toLowerCase()}/${owner.name}` };
    const above: Obj<Kind> | undefined = isKind(owner.kind) ? view.byUid(owner.kind, owner.uid) : undefined;
    owner = above === undefined ? undefined : controllerOf(above);
  }
  return found;
}

export interface Changes {
  readonly pods: SimulatedPod[];
  readonly unchanged: number;
}

/** lost: nodes that are silent. tellNew: also pods that take nobody's place. */
export function changesSince(
  before: ReadonlyMap<string, PodBefore>,
  after: ReadView,
  lost: ReadonlySet<string>,
  tellNew: boolean,
): Changes {
  const made = new Made(after, before);
  const pods: SimulatedPod[] = [];
  let unchanged = 0;
  for (const [uid, { pod, workload }] of before) {
    const now = after.byUid('Pod', uid);
    const node = pod.spec?.nodeName ?? '';
    const tell = (state: string, message: string, next?: Pod): void => {
      pods.push({ ...placeOf(pod), workload: workload?.text ?? '', state, node, ...nextOf(next), message });
    };
    if (now !== undefined && !isBeingDeleted(now) && !isPodLost(now)) {
      if (!lost.has(node)) unchanged++;
      else if (controllerOf(pod)?.kind === 'DaemonSet') tell('ignored', 'a pod of a DaemonSet belongs to its node');
      else tell('stays', 'it tolerates the loss of its node');
      continue;
    }
    const next = workload === undefined ? undefined : made.take(workload.uid);
    if (next !== undefined) tell(next.spec?.nodeName ? 'moves' : 'pending', next.spec?.nodeName ? '' : pendingText(next), next);
    else if (!lost.has(node)) tell('goes', '');
    else if (workload === undefined) tell('lost', 'nobody makes it anew');
    else if (now === undefined) tell('stays', `${workload.text} makes no other yet; does it wait for its other pods to be Ready?`);
    else tell('stays', `${workload.text} makes no other while nobody knows that this one has ended`);
  }
  if (tellNew) {
    for (const { pod, workload } of made.rest()) {
      const pending = !pod.spec?.nodeName;
      pods.push({
        namespace: pod.metadata?.namespace ?? '',
        name: '',
        workload: workload?.text ?? '',
        state: pending ? 'pending' : 'new',
        node: '',
        ...nextOf(pod),
        message: pending ? pendingText(pod) : '',
      });
    }
  }
  return { pods, unchanged };
}

const placeOf = ({ metadata }: Pod): Pick<SimulatedPod, 'namespace' | 'name'> => ({
  namespace: metadata?.namespace ?? '',
  name: metadata?.name ?? '',
});

const nextOf = (next: Pod | undefined): Pick<SimulatedPod, 'newName' | 'newNode'> => ({
  newName: next?.metadata?.name ?? '',
  newNode: next?.spec?.nodeName ?? '',
});

/** Why a pod has no node: the first line of the scheduler's verdict. */
export function pendingText(pod: Pod): string {
  const text = podCondition(pod, 'PodScheduled')?.message ?? 'it waits for a node';
  return text.split('\n')[0] ?? text;
}

/** Pods that were not there before, by workload; those with a node first, as others may yet find one. */
export class Made {
  private readonly byWorkload = new Map<string, PodBefore[]>();

  /** before: whether a pod of this uid was there. */
  constructor(view: ReadView, before: { has(uid: string): boolean }) {
    for (const pod of view.list('Pod')) {
      if (before.has(pod.metadata?.uid ?? '') || isBeingDeleted(pod) || isPodTerminal(pod) || !isNew(pod)) continue;
      const workload = workloadOf(view, pod);
      const pods = this.byWorkload.get(workload?.uid ?? '') ?? [];
      pods.push({ pod, workload });
      this.byWorkload.set(workload?.uid ?? '', pods);
    }
    const name = ({ pod }: PodBefore): string => pod.metadata?.name ?? '';
    for (const pods of this.byWorkload.values()) {
      pods.sort((a, b) => Number(!a.pod.spec?.nodeName) - Number(!b.pod.spec?.nodeName) || (name(a) < name(b) ? -1 : 1));
    }
  }

  take(workload: string): Pod | undefined {
    return this.byWorkload.get(workload)?.shift()?.pod;
  }

  *rest(): Iterable<PodBefore> {
    for (const pods of this.byWorkload.values()) yield* pods;
  }
}

/** Made in there, not one that had ended or was lost before it began. */
const isNew = (pod: Pod): boolean => (pod.metadata?.uid ?? '').startsWith('what-if-');
