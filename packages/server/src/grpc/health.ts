// grpc.health.v1.Health: whether this server serves. The service's messages are two fields, so they are written by hand.
import type { MethodDefinition } from '@grpc/grpc-js';
import { ApiError } from '@podplane/api/errors';
import { Encoded, type Gate, ServiceBuilder } from './service.js';
import { fieldsOf, textOf, varintField } from './wire.js';

export type Serving = 'serving' | 'not-serving';

const STATUS = { serving: 1, 'not-serving': 2 } as const;
const SERVICE_UNKNOWN = 3;

function method(name: string, responseStream: boolean): MethodDefinition<string, never> {
  return {
    path: `/grpc.health.v1.Health/${name}`,
    requestStream: false,
    responseStream,
    requestSerialize: () => Buffer.alloc(0),
    requestDeserialize: (bytes) => {
      let service = '';
      for (const { field, value } of fieldsOf(bytes)) if (field === 1) service = textOf(value);
      return service;
    },
    responseSerialize: () => Buffer.alloc(0), // answers are always Encoded
    responseDeserialize: () => undefined as never,
  };
}

/** The state that the health service tells, and who waits for changes of it. */
export class Health {
  private readonly listeners = new Set<() => void>();

  /** services: full names; "" (the server as a whole) is always known. */
  constructor(
    private readonly services: ReadonlySet<string>,
    private serving: Serving = 'serving',
  ) {}

  get state(): Serving {
    return this.serving;
  }

  set(serving: Serving): void {
    if (serving === this.serving) return;
    this.serving = serving;
    for (const listener of this.listeners) listener();
  }

  service(gate: Gate): ServiceBuilder {
    return new ServiceBuilder(gate)
      .unary(method('Check', false), (service) => {
        if (!this.knows(service)) throw new ApiError('NotFound', `service ${JSON.stringify(service.slice(0, 200))} is not known`);
        return new Encoded(varintField(1, STATUS[this.serving]));
      })
      .serverStream(method('Watch', true), async (service, out, { signal }) => {
        for (;;) {
          const changed = this.nextChange(signal);
          await out.write(new Encoded(varintField(1, this.knows(service) ? STATUS[this.serving] : SERVICE_UNKNOWN)));
          await changed;
        }
      });
  }

  private knows(service: string): boolean {
    return service === '' || this.services.has(service);
  }

  private nextChange(signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const settle = (): void => {
      this.listeners.delete(settle);
      signal.removeEventListener('abort', settle);
      if (signal.aborted) reject(signal.reason as Error);
      else resolve();
    };
    this.listeners.add(settle);
    signal.addEventListener('abort', settle, { once: true });
    promise.catch(() => undefined); // awaited by the caller, perhaps only after a write has failed
    return promise;
  }
}
