// A process full of simulated nodes that speak the real protocol over real mTLS connections. Started by startFleet; ends with its parent.
import { type ChildProcess, fork } from 'node:child_process';
import { newKey } from '@podplane/agent/identity/keys';
import { realSystem } from '@podplane/api/system';
import { Pki } from '@podplane/server/auth/pki';
import { grpcLink } from '@podplane/testing/grpc-link';
import { SimulatedNode } from '@podplane/testing/simulated-node';
import { type AckFigures, AckTimes } from './ack-times.js';
import { DialGate } from './dial-gate.js';

export interface FleetOptions {
  readonly pkiDirectory: string;
  readonly address: string;
  readonly nodes: number;
  readonly startMs: number;
  /** Ms that pods of jobs run; undefined: for ever. */
  readonly runMs?: number | undefined;
  /** Whether the answers to heartbeats are timed. */
  readonly watchAcks?: boolean;
}

/** Of all nodes together, at a time. */
const MOST_DIALS = 32;

/** For processes that stand for thousands of machines. */
export const LARGE_HEAP = ['--max-old-space-size=16384'];

type FromFleet = { readonly ready: number } | { readonly connected: number } | { readonly pods: number } | { readonly acks: AckFigures };

/** What happens to the nodes numbered from (inclusive) to (exclusive). */
export type Order =
  | { readonly what: 'silence' | 'reset'; readonly from: number; readonly to: number }
  /** Each dials again at some moment within so many ms: agents try now and then, each at its own time. */
  | { readonly what: 'heal'; readonly from: number; readonly to: number; readonly withinMs: number }
  /** How many have a session. */
  | { readonly what: 'count' }
  /** How many pods run on all of them together. */
  | { readonly what: 'pods' }
  | { readonly what: 'acks' };

export interface Fleet {
  readonly process: ChildProcess;
  /** Resolves when it is done, with the number of nodes that have a session. */
  order(order: Order): Promise<number>;
  /** Pods that run on the nodes, whatever the server thinks. */
  pods(): Promise<number>;
  /** Times of the heartbeats answered since this was asked last. */
  acks(): Promise<AckFigures>;
  stop(): Promise<void>;
}

/** Resolves when all nodes have their sessions. */
export async function startFleet(options: FleetOptions): Promise<Fleet> {
  const child = fork(import.meta.filename, [JSON.stringify(options)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    execArgv: LARGE_HEAP,
  });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  child.on('message', (message: FromFleet) => {
    if ('ready' in message && message.ready === options.nodes) resolve();
  });
  child.once('exit', (code) => reject(new Error(`the simulated nodes ended with ${code}`)));
  await promise;
  const exited = new Promise<void>((done) => child.once('exit', () => done()));
  const ask = <T>(order: Order, read: (message: FromFleet) => T | undefined): Promise<T> => {
    const answered = Promise.withResolvers<T>();
    const answer = (message: FromFleet): void => {
      const value = read(message);
      if (value === undefined) return;
      child.off('message', answer);
      answered.resolve(value);
    };
    child.on('message', answer);
    child.send(order);
    return answered.promise;
  };
  return {
    process: child,
    order: (order) => ask(order, (message) => ('connected' in message ? message.connected : undefined)),
    pods: () => ask({ what: 'pods' }, (message) => ('pods' in message ? message.pods : undefined)),
    acks: () => ask({ what: 'acks' }, (message) => ('acks' in message ? message.acks : undefined)),
    async stop() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

async function runFleet(options: FleetOptions): Promise<void> {
  const system = realSystem();
  const pki = await Pki.open({ directory: options.pkiDirectory, clock: system.clock, serverNames: [], nodeLifetimeMs: 86_400_000 });
  const nodes: SimulatedNode[] = [];
  const gate = new DialGate(MOST_DIALS);
  const acks = options.watchAcks === true ? new AckTimes() : undefined;
  // A few at a time: each is a TLS handshake with client certificate.
  const AT_ONCE = 16;
  let next = 0;
  const joinSome = async (): Promise<void> => {
    while (next < options.nodes) {
      const name = `sim-${String(next++).padStart(5, '0')}`;
      const { key, request } = await newKey(name);
      const certificate = await pki.signNode(name, request);
      const link = gate.watch(grpcLink(options.address, { caCertificate: pki.caCertificate, certificate, key }));
      const node = new SimulatedNode(system, {
        name,
        startMs: options.startMs,
        runMs: options.runMs,
        connect: acks === undefined ? link : acks.watch(link),
      });
      nodes.push(node);
      node.start();
      while (!node.connected) await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, joinSome));
  process.on('message', (order: Order) => {
    if (order.what === 'acks') {
      process.send?.({ acks: acks?.take() ?? { answered: 0, p50: 0, p99: 0, max: 0 } } satisfies FromFleet);
      return;
    }
    if (order.what === 'pods') {
      process.send?.({ pods: nodes.reduce((sum, node) => sum + node.pods.size, 0) } satisfies FromFleet);
      return;
    }
    if ('from' in order) for (const node of nodes.slice(order.from, order.to)) obey(node, order);
    process.send?.({ connected: nodes.filter(({ connected }) => connected).length } satisfies FromFleet);
  });
  process.send?.({ ready: nodes.length } satisfies FromFleet);
}

function obey(node: SimulatedNode, order: Extract<Order, { readonly from: number }>): void {
  if (order.what === 'heal') setTimeout(() => node.heal(), Math.random() * order.withinMs);
  else if (order.what === 'silence') node.cut();
  else node.kill('reset');
}

const given = process.argv[2];
if (process.argv[1] === import.meta.filename && given !== undefined && process.send !== undefined) {
  process.once('disconnect', () => process.exit(0));
  await runFleet(JSON.parse(given) as FleetOptions);
}
