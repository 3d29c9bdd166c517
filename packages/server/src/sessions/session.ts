// One session: the conversation with one agent, from its hello to its end. Which sessions there are, and who supersedes whom, is in
// sessions.ts; what is said about pods to run is in feed.ts.

import type { NodeStatus } from '@podplane/api/gen/podplane/core/v1/node';
import type {
  Heartbeat,
  Hello,
  NodeEvent,
  PodStatuses,
  TokenRequest,
  TunnelRefused,
  VolumeReport,
} from '@podplane/api/gen/podplane/node/v1/session';
import type { System, Timer } from '@podplane/api/system';
import { StoreError } from '@podplane/store/errors';
import type { AssignmentFeed, FeedPort } from './feed.js';
import type { AgentMessage, ServerMessage, SessionInput, SessionPort } from './port.js';

/** An agent that has connected must say hello within this time, ms. */
const HELLO_MS = 10_000;
/** A write that the sealed store refused is tried again after this time, ms. */
const SEALED_RETRY_MS = 1000;
/** Requests for tokens that wait for an agent to read its answers, and bytes of them: no node has so many pods. */
const MOST_ASKED = 10_000;
const MOST_ASKED_BYTES = 4 * 1024 * 1024;

/** What a session needs of the rest of the server. Everything that throws does so with StoreError. */
export interface SessionHost {
  readonly system: System;
  /** The agent said hello; undefined: it was refused, with what to tell it. */
  registered(session: Session, hello: Hello): Promise<{ readonly welcome: ServerMessage } | { readonly refusal: ServerMessage }>;
  openFeed(session: Session, port: Omit<FeedPort, 'referencesChanged'>): AssignmentFeed;
  closeFeed(feed: AssignmentFeed): void;
  heard(session: Session): void;
  /** Answer to a heartbeat; restores the node's status where others gave it up meanwhile. */
  beat(session: Session, heartbeat: Heartbeat): ServerMessage;
  /** ms until the next batch of statuses is looked at; 0: now. */
  statusDelay(session: Session): number;
  /** Whether the agent may ask for everything again, once more. */
  mayResync(session: Session): boolean;
  /** Commits; resolves when durable. */
  statuses(session: Session, batch: PodStatuses): Promise<void>;
  nodeStatus(session: Session, status: NodeStatus): void;
  events(session: Session, events: readonly NodeEvent[]): void;
  volumeReports(session: Session, reports: readonly VolumeReport[]): void;
  /** The answer to a node that asks for a token. */
  token(session: Session, request: TokenRequest): ServerMessage;
  goodbye(session: Session, reason: string): void;
  tunnelRefused(session: Session, refusal: TunnelRefused): void;
  ended(session: Session): void;
  /** Something that should not happen. */
  problem(session: Session, what: string, error: unknown): void;
}

type State =
  | { readonly name: 'greeting'; readonly timeout: Timer }
  | { readonly name: 'registering' }
  | { readonly name: 'open'; readonly feed: AssignmentFeed }
  | { readonly name: 'ended' };

export class Session implements SessionInput {
  /** Set by the hello. */
  bootId = '';
  machineId = '';
  /** The how many-th connection of its boot. */
  dial = 0;
  /** The node's status as last reported; set by the host once it was held against what a status may be. */
  reported: NodeStatus | undefined;
  /** A reported status that is still to be written: the store was sealed, or the one before it has only just been. */
  unwritten: NodeStatus | undefined;
  /** When a status was last written, ms, monotonic. */
  statusAt = Number.NEGATIVE_INFINITY;
  private state: State;
  private retry: Timer | undefined;
  /** The agent does not read as fast as it is told things. */
  private full = false;
  /** A batch of statuses that is not acknowledged yet. */
  private committing = false;
  /** Tokens that are to be told when the agent has read what it was told. */
  private asked: TokenRequest[] = [];
  private askedBytes = 0;

  constructor(
    readonly id: string,
    readonly nodeName: string,
    private readonly port: SessionPort,
    private readonly host: SessionHost,
  ) {
    this.state = {
      name: 'greeting',
      timeout: host.system.timers.after(HELLO_MS, () => this.end({ reason: 'BadRequest', message: 'no hello came' }), { background: true }),
    };
  }

  get open(): boolean {
    return this.state.name === 'open';
  }

  /** Says something to the agent; false: the session is not open. */
  tell(message: ServerMessage): boolean {
    if (this.state.name !== 'open') return false;
    if (!this.port.send({ message })) this.full = true;
    return true;
  }

  /** Ends the session, with a last word that says why. */
  end(refusal: { readonly reason: string; readonly message: string } | undefined): void {
    if (this.state.name === 'ended') return;
    if (refusal !== undefined) this.port.send({ message: { $case: 'refused', value: refusal } });
    this.port.close();
    this.leave();
  }

  /** Tells the agent to dial again. */
  reconnect(delayMillis: number, reason: string): void {
    if (this.state.name === 'ended') return;
    this.port.send({ message: { $case: 'reconnect', value: { delayMillis, reason } } });
    this.port.close();
    this.leave();
  }

  closed(): void {
    this.leave();
  }

  drained(): void {
    this.full = false;
    if (this.state.name !== 'open') return;
    this.state.feed.drained();
    const asked = this.asked;
    this.asked = [];
    this.askedBytes = 0;
    for (const request of asked) this.token(request);
  }

