// Commands of exec probes without an exec each: one exec for a container starts PROBE_RUNNER (runtime/docker/runner-code.ts), and that runs one command
// after the other as it is told. Where a container has no such program, or it does not do its work, undefined says so and the caller uses
// the engine. When commands are run, and what their end means, is not known here.
import type { Timers } from '@podplane/api/system';
import { RUNNER_OUTPUT_LIMIT } from '../runtime/docker/runner-code.js';
import { AnswerReader, KILL_REQUEST, pathsOf, type RunnerAnswer, runRequest } from '../runtime/docker/runner-protocol.js';
import { isRuntimeError } from '../runtime/errors.js';
import { type ContainerRuntime, type ExecHandle, PROBE_RUNNER } from '../runtime/types.js';

export interface CommandResult {
  readonly exitCode: number;
  /** Both streams; cut. */
  readonly output: string;
}

/** What shells say of a command that SIGKILL ended. */
const KILLED = 137;
/** How long a command that was killed may take to be gone before its runner is given up. */
const KILLED_MS = 10_000;
/** A container that loses its runners is left to the engine after so many. */
const MAX_LOST = 3;
/** No runner of ours passes on more of one command, bytes: its limit is looked at before each part. */
const MAX_OUTPUT = 2 * RUNNER_OUTPUT_LIMIT;

export type RunnerRuntime = Pick<ContainerRuntime, 'exec' | 'searchPath'>;

interface Known {
  readonly searchPath: Promise<string | undefined>;
  readonly idle: Runner[];
  readonly busy: Set<Runner>;
  lost: number;
}

export class ExecRunners {
  private readonly containers = new Map<string, Known>();

  constructor(
    private readonly runtime: RunnerRuntime,
    private readonly timers: Timers,
  ) {}

  /**
   * Runs a command in a container. The signal kills it and all that it started in its session. undefined: not by this way. Rejects where the
   * container or the engine is gone.
   */
  async run(containerId: string, command: readonly string[], signal: AbortSignal): Promise<CommandResult | undefined> {
    const known = this.known(containerId);
    if (known.lost >= MAX_LOST) return undefined;
    const request = runRequest(pathsOf(command[0] ?? '', await known.searchPath), command);
    if (request === undefined) return undefined;
    for (;;) {
      const waiting = known.idle.pop();
      const runner = waiting ?? new Runner(this.runtime, containerId, this.timers);
      known.busy.add(runner);
      const result = await runner.run(request, signal);
      known.busy.delete(runner);
      if (result.kind === 'done') {
        known.idle.push(runner);
        return { exitCode: result.exitCode, output: result.output };
      }
      if (result.kind === 'aborted') {
        void runner.free().then((good) => (good ? known.idle.push(runner) : this.lose(containerId, known)));
        return { exitCode: KILLED, output: result.output };
      }
      runner.close();
      if (result.error !== undefined && isPassing(result.error)) throw result.error;
      // One that had waited may have been killed by anybody since; one that is new tells how things are.
      if (waiting === undefined) known.lost = MAX_LOST;
      else this.lose(containerId, known);
      if (waiting === undefined || signal.aborted) return undefined;
    }
  }

  /** The container has ended or is probed no more. */
  drop(containerId: string): void {
    const known = this.containers.get(containerId);
    this.containers.delete(containerId);
    for (const runner of [...(known?.idle ?? []), ...(known?.busy ?? [])]) runner.close();
  }

  close(): void {
    for (const id of this.containers.keys()) this.drop(id);
  }

  private known(containerId: string): Known {
    let known = this.containers.get(containerId);
    if (known === undefined) {
      const searchPath = this.runtime.searchPath(containerId);
      searchPath.catch(() => this.containers.delete(containerId)); // asked again at the next try
      known = { searchPath, idle: [], busy: new Set(), lost: 0 };
      this.containers.set(containerId, known);
    }
    return known;
  }

  private lose(containerId: string, known: Known): void {
    if (this.containers.get(containerId) === known) known.lost++;
  }
}

