import { describe, expect, it } from 'vitest';
import { mayLabel } from './node-words.js';

describe('labels that an agent gives its node', () => {
  const otherNode = (name: string): boolean => name === 'n2';
  it.each([
    ['disk', 'ssd'],
    ['example.com/rack', '7'],
    ['notkubernetes.io/x', ''],
    ['kubernetes.io/hostname', 'n1'],
    ['kubernetes.io/arch', 'amd64'],
    ['topology.kubernetes.io/zone', 'a'],
    ['node.kubernetes.io/instance-type', 'm'],
    ['kubelet.kubernetes.io/x', ''],
    ['sub.node.kubernetes.io/x', ''],
  ])('%s=%s is its own', (key, value) => {
    expect(mayLabel(key, value, otherNode)).toBe(true);
  });

  it.each([
    ['kubernetes.io/hostname', 'n2'],
    ['node-role.kubernetes.io/control-plane', ''],
    ['node-restriction.kubernetes.io/zone', 'safe'],
    ['a.node-restriction.kubernetes.io/b', 'c'],
    ['kubernetes.io/anything', ''],
    ['x.k8s.io/anything', ''],
    ['podplane.dev/anything', ''],
  ])('%s=%s is not', (key, value) => {
    expect(mayLabel(key, value, otherNode)).toBe(false);
  });
});