  /** Answers at once, or when the agent reads again: it would else have the server keep as many answers as it likes. */
  private token(request: TokenRequest): void {
    if (!this.full) {
      this.tell(this.host.token(this, request));
      return;
    }
    this.askedBytes += request.id.length + request.podUid.length + request.audience.length;
    if (this.asked.length >= MOST_ASKED || this.askedBytes > MOST_ASKED_BYTES) this.reconnect(SEALED_RETRY_MS, 'TooSlow');
    else this.asked.push(request);
  }

  message(message: { readonly message?: AgentMessage | undefined }): void {
    const said = message.message;
    if (said === undefined || this.state.name === 'ended') return;
    if (said.$case === 'hello') {
      if (this.state.name !== 'greeting') this.end({ reason: 'BadRequest', message: 'a second hello came' });
      else this.greet(this.state.timeout, said.value);
      return;
    }
    if (this.state.name === 'greeting') {
      this.end({ reason: 'BadRequest', message: `the first message must be hello, not ${said.$case}` });
      return;
    }
    this.host.heard(this);
    if (this.state.name !== 'open') {
      // Between hello and welcome the agent has nothing to say yet.
      this.end({ reason: 'BadRequest', message: `${said.$case} came before the welcome` });
      return;
    }
    this.take(said, this.state.feed);
  }

  private take(said: Exclude<AgentMessage, { $case: 'hello' }>, feed: AssignmentFeed): void {
    switch (said.$case) {
      case 'heartbeat': {
        const answer = this.host.beat(this, said.value);
        // An agent that does not read needs no answers either: they would only pile up.
        if (!this.full) this.tell(answer);
        return;
      }
      case 'podStatuses':
        if (this.committing) {
          this.end({ reason: 'BadRequest', message: 'statuses came before the batch before them was acknowledged' });
          return;
        }
        this.committing = true;
        this.commit(said.value);
        return;
      case 'nodeStatus':
        if (said.value.status !== undefined) this.host.nodeStatus(this, said.value.status);
        return;
      case 'events':
        this.host.events(this, said.value.events);
        return;
      case 'volumeReports':
        this.host.volumeReports(this, said.value.reports);
        return;
      case 'tokenRequest':
        this.token(said.value);
        return;
      case 'resync':
        if (this.host.mayResync(this)) feed.markAll();
        else this.reconnect(SEALED_RETRY_MS, 'TooFast');
        return;
      case 'goodbye':
        this.host.goodbye(this, said.value.reason);
        return;
      case 'tunnelRefused':
        this.host.tunnelRefused(this, said.value);
        return;
    }
  }

  private greet(timeout: Timer, hello: Hello): void {
    timeout.cancel();
    this.bootId = hello.bootId;
    this.machineId = hello.machineId;
    this.dial = hello.dial;
    this.state = { name: 'registering' };
    this.host.registered(this, hello).then(
      (answer) => {
        if (this.state.name !== 'registering') return;
        if ('refusal' in answer) {
          this.port.send({ message: answer.refusal });
          this.port.close();
          this.leave();
          return;
        }
        this.port.send({ message: answer.welcome });
        const feed = this.host.openFeed(this, {
          send: (assignments) => this.port.send({ message: { $case: 'assignments', value: assignments } }),
          stuck: () => {
            this.host.problem(this, 'the agent has not read for 30 s', undefined);
            this.reconnect(0, 'TooSlow');
          },
        });
        this.state = { name: 'open', feed };
      },
      (error: unknown) => {
        if (!(error instanceof StoreError)) this.host.problem(this, 'hello', error);
        // Sealed or stopping: the agent asks again in a while.
        this.reconnect(SEALED_RETRY_MS, 'StoreUnavailable');
      },
    );
  }

  /** One batch is in flight at a time, so a batch that the sealed store refused is simply tried again until it is taken. */
  private commit(batch: PodStatuses): void {
    const wait = this.host.statusDelay(this);
    if (wait > 0) {
      // An agent has one batch under way and keeps only the newest of each pod meanwhile: less is written, and nothing is lost.
      this.retry = this.host.system.timers.after(wait, () => this.commit(batch), { background: true });
      return;
    }
    this.host.statuses(this, batch).then(
      () => {
        this.committing = false;
        this.tell({ $case: 'podStatusesAck', value: { seq: batch.seq } });
      },
      (error: unknown) => {
        if (this.state.name === 'ended') return;
        if (error instanceof StoreError && error.code === 'sealed') {
          this.retry?.cancel();
          this.retry = this.host.system.timers.after(SEALED_RETRY_MS, () => this.commit(batch), { background: true });
          return;
        }
        if (!(error instanceof StoreError && error.code === 'closed')) this.host.problem(this, 'statuses', error);
        this.reconnect(SEALED_RETRY_MS, 'InternalError'); // everything is reported again in the next session
      },
    );
  }

  private leave(): void {
    const { state } = this;
    if (state.name === 'ended') return;
    this.state = { name: 'ended' };
    this.asked = [];
    this.retry?.cancel();
    if (state.name === 'greeting') state.timeout.cancel();
    if (state.name === 'open') this.host.closeFeed(state.feed);
    this.host.ended(this);
  }
}