type RunResult =
  | ({ readonly kind: 'done' } & CommandResult)
  | { readonly kind: 'aborted'; readonly output: string }
  /** It could not be started, is gone, or says what no runner says. */
  | { readonly kind: 'broken'; readonly error: unknown };

/** Of the engine or of the container as a whole; it says nothing about the runner. */
function isPassing(error: unknown): boolean {
  return (['unreachable', 'permission', 'timeout', 'not-found', 'conflict'] as const).some((code) => isRuntimeError(error, code));
}

/** One program in a container, and its one command at a time. */
class Runner {
  private handle: ExecHandle | undefined;
  private answers: AsyncGenerator<RunnerAnswer, void, void> | undefined;
  private closed = false;
  private ended: Promise<boolean> = Promise.resolve(true);

  constructor(
    private readonly runtime: RunnerRuntime,
    private readonly containerId: string,
    private readonly timers: Timers,
  ) {}

  async run(request: Uint8Array, signal: AbortSignal): Promise<RunResult> {
    const stopped = Promise.withResolvers<undefined>();
    const onAbort = (): void => stopped.resolve(undefined);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    try {
      let output = '';
      const decoder = new TextDecoder();
      const work = this.command(request, signal, (data) => {
        output += decoder.decode(data, { stream: true });
      });
      this.ended = work.then(
        (code) => code !== undefined,
        () => false,
      );
      const done = work.then(
        (exitCode): RunResult => (exitCode === undefined ? { kind: 'broken', error: undefined } : { kind: 'done', exitCode, output }),
        (error: unknown): RunResult => ({ kind: 'broken', error }),
      );
      const result = await Promise.race([done, stopped.promise]);
      if (result !== undefined) return result;
      await this.handle?.write(KILL_REQUEST).catch(() => undefined);
      return { kind: 'aborted', output };
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** After an abort: true once the command is gone; false: it does not go, and the runner was given up. */
  async free(): Promise<boolean> {
    const late = Promise.withResolvers<boolean>();
    const timer = this.timers.after(KILLED_MS, () => late.resolve(false), { background: true });
    const good = (await Promise.race([this.ended, late.promise])) && !this.closed;
    timer.cancel();
    if (!good) this.close();
    return good;
  }

  /** Ends it, and the command that it runs. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.handle?.abort();
  }

  /** The command's exit code; undefined: it could not be begun. Rejects where the runner is none. */
  private async command(request: Uint8Array, signal: AbortSignal, output: (data: Uint8Array) => void): Promise<number | undefined> {
    const answers = await this.opened();
    // Given up while the engine took its time: nobody waits for it, and the next try must not run beside it.
    if (signal.aborted) return KILLED;
    await this.handle?.write(request);
    for (let left = MAX_OUTPUT; ; ) {
      const { value: answer } = await answers.next();
      if (answer === undefined) throw new Error('the runner has ended');
      if (answer.kind !== 'output') return answer.kind === 'ended' ? answer.exitCode : undefined;
      left -= answer.data.length;
      if (left < 0) {
        // Who is root in the container may write in its place. Nobody listens to that, also not where the command was given up before.
        this.close();
        throw new Error('more output than a runner passes on: this is not the program that was started');
      }
      output(answer.data);
    }
  }

  private async opened(): Promise<AsyncGenerator<RunnerAnswer, void, void>> {
    if (this.answers !== undefined) return this.answers;
    const handle = await this.runtime.exec(this.containerId, { command: [PROBE_RUNNER], stdin: true, tty: false });
    handle.exit.catch(() => undefined); // who waits for answers hears of its end
    this.handle = handle;
    if (this.closed) handle.abort();
    this.answers = answersOf(handle);
    return this.answers;
  }
}

async function* answersOf(handle: ExecHandle): AsyncGenerator<RunnerAnswer, void, void> {
  const reader = new AnswerReader();
  for await (const { stream, data } of handle.output) if (stream === 'stdout') yield* reader.take(data);
}
