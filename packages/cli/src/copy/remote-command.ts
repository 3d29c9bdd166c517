// A command in a container whose streams are a program's and not a person's: fed from a stream, read as one, its errors kept as text.
import type { ExecRequest, ExecResponse } from '@podplane/api/gen/podplane/api/v1/pods';
import type { Cluster, Conversation } from '../cluster.js';
import { CliError } from '../exit-codes.js';

export interface Where {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
}

/** What a command said is for a message, not for a log. */
const MAX_SAID_BYTES = 4096;

export class RemoteCommand implements AsyncDisposable {
  private readonly said_: Buffer[] = [];
  private code: number | undefined;
  private readonly answers: AsyncIterator<ExecResponse>;

  private constructor(private readonly call: Conversation<ExecRequest, ExecResponse>) {
    this.answers = call[Symbol.asyncIterator]();
  }

  /** Resolves when it was asked for; what is wrong with it shows when its output is read. */
  static async start(cluster: Cluster, where: Where, command: string[], stdin: boolean, signal: AbortSignal): Promise<RemoteCommand> {
    const call = cluster.exec(signal);
    const started = new RemoteCommand(call);
    await call.write({ message: { $case: 'start', value: { ...where, command, stdin, tty: false } } });
    return started;
  }

  /** Standard output, read no faster than it is taken. May be left early; ended() takes the rest. */
  async *output(): AsyncGenerator<Uint8Array, void, void> {
    for (let data = await this.next(); data !== undefined; data = await this.next()) yield data;
  }

  /** Lets the rest of the output go by; resolves with the exit code. */
  async ended(): Promise<number> {
    while ((await this.next()) !== undefined);
    if (this.code === undefined) throw new CliError('the connection ended before the command did');
    return this.code;
  }

  /** Standard input, no faster than it is taken, and its end. Rejects where the source does, or nobody takes it any more. */
  async feed(source: AsyncIterable<Uint8Array>): Promise<void> {
    for await (const data of source) {
      await this.call.write({ message: { $case: 'stdin', value: Buffer.from(data.buffer, data.byteOffset, data.byteLength) } });
    }
    await this.call.write({ message: { $case: 'stdinClosed', value: true } });
  }

  /** What it wrote to standard error, or else to standard output last. */
  said(): string {
    return Buffer.concat(this.said_).toString().trim();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.call.cancel();
  }

  private async next(): Promise<Uint8Array | undefined> {
    while (this.code === undefined) {
      const { value, done } = await this.answers.next();
      if (done) return undefined;
      const { message } = value as ExecResponse;
      if (message?.$case === 'stdout') return message.value;
      if (message?.$case === 'stderr') this.keep(message.value);
      if (message?.$case === 'exit') this.code = message.value.code;
    }
    return undefined;
  }

  private keep(data: Buffer): void {
    const size = this.said_.reduce((sum, part) => sum + part.length, 0);
    if (size < MAX_SAID_BYTES) this.said_.push(data.subarray(0, MAX_SAID_BYTES - size));
  }
}
