// The network between nodes and server. A connection is like TCP: what is sent arrives in order, late, or never; a path that is cut holds
// things back and gives them out when it is whole again. On top of it, where a run asks for it, single messages are lost, doubled or
// overtaken, in those places where the session protocol says that it can stand it.
import type { SessionPort as AgentPort, PortHandlers } from '@podplane/agent/session/port';
import { ConnectRequest, ConnectResponse } from '@podplane/api/gen/podplane/node/v1/session';
import type { SessionPort as ServerPort, SessionInput } from '@podplane/server/sessions/port';
import type { VirtualSystem } from '../virtual-system.js';
import type { SimulatedProcess } from './process.js';

/** Messages that a direction holds before its sender has to wait. */
const ROOM = 256;
/** After a cut, TCP tries again only now and then. */
const RETRANSMIT_MS = 1_500;

/** The server as the network sees it. undefined: nobody listens, which is told; 'silent': no answer at all. */
export interface Listener {
  accept(nodeName: string, port: ServerPort): { readonly input: SessionInput; readonly process: SimulatedProcess } | 'refused' | 'silent';
}

export interface MessageFaults {
  /** Chances of each message, in [0, 1). */
  readonly lose: number;
  readonly double: number;
  readonly overtake: number;
}

const NO_FAULTS: MessageFaults = { lose: 0, double: 0, overtake: 0 };

/** Name of the node that a machine is, or was. */
export const nodeNameOf = (host: string): string => host.split('~', 1)[0] ?? '';

/** The way between one machine and the server. */
export class Path {
  upOpen = true;
  downOpen = true;
  latencyMs = 2;
  messages: MessageFaults = NO_FAULTS;
  readonly lanes = new Set<Lane>();

  readonly nodeName: string;

  /** host: the machine; a node's name, and what tells it from others that have had this name. */
  constructor(readonly host: string) {
    this.nodeName = nodeNameOf(host);
  }

  isOpen(direction: 'up' | 'down'): boolean {
    return direction === 'up' ? this.upOpen : this.downOpen;
  }

  /** Cuts or mends directions. */
  set(up: boolean, down: boolean): void {
    this.upOpen = up;
    this.downOpen = down;
    for (const lane of this.lanes) lane.pathChanged();
  }
}

/** One direction of one connection. */
class Lane {
  private readonly queue: { readonly at: number; readonly run: () => void }[] = [];
  private lastAt = 0;
  private armed = false;
  private closed = false;
  /** There is room again. */
  onRoom: (() => void) | undefined;

  constructor(
    private readonly world: VirtualSystem,
    private readonly path: Path,
    private readonly direction: 'up' | 'down',
  ) {
    path.lanes.add(this);
  }

  get full(): boolean {
    return this.queue.length >= ROOM;
  }

  push(run: () => void): void {
    if (this.closed) return;
    const { world, path } = this;
    const at = Math.max(this.lastAt, world.elapsed + path.latencyMs * (0.5 + world.random.next()));
    this.lastAt = at;
    this.queue.push({ at, run });
    this.arm();
  }

  pathChanged(): void {
    if (!this.path.isOpen(this.direction) || this.queue.length === 0) return;
    const wait = this.world.elapsed + this.world.random.next() * RETRANSMIT_MS;
    this.lastAt = Math.max(this.lastAt, wait);
    const [first] = this.queue;
    if (first !== undefined && first.at < wait) this.queue[0] = { ...first, at: wait };
    this.arm();
  }

  close(): void {
    this.closed = true;
    this.queue.length = 0;
    this.path.lanes.delete(this);
  }

  private arm(): void {
    const [first] = this.queue;
    if (this.armed || first === undefined || !this.path.isOpen(this.direction)) return;
    this.armed = true;
    this.world.timers.after(first.at - this.world.elapsed, () => {
      this.armed = false;
      const [head] = this.queue;
      if (this.closed || head === undefined) return;
      if (head.at > this.world.elapsed || !this.path.isOpen(this.direction)) {
        this.arm();
        return;
      }
      const wasFull = this.full;
      this.queue.shift();
      head.run();
      if (wasFull && !this.full) this.onRoom?.();
      this.arm();
    });
  }
}

