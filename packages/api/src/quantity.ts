// Quantities: "100m", "1.5Gi", "1e3". Exact arithmetic on billionths as bigint, never floating point. Canonical text as
// Kubernetes writes it. Which resources there are is not here.

/** How a quantity was written, and therefore how its canonical text is written. */
export type QuantityFormat = 'BinarySI' | 'DecimalSI' | 'DecimalExponent';

/** An exact number. Frozen; equal texts share one. */
export interface Quantity {
  /** Billionths (10^-9). */
  readonly nano: bigint;
  readonly format: QuantityFormat;
}

/** A text that is no quantity. */
export class QuantityError extends Error {
  override readonly name = 'QuantityError';
  readonly text: string;
  constructor(text: string) {
    super("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'");
    this.text = text;
  }
}

const NANO_DIGITS = 9;
const NANO = 10n ** 9n;
const MICRO_IN_NANO = 10n ** 6n; // billionths in a thousandth
/** Kubernetes cuts larger quantities to this. */
const MAX = ((1n << 63n) - 1n) * NANO;
/** Longer texts are no quantities that anybody wrote. */
const LONGEST = 256;

const QUANTITY = /^([+-]?)([0-9]*)(?:\.([0-9]*))?(?:(Ki|Mi|Gi|Ti|Pi|Ei)|([numkMGTPE])|[eE]([+-]?[0-9]+))?$/;
const BINARY_SHIFT: Readonly<Record<string, bigint>> = { Ki: 10n, Mi: 20n, Gi: 30n, Ti: 40n, Pi: 50n, Ei: 60n };
const DECIMAL_EXPONENT: Readonly<Record<string, number>> = { n: -9, u: -6, m: -3, k: 3, M: 6, G: 9, T: 12, P: 15, E: 18 };

// Pods of one template repeat the same few texts: 50,000 pods of a benchmark know four.
const CACHE_MAX = 20_000;
const parsed = new Map<string, Quantity>();
const millis = new Map<string, number>();
const wholes = new Map<string, number>();

function remember<V>(cache: Map<string, V>, text: string, value: V): V {
  if (cache.size >= CACHE_MAX) cache.clear();
  cache.set(text, value);
  return value;
}

/** Reads a quantity; undefined where the text is none. Parts below a billionth are rounded away from zero. */
export function tryParseQuantity(text: string): Quantity | undefined {
  const known = parsed.get(text);
  if (known !== undefined) return known;
  const quantity = read(text);
  return quantity === undefined ? undefined : remember(parsed, text, quantity);
}

/** Reads a quantity. Throws QuantityError. */
export function parseQuantity(text: string): Quantity {
  const quantity = tryParseQuantity(text);
  if (quantity === undefined) throw new QuantityError(text);
  return quantity;
}

export function isQuantity(text: string): boolean {
  return tryParseQuantity(text) !== undefined;
}

function read(text: string): Quantity | undefined {
  if (text.length > LONGEST) return undefined;
  const match = QUANTITY.exec(text);
  if (match === null) return undefined;
  const whole = match[2] ?? '';
  const fraction = match[3] ?? '';
  if (whole === '' && fraction === '') return undefined;
  const magnitude = BigInt(whole + fraction);
  const negative = match[1] === '-';
  const [binary, decimal, exponent] = [match[4], match[5], match[6]];
  let nano: bigint;
  let format: QuantityFormat = 'DecimalSI';
  if (binary !== undefined) {
    format = 'BinarySI';
    nano = scaled(magnitude << (BINARY_SHIFT[binary] ?? 0n), NANO_DIGITS - fraction.length);
  } else {
    if (exponent !== undefined) format = 'DecimalExponent';
    const power = exponent === undefined ? (DECIMAL_EXPONENT[decimal ?? ''] ?? 0) : Number(exponent);
    nano = scaled(magnitude, NANO_DIGITS - fraction.length + power);
  }
  if (nano > MAX) nano = MAX;
  return Object.freeze({ nano: negative ? -nano : nano, format });
}

