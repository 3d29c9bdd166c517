// `podplane down`: ends what `podplane up` started and removes all of it: containers, networks, volumes, data.
import { existsSync } from 'node:fs';
import type { Io } from '../io.js';
import { DataDir } from './data-dir.js';
import { endProcess, isAlive } from './processes.js';

const GRACE_MS = 15_000;

export interface DownWorld {
  readonly io: Io;
  /** Removes everything on the engine that belongs to a node; false: the name is another data directory's by now, nothing was touched. */
  readonly removeNode: (name: string, machineId: string | undefined) => Promise<boolean>;
  /** Forgets the context of this cluster. */
  readonly unpublish: (contextFile: string) => Promise<void>;
}

export async function down(world: DownWorld, folder: string): Promise<void> {
  const { io } = world;
  const data = new DataDir(folder);
  const noted = data.readUp();
  const names = [...new Set([...data.agentNames(), ...(noted?.agents.map(({ name }) => name) ?? [])])];
  if (noted === undefined && names.length === 0 && !existsSync(data.server)) {
    io.err(`Nothing of podplane up is in ${data.root}.\n`);
    return;
  }
  if (noted !== undefined) {
    // up ends its own children; what it cannot end any more is ended here.
    await endProcess(io.system, noted.up, GRACE_MS);
    const left = [noted.server, ...noted.agents].filter(isAlive);
    await Promise.all(left.map((one) => endProcess(io.system, one, GRACE_MS)));
  }
  for (const name of names) {
    io.err(`Removing containers, networks and volumes of ${name} ...\n`);
    if (!(await world.removeNode(name, data.machineId(name)))) io.err(`${name} belongs to another cluster by now: left alone.\n`);
  }
  const { removePodFiles } = await import('@podplane/agent/volumes/clean-up');
  for (const name of data.agentNames()) await removePodFiles(data.agent(name));
  await world.unpublish(data.contextFile);
  data.remove();
  io.out(
    `Removed: ${names.length === 0 ? 'the server' : `the server and ${names.length === 1 ? 'node' : 'nodes'} ${names.join(', ')}`}, with their data in ${data.root}.\n`,
  );
}

/** Removes what nodes have left on the engine whose data directories are gone. */
export async function removeLeftovers(world: Pick<DownWorld, 'io' | 'removeNode'>, names: readonly string[]): Promise<void> {
  for (const name of names) {
    await world.removeNode(name, undefined);
    world.io.out(`Removed containers, networks and volumes of ${name}.\n`);
  }
}
