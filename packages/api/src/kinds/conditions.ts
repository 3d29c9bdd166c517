// Faults of the conditions in a status, by the rules for conditions of all kinds. Kinds with older conditions of their own have none of these rules.
import { duplicate, type FieldError, invalid, notSupported, type Path, required, tooLong } from '../errors.js';
import type { Condition } from '../gen/podplane/meta/v1/meta.js';
import { qualifiedNameProblems } from '../names.js';
import type { DeepReadonly } from './kind-map.js';

const LONGEST_REASON = 1024;
const LONGEST_MESSAGE = 32 * 1024;
const STATUSES = ['False', 'True', 'Unknown'];
const REASON = /^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$/;
const REASON_TEXT =
  "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric characters or '_,:', and must end with an alphanumeric character or '_' (e.g. 'my_name', or 'MY_NAME', or 'MyName', or 'ReasonA,ReasonB', or 'ReasonA:ReasonB', regex used for validation is '[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?')";

/** Faults of conditions, of which each type may be there once. */
export function validateConditions(conditions: readonly DeepReadonly<Condition>[], path: Path): FieldError[] {
  const out: FieldError[] = [];
  const seen = new Set<string>();
  for (const [i, condition] of conditions.entries()) {
    const at = path.index(i);
    const { type, status, observedGeneration = 0, lastTransitionTime, reason, message } = condition;
    if (seen.has(type)) out.push(duplicate(at.child('type'), type));
    seen.add(type);
    for (const problem of qualifiedNameProblems(type)) out.push(invalid(at.child('type'), type, problem));
    if (!STATUSES.includes(status)) out.push(notSupported(at.child('status'), status, STATUSES));
    if (observedGeneration < 0)
      out.push(invalid(at.child('observedGeneration'), observedGeneration, 'must be greater than or equal to zero'));
    if (lastTransitionTime === undefined) out.push(required(at.child('lastTransitionTime')));
    if (reason === '') out.push(required(at.child('reason')));
    else {
      if (!REASON.test(reason)) out.push(invalid(at.child('reason'), reason, REASON_TEXT));
      if (Buffer.byteLength(reason) > LONGEST_REASON) out.push(tooLong(at.child('reason'), LONGEST_REASON));
    }
    if (Buffer.byteLength(message) > LONGEST_MESSAGE) out.push(tooLong(at.child('message'), LONGEST_MESSAGE));
  }
  return out;
}
