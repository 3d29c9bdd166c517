// What a deletion cost may be, as a table, on a pod and in a template.
import { expect, it, test } from 'vitest';
import { fieldErrorText, Path } from '../../errors.js';
import { PodSpec, PodTemplateSpec } from '../../gen/podplane/core/v1/pod.js';
import { podKind } from '../pod.js';
import { validateTemplate } from '../pod-template.js';
import { setPodSpecDefaults } from './defaults.js';
import { DELETION_COST, deletionCostOf } from './deletion-cost.js';

const containers = [{ name: 'c', image: 'i' }];
const SPEC = PodSpec.fromPartial({ containers });
setPodSpecDefaults(SPEC);
const podOf = (cost?: string): Parameters<typeof podKind.validateCreate>[0] => {
  const annotations = cost === undefined ? {} : { [DELETION_COST]: cost };
  const pod = podKind.codec.fromJSON({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'a', namespace: 'default', annotations },
    spec: { containers },
  });
  podKind.setDefaults(pod);
  podKind.prepareForCreate(pod, 0);
  return pod;
};

test.each<[string | undefined, number | undefined]>([
  [undefined, 0],
  ['0', 0],
  ['5', 5],
  ['-5', -5],
  ['2147483647', 2147483647],
  ['-2147483648', -2147483648],
  ['2147483648', undefined],
  ['-2147483649', undefined],
  ['+5', undefined],
  ['05', undefined],
  ['-0', 0],
  ['-05', -5],
  ['-', undefined],
  ['1e3', undefined],
  ['5.0', undefined],
  ['dear', undefined],
  ['', undefined],
])('%s is %s', (text, cost) => {
  const fault = `[controller.kubernetes.io/pod-deletion-cost]: Invalid value: ${JSON.stringify(text)}: must be a 32bit integer`;
  expect(podKind.validateCreate(podOf(text)).map(fieldErrorText)).toEqual(cost === undefined ? [`metadata.annotations${fault}`] : []);
  expect(deletionCostOf(podOf(text).metadata?.annotations)).toBe(cost ?? 0);
  const template = PodTemplateSpec.fromPartial({ metadata: { annotations: { ...podOf(text).metadata?.annotations } }, spec: SPEC });
  expect(validateTemplate(template, Path.of('spec', 'template')).map(fieldErrorText)).toEqual(
    cost === undefined ? [`spec.template.metadata.annotations${fault}`] : [],
  );
});

it('what was wrong already may stay, or become another wrong one; what was right may not become wrong', () => {
  const faults = (next: string, previous: string): number => podKind.validateUpdate(podOf(next), podOf(previous)).length;
  expect([faults('dear', 'dear'), faults('dearer', 'dear'), faults('dear', '1'), faults('1', 'dear')]).toEqual([0, 0, 1, 0]);
});
