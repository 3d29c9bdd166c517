// What plain YAML words mean in a manifest: YAML 1.2, and 0644 is octal as everybody who writes a file mode means it. `yes`, `on`
// and the like are text, as YAML 1.2 says.
import type { JsonValue } from './tree.js';

/** NaN and infinities have no JSON form. */
export const NOT_FINITE = Symbol('not finite');

const NULLS = new Set(['', '~', 'null', 'Null', 'NULL']);
const TRUES = new Set(['true', 'True', 'TRUE']);
const FALSES = new Set(['false', 'False', 'FALSE']);
const OCTAL = /^(?:([-+]?)0|0o)([0-7]+)$/;
const INTEGER = /^[-+]?[0-9]+$/;
const HEX = /^0x[0-9a-fA-F]+$/;
const FLOAT = /^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$/;
const UNREAL = /^(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$/;

/** The value of a scalar written without quotes. */
export function plainScalar(source: string): Exclude<JsonValue, object> | null | typeof NOT_FINITE {
  if (NULLS.has(source)) return null;
  if (TRUES.has(source)) return true;
  if (FALSES.has(source)) return false;
  const octal = OCTAL.exec(source);
  if (octal !== null) return finite((octal[1] === '-' ? -1 : 1) * Number.parseInt(octal[2] ?? '', 8));
  if (INTEGER.test(source) || HEX.test(source) || FLOAT.test(source)) return finite(Number(source));
  if (UNREAL.test(source)) return NOT_FINITE;
  return source;
}

function finite(number: number): number | typeof NOT_FINITE {
  if (!Number.isFinite(number)) return NOT_FINITE;
  return number === 0 ? 0 : number; // JSON has no -0
}
