// Values that are a number or a percentage, as in maxSurge: 1 or "25%". Reading and validation.
import { type FieldError, invalid, type Path } from '../errors.js';
import { percentProblems } from '../names.js';

const PERCENT = /^([0-9]+)%$/;

/** The percentage that a value is; undefined where it is none. */
export function percentOf(value: unknown): number | undefined {
  const match = typeof value === 'string' ? PERCENT.exec(value) : null;
  return match === null ? undefined : Number(match[1]);
}

/** A count out of "25%" or 3, with the percentage taken of total and rounded up or down; undefined where it is neither. */
export function scaledValue(value: unknown, total: number, round: 'up' | 'down'): number | undefined {
  if (typeof value === 'number') return value;
  const percent = percentOf(value);
  if (percent === undefined) return undefined;
  const exact = (percent * total) / 100;
  return round === 'up' ? Math.ceil(exact) : Math.floor(exact);
}

/** Faults of a non-negative number or a percentage. */
export function validateNonNegativeIntOrPercent(value: unknown, path: Path): FieldError[] {
  if (typeof value === 'string') return percentProblems(value).map((problem) => invalid(path, value, problem));
  if (typeof value === 'number' && Number.isInteger(value)) {
    return value < 0 ? [invalid(path, value, 'must be greater than or equal to 0')] : [];
  }
  return [invalid(path, value, "must be an integer or percentage (e.g '5%')")];
}

export function validateNotMoreThanHundredPercent(value: unknown, path: Path): FieldError[] {
  const percent = percentOf(value);
  return percent !== undefined && percent > 100 ? [invalid(path, value, 'must not be greater than 100%')] : [];
}

/** The number in a value, as it is compared with zero: 25 of "25%", 3 of 3; 0 where it is neither. */
export function intOrPercentValue(value: unknown): number {
  if (typeof value === 'number') return value;
  return percentOf(value) ?? (typeof value === 'string' && /^[+-]?\d{1,9}$/.test(value) ? Number(value) : 0);
}
