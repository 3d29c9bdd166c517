// A registry (HTTP API v2) in this process that serves one image, for tests of pulling. Docker speaks plain HTTP to 127.0.0.0/8.
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { arch } from 'node:os';
import { gzipSync } from 'node:zlib';
import { type TarEntry, writeTar } from '../../images/tar.js';

export interface TestRegistryOptions {
  /** Repository without host: team/app. */
  readonly repository: string;
  readonly tag: string;
  readonly entries: readonly TarEntry[];
  /** Where given, pulls need this user and password. */
  readonly login?: { readonly username: string; readonly password: string };
  /** Sends the layer in this many pieces and waits for "more" before each but the first. */
  readonly pieces?: number;
  readonly more?: () => Promise<void>;
}

const MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';
const digest = (data: Uint8Array): string => `sha256:${createHash('sha256').update(data).digest('hex')}`;

export class TestRegistry implements AsyncDisposable {
  readonly #server: Server;
  readonly host: string;
  /** host:port/repository:tag */
  readonly image: string;
  /** What the engine will call the image. */
  readonly imageId: string;
  readonly manifestDigest: string;
  readonly layerBytes: number;
  readonly requests: string[] = [];

  private constructor(server: Server, host: string, options: TestRegistryOptions, layer: Buffer, config: Buffer, manifest: Buffer) {
    this.#server = server;
    this.host = host;
    this.image = `${host}/${options.repository}:${options.tag}`;
    this.imageId = digest(config);
    this.manifestDigest = digest(manifest);
    this.layerBytes = layer.length;
    const base = `/v2/${options.repository}`;
    const blobs = new Map([layer, config].map((blob) => [`${base}/blobs/${digest(blob)}`, blob]));
    const manifests = [options.tag, this.manifestDigest].map((reference) => `${base}/manifests/${reference}`);
    const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
      const path = request.url ?? '';
      this.requests.push(`${request.method} ${path}`);
      const { login } = options;
      if (login && request.headers.authorization !== `Basic ${Buffer.from(`${login.username}:${login.password}`).toString('base64')}`) {
        return refuse(response, 401, 'UNAUTHORIZED', 'authentication required', { 'WWW-Authenticate': 'Basic realm="test"' });
      }
      if (path === '/v2/') return void response.writeHead(200, { 'Content-Type': 'application/json' }).end('{}');
      const blob = blobs.get(path);
      if (manifests.includes(path)) {
        response.writeHead(200, {
          'Content-Type': MANIFEST,
          'Content-Length': manifest.length,
          'Docker-Content-Digest': this.manifestDigest,
        });
        response.end(request.method === 'HEAD' ? undefined : manifest);
      } else if (blob) {
        response.writeHead(200, { 'Content-Type': 'application/octet-stream', 'Content-Length': blob.length });
        if (request.method === 'HEAD') return void response.end();
        const pieces = blob === layer ? (options.pieces ?? 1) : 1;
        const size = Math.ceil(blob.length / pieces);
        for (let i = 0; i < pieces && !response.destroyed; i++) {
          if (i > 0) await options.more?.();
          response.write(blob.subarray(i * size, (i + 1) * size));
        }
        response.end();
      } else
        refuse(
          response,
          404,
          path.includes('/manifests/') ? 'MANIFEST_UNKNOWN' : 'NAME_UNKNOWN',
          path.includes('/manifests/') ? 'manifest unknown' : 'repository name not known',
        );
    };
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      answer(request, response).catch(() => response.destroy());
    });
  }

  static async start(options: TestRegistryOptions): Promise<TestRegistry> {
    const parts: Uint8Array[] = [];
    for await (const part of writeTar(options.entries)) parts.push(part);
    const tar = Buffer.concat(parts);
    const layer = gzipSync(tar, { level: 1 });
    const architecture = arch() === 'x64' ? 'amd64' : arch();
    const config = Buffer.from(
      JSON.stringify({ architecture, os: 'linux', config: { Cmd: ['/x'] }, rootfs: { type: 'layers', diff_ids: [digest(tar)] } }),
    );
    const manifest = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: MANIFEST,
        config: { mediaType: 'application/vnd.docker.container.image.v1+json', size: config.length, digest: digest(config) },
        layers: [{ mediaType: 'application/vnd.docker.image.rootfs.diff.tar.gzip', size: layer.length, digest: digest(layer) }],
      }),
    );
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('the test registry has no port');
    return new TestRegistry(server, `127.0.0.1:${address.port}`, options, layer, config, manifest);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

function refuse(
  response: ServerResponse,
  status: number,
  code: string,
  message: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { 'Content-Type': 'application/json', ...headers }).end(JSON.stringify({ errors: [{ code, message }] }));
}
