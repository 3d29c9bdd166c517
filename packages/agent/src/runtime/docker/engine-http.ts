// HTTP to Docker Engine: one address, requests that answer JSON or a stream, and connections that the engine hands over whole. Own and
// small, because a client library costs the agent 15 MB of memory. What is asked for is in the files beside this one.
import { readFileSync } from 'node:fs';
import type { Agent, IncomingMessage, RequestOptions } from 'node:http';
import { request as requestHttps, Agent as SecureAgent } from 'node:https';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Duplex, Readable } from 'node:stream';
import { http } from '@podplane/api/builtin-http';
import { RuntimeError } from '../errors.js';

export interface EngineRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE';
  /** Without query; parts that come from outside are encoded (pathPart). */
  readonly path: string;
  /** Values that are undefined are left out; objects go as JSON. */
  readonly query?: Readonly<Record<string, string | number | boolean | object | undefined>>;
  /** An object goes as JSON, a stream as a tar archive. */
  readonly body?: object;
  readonly archive?: Readable;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
}

/** The engine answered, but not with success (304, "nothing to do", is one of these). */
export class EngineAnswer extends Error {
  override readonly name = 'EngineAnswer';
  readonly statusCode: number;
  /** The engine's own words. */
  readonly text: string;
  constructor(statusCode: number, text: string) {
    super(`status ${statusCode}: ${text}`);
    this.statusCode = statusCode;
    this.text = text;
  }
}

/** Encodes a name for a path; slashes stay, as in names of images. */
export function pathPart(name: string): string {
  return name.split('/').map(encodeURIComponent).join('/');
}

const MAX_ERROR_BYTES = 64 * 1024;

export class EngineHttp {
  readonly #options: RequestOptions & { readonly agent: Agent };
  readonly #send: typeof http.request;

  constructor(address: EngineAddress) {
    if (address.kind === 'socket') {
      this.#send = http.request;
      this.#options = { socketPath: address.path, agent: new http.Agent({ keepAlive: true }) };
    } else {
      const { host, port, tls } = address;
      this.#send = tls === undefined ? http.request : requestHttps;
      this.#options = {
        host,
        port,
        agent: tls === undefined ? new http.Agent({ keepAlive: true }) : new SecureAgent({ keepAlive: true, ...tls }),
      };
    }
  }

  /** Breaks every connection off; those that were handed over whole are their users'. */
  close(): void {
    this.#options.agent.destroy();
  }

  /** The answer as JSON; undefined where it has no content. Rejects with EngineAnswer, or with an error that has an errno. */
  async json<T>(request: EngineRequest): Promise<T> {
    const text = await readText(await this.stream(request));
    return (text === '' ? undefined : JSON.parse(text)) as T;
  }

  /** The answer as it comes; the caller reads it to its end or destroys it. */
  async stream(request: EngineRequest): Promise<IncomingMessage> {
    try {
      return await this.#request(request);
    } catch (error) {
      // A connection that was kept open and that the engine has closed in the meantime. Only what changes nothing is asked again.
      if (request.method === 'GET' && error instanceof ReusedConnectionError) return await this.#request(request);
      throw error instanceof ReusedConnectionError ? error.cause : error;
    }
  }

  async #request(request: EngineRequest): Promise<IncomingMessage> {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const sent = this.#send(this.#prepared(request));
    sent.on('response', resolve);
    sent.on('error', (error: NodeJS.ErrnoException) => {
      reject(sent.reusedSocket && error.code === 'ECONNRESET' ? new ReusedConnectionError('', { cause: error }) : error);
    });
    if (request.archive) {
      request.archive.on('error', (error) => sent.destroy(error));
      request.archive.pipe(sent);
    } else sent.end(bodyText(request));
    return checked(await promise);
  }

  /** A connection in both directions, for what the command of an exec reads and writes. */
  async upgrade(request: EngineRequest): Promise<Duplex> {
    const { promise, resolve, reject } = Promise.withResolvers<Duplex>();
    const options = this.#prepared({ ...request, headers: { ...request.headers, Connection: 'Upgrade', Upgrade: 'tcp' } });
    const sent = this.#send(options);
    sent.on('upgrade', (_answer, socket: Duplex, head: Buffer) => {
      if (head.length > 0) socket.unshift(head);
      resolve(socket);
    });
    sent.on('response', (answer: IncomingMessage) => {
      checked(answer).then((unexpected) => {
        unexpected.destroy();
        reject(new EngineAnswer(unexpected.statusCode ?? 0, 'the engine did not hand the connection over'));
      }, reject);
    });
    sent.on('error', reject);
    sent.end(bodyText(request));
    return promise;
  }

  #prepared(request: EngineRequest): RequestOptions {
    const query = new URLSearchParams();
    for (const [key, value] of Object.entries(request.query ?? {})) {
      if (value !== undefined) query.set(key, typeof value === 'object' ? JSON.stringify(value) : String(value));
    }
    const type = request.archive ? 'application/x-tar' : request.body ? 'application/json' : undefined;
    return {
      ...this.#options,
      method: request.method,
      path: query.size === 0 ? request.path : `${request.path}?${query.toString()}`,
      headers: { Host: 'docker', ...(type === undefined ? {} : { 'Content-Type': type }), ...request.headers },
      ...(request.signal === undefined ? {} : { signal: request.signal }),
    };
  }
}

