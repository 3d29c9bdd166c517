// The control plane without its faces: sessions, controllers and scheduler, registry, joined on one store. No network, no files, no clock of
// its own, so the simulation runs exactly this. Faces, keys and the process around it are in main.ts.
import type { TunnelRefused } from '@podplane/api/gen/podplane/node/v1/session';
import type { System } from '@podplane/api/system';
import { createDefaultNamespaces } from '@podplane/controllers/namespace/bootstrap';
import type { NodeLifecycleConfig } from '@podplane/controllers/node-lifecycle/config';
import { createDefaultClass } from '@podplane/controllers/volumes/bootstrap';
import type { Store } from '@podplane/store/types';
import type { Logger } from 'pino';
import type { Memberships } from './auth/memberships.js';
import { type Deciders, startDeciders } from './deciders.js';
import { Registry } from './registry/registry.js';
import type { ReleaseStack } from './release-stack.js';
import type { Cidr } from './sessions/cidr.js';
import { raiseEpochs } from './sessions/fenced-starts.js';
import { LeaseGrants } from './sessions/leases.js';
import { NodeSessions } from './sessions/sessions.js';
import type { SessionTimings } from './sessions/timings.js';
import type { PodTokens } from './sessions/token-replies.js';

export interface CoreParts {
  readonly store: Store;
  readonly system: System;
  readonly log: Logger;
  readonly clusterCidr: Cidr;
  readonly nodeCidrBits: number;
  readonly sessions: SessionTimings;
  /** What differs from the defaults. */
  readonly nodeLifecycle?: Partial<NodeLifecycleConfig>;
  /** Which nodes were removed; left out: none ever is, they come back at once. */
  readonly memberships?: Memberships;
  readonly accountTokens: PodTokens;
  /** The certificate (PEM) of the cluster's authority, for programs in pods. */
  readonly rootCa: string;
  /** Whether controllers and scheduler run; off only for tests of the rest. */
  readonly deciders: boolean;
  /** A node cannot, or does not want to, open a tunnel. */
  readonly tunnelRefused: (nodeName: string, refusal: TunnelRefused) => void;
  /** A node has no session any more. */
  readonly disconnected: (nodeName: string) => void;
}

export interface ServerCore {
  readonly clusterId: string;
  readonly registry: Registry;
  readonly sessions: NodeSessions;
}

/** Puts the parts to work; how to stop them is pushed onto the stack. */
export async function startCore(parts: CoreParts, stack: ReleaseStack): Promise<ServerCore> {
  const { store, system, log } = parts;
  const found = await raiseEpochs(store, system);
  const clusterId = await clusterIdOf(store, system);
  await bootstrap(store, parts.rootCa);
  const leases = await LeaseGrants.open(store.meta, system, parts.sessions.leaseMs);

  // Sessions and deciders need each other: a decider judges by what sessions hear, sessions tell deciders when to look.
  let deciders: Deciders | undefined;
  const sessions: NodeSessions = new NodeSessions({
    store,
    system,
    clusterId,
    clusterCidr: parts.clusterCidr,
    nodeCidrBits: parts.nodeCidrBits,
    timings: parts.sessions,
    leases,
    fencingMarginMs: parts.nodeLifecycle?.fencingMarginMs,
    found,
    ...(parts.memberships === undefined ? {} : { memberships: parts.memberships }),
    tokens: parts.accountTokens,
    recordEvents: (node, events) => deciders?.recordNodeEvents(node, events),
    tunnelRefused: parts.tunnelRefused,
    changed: (node) => {
      if (!sessions.liveness.connected(node)) parts.disconnected(node);
      deciders?.nodeChanged(node);
    },
    throttled: (node, message) => {
      log.warn({ node }, message);
      deciders?.warnOfNode(node, 'ReportsThrottled', message);
    },
    problem: (node, what, error) => log.warn({ node, err: error }, what),
  });
  stack.push('sessions', () => sessions.stop());
  const watcher = watchNodeDeletions(store, sessions);
  stack.push('node deletions', () => watcher[Symbol.dispose]());

  if (parts.deciders) {
    deciders = startDeciders({
      store,
      system,
      liveness: sessions.liveness,
      nodeLifecycle: parts.nodeLifecycle ?? {},
      rootCa: parts.rootCa,
      log,
    });
    stack.push('controllers and scheduler', () => deciders?.stop());
  }
  return { clusterId, registry: new Registry(store, system, { rootCa: parts.rootCa, memberships: parts.memberships }), sessions };
}

/** A name of its own, so that an agent notices when it talks to another cluster than before. */
async function clusterIdOf(store: Store, { random }: System): Promise<string> {
  const known = store.meta.get('cluster-id');
  if (known !== undefined) return known;
  const made = random.uid();
  await store.meta.set('cluster-id', made);
  return made;
}

const CLASS_MADE = 'storage-class-made';

/** What every cluster begins with. */
async function bootstrap(store: Store, rootCa: string): Promise<void> {
  const { revision } = store.transact({ actor: 'server', reason: 'namespaces that every cluster has' }, (tx) =>
    createDefaultNamespaces(tx, rootCa),
  );
  await store.durable(revision);
  // Only once: an administrator who removes it does not get it again.
  if (store.meta.get(CLASS_MADE) !== undefined) return;
  const made = store.transact({ actor: 'server', reason: 'the storage class that every cluster begins with' }, (tx) =>
    createDefaultClass(tx),
  );
  await store.durable(made.revision);
  await store.meta.set(CLASS_MADE, 'yes');
}

function watchNodeDeletions(store: Store, sessions: NodeSessions): Disposable {
  let { cursor } = store.snapshotAndWatch({ kinds: ['Node'] }, 'durable', () => undefined);
  const look = (): void => {
    try {
      for (const { changes } of cursor.drain()) {
        for (const { type, object } of changes) if (type === 'deleted') sessions.nodeDeleted(object.metadata?.name ?? '');
      }
    } catch {
      // Missed or recovered: nodes that are gone meanwhile register anew with their next hello, or are refused then.
      cursor[Symbol.dispose]();
      if (store.health.state === 'closed') return;
      ({ cursor } = store.snapshotAndWatch({ kinds: ['Node'] }, 'durable', () => undefined));
    }
    cursor.onReady(look);
  };
  cursor.onReady(look);
  return { [Symbol.dispose]: () => cursor[Symbol.dispose]() };
}
