// What every command starts from: the world, the options that all share, and the cluster, which is dialled when it is first asked for.
import type { Command } from 'commander';
import type { Cluster } from './cluster.js';
import { CliError } from './exit-codes.js';
import type { Io } from './io.js';

export interface GlobalOptions {
  readonly namespace?: string;
  readonly context?: string;
}

export interface Connected {
  readonly cluster: Cluster;
  /** Of the context; used where no -n is given. */
  readonly namespace: string;
}

/** How a cluster is found and dialled, and as which command; throws a CliError where none is known. */
export type Connect = (io: Io, context: string | undefined, command: string) => Promise<Connected>;

export class Session {
  readonly io: Io;
  readonly #connect: Connect;
  #connected: Promise<Connected> | undefined;

  constructor(io: Io, connect: Connect) {
    this.io = io;
    this.#connect = connect;
  }

  /** The cluster of the context, with the namespace that the command works in. */
  async open(command: Command): Promise<Connected> {
    const options = command.optsWithGlobals<GlobalOptions>();
    this.#connected ??= this.#connect(this.io, options.context, wordsOf(command));
    const { cluster, namespace } = await this.#connected;
    if (options.namespace === '') throw new CliError('--namespace must not be empty', { exitCode: 2 });
    return { cluster, namespace: options.namespace ?? namespace };
  }

  async close(): Promise<void> {
    const connected = await this.#connected?.catch(() => undefined);
    connected?.cluster.close();
  }
}

/** As people write it: "apply", "rollout undo". */
function wordsOf(command: Command): string {
  const words: string[] = [];
  for (let one: Command | null = command; one?.parent; one = one.parent) words.unshift(one.name());
  return words.join(' ');
}
