// A control plane without nodes, for end-to-end tests of what goes wrong: no Docker is needed. Driven by the built `podplane` command.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Outcome, ROOT } from './harness.js';

const NODE = path.join(ROOT, 'node_modules/.bin/node');
const PODPLANE = path.join(ROOT, 'packages/cli/bin/podplane.js');
const START_MS = 90_000;

/** A user who may do nothing special. */
export const NOBODY = 65534;

export interface How {
  readonly env?: Readonly<Record<string, string>>;
  /** A user's number, who is in no other group; only root can. */
  readonly as?: number;
  /** Default: the directory of the test. */
  readonly cwd?: string;
}

export class ServerOnly {
  private made: string | undefined;
  private server: ChildProcess | undefined;
  private readonly children = new Set<ChildProcess>();
  log = '';
  /** host:port */
  address = '';

  /** elsewhere: the data directory, where it is not in the directory of the test. */
  constructor(private readonly elsewhere?: string) {}

  /** Made when it is first needed: a test that is skipped leaves nothing. */
  get directory(): string {
    this.made ??= mkdtempSync(path.join(tmpdir(), 'podplane-e2e-'));
    return this.made;
  }

  get data(): string {
    return this.elsewhere ?? path.join(this.directory, 'data');
  }

  get contextFile(): string {
    return path.join(this.data, 'context.json');
  }

  get pid(): number {
    return this.server?.pid ?? 0;
  }

  /** Starts it; resolves when it listens. Later starts use the same port unless told otherwise. */
  async start(port = this.address === '' ? '0' : (this.address.split(':').at(-1) ?? '0')): Promise<void> {
    const server = this.spawn(['server', '--data', this.data, '--port', port]);
    this.server = server;
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    let text = '';
    server.stderr?.on('data', (piece: Buffer) => {
      text += piece.toString();
      this.log += piece.toString();
      const found = /The control plane is at (\S+); its administrator's context/.exec(text)?.[1];
      if (found !== undefined) resolve(found);
    });
    server.once('exit', (code, signal) => reject(new Error(`the server ended with ${code ?? signal}:\n${text}`)));
    const limit = setTimeout(() => reject(new Error(`the server did not start:\n${text}`)), START_MS);
    try {
      this.address = await promise;
    } finally {
      clearTimeout(limit);
    }
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const { server } = this;
    this.server = undefined;
    if (server === undefined || server.exitCode !== null || server.signalCode !== null) return;
    const ended = once(server, 'exit');
    server.kill(signal);
    await ended;
  }

  /** Starts a command. as: a user's number. */
  spawn(args: readonly string[], options: How = {}): ChildProcess {
    const { env = {}, as, cwd = this.directory } = options;
    const child = spawn(NODE, [PODPLANE, ...args], {
      cwd,
      env: { ...process.env, HOME: this.directory, PODPLANE_CONTEXT: this.contextFile, NO_COLOR: '1', ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
      ...(as === undefined ? {} : { uid: as, gid: as }),
    });
    this.children.add(child);
    child.once('exit', () => this.children.delete(child));
    return child;
  }

  /** Runs a command to its end. */
  async run(args: readonly string[], options: How & { readonly input?: string | Buffer } = {}): Promise<Outcome> {
    const began = performance.now();
    const child = this.spawn(args, options);
    let stdout = '';
    let stderr = '';
    child.stdout?.on('data', (piece: Buffer) => {
      stdout += piece.toString();
    });
    child.stderr?.on('data', (piece: Buffer) => {
      stderr += piece.toString();
    });
    child.stdin?.on('error', () => undefined); // a command that does not read it
    child.stdin?.end(options.input ?? '');
    await once(child, 'close');
    return { code: child.exitCode, stdout, stderr, ms: performance.now() - began };
  }

  /** Like run, but anything but exit code 0 is an error. */
  async must(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(args);
    if (code !== 0) throw new Error(`podplane ${args.join(' ')} ended with ${code}\n${stdout}\n${stderr}`);
    return stdout;
  }

  /** Puts a file into the directory in which commands run. */
  file(name: string, content: string | Buffer): string {
    const full = path.join(this.directory, name);
    mkdirSync(path.dirname(full), { recursive: true });
    writeFileSync(full, content);
    return name;
  }

  async remove(): Promise<void> {
    await this.stop();
    for (const child of this.children) {
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    }
    if (this.made !== undefined) rmSync(this.made, { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.remove();
  }
}
