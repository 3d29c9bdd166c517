// One dial that can be given up. grpc-js closes a channel that still connects without closing its socket: the handshake goes on, and when it
// is done the connection stays open for nobody, here and on the server. What is dialed with is in grpc-channel.ts.
import type { Socket } from 'node:net';
import type { ChannelCredentials } from '@grpc/grpc-js';

type SecureConnector = ReturnType<ChannelCredentials['_createSecureConnector']>;

export class Dialing {
  /** For one client. */
  readonly credentials: ChannelCredentials;
  private readonly sockets = new Set<Socket>();
  private over = false;

  constructor(credentials: ChannelCredentials) {
    const connector: ChannelCredentials['_createSecureConnector'] = (target, options, call) =>
      this.followed(credentials._createSecureConnector(target, options, call));
    this.credentials = Object.create(credentials, { _createSecureConnector: { value: connector } }) as ChannelCredentials;
  }

  /** Ends its connection at once, whatever state it is in; none is made any more. */
  abandon(): void {
    this.over = true;
    for (const socket of this.sockets) socket.destroy();
  }

  private followed(inner: SecureConnector): SecureConnector {
    return {
      connect: (socket) => {
        if (this.over) {
          socket.destroy();
          return Promise.reject(new Error('the dial was given up'));
        }
        this.sockets.add(socket);
        socket.once('close', () => this.sockets.delete(socket));
        return inner.connect(socket);
      },
      waitForReady: () => inner.waitForReady(),
      getCallCredentials: () => inner.getCallCredentials(),
      destroy: () => inner.destroy(),
    };
  }
}
