// All sessions: one a node, the newest boot wins. Joins what sessions need: Node objects, assignments, statuses, liveness, tunnels.
// The conversation itself is in session.ts.

import type { NodeStatus } from '@podplane/api/gen/podplane/core/v1/node';
import type {
  Hello,
  NodeEvent,
  OpenTunnel,
  PodStatuses,
  TokenRequest,
  TunnelRefused,
  VolumeReport,
} from '@podplane/api/gen/podplane/node/v1/session';
import { dnsSubdomainProblems } from '@podplane/api/names';
import type { System } from '@podplane/api/system';
import { StoreError } from '@podplane/store/errors';
import type { Store } from '@podplane/store/types';
import type { Memberships } from '../auth/memberships.js';
import { type Cidr, formatCidr } from './cidr.js';
import type { AssignmentFeed, FeedPort } from './feed.js';
import { FencedStarts, type FoundEpochs } from './fenced-starts.js';
import type { LeaseGrants } from './leases.js';
import { Liveness } from './liveness.js';
import { heldForOther } from './name-held.js';
import { NodeRegistrar, removedRefusal } from './node-object.js';
import type { ServerMessage, SessionInput, SessionPort } from './port.js';
import { ReportLimits } from './report-limits.js';
import { helloLengthProblem, reportedNodeStatus, reportedTaints } from './reported.js';
import { AssignmentRouter } from './router.js';
import { Session, type SessionHost } from './session.js';
import { takeStatuses } from './statuses.js';
import { heartbeatPeriodOf, leaseOf, type SessionTimings } from './timings.js';
import { noToken, type PodTokens, tokenReply } from './token-replies.js';
import { takeVolumeReports } from './volume-reports.js';

export interface SessionsOptions {
  readonly store: Store;
  readonly system: System;
  readonly clusterId: string;
  readonly clusterCidr: Cidr;
  /** Size of one node's range: 24 is 256 addresses. */
  readonly nodeCidrBits: number;
  readonly timings: SessionTimings;
  readonly leases: LeaseGrants;
  /** So long after the end of a lease nothing runs under it, ms. */
  readonly fencingMarginMs?: number | undefined;
  /** Left out: nothing was there before this server. */
  readonly found?: FoundEpochs | undefined;
  /** What a node says has happened. */
  readonly recordEvents: (nodeName: string, events: readonly NodeEvent[]) => void;
  readonly tunnelRefused: (nodeName: string, refusal: TunnelRefused) => void;
  /** A session of a node has opened or ended, or it said goodbye: whoever judges nodes should look now. */
  readonly changed: (nodeName: string) => void;
  readonly problem: (nodeName: string, what: string, error: unknown) => void;
  /** An agent does more than it may; said now and then. */
  readonly throttled: (nodeName: string, message: string) => void;
  /** Which nodes were removed; left out: none ever is, they come back at once. */
  readonly memberships?: Pick<Memberships, 'mayRegister'>;
  /** undefined: nodes get no tokens. */
  readonly tokens?: PodTokens | undefined;
}

/** Characters of a name that an agent made up, in a log. */
const MOST_SHOWN = 100;
/** A node's own status is written no more often than this, ms, however often it reports one. */
const NODE_STATUS_MS = 100;
/** Servers that stop spread the agents' return over this time, ms. */
const RECONNECT_SPREAD_MS = 500;
/** When a node comes back whose reports of volumes the sealed store refused, ms. */
const VOLUMES_RETRY_MS = 1000;

export class NodeSessions implements SessionHost {
  readonly system: System;
  readonly liveness: Liveness;
  private readonly router: AssignmentRouter;
  private readonly registrar: NodeRegistrar;
  private readonly sessions = new Set<Session>();
  private readonly byNode = new Map<string, Session>();
  /** Highest batch of statuses taken, by node and boot: what comes again after a reconnect is answered, not taken twice. */
  private readonly taken = new Map<string, { readonly bootId: string; readonly seq: number }>();
  private readonly limits: ReportLimits;
  private readonly starts: FencedStarts;
  private readonly committing = new Set<Promise<void>>();
  private stopping = false;

  constructor(private readonly options: SessionsOptions) {
    this.system = options.system;
    this.liveness = new Liveness(options.system, () => this.heartbeatPeriod, options.leases);
    this.router = new AssignmentRouter(options.store, options.system);
    this.registrar = new NodeRegistrar(options.store, options.clusterCidr, options.nodeCidrBits);
    this.limits = new ReportLimits(options.system, options.throttled);
    const again = (except: string): void => {
      for (const [name, session] of [...this.byNode]) if (name !== except) session.reconnect(0, 'OlderData');
    };
    this.starts = new FencedStarts({ ...options, again, tell: (node, message) => options.problem(node, message, undefined) });
  }

