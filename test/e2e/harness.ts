// A whole cluster on this machine's Docker Engine, driven as a user drives it: by the built `podplane` command. Everything has a random
// name and is removed at the end. What is checked with it is in the tests beside.
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';

export const ROOT = path.resolve(
  import.meta.dirname,
  existsSync(path.join(import.meta.dirname, '../../package.json')) ? '../..' : '../../..',
);
const NODE = path.join(ROOT, 'node_modules/.bin/node');
const PODPLANE = path.join(ROOT, 'packages/cli/bin/podplane.js');

export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly ms: number;
}

export interface UpFile {
  readonly server: { readonly pid: number; readonly address: string };
  readonly agents: readonly { readonly name: string; readonly pid: number; readonly address: string }[];
}

/** How long a cluster may take to start. */
const START_MS = 120_000;

const SOCKET = (process.env.DOCKER_HOST ?? 'unix:///var/run/docker.sock').replace(/^unix:\/\//, '');

/** The engine's HTTP API, without any library: what the tests say about containers must not come from the code under test. */
export function engine<T>(method: string, requestPath: string, body?: object, socketPath = SOCKET): Promise<T> {
  return new Promise((resolve, reject) => {
    const request = http.request(
      { socketPath, method, path: requestPath, timeout: 60_000, headers: body === undefined ? {} : { 'content-type': 'application/json' } },
      (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (piece: string) => {
          text += piece;
        });
        response.on('end', () => {
          if ((response.statusCode ?? 500) >= 400) reject(new Error(`engine: ${method} ${requestPath}: ${response.statusCode} ${text}`));
          else resolve((text === '' ? undefined : JSON.parse(text)) as T);
        });
      },
    );
    request.on('error', reject).end(body === undefined ? undefined : JSON.stringify(body));
  });
}

/** Removes a container, with its anonymous volumes. One that is gone already, or goes just now, is as good. */
export async function removeContainer(id: string, socketPath = SOCKET): Promise<void> {
  try {
    await engine('DELETE', `/containers/${id}?force=1&v=1`, undefined, socketPath);
  } catch (error) {
    const there = await engine<readonly { readonly Id: string; readonly State: string }[]>(
      'GET',
      '/containers/json?all=1',
      undefined,
      socketPath,
    );
    if (there.some(({ Id, State }) => Id === id && State !== 'removing')) throw error;
  }
}

/** Whether an engine answers. With CI set, none is a failure; otherwise the caller skips, and this says so loudly. */
export async function engineAnswers(): Promise<boolean> {
  try {
    await engine('GET', '/version');
    return true;
  } catch (error) {
    if (process.env.CI === 'true') throw new Error('CI=true and no Docker Engine answers: the end-to-end tests must run', { cause: error });
    process.stderr.write('\n*** NO DOCKER ENGINE ANSWERS: the end-to-end tests are SKIPPED ***\n\n');
    return false;
  }
}

export interface EngineContainer {
  readonly Id: string;
  readonly State: string;
  readonly Labels: Readonly<Record<string, string>>;
}

export class Playground {
  readonly directory = mkdtempSync(path.join(tmpdir(), 'podplane-e2e-'));
  readonly data = path.join(this.directory, 'data');
  /** Node names start with it, so that clusters on one engine never meet. */
  readonly prefix = `e2e-${randomBytes(3).toString('hex')}`;
  private readonly children = new Set<ChildProcess>();
  private up: ChildProcess | undefined;
  upOutput = '';

  /** wrap: what stands before each command; env: besides our own. */
  constructor(
    protected readonly wrap: readonly string[] = [],
    private readonly env: Readonly<Record<string, string>> = {},
  ) {}

  /** Starts the cluster; resolves when the given number of nodes is Ready, with the ms that it took. */
  async start(nodes: number, flags: readonly string[] = []): Promise<number> {
    const began = performance.now();
    const up = this.run(['up', '--nodes', String(nodes), '--data', this.data, '--port', '0', '--node-prefix', this.prefix, ...flags]);
    this.up = up;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const collect = (piece: Buffer): void => {
      this.upOutput += piece.toString();
      if (new RegExp(`^${nodes} nodes? Ready after`, 'm').test(this.upOutput)) resolve();
    };
    up.stdout?.on('data', collect);
    up.stderr?.on('data', collect);
    up.once('exit', (code) => reject(new Error(`up ended with ${code}:\n${this.upOutput}`)));
    // `up` gives server and nodes limits of its own, and says more when they are over.
    const limit = setTimeout(
      () => reject(new Error(`up: no ${nodes} nodes Ready after ${START_MS} ms:\n${this.upOutput}${this.lastWords()}`)),
      START_MS,
    );
    try {
      await promise;
    } finally {
      clearTimeout(limit);
    }
    return performance.now() - began;
  }

  /** The last words of server and agents. */
  private lastWords(): string {
    const folder = path.join(this.data, 'logs');
    const ends = existsSync(folder)
      ? readdirSync(folder).map((name) => [name, readFileSync(path.join(folder, name), 'utf8').slice(-1000)])
      : [];
    return ends.map(([name, end]) => `\n--- ${name}\n${end}`).join('');
  }

