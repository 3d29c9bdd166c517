// The thread that thinks: takes a state and one question, answers it, and is of no use after that. Who starts it is in thinker.ts.
import { type MessagePort, parentPort } from 'node:worker_threads';
import { ApiError, type ApiErrorDetails, type ApiErrorReason } from '@podplane/api/errors';
import { realSystem, type System } from '@podplane/api/system';
import { type LivenessFacts, livenessOf, type Piece, Received } from './handover.js';
import { type Answers, answer, type Question, type Topic } from './question.js';

/** To the thread: first begin, then all pieces, then the question. */
export type ToThread =
  | { readonly begin: { readonly revision: number; readonly now: number; readonly monotonic: number; readonly liveness: LivenessFacts } }
  | { readonly piece: Piece }
  | { readonly question: Question };

export type FromThread =
  | { readonly answer: Answers[Topic]['answer'] }
  | { readonly refused: { readonly reason: ApiErrorReason; readonly message: string; readonly details: ApiErrorDetails } }
  | { readonly failed: string };

/** Serves one question on a port. */
export function think(port: Pick<MessagePort, 'on' | 'postMessage'>, system: System): void {
  let world: { readonly source: Received; readonly liveness: LivenessFacts; readonly system: System } | undefined;
  const say = (message: FromThread): void => port.postMessage(message);
  port.on('message', (message: ToThread) => {
    if ('begin' in message) {
      const { revision, now, monotonic, liveness } = message.begin;
      world = { source: new Received(revision), liveness, system: standing(system, now, monotonic) };
    } else if ('piece' in message) world?.source.add(message.piece);
    else if (world !== undefined) {
      const parts = { view: world.source, system: world.system, liveness: livenessOf(world.liveness) };
      answer(parts, message.question).then(
        (found) => say({ answer: found }),
        (error: unknown) => say(refusal(error)),
      );
    }
  });
}

/** The moment of the question stands still: the copy has a time of its own, and nobody else waits for turns in this thread. */
function standing({ timers, random }: System, now: number, monotonic: number): System {
  return { clock: { now: () => now, monotonic: () => monotonic }, timers, random };
}

function refusal(error: unknown): FromThread {
  if (!(error instanceof ApiError)) return { failed: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  const { reason, message, target, causes, advice, retryAfterSeconds } = error;
  return {
    refused: { reason, message, details: { target, causes, advice, ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }) } },
  };
}

if (parentPort !== null) think(parentPort, realSystem());