export class SimulatedNetwork {
  readonly paths = new Map<string, Path>();
  /** Connections that stand or are being made, so that a crash of the server can end them. */
  private readonly connections = new Set<Connection>();
  readonly stats = { messages: 0, lost: 0, doubled: 0, overtaken: 0, dials: 0 };
  listener: Listener = { accept: () => 'refused' };

  constructor(
    readonly world: VirtualSystem,
    /** Of its own, so that what the network does is not disturbed by how much of the rest is random. */
    readonly random: () => number,
  ) {}

  path(host: string): Path {
    let path = this.paths.get(host);
    if (path === undefined) {
      path = new Path(host);
      this.paths.set(host, path);
    }
    return path;
  }

  /** For an agent in a process. */
  dial(host: string, process: SimulatedProcess, handlers: PortHandlers): AgentPort {
    this.stats.dials++;
    const connection = new Connection(this, this.path(host), process, handlers);
    this.connections.add(connection);
    return connection.agentPort;
  }

  ended(connection: Connection): void {
    this.connections.delete(connection);
  }

  /** The server's process is gone: its kernel says so to all agents (reset), or its machine is gone and nobody says anything. */
  serverGone(how: 'reset' | 'silent'): void {
    for (const connection of [...this.connections]) connection.serverGone(how);
  }

  /** A node's machine lost its power. */
  nodeGone(host: string): void {
    for (const connection of [...this.connections]) if (connection.path.host === host) connection.agentGone();
  }

  /** The connections of one node break, as by a firewall that forgot them. */
  reset(host: string): void {
    for (const connection of [...this.connections]) if (connection.path.host === host) connection.broken();
  }
}

class Connection {
  private readonly up: Lane;
  private readonly down: Lane;
  private server: { readonly input: SessionInput; readonly process: SimulatedProcess } | undefined;
  private agentDone = false;
  private serverDone = false;
  private held: (() => void) | undefined;
  /** What waits for the connection to stand. */
  private unsent: (() => void)[] | undefined = [];
  private readonly forget: () => void;

  constructor(
    private readonly network: SimulatedNetwork,
    readonly path: Path,
    private readonly process: SimulatedProcess,
    private readonly handlers: PortHandlers,
  ) {
    const { world } = network;
    this.up = new Lane(world, path, 'up');
    this.down = new Lane(world, path, 'down');
    this.forget = process.onDeath(() => this.agentCloses());
    this.up.onRoom = () => undefined;
    this.down.onRoom = () => this.server?.process.enter(() => this.server?.input.drained());
    // There and back again before anything is sent, as with TCP and TLS.
    this.up.push(() => this.down.push(() => this.established()));
  }

  private established(): void {
    this.up.push(() => this.arrive());
    for (const send of this.unsent ?? []) send();
    this.unsent = undefined;
  }

  private arrive(): void {
    const accepted = this.network.listener.accept(this.path.nodeName, {
      send: (message) => this.serverSends(message),
      close: () => this.serverCloses(),
    });
    if (accepted === 'silent') return;
    if (accepted === 'refused') this.serverCloses();
    else this.server = accepted;
  }

  readonly agentPort: AgentPort = {
    send: (message) => {
      if (this.agentDone) return Promise.reject(new Error('the connection is closed'));
      if (this.unsent === undefined) this.agentSends(message);
      else this.unsent.push(() => this.agentSends(message));
      return Promise.resolve();
    },
    close: () => this.agentCloses(),
  };

  private agentSends(message: ConnectRequest): void {
    const arrived = overTheWire(message, ConnectRequest);
    this.mangle(this.up, upTolerance(message), () => {
      const { server } = this;
      if (this.serverDone || server === undefined) return;
      server.process.enter(() => {
        if (!this.serverDone) server.input.message(arrived());
      });
    });
  }

  private serverSends(message: ConnectResponse): boolean {
    if (this.serverDone) return true;
    const arrived = overTheWire(message, ConnectResponse);
    this.mangle(this.down, downTolerance(message), () => {
      if (this.agentDone) return;
      this.process.enter(() => {
        if (!this.agentDone) this.handlers.message(arrived());
      });
    });
    return !this.down.full;
  }

