// What the commands need of a cluster. connect.ts does it with the client library; tests have their own. Errors of all calls are
// ApiErrors (packages/api/src/errors.ts); a server that does not answer is one with the reason ServiceUnavailable.
import type { JsonValue } from '@podplane/api/decode/tree';
import type {
  CreateServiceAccountTokenRequest,
  CreateServiceAccountTokenResponse,
  CreateTokenResponse,
  DrainNodeRequest,
  DrainNodeResponse,
  GetVersionResponse,
  JoinToken,
  LoadImageRequest,
  LoadImageResponse,
  SimulateRequest,
  SimulateResponse,
  WatchDrainResponse,
  WhoAmIResponse,
  WhyResponse,
} from '@podplane/api/gen/podplane/api/v1/cluster';
import type {
  AttachRequest,
  AttachResponse,
  ExecRequest,
  ExecResponse,
  LogsRequest,
  PortForwardRequest,
  PortForwardResponse,
  ReadFilesRequest,
  UsageRequest,
  UsageResponse,
  WriteFilesRequest,
  WriteFilesResponse,
} from '@podplane/api/gen/podplane/api/v1/pods';
import type { Kind, KindMap } from '@podplane/api/kinds/kind-map';

export interface Query {
  /** Empty: all namespaces. */
  readonly namespace: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

export interface Listed<K extends Kind> {
  readonly items: readonly KindMap[K][];
  readonly resourceVersion: string;
}

export type Change<K extends Kind> =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly object: KindMap[K] }
  /** The revision was too old to resume from: the whole state follows as ADDED, then SYNCED. */
  | { readonly type: 'RESET' }
  | { readonly type: 'SYNCED' };

export interface Written {
  readonly object: KindMap[Kind];
  /** What was accepted but has no effect yet. */
  readonly warnings: readonly string[];
}

/** As --type has them. */
export type PatchType = 'merge' | 'json' | 'strategic';

export interface DeleteOptions {
  readonly gracePeriodSeconds?: number;
  readonly propagationPolicy?: 'Background' | 'Foreground' | 'Orphan';
  readonly dryRun?: boolean;
}

/** A call with messages in both directions. Iterating ends when the other side is done and throws where the call failed. */
export interface Conversation<In, Out> extends AsyncIterable<Out> {
  /** Resolves when the next message may come. */
  write(message: In): Promise<void>;
  /** Nothing more will be written. */
  end(): void;
  cancel(): void;
}

export interface Cluster {
  /** host:port, for messages. */
  readonly address: string;
  get<K extends Kind>(kind: K, namespace: string, name: string): Promise<KindMap[K]>;
  /** Every page of one revision. */
  list<K extends Kind>(kind: K, query: Query): Promise<Listed<K>>;
  /**
   * Changes after a revision, until the signal aborts. Survives a restart of the server (onLost is told of it).
   */
  watch<K extends Kind>(
    kind: K,
    query: Query,
    from: string,
    signal: AbortSignal,
    onLost?: (error: Error) => void,
  ): AsyncIterable<Change<K>>;
  create(object: KindMap[Kind], options?: { readonly dryRun?: boolean }): Promise<Written>;
  /** RFC 7386. */
  mergePatch(
    kind: Kind,
    namespace: string,
    name: string,
    patch: unknown,
    options?: { readonly dryRun?: boolean; readonly subresource?: 'ephemeralcontainers' },
  ): Promise<Written>;
  patch(
    kind: Kind,
    namespace: string,
    name: string,
    type: PatchType,
    patch: JsonValue,
    options?: { readonly dryRun?: boolean; readonly subresource?: 'status' },
  ): Promise<Written>;
  /** gone: there is nothing to wait for. */
  delete(
    kind: Kind,
    namespace: string,
    name: string,
    options?: DeleteOptions,
  ): Promise<{ readonly object: KindMap[Kind] | undefined; readonly gone: boolean }>;
  logs(request: LogsRequest, signal: AbortSignal): AsyncIterable<Uint8Array>;
  exec(signal: AbortSignal): Conversation<ExecRequest, ExecResponse>;
  attach(signal: AbortSignal): Conversation<AttachRequest, AttachResponse>;
  readFiles(request: ReadFilesRequest, signal: AbortSignal): AsyncIterable<Uint8Array>;
  writeFiles(signal: AbortSignal): Conversation<WriteFilesRequest, WriteFilesResponse>;
  usage(request: UsageRequest): Promise<UsageResponse>;
  portForward(signal: AbortSignal): Conversation<PortForwardRequest, PortForwardResponse>;
  loadImage(signal: AbortSignal): Conversation<LoadImageRequest, LoadImageResponse>;
  version(): Promise<GetVersionResponse>;
  drainNode(request: Omit<DrainNodeRequest, 'fieldManager'>): Promise<DrainNodeResponse>;
  /** Until it has ended; id "": the one that goes on. */
  watchDrain(node: string, id: string, signal: AbortSignal): AsyncIterable<WatchDrainResponse>;
  /** limit 0: 10. */
  why(kind: Kind, namespace: string, name: string, limit: number): Promise<WhyResponse>;
  simulate(question: NonNullable<SimulateRequest['question']>): Promise<SimulateResponse>;
  createToken(description: string, ttlSeconds: number): Promise<CreateTokenResponse>;
  createServiceAccountToken(request: CreateServiceAccountTokenRequest): Promise<CreateServiceAccountTokenResponse>;
  whoAmI(): Promise<WhoAmIResponse>;
  listTokens(): Promise<readonly JoinToken[]>;
  revokeToken(id: string): Promise<void>;
  close(): void;
}
