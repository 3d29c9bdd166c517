// What a client gets that speaks HTTP/1.1: health and version for load balancers and people with curl. Kubernetes' HTTP API will be
// answered here; until then everything else is told so.
import type { Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { http } from '@podplane/api/builtin-http';

export interface HttpFaceParts {
  readonly healthy: () => boolean;
  /** Answer to /version, JSON. */
  readonly version: () => unknown;
}

const ELSEWHERE =
  'This port speaks gRPC (HTTP/2). Over HTTP/1.1 there are /healthz, /livez, /readyz and /version; the Kubernetes HTTP API is not served yet.\n';

export class HttpFace {
  private readonly server: Server;

  constructor(parts: HttpFaceParts) {
    this.server = http.createServer((request, response) => {
      const path = (request.url ?? '/').split('?', 1)[0];
      const answer = (status: number, type: string, body: string): void => {
        response.writeHead(status, {
          'content-type': type,
          'content-length': Buffer.byteLength(body),
          'cache-control': 'no-cache, private',
        });
        response.end(request.method === 'HEAD' ? undefined : body);
      };
      request.resume(); // nobody here reads bodies
      if (request.method !== 'GET' && request.method !== 'HEAD')
        return answer(path === '/healthz' || path === '/version' ? 405 : 404, 'text/plain', ELSEWHERE);
      switch (path) {
        case '/healthz':
        case '/livez':
        case '/readyz':
          return parts.healthy() ? answer(200, 'text/plain', 'ok') : answer(503, 'text/plain', 'the store does not take writes now\n');
        case '/version':
          return answer(200, 'application/json', `${JSON.stringify(parts.version())}\n`);
        default:
          return answer(404, 'text/plain', ELSEWHERE);
      }
    });
    this.server.keepAliveTimeout = 5000;
    this.server.headersTimeout = 10_000;
  }

  /** Takes a connection over. */
  serve(socket: Duplex): void {
    this.server.emit('connection', socket);
  }

  close(): void {
    this.server.closeAllConnections();
    this.server.close();
  }
}