/** value * 10^power, rounded up; anything beyond MAX is MAX, so that an exponent of a million costs nothing. */
function scaled(value: bigint, power: number): bigint {
  if (value === 0n) return 0n;
  if (power >= 0) return power > 40 ? MAX : value * 10n ** BigInt(power);
  if (power < -(LONGEST + 40)) return 1n;
  return ceilDiv(value, 10n ** BigInt(-power));
}

/** For divisor > 0; rounds away from zero. */
function ceilDiv(value: bigint, divisor: bigint): bigint {
  const quotient = value / divisor;
  const rest = value % divisor;
  if (rest === 0n) return quotient;
  return value > 0n ? quotient + 1n : quotient - 1n;
}

function safe(value: bigint): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) return Number.MAX_SAFE_INTEGER;
  if (value < BigInt(Number.MIN_SAFE_INTEGER)) return Number.MIN_SAFE_INTEGER;
  return Number(value);
}

/** Thousandths (for cpu), rounded away from zero, cut to the safe integers. Throws QuantityError. */
export function milliValue(text: string): number {
  return millis.get(text) ?? remember(millis, text, safe(ceilDiv(parseQuantity(text).nano, MICRO_IN_NANO)));
}

/** Units (bytes for memory), rounded away from zero, cut to the safe integers. Throws QuantityError. */
export function wholeValue(text: string): number {
  return wholes.get(text) ?? remember(wholes, text, safe(ceilDiv(parseQuantity(text).nano, NANO)));
}

/** Negative, 0 or positive as a is less than, equal to or more than b. */
export function compareQuantities(a: Quantity, b: Quantity): number {
  return a.nano < b.nano ? -1 : a.nano > b.nano ? 1 : 0;
}

/** a + b in a's format (b's where a is zero). */
export function addQuantities(a: Quantity, b: Quantity): Quantity {
  return Object.freeze({ nano: a.nano + b.nano, format: a.nano === 0n ? b.format : a.format });
}

/** a - b in a's format (b's where a is zero). */
export function subtractQuantities(a: Quantity, b: Quantity): Quantity {
  return Object.freeze({ nano: a.nano - b.nano, format: a.nano === 0n ? b.format : a.format });
}

/** A number of thousandths as a quantity: 1500 is "1500m". milli must be an integer. */
export function fromMilli(milli: number): Quantity {
  return Object.freeze({ nano: BigInt(milli) * MICRO_IN_NANO, format: 'DecimalSI' });
}

/** A whole number of units (bytes) as a quantity. */
export function fromWhole(value: number | bigint, format: QuantityFormat = 'BinarySI'): Quantity {
  return Object.freeze({ nano: BigInt(value) * NANO, format });
}

/** Canonical text: no fraction digits, the largest unit that needs none. */
export function formatQuantity({ nano, format }: Quantity): string {
  if (nano === 0n) return '0';
  // Below 1024 and with fractions, binary units would lose something.
  const magnitude = nano < 0n ? -nano : nano;
  if (format === 'BinarySI' && magnitude >= 1024n * NANO && magnitude % NANO === 0n) return binaryText(nano / NANO);
  return decimalText(nano, format);
}

const BINARY_UNITS = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'];
const DECIMAL_UNITS = ['n', 'u', 'm', '', 'k', 'M', 'G', 'T', 'P', 'E'];

function binaryText(value: bigint): string {
  let unit = 0;
  let rest = value;
  while (unit < BINARY_UNITS.length - 1 && rest % 1024n === 0n) {
    rest /= 1024n;
    unit++;
  }
  return `${rest}${BINARY_UNITS[unit]}`;
}

function decimalText(nano: bigint, format: QuantityFormat): string {
  let unit = 0;
  let rest = nano;
  while (unit < DECIMAL_UNITS.length - 1 && rest % 1000n === 0n) {
    rest /= 1000n;
    unit++;
  }
  if (format !== 'DecimalExponent') return `${rest}${DECIMAL_UNITS[unit]}`;
  const exponent = unit * 3 - NANO_DIGITS;
  return exponent === 0 ? String(rest) : `${rest}e${exponent}`;
}

/** Canonical text of a text: "0.5" is "500m". Throws QuantityError. */
export function canonicalQuantity(text: string): string {
  return formatQuantity(parseQuantity(text));
}