  private mangle(lane: Lane, tolerance: Tolerance, deliver: () => void): void {
    const { network, path } = this;
    const { stats } = network;
    stats.messages++;
    const { lose, double, overtake } = path.messages;
    if (lose + double + overtake > 0 && tolerance !== 'none') {
      const dice = network.random();
      if (dice < lose && tolerance === 'all') {
        stats.lost++;
        return;
      }
      if (dice < lose + double) {
        stats.doubled++;
        lane.push(deliver);
      } else if (dice < lose + double + overtake && tolerance === 'all' && this.held === undefined) {
        // Goes out behind the next one.
        stats.overtaken++;
        this.held = () => lane.push(deliver);
        return;
      }
    }
    lane.push(deliver);
    const { held } = this;
    this.held = undefined;
    held?.();
  }

  private agentCloses(): void {
    if (this.agentDone) return;
    this.agentDone = true;
    this.forget();
    if (this.unsent === undefined) this.up.push(() => this.toServer());
    else this.serverDone = true;
    this.finish();
  }

  /** The agent's machine has no power any more: nobody hears of it. */
  agentGone(): void {
    this.agentDone = true;
    this.forget();
    this.finish();
  }

  private serverCloses(): void {
    if (this.serverDone) return;
    this.serverDone = true;
    this.down.push(() => this.toAgent('ended', 'the server closed the connection'));
    this.finish();
  }

  serverGone(how: 'reset' | 'silent'): void {
    if (this.serverDone) return;
    this.serverDone = true;
    if (how === 'reset') this.down.push(() => this.toAgent('ended', 'connection reset'));
    this.finish();
  }

  broken(): void {
    this.down.push(() => this.toAgent('ended', 'connection reset'));
    this.up.push(() => this.toServer());
  }

  private toAgent(code: 'ended' | 'unreachable', message: string): void {
    if (this.agentDone) return;
    this.process.enter(() => {
      if (this.agentDone) return;
      this.agentDone = true;
      this.forget();
      this.handlers.closed({ code: this.server === undefined ? 'unreachable' : code, message });
      this.finish();
    });
  }

  private toServer(): void {
    const { server } = this;
    if (this.serverDone || server === undefined) {
      this.serverDone = true;
      this.finish();
      return;
    }
    server.process.enter(() => {
      if (this.serverDone) return;
      this.serverDone = true;
      server.input.closed();
      this.finish();
    });
  }

  private finish(): void {
    if (!this.agentDone || !this.serverDone) return;
    this.up.close();
    this.down.close();
    this.network.ended(this);
  }
}

interface Codec<T> {
  encode(message: T): { finish(): Uint8Array };
  decode(bytes: Uint8Array): T;
}

/** The message as the other side reads it, each time anew. Heartbeats and their answers, most of all there are, hold numbers only: they are copied. */
function overTheWire<T extends ConnectRequest | ConnectResponse>(sent: T, codec: Codec<T>): () => T {
  const { message } = sent;
  if (message?.$case === 'heartbeat' || message?.$case === 'heartbeatAck') {
    const value = { ...message.value };
    return () => ({ message: { ...message, value: { ...value } } }) as T;
  }
  const bytes = codec.encode(sent).finish();
  return () => codec.decode(bytes);
}

/** What a message may go through without breaking what the protocol promises. twice: only doubling. */
type Tolerance = 'all' | 'twice' | 'none';

/** Heartbeats carry numbers; a batch of statuses that comes twice is taken once. The rest relies on the stream. */
function upTolerance({ message }: ConnectRequest): Tolerance {
  if (message?.$case === 'heartbeat') return 'all';
  return message?.$case === 'resync' ? 'twice' : 'none';
}

/** Answers to heartbeats carry their numbers; differences of assignments say from what to what, so a gap is seen. */
function downTolerance({ message }: ConnectResponse): Tolerance {
  if (message?.$case === 'heartbeatAck') return 'all';
  return message?.$case === 'assignments' && !message.value.complete ? 'all' : 'none';
}
