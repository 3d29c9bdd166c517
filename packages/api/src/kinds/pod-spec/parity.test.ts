// What Kubernetes 1.34 says of pod specs besides the tables in the files beside: found by holding every message of its validation against ours
// (pkg/apis/core/validation). Where Kubernetes leaves the index of a list out of a path, ours has it.
import { describe, expect, test } from 'vitest';
import type { JsonObject, JsonValue } from '../../decode/tree.js';
import { containerWith, expectFaults, type FaultRow, goodPod, podWith, updateFaults } from '../testing/pods.js';

const C = 'spec.containers[0]';
const SUBDOMAIN = /^Invalid value: .*: a lowercase RFC 1123 subdomain must consist of/;
const init = (more: JsonObject): JsonObject => podWith({ initContainers: [{ name: 'i', image: 'x', ...more }] });
const env = (valueFrom: JsonValue): JsonObject => containerWith({ env: [{ name: 'A', valueFrom }] });
const requests = (map: JsonObject, limits: JsonObject = {}): JsonObject => containerWith({ resources: { requests: map, limits } });
const host = (hostPort: number): JsonObject => ({ containerPort: hostPort, hostPort });
const FIELD = `${C}.env[0].valueFrom.fieldRef.fieldPath`;
const DIVISORS = "only divisor's values 1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei are supported with the";

