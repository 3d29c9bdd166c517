// Cluster.LoadImage: one archive from a client to the nodes that lack the image. It is taken in once, into a file, and sent from
// there to a few nodes at a time, each at its own pace: a slow node delays only itself.
import { createReadStream } from 'node:fs';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ApiError, badRequest, notFound, serviceUnavailable } from '@podplane/api/errors';
import type { LoadImageProgress, LoadImageRequest, LoadImageResponse, LoadImageStart } from '@podplane/api/gen/podplane/api/v1/cluster';
import type { System } from '@podplane/api/system';
import type { Store } from '@podplane/store/types';
import { nodeError, type TunnelPeer, type Tunnels } from '../tunnels/tunnels.js';
import type { Outlet } from './outlet.js';
import type { Encoded } from './service.js';
import { toApiError } from './status.js';

export interface ImageParts {
  readonly store: Store;
  readonly tunnels: Pick<Tunnels, 'open'>;
  readonly system: System;
  readonly connectedNodes: () => readonly string[];
  /** Folder for archives on their way. */
  readonly spoolDirectory: string;
}

type Out = Outlet<LoadImageResponse | Encoded>;

const AT_ONCE = 8;
/** A node that takes nothing for this long is given up, ms; so is one whose engine does not finish in that time after the last byte. */
const STUCK_MS = 60_000;
const LOADING_MS = 15 * 60_000;
/** Asking all nodes whether they have the image may be done more widely than sending it. */
const ASK_AT_ONCE = 32;
const CHUNK_BYTES = 256 * 1024;
const PROGRESS_BYTES = 8 * 1024 * 1024;

/** Rejects with ApiError where nothing could be done at all; what went wrong on one node is told in its progress. */
export async function loadImage(
  parts: ImageParts,
  input: AsyncGenerator<LoadImageRequest, void, void>,
  out: Out,
  signal: AbortSignal,
): Promise<void> {
  const start = await readStart(input);
  const nodes = targets(parts, start);
  const tell = (progress: LoadImageProgress): Promise<void> => out.write({ message: { $case: 'progress', value: progress } });
  const needing: { readonly node: string; readonly peer: TunnelPeer }[] = [];
  try {
    await eachOf(nodes, ASK_AT_ONCE, async (node) => {
      try {
        const peer = await ask(parts, node, start, signal);
        if (peer === undefined) return await tell(progress(node, 'present', 0));
        needing.push({ node, peer });
        return await tell(progress(node, 'waiting', 0));
      } catch (error) {
        return await tell(failed(node, error, signal));
      }
    });
    if (needing.length === 0) return;
    await out.write({ message: { $case: 'sendData', value: true } });
    const folder = await mkdtemp(join(parts.spoolDirectory, 'image-'));
    try {
      const file = join(folder, 'archive.tar');
      await spool(input, file, start.size);
      await eachOf(needing, AT_ONCE, async ({ node, peer }) => {
        try {
          await send(parts.system, peer, file, (bytes) => tell(progress(node, 'receiving', bytes)), signal);
          await tell(progress(node, 'loaded', start.size));
        } catch (error) {
          await tell(failed(node, error, signal));
        }
      });
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  } finally {
    for (const { peer } of needing) peer.close();
  }
}

async function readStart(input: AsyncGenerator<LoadImageRequest, void, void>): Promise<LoadImageStart> {
  const first = await input.next();
  const message = first.done === true ? undefined : first.value.message;
  if (message?.$case !== 'start') throw badRequest('the first message must be start');
  if (message.value.image === '') throw badRequest('image: Required value');
  return message.value;
}

function targets({ store, connectedNodes }: ImageParts, start: LoadImageStart): readonly string[] {
  const connected = connectedNodes();
  if (start.nodes.length === 0) {
    if (connected.length === 0) throw serviceUnavailable('no node is connected', { advice: 'See podplane get nodes.' });
    return connected.toSorted();
  }
  const unknown = start.nodes.find((node) => store.durableView.get('Node', '', node) === undefined);
  if (unknown !== undefined) throw notFound('Node', '', unknown);
  return [...new Set(start.nodes)];
}

function progress(node: string, state: 'present' | 'waiting' | 'receiving' | 'loaded', receivedBytes: number): LoadImageProgress {
  return { node, state, receivedBytes, error: '' };
}

/** What went wrong on one node. A caller that has gone away is nobody to tell. */
function failed(node: string, error: unknown, signal: AbortSignal): LoadImageProgress {
  signal.throwIfAborted();
  return { node, state: 'failed', receivedBytes: 0, error: toApiError(error).message };
}

/** The open tunnel of a node that needs the image; undefined: it has it. */
async function ask(
  { tunnels }: ImageParts,
  node: string,
  { image, imageId }: LoadImageStart,
  signal: AbortSignal,
): Promise<TunnelPeer | undefined> {
  const peer = await tunnels.open(node, { $case: 'image', value: { image, imageId } }, signal);
  const answer = await peer.messages.next();
  const message = answer.done === true ? undefined : answer.value;
  if (message?.$case === 'ready') return peer;
  peer.close();
  if (message?.$case === 'present') return undefined;
  if (message?.$case === 'error') throw nodeError(message.value.reason, message.value.message);
  throw serviceUnavailable(`the connection to node ${node} broke`);
}

/** Takes the archive in. Rejects with ApiError where it is cut short, or the disk is full. */
async function spool(input: AsyncGenerator<LoadImageRequest, void, void>, file: string, size: number): Promise<void> {
  const handle = await open(file, 'wx', 0o600);
  let bytes = 0;
  try {
    for await (const { message } of input) {
      if (message?.$case === 'end') {
        if (size > 0 && bytes !== size) throw badRequest(`the archive has ${bytes} bytes instead of the ${size} that were announced`);
        return;
      }
      if (message?.$case !== 'data') throw badRequest('after start there may only be data, and end');
      bytes += message.value.byteLength;
      await handle.writeFile(message.value);
    }
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOSPC') {
      throw new ApiError('ServiceUnavailable', 'the disk of the server is full', {
        advice: "Make room in the server's data directory.",
        cause: error,
      });
    }
    throw error;
  } finally {
    await handle.close();
  }
  throw badRequest('the archive was cut short: no end came');
}

