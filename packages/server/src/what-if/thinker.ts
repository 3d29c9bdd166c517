// Where questions to a copy of the state are answered: at once where the copy is small; else in a thread of its own, since to copy and think
// through a hundred thousand pods takes seconds, in which heartbeats would not be heard.
import { type Transferable, Worker } from 'node:worker_threads';
import { ApiError, internalError } from '@podplane/api/errors';
import { allKinds } from '@podplane/api/kinds/kind-names';
import type { System } from '@podplane/api/system';
import type { NodeLiveness } from '@podplane/controllers/runtime/types';
import type { ReadView } from '@podplane/store/types';
import { livenessFacts, pieces } from './handover.js';
import { type Answers, answer, type Question, type Topic } from './question.js';
import type { FromThread, ToThread } from './thread.js';
import { LEFT_OUT } from './what-if.js';

export interface ThinkerParts {
  /** The state to begin with, always as it is at the moment of the question. */
  readonly view: ReadView;
  readonly system: System;
  readonly liveness: NodeLiveness;
  /** Most objects that are thought through in this thread; default 1,000: of so many no turn is long. */
  readonly most?: number;
  /** Default: a thread of this process. */
  readonly start?: () => Thread;
}

/** As much as is used of a Worker. */
export interface Thread {
  postMessage(message: ToThread, moved?: Transferable[]): void;
  on(event: 'message', listener: (message: FromThread) => void): unknown;
  on(event: 'error', listener: (error: unknown) => void): unknown;
  on(event: 'exit', listener: () => void): unknown;
  terminate(): Promise<unknown>;
}

const MOST_HERE = 1000;
const kinds = allKinds.filter((kind) => !LEFT_OUT.has(kind));
const startThread = (): Thread => new Worker(new URL('./thread.js', import.meta.url), { name: 'what-if' });

export class Thinker {
  /** The last question that has a thread: each needs as much memory as the state has, so they come one after the other. */
  private busy: Promise<unknown> = Promise.resolve();

  constructor(private readonly parts: ThinkerParts) {}

  /** Rejects with ApiError, or the signal's reason. */
  async ask<T extends Topic>(topic: T, asked: Answers[T]['asked'], signal?: AbortSignal): Promise<Answers[T]['answer']> {
    const { view, most = MOST_HERE } = this.parts;
    const question = { topic, ...asked } as unknown as Question;
    if (kinds.reduce((sum, kind) => sum + view.count(kind), 0) <= most) return await answer(this.parts, question, signal);
    const turn = this.busy.then(() => this.inThread(question, signal));
    this.busy = turn.catch(() => undefined);
    return await turn;
  }

  private async inThread(question: Question, signal: AbortSignal | undefined): Promise<Answers[Topic]['answer']> {
    signal?.throwIfAborted();
    const { view, system, liveness, start = startThread } = this.parts;
    const thread = start();
    const { promise, resolve, reject } = Promise.withResolvers<Answers[Topic]['answer']>();
    const abort = (): void => reject(signal?.reason as Error);
    promise.catch(() => undefined); // awaited below
    signal?.addEventListener('abort', abort, { once: true });
    thread.on('message', (message) => {
      if ('answer' in message) resolve(message.answer);
      else if ('failed' in message) reject(internalError(message.failed));
      else reject(new ApiError(message.refused.reason, message.refused.message, message.refused.details));
    });
    thread.on('error', (error) => reject(internalError('the thread of a preview ended', error)));
    thread.on('exit', () => reject(internalError('the thread of a preview ended')));
    try {
      const names = [...view.list('Node')].map(({ metadata }) => metadata?.name ?? '');
      const { clock } = system;
      thread.postMessage({
        begin: { revision: view.revision, now: clock.now(), monotonic: clock.monotonic(), liveness: livenessFacts(liveness, names) },
      });
      let over = false;
      promise.then(
        () => undefined,
        () => (over = true),
      );
      for await (const piece of pieces(view, kinds, system)) {
        if (over) break;
        thread.postMessage({ piece }, [piece.bytes.buffer, piece.ends.buffer]);
      }
      thread.postMessage({ question });
      return await promise;
    } finally {
      signal?.removeEventListener('abort', abort);
      await thread.terminate();
    }
  }
}
