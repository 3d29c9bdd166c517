// What volumes and mounts may say: a table of faults, with Kubernetes' paths and messages.
import { test } from 'vitest';
import type { JsonObject } from '../../decode/tree.js';
import { expectFaults, type FaultRow, podWith } from '../testing/pods.js';

const volume = (source: JsonObject): JsonObject => podWith({ volumes: [{ name: 'v', ...source }] });
const item = (more: JsonObject): JsonObject => volume({ configMap: { name: 'c', items: [{ key: 'k', path: 'p', ...more }] } });
const fact = (more: JsonObject): JsonObject => volume({ downwardAPI: { items: [{ path: 'p', ...more }] } });
const projected = (...sources: JsonObject[]): JsonObject => volume({ projected: { sources } });
const mount = (more: JsonObject, container: JsonObject = {}): JsonObject =>
  podWith({
    volumes: [{ name: 'v', emptyDir: {} }],
    containers: [{ name: 'a', image: 'i:1', volumeMounts: [{ name: 'v', mountPath: '/m', ...more }], ...container }],
  });
const MODE = 'must be a number between 0 and 0777 (octal), both inclusive';
const at = 'spec.volumes[0]';
const items = `${at}.configMap.items[0]`;
const file = `${at}.downwardAPI.items[0]`;
const mounts = 'spec.containers[0].volumeMounts[0]';

const rows: readonly FaultRow[] = [
  ['a ConfigMap without a name', volume({ configMap: {} }), `${at}.configMap.name: Required value`],
  ['a Secret without a name', volume({ secret: {} }), `${at}.secret.secretName: Required value`],
  [
    'a mode that is too large',
    volume({ configMap: { name: 'c', defaultMode: 512 } }),
    `${at}.configMap.defaultMode: Invalid value: 512: ${MODE}`,
  ],
  ['a negative mode', volume({ secret: { secretName: 's', defaultMode: -1 } }), `${at}.secret.defaultMode: Invalid value: -1: ${MODE}`],
  [
    'a mode of facts',
    volume({ downwardAPI: { items: [], defaultMode: 1000 } }),
    `${at}.downwardAPI.defaultMode: Invalid value: 1000: ${MODE}`,
  ],
  [
    'a mode of a projected volume',
    volume({ projected: { defaultMode: 1000 } }),
    `${at}.projected.defaultMode: Invalid value: 1000: ${MODE}`,
  ],
  ['an item without a key', item({ key: '' }), `${items}.key: Required value`],
  ['an item without a path', item({ path: '' }), `${items}.path: Required value`],
  ['an absolute path', item({ path: '/etc/x' }), `${items}.path: Invalid value: "/etc/x": must be a relative path`],
  ['a path that leads out', item({ path: '../x' }), `${items}.path: Invalid value: "../x": must not contain '..'`],
  ['a path that leads out later', item({ path: 'a/../../x' }), `${items}.path: Invalid value: "a/../../x": must not contain '..'`],
  ['a path that is ..', item({ path: '..' }), `${items}.path: Invalid value: "..": must not contain '..'`],
  ["the volume's own names", item({ path: '..data' }), `${items}.path: Invalid value: "..data": must not start with '..'`],
  ['a mode of an item', item({ mode: 512 }), `${items}.mode: Invalid value: 512: ${MODE}`],
  [
    'an item of a Secret',
    volume({ secret: { secretName: 's', items: [{ key: 'k', path: '/p' }] } }),
    `${at}.secret.items[0].path: Invalid value: "/p": must be a relative path`,
  ],
  ['a file without content', fact({}), `${file}: Required value: one of fieldRef and resourceFieldRef is required`],
  [
    'a field that is no fact of a file',
    fact({ fieldRef: { fieldPath: 'status.podIP' } }),
    [`${file}.fieldRef.fieldPath`, /^Unsupported value: "status.podIP"/],
  ],
  [
    'two contents',
    fact({ fieldRef: { fieldPath: 'metadata.name' }, resourceFieldRef: { containerName: 'a', resource: 'limits.cpu' } }),
    `${file}: Invalid value: "resource": fieldRef and resourceFieldRef can not be specified simultaneously`,
  ],
  [
    'a resource of no container',
    fact({ resourceFieldRef: { resource: 'limits.cpu' } }),
    `${file}.resourceFieldRef.containerName: Required value`,
  ],
  [
    'an unknown resource',
    fact({ resourceFieldRef: { containerName: 'a', resource: 'x' } }),
    [`${file}.resourceFieldRef.resource`, /^Unsupported value: "x"/],
  ],
  [
    'a file that leads out',
    fact({ path: '../p', fieldRef: { fieldPath: 'metadata.name' } }),
    `${file}.path: Invalid value: "../p": must not contain '..'`,
  ],
  ['an empty source', projected({}), `${at}.projected.sources[0]: Required value: must specify a volume source`],
  [
    'a source of two kinds',
    projected({ secret: { name: 's' }, configMap: { name: 'c' } }),
    `${at}.projected.sources[0]: Forbidden: may not specify more than 1 volume type per source`,
  ],
  ['a projected Secret without a name', projected({ secret: {} }), `${at}.projected.sources[0].secret.name: Required value`],
  [
    'one path twice',
    projected({ secret: { name: 's', items: [{ key: 'k', path: 'p' }] } }, { configMap: { name: 'c', items: [{ key: 'k', path: 'p' }] } }),
    `${at}.projected.sources[1].configMap.items[0].path: Invalid value: "p": conflicting duplicate paths`,
  ],
  ['no host path', volume({ hostPath: { path: '' } }), `${at}.hostPath.path: Required value`],
  [
    'a host path with steps back',
    volume({ hostPath: { path: '/a/../etc' } }),
    `${at}.hostPath.path: Invalid value: "/a/../etc": must not contain '..'`,
  ],
  ['a relative host path', volume({ hostPath: { path: 'etc' } }), `${at}.hostPath.path: Invalid value: "etc": must be an absolute path`],
  ['an unknown type of host path', volume({ hostPath: { path: '/a', type: 'Dir' } }), [`${at}.hostPath.type`, /^Unsupported value: "Dir"/]],
  ['an absolute subPath', mount({ subPath: '/x' }), `${mounts}.subPath: Invalid value: "/x": must be a relative path`],
  ['a subPath that leads out', mount({ subPath: 'a/../..' }), `${mounts}.subPath: Invalid value: "a/../..": must not contain '..'`],
  ['an absolute subPathExpr', mount({ subPathExpr: '/$(X)' }), `${mounts}.subPathExpr: Invalid value: "/$(X)": must be a relative path`],
  [
    'a subPathExpr that leads out',
    mount({ subPathExpr: '../$(X)' }),
    `${mounts}.subPathExpr: Invalid value: "../$(X)": must not contain '..'`,
  ],
  [
    'both',
    mount({ subPath: 'a', subPathExpr: 'b' }),
    `${mounts}.subPathExpr: Invalid value: "b": subPathExpr and subPath are mutually exclusive`,
  ],
  [
    'Bidirectional without being privileged',
    mount({ mountPropagation: 'Bidirectional' }),
    `${mounts}.mountPropagation: Forbidden: Bidirectional mount propagation is available only to privileged containers`,
  ],
  ['an unknown propagation', mount({ mountPropagation: 'Both' }), [`${mounts}.mountPropagation`, /^Unsupported value: "Both"/]],
];

test.each(rows.map((row) => [row[0], row] as const))('%s', (_what, [, pod, ...faults]) => expectFaults(pod, faults));
