// Bugs that are put in on purpose, from outside: each wraps something that the product is given anyway. They show that the simulation finds
// such bugs; the product has no switches for them.

import type { ConnectRequest } from '@podplane/api/gen/podplane/node/v1/session';
import type { Kind, Obj } from '@podplane/api/kinds/kind-map';
import type { NodeLifecycleConfig } from '@podplane/controllers/node-lifecycle/config';
import type { Store, Tx } from '@podplane/store/types';
import type { Invariant } from './violations.js';

export interface Plant {
  readonly name: string;
  /** What is wrong, in a few words. */
  readonly what: string;
  /** Which promises it breaks. */
  readonly breaks: readonly Invariant[];
  /** What the server gets instead of its store. */
  readonly instead?: (store: Store) => Store;
  /** What the server is started with. */
  readonly nodeLifecycle?: Partial<NodeLifecycleConfig>;
  /** What the server hears of nodes instead. */
  readonly hears?: (message: ConnectRequest) => ConnectRequest;
  /** What agents read instead of their state file. */
  readonly corruptState?: (text: string) => string;
  readonly withoutWatchdog?: boolean;
  /** Agents and watchdogs count leases by a clock that stands still while the machine sleeps. */
  readonly sleepyLease?: boolean;
}

export const PLANTS: readonly Plant[] = [
  {
    name: 'early-replacement',
    what: 'the server replaces fenced pods ten seconds before the lease of their node is over',
    breaks: ['one-ordinal'],
    nodeLifecycle: { fencingMarginMs: -10_000 },
  },
  {
    name: 'before-durable',
    what: 'nodes are told what to run before it is durable',
    breaks: ['durable-first', 'nothing-lost'],
    instead: (store) => replaced(store, { durableView: store, snapshotAndWatch: atHead(store) }),
  },
  {
    name: 'count-twice',
    what: 'a Job does not let go of pods that it has counted',
    breaks: ['job-count'],
    instead: (store) => transacting(store, 'controller:job', holdingOn),
  },
  {
    name: 'no-watchdog',
    what: 'nobody ends fenced pods of an agent that was killed or hangs',
    breaks: ['one-ordinal'],
    withoutWatchdog: true,
  },
  {
    name: 'sleepy-lease',
    what: 'the time in which a machine sleeps does not count for its lease',
    breaks: ['one-ordinal'],
    sleepyLease: true,
  },
  {
    name: 'no-doubt',
    what: 'the server never doubts itself, however many nodes fall silent together',
    breaks: ['justified-eviction'],
    nodeLifecycle: { suspicionMin: Number.POSITIVE_INFINITY },
  },
  {
    name: 'no-patience',
    what: 'nodes that fell silent together have only a second to return one after another',
    breaks: ['justified-eviction'],
    nodeLifecycle: { returnMs: 1_000 },
  },
  {
    name: 'drain-without-budget',
    what: 'a drain does not ask the budgets',
    breaks: ['budget-kept'],
    instead: (store) => transacting(store, 'controller:drain', (tx) => without(tx, 'PodDisruptionBudget')),
  },
  {
    name: 'deaf-to-epochs',
    what: 'the server does not hear what nodes know of epochs and believes its data and its clock',
    breaks: ['epochs-grow'],
    hears: withoutEpoch,
  },
  {
    name: 'name-at-once',
    what: 'the name of a node that was removed is given to whoever comes first',
    breaks: ['one-container', 'one-ordinal', 'epochs-grow'],
    instead: (store) => {
      const isFree = (node: string): boolean => store.get('Node', '', node) === undefined;
      const index: Store['index'] = (kind, name, value) => (name === 'node' && isFree(value) ? [] : store.index(kind, name, value));
      return replaced(store, { index });
    },
  },
  {
    name: 'cron-forgets',
    what: 'a server that starts does not know which times of a schedule it had started',
    breaks: ['cron-once'],
    instead: (store) => {
      const asked = new Set<string>();
      return transacting(store, 'controller:cronjob', (tx) => forgettingOnce(tx, asked));
    },
  },
];

function withoutEpoch(request: ConnectRequest): ConnectRequest {
  const { message } = request;
  return message?.$case === 'hello' ? { message: { ...message, value: { ...message.value, epoch: 0 } } } : request;
}

/** A store whose transactions of one actor are others. */
function transacting(store: Store, actor: string, other: (tx: Tx) => Tx): Store {
  return replaced(store, { transact: (cause, fn) => store.transact(cause, (tx) => fn(cause.actor === actor ? other(tx) : tx)) });
}

/** Nothing of a kind is there. */
function without(tx: Tx, kind: Kind): Tx {
  const list: Tx['list'] = (one, ...rest) => (one === kind ? [] : tx.list(one, ...rest));
  return replaced(tx, { list });
}

/** Each CronJob that is read for the first time was never started. */
function forgettingOnce(tx: Tx, asked: Set<string>): Tx {
  const get: Tx['get'] = (kind, namespace, name) => {
    const found = tx.get(kind, namespace, name);
    const uid = found?.metadata?.uid ?? '';
    if (found === undefined || kind !== 'CronJob' || asked.has(uid)) return found;
    asked.add(uid);
    const { status } = found as Obj<'CronJob'>;
    return { ...found, status: { ...status, lastScheduleTime: undefined } };
  };
  return replaced(tx, { get });
}

/** An object with some of its properties replaced. */
function replaced<T extends object>(original: T, by: Partial<T>): T {
  return new Proxy(original, {
    get(target, key) {
      const value: unknown = Reflect.get(key in by ? by : target, key);
      return typeof value === 'function' && !(key in by) ? value.bind(target) : value;
    },
  });
}

/** Watches of what is durable see the head. */
function atHead(store: Store): Store['snapshotAndWatch'] {
  return (selector, _mode, snap) => store.snapshotAndWatch(selector, 'head', snap);
}

/** Finalizers of pods cannot be taken off. */
function holdingOn(tx: Tx): Tx {
  const update: Tx['update'] = (kind, object, ifRevision) => {
    const { namespace = '', name = '', finalizers = [] } = object.metadata ?? {};
    const before = kind === 'Pod' ? tx.get(kind, namespace, name) : undefined;
    if (before !== undefined && (before.metadata?.finalizers.length ?? 0) > finalizers.length) return before;
    return tx.update(kind, object, ifRevision);
  };
  return replaced(tx, { update });
}