  /** Ctrl-C on `up`: server and agents stop, pods stay. */
  async interrupt(): Promise<void> {
    const up = this.up;
    if (up === undefined || up.exitCode !== null) return;
    const ended = once(up, 'exit');
    up.kill('SIGINT');
    await ended;
    this.up = undefined;
  }

  private get socket(): string {
    return this.env.DOCKER_HOST?.replace(/^unix:\/\//, '') ?? SOCKET;
  }

  get upFile(): UpFile {
    return JSON.parse(readFileSync(path.join(this.data, 'up.json'), 'utf8')) as UpFile;
  }

  node(number: number): string {
    return `${this.prefix}-${number}`;
  }

  run(args: readonly string[], env: Readonly<Record<string, string>> = {}): ChildProcess {
    const [program = NODE, ...rest] = [...this.wrap, NODE, PODPLANE, ...args];
    const child = spawn(program, rest, {
      cwd: this.directory,
      env: { ...process.env, PODPLANE_CONTEXT: path.join(this.data, 'context.json'), NO_COLOR: '1', ...this.env, ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.children.add(child);
    child.once('exit', () => this.children.delete(child));
    return child;
  }

  /** Runs a command to its end. */
  async cli(args: readonly string[], input?: string | Buffer): Promise<Outcome> {
    const began = performance.now();
    const child = this.run(args);
    let stdout = '';
    let stderr = '';
    child.stdout?.on('data', (piece: Buffer) => {
      stdout += piece.toString();
    });
    child.stderr?.on('data', (piece: Buffer) => {
      stderr += piece.toString();
    });
    child.stdin?.on('error', () => undefined); // a command that ends without reading it
    child.stdin?.end(input ?? '');
    await once(child, 'close');
    return { code: child.exitCode, stdout, stderr, ms: performance.now() - began };
  }

  /** Like cli, but anything but exit code 0 is an error. */
  async must(...args: readonly string[]): Promise<string> {
    const outcome = await this.cli(args);
    if (outcome.code !== 0) throw new Error(`podplane ${args.join(' ')} ended with ${outcome.code}\n${outcome.stdout}\n${outcome.stderr}`);
    return outcome.stdout;
  }

  async json<T>(...args: readonly string[]): Promise<T> {
    return JSON.parse(await this.must(...args, '-o', 'json')) as T;
  }

  /** Containers of this cluster's nodes, also stopped ones. */
  async containers(node?: string): Promise<readonly EngineContainer[]> {
    const all = await engine<EngineContainer[]>('GET', '/containers/json?all=1', undefined, this.socket);
    return all.filter(({ Labels }) => {
      const owner = Labels['podplane.dev/node'] ?? '';
      return node === undefined ? owner.startsWith(`${this.prefix}-`) : owner === node;
    });
  }

  /** kill -9 of an agent and SIGKILL to all containers of its node. */
  async killNode(node: string): Promise<void> {
    const agent = this.upFile.agents.find(({ name }) => name === node);
    if (agent === undefined) throw new Error(`no agent ${node} in up.json`);
    process.kill(agent.pid, 'SIGKILL');
    await Promise.all(
      (await this.containers(node))
        .filter(({ State }) => State === 'running')
        .map(({ Id }) => engine('POST', `/containers/${Id}/kill`, undefined, this.socket).catch(() => undefined)), // one that ended in between is dead too
    );
  }

  /** Starts the agent of a node again, by hand as the README says; resolves at once. */
  restartAgent(node: string, flags: readonly string[] = []): ChildProcess {
    const agent = this.run(['agent', '--data', path.join(this.data, 'agents', node), ...flags]);
    // Its log is nobody's business, and must not fill the pipe.
    agent.stdout?.resume();
    agent.stderr?.resume();
    return agent;
  }

  /** When its node is said to be Ready: at once, where it was not missed yet. */
  async readyAgain(node: string): Promise<void> {
    await eventually(
      'Ready again',
      () => this.must('get', 'nodes'),
      (table) => new RegExp(`^${node}\\s+Ready`, 'm').test(table),
    );
  }

  /** Everything ends and goes. */
  async remove(): Promise<void> {
    await this.interrupt().catch(() => undefined);
    await this.cli(['down', '--data', this.data]);
    // What still runs might write below while it is removed.
    await Promise.all(
      [...this.children].map(async (child) => {
        const ended = once(child, 'exit');
        child.kill('SIGKILL');
        await ended;
      }),
    );
    const left = await this.containers();
    for (const { Id } of left) await removeContainer(Id, this.socket);
    rmSync(this.directory, { recursive: true, force: true });
    if (left.length > 0) throw new Error(`podplane down left ${left.length} containers behind`);
  }
}

/**
 * Asks again, without a fixed sleep between two answers longer than needed, until the answer satisfies; says the last answer when it never does.
 * The limit is for what never comes: a slow machine may take many times what a quiet one does.
 */
export async function eventually<T>(
  what: string,
  ask: () => Promise<T>,
  satisfied: (answer: T) => boolean,
  timeoutMs = 90_000,
): Promise<T> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const answer = await ask();
    if (satisfied(answer)) return answer;
    if (performance.now() > end)
      throw new Error(`${what}: not within ${timeoutMs} ms; last seen: ${JSON.stringify(answer)?.slice(0, 4000)}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
