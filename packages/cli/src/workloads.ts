// Which pods belong to what a person named: a pod itself, or the pods of a workload.
import type { LabelSelector } from '@podplane/api/gen/podplane/meta/v1/meta';
import type { Kind, KindMap } from '@podplane/api/kinds/kind-map';
import type { Cluster } from './cluster.js';
import { CliError, usage } from './exit-codes.js';
import { fullName, kindByWord, type Named } from './kinds.js';

export type Pod = KindMap['Pod'];

/** A label selector as text, for lists and watches. */
export function selectorText(selector: LabelSelector | Readonly<Record<string, string>> | undefined): string {
  if (selector === undefined) return '';
  if (!isLabelSelector(selector)) return selectorText({ matchLabels: selector, matchExpressions: [] });
  const parts = Object.entries(selector.matchLabels).map(([key, value]) => `${key}=${value}`);
  for (const { key, operator, values } of selector.matchExpressions) {
    switch (operator) {
      case 'In':
        parts.push(`${key} in (${values.join(',')})`);
        break;
      case 'NotIn':
        parts.push(`${key} notin (${values.join(',')})`);
        break;
      case 'Exists':
        parts.push(key);
        break;
      case 'DoesNotExist':
        parts.push(`!${key}`);
        break;
      default:
        throw new CliError(`the selector has an operator that this version does not know: ${operator}`);
    }
  }
  return parts.join(',');
}

/** ReplicationControllers have plain labels instead. */
function isLabelSelector(selector: LabelSelector | Readonly<Record<string, string>>): selector is LabelSelector {
  return Array.isArray(selector['matchExpressions']);
}

/** NAME (of a pod) or KIND/NAME. */
export function parseTarget(text: string): Named {
  const [word = '', name, ...more] = text.split('/');
  if (name === undefined) return { kind: 'Pod', name: word };
  if (more.length > 0 || word === '' || name === '') throw usage(`"${text}" is not of the form KIND/NAME`);
  return { kind: kindByWord(word), name };
}

/** A set of pods that can be asked again and watched. */
export interface PodSet {
  /** Selects more than belongs to it, perhaps: belongs decides. */
  readonly labelSelector: string;
  readonly fieldSelector: string;
  belongs(pod: Pod): boolean;
}

function ownerUid(object: { readonly metadata?: KindMap[Kind]['metadata'] }): string | undefined {
  return object.metadata?.ownerReferences.find(({ controller }) => controller === true)?.uid;
}

/** The pods of an object. Throws ApiError NotFound, or a usage error for kinds that have none. */
export async function podSetOf(cluster: Cluster, namespace: string, { kind, name }: Named): Promise<PodSet> {
  switch (kind) {
    case 'Pod':
      return { labelSelector: '', fieldSelector: `metadata.name=${name}`, belongs: () => true };
    case 'ReplicaSet':
    case 'ReplicationController':
    case 'DaemonSet':
    case 'StatefulSet':
    case 'Job': {
      const set = await cluster.get(kind, namespace, name);
      const uid = set.metadata?.uid;
      return { labelSelector: selectorText(set.spec?.selector), fieldSelector: '', belongs: (pod) => ownerUid(pod) === uid };
    }
    case 'Deployment': {
      const deployment = await cluster.get(kind, namespace, name);
      // A pod of a Deployment carries the name of its ReplicaSet, which carries the Deployment's: names are unique, so this needs
      // no list of ReplicaSets that may be old by the time a new pod appears.
      const prefix = `${name}-`;
      return {
        labelSelector: selectorText(deployment.spec?.selector),
        fieldSelector: '',
        belongs: (pod) =>
          pod.metadata?.ownerReferences.some(
            (owner) =>
              owner.controller === true &&
              owner.kind === 'ReplicaSet' &&
              owner.name.startsWith(prefix) &&
              !owner.name.slice(prefix.length).includes('-'),
          ) === true,
      };
    }
    case 'Service': {
      const { spec } = await cluster.get(kind, namespace, name);
      const labels = Object.entries(spec?.selector ?? {});
      if (labels.length === 0) throw new CliError(`service/${name} selects no pods`);
      return { labelSelector: labels.map(([key, value]) => `${key}=${value}`).join(','), fieldSelector: '', belongs: () => true };
    }
    case 'CronJob': {
      await cluster.get(kind, namespace, name);
      // Its jobs are named after it and their minute.
      const ofJob = new RegExp(`^${name.replaceAll('.', '\\.')}-\\d+$`);
      return {
        labelSelector: '',
        fieldSelector: '',
        belongs: (pod) =>
          pod.metadata?.ownerReferences.some((owner) => owner.controller === true && owner.kind === 'Job' && ofJob.test(owner.name)) ===
          true,
      };
    }
    default:
      throw usage(
        `${fullName(kind, name)} has no pods`,
        'Name a pod, deploy/NAME, sts/NAME, ds/NAME, rs/NAME, rc/NAME, job/NAME, cj/NAME or svc/NAME.',
      );
  }
}

