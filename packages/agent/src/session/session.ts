// The agent's side of the session with the server: one state machine on a message port. Keeps the connection, the lease and the
// heartbeats, sends statuses and events, hands assignments on. What the messages mean for pods is in ../agent.ts; how bytes travel is
// in grpc-port.ts.

import type { NodeStatus } from '@podplane/api/gen/podplane/core/v1/node';
import type { ConnectRequest, ConnectResponse, PodReport, Welcome } from '@podplane/api/gen/podplane/node/v1/session';
import type { System, Timer } from '@podplane/api/system';
import type { Log } from '../log.js';
import type { PodEvent } from '../pods/pod-events.js';
import type { SessionHandlers } from './handlers.js';
import { Lease } from './lease.js';
import { EventOutbox, StatusOutbox } from './outbox.js';
import type { PortClosed, SessionPort, SessionPortFactory } from './port.js';
import { RETRY_SLOW_MS, RETRY_SPREAD_MS, Redial } from './redial.js';

export interface SessionOptions {
  readonly system: System;
  readonly connect: SessionPortFactory;
  readonly handlers: SessionHandlers;
  readonly log: Log;
  /** ms; counts suspend exactly. Default: the system's monotonic clock. */
  readonly leaseClock?: (() => number) | undefined;
}

/** No answer to a heartbeat for so long, and so many of their periods: the connection is dead, whatever TCP says. */
const DEAD_MS = 3_000;
const DEAD_PERIODS = 3;
/** When we were late ourselves, the answer may be here and only not read yet. */
const LAST_LOOK_MS = 20;
const STATUS_DELAY_MS = 200;
const EVENT_DELAY_MS = 500;
const DEFAULT_PERIOD_MS = 1_000;
const GOODBYE_MS = 300;

type State =
  | { readonly kind: 'stopped' }
  | { readonly kind: 'waiting'; readonly timer: Timer }
  | { readonly kind: 'connecting'; readonly port: SessionPort; readonly timer: Timer }
  | { readonly kind: 'live'; readonly port: SessionPort };

export class SessionClient {
  readonly lease: Lease;
  private state: State = { kind: 'stopped' };
  private readonly statuses = new StatusOutbox();
  private readonly events = new EventOutbox();
  private nodeStatus: NodeStatus | undefined;
  private resync = false;
  /** Since when a heartbeat waits to be sent. */
  private heartbeatDue: number | undefined;
  private readonly posts: NonNullable<ConnectRequest['message']>[] = [];
  private periodMs = DEFAULT_PERIOD_MS;
  private readonly redial: Redial;
  private readonly timers = new Map<'heartbeat' | 'dead' | 'status' | 'events', Timer>();
  private sending = false;
  private dials = 0;

  constructor(private readonly options: SessionOptions) {
    this.lease = new Lease();
    this.redial = new Redial(options.system);
  }

  /** The server has all that was reported. */
  get told(): boolean {
    return this.state.kind === 'live' && !this.statuses.waiting && !this.statuses.inFlight && !this.events.waiting;
  }

  get connected(): boolean {
    return this.state.kind === 'live';
  }

  /** Until when the server promised to replace nothing of this node, by the clock of leases; 0: never had a lease. */
  get leaseUntil(): number {
    return this.lease.until;
  }

  start(): void {
    if (this.state.kind === 'stopped') this.dial();
  }

  stop(): void {
    const { state } = this;
    this.state = { kind: 'stopped' };
    this.clearTimers();
    if (state.kind === 'waiting' || state.kind === 'connecting') state.timer.cancel();
    if (state.kind === 'connecting' || state.kind === 'live') state.port.close();
  }

  /** A new session at once, with a new connection (the certificate was renewed). */
  reconnect(reason: string): void {
    if (this.state.kind === 'live') this.lost({ code: 'ended', message: reason }, 0);
  }

  report(report: PodReport, urgent: boolean): void {
    this.statuses.put(report, urgent);
    if (this.statuses.isUrgent) this.pump();
    else this.later('status', STATUS_DELAY_MS);
  }

  event(event: PodEvent): void {
    this.events.put(event, this.options.system.clock.now());
    this.later('events', EVENT_DELAY_MS);
  }

  reportNode(status: NodeStatus): void {
    this.nodeStatus = status;
    this.pump();
  }

  refuseTunnel(tunnelId: string, reason: string, message: string): void {
    this.post({ $case: 'tunnelRefused', value: { tunnelId, reason, message } });
  }

