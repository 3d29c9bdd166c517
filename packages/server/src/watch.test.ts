// Watches over real gRPC: from now and from a revision, through selectors, over restarts of the server, with slow readers.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Metadata } from '@grpc/grpc-js';
import { ApiError } from '@podplane/api/errors';
import { ObjectsService, WatchEventType, type WatchResponse } from '@podplane/api/gen/podplane/api/v1/objects';
import { ConfigMap } from '@podplane/api/gen/podplane/core/v1/config_map';
import { PodplaneClient } from '@podplane/client/client';
import type { WatchEvent, WatchOptions } from '@podplane/client/watch';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { channel } from './testkit/agent.js';
import { type TestServer, testServer } from './testkit/harness.js';

let server: TestServer;
let client: PodplaneClient;
let stop: AbortController;

async function start(options: Parameters<typeof testServer>[0] = {}): Promise<void> {
  server = await testServer(options);
  client = new PodplaneClient(server.context);
  stop = new AbortController();
}
beforeEach(() => start());
afterEach(async () => {
  stop.abort();
  client.close();
  await server[Symbol.asyncDispose]();
});

function configMap(name: string, labels: Record<string, string> = {}, data: Record<string, string> = {}): ConfigMap {
  return ConfigMap.fromPartial({ metadata: { name, namespace: 'default', labels }, data });
}

/** All but the one that the server puts into every namespace. */
const MINE = 'metadata.name!=kube-root-ca.crt';

type Events = AsyncGenerator<WatchEvent<'ConfigMap'>, void, void>;

function watch(query: object = {}, options: WatchOptions = {}): Events {
  return client.watch('ConfigMap', { namespace: 'default', fieldSelector: MINE, ...query }, { signal: stop.signal, ...options });
}

/** The next event as a short text: "ADDED a", "SYNCED". */
async function next(events: Events): Promise<string> {
  const { value } = await events.next();
  if (value === undefined) return 'end';
  return 'object' in value ? `${value.type} ${value.object.metadata?.name}` : value.type;
}

describe('a watch', () => {
  it('tells the state, then what changes', async () => {
    await client.create('ConfigMap', configMap('a'));
    const events = watch();
    expect(await next(events)).toBe('ADDED a');
    expect(await next(events)).toBe('SYNCED');
    await client.create('ConfigMap', configMap('b'));
    await client.mergePatch('ConfigMap', 'default', 'a', { data: { x: '1' } });
    await client.delete('ConfigMap', 'default', 'b');
    expect([await next(events), await next(events), await next(events)]).toEqual(['ADDED b', 'MODIFIED a', 'DELETED b']);
    stop.abort();
    expect(await next(events)).toBe('end');
  });

  it('goes on from a revision', async () => {
    const { resourceVersion } = await client.list('ConfigMap', { namespace: 'default' });
    await client.createBatch([
      { kind: 'ConfigMap', object: configMap('a') },
      { kind: 'ConfigMap', object: configMap('b') },
    ]);
    const events = watch({}, { from: resourceVersion });
    expect([await next(events), await next(events)]).toEqual(['ADDED a', 'ADDED b']);
  });

  it('tells what begins and ceases to match as added and deleted', async () => {
    await client.create('ConfigMap', configMap('a', { color: 'red' }));
    await client.create('ConfigMap', configMap('b', { color: 'blue' }));
    const events = watch({ labelSelector: 'color=red' });
    expect([await next(events), await next(events)]).toEqual(['ADDED a', 'SYNCED']);
    await client.mergePatch('ConfigMap', 'default', 'b', { metadata: { labels: { color: 'red' } } });
    await client.mergePatch('ConfigMap', 'default', 'a', { metadata: { labels: { color: 'blue' } } });
    await client.mergePatch('ConfigMap', 'default', 'a', { data: { unseen: 'x' } });
    await client.mergePatch('ConfigMap', 'default', 'b', { data: { seen: 'x' } });
    await client.delete('ConfigMap', 'default', 'a');
    await client.delete('ConfigMap', 'default', 'b');
    expect([await next(events), await next(events), await next(events), await next(events)]).toEqual([
      'ADDED b',
      'DELETED a',
      'MODIFIED b',
      'DELETED b',
    ]);
  });

  it('is refused from a revision that is gone, of the future, or none', async () => {
    const from = async (revision: string): Promise<string> => {
      try {
        return await next(watch({}, { from: revision, reset: false }));
      } catch (error) {
        return error instanceof ApiError ? error.reason : String(error);
      }
    };
    expect(await from('999999')).toBe('Expired');
    expect(await from('soon')).toBe('BadRequest');
    const events = watch({}, { from: '999999' });
    expect([await next(events), await next(events)]).toEqual(['RESET', 'SYNCED']);
  });

  it('holds all events of one transaction in one message', async () => {
    const raw = rawWatch();
    await raw.next(); // synced
    await client.createBatch(Array.from({ length: 20 }, (_, i) => ({ kind: 'ConfigMap' as const, object: configMap(`c-${i}`) })));
    const message = await raw.next();
    expect(message.events).toHaveLength(20);
    expect(message.events[0]?.type).toBe(WatchEventType.WATCH_EVENT_TYPE_ADDED);
    expect(message.resourceVersion).toBe(message.events[0]?.object?.kind?.value.metadata?.resourceVersion);
    raw.end();
  });

  it('splits a transaction that is too large for a message, and lets nobody resume in its middle', async () => {
    const raw = rawWatch();
    const { resourceVersion: before } = await raw.next();
    const large = { x: 'x'.repeat(900_000) };
    server.running.store.transact({ actor: 'test', reason: 'many' }, (tx) => {
      for (let i = 0; i < 6; i++) tx.create('ConfigMap', { ...configMap(`c-${i}`, {}, large), apiVersion: 'v1', kind: 'ConfigMap' });
    });
    const messages: WatchResponse[] = [await raw.next(), await raw.next(), await raw.next()];
    expect(messages.map(({ events }) => events.length)).toEqual([2, 2, 2]);
    expect(messages.map(({ resourceVersion }) => resourceVersion)).toEqual(['', '', String(Number(before) + 1)]);
    raw.end();
  });
});

