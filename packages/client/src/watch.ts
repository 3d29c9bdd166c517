// Watches that go on: after a broken connection from where they were, after a revision that is gone from the state as it is. One
// call of Objects.Watch is calls.ts' business.
import { ApiError } from '@podplane/api/errors';
import { WatchEventType, type WatchRequest, type WatchResponse } from '@podplane/api/gen/podplane/api/v1/objects';
import { fromObject } from '@podplane/api/kinds/catalogue';
import type { Kind, KindMap } from '@podplane/api/kinds/kind-map';
import type { System } from '@podplane/api/system';

export interface Query {
  /** Empty: all namespaces. */
  readonly namespace: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

export type WatchEvent<K extends Kind> =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly object: KindMap[K] }
  /** What was known is no longer: the whole state follows as ADDED, then SYNCED. */
  | { readonly type: 'RESET' }
  /** The current state has been told completely. */
  | { readonly type: 'SYNCED'; readonly resourceVersion: string }
  /** Nothing new up to here. */
  | { readonly type: 'BOOKMARK'; readonly resourceVersion: string };

export interface WatchOptions {
  /** Changes after this revision; default: the current state first. */
  readonly from?: string;
  readonly signal?: AbortSignal;
  /** Told when the connection breaks, before it is dialled again. */
  readonly onLost?: (error: ApiError) => void;
  /** Whether to go on where the server says that the caller's revision is gone; default true. Else the error is thrown. */
  readonly reset?: boolean;
}

const FIRST_WAIT_MS = 200;
const LONGEST_WAIT_MS = 5000;

/** Errors that another try would only repeat. */
const FINAL = new Set<ApiError['reason']>(['BadRequest', 'Forbidden', 'Unauthorized', 'NotFound', 'Invalid', 'MethodNotAllowed']);

/** Ends when the signal aborts; throws ApiError. An event that was told just before a break may be told again. */
export async function* watchObjects<K extends Kind>(
  open: (request: WatchRequest) => AsyncGenerator<WatchResponse, void, void>,
  system: System,
  kind: K,
  query: Query,
  options: WatchOptions,
): AsyncGenerator<WatchEvent<K>, void, void> {
  const { signal, onLost } = options;
  let from = options.from ?? '';
  let wait = FIRST_WAIT_MS;
  let begun = false;
  const over = (): boolean => signal?.aborted === true;
  while (!over()) {
    const resumed = from !== '';
    try {
      // A state that broke off in the middle is told anew from its beginning.
      if (begun && !resumed) yield { type: 'RESET' };
      const request = {
        kind,
        namespace: query.namespace,
        labelSelector: query.labelSelector ?? '',
        fieldSelector: query.fieldSelector ?? '',
        resourceVersion: from,
      };
      for await (const response of open(request)) {
        begun = true;
        wait = FIRST_WAIT_MS;
        yield* events<K>(response);
        if (response.resourceVersion !== '') from = response.resourceVersion;
      }
      if (over()) return;
      onLost?.(new ApiError('ServiceUnavailable', 'the server ended the watch'));
    } catch (error) {
      if (!(error instanceof ApiError) || FINAL.has(error.reason)) throw error;
      if (error.reason === 'Expired') {
        if (options.reset === false) throw error;
        from = '';
        begun = true;
        continue;
      }
      onLost?.(error);
    }
    await pause(system, wait * (0.75 + system.random.next() / 2), signal);
    wait = Math.min(LONGEST_WAIT_MS, wait * 2);
  }
}

const TYPES = {
  [WatchEventType.WATCH_EVENT_TYPE_ADDED]: 'ADDED',
  [WatchEventType.WATCH_EVENT_TYPE_MODIFIED]: 'MODIFIED',
  [WatchEventType.WATCH_EVENT_TYPE_DELETED]: 'DELETED',
} as const;

function* events<K extends Kind>(response: WatchResponse): Generator<WatchEvent<K>> {
  for (const { type, object } of response.events) {
    const known = object === undefined ? undefined : fromObject(object);
    if (known === undefined || type === WatchEventType.WATCH_EVENT_TYPE_UNSPECIFIED) continue; // of a newer server
    yield { type: TYPES[type], object: known.object as KindMap[K] }; // a watch is of one kind
  }
  const { resourceVersion } = response;
  if (response.synced) yield { type: 'SYNCED', resourceVersion };
  else if (response.events.length === 0) yield { type: 'BOOKMARK', resourceVersion };
}

function pause(system: System, ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      timer.cancel();
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = system.timers.after(ms, done);
    signal?.addEventListener('abort', done, { once: true });
  });
}
