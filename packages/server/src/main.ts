// The control-plane process: makes every part and joins them. The only place that knows everybody; no rule of any part is here. What runs
// without a network and files is joined in core.ts.
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { realSystem, type System } from '@podplane/api/system';
import { catalogueCodecs } from '@podplane/store/catalogue-codecs';
import { memoryJournal } from '@podplane/store/journals/memory';
import { openSqliteJournal } from '@podplane/store/journals/sqlite/journal';
import { createStore } from '@podplane/store/store';
import type { Store } from '@podplane/store/types';
import { type Logger, pino } from 'pino';
import { AccountTokens } from './auth/account-tokens.js';
import { Peers } from './auth/identity.js';
import { Memberships } from './auth/memberships.js';
import { Pki } from './auth/pki.js';
import { openTokenKey } from './auth/token-key.js';
import { JoinTokens } from './auth/tokens.js';
import { startCore } from './core.js';
import { startFaces } from './faces.js';
import { localAddress, publicAddress, type ServerOptions, type Settings, settingsOf, startError } from './options.js';
import type { Registry } from './registry/registry.js';
import { ReleaseStack } from './release-stack.js';
import type { NodeSessions } from './sessions/sessions.js';
import { Tunnels } from './tunnels/tunnels.js';

/** What a program needs to talk to a server as an administrator; the form of context files. */
export interface AdminContext {
  readonly name: string;
  /** host:port. */
  readonly server: string;
  /** PEM, all three. */
  readonly caCertificate: string;
  readonly clientCertificate: string;
  readonly clientKey: string;
}

export interface RunningServer {
  /** host:port for programs on this machine. */
  readonly address: string;
  /** host:port for other machines. */
  readonly publicAddress: string;
  readonly port: number;
  readonly clusterId: string;
  readonly store: Store;
  readonly registry: Registry;
  readonly sessions: NodeSessions;
  readonly tokens: JoinTokens;
  /** A fresh administrator's certificate with all that goes with it. server: another address than `address`. */
  issueAdminContext(options?: { readonly name?: string; readonly server?: string; readonly lifetimeMs?: number }): Promise<AdminContext>;
  /** Agents are told to come back later, what was said is made durable, everything is closed. More than once is fine. */
  stop(): Promise<void>;
}

/** Rejects with StartError; then nothing of the server is left running. */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const log = options.log ?? pino({ base: { component: 'server' }, timestamp: pino.stdTimeFunctions.isoTime }, pino.destination(2));
  const stack = new ReleaseStack((what, error) => log.error({ err: error }, `stopping: ${what}`));
  try {
    const settings = settingsOf(options);
    return await compose(options, settings, options.system ?? realSystem(), log, stack);
  } catch (error) {
    await stack.release();
    throw startError(error, options.dataDir);
  }
}

async function compose(
  options: ServerOptions,
  settings: Settings,
  system: System,
  log: Logger,
  stack: ReleaseStack,
): Promise<RunningServer> {
  const { dataDir } = options;
  await makeDirectory(dataDir);
  const store = await openStore(settings, dataDir, system, stack);
  const health = store.onHealth((now) => {
    if (now.state === 'sealed') log.error({ reason: now.reason }, 'writes are refused: the journal failed');
    else log.info({ state: now.state }, 'the store');
  });
  stack.push('store health', () => health[Symbol.dispose]());

  const pki = await Pki.open({
    directory: join(dataDir, 'pki'),
    clock: system.clock,
    serverNames: settings.advertise,
    nodeLifetimeMs: settings.nodeCertificateMs,
  });
  const tokens = new JoinTokens(store.meta, system.clock, pki.caHash);
  const tokenKey = await openTokenKey(join(dataDir, 'pki'));
  const accountTokens = new AccountTokens(tokenKey, () => store.durableView, system);
  const tunnels: Tunnels = new Tunnels((node, message) => core.sessions.askForTunnel(node, message), system);
  const memberships = new Memberships(store.meta, system.clock, settings.nodeCertificateMs);
  const core = await startCore(
    {
      store,
      system,
      log,
      clusterCidr: settings.clusterCidr,
      nodeCidrBits: settings.nodeCidrBits,
      sessions: settings.sessions,
      nodeLifecycle: settings.nodeLifecycle,
      memberships,
      accountTokens,
      rootCa: pki.caCertificate,
      deciders: options.deciders ?? true,
      tunnelRefused: (node, refusal) => tunnels.refused(node, refusal),
      disconnected: (node) => tunnels.disconnected(node),
    },
    stack,
  );
  const { clusterId, registry, sessions } = core;

  const spoolDirectory = join(dataDir, 'spool');
  await rm(spoolDirectory, { recursive: true, force: true }); // what a crash left behind
  await mkdir(spoolDirectory, { recursive: true, mode: 0o700 });
  const faces = await startFaces({
    settings,
    system,
    log,
    store,
    registry,
    sessions,
    tunnels,
    tokens,
    memberships,
    accountTokens,
    pki,
    peers: new Peers(system.clock, system.timers),
    clusterId,
    spoolDirectory,
    version: { version: ownVersion(), gitCommit: options.gitCommit ?? '' },
  });
  stack.push('faces', () => faces.close());
  // Agents hear that they shall come back before their streams end.
  stack.push('sessions', () => {
    faces.stopAccepting();
    return sessions.stop();
  });

  const address = localAddress(settings, faces.port);
  log.info({ address, dataDir, journal: settings.journal, revision: store.revision }, 'the server is up');
  return {
    address,
    publicAddress: publicAddress(settings, faces.port),
    port: faces.port,
    clusterId,
    store,
    registry,
    sessions,
    tokens,
    async issueAdminContext({ name = 'admin', server = address, lifetimeMs } = {}) {
      const { certificate, key } = await pki.issueAdmin(name, lifetimeMs);
      return { name: 'podplane', server, caCertificate: pki.caCertificate, clientCertificate: certificate, clientKey: key };
    },
    stop: () => stack.release(),
  };
}

/** Like mkdir -p. Node's own goes round for ever where a file system says of a folder that is there that it is not, as /proc does. */
async function makeDirectory(directory: string): Promise<void> {
  const missing: string[] = [];
  for (let at = resolve(directory); !existsSync(at); at = dirname(at)) missing.push(at);
  for (const one of missing.reverse()) await mkdir(one, { mode: 0o700 });
  if (missing.length === 0) await mkdir(directory, { recursive: true }); // says so where it is a file
}

async function openStore(settings: Settings, dataDir: string, system: System, stack: ReleaseStack): Promise<Store> {
  const journal = settings.journal === 'sqlite' ? openSqliteJournal({ directory: dataDir }) : memoryJournal();
  try {
    const store = await createStore({ system, journal, codecs: catalogueCodecs });
    stack.push('store', () => store.close());
    return store;
  } catch (error) {
    await journal.close();
    throw error;
  }
}

function ownVersion(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { readonly version: string }).version; // our own file
}