describe('a watch over a restart', () => {
  beforeEach(async () => {
    stop.abort();
    client.close();
    await server[Symbol.asyncDispose]();
    await start({ journal: 'sqlite' });
  });

  it('goes on where it was, and misses nothing', async () => {
    await client.create('ConfigMap', configMap('a'));
    const lost: string[] = [];
    const events = watch({}, { onLost: (error) => lost.push(error.reason) });
    expect([await next(events), await next(events)]).toEqual(['ADDED a', 'SYNCED']);
    const coming = next(events);
    await server.restart();
    await client.create('ConfigMap', configMap('b'));
    expect(await coming).toBe('ADDED b');
    expect(lost.length).toBeGreaterThan(0);
    expect(new Set(lost)).toEqual(new Set(['ServiceUnavailable']));
  });

  it('ends when it is told to, though no server is there', async () => {
    const lost = Promise.withResolvers<void>();
    const events = watch({}, { onLost: () => lost.resolve() });
    expect(await next(events)).toBe('SYNCED');
    const coming = next(events);
    await server.stop();
    await lost.promise;
    stop.abort();
    expect(await coming).toBe('end');
  });
});

describe('a watch over a restart that lost the history', () => {
  it('begins anew', async () => {
    for (const name of ['a', 'b', 'c', 'd']) await client.create('ConfigMap', configMap(name));
    const events = watch({ labelSelector: 'new' });
    expect(await next(events)).toBe('SYNCED');
    const coming = next(events);
    await server.restart(); // the journal was in memory
    expect(await coming).toBe('RESET');
    await client.create('ConfigMap', configMap('e', { new: '' }));
    const told = [await next(events), await next(events)];
    expect(told.sort()).toEqual(['ADDED e', 'SYNCED']);
  });
});

describe('a slow watcher', () => {
  it('holds no memory but its own buffer, and is told gone or everything', async () => {
    const raw = rawWatch({ 'grpc-node.flow_control_window': 65_535 });
    await raw.next();
    raw.pause();
    const value = 'x'.repeat(20_000);
    await client.create('ConfigMap', configMap('hot'));
    gc();
    const before = process.memoryUsage().heapUsed;
    // 60 MB of events, far more than sockets and ring (32 MB) hold.
    for (let i = 0; i < 3000; i++) {
      const { revision } = server.running.store.transact({ actor: 'test', reason: 'hot' }, (tx) => {
        tx.edit('ConfigMap', 'default', 'hot', (draft) => {
          draft.data = { i: String(i), value: `${i}${value}` };
        });
      });
      if (i % 100 === 0) await server.running.store.durable(revision);
    }
    gc();
    const grown = process.memoryUsage().heapUsed - before;
    expect(grown).toBeLessThan(64 * 1024 * 1024);
    raw.resume();
    // Either all of it was kept in the ring, or the watcher learns that it missed something.
    const last = await raw.last();
    expect(last === 'OUT_OF_RANGE' || last === '2999').toBe(true);
    raw.end();
  });
});

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;

interface RawWatch {
  next(): Promise<WatchResponse>;
  pause(): void;
  resume(): void;
  /** Value of "i" in the newest event once it is 2999, or the name of the code that the call ended with. */
  last(): Promise<string>;
  end(): void;
}

/** One call of Objects.Watch as it is on the wire. */
function rawWatch(options: Record<string, number> = {}): RawWatch {
  const one = channel(server, { certificate: server.context.clientCertificate, key: server.context.clientKey }, options);
  const { path, requestSerialize, responseDeserialize } = ObjectsService.watch;
  const request = { kind: 'ConfigMap', namespace: '', labelSelector: '', fieldSelector: MINE, resourceVersion: '' };
  const call = one.makeServerStreamRequest(path, requestSerialize, responseDeserialize, request, new Metadata(), {});
  const waiting: ((message: WatchResponse) => void)[] = [];
  const arrived: WatchResponse[] = [];
  const last = Promise.withResolvers<string>();
  call.on('data', (message: WatchResponse) => {
    const kind = message.events.at(-1)?.object?.kind;
    if (kind?.$case === 'configMap' && kind.value.data['i'] === '2999') last.resolve('2999');
    const taker = waiting.shift();
    if (taker === undefined) arrived.push(message);
    else taker(message);
  });
  call.on('error', (error: Error & { code?: number }) => last.resolve(error.code === 11 ? 'OUT_OF_RANGE' : error.message));
  return {
    next: () => {
      const message = arrived.shift();
      return message === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(message);
    },
    pause: () => void call.pause(),
    resume: () => void call.resume(),
    last: () => last.promise,
    end: () => {
      call.cancel();
      one.close();
    },
  };
}
