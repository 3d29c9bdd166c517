// `podplane up` and `down`: a whole cluster on this machine. One process of it: server.ts, agent.ts.

import { existsSync, rmSync } from 'node:fs';
import { homedir, networkInterfaces } from 'node:os';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { dialFile } from '../connect.js';
import { usage } from '../exit-codes.js';
import { goOnWithoutReaders, type Io } from '../io.js';
import { down, removeLeftovers } from '../local/down.js';
import { engineNetworks, engineSocket } from '../local/engine.js';
import { portOption } from '../local/port-option.js';
import { type UpOptions, up } from '../local/up.js';
import type { Session } from '../session.js';
import { countOption } from '../time.js';
import { timingFlags, withTimings } from './server-timings.js';

function nodesOption(text: string): number {
  const count = countOption(text);
  if (count < 1 || count > 50) throw usage(`--nodes: ${text} is not between 1 and 50`);
  return count;
}

export function registerLocal(program: Command, { io }: Session): void {
  const command = program
    .command('up')
    .summary('start a control plane and nodes on this machine')
    .description(
      'Starts a control plane and nodes on this machine, and runs until Ctrl-C. Pods go on running then; the next start takes them over.',
    )
    .option('--nodes <count>', 'how many nodes', nodesOption, 3)
    .option('--data <folder>', 'where everything is kept', 'data')
    .option('--port <port>', 'where the control plane listens; 0: any free one', portOption, 6443)
    .option('--address <address>', 'on which address it listens', '127.0.0.1')
    .option('--node-prefix <word>', 'names of nodes: WORD-1, WORD-2, ...', 'node')
    .option('--cluster-cidr <range>', "all pods' addresses (default: chosen at the first start, so that it overlaps nothing here)");
  withTimings(command).action(async (options: Omit<UpOptions, 'serverFlags'>) => {
    if (!/^[a-z0-9]([-a-z0-9]{0,50}[a-z0-9])?$/.test(options.nodePrefix))
      throw usage(`--node-prefix: "${options.nodePrefix}" cannot be the start of a name`, 'Use a-z, 0-9 and -.');
    const serverFlags = timingFlags(command);
    goOnWithoutReaders();
    // Loaded while the server starts; where it fails, dialling says so.
    Promise.all([import('@podplane/client/context'), import('@podplane/client/client')]).catch(() => undefined);
    const world = {
      io,
      dial: (file: string) => dialFile(file, io.system),
      networks: () => engineNetworks(engineSocket(io.env)),
      ownRanges,
      publish: (file: string) => publish(io, file),
    };
    await up(world, { ...options, serverFlags, data: resolve(io.cwd, options.data) });
    process.exitCode = 0;
  });
  program
    .command('down')
    .summary('stop and remove what up started')
    .description('Stops what up started and removes all of it: containers, networks, volumes and data.')
    .option('--data <folder>', 'the folder that was given to up', 'data')
    .option('--leftovers <names>', 'only remove what nodes of these names (with commas) left on the engine, whose data is gone')
    .action(async (options: { readonly data: string; readonly leftovers?: string }) => {
      goOnWithoutReaders();
      const removeNode = async (name: string, machineId: string | undefined): Promise<boolean> => {
        const { DockerRuntime } = await import('@podplane/agent/runtime/docker/docker-runtime');
        const { isRuntimeError } = await import('@podplane/agent/runtime/errors');
        const { removeNodeCgroups } = await import('@podplane/agent/cgroups/clean-up');
        const runtime = new DockerRuntime(io.system, {
          socketPath: engineSocket(io.env),
          ...(machineId === undefined ? {} : { machineId }),
        });
        try {
          await runtime.removeNode(name);
          await runtime.removeClaimedVolumes(name);
          await removeNodeCgroups(await runtime.info(), name);
          return true;
        } catch (error) {
          if (isRuntimeError(error, 'name-taken')) return false;
          throw error;
        }
      };
      if (options.leftovers !== undefined) {
        const names = options.leftovers.split(',').filter((name) => name !== '');
        return await removeLeftovers({ io, removeNode }, names);
      }
      await down({ io, removeNode, unpublish: (file) => unpublish(io, file) }, resolve(io.cwd, options.data));
    });
}

function ownRanges(): readonly string[] {
  return Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    .flatMap(({ cidr }) => cidr ?? []);
}

const PUBLISHED = join('.podplane', 'context.json');

/** Makes the context the one that commands in this folder find. Where PODPLANE_CONTEXT is set, the person finds it by that. */
async function publish(io: Io, file: string): Promise<void> {
  if (io.env['PODPLANE_CONTEXT']) return;
  const { findContext, readContext, writeContext } = await import('@podplane/client/context');
  const found = await findContext({ env: {}, cwd: io.cwd, home: homedir() }).catch(() => undefined);
  if (found?.file === resolve(file)) return;
  await writeContext(join(io.cwd, PUBLISHED), await readContext(file));
}

async function unpublish(io: Io, file: string): Promise<void> {
  const { readContext } = await import('@podplane/client/context');
  const published = join(io.cwd, PUBLISHED);
  if (!existsSync(published)) return;
  const [ours, theirs] = await Promise.all([readContext(file).catch(() => undefined), readContext(published).catch(() => undefined)]);
  if (ours !== undefined && ours.caCertificate === theirs?.caCertificate) rmSync(published, { force: true });
}
