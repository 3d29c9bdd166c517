// The annotation by which a pod says what its deletion costs: what it may say, and what it says. Who chooses by it is the ReplicaSets' business.
import { type FieldError, invalid, type Path } from '../../errors.js';

export const DELETION_COST = 'controller.kubernetes.io/pod-deletion-cost';

type Annotations = Readonly<Record<string, string>>;

/** An integer of 32 bits without plus sign, and without leading zeros where it is positive; 0 where there is none; undefined where what is there is none. */
function parse(text: string | undefined): number | undefined {
  if (text === undefined) return 0;
  const cost = /^(0|[1-9]\d*|-\d+)$/.test(text) ? Number(text) + 0 : Number.NaN;
  return cost >= -(2 ** 31) && cost < 2 ** 31 ? cost : undefined;
}

/** 0 where the annotations say nothing, or nothing that can be read. */
export const deletionCostOf = (annotations: Annotations | undefined): number => parse(annotations?.[DELETION_COST]) ?? 0;

/** Faults in Kubernetes' words. path: of the annotations. before: as they were; what was wrong already may stay. */
export function validateDeletionCost(annotations: Annotations, path: Path, before: Annotations = {}): FieldError[] {
  if (parse(annotations[DELETION_COST]) !== undefined || parse(before[DELETION_COST]) === undefined) return [];
  return [invalid(path.key(DELETION_COST), annotations[DELETION_COST], 'must be a 32bit integer')];
}
