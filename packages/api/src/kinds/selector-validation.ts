// Faults of label selectors inside manifests, with their paths. What selectors mean is in ../selectors.ts.

import { type FieldError, forbidden, invalid, type Path, required } from '../errors.js';
import type { LabelSelector } from '../gen/podplane/meta/v1/meta.js';
import { labelValueProblems, qualifiedNameProblems } from '../names.js';
import type { DeepReadonly } from './kind-map.js';
import { validateLabels } from './object-meta.js';

/** Faults of a LabelSelector. */
export function validateLabelSelector(selector: DeepReadonly<LabelSelector>, path: Path): FieldError[] {
  const out = validateLabels(selector.matchLabels, path.child('matchLabels'));
  for (const [i, { key, operator, values }] of selector.matchExpressions.entries()) {
    const at = path.child('matchExpressions').index(i);
    switch (operator) {
      case 'In':
      case 'NotIn':
        if (values.length === 0) out.push(required(at.child('values'), "must be specified when `operator` is 'In' or 'NotIn'"));
        break;
      case 'Exists':
      case 'DoesNotExist':
        if (values.length > 0)
          out.push(forbidden(at.child('values'), "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"));
        break;
      default:
        out.push(invalid(at.child('operator'), operator, 'not a valid selector operator'));
    }
    for (const problem of qualifiedNameProblems(key)) out.push(invalid(at.child('key'), key, problem));
    for (const [v, value] of values.entries()) {
      for (const problem of labelValueProblems(value)) out.push(invalid(at.child('values').index(v), value, problem));
    }
  }
  return out;
}
