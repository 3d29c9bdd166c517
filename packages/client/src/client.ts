// The client of a cluster: every call of the public API, typed by kind. Other programs start here.
import type { Client } from '@grpc/grpc-js';
import { byteMethods } from '@podplane/api/byte-methods';
import { ApiError, fromStatus } from '@podplane/api/errors';
import {
  type CancelDrainResponse,
  ClusterService,
  type CreateServiceAccountTokenRequest,
  type CreateServiceAccountTokenResponse,
  type CreateTokenResponse,
  type DrainNodeRequest,
  type DrainNodeResponse,
  type GetVersionResponse,
  type JoinToken,
  type LoadImageRequest,
  type LoadImageResponse,
  type SimulateRequest,
  type SimulateResponse,
  type WatchDrainResponse,
  type WhoAmIResponse,
  type WhyResponse,
} from '@podplane/api/gen/podplane/api/v1/cluster';
import type { Object as AnyObject } from '@podplane/api/gen/podplane/api/v1/object';
import { type CreatedObject, ObjectsService, PatchType } from '@podplane/api/gen/podplane/api/v1/objects';
import {
  type AttachRequest,
  type AttachResponse,
  type EvictResponse,
  type ExecRequest,
  type ExecResponse,
  type LogsRequest,
  PodsService,
  type PortForwardRequest,
  type PortForwardResponse,
  type ReadFilesRequest,
  type UsageRequest,
  type UsageResponse,
  type WriteFilesRequest,
  type WriteFilesResponse,
} from '@podplane/api/gen/podplane/api/v1/pods';
import { fromObject, toObject } from '@podplane/api/kinds/catalogue';
import type { Kind, KindMap, Obj } from '@podplane/api/kinds/kind-map';
import { realSystem, type System } from '@podplane/api/system';
import { Calls, type Conversation } from './calls.js';
import type { Context } from './context.js';
import { dial } from './dial.js';
import { type Query, type WatchEvent, type WatchOptions, watchObjects } from './watch.js';

export interface ClientOptions {
  /** Longest that a call without a stream may take, ms; default 30 s. */
  readonly timeoutMs?: number;
  /** How the client calls itself; recorded with each write. */
  readonly fieldManager?: string;
  readonly system?: System;
}

export interface Listed<K extends Kind> {
  readonly items: KindMap[K][];
  /** Of the whole list; a watch from here misses nothing. */
  readonly resourceVersion: string;
}

export interface ListPage<K extends Kind> extends Listed<K> {
  /** Not empty: there is more. */
  readonly continue: string;
  readonly remaining: number;
}

export interface Written<K extends Kind> {
  readonly object: KindMap[K];
  /** What was accepted but has no effect yet. */
  readonly warnings: readonly string[];
}

export interface WriteOptions {
  readonly dryRun?: boolean;
  /** "status", "ephemeralcontainers" (of pods), or the object itself. */
  readonly subresource?: '' | 'status' | 'ephemeralcontainers';
}

export interface DeleteOptions {
  readonly gracePeriodSeconds?: number;
  readonly propagationPolicy?: 'Background' | 'Foreground' | 'Orphan';
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly dryRun?: boolean;
}

/** Any object with its kind. */
export type Given = { readonly [K in Kind]: { readonly kind: K; readonly object: KindMap[K] | Obj<K> } }[Kind];

const DEFAULT_TIMEOUT_MS = 30_000;

/** Every call rejects with ApiError. */
export class PodplaneClient {
  /** host:port, for messages. */
  readonly address: string;
  private readonly channel: Client;
  private readonly calls: Calls;
  private readonly system: System;
  private readonly fieldManager: string;

  /** Dials when the first call is made. */
  constructor(context: Context, options: ClientOptions = {}) {
    this.address = context.server;
    this.system = options.system ?? realSystem();
    this.fieldManager = options.fieldManager ?? '';
    this.channel = dial(context);
    this.calls = new Calls(this.channel, context, this.system, options.timeoutMs ?? DEFAULT_TIMEOUT_MS);
  }

  async get<K extends Kind>(kind: K, namespace: string, name: string): Promise<KindMap[K]> {
    const { object } = await this.calls.unary(ObjectsService.get, { kind, namespace, name }, true);
    return objectOf(kind, object);
  }

  /** One page; limit 0: as many as the server likes. */
  async page<K extends Kind>(kind: K, query: Query, limit: number, after: string): Promise<ListPage<K>> {
    const { namespace, labelSelector = '', fieldSelector = '' } = query;
    const answer = await this.calls.unary(
      ObjectsService.list,
      { kind, namespace, labelSelector, fieldSelector, limit, continue: after },
      true,
    );
    return {
      items: answer.items.map((item) => objectOf(kind, item)),
      resourceVersion: answer.resourceVersion,
      continue: answer.continue,
      remaining: answer.remainingItemCount,
    };
  }

