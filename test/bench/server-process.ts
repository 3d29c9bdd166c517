// A server in a process of its own, as in real life, for benchmarks that talk to it. Ends with its parent.
import { type ChildProcess, fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { type AdminContext, startServer } from '@podplane/server/main';
import type { ServerOptions } from '@podplane/server/options';
import { pino } from 'pino';

export interface ServerProcess {
  readonly process: ChildProcess;
  readonly context: AdminContext;
  kill(): Promise<void>;
}

export interface ServerProcessOptions {
  /** Default: any free one. */
  readonly port?: number;
  /** Flags of Node. */
  readonly execArgv?: readonly string[];
  readonly sessions?: ServerOptions['sessions'];
}

/** Resolves when it serves. */
export async function startServerProcess(dataDir: string, options: ServerProcessOptions = {}): Promise<ServerProcess> {
  const { port = 0, execArgv = [], sessions = {} } = options;
  const child = fork(import.meta.filename, [dataDir, String(port), JSON.stringify(sessions)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    execArgv: [...execArgv],
  });
  const { promise, resolve, reject } = Promise.withResolvers<AdminContext>();
  child.once('message', (context: AdminContext) => resolve(context));
  child.once('exit', (code) => reject(new Error(`the server ended with ${code}`)));
  const context = await promise;
  const exited = new Promise<void>((done) => child.once('exit', () => done()));
  return {
    process: child,
    context,
    async kill() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

/** Resident memory (Rss) and CPU seconds used so far of a process. */
export function processFigures(pid: number): { readonly residentMB: number; readonly cpuSeconds: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const TICKS_PER_SECOND = 100;
  return {
    residentMB: Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024,
    cpuSeconds: (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND,
  };
}

const [, script, dataDir, port, sessions] = process.argv;
if (script === import.meta.filename && dataDir !== undefined && process.send !== undefined) {
  process.once('disconnect', () => process.exit(0));
  const server = await startServer({
    dataDir,
    port: Number(port),
    clusterCidr: '10.0.0.0/8',
    sessions: JSON.parse(sessions ?? '{}') as NonNullable<ServerOptions['sessions']>,
    log: pino({ level: 'warn' }, pino.destination(2)),
  });
  process.send(await server.issueAdminContext());
}
