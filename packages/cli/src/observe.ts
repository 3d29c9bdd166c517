// The state of some objects, kept current while somebody waits for something. What is waited for is in readiness.ts.
import type { Kind, KindMap } from '@podplane/api/kinds/kind-map';
import type { Cluster, Query } from './cluster.js';
import { CliError, EXIT_TIMEOUT } from './exit-codes.js';
import type { Io } from './io.js';

/** Lists and watches until the signal aborts. onState gets all objects by uid, at first and after each change. */
export async function observe<K extends Kind>(
  cluster: Cluster,
  kind: K,
  query: Query,
  signal: AbortSignal,
  onState: (objects: ReadonlyMap<string, KindMap[K]>) => void,
  onLost?: (error: Error) => void,
): Promise<void> {
  const { items, resourceVersion } = await cluster.list(kind, query);
  if (signal.aborted) return;
  const state = new Map(items.map((object) => [object.metadata?.uid ?? '', object]));
  onState(state);
  // While the whole state is told anew, what is known of it is only a part.
  let complete = true;
  for await (const change of cluster.watch(kind, query, resourceVersion, signal, onLost)) {
    if (change.type === 'RESET') {
      state.clear();
      complete = false;
    } else if (change.type === 'SYNCED') complete = true;
    else if (change.type === 'DELETED') state.delete(change.object.metadata?.uid ?? '');
    else state.set(change.object.metadata?.uid ?? '', change.object);
    if (complete) onState(state);
  }
}

/** What is thought of a state: go on waiting, or it is decided. */
export type Verdict =
  | { readonly state: 'waiting'; readonly text: string }
  | { readonly state: 'done'; readonly text: string }
  | { readonly state: 'failed'; readonly text: string };

/**
 * Waits until judge is done or has failed. run starts the observers, which call changed after each change.
 * Resolves to the text of "done"; rejects with a CliError: failed, or timed out (exit code 3) with the last word of judge.
 */
export async function waitFor(options: {
  readonly io: Io;
  readonly what: string;
  /** Infinity: for ever. */
  readonly timeoutMs: number;
  readonly judge: () => Verdict;
  readonly run: (signal: AbortSignal, changed: () => void) => readonly Promise<void>[];
  readonly onWord: (text: string) => void;
  readonly advice?: string;
}): Promise<string> {
  const { io, judge } = options;
  const stop = new AbortController();
  const signal = AbortSignal.any([stop.signal, io.signal]);
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let last = '';
  const changed = (): void => {
    const verdict = judge();
    switch (verdict.state) {
      case 'done':
        resolve(verdict.text);
        return;
      case 'failed':
        reject(new CliError(`${options.what}: ${verdict.text}`, { advice: options.advice ?? '' }));
        return;
      case 'waiting':
        last = verdict.text;
        options.onWord(verdict.text);
    }
  };
  const onTimeout = (): void =>
    reject(
      new CliError(`timed out waiting for ${options.what}${last === '' ? '' : `: ${last}`}`, {
        exitCode: EXIT_TIMEOUT,
        advice: options.advice ?? '',
      }),
    );
  const timer = Number.isFinite(options.timeoutMs) ? io.system.timers.after(options.timeoutMs, onTimeout) : undefined;
  const interrupted = (): void => reject(io.signal.reason instanceof Error ? io.signal.reason : new Error('interrupted'));
  if (io.signal.aborted) interrupted();
  io.signal.addEventListener('abort', interrupted, { once: true });
  const observers = options.run(signal, changed);
  for (const observer of observers) observer.catch(reject);
  try {
    return await promise;
  } finally {
    timer?.cancel();
    io.signal.removeEventListener('abort', interrupted);
    stop.abort();
    await Promise.allSettled(observers);
  }
}

/** Tells once that the server is away; again after it was back. */
export class LostNotice {
  #said = false;

  constructor(
    private readonly io: Pick<Io, 'err'>,
    private readonly text = 'The connection to the server was lost; waiting for it ...',
  ) {}

  readonly lost = (): void => {
    if (!this.#said) this.io.err(`${this.text}\n`);
    this.#said = true;
  };

  readonly back = (): void => {
    this.#said = false;
  };
}
