// A hash that is the same in every process and version: of text, and of plain data by its canonical JSON. Not for secrets.

const FNV_PRIME = 0x01000193;

/** 64 bits as 16 hexadecimal digits: FNV-1a twice with different starts, each finished so that close texts differ widely. */
export function hashText(text: string): string {
  return half(text, 0x811c9dc5) + half(text, 0x9747b28c);
}

function half(text: string, start: number): string {
  let hash = start;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    hash = Math.imul(hash ^ (code & 0xff), FNV_PRIME);
    hash = Math.imul(hash ^ (code >>> 8), FNV_PRIME);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0).toString(16).padStart(8, '0');
}

/**
 * JSON with sorted keys and without what is empty: absent, undefined, "", 0, false, [] and {} are alike. So a template hashes the same
 * before and after it went through protobuf.
 */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(canonical(value) ?? null);
}

function canonical(value: unknown): unknown {
  if (value === undefined || value === null || value === '' || value === 0 || value === false) return undefined;
  if (typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.length === 0 ? undefined : value.map((item) => canonical(item) ?? null);
  const entries = Object.entries(value)
    .map(([key, inner]) => [key, canonical(inner)] as const)
    .filter(([, inner]) => inner !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}

const SAFE = 'bcdfghjklmnpqrstvwxz2456789';

/** Ten characters for names: letters and digits that make no words. */
export function nameHash(text: string): string {
  let number = BigInt(`0x${hashText(text)}`);
  let out = '';
  for (let i = 0; i < 10; i++) {
    out += SAFE[Number(number % BigInt(SAFE.length))];
    number /= BigInt(SAFE.length);
  }
  return out;
}