  /** Says something once. It is lost with the session: what it is about is then asked, or said, again. */
  post(message: NonNullable<ConnectRequest['message']>): void {
    if (this.state.kind !== 'live') return;
    this.posts.push(message);
    this.pump();
  }

  /** The host shuts down. Resolves when it was said, or cannot be said; not before it had time to leave: closing drops what waits. */
  async sayGoodbye(reason: string): Promise<void> {
    if (this.state.kind !== 'live') return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.state.port.send({ message: { $case: 'goodbye', value: { reason } } }).catch(() => resolve());
    const timer = this.options.system.timers.after(GOODBYE_MS, resolve);
    await promise;
    timer.cancel();
  }

  // --- connection ---

  private dial(): void {
    const { system, connect, handlers } = this.options;
    const holder: { port?: SessionPort } = {};
    const mine = (): boolean => (this.state.kind === 'connecting' || this.state.kind === 'live') && this.state.port === holder.port;
    let port: SessionPort;
    try {
      port = connect({
        message: (message) => {
          if (mine()) this.take(message);
        },
        closed: (reason) => {
          if (mine()) this.lost(reason);
        },
      });
    } catch (error) {
      // For example certificates that cannot be read.
      this.failedToDial(error);
      return;
    }
    holder.port = port;
    const patienceMs = this.redial.patience();
    const timer = system.timers.after(patienceMs, () => {
      if (mine() && this.state.kind === 'connecting')
        this.lost({ code: 'unreachable', message: `no answer within ${patienceMs / 1000} s` });
    });
    this.state = { kind: 'connecting', port, timer };
    port.send({ message: { $case: 'hello', value: { ...handlers.hello(), dial: ++this.dials } } }).catch(() => undefined);
  }

  private failedToDial(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    const timer = this.options.system.timers.after(RETRY_SLOW_MS, () => {
      if (this.state.kind === 'waiting') this.dial();
    });
    this.state = { kind: 'waiting', timer };
    this.options.handlers.disconnected({ code: 'unauthorized', message });
  }

  /** A message that makes no sense ends the session, not the agent. */
  private take(message: ConnectResponse): void {
    try {
      this.receive(message);
    } catch (error) {
      this.options.log.error({ err: error, message: message.message?.$case }, 'the server said something that this agent cannot follow');
      this.lost({ code: 'ended', message: error instanceof Error ? error.message : String(error) }, RETRY_SLOW_MS);
    }
  }

  /** delayMs undefined: as the rules for reconnecting say. */
  private lost(reason: PortClosed, delayMs?: number): void {
    const { state } = this;
    if (state.kind !== 'connecting' && state.kind !== 'live') return;
    if (state.kind === 'connecting') state.timer.cancel();
    this.clearTimers();
    this.lease.disconnected();
    this.statuses.restore();
    this.heartbeatDue = undefined;
    this.posts.length = 0;
    const delay = delayMs ?? this.redial.delay(this.leaseNow() < this.lease.until);
    const timer = this.options.system.timers.after(delay, () => {
      if (this.state.kind === 'waiting') this.dial();
    });
    this.state = { kind: 'waiting', timer };
    state.port.close();
    this.options.handlers.disconnected(reason);
  }

  private receive(response: ConnectResponse): void {
    const { message } = response;
    const { handlers, system } = this.options;
    if (message === undefined) return;
    switch (message.$case) {
      case 'welcome':
        this.welcomed(message.value);
        return;
      case 'heartbeatAck': {
        const { seq, leaseMillis, heartbeatPeriodMillis, term } = message.value;
        this.lease.acknowledged(seq, leaseMillis, term);
        handlers.leased(this.lease.until, message.value);
        if (heartbeatPeriodMillis > 0) this.periodMs = heartbeatPeriodMillis;
        this.watchForDeath();
        return;
      }
      case 'assignments':
        if (!handlers.assignments(message.value)) {
          this.options.log.warn(
            { from: message.value.from, to: message.value.to },
            'assignments are missing; asking for all of them again',
          );
          this.resync = true;
          this.pump();
        }
        return;
      case 'podStatusesAck':
        handlers.acknowledged(this.statuses.acknowledge(message.value.seq));
        if (this.statuses.isUrgent) this.pump();
        else if (this.statuses.waiting) this.later('status', STATUS_DELAY_MS);
        return;
      case 'tokenReply':
        handlers.tokenReply(message.value);
        return;
      case 'openTunnel':
        handlers.openTunnel(message.value);
        return;
      case 'reconnect': {
        const { delayMillis, reason } = message.value;
        const spread = delayMillis + system.random.next() * RETRY_SPREAD_MS;
        this.lost({ code: 'ended', message: `the server asked to connect again: ${reason}` }, spread);
        return;
      }
      case 'refused': {
        const then = handlers.refused(message.value);
        if (then === 'stop') {
          this.stop();
          return;
        }
        this.lost({ code: 'ended', message: `refused: ${message.value.reason}` }, this.redial.afterRefusal(then));
      }
    }
  }

