// The control-plane process: makes every part and joins them. The only place that knows everybody; no rule of any part is here.
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { realSystem, type System } from '@podplane/api/system';
import { createDefaultNamespaces } from '@podplane/controllers/namespace/bootstrap';
import { catalogueCodecs } from '@podplane/store/catalogue-codecs';
import { memoryJournal } from '@podplane/store/journals/memory';
import { openSqliteJournal } from '@podplane/store/journals/sqlite/journal';
import { createStore } from '@podplane/store/store';
import type { Store } from '@podplane/store/types';
import { type Logger, pino } from 'pino';
import { Peers } from './auth/identity.js';
import { Pki } from './auth/pki.js';
import { JoinTokens } from './auth/tokens.js';
import { type Deciders, startDeciders } from './deciders.js';
import { startFaces } from './faces.js';
import { localAddress, publicAddress, type ServerOptions, type Settings, settingsOf, startError } from './options.js';
import { Registry } from './registry/registry.js';
import { ReleaseStack } from './release-stack.js';
import { NodeSessions } from './sessions/sessions.js';
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
  const clusterId = await clusterIdOf(store);
  await bootstrap(store);

  // Sessions and deciders need each other: a decider judges by what sessions hear, sessions tell deciders when to look.
  let deciders: Deciders | undefined;
  const sessions: NodeSessions = new NodeSessions({
    store,
    system,
    clusterId,
    clusterCidr: settings.clusterCidr,
    nodeCidrBits: settings.nodeCidrBits,
    timings: settings.sessions,
    recordEvents: (node, events) => deciders?.recordNodeEvents(node, events),
    tunnelRefused: (node, refusal) => tunnels.refused(node, refusal),
    changed: (node) => {
      if (!sessions.liveness.connected(node)) tunnels.disconnected(node);
      deciders?.nodeChanged(node);
    },
    problem: (node, what, error) => log.warn({ node, err: error }, what),
  });
  const tunnels: Tunnels = new Tunnels((node, message) => sessions.askForTunnel(node, message), system);
  stack.push('sessions', () => sessions.stop());
  const watcher = watchNodeDeletions(store, sessions);
  stack.push('node deletions', () => watcher[Symbol.dispose]());

  if (options.deciders ?? true) {
    deciders = startDeciders({ store, system, liveness: sessions.liveness, log });
    stack.push('controllers and scheduler', () => deciders?.stop());
  }

  const spoolDirectory = join(dataDir, 'spool');
  await rm(spoolDirectory, { recursive: true, force: true }); // what a crash left behind
  await mkdir(spoolDirectory, { recursive: true, mode: 0o700 });
  const registry = new Registry(store, system);
  const faces = await startFaces({
    settings,
    system,
    log,
    store,
    registry,
    sessions,
    tunnels,
    tokens,
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

/** A name of its own, so that an agent notices when it talks to another cluster than before. */
async function clusterIdOf(store: Store): Promise<string> {
  const known = store.meta.get('cluster-id');
  if (known !== undefined) return known;
  const made = randomUUID();
  await store.meta.set('cluster-id', made);
  return made;
}

/** What every cluster begins with. */
async function bootstrap(store: Store): Promise<void> {
  const { revision } = store.transact({ actor: 'server', reason: 'namespaces that every cluster has' }, (tx) =>
    createDefaultNamespaces(tx),
  );
  await store.durable(revision);
}

function watchNodeDeletions(store: Store, sessions: NodeSessions): Disposable {
  let { cursor } = store.snapshotAndWatch({ kinds: ['Node'] }, 'durable', () => undefined);
  const look = (): void => {
    try {
      for (const { changes } of cursor.drain()) {
        for (const { type, object } of changes) if (type === 'deleted') sessions.nodeDeleted(object.metadata?.name ?? '');
      }
    } catch {
      // Missed or recovered: nodes that are gone meanwhile register anew with their next hello, or are refused then.
      cursor[Symbol.dispose]();
      if (store.health.state === 'closed') return;
      ({ cursor } = store.snapshotAndWatch({ kinds: ['Node'] }, 'durable', () => undefined));
    }
    cursor.onReady(look);
  };
  cursor.onReady(look);
  return { [Symbol.dispose]: () => cursor[Symbol.dispose]() };
}

function ownVersion(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { readonly version: string }).version; // our own file
}