  /** A new connection of a node, whose name its certificate proves. */
  connect(nodeName: string, port: SessionPort): SessionInput {
    const session = new Session(this.system.random.uid(), nodeName, port, this);
    this.sessions.add(session);
    if (this.stopping) session.reconnect(RECONNECT_SPREAD_MS, 'ServerStopping');
    return session;
  }

  /** Asks a node to open a tunnel; false: it has no session. */
  askForTunnel(nodeName: string, message: OpenTunnel): boolean {
    return this.byNode.get(nodeName)?.tell({ $case: 'openTunnel', value: message }) ?? false;
  }

  /** Names of the nodes that are connected just now. */
  get connectedNodes(): readonly string[] {
    return [...this.byNode.keys()];
  }

  /** Machine that holds a node's name. */
  holder(nodeName: string): string | undefined {
    return this.registrar.holder(nodeName);
  }

  /** Whether a node has its object. */
  knows(nodeName: string): boolean {
    return this.registrar.exists(nodeName);
  }

  /** The Node object was deleted by somebody: its agent is told, ends its pods and needs a token to come back. */
  nodeDeleted(nodeName: string): void {
    if (this.options.memberships === undefined) this.byNode.get(nodeName)?.reconnect(0, 'NodeDeleted');
    else this.byNode.get(nodeName)?.end(removedRefusal(nodeName));
    this.liveness.forget(nodeName);
    this.taken.delete(nodeName);
    this.limits.forget(nodeName);
  }

  /** Tells all agents to come back later and takes in what they have already said. */
  async stop(): Promise<void> {
    this.stopping = true;
    for (const session of this.sessions) session.reconnect(Math.round(this.system.random.next() * RECONNECT_SPREAD_MS), 'ServerStopping');
    await Promise.allSettled(this.committing);
    this.router[Symbol.dispose]();
    this.registrar[Symbol.dispose]();
    this.liveness[Symbol.dispose]();
    this.options.leases[Symbol.dispose]();
  }

  // ------------------------------------------------------------------------------------------------- what sessions call

  async registered(session: Session, hello: Hello): Promise<{ readonly welcome: ServerMessage } | { readonly refusal: ServerMessage }> {
    const { nodeName } = session;
    const refusal = (reason: string, message: string): { readonly refusal: ServerMessage } => ({
      refusal: { $case: 'refused', value: { reason, message } },
    });
    const delayMillis = this.limits.waitMs(nodeName, 'hellos');
    if (delayMillis > 0) return { refusal: { $case: 'reconnect', value: { delayMillis, reason: 'TooFast' } } };
    this.limits.spend(nodeName, 'hellos', 1);
    if (hello.nodeName !== nodeName)
      return refusal('Forbidden', `the certificate is node "${nodeName}"'s, the hello is node "${hello.nodeName}"'s`);
    if (dnsSubdomainProblems(nodeName).length > 0)
      return refusal('Invalid', `"${nodeName}" is no name for a node: ${dnsSubdomainProblems(nodeName).join('; ')}`);
    if (hello.machineId === '' || hello.bootId === '') return refusal('BadRequest', 'the hello must name machineId and bootId');
    const lengthProblem = helloLengthProblem(hello);
    if (lengthProblem !== undefined) return refusal('BadRequest', lengthProblem);
    const status = hello.status === undefined ? undefined : reportedNodeStatus(hello.status);
    if (status?.ok === false) return refusal('BadRequest', `the hello's ${status.problem}`);
    const taints = reportedTaints(hello.taints);
    if (!taints.ok) return refusal('BadRequest', `the hello's ${taints.problem}`);
    session.reported = status?.value.status;
    this.foreign(nodeName, 'conditions', status?.value.foreign ?? []);
    const older = this.byNode.get(nodeName);
    if (older?.bootId === hello.bootId && older.dial > hello.dial)
      return refusal('Superseded', 'the agent has given this connection up and has made another one since');
    const { memberships } = this.options;
    if (memberships?.mayRegister(nodeName) === false && !this.registrar.exists(nodeName)) {
      const { reason, message } = removedRefusal(nodeName);
      return refusal(reason, message);
    }
    const isNew = !this.registrar.exists(nodeName);
    const heldMs = isNew ? heldForOther(this.options, hello) : 0;
    if (heldMs > 0) return { refusal: { $case: 'reconnect', value: { delayMillis: heldMs, reason: 'NameHeld' } } };
    const registration = this.registrar.register({ ...hello, status: session.reported, taints: taints.value });
    if (registration.state === 'refused') return refusal(registration.reason, registration.message);
    const { revision, podCIDR, leftOut } = registration;
    this.foreign(nodeName, 'labels', leftOut);
    // From here on this is the node's session: what an older one still says is not listened to.
    this.byNode.set(nodeName, session);
    older?.end({
      reason: 'Superseded',
      message: older.bootId === hello.bootId ? 'the agent has connected again' : 'the agent was started again',
    });
    if (this.taken.get(nodeName)?.bootId !== hello.bootId) this.taken.delete(nodeName);
    this.liveness.opened(nodeName);
    this.options.changed(nodeName);
    await Promise.all([this.options.store.durable(revision), this.starts.greet(hello, isNew)]);
    const { clusterId, clusterCidr } = this.options;
    return {
      welcome: {
        $case: 'welcome',
        value: {
          sessionId: session.id,
          heartbeatPeriodMillis: this.heartbeatPeriod,
          leaseMillis: this.lease,
          podCIDR,
          clusterCIDR: formatCidr(clusterCidr),
          clusterId,
          term: this.options.leases.term,
          previousTerm: this.options.leases.previousTerm,
          epoch: this.starts.epoch,
          startsHeld: this.starts.held,
        },
      },
    };
  }

