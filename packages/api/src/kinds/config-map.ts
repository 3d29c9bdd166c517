// ConfigMaps: validation, columns.
import { invalid, Path } from '../errors.js';
import { age } from '../print.js';
import { validateImmutable, validateKeys, validateSize } from './data.js';
import { defineKind, intColumn, nameColumn, textColumn } from './define.js';

const DATA = Path.of('data');
const BINARY = Path.of('binaryData');

export const configMapKind = defineKind<'ConfigMap'>({
  kind: 'ConfigMap',
  oneofCase: 'configMap',
  columns: [
    nameColumn(),
    intColumn('Data', (map) => Object.keys(map.data).length + Object.keys(map.binaryData).length),
    textColumn('Age', (map, { now }) => age(map.metadata?.creationTimestamp, now)),
  ],
  validate: ({ data, binaryData }) => [
    ...validateKeys(Object.keys(data), DATA),
    ...Object.keys(data)
      .filter((key) => Object.hasOwn(binaryData, key))
      .map((key) => invalid(DATA.key(key), key, 'duplicate of key present in binaryData')),
    ...validateKeys(Object.keys(binaryData), BINARY),
    ...validateSize(data, binaryData, ''),
  ],
  validateUpdate: (next, previous) => validateImmutable(next, previous, ['data', 'binaryData']),
});
