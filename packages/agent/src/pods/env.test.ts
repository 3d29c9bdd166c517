import { ConfigMap } from '@podplane/api/gen/podplane/core/v1/config_map';
import { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import { Secret } from '@podplane/api/gen/podplane/core/v1/secret';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { containerEnv, type EnvContext, type EnvResult } from './env.js';
import { expand } from './expand.js';

describe('expand', () => {
  const values: Record<string, string> = { A: '1', B: '$(A)', EMPTY: '' };
  const lookup = (name: string): string | undefined => values[name];

  it.each([
    ['$(A)', '1'],
    ['x$(A)y$(A)z', 'x1y1z'],
    ['$(B)', '$(A)'], // what is put in is not read again
    ['$(NOPE)', '$(NOPE)'],
    ['$$(A)', '$(A)'],
    ['$$$(A)', '$1'],
    ['$$', '$'],
    ['$', '$'],
    ['a$', 'a$'],
    ['$A', '$A'],
    ['$(A', '$(A'],
    ['$()', '$()'],
    ['$(EMPTY)x', 'x'],
    ['$(A)$', '1$'],
    ['', ''],
  ])('%s -> %s', (text, expected) => {
    expect(expand(text, lookup)).toBe(expected);
  });

  it('leaves text without a dollar alone, and undoes doubling', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(expand(text.replaceAll('$', '$$$$'), lookup)).toBe(text);
      }),
    );
  });
});

function env(container: object, more: Partial<EnvContext> = {}): EnvResult {
  const pod = Pod.fromJSON({
    metadata: { name: 'web-0', namespace: 'prod', uid: 'u-1', labels: { app: 'web' }, annotations: { 'a/b': 'c' } },
    spec: {
      serviceAccountName: 'robot',
      containers: [
        { name: 'c', ...container },
        { name: 'other', resources: { limits: { memory: '64Mi' } } },
      ],
    },
  });
  const maps: Record<string, ConfigMap> = { 'prod/m': ConfigMap.fromJSON({ data: { k: 'v', 'bad key': 'x', 'dotted.key': 'd' } }) };
  const secrets: Record<string, Secret> = { 'prod/s': Secret.fromJSON({ data: { p: Buffer.from('geheim').toString('base64') } }) };
  const target = pod.spec?.containers[0];
  if (target === undefined) throw new Error('unreachable');
  return containerEnv(target, {
    pod,
    references: {
      configMap: (namespace, name) => maps[`${namespace}/${name}`],
      secret: (namespace, name) => secrets[`${namespace}/${name}`],
    },
    podIP: '10.1.1.2',
    hostIP: '192.0.2.1',
    nodeName: 'n1',
    allocatable: { cpu: '4', memory: '8Gi' },
    ...more,
  });
}

function values(container: object): Record<string, string> {
  const result = env(container);
  if (!result.ok) throw new Error(result.message);
  return Object.fromEntries(result.env.map(({ name, value }) => [name, value]));
}

describe('containerEnv', () => {
  it('expands what was defined before, in order', () => {
    expect(
      values({
        env: [
          { name: 'A', value: '1' },
          { name: 'B', value: '$(A)$(C)' },
          { name: 'C', value: '$(B)' },
          { name: 'A', value: '2' },
        ],
      }),
    ).toEqual({ A: '2', B: '1$(C)', C: '1$(C)' });
  });

  it('reads fields of the pod', () => {
    const field = (name: string, fieldPath: string): object => ({ name, valueFrom: { fieldRef: { fieldPath } } });
    expect(
      values({
        env: [
          field('NAME', 'metadata.name'),
          field('NS', 'metadata.namespace'),
          field('UID', 'metadata.uid'),
          field('LABEL', "metadata.labels['app']"),
          field('NOTE', "metadata.annotations['a/b']"),
          field('NODE', 'spec.nodeName'),
          field('SA', 'spec.serviceAccountName'),
          field('IP', 'status.podIP'),
          field('HOST', 'status.hostIP'),
        ],
      }),
    ).toEqual({
      NAME: 'web-0',
      NS: 'prod',
      UID: 'u-1',
      LABEL: 'web',
      NOTE: 'c',
      NODE: 'n1',
      SA: 'robot',
      IP: '10.1.1.2',
      HOST: '192.0.2.1',
    });
  });

  it('reads resources, rounded up; limits that are not set are the node', () => {
    const ref = (name: string, resource: string, more: object = {}): object => ({
      name,
      valueFrom: { resourceFieldRef: { resource, ...more } },
    });
    expect(
      values({
        resources: { limits: { cpu: '1500m' }, requests: { memory: '100Mi' } },
        env: [
          ref('CPU', 'limits.cpu'),
          ref('MILLI', 'limits.cpu', { divisor: '1m' }),
          ref('MEM', 'limits.memory', { divisor: '1Gi' }),
          ref('REQ', 'requests.memory', { divisor: '1Mi' }),
          ref('NONE', 'requests.cpu'),
          ref('OTHER', 'limits.memory', { containerName: 'other', divisor: '1Mi' }),
        ],
      }),
    ).toEqual({ CPU: '2', MILLI: '1500', MEM: '8', REQ: '100', NONE: '0', OTHER: '64' });
  });

  it('takes whole ConfigMaps and Secrets with a prefix and skips what is no name', () => {
    const result = env({
      envFrom: [
        { prefix: 'P_', configMapRef: { name: 'm' } },
        { secretRef: { name: 's' } },
        { configMapRef: { name: 'no', optional: true } },
      ],
    });
    expect(result).toMatchObject({
      ok: true,
      skipped: [expect.stringMatching(/^Keys \[P_bad key\] from the EnvFrom configMap .*\/m were skipped since/)],
    });
    expect(result.ok && result.env).toEqual([
      { name: 'P_k', value: 'v' },
      { name: 'P_dotted.key', value: 'd' },
      { name: 'p', value: 'geheim' },
    ]);
  });

  it.each([
    [{ configMapKeyRef: { name: 'no', key: 'k' } }, 'configmap "no" not found'],
    [{ configMapKeyRef: { name: 'm', key: 'no' } }, "couldn't find key no in ConfigMap prod/m"],
    [{ configMapKeyRef: { name: 'm', key: 'constructor' } }, "couldn't find key constructor in ConfigMap prod/m"],
    [{ secretKeyRef: { name: 'no', key: 'k' } }, 'secret "no" not found'],
    [{ secretKeyRef: { name: 's', key: 'no' } }, "couldn't find key no in Secret prod/s"],
  ])('says what is missing: %j', (valueFrom, message) => {
    expect(env({ env: [{ name: 'X', valueFrom }] })).toEqual({ ok: false, message });
  });

  it('leaves out what is optional and missing', () => {
    expect(
      values({
        env: [
          { name: 'X', valueFrom: { secretKeyRef: { name: 's', key: 'no', optional: true } } },
          { name: 'Y', value: '1' },
        ],
      }),
    ).toEqual({ Y: '1' });
  });
});
