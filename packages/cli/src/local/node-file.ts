// What `podplane agent` keeps in its data directory, so that it can be started again without flags: node.json.
import { readFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { CliError, usage } from '../exit-codes.js';
import { DataDir, makeFolder, type UpFile, writeWhole } from './data-dir.js';
import { isAlive, type ProcessRef } from './processes.js';

export interface NodeFile {
  readonly name: string;
  /** host:port */
  readonly server: string;
  readonly labels: Readonly<Record<string, string>>;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const fileIn = (folder: string): string => join(folder, 'node.json');

/** What was kept; undefined where nothing was. Throws a CliError where it is damaged. */
export function readNodeFile(folder: string): NodeFile | undefined {
  let text: string;
  try {
    text = readFileSync(fileIn(folder), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  const damaged = new CliError(`${fileIn(folder)} is damaged`, { advice: 'Give --name and --server once more; it is written anew.' });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw Object.assign(damaged, { cause: error });
  }
  if (!isRecord(value) || typeof value['name'] !== 'string' || typeof value['server'] !== 'string') throw damaged;
  const labels = isRecord(value['labels'])
    ? Object.fromEntries(Object.entries(value['labels']).filter((entry): entry is [string, string] => typeof entry[1] === 'string'))
    : {};
  return { name: value['name'], server: value['server'], labels };
}

export function writeNodeFile(folder: string, node: NodeFile): void {
  try {
    makeFolder(resolve(folder), 0o700);
    writeWhole(fileIn(folder), `${JSON.stringify(node, undefined, 2)}\n`);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new CliError(`the data directory ${resolve(folder)} cannot be written (${code})`, {
      advice: 'Give it to this user (chown), or choose another one with --data.',
      cause: error,
    });
  }
}

/** name=value,name=value */
export function parseLabels(text: string): Readonly<Record<string, string>> {
  const labels: Record<string, string> = {};
  for (const part of text.split(',').filter((one) => one !== '')) {
    const at = part.indexOf('=');
    if (at <= 0) throw usage(`--labels: "${part}" is not of the form name=value`);
    labels[part.slice(0, at)] = part.slice(at + 1);
  }
  return labels;
}

/** The up.json that a process of a data directory belongs to: DATA/agents/NAME and DATA/server. undefined where there is none. */
function upOf(folder: string): { readonly data: DataDir; readonly up: UpFile } | undefined {
  const full = resolve(folder);
  const isAgent = basename(dirname(full)) === 'agents';
  if (!isAgent && basename(full) !== 'server') return undefined;
  const data = new DataDir(isAgent ? dirname(dirname(full)) : dirname(full));
  const up = data.readUp();
  return up === undefined ? undefined : { data, up };
}

/** An agent of `podplane up` that was started again by hand is noted in up.json under its new pid. */
export function noteAgent(folder: string, node: NodeFile, ref: ProcessRef): void {
  const found = upOf(folder);
  const noted = found?.up.agents.find(({ name }) => name === node.name);
  // A second agent started by mistake ends at once (the data is in use): the first one stays noted.
  if (found === undefined || noted === undefined || isAlive(noted)) return;
  const agents = found.up.agents.map((agent) => (agent.name === node.name ? { name: node.name, ...ref, address: node.server } : agent));
  found.data.writeUp({ ...found.up, agents });
}

/** The same for its server. */
export function noteServer(folder: string, address: string, ref: ProcessRef): void {
  const found = upOf(folder);
  if (found === undefined || (found.up.server.pid === ref.pid && found.up.server.address === address)) return;
  found.data.writeUp({ ...found.up, server: { ...ref, address } });
}