  private leaseNow(): number {
    return (this.options.leaseClock ?? (() => this.options.system.clock.monotonic()))();
  }

  private welcomed(welcome: Welcome): void {
    if (this.state.kind !== 'connecting') return;
    if (!this.lease.inTerm(welcome.term)) {
      this.lost({ code: 'ended', message: 'this server has been followed by another one' }, RETRY_SLOW_MS);
      return;
    }
    this.state.timer.cancel();
    this.state = { kind: 'live', port: this.state.port };
    this.redial.succeeded();
    this.periodMs = welcome.heartbeatPeriodMillis > 0 ? welcome.heartbeatPeriodMillis : DEFAULT_PERIOD_MS;
    this.lease.connected();
    this.heartbeat();
    this.options.handlers.welcome(welcome);
    this.pump();
  }

  // --- heartbeats ---

  private heartbeat(): void {
    this.heartbeatDue ??= this.options.system.clock.monotonic();
    this.setTimer('heartbeat', this.periodMs, () => this.heartbeat());
    this.pump();
    if (!this.timers.has('dead')) this.watchForDeath();
  }

  /** The oldest heartbeat without an answer decides, also one that cannot even be sent. */
  private watchForDeath(): void {
    this.timers.get('dead')?.cancel();
    this.timers.delete('dead');
    const oldest = this.lease.oldestUnanswered ?? this.heartbeatDue;
    if (oldest === undefined) return;
    const now = this.options.system.clock.monotonic();
    const deadMs = Math.max(DEAD_MS, DEAD_PERIODS * this.periodMs);
    this.setTimer('dead', Math.max(0, oldest + deadMs - now), () => {
      this.setTimer('dead', LAST_LOOK_MS, () => {
        this.lost({ code: 'unreachable', message: `no answer to heartbeats for ${deadMs / 1000} s` });
      });
    });
  }

  // --- sending ---

  private setTimer(name: 'heartbeat' | 'dead' | 'status' | 'events', ms: number, fn: () => void): void {
    this.timers.get(name)?.cancel();
    this.timers.set(
      name,
      this.options.system.timers.after(ms, () => {
        this.timers.delete(name);
        fn();
      }),
    );
  }

  private later(name: 'status' | 'events', ms: number): void {
    if (this.state.kind === 'live' && !this.timers.has(name)) this.setTimer(name, ms, () => this.pump());
  }

  private clearTimers(): void {
    for (const timer of this.timers.values()) timer.cancel();
    this.timers.clear();
  }

  /** One message at a time, the most urgent first; nothing is queued that could be overtaken. */
  private pump(): void {
    if (this.sending || this.state.kind !== 'live') return;
    const { port } = this.state;
    const message = this.pick();
    if (message === undefined) return;
    this.sending = true;
    port
      .send(message)
      .catch(() => {
        // The port says itself that it is closed; what was in flight is restored then.
      })
      .finally(() => {
        this.sending = false;
        this.pump();
      });
  }

  private pick(): ConnectRequest | undefined {
    if (this.heartbeatDue !== undefined) {
      this.heartbeatDue = undefined;
      const seq = this.lease.sent(this.options.system.clock.monotonic(), this.leaseNow());
      return { message: { $case: 'heartbeat', value: { seq } } };
    }
    if (this.resync) {
      this.resync = false;
      return { message: { $case: 'resync', value: true } };
    }
    const post = this.posts.shift();
    if (post !== undefined) return { message: post };
    if (this.nodeStatus !== undefined) {
      const status = this.nodeStatus;
      this.nodeStatus = undefined;
      return { message: { $case: 'nodeStatus', value: { status } } };
    }
    if (this.statuses.isUrgent || !this.timers.has('status')) {
      const batch = this.statuses.take();
      if (batch !== undefined) return { message: { $case: 'podStatuses', value: { seq: batch.seq, reports: [...batch.reports] } } };
    }
    if (this.events.waiting && !this.timers.has('events')) {
      return { message: { $case: 'events', value: { events: this.events.take() } } };
    }
    return undefined;
  }
}
