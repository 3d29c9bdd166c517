// A process full of simulated nodes that speak the real protocol over real mTLS connections. Started by startFleet; ends with its parent.
import { type ChildProcess, fork } from 'node:child_process';
import { newKey } from '@podplane/agent/identity/keys';
import { realSystem } from '@podplane/api/system';
import { Pki } from '@podplane/server/auth/pki';
import { grpcLink } from '@podplane/testing/grpc-link';
import { SimulatedNode } from '@podplane/testing/simulated-node';

export interface FleetOptions {
  readonly pkiDirectory: string;
  readonly address: string;
  readonly nodes: number;
  readonly startMs: number;
}

type FromFleet = { readonly ready: number } | { readonly pods: number };

/** Resolves when all nodes have their sessions. */
export async function startFleet(options: FleetOptions): Promise<{ readonly process: ChildProcess; stop(): Promise<void> }> {
  const child = fork(import.meta.filename, [JSON.stringify(options)], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  child.on('message', (message: FromFleet) => {
    if ('ready' in message && message.ready === options.nodes) resolve();
  });
  child.once('exit', (code) => reject(new Error(`the simulated nodes ended with ${code}`)));
  await promise;
  const exited = new Promise<void>((done) => child.once('exit', () => done()));
  return {
    process: child,
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
  // A few at a time: each is a TLS handshake with client certificate.
  const AT_ONCE = 16;
  let next = 0;
  const joinSome = async (): Promise<void> => {
    while (next < options.nodes) {
      const name = `sim-${String(next++).padStart(5, '0')}`;
      const { key, request } = await newKey(name);
      const certificate = await pki.signNode(name, request);
      const node = new SimulatedNode(system, {
        name,
        startMs: options.startMs,
        connect: grpcLink(options.address, { caCertificate: pki.caCertificate, certificate, key }),
      });
      nodes.push(node);
      node.start();
      while (!node.connected) await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, joinSome));
  process.send?.({ ready: nodes.length } satisfies FromFleet);
}

const given = process.argv[2];
if (process.argv[1] === import.meta.filename && given !== undefined && process.send !== undefined) {
  process.once('disconnect', () => process.exit(0));
  await runFleet(JSON.parse(given) as FleetOptions);
}
