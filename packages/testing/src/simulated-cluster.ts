// The real control plane (store, sessions, controllers, scheduler) with simulated nodes on a virtual clock, in one process and without I/O.
// Invariants are checked after every committed transaction; what happened is folded into one number, so that two runs can be compared.
import { Deployment } from '@podplane/api/gen/podplane/apps/v1/deployment';
import { Namespace } from '@podplane/api/gen/podplane/core/v1/namespace';
import type { Obj } from '@podplane/api/kinds/kind-map';
import { isBeingDeleted, isPodLost, isPodReady, isPodTerminal } from '@podplane/api/pod-state';
import { type Deciders, startDeciders } from '@podplane/server/deciders';
import { admitNew } from '@podplane/server/registry/admission';
import { parseCidr } from '@podplane/server/sessions/cidr';
import { LeaseGrants } from '@podplane/server/sessions/leases';
import { NodeSessions } from '@podplane/server/sessions/sessions';
import { DEFAULT_SESSION_TIMINGS } from '@podplane/server/sessions/timings';
import { catalogueCodecs } from '@podplane/store/catalogue-codecs';
import { memoryJournal } from '@podplane/store/journals/memory';
import { createStore, type ObjectStore } from '@podplane/store/store';
import type { Change, Cursor } from '@podplane/store/types';
import { pino } from 'pino';
import { FAKE_ROOT_CA, fakeTokens } from './fake-tokens.js';
import { memoryLink } from './memory-link.js';
import { SimulatedNode } from './simulated-node.js';
import { VirtualSystem } from './virtual-system.js';

export interface SimulationOptions {
  readonly seed: number;
  readonly nodes: number;
  /** One way, ms. */
  readonly latencyMs?: number;
  readonly startMs?: number;
  readonly stopMs?: number;
  /** Called with each committed change, in order; throws to report a broken invariant. */
  readonly invariant?: (change: Change, cluster: SimulatedCluster) => void;
}

export class SimulatedCluster {
  readonly system: VirtualSystem;
  readonly nodes = new Map<string, SimulatedNode>();
  /** What went wrong, first one first; empty in a good run. */
  readonly faults: string[] = [];
  /** Folded over all changes: equal for equal runs. */
  fingerprint = 0x811c9dc5;
  transactions = 0;

  private constructor(
    private readonly options: SimulationOptions,
    system: VirtualSystem,
    readonly store: ObjectStore,
    private readonly sessions: NodeSessions,
    private readonly deciders: Deciders,
    private readonly cursor: Cursor,
  ) {
    this.system = system;
    cursor.onReady(() => this.look());
  }

  static async create(options: SimulationOptions): Promise<SimulatedCluster> {
    const system = new VirtualSystem(options.seed);
    const store = await createStore({ system, journal: memoryJournal({ delayMs: 1, timers: system.timers }), codecs: catalogueCodecs });
    store.transact({ actor: 'server', reason: 'bootstrap' }, (tx) => {
      const namespace = Namespace.fromPartial({ metadata: { name: 'default' } });
      admitNew('Namespace', namespace, system.clock.now());
      tx.create('Namespace', namespace);
    });
    const clusterCidr = parseCidr('10.0.0.0/8');
    if (clusterCidr === undefined) throw new Error('programmer error: no range');
    let deciders: Deciders | undefined;
    const faults: string[] = [];
    const opening = LeaseGrants.open(store.meta, system, DEFAULT_SESSION_TIMINGS.leaseMs);
    await system.advance(10);
    const sessions = new NodeSessions({
      store,
      system,
      clusterId: 'simulation',
      clusterCidr,
      nodeCidrBits: 24,
      timings: DEFAULT_SESSION_TIMINGS,
      leases: await opening,
      tokens: fakeTokens(() => store.durableView, system),
      recordEvents: (node, events) => deciders?.recordNodeEvents(node, events),
      tunnelRefused: () => undefined,
      changed: (node) => deciders?.nodeChanged(node),
      throttled: (node, message) => void faults.push(`${node}: ${message}`), // well agents never are
      problem: (node, what, error) => faults.push(`${node}: ${what}: ${String(error)}`),
    });
    const log = pino({ level: 'silent' });
    deciders = startDeciders({ store, system, liveness: sessions.liveness, rootCa: FAKE_ROOT_CA, log });
    const { cursor } = store.snapshotAndWatch({}, 'head', () => undefined);
    const cluster = new SimulatedCluster(options, system, store, sessions, deciders, cursor);
    cluster.faults.push(...faults);
    for (let i = 0; i < options.nodes; i++) cluster.addNode(`n${String(i).padStart(3, '0')}`);
    return cluster;
  }

