// A world for commands in tests: output is kept, the cluster is a map, time is under control. Not a server: it decides nothing, it only
// keeps objects and tells changes.
import { EventEmitter } from 'node:events';
import { codecs } from '@podplane/api/decode/codecs';
import { toManifest } from '@podplane/api/decode/manifest';
import type { JsonObject, JsonValue } from '@podplane/api/decode/tree';
import { ApiError, notFound } from '@podplane/api/errors';
import type { LogsRequest } from '@podplane/api/gen/podplane/api/v1/pods';
import type { Kind, KindMap } from '@podplane/api/kinds/kind-map';
import { isKind } from '@podplane/api/kinds/kind-names';
import { applyJsonPatch, applyMergePatch } from '@podplane/api/patch';
import { kindSchema } from '@podplane/api/schema/model';
import { applyStrategicPatch } from '@podplane/api/strategic-patch';
import { realSystem } from '@podplane/api/system';
import { CommanderError } from 'commander';
import type { Change, Cluster, PatchType, Query } from '../cluster.js';
import { failureOf } from '../failure.js';
import { type Io, printing } from '../io.js';
import { printable } from '../output/printable.js';
import { makeProgram } from '../program.js';
import { Session } from '../session.js';

export class TestCluster implements Cluster {
  readonly address = 'test:6443';
  readonly #objects = new Map<string, KindMap[Kind]>();
  readonly #changes = new EventEmitter().setMaxListeners(100);
  #revision = 0;
  /** Everything that ever changed, so that a watch misses nothing. */
  readonly #log: { readonly kind: Kind; readonly revision: number; readonly change: Change<Kind> }[] = [];
  /** What was asked for, for tests that count calls. */
  readonly calls: string[] = [];
  /** Answers of logs, one call after the other. */
  logAnswers: ((request: LogsRequest) => AsyncIterable<Uint8Array>)[] = [];