class ReusedConnectionError extends Error {}

function bodyText(request: EngineRequest): string | undefined {
  return request.body === undefined ? undefined : JSON.stringify(request.body);
}

/** Rejects with EngineAnswer unless it is a success. */
async function checked(answer: IncomingMessage): Promise<IncomingMessage> {
  const status = answer.statusCode ?? 0;
  if (status >= 200 && status < 300) return answer;
  let text = '';
  try {
    text = await readText(answer, MAX_ERROR_BYTES);
  } catch {
    // the status says enough
  }
  throw new EngineAnswer(status, messageOf(text));
}

function messageOf(text: string): string {
  try {
    const body: unknown = JSON.parse(text);
    if (typeof body === 'object' && body !== null && 'message' in body && typeof body.message === 'string') return body.message.trim();
  } catch {
    // not JSON: a proxy, or a very old engine
  }
  return text.trim();
}

async function readText(answer: IncomingMessage, maxBytes = Number.POSITIVE_INFINITY): Promise<string> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of answer as AsyncIterable<Buffer>) {
    size += part.length;
    if (size > maxBytes) break;
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

/** Where the engine is. */
export type EngineAddress =
  | { readonly kind: 'socket'; readonly path: string }
  | {
      readonly kind: 'tcp';
      readonly host: string;
      readonly port: number;
      readonly tls: { readonly ca: Buffer; readonly cert: Buffer; readonly key: Buffer } | undefined;
    };

const DEFAULT_SOCKET = '/var/run/docker.sock';
const TLS_PORT = 2376;

/** The engine that DOCKER_HOST, DOCKER_TLS_VERIFY and DOCKER_CERT_PATH name, as the docker command reads them. Throws RuntimeError invalid. */
export function engineAddress(environment: Readonly<Record<string, string | undefined>>): EngineAddress {
  const host = environment.DOCKER_HOST ?? '';
  if (host === '') return { kind: 'socket', path: DEFAULT_SOCKET };
  if (host.startsWith('unix://')) return { kind: 'socket', path: host.slice('unix://'.length) || DEFAULT_SOCKET };
  const wrong = (what: string): RuntimeError =>
    new RuntimeError('invalid', `DOCKER_HOST=${host}: ${what}`, { advice: 'as in unix:///var/run/docker.sock or tcp://host:2376' });
  let url: URL;
  try {
    url = new URL(host.includes('://') ? host : `tcp://${host}`);
  } catch (error) {
    throw wrong(error instanceof Error ? error.message : 'not a URL');
  }
  if (!['tcp:', 'http:', 'https:'].includes(url.protocol)) throw wrong(`${url.protocol.slice(0, -1)} is not supported`);
  const secure = url.protocol === 'https:' || (environment.DOCKER_TLS_VERIFY ?? '') !== '' || url.port === String(TLS_PORT);
  const port = url.port === '' ? (secure ? TLS_PORT : 2375) : Number(url.port);
  if (!secure) return { kind: 'tcp', host: url.hostname, port, tls: undefined };
  const folder = environment.DOCKER_CERT_PATH ?? join(homedir(), '.docker');
  try {
    const [ca, cert, key] = ['ca.pem', 'cert.pem', 'key.pem'].map((file) => readFileSync(join(folder, file))) as [Buffer, Buffer, Buffer];
    return { kind: 'tcp', host: url.hostname, port, tls: { ca, cert, key } };
  } catch (error) {
    throw new RuntimeError('invalid', `certificates for ${host}: ${error instanceof Error ? error.message : String(error)}`, {
      advice: 'DOCKER_CERT_PATH is the folder of ca.pem, cert.pem and key.pem',
    });
  }
}
