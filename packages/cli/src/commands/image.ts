// `podplane image load`: brings an image of this machine to the nodes, over the connections that their agents opened.
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { ArchiveError, readArchive } from '@podplane/agent/images/archive';
import type { LoadImageProgress, LoadImageRequest, LoadImageResponse } from '@podplane/api/gen/podplane/api/v1/cluster';
import type { Command } from 'commander';
import type { Conversation } from '../cluster.js';
import { CliError, EXIT_FAILED } from '../exit-codes.js';
import type { Io } from '../io.js';
import { engineSocket, localImage, saveImage } from '../local/engine.js';
import { collect } from '../manifests.js';
import { type Progress, startProgress } from '../output/progress.js';
import type { Session } from '../session.js';
import { spent } from '../time.js';

/** One message on the stream; far under the limit of 4 MiB for a message. */
const PIECE_BYTES = 256 * 1024;

interface Source {
  readonly image: string;
  readonly imageId: string;
  /** Bytes of the archive; 0 where unknown. */
  readonly size: number;
  open(): Promise<AsyncIterable<Uint8Array>>;
}

/** "web" is "web:latest" for every engine. */
function withTag(name: string): string {
  return /[:@][^/]*$/.test(name) ? name : `${name}:latest`;
}

/** The images that a name or a file stands for. A file wins where there are both. */
async function sourcesOf(io: Io, given: string): Promise<readonly Source[]> {
  const path = resolve(io.cwd, given);
  const about = await stat(path).catch(() => undefined);
  if (about?.isFile()) {
    const images = await readArchive(createReadStream(path)).catch((error: unknown) => {
      if (error instanceof ArchiveError) throw new CliError(`${given}: ${error.message}`, { advice: 'Make one: docker save NAME -o FILE' });
      throw error;
    });
    const sources = images.flatMap(({ names, id }) =>
      names.map((image) => ({
        image,
        imageId: id,
        size: about.size,
        open: async () => createReadStream(path, { highWaterMark: PIECE_BYTES }),
      })),
    );
    if (sources.length === 0)
      throw new CliError(`${given}: its images have no names`, { advice: 'Save them by name: docker save NAME:TAG -o FILE' });
    return sources;
  }
  const looksLikeFile = /\.(tar|tar\.gz|tgz)$/.test(given);
  if (looksLikeFile) throw new CliError(`the file "${given}" does not exist`);
  const socket = engineSocket(io.env);
  const found = await localImage(socket, given);
  if (found === undefined)
    throw new CliError(`this machine's Docker Engine has no image "${given}", and there is no such file`, {
      advice: 'docker images shows what it has.',
    });
  return [{ image: withTag(given), imageId: found.id, size: 0, open: () => saveImage(socket, given) }];
}

function bytes(count: number): string {
  return count < 1_000_000 ? `${Math.round(count / 1000)} kB` : `${(count / 1_000_000).toFixed(1)} MB`;
}

export function registerImage(program: Command, session: Session): void {
  const image = program.command('image').summary('bring images to the nodes').description('Brings images to the nodes without a registry.');
  image
    .command('load')
    .description('Brings an image of this machine to the nodes. Nodes that have it are skipped.')
    .argument('<images...>', "names of this machine's images, or files made by docker save")
    .option('--node <names>', 'only to these nodes (several with commas)', collect)
    .action(async (given: string[], options: { readonly node?: readonly string[] }, command: Command) => {
      const { io } = session;
      const sources = (await Promise.all(given.map((one) => sourcesOf(io, one)))).flat();
      const { cluster } = await session.open(command);
      for (const source of sources) {
        const progress = startProgress(io);
        try {
          await load(io, cluster.loadImage(io.signal), source, options.node ?? [], progress);
        } finally {
          progress.stop();
        }
      }
    });
}

/** One image to its nodes. Sets the exit code where a node failed. */
async function load(
  io: Io,
  call: Conversation<LoadImageRequest, LoadImageResponse>,
  source: Source,
  nodes: readonly string[],
  progress: Progress,
): Promise<void> {
  const began = io.system.clock.monotonic();
  const states = new Map<string, LoadImageProgress>();
  let sent = 0;
  let sending: Promise<void> | undefined;
  const send = async (): Promise<void> => {
    for await (const chunk of await source.open()) {
      for (let at = 0; at < chunk.length; at += PIECE_BYTES) {
        const data = Buffer.from(chunk.subarray(at, at + PIECE_BYTES));
        await call.write({ message: { $case: 'data', value: data } });
        sent += data.length;
        show();
      }
    }
    await call.write({ message: { $case: 'end', value: true } });
    call.end();
  };
  const show = (): void => {
    const words = [...states.values()]
      .filter(({ state }) => state !== 'present')
      .map(
        ({ node, state, receivedBytes }) =>
          `${node} ${state}${state === 'receiving' && receivedBytes > 0 ? ` ${bytes(receivedBytes)}` : ''}`,
      );
    const share = source.size > 0 ? ` of ${bytes(source.size)}` : '';
    // Numbers change all the time: on a terminal only, elsewhere each would be a line.
    progress.say(
      io.live
        ? `${source.image}: sent ${bytes(sent)}${share}; ${words.join(', ')}`
        : `${source.image}: ${[...states.values()].map(({ node, state }) => `${node} ${state}`).join(', ')}`,
    );
  };
  try {
    await call.write({
      message: { $case: 'start', value: { image: source.image, imageId: source.imageId, size: source.size, nodes: [...nodes] } },
    });
    for await (const { message } of call) {
      if (message?.$case === 'sendData') {
        sending = send();
        sending.catch(() => call.cancel()); // thrown below
      } else if (message?.$case === 'progress') {
        states.set(message.value.node, message.value);
        show();
      }
    }
    await sending;
  } catch (error) {
    await sending; // where reading the image failed, that is the reason
    throw error;
  } finally {
    call.cancel();
  }
  progress.stop();
  const time = spent(io.system.clock.monotonic() - began);
  for (const { node, state, error } of [...states.values()].toSorted((a, b) => (a.node < b.node ? -1 : 1))) {
    if (state === 'failed') {
      process.exitCode = EXIT_FAILED;
      io.err(`error: ${source.image}: ${node}: ${error}\n`);
    } else io.out(`${source.image}: ${node}: ${state === 'present' ? 'is there already' : `${state} (${time})`}\n`);
  }
  if (states.size === 0) throw new CliError(`${source.image}: there is no node to bring it to`);
}
