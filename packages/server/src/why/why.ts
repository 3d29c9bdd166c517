// Why an object is as it is: follows the causes that every write carries, from its newest changes back to where they began. Pure over
// what the store kept of causes; neither the API's messages (grpc/cluster.ts) nor the words on the screen are here.
import type { CausedChange, CauseRecord, Key } from '@podplane/store/types';

/** What the store knows of causes; both may forget what is old. */
export interface Causes {
  causes(key: Key, limit: number): readonly CauseRecord[];
  causesAt(revision: number, limit: number): readonly CausedChange[];
  decisiveCause(key: Key, before: number): CauseRecord | undefined;
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
/** Of one write: more than any controller changes at once. */
const MOST_CHANGES = 2000;
/** Records read for one change told: most are statuses that come in rows. */
const READ_FACTOR = 20;

const sameKey = (a: Key, b: Key): boolean => a.kind === b.kind && a.namespace === b.namespace && a.name === b.name;

/** The newest changes of an object, newest first, each with its chain; what is told in a chain is not told again. Empty: nothing is known of it. */
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
  const changes: WhyChange[] = [];
  // What a change followed from is told with it, and not once more.
  const told = new Set<number>();
  for (const { newest, count, since } of groups) {
    if (changes.length >= limit) break;
    if (count === 1 && told.has(newest.revision)) continue;
    const links = chain(store, { ...newest, key });
    for (const link of links) if (sameKey(link.key, key)) told.add(link.revision);
    changes.push({ links, count, since });
  }
  return changes;
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
  // The scheduler decides on many pods at once: what made it look at this one is what was decided about the pod before.
  if (cause.actor === 'scheduler') return decided(store, key, revision);
  // A node only ends what somebody asked it to end.
  if (type === 'deleted' && isNode(cause.actor)) return decided(store, key, revision, ({ cause: { actor } }) => !isNode(actor));
  const { becauseOf, of } = cause;
  if (becauseOf === undefined) return of === undefined ? undefined : decided(store, of, revision);
  if (becauseOf >= revision) return undefined;
  const candidates = store.causesAt(becauseOf, MOST_CHANGES);
  const wanted = of ?? key;
  return candidates.find((one) => sameKey(one.key, wanted)) ?? (of === undefined ? candidates[0] : undefined);
}

const isNode = (actor: string): boolean => actor.startsWith('node:');

/** The newest decision about an object before a revision that is as wanted. */
function decided(
  store: Causes,
  key: Key,
  revision: number,
  wanted: (record: CauseRecord) => boolean = () => true,
): CausedChange | undefined {
  let record = store.decisiveCause(key, revision);
  while (record !== undefined && !wanted(record)) record = store.decisiveCause(key, record.revision);
  return record === undefined ? undefined : { ...record, key };
}
