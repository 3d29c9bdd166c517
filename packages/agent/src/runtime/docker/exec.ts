// Commands inside running containers, over a connection that the engine hands over to us whole.
import type { Duplex } from 'node:stream';
import { RuntimeError } from '../errors.js';
import type { ExecHandle } from '../types.js';
import type { Engine } from './engine.js';
import type { ExecInspect } from './engine-api.js';
import { toRuntimeError } from './engine-errors.js';
import { killCommand } from './exec-processes.js';
import { plainOutput, splitFrames } from './frames.js';
import { isShut, NO_DETACH_KEYS, PROBE_DETACH_KEYS, writeTo } from './hijacked.js';

export interface ExecOptions {
  readonly command: readonly string[];
  readonly stdin: boolean;
  readonly tty: boolean;
  readonly env?: readonly string[];
  readonly probe?: boolean;
}

/** An engine that hangs must not collect the probes that were tried on it. */
const START_TIMEOUT_MS = 120_000;
// Output ends a moment before the engine knows the exit code. First look after this many ms, then at growing distances.
const EXIT_POLL_MS = 5;
const EXIT_POLL_MAX_MS = 500;

/** Starts a command. The output must be read to its end: only then does exit resolve. */
export async function execInContainer(engine: Engine, containerId: string, options: ExecOptions): Promise<ExecHandle> {
  const doing = `run a command in container ${containerId.slice(0, 12)}`;
  const { Id } = await engine.call<{ Id: string }>(doing, {
    method: 'POST',
    path: `/containers/${encodeURIComponent(containerId)}/exec`,
    body: {
      Cmd: options.command,
      AttachStdin: options.stdin,
      AttachStdout: true,
      AttachStderr: true,
      Tty: options.tty,
      DetachKeys: options.probe === true ? PROBE_DETACH_KEYS : NO_DETACH_KEYS,
      ...(options.env && { Env: options.env }),
    },
  });
  const late = new AbortController();
  const timer = engine.system.timers.after(START_TIMEOUT_MS, () => late.abort(), { background: true });
  try {
    const request = { method: 'POST', path: `/exec/${Id}/start`, body: { Detach: false, Tty: options.tty }, signal: late.signal } as const;
    const connection = await engine.http.upgrade(request);
    return new DockerExec(engine, Id, connection, containerId, options, doing);
  } catch (error) {
    if (late.signal.aborted)
      throw new RuntimeError('timeout', `${doing}: Docker Engine did not start it within ${START_TIMEOUT_MS / 1000} s`);
    throw toRuntimeError(error, doing);
  } finally {
    timer.cancel();
  }
}

class DockerExec implements ExecHandle {
  readonly output: ExecHandle['output'];
  readonly exit: Promise<number>;
  readonly #engine: Engine;
  readonly #id: string;
  readonly #connection: Duplex;
  readonly #containerId: string;
  readonly #doing: string;
  readonly #exit = Promise.withResolvers<number>();
  #aborted = false;

  constructor(engine: Engine, id: string, connection: Duplex, containerId: string, options: ExecOptions, doing: string) {
    this.#engine = engine;
    this.#id = id;
    this.#connection = connection;
    this.#containerId = containerId;
    this.#doing = doing;
    this.exit = this.#exit.promise;
    this.exit.catch(() => undefined); // who wants it awaits it; nobody must
    // Errors reach the reader through the iterator, writers through write(); without a listener they would end the process.
    connection.on('error', () => undefined);
    if (!options.stdin) connection.end();
    this.output = this.#read(options.tty);
  }

  async *#read(tty: boolean): AsyncGenerator<{ readonly stream: 'stdout' | 'stderr'; readonly data: Uint8Array }, void, void> {
    try {
      yield* tty ? plainOutput(this.#connection) : splitFrames(this.#connection);
      this.#exit.resolve(await this.#exitCode());
    } catch (error) {
      const found = toRuntimeError(error, this.#doing);
      this.#exit.reject(found);
      if (!this.#aborted) throw found;
    } finally {
      this.#connection.destroy();
      this.#exit.reject(new RuntimeError('failed', `${this.#doing}: its output was not read to the end`)); // no effect where it is settled
    }
  }

  async #exitCode(): Promise<number> {
    for (let wait = EXIT_POLL_MS; ; wait = Math.min(wait * 2, EXIT_POLL_MAX_MS)) {
      if (this.#aborted) throw new RuntimeError('failed', `${this.#doing}: ended by abort`);
      const state = await this.#inspect();
      if (!state.Running && state.ExitCode !== null) return state.ExitCode;
      await new Promise<void>((resolve) => this.#engine.system.timers.after(wait, resolve));
    }
  }

  #inspect(): Promise<ExecInspect> {
    return this.#engine.call<ExecInspect>(this.#doing, { method: 'GET', path: `/exec/${this.#id}/json` });
  }

  write(data: Uint8Array): Promise<void> {
    if (isShut(this.#connection)) return Promise.reject(new RuntimeError('failed', `${this.#doing}: its standard input is closed`));
    return writeTo(this.#connection, data);
  }

  closeStdin(): void {
    this.#connection.end();
  }

  async resize(width: number, height: number): Promise<void> {
    const doing = `resize the terminal of a command in container ${this.#containerId.slice(0, 12)}`;
    await this.#engine.call(doing, { method: 'POST', path: `/exec/${this.#id}/resize`, query: { w: width, h: height } });
  }

  abort(): void {
    if (this.#aborted) return;
    this.#aborted = true;
    this.#exit.reject(new RuntimeError('failed', `${this.#doing}: ended by abort`));
    void this.#kill().catch(() => undefined); // where possible
    this.#connection.destroy();
  }

  /** The engine has no call for it: where its processes are this machine's, they are killed here. */
  async #kill(): Promise<void> {
    const { system } = this.#engine;
    const end = system.clock.monotonic() + START_TIMEOUT_MS;
    for (let wait = EXIT_POLL_MS; ; wait = Math.min(wait * 2, EXIT_POLL_MAX_MS)) {
      const { Pid, Running, ExitCode } = await this.#inspect();
      // The command may have ended; what it left behind holds its output, or the caller would not have given it up.
      if (Pid > 0) return await killCommand(Pid, this.#containerId);
      // The engine hands the connection over before it starts the command.
      if ((!Running && ExitCode !== null) || system.clock.monotonic() > end) return;
      await new Promise<void>((resolve) => system.timers.after(wait, resolve, { background: true }));
    }
  }
}
