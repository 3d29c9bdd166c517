// Where a pod may run: node selector, node affinity, tolerations. What the scheduler makes of it is not here.

import { type FieldError, forbidden, invalid, notSupported, type Path, required } from '../../errors.js';
import type {
  NodeSelector,
  NodeSelectorRequirement,
  NodeSelectorTerm,
  PreferredSchedulingTerm,
  Toleration,
} from '../../gen/podplane/core/v1/scheduling.js';
import { dnsSubdomainProblems, labelValueProblems, qualifiedNameProblems } from '../../names.js';
import type { DeepReadonly } from '../kind-map.js';

type Requirement = DeepReadonly<NodeSelectorRequirement>;

function validateExpression({ key, operator, values }: Requirement, path: Path, anyValue: boolean): FieldError[] {
  const out: FieldError[] = [];
  const at = path.child('values');
  switch (operator) {
    case 'In':
    case 'NotIn':
      if (values.length === 0) out.push(required(at, "must be specified when `operator` is 'In' or 'NotIn'"));
      break;
    case 'Exists':
    case 'DoesNotExist':
      if (values.length > 0) out.push(forbidden(at, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"));
      break;
    case 'Gt':
    case 'Lt':
      if (values.length !== 1) out.push(required(at, "must be specified single value when `operator` is 'Lt' or 'Gt'"));
      else if (!/^[+-]?[0-9]{1,19}$/.test(values[0] ?? ''))
        out.push(invalid(at.index(0), values[0], "for 'Gt', 'Lt' operators, the value must be an integer"));
      break;
    default:
      out.push(invalid(path.child('operator'), operator, 'not a valid selector operator'));
  }
  for (const problem of qualifiedNameProblems(key)) out.push(invalid(path.child('key'), key, problem));
  for (const [i, value] of anyValue ? [] : values.entries()) {
    for (const problem of labelValueProblems(value)) out.push(invalid(at.index(i), value, problem));
  }
  return out;
}

function validateField({ key, operator, values }: Requirement, path: Path): FieldError[] {
  const out: FieldError[] = [];
  if (operator !== 'In' && operator !== 'NotIn') out.push(invalid(path.child('operator'), operator, 'not a valid selector operator'));
  else if (values.length !== 1)
    out.push(required(path.child('values'), "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"));
  if (key !== 'metadata.name') return [...out, invalid(path.child('key'), key, 'not a valid field selector key')];
  for (const [i, value] of values.entries()) {
    for (const problem of dnsSubdomainProblems(value)) out.push(invalid(path.child('values').index(i), value, problem));
  }
  return out;
}

/** anyValue: also what no label can be, as in wishes, which do no harm. */
function validateTerm(term: DeepReadonly<NodeSelectorTerm>, path: Path, anyValue = false): FieldError[] {
  return [
    ...term.matchExpressions.flatMap((one, i) => validateExpression(one, path.child('matchExpressions').index(i), anyValue)),
    ...term.matchFields.flatMap((one, i) => validateField(one, path.child('matchFields').index(i))),
  ];
}

/** Faults of a node selector with terms. */
export function validateNodeSelector(selector: DeepReadonly<NodeSelector>, path: Path): FieldError[] {
  const at = path.child('nodeSelectorTerms');
  if (selector.nodeSelectorTerms.length === 0) return [required(at, 'must have at least one node selector term')];
  return selector.nodeSelectorTerms.flatMap((term, i) => validateTerm(term, at.index(i)));
}

/** Faults of wishes for nodes. */
export function validatePreferences(terms: readonly DeepReadonly<PreferredSchedulingTerm>[], path: Path): FieldError[] {
  return terms.flatMap(({ weight, preference }, i) => {
    const at = path.index(i);
    const out: FieldError[] = weight < 1 || weight > 100 ? [invalid(at.child('weight'), weight, 'must be in the range 1-100')] : [];
    return [
      ...out,
      ...(preference === undefined ? [required(at.child('preference'))] : validateTerm(preference, at.child('preference'), true)),
    ];
  });
}

const EFFECTS = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'] as const;

/** Faults of tolerations. */
export function validateTolerations(tolerations: readonly DeepReadonly<Toleration>[], path: Path): FieldError[] {
  const out: FieldError[] = [];
  for (const [i, toleration] of tolerations.entries()) {
    const at = path.index(i);
    const { key = '', operator = '', value = '', effect = '' } = toleration;
    if (key !== '') for (const problem of qualifiedNameProblems(key)) out.push(invalid(at.child('key'), key, problem));
    if (key === '' && operator !== 'Exists') {
      out.push(
        invalid(at.child('operator'), operator, 'operator must be Exists when `key` is empty, which means "match all values and all keys"'),
      );
    }
    if (toleration.tolerationSeconds !== undefined && effect !== 'NoExecute') {
      out.push(invalid(at.child('effect'), effect, "effect must be 'NoExecute' when `tolerationSeconds` is set"));
    }
    if (operator === '' || operator === 'Equal') {
      for (const problem of labelValueProblems(value)) out.push(invalid(at.child('operator'), value, problem));
    } else if (operator === 'Exists') {
      if (value !== '') out.push(invalid(at.child('operator'), value, "value must be empty when `operator` is 'Exists'"));
    } else {
      out.push(notSupported(at.child('operator'), operator, ['Equal', 'Exists']));
    }
    if (effect !== '' && !EFFECTS.some((one) => one === effect)) out.push(notSupported(at.child('effect'), effect, EFFECTS));
  }
  return out;
}
