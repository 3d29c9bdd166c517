import { expect, test } from 'vitest';
import type { JsonObject } from '../decode/tree.js';
import { applyMergePatch } from '../patch.js';
import { onFailureOf } from './on-failure.js';
import { admitted, createFaults, workloadWith } from './testing/pods.js';

const annotated = (annotations: Record<string, string>, spec: JsonObject = {}): JsonObject =>
  applyMergePatch(workloadWith(spec), { metadata: { annotations } }) as JsonObject;
const how = 'podplane.dev/on-failure';
const bake = 'podplane.dev/bake-time';

test.each<[Record<string, string>, JsonObject, ...string[]]>([
  [{ [how]: 'rollback' }, {}],
  [{ [how]: 'pause', [bake]: '1m30s' }, {}],
  [{ [how]: 'Rollback' }, {}, `metadata.annotations[${how}]: Unsupported value: "Rollback": supported values: "pause", "rollback"`],
  [{ [bake]: '30s' }, {}, `metadata.annotations[${how}]: Required value: when ${bake} is specified`],
  [
    { [how]: 'pause', [bake]: 'long' },
    {},
    `metadata.annotations[${bake}]: Invalid value: "long": must be a duration such as 30s, 5m or 1h30m`,
  ],
  [{ [how]: 'pause', [bake]: '8d' }, {}, `metadata.annotations[${bake}]: Invalid value: "8d": must be at most 7d`],
  [
    { [how]: 'pause', [bake]: '9'.repeat(400) },
    {},
    `metadata.annotations[${bake}]: Invalid value: "${'9'.repeat(400)}": must be at most 7d`,
  ],
  [
    { [how]: 'rollback' },
    { progressDeadlineSeconds: 2147483647 },
    `spec.progressDeadlineSeconds: Invalid value: 2147483647: must be a real deadline, as ${how} goes by it`,
  ],
])('%j %j', (annotations, spec, ...faults) => {
  expect(createFaults('Deployment', annotated(annotations, spec))).toEqual(faults);
});

test('what they ask for', () => {
  expect(onFailureOf(admitted('Deployment', annotated({})))).toBeUndefined();
  expect(onFailureOf(admitted('Deployment', annotated({ [how]: 'pause' })))).toEqual({ how: 'pause', bakeMs: 0 });
  expect(onFailureOf(admitted('Deployment', annotated({ [how]: 'rollback', [bake]: '1m30s' })))).toEqual({
    how: 'rollback',
    bakeMs: 90_000,
  });
});
