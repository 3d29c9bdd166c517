// `podplane server`: a control plane as one process.
import { X509Certificate } from 'node:crypto';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { goOnWithoutReaders, type Io, untilAborted } from '../io.js';
import { sayReady } from '../local/children.js';
import { noteServer } from '../local/node-file.js';
import { portOption } from '../local/port-option.js';
import { refOf } from '../local/processes.js';
import { type ServerTimings, timingsOf, withTimings } from './server-timings.js';

/** A context is used again while its certificate is good for more than this. */
const CONTEXT_LEFT_MS = 30 * 86_400_000;

interface ServerCommandOptions extends ServerTimings {
  readonly data: string;
  readonly port: number;
  readonly address: string;
  readonly advertise?: string;
  readonly clusterCidr?: string;
  readonly contextFile?: string;
}

export function registerServer(program: Command, io: Io): void {
  withTimings(program.command('server'))
    .summary('run a control plane')
    .description('Runs a control plane until it is told to stop (SIGTERM, Ctrl-C).')
    .option('--data <folder>', 'where everything is kept', join('data', 'server'))
    .option('--port <port>', 'where it listens; 0: any free one', portOption, 6443)
    .option('--address <address>', 'on which address it listens; 0.0.0.0: on all', '127.0.0.1')
    .option('--advertise <names>', 'names and addresses by which others reach it (with commas); nodes are told the first one')
    .option('--cluster-cidr <range>', "all pods' addresses", '10.244.0.0/16')
    .option('--context-file <file>', "where an administrator's context is written (default: context.json beside the data)")
    .action(async (options: ServerCommandOptions) => {
      goOnWithoutReaders();
      const { startServer } = await import('@podplane/server/main');
      const dataDir = resolve(io.cwd, options.data);
      const advertise = (options.advertise ?? '').split(',').filter((name) => name !== '');
      const server = await startServer({
        dataDir,
        host: options.address,
        port: options.port,
        advertise,
        ...(options.clusterCidr === undefined ? {} : { clusterCidr: options.clusterCidr }),
        ...timingsOf(options),
      });
      try {
        const file = options.contextFile === undefined ? join(dataDir, 'context.json') : resolve(io.cwd, options.contextFile);
        await keepContext(io, file, server);
        io.err(`The control plane is at ${server.publicAddress}; its administrator's context: ${file}\n`);
        noteServer(dataDir, server.address, refOf(process.pid));
        sayReady(server.address);
        await untilAborted(io);
      } finally {
        await server.stop();
      }
      process.exitCode = 0;
    });
}

type Context = Awaited<ReturnType<typeof import('@podplane/client/context').readContext>>;

/** Writes the administrator's context, with the certificate that it has while that is of this cluster and good. */
async function keepContext(
  io: Io,
  file: string,
  server: { readonly address: string; issueAdminContext(): Promise<Context> },
): Promise<void> {
  const { readContext, writeContext } = await import('@podplane/client/context');
  const known = await readContext(file).catch(() => undefined);
  const fresh = await server.issueAdminContext();
  const good =
    known !== undefined &&
    known.caCertificate === fresh.caCertificate &&
    new X509Certificate(known.clientCertificate).validToDate.getTime() - io.system.clock.now() > CONTEXT_LEFT_MS;
  await writeContext(file, good ? { ...known, server: server.address } : fresh);
}
