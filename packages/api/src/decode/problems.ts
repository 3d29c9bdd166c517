// What can be wrong with a manifest. Told by code and place; the message is for people and never looked at by programs.
import type { Position } from './tree.js';

interface ProblemBase {
  /** One clause, as Kubernetes says it where it has words for it. */
  readonly message: string;
  /** What to do about it; empty where the message says it all. */
  readonly advice: string;
  /** File name or "-", as the caller gave it; empty where there is no text. */
  readonly source: string;
  /** Where in the text; undefined where there is no text. */
  readonly position?: Position;
}

interface FieldProblem extends ProblemBase {
  /** From the object's root: spec.containers[0].image. */
  readonly path: string;
}

export type DecodeProblem =
  /** The text holds no object at all. */
  | (ProblemBase & { readonly code: 'empty' })
  | (ProblemBase & { readonly code: 'too_large'; readonly bytes: number; readonly limit: number })
  /** Not text: a zero byte or the like. */
  | (ProblemBase & { readonly code: 'not_text' })
  /** Neither YAML nor JSON. */
  | (ProblemBase & { readonly code: 'syntax' })
  /** Nested too deep, or blown up by aliases. */
  | (ProblemBase & { readonly code: 'too_complex' })
  | (ProblemBase & { readonly code: 'not_an_object' })
  | (ProblemBase & { readonly code: 'missing_api_version' })
  | (ProblemBase & { readonly code: 'missing_kind' })
  | (ProblemBase & { readonly code: 'unknown_kind'; readonly kind: string; readonly suggestion?: string })
  | (ProblemBase & { readonly code: 'wrong_api_version'; readonly kind: string; readonly expected: string })
  | (FieldProblem & { readonly code: 'duplicate_key' })
  /** A key that programs give a meaning of its own: __proto__. */
  | (FieldProblem & { readonly code: 'reserved_key' })
  | (FieldProblem & { readonly code: 'unknown_field'; readonly suggestion?: string })
  | (FieldProblem & { readonly code: 'wrong_type'; readonly expected: string })
  /** The right type, but not a value that it can have: a time, base64, a number out of range. */
  | (FieldProblem & { readonly code: 'invalid_value' });

export type DecodeCode = DecodeProblem['code'];

/** No more problems of one text are told than this; a file that is not a manifest at all would give thousands. */
export const MAX_PROBLEMS = 50;

/** All problems of one object in one sentence, in the form that Kubernetes' API server uses. */
export function strictDecodingMessage(kind: string, apiVersion: string, problems: readonly DecodeProblem[]): string {
  const version = apiVersion.slice(apiVersion.indexOf('/') + 1);
  const faults = problems.map((it) => it.message).join(', ');
  return `${kind} in version "${version}" cannot be handled as a ${kind}: strict decoding error: ${faults}`;
}

/** One problem as a line for a terminal: place, message, advice. */
export function problemLine(problem: DecodeProblem): string {
  const place = [problem.source, problem.position?.line, problem.position?.column].filter((it) => it !== undefined && it !== '').join(':');
  return `${place === '' ? '' : `${place}: `}${problem.message}${problem.advice === '' ? '' : ` (${problem.advice})`}`;
}
