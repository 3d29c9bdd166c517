// Finds and dials the cluster: the client library behind what commands need of it (cluster.ts). Loaded when a command first needs it,
// so that help and completion stay fast.
import { homedir } from 'node:os';
import type { JsonValue } from '@podplane/api/decode/tree';
import type { Kind, KindMap } from '@podplane/api/kinds/kind-map';
import { isKind } from '@podplane/api/kinds/kind-names';
import type { System } from '@podplane/api/system';
import type { PodplaneClient } from '@podplane/client/client';
import type { Change, Cluster, Query } from './cluster.js';
import { CliError, EXIT_UNREACHABLE } from './exit-codes.js';
import type { Io } from './io.js';
import type { Connected } from './session.js';

/** How writes of this command are recorded. */
const FIELD_MANAGER = 'podplane';

async function* changes<K extends Kind>(
  client: PodplaneClient,
  kind: K,
  query: Query,
  from: string,
  signal: AbortSignal,
  onLost?: (error: Error) => void,
): AsyncGenerator<Change<K>> {
  for await (const event of client.watch(kind, query, { from, signal, ...(onLost === undefined ? {} : { onLost }) })) {
    if (event.type !== 'BOOKMARK') yield event.type === 'SYNCED' ? { type: 'SYNCED' } : event;
  }
}

function kindOf(object: KindMap[Kind]): Kind {
  if (!isKind(object.kind)) throw new CliError(`"${object.kind}" is not a kind`);
  return object.kind;
}

/** The client library as commands see it. */
export function clusterOf(client: PodplaneClient): Cluster {
  return {
    address: client.address,
    get: (kind, namespace, name) => client.get(kind, namespace, name),
    list: (kind, query) => client.list(kind, query),
    watch: (kind, query, from, signal, onLost) => changes(client, kind, query, from, signal, onLost),
    create: (object, options) => client.create(kindOf(object), object as never, options),
    mergePatch: (kind, namespace, name, patch, options) => client.mergePatch(kind, namespace, name, patch, options),
    patch: (kind, namespace, name, type, patch, options) => {
      if (type === 'merge') return client.mergePatch(kind, namespace, name, patch, options);
      if (type === 'strategic') return client.strategicPatch(kind, namespace, name, patch, options);
      return client.jsonPatch(kind, namespace, name, patch as readonly JsonValue[], options);
    },
    delete: (kind, namespace, name, options) => client.delete(kind, namespace, name, options),
    logs: (request, signal) => client.logs(request, signal),
    exec: (signal) => client.exec(signal),
    attach: (signal) => client.attach(signal),
    readFiles: (request, signal) => client.readFiles(request, signal),
    writeFiles: (signal) => client.writeFiles(signal),
    usage: (request) => client.usage(request),
    portForward: (signal) => client.portForward(signal),
    loadImage: (signal) => client.loadImage(signal),
    version: () => client.version(),
    drainNode: (request) => client.drainNode(request),
    watchDrain: (node, id, signal) => client.watchDrain(node, id, signal),
    why: (kind, namespace, name, limit) => client.why(kind, namespace, name, limit),
    simulate: (question) => client.simulate(question),
    createServiceAccountToken: (request) => client.createServiceAccountToken(request),
    whoAmI: () => client.whoAmI(),
    createToken: (description, ttlSeconds) => client.createToken(description, ttlSeconds),
    listTokens: () => client.listTokens(),
    revokeToken: (id) => client.revokeToken(id),
    close: () => client.close(),
  };
}

/** The cluster of a context file. */
export async function dialFile(file: string, system: System): Promise<Cluster> {
  const [{ readContext }, { PodplaneClient }] = await Promise.all([import('@podplane/client/context'), import('@podplane/client/client')]);
  return clusterOf(new PodplaneClient(await readContext(file), { fieldManager: FIELD_MANAGER, system }));
}

/** The cluster that is meant: --context, PODPLANE_CONTEXT, the one of this checkout, the user's default. */
export async function connect(io: Io, wanted: string | undefined, command: string): Promise<Connected> {
  const [{ ContextError, findContext }, { PodplaneClient }] = await Promise.all([
    import('@podplane/client/context'),
    import('@podplane/client/client'),
  ]);
  try {
    const { context } = await findContext({ wanted, env: io.env, cwd: io.cwd, home: homedir() });
    return {
      cluster: clusterOf(new PodplaneClient(context, { fieldManager: `${FIELD_MANAGER} ${command}`, system: io.system })),
      namespace: context.namespace ?? 'default',
    };
  } catch (error) {
    if (error instanceof ContextError)
      throw new CliError(error.message, { exitCode: EXIT_UNREACHABLE, advice: error.advice, cause: error });
    throw error;
  }
}
