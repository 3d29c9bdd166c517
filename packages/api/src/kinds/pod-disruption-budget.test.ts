// PodDisruptionBudgets: what is wrong in them, in Kubernetes' words, what admission sets, columns.
import { describe, expect, test } from 'vitest';
import type { JsonObject } from '../decode/tree.js';
import { kindInfo } from './catalogue.js';
import { admitted, createFaults, decoded, NOW, texts } from './testing/pods.js';

const budget = (spec: JsonObject): JsonObject => ({
  metadata: { name: 'web', namespace: 'default' },
  spec: { selector: { matchLabels: { app: 'web' } }, ...spec },
});

describe('faults', () => {
  test.each<[JsonObject, ...string[]]>([
    [{ minAvailable: 2 }],
    [{ minAvailable: 0 }],
    [{ maxUnavailable: '100%' }],
    [{ minAvailable: 1, selector: {} }],
    [{}],
    [
      { minAvailable: 1, maxUnavailable: 1 },
      'spec: Invalid value: {"minAvailable":1,"selector":{"matchLabels":{"app":"web"}},"maxUnavailable":1}: minAvailable and maxUnavailable cannot be both set',
    ],
    [{ minAvailable: -1 }, 'spec.minAvailable: Invalid value: -1: must be greater than or equal to 0'],
    [{ maxUnavailable: -1 }, 'spec.maxUnavailable: Invalid value: -1: must be greater than or equal to 0'],
    [{ minAvailable: '101%' }, 'spec.minAvailable: Invalid value: "101%": must not be greater than 100%'],
    [
      { maxUnavailable: 'two' },
      "spec.maxUnavailable: Invalid value: \"two\": a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%', or '93%', regex used for validation is '[0-9]+%')",
    ],
    [
      { minAvailable: 1, selector: { matchExpressions: [{ key: 'a', operator: 'Near' }] } },
      'spec.selector.matchExpressions[0].operator: Invalid value: "Near": not a valid selector operator',
    ],
    [
      { minAvailable: 1, unhealthyPodEvictionPolicy: 'Never' },
      'spec.unhealthyPodEvictionPolicy: Unsupported value: "Never": supported values: "AlwaysAllow", "IfHealthyBudget"',
    ],
  ])('%j', (spec, ...faults) => {
    expect(createFaults('PodDisruptionBudget', budget(spec))).toEqual(faults);
  });

  test('a status with negative counts', () => {
    const info = kindInfo('PodDisruptionBudget');
    const before = admitted('PodDisruptionBudget', budget({ minAvailable: 1 }));
    const next = decoded('PodDisruptionBudget', { ...budget({ minAvailable: 1 }), status: { disruptionsAllowed: -1 } });
    expect(texts(info.validateStatusUpdate(next, before))).toEqual([
      'status.disruptionsAllowed: Invalid value: -1: must be greater than or equal to 0',
    ]);
  });
});

test('columns', () => {
  const cells = (spec: JsonObject, status: JsonObject = {}): string[] =>
    kindInfo('PodDisruptionBudget').columns.map((column) =>
      column.value(decoded('PodDisruptionBudget', { ...budget(spec), status }), { now: NOW }),
    );
  expect(kindInfo('PodDisruptionBudget').columns.map(({ name }) => name.toUpperCase())).toEqual([
    'NAME',
    'MIN AVAILABLE',
    'MAX UNAVAILABLE',
    'ALLOWED DISRUPTIONS',
    'AGE',
  ]);
  expect(cells({ minAvailable: '50%' }, { disruptionsAllowed: 2 }).slice(0, 4)).toEqual(['web', '50%', 'N/A', '2']);
  expect(cells({ maxUnavailable: 1 }).slice(0, 4)).toEqual(['web', 'N/A', '1', '0']);
});
