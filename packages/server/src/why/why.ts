// Why an object is as it is: follows the causes that every write carries, from its newest changes back to where they began. Pure over
// what the store kept of causes; neither the API's messages (grpc/cluster.ts) nor the words on the screen are here.
import type { CausedChange, CauseRecord, Key } from '@podplane/store/types';

/** What the store knows of causes; both may forget what is old. */
export interface Causes {
  causes(key: Key, limit: number): readonly CauseRecord[];
  causesAt(revision: number, limit: number): readonly CausedChange[];
}

export interface WhyLink extends CausedChange {
  /** How many other objects the same write changed; at most MOST_OTHERS are counted. */
  readonly others: number;
}

export interface WhyChange {
  /** The change, then what it was made because of, and so on. Never empty. */
  readonly links: readonly WhyLink[];
  /** That many changes in a row by the same actor with the same words. */
  readonly count: number;
  /** Wall clock of the first of them, ms. */
  readonly since: number;
}

export const MOST_OTHERS = 100;
/** A chain is as long as the system is deep: user, Deployment, ReplicaSet, pod, binding, status. Longer ones go in circles of no interest. */
const LONGEST_CHAIN = 16;
/** Records read for one change told: most are statuses that come in rows. */
const READ_FACTOR = 20;

const sameKey = (a: Key, b: Key): boolean => a.kind === b.kind && a.namespace === b.namespace && a.name === b.name;

/** The newest changes of an object, newest first, each with its chain. Empty: nothing is known of it. */
export function whyChanges(store: Causes, key: Key, limit: number): WhyChange[] {
  const groups: { newest: CauseRecord; count: number; since: number }[] = [];
  for (const record of store.causes(key, limit * READ_FACTOR)) {
    const last = groups.at(-1);
    if (last !== undefined && alike(last.newest, record)) {
      last.count += 1;
      last.since = record.time;
    } else {
      groups.push({ newest: record, count: 1, since: record.time });
    }
  }
  return groups.slice(0, limit).map(({ newest, count, since }) => ({ links: chain(store, { ...newest, key }), count, since }));
}

function alike(a: CauseRecord, b: CauseRecord): boolean {
  return a.type === b.type && a.cause.actor === b.cause.actor && a.cause.reason === b.cause.reason;
}

function chain(store: Causes, first: CausedChange): WhyLink[] {
  const links: WhyLink[] = [];
  let change: CausedChange | undefined = first;
  while (change !== undefined && links.length < LONGEST_CHAIN) {
    const here: CausedChange = change;
    const others = store.causesAt(here.revision, MOST_OTHERS + 1).filter(({ key }) => !sameKey(key, here.key)).length;
    links.push({ ...here, others });
    change = before(store, here);
  }
  return links;
}

/** What a change was made because of. */
function before(store: Causes, { key, revision, type, cause }: CausedChange): CausedChange | undefined {
  // The scheduler decides on many pods at once: what made it look at this one is the pod's own change before.
  if (cause.actor === 'scheduler') return own(store, key, revision);
  // A node only ends what somebody asked it to end.
  if (type === 'deleted' && isNode(cause.actor)) return own(store, key, revision, ({ cause: { actor } }) => !isNode(actor));
  if (cause.becauseOf === undefined || cause.becauseOf >= revision) return undefined;
  const candidates = store.causesAt(cause.becauseOf, MOST_OTHERS);
  return candidates.find((one) => sameKey(one.key, key)) ?? candidates[0];
}

const isNode = (actor: string): boolean => actor.startsWith('node:');

/** The newest change of the same object before a revision that is as wanted. */
function own(store: Causes, key: Key, revision: number, wanted: (record: CauseRecord) => boolean = () => true): CausedChange | undefined {
  const record = store.causes(key, READ_FACTOR * 10).find((one) => one.revision < revision && wanted(one));
  return record === undefined ? undefined : { ...record, key };
}
