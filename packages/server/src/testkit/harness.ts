// For tests: a server on a free port with a data directory of its own, and clients of all sorts for it. Not part of the product.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { type AdminContext, type RunningServer, startServer } from '../main.js';
import type { ServerOptions } from '../options.js';

export interface TestServer extends AsyncDisposable {
  readonly running: RunningServer;
  readonly context: AdminContext;
  readonly dataDir: string;
  /** Stops the server and starts another one on the same port and data. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** Quiet, on a free port, journal in memory unless said otherwise. */
export async function testServer(options: Partial<ServerOptions> = {}): Promise<TestServer> {
  const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'podplane-server-')));
  const log = pino({ level: process.env['PODPLANE_TEST_LOG'] ?? 'silent' });
  const start = (port: number): Promise<RunningServer> =>
    startServer({ dataDir, port, journal: 'memory', log, deciders: false, ...options });
  const remove = async (): Promise<void> => {
    if (options.dataDir === undefined) await rm(dataDir, { recursive: true, force: true });
  };
  let running = await start(0).catch(async (error: unknown) => {
    await remove();
    throw error;
  });
  const context = await running.issueAdminContext();
  return {
    get running() {
      return running;
    },
    context,
    dataDir,
    restart: async () => {
      const { port } = running;
      await running.stop();
      running = await start(port);
    },
    stop: () => running.stop(),
    [Symbol.asyncDispose]: async () => {
      await running.stop();
      await remove();
    },
  };
}
