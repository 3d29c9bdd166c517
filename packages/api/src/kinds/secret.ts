// Secrets: defaults, validation by type, columns.
import { type FieldError, invalid, Path, required } from '../errors.js';
import { age } from '../print.js';
import { validateImmutable, validateKeys, validateSize } from './data.js';
import { defineKind, intColumn, nameColumn, textColumn } from './define.js';
import type { Obj } from './kind-map.js';
import { mustNotChange } from './object-meta.js';

const DATA = Path.of('data');
const ACCOUNT = 'kubernetes.io/service-account.name';

/** Keys that a secret of a type must have. */
const NEEDED: Readonly<Record<string, readonly string[]>> = {
  'kubernetes.io/dockercfg': ['.dockercfg'],
  'kubernetes.io/dockerconfigjson': ['.dockerconfigjson'],
  'kubernetes.io/ssh-auth': ['ssh-privatekey'],
  'kubernetes.io/tls': ['tls.crt', 'tls.key'],
};

function isJson(bytes: Uint8Array): boolean {
  try {
    JSON.parse(Buffer.from(bytes).toString('utf8'));
    return true;
  } catch {
    return false;
  }
}

function validateType({ type = '', data, metadata }: Obj<'Secret'>): FieldError[] {
  const out: FieldError[] = [];
  for (const key of NEEDED[type] ?? []) {
    const value = data[key];
    if (value === undefined) out.push(required(DATA.key(key)));
    else if (key.startsWith('.docker') && !isJson(value)) out.push(invalid(DATA.key(key), '<secret contents redacted>', 'must be JSON'));
  }
  if (type === 'kubernetes.io/basic-auth' && data['username'] === undefined && data['password'] === undefined) {
    out.push(required(DATA.key('username')), required(DATA.key('password')));
  }
  if (type === 'kubernetes.io/service-account-token' && !metadata?.annotations[ACCOUNT]) {
    out.push(required(Path.of('metadata', 'annotations').key(ACCOUNT)));
  }
  return out;
}

export const secretKind = defineKind<'Secret'>({
  kind: 'Secret',
  oneofCase: 'secret',
  selectableFields: { type: (secret) => secret.type ?? '' },
  columns: [
    nameColumn(),
    textColumn('Type', (secret) => secret.type ?? ''),
    intColumn('Data', (secret) => Object.keys(secret.data).length),
    textColumn('Age', (secret, { now }) => age(secret.metadata?.creationTimestamp, now)),
  ],
  setDefaults(secret) {
    secret.type ||= 'Opaque';
    // stringData is only a way to write data.
    for (const [key, text] of Object.entries(secret.stringData)) secret.data[key] = Buffer.from(text, 'utf8');
    secret.stringData = {};
  },
  validate: (secret) => [...validateKeys(Object.keys(secret.data), DATA), ...validateSize({}, secret.data, DATA), ...validateType(secret)],
  validateUpdate: (next, previous) => [
    ...mustNotChange(next.type, previous.type, Path.of('type')),
    ...validateImmutable(next, previous, ['data']),
  ],
});
