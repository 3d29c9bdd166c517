import { describe, expect, it } from 'vitest';
import { JsonPath, relaxedPath } from './jsonpath.js';

const root = {
  kind: 'List',
  items: [
    {
      metadata: { name: 'a', labels: { 'app.kubernetes.io/name': 'x' } },
      status: { phase: 'Running', restarts: 3, conditions: [{ type: 'Ready', status: 'True' }] },
    },
    {
      metadata: { name: 'b', labels: {} },
      status: {
        phase: 'Pending',
        restarts: 10,
        conditions: [
          { type: 'Ready', status: 'False' },
          { type: 'PodScheduled', status: 'True' },
        ],
      },
    },
  ],
};

describe('jsonpath', () => {
  // The examples of Kubernetes' page on JSONPath, and what people type.
  it.each([
    ['{.kind}', 'List'],
    ['{$.kind}', 'List'],
    ['{@.kind}', 'List'],
    ["{['kind']}", 'List'],
    ['{.items[*].metadata.name}', 'a b'],
    ['{.items[0].metadata.name}', 'a'],
    ['{.items[-1].metadata.name}', 'b'],
    ['{.items[-1:].metadata.name}', 'b'],
    ['{.items[0:1].metadata.name}', 'a'],
    ['{.items[::2].metadata.name}', 'a'],
    ['{.items[0,1].metadata.name}', 'a b'],
    ["{.items[*]['metadata.name', 'status.phase']}", ''],
    ["{.items[0].metadata['name', 'labels']}", 'a {"app.kubernetes.io/name":"x"}'],
    ["{.items[0].metadata.labels['app.kubernetes.io/name']}", 'x'],
    ['{.items[0].metadata.labels.app\\.kubernetes\\.io/name}', 'x'],
    ['{..name}', 'a b'],
    ['{.items[*].status.conditions[?(@.type=="Ready")].status}', 'True False'],
    ['{.items[?(@.status.phase=="Running")].metadata.name}', 'a'],
    ["{.items[?(@.status.phase!='Running')].metadata.name}", 'b'],
    ['{.items[?(@.status.restarts>5)].metadata.name}', 'b'],
    ['{.items[?(@.status.restarts<=3)].metadata.name}', 'a'],
    ['{.items[?(@.status.conditions[1])].metadata.name}', 'b'],
    ['{range .items[*]}{.metadata.name}{"\\t"}{.status.phase}{"\\n"}{end}', 'a\tRunning\nb\tPending\n'],
    [
      '{range .items[*]}{.metadata.name}: {range .status.conditions[*]}{.type}={.status};{end} {end}',
      'a: Ready=True; b: Ready=False;PodScheduled=True; ',
    ],
    ['names: {.items[*].metadata.name}!', 'names: a b!'],
    ['{.items[0].nothing.at.all}', ''],
    ['{.items[9]}', ''],
    ['{.items[0].metadata.constructor}', ''],
    ['{.items[0].status.conditions}', '[{"type":"Ready","status":"True"}]'],
    ['{.items[0].metadata.name} {.items[0].status.restarts}', 'a 3'],
    ['{.kind}{.}', `List${JSON.stringify(root)}`],
  ])('%s', (template, expected) => {
    expect(new JsonPath(template).text(root)).toBe(expected);
  });

  it.each(['{.items', '{.items[}', '{.items[x]}', '{range .items[*]}x', '{end}', '{.items[?(@.a==)]}', '{.a[::0]}', '{}{,}'])(
    '%s is refused',
    (template) => {
      expect(() => new JsonPath(template)).toThrow('jsonpath');
    },
  );

  it.each(['.kind', 'kind', '{.kind}', '{kind}'])('%s without all its signs', (text) => {
    expect(relaxedPath(text).values(root)).toEqual(['List']);
  });
});
