// Bringing an image to nodes of which some never take it, on a clock that is moved by hand.
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LoadImageProgress, LoadImageRequest, LoadImageResponse } from '@podplane/api/gen/podplane/api/v1/cluster';
import { catalogueCodecs } from '@podplane/store/catalogue-codecs';
import { memoryJournal } from '@podplane/store/journals/memory';
import { createStore } from '@podplane/store/store';
import { HandSystem } from '@podplane/store/testkit/hand-system';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { TunnelMessage, TunnelPeer } from '../tunnels/tunnels.js';
import { type ImageParts, loadImage } from './load-image.js';
import { Outlet } from './outlet.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'podplane-image-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** A node that takes everything at once, or nothing ever. */
function node(takes: boolean): TunnelPeer & { readonly closed: Promise<void> } {
  const closed = Promise.withResolvers<void>();
  const finished = Promise.withResolvers<void>();
  async function* messages(): AsyncGenerator<TunnelMessage, void, void> {
    yield { $case: 'ready', value: true };
    await finished.promise;
    yield { $case: 'exit', value: { code: 0 } };
  }
  return {
    messages: messages(),
    write: (message) => {
      if (message.$case === 'closed') finished.resolve();
      return takes ? Promise.resolve() : new Promise(() => undefined);
    },
    close: () => closed.resolve(),
    closed: closed.promise,
  };
}

it('gives up on nodes that take nothing, and brings it to all others', async () => {
  const system = new HandSystem();
  const store = await createStore({ system, journal: memoryJournal(), codecs: catalogueCodecs });
  const names = Array.from({ length: 20 }, (_, i) => `n${String(i).padStart(2, '0')}`);
  const nodes = new Map(names.map((name, i) => [name, node(i >= 10)])); // more stuck ones than are served at once
  const parts: ImageParts = {
    store,
    system,
    tunnels: { open: (name) => Promise.resolve(nodes.get(name) ?? node(false)) },
    connectedNodes: () => names,
    spoolDirectory: folder,
  };
  const told: LoadImageProgress[] = [];
  const sent = Promise.withResolvers<void>();
  const call = {
    write: ({ message }: LoadImageResponse, done: () => void): boolean => {
      if (message?.$case === 'progress') told.push(message.value);
      if (message?.$case === 'sendData') sent.resolve();
      done();
      return true;
    },
    once: () => undefined,
    removeListener: () => undefined,
  };
  async function* input(): AsyncGenerator<LoadImageRequest, void, void> {
    yield { message: { $case: 'start', value: { image: 'web:1', imageId: 'sha256:1', size: 1000, nodes: [] } } };
    await sent.promise;
    yield { message: { $case: 'data', value: Buffer.alloc(1000) } };
    yield { message: { $case: 'end', value: true } };
  }
  const { signal } = new AbortController();
  let over = false;
  const done = loadImage(parts, input(), new Outlet(call, signal) as Parameters<typeof loadImage>[2], signal).finally(
    () => void (over = true),
  );
  while (!over) {
    await new Promise((resolve) => setImmediate(resolve)); // files take real time
    await system.advance(1000);
  }
  await done;
  const last = new Map(told.map((progress) => [progress.node, progress]));
  expect(names.slice(0, 10).map((name) => last.get(name)?.error)).toEqual(Array(10).fill('the node has taken nothing for a minute'));
  expect(names.slice(10).map((name) => last.get(name)?.state)).toEqual(Array(10).fill('loaded'));
  await Promise.all([...nodes.values()].map(({ closed }) => closed));
  expect(await readdir(folder)).toEqual([]);
  await store.close();
});