const rows: readonly FaultRow[] = [
  // ------------------------------------------------------------------------------------------------------------- variables
  [
    'a field of another version',
    env({ fieldRef: { apiVersion: 'v2', fieldPath: 'metadata.name' } }),
    `${FIELD}: Invalid value: "metadata.name": error converting fieldPath: unsupported pod version: v2`,
  ],
  [
    'a part of a field that has none',
    env({ fieldRef: { fieldPath: "metadata.name['a']" } }),
    `${FIELD}: Invalid value: "metadata.name['a']": error converting fieldPath: field label does not support subscript: metadata.name['a']`,
  ],
  [
    'a field that is none of a variable',
    env({ fieldRef: { fieldPath: 'status.phase' } }),
    [FIELD, /^Unsupported value: "status.phase": supported values: "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName"/],
  ],
  ['no field', env({ fieldRef: { fieldPath: '' } }), `${FIELD}: Required value`],
  [
    'a divisor of memory',
    env({ resourceFieldRef: { resource: 'limits.memory', divisor: '3' } }),
    `${C}.env[0].valueFrom.resourceFieldRef.divisor: Invalid value: "limits.memory": ${DIVISORS} memory resource`,
  ],
  [
    'a divisor of a disk',
    env({ resourceFieldRef: { resource: 'requests.ephemeral-storage', divisor: '1m' } }),
    `${C}.env[0].valueFrom.resourceFieldRef.divisor: Invalid value: "requests.ephemeral-storage": ${DIVISORS} local ephemeral storage resource`,
  ],
  [
    'a divisor of processors',
    env({ resourceFieldRef: { resource: 'limits.cpu', divisor: '10m' } }),
    `${C}.env[0].valueFrom.resourceFieldRef.divisor: Invalid value: "limits.cpu": only divisor's values 1m and 1 are supported with the cpu resource`,
  ],
  ['no resource', env({ resourceFieldRef: { resource: '' } }), `${C}.env[0].valueFrom.resourceFieldRef.resource: Required value`],
  [
    'a ConfigMap by no name',
    env({ configMapKeyRef: { name: 'Not_A_Name', key: 'k' } }),
    [`${C}.env[0].valueFrom.configMapKeyRef.name`, SUBDOMAIN],
  ],
  ['a Secret by no name', env({ secretKeyRef: { name: '', key: 'k' } }), [`${C}.env[0].valueFrom.secretKeyRef.name`, SUBDOMAIN]],
  [
    'a whole ConfigMap by no name',
    containerWith({ envFrom: [{ configMapRef: { name: 'Not_A_Name' } }] }),
    [`${C}.envFrom[0].configMapRef.name`, SUBDOMAIN],
  ],
  ['a whole Secret by no name', containerWith({ envFrom: [{ secretRef: { name: '-' } }] }), [`${C}.envFrom[0].secretRef.name`, SUBDOMAIN]],
  // ---------------------------------------------------------------------------------------------------------------- handlers
  ['a hook that sleeps for no time', containerWith({ lifecycle: { preStop: { sleep: { seconds: 0 } } } })],
  [
    'a hook that sleeps for less',
    containerWith({ lifecycle: { postStart: { sleep: { seconds: -1 } } } }),
    `${C}.lifecycle.postStart.sleep: Invalid value: -1: must be non-negative and less than terminationGracePeriodSeconds (30)`,
  ],
  [
    'a probe of no port',
    containerWith({ readinessProbe: { tcpSocket: {} } }),
    `${C}.readinessProbe.tcpSocket.port: Invalid value: 0: must be between 1 and 65535, inclusive`,
  ],
  [
    'a probe of a port out of range',
    containerWith({ livenessProbe: { grpc: { port: 70000 } } }),
    `${C}.livenessProbe.grpc.port: Invalid value: 70000: must be between 1 and 65535, inclusive`,
  ],
  [
    'a hook that does nothing',
    containerWith({ lifecycle: { postStart: {} } }),
    `${C}.lifecycle.postStart: Required value: must specify a handler type`,
  ],
  [
    'a hook without a command',
    containerWith({ lifecycle: { preStop: { exec: { command: [] } } } }),
    `${C}.lifecycle.preStop.exec.command: Required value`,
  ],
  // --------------------------------------------------------------------------------------------------------- init containers
  [
    'a sidecar with rules',
    init({ restartPolicy: 'Always', restartPolicyRules: [{ action: 'Restart', exitCodes: { operator: 'In', values: [1] } }] }),
    'spec.initContainers[0].restartPolicyRules: Forbidden: restartPolicyRules are not allowed for init containers with restart policy Always',
  ],
  [
    'an init container that wants one port of the host twice',
    init({ ports: [host(80), host(80)] }),
    'spec.initContainers[0].ports[1].hostPort: Duplicate value: "TCP//80"',
  ],
  [
    'an init container that wants what a main one wants',
    podWith({
      initContainers: [{ name: 'i', image: 'x', ports: [host(80)] }],
      containers: [{ name: 'a', image: 'x', ports: [host(80)] }],
    }),
  ],
  // --------------------------------------------------------------------------------------------------------------- resources
  [
    'a resource that is no name',
    requests({ 'not a name': '1' }),
    [`${C}.resources.requests[not a name]`, /^Invalid value: "not a name": name part must consist of/],
    `${C}.resources.requests[not a name]: Invalid value: "not a name": must be a standard resource for containers`,
  ],
  [
    'a resource of namespaces',
    requests({ pods: '1' }),
    `${C}.resources.requests[pods]: Invalid value: "pods": must be a standard resource for containers`,
  ],
  [
    'the quota of a resource',
    requests({ 'requests.example.com/gpu': '1' }, { 'requests.example.com/gpu': '1' }),
    `${C}.resources.limits[requests.example.com/gpu]: Invalid value: "requests.example.com/gpu": doesn't follow extended resource name standard`,
    `${C}.resources.requests[requests.example.com/gpu]: Invalid value: "requests.example.com/gpu": doesn't follow extended resource name standard`,
  ],
  [
    'half of a device',
    requests({ 'example.com/gpu': '500m' }, { 'example.com/gpu': '500m' }),
    `${C}.resources.limits[example.com/gpu]: Invalid value: "500m": must be an integer`,
    `${C}.resources.requests[example.com/gpu]: Invalid value: "500m": must be an integer`,
  ],
  // --------------------------------------------------------------------------------------------------------------- placement
  [
    'a wish for what no label can be',
    podWith({
      affinity: {
        nodeAffinity: {
          preferredDuringSchedulingIgnoredDuringExecution: [
            { weight: 1, preference: { matchExpressions: [{ key: 'a', operator: 'In', values: ['no label'] }] } },
          ],
        },
      },
    }),
  ],
  // ---------------------------------------------------------------------------------------------------------------- security
  [
    'an AppArmor profile of blanks',
    podWith({ securityContext: { appArmorProfile: { type: 'Localhost', localhostProfile: ' ' } } }),
    'spec.securityContext.appArmorProfile.localhostProfile: Invalid value: " ": must not be padded with whitespace',
  ],
  [
    'a sysctl that is no name',
    podWith({ securityContext: { sysctls: [{ name: 'A', value: '1' }] } }),
    String.raw`spec.securityContext.sysctls[0].name: Invalid value: "A": must have at most 253 characters and match regex ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$`,
  ],
];

