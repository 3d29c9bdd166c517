// What `podplane up` keeps in its data directory, and where: the one description that up, down, server and agent share.
//   up.json        who runs: {"up", "server", "agents"} with pids and addresses
//   context.json   how to reach the cluster, with an administrator's certificate
//   cluster-cidr   the range of all pods' addresses, chosen at the first start
//   server/        the control plane's data;  agents/NAME/  one node's;  logs/NAME.log
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { ProcessRef } from './processes.js';

export interface UpProcess {
  readonly pid: number;
  readonly startTime: number;
  /** Of the server: where it listens. Of an agent: which server it dials. */
  readonly address: string;
}

export interface UpFile {
  readonly up: ProcessRef;
  readonly server: UpProcess;
  readonly agents: readonly (UpProcess & { readonly name: string })[];
}

export class DataDir {
  readonly root: string;

  constructor(root: string) {
    this.root = resolve(root);
  }

  get upFile(): string {
    return join(this.root, 'up.json');
  }
  get contextFile(): string {
    return join(this.root, 'context.json');
  }
  get rangeFile(): string {
    return join(this.root, 'cluster-cidr');
  }
  get server(): string {
    return join(this.root, 'server');
  }
  get agents(): string {
    return join(this.root, 'agents');
  }
  agent(name: string): string {
    return join(this.agents, name);
  }
  /** The machine id of a node's data directory; undefined: it never started. */
  machineId(name: string): string | undefined {
    try {
      return readFileSync(join(this.agent(name), 'machine-id'), 'utf8').trim() || undefined;
    } catch {
      return undefined;
    }
  }
  get logs(): string {
    return join(this.root, 'logs');
  }
  log(name: string): string {
    return join(this.logs, `${name}.log`);
  }

  /** Names of nodes that have data here. */
  agentNames(): readonly string[] {
    try {
      return readdirSync(this.agents, { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map(({ name }) => name)
        .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
    } catch {
      return [];
    }
  }

  /** Who runs, as noted; undefined where nothing (readable) is noted. */
  readUp(): UpFile | undefined {
    let text: string;
    try {
      text = readFileSync(this.upFile, 'utf8');
    } catch {
      return undefined;
    }
    return parseUpFile(text);
  }

  writeUp(up: UpFile): void {
    writeWhole(this.upFile, `${JSON.stringify(up, undefined, 2)}\n`);
  }

  removeUp(): void {
    rmSync(this.upFile, { force: true });
  }

  /** The range that this cluster got at its first start. */
  readRange(): string | undefined {
    try {
      return readFileSync(this.rangeFile, 'utf8').trim() || undefined;
    } catch {
      return undefined;
    }
  }

  writeRange(range: string): void {
    writeWhole(this.rangeFile, `${range}\n`);
  }

  /** Removes what up makes, and the folder itself where nothing else is in it. */
  remove(): void {
    for (const path of [this.server, this.agents, this.logs, this.upFile, this.contextFile, this.rangeFile])
      rmSync(path, { recursive: true, force: true });
    try {
      rmdirSync(this.root);
    } catch {} // not empty (somebody's own files), or gone: both are fine
  }
}

/** Makes a folder and those above it. Step by step: where the system makes none at all (/proc), Node's own way never ends. */
export function makeFolder(folder: string, mode = 0o755): void {
  if (existsSync(folder)) return;
  makeFolder(dirname(folder));
  try {
    mkdirSync(folder, { mode });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error; // another process was faster
  }
}

/** Readers never see half a file. */
export function writeWhole(file: string, text: string, mode = 0o644): void {
  const temporary = `${file}.${process.pid}.new`;
  writeFileSync(temporary, text, { mode });
  renameSync(temporary, file);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function processOf(value: unknown): UpProcess | undefined {
  if (!isRecord(value)) return undefined;
  const { pid, startTime, address } = value;
  if (typeof pid !== 'number' || !Number.isSafeInteger(pid) || pid < 0) return undefined;
  return { pid, startTime: typeof startTime === 'number' ? startTime : 0, address: typeof address === 'string' ? address : '' };
}

/** The content of up.json; undefined where it is damaged. */
export function parseUpFile(text: string): UpFile | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isRecord(value) || !Array.isArray(value['agents'])) return undefined;
  const server = processOf(value['server']);
  const up = processOf(value['up']) ?? { pid: 0, startTime: 0 };
  if (server === undefined) return undefined;
  const agents: (UpProcess & { name: string })[] = [];
  for (const item of value['agents'] as readonly unknown[]) {
    const agent = processOf(item);
    if (agent === undefined || !isRecord(item) || typeof item['name'] !== 'string') return undefined;
    agents.push({ name: item['name'], ...agent });
  }
  return { up: { pid: up.pid, startTime: up.startTime }, server, agents };
}