  openFeed(session: Session, port: Omit<FeedPort, 'referencesChanged'>): AssignmentFeed {
    return this.router.open(session.nodeName, port);
  }

  closeFeed(feed: AssignmentFeed): void {
    this.router.close(feed);
  }

  heard(session: Session): void {
    if (this.byNode.get(session.nodeName) === session) this.liveness.heard(session.nodeName);
  }

  beat(session: Session, { seq }: { readonly seq: number }): ServerMessage {
    if (session.unwritten !== undefined) this.nodeStatus(session, session.unwritten);
    else this.restore(session);
    const { leases } = this.options;
    const leaseMillis = leases.grant(session.nodeName, this.lease, session.machineId);
    this.starts.beaten(session.nodeName);
    const { epoch, held: startsHeld } = this.starts;
    const heartbeatPeriodMillis = this.heartbeatPeriod;
    return { $case: 'heartbeatAck', value: { seq, leaseMillis, heartbeatPeriodMillis, term: leases.term, epoch, startsHeld } };
  }

  statusDelay({ nodeName }: Session): number {
    return this.limits.waitMs(nodeName, 'podStatuses');
  }

  mayResync({ nodeName }: Session): boolean {
    return this.limits.take(nodeName, 'resyncs');
  }

  statuses(session: Session, batch: PodStatuses): Promise<void> {
    const done = this.takeBatch(session, batch);
    this.committing.add(done);
    const forget = (): void => void this.committing.delete(done);
    done.then(forget, forget);
    return done;
  }

  nodeStatus(session: Session, said: NodeStatus): void {
    const { clock, timers } = this.system;
    const wait = Math.max(session.statusAt + NODE_STATUS_MS - clock.monotonic(), this.limits.waitMs(session.nodeName, 'nodeStatus'));
    if (wait <= 0) {
      this.takeNodeStatus(session, said);
      return;
    }
    // The newest counts; a heartbeat may write it before the timer does.
    const planned = session.unwritten !== undefined;
    session.unwritten = said;
    if (planned) return;
    timers.after(
      wait,
      () => {
        if (session.open && session.unwritten !== undefined) this.takeNodeStatus(session, session.unwritten);
      },
      { background: true },
    );
  }

  private takeNodeStatus(session: Session, said: NodeStatus): void {
    session.unwritten = undefined;
    const held = reportedNodeStatus(said);
    if (!held.ok) {
      session.statusAt = this.system.clock.monotonic();
      this.limits.spend(session.nodeName, 'nodeStatus', 1);
      this.complain(session.nodeName, `reports what is no status of a node, nothing of it is taken: ${held.problem}`);
      return;
    }
    this.foreign(session.nodeName, 'conditions', held.value.foreign);
    session.reported = held.value.status;
    this.write(session, session.reported, 'node status');
  }

  events(session: Session, events: readonly NodeEvent[]): void {
    this.options.recordEvents(session.nodeName, this.limits.some(session.nodeName, 'events', events));
  }