/** Sends the archive to one node and waits until the node has loaded it. */
async function send(
  system: System,
  peer: TunnelPeer,
  file: string,
  receiving: (bytes: number) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  let bytes = 0;
  let told = 0;
  await receiving(0);
  for await (const chunk of createReadStream(file, { highWaterMark: CHUNK_BYTES, signal })) {
    const data = chunk as Buffer; // no encoding was set
    await within(system, STUCK_MS, peer.write({ $case: 'data', value: data }), 'the node has taken nothing for a minute');
    bytes += data.byteLength;
    if (bytes - told < PROGRESS_BYTES) continue;
    told = bytes;
    await receiving(bytes);
  }
  await peer.write({ $case: 'closed', value: true });
  await receiving(bytes);
  await within(system, LOADING_MS, loaded(peer), 'the engine has not finished loading the image within 15 minutes');
}

/** Waits for the node's word that its engine has the image. */
async function loaded(peer: TunnelPeer): Promise<void> {
  for await (const message of peer.messages) {
    if (message.$case === 'error') throw nodeError(message.value.reason, message.value.message);
    if (message.$case !== 'exit') continue;
    if (message.value.code !== 0) throw nodeError('InternalError', `the engine refused the image (${message.value.code})`);
    return;
  }
  throw serviceUnavailable('the connection to the node broke');
}

/** Rejects with ApiError Timeout where the promise takes too long; what it does afterwards is nobody's concern. */
function within(system: System, ms: number, promise: Promise<void>, message: string): Promise<void> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = system.timers.after(ms, () => reject(new ApiError('Timeout', message)));
  return Promise.race([promise, late]).finally(() => timer.cancel());
}

/** Runs fn for all items, a few at a time. Rejects with the first error; the others are waited for. */
async function eachOf<T>(items: readonly T[], atOnce: number, fn: (item: T) => Promise<void>): Promise<void> {
  const left = items.values();
  const worker = async (): Promise<void> => {
    for (const item of left) await fn(item);
  };
  const results = await Promise.allSettled(Array.from({ length: Math.min(atOnce, items.length) }, worker));
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}