  /** Every page of one revision. */
  async list<K extends Kind>(kind: K, query: Query = { namespace: '' }): Promise<Listed<K>> {
    for (let again = true; ; again = false) {
      try {
        const items: KindMap[K][] = [];
        let page = await this.page(kind, query, 0, '');
        items.push(...page.items);
        while (page.continue !== '') {
          page = await this.page(kind, query, 0, page.continue);
          items.push(...page.items);
        }
        return { items, resourceVersion: page.resourceVersion };
      } catch (error) {
        // The server was restarted between two pages, or took too long for them: once more from the start.
        if (!again || !(error instanceof ApiError) || error.reason !== 'Expired') throw error;
      }
    }
  }

  /** Goes on after broken connections and restarts of the server. Ends when the signal aborts. */
  watch<K extends Kind>(kind: K, query: Query, options: WatchOptions = {}): AsyncGenerator<WatchEvent<K>, void, void> {
    return watchObjects((request) => this.calls.stream(ObjectsService.watch, request, options.signal), this.system, kind, query, options);
  }

  async create<K extends Kind>(kind: K, object: KindMap[K] | Obj<K>, { dryRun = false }: WriteOptions = {}): Promise<Written<K>> {
    const answer = await this.calls.unary(
      ObjectsService.create,
      { object: toObject(kind, object), dryRun, fieldManager: this.fieldManager },
      false,
    );
    return { object: objectOf(kind, answer.object), warnings: answer.warnings };
  }

  /** Many objects in one call, each judged alone; results in the order given. A call takes at most 4 MiB and 10,000 objects. */
  async createBatch(objects: readonly Given[], { dryRun = false }: WriteOptions = {}): Promise<readonly (CreatedObject | ApiError)[]> {
    const request = {
      objects: objects.map(({ kind, object }) => toObject(kind, object)),
      dryRun,
      fieldManager: this.fieldManager,
      brief: true,
    };
    const { results } = await this.calls.unary(ObjectsService.createBatch, request, false);
    return results.map(({ result }) => {
      if (result?.$case === 'created') return result.value;
      return result?.$case === 'error' ? fromStatus(result.value) : new ApiError('InternalError', 'the server sent no result');
    });
  }

  /** metadata.resourceVersion, where set, must still be the object's. */
  async update<K extends Kind>(
    kind: K,
    object: KindMap[K] | Obj<K>,
    { dryRun = false, subresource = '' }: WriteOptions = {},
  ): Promise<Written<K>> {
    const request = { object: toObject(kind, object), dryRun, subresource, fieldManager: this.fieldManager };
    const answer = await this.calls.unary(ObjectsService.update, request, false);
    return { object: objectOf(kind, answer.object), warnings: answer.warnings };
  }

  /** RFC 7386. */
  mergePatch<K extends Kind>(kind: K, namespace: string, name: string, patch: unknown, options: WriteOptions = {}): Promise<Written<K>> {
    return this.patch(kind, namespace, name, PatchType.PATCH_TYPE_MERGE, patch, options);
  }

  /** RFC 6902. */
  jsonPatch<K extends Kind>(
    kind: K,
    namespace: string,
    name: string,
    patch: readonly unknown[],
    options: WriteOptions = {},
  ): Promise<Written<K>> {
    return this.patch(kind, namespace, name, PatchType.PATCH_TYPE_JSON, patch, options);
  }

  /** Kubernetes' strategic merge patch: elements of lists are told apart by their names, or what else is their merge key. */
  strategicPatch<K extends Kind>(
    kind: K,
    namespace: string,
    name: string,
    patch: unknown,
    options: WriteOptions = {},
  ): Promise<Written<K>> {
    return this.patch(kind, namespace, name, PatchType.PATCH_TYPE_STRATEGIC, patch, options);
  }

  /** gone: there is nothing to wait for. */
  async delete<K extends Kind>(
    kind: K,
    namespace: string,
    name: string,
    options: DeleteOptions = {},
  ): Promise<{ readonly object: KindMap[K]; readonly gone: boolean }> {
    const answer = await this.calls.unary(ObjectsService.delete, { kind, namespace, name, ...this.deletion(options) }, false);
    return { object: objectOf(kind, answer.object), gone: answer.gone };
  }

  /** What `delete` and `evict` say alike. */
  private deletion({ gracePeriodSeconds, propagationPolicy, uid = '', resourceVersion = '', dryRun = false }: DeleteOptions) {
    return {
      gracePeriodSeconds,
      propagationPolicy: propagationPolicy ?? '',
      preconditionUid: uid,
      preconditionResourceVersion: resourceVersion,
      dryRun,
      fieldManager: this.fieldManager,
    };
  }

  /** Deletes a pod where its PodDisruptionBudget lets it go. Rejects with TooManyRequests where it does not (yet). */
  evict(namespace: string, pod: string, options: DeleteOptions = {}): Promise<EvictResponse> {
    return this.calls.unary(PodsService.evict, { namespace, pod, ...this.deletion(options) }, false);
  }

  /** Begins to empty a node; the server goes on with it by itself. Rejects with BadRequest where pods forbid it. */
  drainNode(request: Omit<DrainNodeRequest, 'fieldManager'>): Promise<DrainNodeResponse> {
    // A preview of a large cluster takes its time.
    return this.calls.unary(ClusterService.drainNode, { ...request, fieldManager: this.fieldManager }, false);
  }

