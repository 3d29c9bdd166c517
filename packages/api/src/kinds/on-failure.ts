// What a Deployment does when a rollout fails, as its annotations say. Reading and faults; who acts on it is the Deployment's controller.
import { parseDuration } from '../duration.js';
import { type FieldError, invalid, notSupported, Path, required } from '../errors.js';
import type { Readable } from './kind-info.js';

/** rollback: the template of the last rollout that was good comes back. pause: the rollout stops where it is. */
export const ON_FAILURE = 'podplane.dev/on-failure';
/** How long new pods must stay available before a rollout counts as good: 30s, 5m. Default: not at all. */
export const BAKE_TIME = 'podplane.dev/bake-time';

const HOW = ['pause', 'rollback'] as const;
const LONGEST_BAKE_MS = 7 * 86_400_000;
const ANNOTATIONS = Path.of('metadata', 'annotations');
/** A deadline of so many seconds is none, as in Kubernetes. */
const NO_DEADLINE = 2 ** 31 - 1;

export interface OnFailure {
  readonly how: (typeof HOW)[number];
  /** 0: a rollout is good as soon as it is complete. */
  readonly bakeMs: number;
}

/** undefined: nothing is done about a rollout that fails, but that the status says so. */
export function onFailureOf({ metadata }: Readable<'Deployment'>): OnFailure | undefined {
  const how = HOW.find((one) => one === metadata?.annotations[ON_FAILURE]);
  if (how === undefined) return undefined;
  return { how, bakeMs: parseDuration(metadata?.annotations[BAKE_TIME] ?? '0') ?? 0 };
}

/** Faults of the annotations. */
export function validateOnFailure({ metadata, spec }: Readable<'Deployment'>): FieldError[] {
  const how = metadata?.annotations[ON_FAILURE];
  const bake = metadata?.annotations[BAKE_TIME];
  const out: FieldError[] = [];
  if (how !== undefined && !HOW.some((one) => one === how)) out.push(notSupported(ANNOTATIONS.key(ON_FAILURE), how, HOW));
  if (how !== undefined && (spec?.progressDeadlineSeconds ?? 0) >= NO_DEADLINE) {
    const text = `must be a real deadline, as ${ON_FAILURE} goes by it`;
    out.push(invalid(Path.of('spec', 'progressDeadlineSeconds'), spec?.progressDeadlineSeconds, text));
  }
  if (bake === undefined) return out;
  const ms = parseDuration(bake);
  if (ms === undefined) out.push(invalid(ANNOTATIONS.key(BAKE_TIME), bake, 'must be a duration such as 30s, 5m or 1h30m'));
  else if (ms > LONGEST_BAKE_MS) out.push(invalid(ANNOTATIONS.key(BAKE_TIME), bake, 'must be at most 7d'));
  if (how === undefined) out.push(required(ANNOTATIONS.key(ON_FAILURE), `when ${BAKE_TIME} is specified`));
  return out;
}
