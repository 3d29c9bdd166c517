// Plain data (what a decoded message is made of): copying, freezing, comparing with sharing. Nothing here knows what an object means.

type Plain = Record<string, unknown>;

/** A field's value; a field named __proto__ (a legal key of a ConfigMap) is one like any other. */
function fieldOf(source: Plain, key: string): unknown {
  return key === '__proto__' && !Object.hasOwn(source, key) ? undefined : source[key];
}

/** A mutable deep copy. Bytes are copied as well, because they cannot be frozen. */
export function clonePlain(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) {
    const source: readonly unknown[] = value;
    return source.map(clonePlain);
  }
  if (value instanceof Uint8Array) return copyBytes(value);
  // A spread first: it copies wide messages, most of whose fields are undefined, several times faster than field by field. Own
  // fields it has made are then only written again, so a key __proto__ stays a field.
  const copy: Plain = { ...(value as Plain) };
  for (const key in copy) {
    const inner = copy[key];
    if (typeof inner === 'object' && inner !== null) copy[key] = clonePlain(inner);
  }
  return copy;
}

function copyBytes(bytes: Uint8Array): Uint8Array {
  return Buffer.isBuffer(bytes) ? Buffer.from(bytes) : bytes.slice();
}

/** Freezes all the way down and stops at what is frozen already, so that a changed object costs what changed in it. */
export function freezePlain<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value) || value instanceof Uint8Array) return value;
  if (Array.isArray(value)) {
    for (const item of value as readonly unknown[]) if (typeof item === 'object') freezePlain(item);
  } else {
    const source = value as unknown as Plain;
    for (const key in source) {
      const inner = source[key];
      if (typeof inner === 'object') freezePlain(inner);
    }
  }
  return Object.freeze(value);
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && Buffer.compare(a, b) === 0;
}

/**
 * next, with every part that equals the same part of old replaced by that part; old itself when all is equal. A field that is
 * undefined equals one that is absent. Writes into next where it is not frozen, so next must belong to the caller.
 */
export function shareWith(old: unknown, next: unknown): unknown {
  if (old === next) return old;
  if (typeof old !== 'object' || typeof next !== 'object' || old === null || next === null) return Object.is(old, next) ? old : next;
  if (Array.isArray(next)) return Array.isArray(old) ? shareArray(old, next) : next;
  if (Array.isArray(old)) return next;
  if (next instanceof Uint8Array) return old instanceof Uint8Array && sameBytes(old, next) ? old : next;
  if (old instanceof Uint8Array) return next;
  return shareRecord(old as Plain, next as Plain);
}

function shareArray(old: readonly unknown[], next: unknown[]): unknown {
  let equal = old.length === next.length;
  let target = next;
  for (let i = 0; i < next.length; i++) {
    const item = next[i];
    const shared = i < old.length ? shareWith(old[i], item) : item;
    if (equal && shared !== old[i]) equal = false;
    if (shared !== item) {
      if (target === next && Object.isFrozen(next)) target = [...next];
      target[i] = shared;
    }
  }
  return equal ? old : target;
}

function shareRecord(old: Plain, next: Plain): unknown {
  let equal = true;
  let defined = 0;
  let target = next;
  for (const key in next) {
    const item = next[key];
    if (item === undefined) continue;
    defined++;
    const before = fieldOf(old, key);
    const shared = before === item ? item : shareWith(before, item);
    if (shared !== before) equal = false;
    if (shared !== item) {
      if (target === next && Object.isFrozen(next)) target = { ...next };
      target[key] = shared; // own already, so __proto__ is no danger
    }
  }
  if (!equal) return target;
  for (const key in old) if (old[key] !== undefined) defined--;
  return defined === 0 ? old : target;
}

/** Structural equality; a field that is undefined equals one that is absent. Writes nothing. */
export function equalPlain(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return Object.is(a, b);
  if (Array.isArray(a)) {
    if (!Array.isArray(b) || a.length !== b.length) return false;
    for (let i = 0; i < a.length; i++) if (!equalPlain(a[i], b[i])) return false;
    return true;
  }
  if (a instanceof Uint8Array) return b instanceof Uint8Array && sameBytes(a, b);
  if (Array.isArray(b) || b instanceof Uint8Array) return false;
  const left = a as Plain;
  const right = b as Plain;
  let defined = 0;
  for (const key in left) {
    const item = left[key];
    if (item === undefined) continue;
    defined++;
    if (!equalPlain(item, fieldOf(right, key))) return false;
  }
  for (const key in right) if (right[key] !== undefined) defined--;
  return defined === 0;
}
