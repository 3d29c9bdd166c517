// Waits for objects: until they are ready, until they are gone. What ready means is in readiness.ts.
import type { Kind, KindMap } from '@podplane/api/kinds/kind-map';
import { kindNames } from '@podplane/api/kinds/kind-names';
import type { Cluster } from './cluster.js';
import type { Io } from './io.js';
import { type AnyObject, fullName, type Named } from './kinds.js';
import { observe, type Verdict, waitFor } from './observe.js';
import type { Progress } from './output/progress.js';
import { daemonSetVerdict, deploymentVerdict, jobVerdict, podVerdict, replicaSetVerdict, statefulSetVerdict } from './readiness.js';
import { type Pod, podSetOf } from './workloads.js';

export interface WaitContext {
  readonly io: Io;
  readonly cluster: Cluster;
  readonly namespace: string;
  readonly timeoutMs: number;
  readonly progress: Progress;
}

/** How an object stands. pods: its own. */
export function verdictOf(kind: Kind, object: AnyObject, pods: Iterable<Pod>): Verdict {
  switch (kind) {
    case 'Deployment':
      return deploymentVerdict(object as KindMap['Deployment'], pods);
    case 'ReplicaSet':
    case 'ReplicationController':
      return replicaSetVerdict(object as KindMap['ReplicaSet' | 'ReplicationController'], pods);
    case 'DaemonSet':
      return daemonSetVerdict(object as KindMap['DaemonSet'], pods);
    case 'StatefulSet':
      return statefulSetVerdict(object as KindMap['StatefulSet'], pods);
    case 'Job':
      return jobVerdict(object as KindMap['Job'], pods);
    case 'Pod':
      return podVerdict(object as Pod);
    default:
      return { state: 'done', text: 'exists' };
  }
}

function lostWord(progress: Progress): (error: Error) => void {
  return () => progress.say('The connection to the server was lost; waiting for it ...');
}

/** Until the object is ready. Resolves to how it stands then ("is ready (6 of 6 pods)"); rejects with a CliError. */
export async function untilReady(context: WaitContext, target: Named, judge: typeof verdictOf = verdictOf): Promise<string> {
  const { io, cluster, namespace, progress } = context;
  const name = fullName(target.kind, target.name);
  const pods = target.kind === 'Pod' ? undefined : await podSetOf(cluster, namespace, target);
  const lost = lostWord(progress);
  let object: AnyObject | undefined;
  let seen = false;
  let states: ReadonlyMap<string, Pod> = new Map();
  return waitFor({
    io,
    what: name,
    timeoutMs: context.timeoutMs,
    advice: `See more: podplane describe ${name}${namespace === 'default' ? '' : ` -n ${namespace}`}`,
    judge: () => {
      if (object !== undefined)
        return judge(target.kind, object, pods === undefined ? [] : [...states.values()].filter((pod) => pods.belongs(pod)));
      return seen ? { state: 'failed', text: 'was deleted' } : { state: 'waiting', text: 'does not exist yet' };
    },
    run: (signal, changed) => {
      const query = { namespace, fieldSelector: `metadata.name=${target.name}` };
      const observers = [
        observe(
          cluster,
          target.kind,
          query,
          signal,
          (objects) => {
            [object] = objects.values();
            seen ||= object !== undefined;
            changed();
          },
          lost,
        ),
      ];
      if (pods !== undefined) {
        observers.push(
          observe(cluster, 'Pod', { namespace, labelSelector: pods.labelSelector }, signal, (now) => {
            states = now;
            if (object !== undefined) changed();
          }),
        );
      }
      return observers;
    },
    onWord: (text) => progress.say(`${name}: ${text}`),
  });
}

/** One object that was deleted, by uid: a new one of the same name is another. */
export interface Leaving {
  readonly kind: Kind;
  readonly namespace: string;
  readonly uid: string;
  readonly name: string;
}

/** What keeps an object that is being deleted, in a few words; undefined where it just takes its time. */
function holdText(kind: Kind, object: AnyObject): string | undefined {
  if (kind === 'Namespace') {
    const conditions = (object as KindMap['Namespace']).status?.conditions ?? [];
    const held = conditions.find(({ type, status }) => type === 'NamespaceFinalizersRemaining' && status === 'True');
    return (held ?? conditions.find(({ type, status }) => type === 'NamespaceContentRemaining' && status === 'True'))?.message;
  }
  const finalizers = object.metadata?.finalizers ?? [];
  return finalizers.length === 0 ? undefined : `held by ${finalizers.join(', ')}`;
}

/** Until all of these are gone. */
export async function untilGone(context: Omit<WaitContext, 'namespace'>, leaving: readonly Leaving[]): Promise<void> {
  const { io, cluster, progress } = context;
  const groups = [...Map.groupBy(leaving, ({ kind, namespace }) => `${kind} ${namespace}`).values()];
  const left = new Map<string, Leaving>(leaving.map((one) => [one.uid, one]));
  /** What holds an object, by its uid. */
  const held = new Map<string, string>();
  const reported = new Set<number>();
  if (left.size === 0) return;
  await waitFor({
    io,
    what:
      leaving.length === 1 && leaving[0] !== undefined
        ? `${fullName(leaving[0].kind, leaving[0].name)} to go`
        : `${leaving.length} objects to go`,
    timeoutMs: context.timeoutMs,
    judge: () => {
      const names = [...left.values()].map(({ kind, name }) => fullName(kind, name));
      if (reported.size === groups.length && names.length === 0) return { state: 'done', text: '' };
      const [why] = [...left.keys()].flatMap((uid) => held.get(uid) ?? []);
      const list = `${names.length} left: ${names.slice(0, 3).join(', ')}${names.length > 3 ? ', ...' : ''}`;
      return { state: 'waiting', text: why === undefined ? list : `${list}: ${why}` };
    },
    run: (signal, changed) =>
      groups.map((group, i) => {
        const [first] = group;
        if (first === undefined) return Promise.resolve();
        // One object: ask for it alone; many: the list of the kind is cheaper than one watch for each.
        const query = {
          namespace: kindNames[first.kind].namespaced ? first.namespace : '',
          ...(group.length === 1 ? { fieldSelector: `metadata.name=${first.name}` } : {}),
        };
        return observe(
          cluster,
          first.kind,
          query,
          signal,
          (objects) => {
            for (const { uid, kind } of group) {
              const object = objects.get(uid);
              const why = object && holdText(kind, object);
              if (object === undefined) left.delete(uid);
              if (why === undefined) held.delete(uid);
              else held.set(uid, why);
            }
            reported.add(i);
            changed();
          },
          lostWord(progress),
        );
      }),
    onWord: (text) => progress.say(`Waiting: ${text}`),
  });
}
