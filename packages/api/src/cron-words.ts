// What is wrong with a cron expression, in the words that Kubernetes' users know: those of the Go library that it reads them with. When an
// expression is due is in cron.ts.

interface Field {
  readonly min: number;
  readonly max: number;
  readonly names: readonly string[];
}

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const FIELDS: readonly Field[] = [
  { min: 0, max: 59, names: [] },
  { min: 0, max: 23, names: [] },
  { min: 1, max: 31, names: [] },
  { min: 1, max: 12, names: MONTHS },
  { min: 0, max: 6, names: DAYS },
];
const NICKNAMES: ReadonlySet<string> = new Set(['@yearly', '@annually', '@monthly', '@weekly', '@daily', '@midnight', '@hourly']);

/** What is wrong with an expression; undefined: nothing. */
export function cronFault(expression: string): string | undefined {
  if (expression === '') return 'empty spec string';
  if (expression.startsWith('@')) return NICKNAMES.has(expression) ? undefined : `unrecognized descriptor: ${expression}`;
  const fields = expression.split(/\s+/).filter((one) => one !== '');
  if (fields.length !== FIELDS.length) return `expected exactly ${FIELDS.length} fields, found ${fields.length}: [${fields.join(' ')}]`;
  for (const [i, field] of FIELDS.entries()) {
    for (const part of (fields[i] ?? '').split(',').filter((one) => one !== '')) {
      const fault = partFault(part, field);
      if (fault !== undefined) return fault;
    }
  }
  return undefined;
}

/** A number, or the name of one where the field has names; a text: why it is none. */
function numberOf(text: string, { min, names }: Field): number | string {
  const named = names.indexOf(text.toLowerCase());
  if (named >= 0) return named + min;
  return /^\d{1,9}$/.test(text)
    ? Number(text)
    : `failed to parse int from ${text}: strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax`;
}

/** A number, a range or any value, each perhaps with a step. */
function partFault(part: string, field: Field): string | undefined {
  const [range = '', stepText, ...moreSteps] = part.split('/');
  const [low = '', high, ...moreEnds] = range.split('-');
  let [start, end]: [number | string, number | string] = [field.min, field.max];
  if (low !== '*' && low !== '?') {
    start = numberOf(low, field);
    if (typeof start === 'string') return start;
    if (moreEnds.length > 0) return `too many hyphens: ${part}`;
    end = high === undefined ? start : numberOf(high, field);
    if (typeof end === 'string') return end;
    // A start without an end goes on to the last.
    if (high === undefined && stepText !== undefined) end = field.max;
  }
  if (moreSteps.length > 0) return `too many slashes: ${part}`;
  const step = stepText === undefined ? 1 : numberOf(stepText, { ...field, names: [] });
  if (typeof step === 'string') return step;
  if (start < field.min) return `beginning of range (${start}) below minimum (${field.min}): ${part}`;
  if (end > field.max) return `end of range (${end}) above maximum (${field.max}): ${part}`;
  if (start > end) return `beginning of range (${start}) beyond end of range (${end}): ${part}`;
  return step === 0 ? `step of range should be a positive number: ${part}` : undefined;
}