  #key(kind: Kind, namespace: string, name: string): string {
    return `${kind} ${namespace}/${name}`;
  }

  /** Puts an object there, as a controller would. */
  put<K extends Kind>(kind: K, partial: unknown): KindMap[K] {
    const object = codecs[kind].fromJSON(partial) as KindMap[K];
    this.#revision++;
    const metadata = { labels: {}, annotations: {}, ownerReferences: [], finalizers: [], managedFields: [], ...object.metadata };
    const stored = {
      ...object,
      kind,
      metadata: { ...metadata, uid: metadata.uid ?? `uid-${this.#revision}`, resourceVersion: String(this.#revision) },
    } as KindMap[K];
    const key = this.#key(kind, metadata.namespace ?? '', metadata.name ?? '');
    const type = this.#objects.has(key) ? 'MODIFIED' : 'ADDED';
    this.#objects.set(key, stored);
    this.#tell(kind, { type, object: stored });
    return stored;
  }

  #tell(kind: Kind, change: Change<Kind>): void {
    this.#log.push({ kind, revision: this.#revision, change });
    this.#changes.emit(kind, change);
  }

  remove(kind: Kind, namespace: string, name: string): void {
    const key = this.#key(kind, namespace, name);
    const object = this.#objects.get(key);
    this.#objects.delete(key);
    this.#revision++;
    if (object !== undefined) this.#tell(kind, { type: 'DELETED', object });
  }

  #matches(object: KindMap[Kind], query: Query): boolean {
    const { metadata } = object;
    if (query.namespace !== '' && metadata?.namespace !== query.namespace) return false;
    const labels = (query.labelSelector ?? '').split(',').filter((part) => part !== '');
    if (!labels.every((part) => metadata?.labels[part.split('=')[0] ?? ''] === part.split('=')[1])) return false;
    const name = /metadata\.name=([^,]+)/.exec(query.fieldSelector ?? '')?.[1];
    return name === undefined || metadata?.name === name;
  }

  get<K extends Kind>(kind: K, namespace: string, name: string): Promise<KindMap[K]> {
    this.calls.push(`get ${kind} ${namespace}/${name}`);
    const object = this.#objects.get(this.#key(kind, namespace, name));
    return object === undefined ? Promise.reject(notFound(kind, namespace, name)) : Promise.resolve(object as KindMap[K]);
  }

  list<K extends Kind>(kind: K, query: Query): Promise<{ items: KindMap[K][]; resourceVersion: string }> {
    this.calls.push(`list ${kind}`);
    const items = [...this.#objects.entries()]
      .filter(([key, object]) => key.startsWith(`${kind} `) && this.#matches(object, query))
      .map(([, object]) => object as KindMap[K]);
    return Promise.resolve({ items, resourceVersion: String(this.#revision) });
  }

  async *watch<K extends Kind>(kind: K, query: Query, from: string, signal: AbortSignal): AsyncGenerator<Change<K>> {
    const missed = this.#log.filter((one) => one.kind === kind && one.revision > Number(from));
    const waiting = missed.map(({ change }) => change as Change<K>);
    let wake: (() => void) | undefined;
    const onChange = (change: Change<K>): void => {
      waiting.push(change);
      wake?.();
    };
    this.#changes.on(kind, onChange);
    signal.addEventListener('abort', () => wake?.());
    try {
      while (!signal.aborted) {
        const change = waiting.shift();
        if (change === undefined) await new Promise<void>((resolve) => (wake = resolve));
        else if (!('object' in change) || this.#matches(change.object, query)) yield change;
      }
    } finally {
      this.#changes.off(kind, onChange);
    }
  }

  create(object: KindMap[Kind], options?: { readonly dryRun?: boolean }): Promise<{ object: KindMap[Kind]; warnings: string[] }> {
    const kind = object.kind;
    if (!isKind(kind)) throw new ApiError('BadRequest', 'no kind');
    this.calls.push(`create ${kind} ${object.metadata?.namespace ?? ''}/${object.metadata?.name}`);
    if (options?.dryRun) return Promise.resolve({ object, warnings: [] });
    return Promise.resolve({ object: this.put(kind, toManifest(kind, object as never)), warnings: [] });
  }

  async mergePatch(
    kind: Kind,
    namespace: string,
    name: string,
    patch: unknown,
    options?: { readonly dryRun?: boolean },
  ): Promise<{ object: KindMap[Kind]; warnings: string[] }> {
    this.calls.push(`patch ${kind} ${namespace}/${name} ${JSON.stringify(patch)}`);
    const current = await this.get(kind, namespace, name);
    if (options?.dryRun) return { object: current, warnings: [] };
    return { object: this.put(kind, applyMergePatch(toManifest(kind, current as never), patch as JsonObject)), warnings: [] };
  }

  async patch(
    kind: Kind,
    namespace: string,
    name: string,
    type: PatchType,
    patch: JsonValue,
    options?: { readonly dryRun?: boolean },
  ): Promise<{ object: KindMap[Kind]; warnings: string[] }> {
    this.calls.push(`patch ${type} ${kind} ${namespace}/${name} ${JSON.stringify(patch)}`);
    const current = await this.get(kind, namespace, name);
    const before = toManifest(kind, current as never);
    const schema = kindSchema(kind);
    if (schema === undefined) throw new Error(kind);
    const after =
      type === 'merge'
        ? applyMergePatch(before, patch)
        : type === 'json'
          ? applyJsonPatch(before, patch)
          : applyStrategicPatch(schema, before, patch);
    if (options?.dryRun || JSON.stringify(after) === JSON.stringify(before)) return { object: current, warnings: [] };
    return { object: this.put(kind, after), warnings: [] };
  }

  async delete(kind: Kind, namespace: string, name: string): Promise<{ object: KindMap[Kind]; gone: boolean }> {
    this.calls.push(`delete ${kind} ${namespace}/${name}`);
    const object = await this.get(kind, namespace, name);
    this.remove(kind, namespace, name);
    return { object, gone: true };
  }

  logs(request: LogsRequest): AsyncIterable<Uint8Array> {
    this.calls.push(`logs ${request.pod} ${request.container} ${request.sinceTime}`);
    const answer = this.logAnswers.shift();
    if (answer === undefined) throw new ApiError('NotFound', `pods "${request.pod}" not found`);
    return answer(request);
  }

  exec = unused;
  attach = unused;
  usage = unused;
  readFiles = unused;
  writeFiles = unused;
  portForward = unused;
  loadImage = unused;
  version = unused;
  why = unused;
  simulate: Cluster['simulate'] = unused;
  drainNode: Cluster['drainNode'] = unused;
  watchDrain: Cluster['watchDrain'] = unused;
  createToken = unused;
  createServiceAccountToken = unused;
  whoAmI = unused;
  listTokens = unused;
  revokeToken = unused;
  close(): void {}
}

function unused(): never {
  throw new Error('not part of this test');
}

export interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs one command line against a cluster. stop: Ctrl-C. */
export async function runCommand(
  cluster: Cluster,
  args: readonly string[],
  options: { readonly cwd?: string; readonly stop?: AbortSignal } = {},
): Promise<Outcome> {
  let out = '';
  let err = '';
  const io: Io = {
    ...printing(
      (text) => (out += text),
      (text) => (err += text),
    ),
    write: (stream, data) => {
      if (stream === 'stdout') out += Buffer.from(data).toString();
      else err += Buffer.from(data).toString();
      return Promise.resolve();
    },
    stdin: process.stdin,
    stdout: process.stdout,
    live: false,
    color: false,
    columns: () => 100,
    env: {},
    cwd: options.cwd ?? process.cwd(),
    system: realSystem(),
    signal: options.stop ?? new AbortController().signal,
  };
  const before = process.exitCode;
  process.exitCode = undefined;
  const session = new Session(io, () => Promise.resolve({ cluster, namespace: 'default' }));
  try {
    await makeProgram(session).parseAsync(['node', 'podplane', ...args]);
    return { code: Number(process.exitCode ?? 0), out, err };
  } catch (error) {
    if (error instanceof CommanderError) return { code: error.exitCode === 0 ? 0 : 2, out, err };
    const failure = failureOf(error, { interrupted: io.signal.reason, debug: true });
    return { code: failure.exitCode, out, err: `${err}${printable(failure.text)}\n` };
  } finally {
    process.exitCode = before;
  }
}