  volumeReports(session: Session, reports: readonly VolumeReport[]): void {
    const { nodeName } = session;
    const wait = this.limits.waitMs(nodeName, 'volumeReports');
    if (wait > 0) {
      session.reconnect(wait, 'TooFast'); // as below
      return;
    }
    this.limits.spend(nodeName, 'volumeReports', reports.length);
    try {
      const refused = takeVolumeReports(this.options.store, nodeName, reports);
      if (refused.length > 0) this.complain(nodeName, `reports volumes that it was not asked to remove: ${refused.slice(0, 5).join(', ')}`);
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      // What the agent was asked to do is said again with the next session, and then it reports again.
      session.reconnect(VOLUMES_RETRY_MS, 'StoreUnavailable');
    }
  }

  token({ nodeName }: Session, request: TokenRequest): ServerMessage {
    if (!this.limits.take(nodeName, 'tokenRequests'))
      return noToken(request.id, 'this node asks for more tokens than it may; ask again later');
    return tokenReply(this.options.tokens, nodeName, request, this.system.clock);
  }

  goodbye(session: Session, reason: string): void {
    this.liveness.goodbye(session.nodeName);
    this.complain(session.nodeName, `says goodbye: ${reason.slice(0, MOST_SHOWN)}`);
    this.options.changed(session.nodeName);
  }

  tunnelRefused(session: Session, refusal: TunnelRefused): void {
    this.options.tunnelRefused(session.nodeName, refusal);
  }

  ended(session: Session): void {
    this.sessions.delete(session);
    if (this.byNode.get(session.nodeName) !== session) return;
    this.byNode.delete(session.nodeName);
    this.liveness.closed(session.nodeName);
    this.options.changed(session.nodeName);
  }

  problem(session: Session, what: string, error: unknown): void {
    this.complain(session.nodeName, what, error);
  }

  // ------------------------------------------------------------------------------------------------------------- inside

  private get heartbeatPeriod(): number {
    return heartbeatPeriodOf(this.options.timings, this.options.store.count('Node'));
  }

  private get lease(): number {
    return leaseOf(this.options.timings, this.options.store.count('Node'));
  }

  private async takeBatch(session: Session, batch: PodStatuses): Promise<void> {
    const { store } = this.options;
    const { nodeName, bootId } = session;
    const before = this.taken.get(nodeName);
    if (before !== undefined && before.bootId === bootId && batch.seq <= before.seq) {
      await store.durable(store.revision); // taken already; the answer was lost, or is still to come
      return;
    }
    const { revision, refused, faulty, bytes } = takeStatuses(store, nodeName, batch.reports);
    this.starts.ended(nodeName, batch.reports);
    this.taken.set(nodeName, { bootId, seq: batch.seq });
    this.limits.spendStatuses(nodeName, { reports: batch.reports.length, refused: refused.length + faulty.length, bytes });
    if (refused.length > 0) this.complain(nodeName, `reports pods that are not its own: ${refused.slice(0, 5).join(', ')}`);
    if (faulty.length > 0)
      this.complain(nodeName, `reports what is no status of a pod, nothing of it is taken: ${faulty.slice(0, 5).join(', ')}`);
    try {
      await store.durable(revision);
    } catch (error) {
      // Lost with the journal: the same batch must be taken when it comes again.
      if (this.taken.get(nodeName)?.seq === batch.seq) this.taken.delete(nodeName);
      throw error;
    }
  }

  /** What an agent says that is not its own to say. */
  private foreign(nodeName: string, what: 'labels' | 'conditions', names: readonly string[]): void {
    if (names.length === 0) return;
    const shown = names.slice(0, 5).map((name) => name.slice(0, MOST_SHOWN));
    this.complain(nodeName, `may not give its node these ${what}, they are left out: ${shown.join(', ')}`);
  }

  /** Into the log, no more often than one agent may fill it. */
  private complain(nodeName: string, what: string, error?: unknown): void {
    if (this.limits.take(nodeName, 'complaints')) this.options.problem(nodeName, what, error);
  }

  /** A node that was given up is heard again: its status is what it last said. */
  private restore(session: Session): void {
    const ready = this.options.store.get('Node', '', session.nodeName)?.status?.conditions.find(({ type }) => type === 'Ready');
    if (ready?.status === 'Unknown' && session.reported !== undefined) this.write(session, session.reported, 'heard again');
  }

  private write(session: Session, status: NodeStatus, reason: string): void {
    session.unwritten = undefined;
    session.statusAt = this.system.clock.monotonic();
    this.limits.spend(session.nodeName, 'nodeStatus', 1);
    try {
      this.registrar.report(session.nodeName, status, reason);
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      session.unwritten = status; // the store is sealed: the next heartbeat tries again
    }
  }
}
