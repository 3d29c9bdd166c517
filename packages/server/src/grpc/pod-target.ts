// Which container of which pod on which node a request means, and why there is none. Reads only; wordings are Kubernetes'.
import { ApiError, badRequest, notFound } from '@podplane/api/errors';
import type { Container } from '@podplane/api/gen/podplane/core/v1/container';
import type { DeepReadonly, Obj } from '@podplane/api/kinds/kind-map';
import { isPodTerminal } from '@podplane/api/pod-state';
import type { ReadView } from '@podplane/store/types';

export interface PodTarget {
  readonly pod: Obj<'Pod'>;
  readonly podUid: string;
  readonly name: string;
  readonly nodeName: string;
}

/** The pod and its node. Throws ApiError: BadRequest, NotFound. */
export function podTarget(view: ReadView, namespace: string, name: string): PodTarget {
  if (namespace === '') throw badRequest('namespace: Required value');
  if (name === '') throw badRequest('pod: Required value');
  const pod = view.get('Pod', namespace, name);
  if (pod === undefined) throw notFound('Pod', namespace, name);
  const nodeName = pod.spec?.nodeName ?? '';
  if (nodeName === '') {
    const why = pod.status?.conditions.find(({ type }) => type === 'PodScheduled')?.message;
    throw badRequest(`pod ${name} does not have a host assigned`, {
      target: { kind: 'Pod', namespace, name },
      advice: why ?? 'It waits for a node.',
    });
  }
  return { pod, podUid: pod.metadata?.uid ?? '', name, nodeName };
}

/** The container that is meant; "" where the pod has one only. Throws ApiError BadRequest. */
export function containerOf({ pod, name }: PodTarget, container: string): string {
  const { containers = [], initContainers = [], ephemeralContainers = [] } = pod.spec ?? {};
  const target = { kind: 'Pod', namespace: pod.metadata?.namespace ?? '', name };
  if (container !== '') {
    if ([...containers, ...initContainers, ...ephemeralContainers].some((one) => one.name === container)) return container;
    const known = [...initContainers, ...containers].map((one) => one.name).join(' ');
    throw badRequest(`container "${container.slice(0, 100)}" is not valid for pod ${name}`, {
      target,
      advice: `Containers of this pod: ${known}`,
    });
  }
  const [only] = containers;
  if (only !== undefined && containers.length === 1) return only.name;
  const inits = initContainers.length === 0 ? '' : ` or one of the init containers: [${initContainers.map((one) => one.name).join(' ')}]`;
  throw badRequest(
    `a container name must be specified for pod ${name}, choose one of: [${containers.map((one) => one.name).join(' ')}]${inits}`,
    { target },
  );
}

function statusOf(pod: Obj<'Pod'>, container: string): NonNullable<Obj<'Pod'>['status']>['containerStatuses'][number] | undefined {
  const { containerStatuses = [], initContainerStatuses = [], ephemeralContainerStatuses = [] } = pod.status ?? {};
  return [...containerStatuses, ...initContainerStatuses, ...ephemeralContainerStatuses].find((one) => one.name === container);
}

/** Throws ApiError BadRequest where the container has written nothing yet, as it never ran. */
export function checkHasLogs({ pod, name }: PodTarget, container: string): void {
  const status = statusOf(pod, container);
  const waiting = status === undefined ? 'ContainerCreating' : status.state?.waiting?.reason;
  if (waiting === undefined || isPodTerminal(pod)) return;
  if (status !== undefined && (status.restartCount > 0 || status.lastState?.terminated !== undefined)) return;
  throw badRequest(`container "${container}" in pod "${name}" is waiting to start: ${waiting || 'ContainerCreating'}`, {
    target: { kind: 'Pod', namespace: pod.metadata?.namespace ?? '', name },
    advice: `See podplane describe pod ${name}.`,
  });
}

/** The specification of a container of any kind. Throws ApiError BadRequest where the pod has no such one. */
export function containerSpecOf({ pod, name }: PodTarget, container: string): DeepReadonly<Container> {
  const { containers = [], initContainers = [], ephemeralContainers = [] } = pod.spec ?? {};
  const found = [...containers, ...initContainers, ...ephemeralContainers].find((one) => one.name === container);
  if (found === undefined) throw badRequest(`container "${container}" is not valid for pod ${name}`);
  return found;
}

/** Throws ApiError where no command can be run in the container. doing: what is tried, for the message. */
export function checkCanExec({ pod, name }: PodTarget, container: string, doing = 'exec into'): void {
  const target = { kind: 'Pod', namespace: pod.metadata?.namespace ?? '', name };
  if (isPodTerminal(pod))
    throw badRequest(`cannot ${doing} a container in a completed pod; current phase is ${pod.status?.phase ?? ''}`, { target });
  if (statusOf(pod, container)?.state?.running !== undefined) return;
  throw new ApiError('BadRequest', `container "${container}" of pod ${name} is not running`, {
    target,
    advice: `See podplane describe pod ${name}.`,
  });
}

/** Throws ApiError BadRequest where the pod does not run. */
export function checkRunning({ pod, name }: PodTarget): void {
  const phase = pod.status?.phase ?? 'Pending';
  if (phase === 'Running') return;
  throw badRequest(`unable to forward port because pod is not running. Current status=${phase}`, {
    target: { kind: 'Pod', namespace: pod.metadata?.namespace ?? '', name },
  });
}
