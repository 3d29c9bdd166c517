// What a simulated node keeps of a pod, and what it reports of it: a process stands for thousands of nodes, so no more of the pod than that.
import { isFenced } from '@podplane/api/fencing';
import { type Pod, PodStatus } from '@podplane/api/gen/podplane/core/v1/pod';
import type { PodReport } from '@podplane/api/gen/podplane/node/v1/session';
import type { Timer } from '@podplane/api/system';

interface Container {
  readonly name: string;
  readonly image: string;
}

export interface SimulatedPod {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  readonly fenced: boolean;
  /** Its containers end by themselves some time. */
  readonly ends: boolean;
  readonly containers: readonly Container[];
  phase: 'starting' | 'running' | 'over' | 'stopping';
  /** Once it runs: when it began, its address; and when it was over. Kubernetes' text of times. */
  ran: { readonly startedAt: string; readonly ip: string; readonly finishedAt?: string } | undefined;
  timer: Timer | undefined;
}

/** Pods of one template have the same ones. */
const known = new Map<string, readonly Container[]>();
const MOST_KNOWN = 10_000;

function containersOf(pod: Pod): readonly Container[] {
  const containers = (pod.spec?.containers ?? []).map(({ name, image = '' }) => ({ name, image }));
  const key = JSON.stringify(containers);
  const same = known.get(key);
  if (same !== undefined) return same;
  if (known.size >= MOST_KNOWN) known.clear();
  known.set(key, containers);
  return containers;
}

export function simulatedPod(pod: Pod): SimulatedPod {
  const { uid = '', namespace = '', name = '' } = pod.metadata ?? {};
  const ends = pod.spec?.restartPolicy !== 'Always';
  return {
    uid,
    namespace,
    name,
    fenced: isFenced(pod),
    ends,
    containers: containersOf(pod),
    phase: 'starting',
    ran: undefined,
    timer: undefined,
  };
}

/** undefined: there is nothing to say yet. */
export function reportOf(pod: SimulatedPod): PodReport | undefined {
  const { uid, namespace, name } = pod;
  const status = statusOf(pod);
  return status === undefined ? undefined : { uid, namespace, name, status, terminated: false };
}

/** The last word on a pod that was deleted. */
export function endOf(pod: SimulatedPod): PodReport {
  const { uid, namespace, name } = pod;
  const status = (pod.ran?.finishedAt === undefined ? undefined : statusOf(pod)) ?? PodStatus.fromPartial({ phase: 'Failed' });
  return { uid, namespace, name, status, terminated: true };
}

function statusOf({ uid, containers, ran }: SimulatedPod): PodStatus | undefined {
  if (ran === undefined) return undefined;
  const { startedAt, ip, finishedAt } = ran;
  const over = finishedAt !== undefined;
  const condition = (type: string): { type: string; status: string; reason?: string; lastTransitionTime: string } =>
    over && (type === 'Ready' || type === 'ContainersReady')
      ? { type, status: 'False', reason: 'PodCompleted', lastTransitionTime: finishedAt }
      : { type, status: 'True', lastTransitionTime: startedAt };
  return PodStatus.fromPartial({
    phase: over ? 'Succeeded' : 'Running',
    conditions: ['PodScheduled', 'PodReadyToStartContainers', 'Initialized', 'ContainersReady', 'Ready'].map(condition),
    hostIP: '127.0.0.1',
    podIP: ip,
    podIPs: [{ ip }],
    startTime: startedAt,
    qosClass: 'Burstable',
    containerStatuses: containers.map(({ name, image }) => ({
      name,
      ready: !over,
      started: !over,
      restartCount: 0,
      image,
      imageID: 'sha256:simulated',
      containerID: `simulated://${uid}/${name}`,
      state: over ? { terminated: { exitCode: 0, reason: 'Completed', startedAt, finishedAt } } : { running: { startedAt } },
    })),
  });
}