test.each(rows.map((row) => [row[0], row] as const))('%s', (_what, [, pod, ...faults]) => expectFaults(pod, faults));

describe('where a pod that waits for its gates may run', () => {
  const gate = { schedulingGates: [{ name: 'a' }] };
  const need = (...terms: readonly JsonValue[]): JsonObject => ({
    affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [...terms] } } },
  });
  const zone = { key: 'zone', operator: 'In', values: ['a', 'b'] };
  const disk = { key: 'disk', operator: 'Exists' };
  const TERMS = 'spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms';
  const ONLY_THESE = /^spec: Forbidden: pod updates may not change fields other than .*; changed here: (nodeSelector|affinity)$/;

  test.each<readonly [what: string, before: JsonObject, change: JsonObject, faults: readonly unknown[]]>([
    ['a label more', { ...gate, nodeSelector: { a: 'b' } }, { nodeSelector: { a: 'b', c: 'd' } }, []],
    [
      'another label',
      { ...gate, nodeSelector: { a: 'b' } },
      { nodeSelector: { a: 'c' } },
      ['spec.nodeSelector: Invalid value: {"a":"c"}: only additions to spec.nodeSelector are allowed (no mutations or deletions)'],
    ],
    [
      'a label less',
      { ...gate, nodeSelector: { a: 'b' } },
      { nodeSelector: { a: null } },
      ['spec.nodeSelector: Invalid value: {}: only additions to spec.nodeSelector are allowed (no mutations or deletions)'],
    ],
    ['a first condition', gate, need({ matchExpressions: [zone] }), []],
    ['a condition more', { ...gate, ...need({ matchExpressions: [zone] }) }, need({ matchExpressions: [zone, disk] }), []],
    [
      'another condition',
      { ...gate, ...need({ matchExpressions: [zone] }) },
      need({ matchExpressions: [disk] }),
      [expect.stringMatching(/nodeSelectorTerms\[0\]: Invalid value: .*: only additions are allowed \(no mutations or deletions\)$/)],
    ],
    [
      'an alternative more',
      { ...gate, ...need({ matchExpressions: [zone] }) },
      need({ matchExpressions: [zone] }, { matchExpressions: [disk] }),
      [
        expect.stringMatching(
          new RegExp(`^${TERMS}: Invalid value: .*: no additions/deletions to non-empty NodeSelectorTerms list are allowed$`),
        ),
      ],
    ],
    [
      'a label more, without gates',
      { nodeSelector: { a: 'b' } },
      { nodeSelector: { a: 'b', c: 'd' } },
      [expect.stringMatching(ONLY_THESE)],
    ],
    ['a first condition, without gates', {}, need({ matchExpressions: [zone] }), [expect.stringMatching(ONLY_THESE)]],
  ])('%s', (_what, before, change, faults) => {
    expect(updateFaults('Pod', podWith(before), { spec: change })).toEqual(faults);
  });

  test('other things stay fixed', () => {
    expect(updateFaults('Pod', podWith(gate), { spec: { hostname: 'h' } })).toEqual([expect.stringMatching(/changed here: hostname$/)]);
    expect(updateFaults('Pod', goodPod, { spec: {} })).toEqual([]);
  });
});