  addNode(name: string): SimulatedNode {
    const node: SimulatedNode = new SimulatedNode(this.system, {
      name,
      startMs: this.options.startMs ?? 400,
      stopMs: this.options.stopMs ?? 100,
      connect: (events) =>
        memoryLink(this.system, { latencyMs: this.options.latencyMs ?? 2, accept: (port) => this.sessions.connect(name, port) }, events),
    });
    this.nodes.set(name, node);
    node.start();
    return node;
  }

  /** A Deployment of small pods. */
  deploy(
    name: string,
    replicas: number,
    strategy: { readonly maxSurge: number; readonly maxUnavailable: number } = { maxSurge: 1, maxUnavailable: 0 },
  ): void {
    const deployment = Deployment.fromJSON({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name, namespace: 'default' },
      spec: {
        replicas,
        selector: { matchLabels: { app: name } },
        strategy: { type: 'RollingUpdate', rollingUpdate: strategy },
        template: {
          metadata: { labels: { app: name } },
          spec: { containers: [{ name: 'main', image: 'example:1', resources: { requests: { cpu: '100m', memory: '64Mi' } } }] },
        },
      },
    });
    admitNew('Deployment', deployment, this.system.clock.now());
    this.store.transact({ actor: 'user:simulation', reason: `deploy ${name}` }, (tx) => void tx.create('Deployment', deployment));
  }

  /** Edits a Deployment's spec as a user would. */
  change(name: string, edit: (spec: NonNullable<Deployment['spec']>) => void): void {
    this.store.transact({ actor: 'user:simulation', reason: `change ${name}` }, (tx) => {
      tx.edit('Deployment', 'default', name, (draft) => {
        if (draft.spec !== undefined) edit(draft.spec);
      });
    });
  }

  /** Pods that count as replicas: not being deleted, not over, not lost with their node; of one app or all. */
  pods(app?: string): Obj<'Pod'>[] {
    return [...this.store.list('Pod', 'default')].filter(
      (pod) => !isBeingDeleted(pod) && !isPodTerminal(pod) && !isPodLost(pod) && (app === undefined || pod.metadata?.labels.app === app),
    );
  }

  /** Every Deployment has its replicas, all of them Ready on nodes that are Ready, and the nodes run just these. */
  converged(): boolean {
    for (const { metadata, spec } of this.store.list('Deployment', 'default')) {
      const mine = this.pods(metadata?.name ?? '');
      if (mine.length !== (spec?.replicas ?? 1) || !mine.every((pod) => isPodReady(pod))) return false;
      if (!mine.every((pod) => this.nodes.get(pod.spec?.nodeName ?? '')?.pods.has(pod.metadata?.uid ?? ''))) return false;
    }
    return true;
  }

  async stop(): Promise<void> {
    this.cursor[Symbol.dispose]();
    for (const node of this.nodes.values()) node.kill('silent');
    this.deciders.stop();
    const stopped = Promise.all([this.sessions.stop(), this.store.close()]);
    await this.system.advance(60_000);
    await stopped;
  }

  private look(): void {
    for (const batch of this.cursor.drain()) {
      this.transactions++;
      for (const change of batch.changes) {
        this.fold(
          `${batch.revision}${change.type}${change.kind}${change.object.metadata?.namespace ?? ''}/${change.object.metadata?.name ?? ''}/${change.object.metadata?.uid ?? ''}`,
        );
        try {
          this.options.invariant?.(change, this);
        } catch (error) {
          this.faults.push(
            `at ${this.system.elapsed.toFixed(0)} ms, revision ${batch.revision}: ${error instanceof Error ? error.message : String(error)}`,
          );
        }
      }
    }
    this.cursor.onReady(() => this.look());
  }

  private fold(text: string): void {
    let hash = this.fingerprint;
    for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
    this.fingerprint = hash >>> 0;
  }
}
