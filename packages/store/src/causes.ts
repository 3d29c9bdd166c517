// What is kept of a cause beside each change: the words of that very change, and whether it was a decision. Who reads it is the server's
// business (packages/server/src/why); how it is kept is the journals'.
import type { Obj } from '@podplane/api/kinds/kind-map';
import { isPodTerminal } from '@podplane/api/pod-state';
import type { Cause, Change, JournalChange } from './types.js';

/**
 * Whether a change is a decision that others may follow from: a person's write, something made or removed, a new wish (the spec, or that it
 * shall go), the end or the loss of a pod. Everything else only says how things are.
 */
export function isDecisive({ kind, type, object, previous }: Change, actor: string): boolean {
  if (type !== 'modified' || previous === undefined || actor.startsWith('user:')) return true;
  const now = object.metadata;
  const before = previous.metadata;
  if (now?.generation !== before?.generation || now?.deletionTimestamp !== before?.deletionTimestamp) return true;
  if (kind === 'Pod') return podEnded(object as Obj<'Pod'>, previous as Obj<'Pod'>);
  // Kinds that count no generations, nodes above all.
  return now?.generation === undefined && specOf(object) !== specOf(previous);
}

function podEnded(pod: Obj<'Pod'>, before: Obj<'Pod'>): boolean {
  return isPodTerminal(pod) !== isPodTerminal(before) || pod.status?.reason !== before.status?.reason;
}

const specOf = (object: Obj): unknown => (object as { readonly spec?: unknown }).spec;

/** What a journal keeps of a change besides the object. */
export function noteOf(change: Change, cause: Cause): Pick<JournalChange, 'reason' | 'decisive'> {
  const reason = cause.about?.(change);
  const decisive = isDecisive(change, cause.actor);
  return reason === undefined ? { decisive } : { reason, decisive };
}

/** The cause as it is kept: what it could say of single objects has been asked, and what that holds on to is let go. */
export function keptCause({ actor, reason, becauseOf, of }: Cause): Cause {
  const kept: { actor: string; reason: string; becauseOf?: number; of?: NonNullable<Cause['of']> } = { actor, reason };
  if (becauseOf !== undefined) kept.becauseOf = becauseOf;
  if (of !== undefined) kept.of = of;
  return kept;
}

/** The cause of one change, which may have words of its own. */
export function causeOfChange(cause: Cause, { reason }: Pick<JournalChange, 'reason'>): Cause {
  return reason === undefined ? cause : { ...cause, reason };
}
