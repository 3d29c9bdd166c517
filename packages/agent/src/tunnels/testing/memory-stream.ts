// A tunnel's stream in memory, both ends, with the little room and the waiting that gRPC has. For tests.
import type { OpenRequest, OpenResponse } from '@podplane/api/gen/podplane/node/v1/tunnel';
import type { TunnelAnswer, TunnelMessage, TunnelStream } from '../tunnel.js';

/** A queue with room for so many items; who writes more waits. */
class Channel<T> implements AsyncIterable<T> {
  readonly #room: number;
  readonly #items: T[] = [];
  #ended = false;
  #broken: Error | undefined;
  #readable = Promise.withResolvers<void>();
  #writable = Promise.withResolvers<void>();
  /** The most that was ever in it. */
  most = 0;

  constructor(room: number) {
    this.#room = room;
  }

  write(item: T): true | Promise<void> {
    if (this.#broken) throw this.#broken;
    if (this.#ended) throw new Error('written after the end');
    this.#items.push(item);
    this.most = Math.max(this.most, this.#items.length);
    this.#readable.resolve();
    return this.#items.length < this.#room ? true : this.#writable.promise;
  }

  end(): void {
    this.#ended = true;
    this.#readable.resolve();
  }

  fail(reason: string): void {
    this.#broken ??= new Error(reason);
    this.#readable.resolve();
    this.#writable.promise.catch(() => undefined);
    this.#writable.reject(this.#broken);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, void> {
    for (;;) {
      while (this.#items.length > 0 && !this.#broken) {
        const item = this.#items.shift() as T;
        if (this.#items.length < this.#room) {
          this.#writable.resolve();
          this.#writable = Promise.withResolvers<void>();
        }
        yield item;
      }
      if (this.#broken) throw this.#broken;
      if (this.#ended) return;
      this.#readable = Promise.withResolvers<void>();
      await this.#readable.promise;
    }
  }
}

export class MemoryTunnel {
  readonly #up: Channel<OpenRequest>;
  readonly #down: Channel<OpenResponse>;
  /** The agent's end. */
  readonly agent: TunnelStream;
  /** What the agent says. */
  readonly said: AsyncIterator<OpenRequest>;
  /** Why the agent gave it up. */
  aborted: string | undefined;

  constructor(room = 4) {
    this.#up = new Channel(room);
    this.#down = new Channel(room);
    this.said = this.#up[Symbol.asyncIterator]();
    this.agent = {
      write: (message) => this.#up.write(message),
      messages: {
        [Symbol.asyncIterator]: () => {
          const messages = this.#down[Symbol.asyncIterator]();
          // Node's streams are destroyed, both directions, by who stops iterating.
          const stop = (): Promise<IteratorResult<OpenResponse>> => {
            this.#up.fail('destroyed');
            this.#down.fail('destroyed');
            return Promise.resolve({ done: true, value: undefined });
          };
          return { next: () => messages.next(), return: stop };
        },
      },
      end: () => this.#up.end(),
      abort: (reason) => {
        this.aborted ??= reason;
        this.#up.fail(reason);
        this.#down.fail(reason);
      },
    };
  }

  /** The most messages that waited for the server's end to read them. */
  get mostWaiting(): number {
    return this.#up.most;
  }

  /** As the server: resolves when there is room for more. */
  async say(message: TunnelAnswer): Promise<void> {
    await this.#down.write({ message });
  }

  /** As the server: ends the call. */
  end(): void {
    this.#down.end();
  }

  /** As the network: the connection is gone. */
  break(): void {
    this.#up.fail('connection lost');
    this.#down.fail('connection lost');
  }

  /** The next message of the agent; undefined: it has ended its side. */
  async next(): Promise<TunnelMessage | undefined> {
    const next = await this.said.next();
    return next.done ? undefined : next.value.message;
  }

  /** Everything that the agent still says. */
  async rest(): Promise<TunnelMessage[]> {
    const all: TunnelMessage[] = [];
    for (let message = await this.next(); message !== undefined; message = await this.next()) all.push(message);
    return all;
  }
}