/** The pods of a set as they are now, oldest name first. */
export async function listPods(
  cluster: Cluster,
  namespace: string,
  set: PodSet,
): Promise<{ readonly pods: readonly Pod[]; readonly resourceVersion: string }> {
  const { items, resourceVersion } = await cluster.list('Pod', {
    namespace,
    labelSelector: set.labelSelector,
    fieldSelector: set.fieldSelector,
  });
  const pods = items.filter((pod) => set.belongs(pod)).sort((a, b) => ((a.metadata?.name ?? '') < (b.metadata?.name ?? '') ? -1 : 1));
  return { pods, resourceVersion };
}

export function isReady(pod: Pod): boolean {
  return (
    pod.metadata?.deletionTimestamp === undefined &&
    pod.status?.conditions.some(({ type, status }) => type === 'Ready' && status === 'True') === true
  );
}

/** The pod that stands for an object where one is enough (exec, port-forward): a Ready one where there is any. */
export async function onePod(cluster: Cluster, namespace: string, target: Named): Promise<Pod> {
  if (target.kind === 'Pod') return cluster.get('Pod', namespace, target.name);
  const { pods } = await listPods(cluster, namespace, await podSetOf(cluster, namespace, target));
  const living = pods.filter(
    ({ metadata, status }) => metadata?.deletionTimestamp === undefined && status?.phase !== 'Succeeded' && status?.phase !== 'Failed',
  );
  const pod = living.find(isReady) ?? living.find(({ status }) => status?.phase === 'Running') ?? living[0];
  if (pod === undefined)
    throw new CliError(`${fullName(target.kind, target.name)} has no pods that run`, {
      advice: `See why: podplane describe ${fullName(target.kind, target.name)}`,
    });
  return pod;
}

const DEFAULT_CONTAINER = 'kubectl.kubernetes.io/default-container';

/** Names of the pod's containers, in order; all: also init containers (first) and ephemeral ones (last). */
export function containersOf(pod: Pod, options: { readonly all?: boolean } = {}): readonly string[] {
  const { containers = [], initContainers = [], ephemeralContainers = [] } = pod.spec ?? {};
  const lists = options.all ? [...initContainers, ...containers, ...ephemeralContainers] : containers;
  return lists.map(({ name }) => name);
}

/**
 * The container that is meant: the one named, or the pod's default. say: told which one was chosen where there are several. Throws a
 * CliError where the pod has no such one.
 */
export function containerOf(pod: Pod, wanted: string | undefined, say: (text: string) => void = () => undefined): string {
  const all = containersOf(pod, { all: true });
  const podName = pod.metadata?.name ?? '';
  if (wanted !== undefined) {
    if (!all.includes(wanted))
      throw new CliError(`container ${wanted} is not valid for pod ${podName}`, { advice: `It has: ${all.join(', ')}` });
    return wanted;
  }
  const chosen = pod.metadata?.annotations[DEFAULT_CONTAINER];
  if (chosen !== undefined && all.includes(chosen)) return chosen;
  const [first] = containersOf(pod);
  if (first === undefined) throw new CliError(`pod ${podName} has no containers`);
  if (all.length > 1) say(`Defaulted container "${first}" out of: ${describeContainers(pod)}\n`);
  return first;
}

/** "web, side, setup (init), tools (ephem)" */
function describeContainers({ spec }: Pod): string {
  return [
    ...(spec?.containers ?? []).map(({ name }) => name),
    ...(spec?.initContainers ?? []).map(({ name }) => `${name} (init)`),
    ...(spec?.ephemeralContainers ?? []).map(({ name }) => `${name} (ephem)`),
  ].join(', ');
}