  /** How a drain stands, until it has ended. id "": the one that goes on. */
  watchDrain(node: string, id: string, signal?: AbortSignal): AsyncGenerator<WatchDrainResponse, void, void> {
    return this.calls.stream(ClusterService.watchDrain, { node, id }, signal);
  }

  cancelDrain(node: string, uncordon: boolean): Promise<CancelDrainResponse> {
    return this.calls.unary(ClusterService.cancelDrain, { node, uncordon, fieldManager: this.fieldManager }, false);
  }

  async *logs(request: LogsRequest, signal?: AbortSignal): AsyncGenerator<Uint8Array, void, void> {
    for await (const { data } of this.calls.stream(byteMethods.logs, request, signal)) yield data;
  }

  /** The first message must be start; the last answer is exit. */
  exec(signal?: AbortSignal): Conversation<ExecRequest, ExecResponse> {
    return this.calls.conversation(byteMethods.exec, signal);
  }

  /** The first message must be start; the first answer is attached. Ends when the container has ended. */
  attach(signal?: AbortSignal): Conversation<AttachRequest, AttachResponse> {
    return this.calls.conversation(byteMethods.attach, signal);
  }

  /** A file or folder of a container as a tar archive, by the engine of its node. */
  async *readFiles(request: ReadFilesRequest, signal?: AbortSignal): AsyncGenerator<Uint8Array, void, void> {
    for await (const { data } of this.calls.stream(byteMethods.readFiles, request, signal)) yield data;
  }

  /** The first message must be start; after the answer target the archive is sent, and end. The last answer is done. */
  writeFiles(signal?: AbortSignal): Conversation<WriteFilesRequest, WriteFilesResponse> {
    return this.calls.conversation(byteMethods.writeFiles, signal);
  }

  /** What pods and nodes take now. */
  usage(request: UsageRequest): Promise<UsageResponse> {
    return this.calls.unary(PodsService.usage, request, true);
  }

  /** One TCP connection to a port of a pod. The first message must be start. */
  portForward(signal?: AbortSignal): Conversation<PortForwardRequest, PortForwardResponse> {
    return this.calls.conversation(byteMethods.portForward, signal);
  }

  loadImage(signal?: AbortSignal): Conversation<LoadImageRequest, LoadImageResponse> {
    return this.calls.conversation(byteMethods.loadImage, signal);
  }

  version(): Promise<GetVersionResponse> {
    return this.calls.unary(ClusterService.getVersion, {}, true);
  }

  /** The causes of the newest changes of an object, also of one that is gone. limit 0: 10. */
  why(kind: Kind, namespace: string, name: string, limit = 0): Promise<WhyResponse> {
    return this.calls.unary(ClusterService.why, { kind, namespace, name, limit }, true);
  }

  /** What would happen; changes nothing. May take as long as the thinking does. */
  simulate(question: NonNullable<SimulateRequest['question']>): Promise<SimulateResponse> {
    return this.calls.unary(ClusterService.simulate, { question }, true);
  }

  /** ttlSeconds 0: a day. */
  createToken(description: string, ttlSeconds: number): Promise<CreateTokenResponse> {
    return this.calls.unary(ClusterService.createToken, { description, ttlSeconds }, false);
  }

  /** A token by which a program is a service account. */
  createServiceAccountToken(request: CreateServiceAccountTokenRequest): Promise<CreateServiceAccountTokenResponse> {
    return this.calls.unary(ClusterService.createServiceAccountToken, request, false);
  }

  /** Who this client is to the server. */
  whoAmI(): Promise<WhoAmIResponse> {
    return this.calls.unary(ClusterService.whoAmI, {}, true);
  }

  async listTokens(): Promise<readonly JoinToken[]> {
    return (await this.calls.unary(ClusterService.listTokens, {}, true)).tokens;
  }

  async revokeToken(id: string): Promise<void> {
    await this.calls.unary(ClusterService.revokeToken, { id }, false);
  }

  close(): void {
    this.channel.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  private async patch<K extends Kind>(
    kind: K,
    namespace: string,
    name: string,
    type: PatchType,
    patch: unknown,
    options: WriteOptions,
  ): Promise<Written<K>> {
    const { dryRun = false, subresource = '' } = options;
    const request = {
      kind,
      namespace,
      name,
      type,
      patch: Buffer.from(JSON.stringify(patch)),
      subresource,
      dryRun,
      fieldManager: this.fieldManager,
    };
    const answer = await this.calls.unary(ObjectsService.patch, request, false);
    return { object: objectOf(kind, answer.object), warnings: answer.warnings };
  }
}

function objectOf<K extends Kind>(kind: K, any: AnyObject | undefined): KindMap[K] {
  const known = any === undefined ? undefined : fromObject(any);
  if (known?.kind !== kind) throw new ApiError('InternalError', `the server did not answer with a ${kind}`);
  return known.object as KindMap[K]; // the kind was just compared
}
