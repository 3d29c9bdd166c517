import { test } from 'vitest';
import type { JsonObject } from '../../decode/tree.js';
import { containerWith, expectFaults, type FaultRow, goodPod, podWith } from '../testing/pods.js';

const C = 'spec.containers[0]';
const httpGet = { path: '/', port: 80 };

const rule = (other: JsonObject = {}): JsonObject => ({ action: 'Restart', exitCodes: { operator: 'In', values: [1] }, ...other });

const rows: readonly FaultRow[] = [
  // ---------------------------------------------------------------------------------------------------------- containers
  ['no containers', podWith({ containers: [] }), 'spec.containers: Required value'],
  ['no container name', containerWith({ name: '' }), `${C}.name: Required value`],
  ['a container name with dots', containerWith({ name: 'a.b' }), `${C}.name: Invalid value: "a.b": must not contain dots`],
  [
    'two containers with one name',
    podWith({
      containers: [
        { name: 'a', image: 'x' },
        { name: 'a', image: 'y' },
      ],
    }),
    'spec.containers[1].name: Duplicate value: "a"',
  ],
  ['no image', containerWith({ image: '' }), `${C}.image: Required value`],
  [
    'an image with a blank at its end',
    containerWith({ image: 'nginx ' }),
    `${C}.image: Invalid value: "nginx ": must not have leading or trailing whitespace`,
  ],
  ['an image with a blank inside', containerWith({ image: 'ngi nx' }), `${C}.image: Invalid value: "ngi nx": must not contain whitespace`],
  [
    'an unknown pull policy',
    containerWith({ imagePullPolicy: 'always' }),
    `${C}.imagePullPolicy: Unsupported value: "always": supported values: "Always", "IfNotPresent", "Never"`,
  ],
  // ----------------------------------------------------------------------------------------------------- init containers
  ['an init container', podWith({ initContainers: [{ name: 'i', image: 'x' }] })],
  [
    'a sidecar with a probe',
    podWith({ initContainers: [{ name: 'i', image: 'x', restartPolicy: 'Always', readinessProbe: { httpGet } }] }),
  ],
  [
    'an init container named like a container',
    podWith({ initContainers: [{ name: 'a', image: 'x' }] }),
    'spec.initContainers[0].name: Duplicate value: "a"',
  ],
  ['an init container with a restart policy of its own', podWith({ initContainers: [{ name: 'i', image: 'x', restartPolicy: 'Never' }] })],
  [
    'an init container with an unknown restart policy',
    podWith({ initContainers: [{ name: 'i', image: 'x', restartPolicy: 'Sometimes' }] }),
    'spec.initContainers[0].restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "Never", "OnFailure"',
  ],
  ...(['livenessProbe', 'readinessProbe', 'startupProbe'] as const).map(
    (probe): FaultRow => [
      `an init container with a ${probe}`,
      podWith({ initContainers: [{ name: 'i', image: 'x', [probe]: { httpGet } }] }),
      `spec.initContainers[0].${probe}: Forbidden: may not be set for init containers without restartPolicy=Always`,
    ],
  ),
  [
    'an init container with a hook',
    podWith({ initContainers: [{ name: 'i', image: 'x', lifecycle: { preStop: { exec: { command: ['a'] } } } }] }),
    'spec.initContainers[0].lifecycle: Forbidden: may not be set for init containers without restartPolicy=Always',
  ],
  [
    'a restart policy and rules of a main container',
    containerWith({
      restartPolicy: 'Never',
      restartPolicyRules: [
        { action: 'Restart', exitCodes: { operator: 'In', values: [42] } },
        { action: 'Restart', exitCodes: { operator: 'NotIn', values: [0, 1] } },
      ],
    }),
  ],
  [
    'rules without a policy',
    containerWith({ restartPolicyRules: [rule()] }),
    `${C}.restartPolicy: Required value: must specify restartPolicy when restart rules are used`,
  ],
  [
    'a rule that does something else',
    containerWith({ restartPolicy: 'Never', restartPolicyRules: [rule({ action: 'Dance' })] }),
    `${C}.restartPolicyRules[0].action: Unsupported value: "Dance": supported values: "Restart"`,
  ],
  [
    'a rule for nothing',
    containerWith({ restartPolicy: 'Never', restartPolicyRules: [{ action: 'Restart' }] }),
    `${C}.restartPolicyRules[0].exitCodes: Required value: must be specified`,
  ],
  [
    'a rule with an unknown operator',
    containerWith({ restartPolicy: 'Never', restartPolicyRules: [rule({ exitCodes: { operator: 'Gt', values: [1] } })] }),
    `${C}.restartPolicyRules[0].exitCodes.operator: Unsupported value: "Gt": supported values: "In", "NotIn"`,
  ],
  [
    'too many rules',
    containerWith({ restartPolicy: 'Never', restartPolicyRules: Array.from({ length: 21 }, () => rule()) }),
    `${C}.restartPolicyRules: Too long: may not be more than 20 bytes`,
  ],
  [
    'a rule with too many codes',
    containerWith({
      restartPolicy: 'Never',
      restartPolicyRules: [rule({ exitCodes: { operator: 'In', values: Array.from({ length: 256 }, (_, i) => i) } })],
    }),
    `${C}.restartPolicyRules[0].exitCodes.values: Too long: may not be more than 255 bytes`,
  ],
  ['a stop signal', podWith({ os: { name: 'linux' }, containers: [{ name: 'a', image: 'i:1', lifecycle: { stopSignal: 'SIGRTMIN+3' } }] })],
  [
    'a stop signal on any system',
    containerWith({ lifecycle: { stopSignal: 'SIGUSR1' } }),
    `${C}.lifecycle.stopSignal: Forbidden: may not be set for containers with empty \`spec.os.name\``,
  ],
  [
    'a stop signal that is none',
    podWith({ os: { name: 'linux' }, containers: [{ name: 'a', image: 'i:1', lifecycle: { stopSignal: 'USR1' } }] }),
    [`${C}.lifecycle.stopSignal`, /^Unsupported value: "USR1": supported values: "SIGABRT", /],
  ],
  [
    'back-off of its own',
    { ...goodPod, metadata: { name: 'web', namespace: 'default', annotations: { 'podplane.dev/backoff.a': 'initial=1s, max=2m' } } },
  ],
  [
    'back-off of a container that is not there',
    { ...goodPod, metadata: { name: 'web', namespace: 'default', annotations: { 'podplane.dev/backoff.b': 'initial=1s' } } },
    'metadata.annotations[podplane.dev/backoff.b]: Invalid value: "b": container not found',
  ],
  ...['', 'initial=0s', 'max=6m', 'initial=1m,max=30s', 'initial=1', 'fast', 'max=1s,max=2s', '1s,30s'].map(
    (text): FaultRow => [
      `back-off of ${JSON.stringify(text)}`,
      { ...goodPod, metadata: { name: 'web', namespace: 'default', annotations: { 'podplane.dev/backoff.a': text } } },
      `metadata.annotations[podplane.dev/backoff.a]: Invalid value: ${JSON.stringify(text)}: must be as in 'initial=1s,max=30s', from 1s to 5m, initial not above max`,
    ],
  ),
  // ----------------------------------------------------------------------------------------------------- security context
  [
    'a security context in which everything is said',
    containerWith({
      securityContext: {
        runAsUser: 0,
        runAsGroup: 0,
        runAsNonRoot: false,
        readOnlyRootFilesystem: true,
        allowPrivilegeEscalation: false,
        capabilities: { add: ['NET_ADMIN'], drop: ['ALL'] },
        seccompProfile: { type: 'Unconfined' },
        procMount: 'Default',
      },
    }),
  ],
  ['a privileged container', containerWith({ securityContext: { privileged: true } })],
  [
    'a user of a container below zero',
    containerWith({ securityContext: { runAsUser: -1 } }),
    `${C}.securityContext.runAsUser: Invalid value: -1: must be between 0 and 2147483647, inclusive`,
  ],
  [
    'a group of a container below zero',
    containerWith({ securityContext: { runAsGroup: -1 } }),
    `${C}.securityContext.runAsGroup: Invalid value: -1: must be between 0 and 2147483647, inclusive`,
  ],
  [
    'a privileged container that may not become more',
    containerWith({ securityContext: { privileged: true, allowPrivilegeEscalation: false } }),
    [`${C}.securityContext`, /^Invalid value: .*cannot set `allowPrivilegeEscalation` to false and `privileged` to true$/],
  ],
  [
    'a container that may administer and yet not become more',
    containerWith({ securityContext: { capabilities: { add: ['SYS_ADMIN'] }, allowPrivilegeEscalation: false } }),
    [`${C}.securityContext`, /^Invalid value: .*cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN$/],
  ],
  [
    'a seccomp profile of a container without a type',
    containerWith({ securityContext: { seccompProfile: {} } }),
    `${C}.securityContext.seccompProfile.type: Required value: type is required when seccompProfile is set`,
  ],
  // ----------------------------------------------------------------------------------------- grace, grpc and hooks
  ['a probe by gRPC', containerWith({ readinessProbe: { grpc: { port: 80, service: 'a.b' } } })],
  [
    'a probe by gRPC without a port',
    containerWith({ readinessProbe: { grpc: {} } }),
    `${C}.readinessProbe.grpc.port: Invalid value: 0: must be between 1 and 65535, inclusive`,
  ],
  ['a probe with a grace of its own', containerWith({ livenessProbe: { httpGet, terminationGracePeriodSeconds: 1 } })],
  [
    'a probe with no grace at all',
    containerWith({ startupProbe: { httpGet, terminationGracePeriodSeconds: 0 } }),
    `${C}.startupProbe.terminationGracePeriodSeconds: Invalid value: 0: must be greater than 0`,
  ],
  [
    'a readiness probe with a grace',
    containerWith({ readinessProbe: { httpGet, terminationGracePeriodSeconds: 5 } }),
    `${C}.readinessProbe.terminationGracePeriodSeconds: Invalid value: 5: must not be set for readinessProbes`,
  ],
  ['hooks', containerWith({ lifecycle: { postStart: { exec: { command: ['a'] } }, preStop: { sleep: { seconds: 5 } } } })],
  [
    'a hook of two kinds',
    containerWith({ lifecycle: { postStart: { exec: { command: ['a'] }, httpGet } } }),
    `${C}.lifecycle.postStart.httpGet: Forbidden: may not specify more than 1 handler type`,
  ],
  [
    'a hook of no kind',
    containerWith({ lifecycle: { postStart: {} } }),
    `${C}.lifecycle.postStart: Required value: must specify a handler type`,
  ],
  [
    'an unknown policy for messages',
    containerWith({ terminationMessagePolicy: 'Log' }),
    `${C}.terminationMessagePolicy: Unsupported value: "Log": supported values: "File", "FallbackToLogsOnError"`,
  ],
  // --------------------------------------------------------------------------------------------------------------- ports
  ['no port number', containerWith({ ports: [{ containerPort: 0 }] }), `${C}.ports[0].containerPort: Required value`],
  [
    'a port out of range',
    containerWith({ ports: [{ containerPort: 70000 }] }),
    `${C}.ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive`,
  ],
  [
    'a negative port',
    containerWith({ ports: [{ containerPort: -1 }] }),
    `${C}.ports[0].containerPort: Invalid value: -1: must be between 1 and 65535, inclusive`,
  ],
  [
    'a host port out of range',
    containerWith({ ports: [{ containerPort: 80, hostPort: 65536 }] }),
    `${C}.ports[0].hostPort: Invalid value: 65536: must be between 1 and 65535, inclusive`,
  ],
  [
    'a host IP that is none',
    containerWith({ ports: [{ containerPort: 80, hostPort: 80, hostIP: 'localhost' }] }),
    [`${C}.ports[0].hostIP`, /must be a valid IP address/],
  ],
  [
    'a port name in capitals',
    containerWith({ ports: [{ containerPort: 80, name: 'HTTP' }] }),
    [`${C}.ports[0].name`, /must contain only alpha-numeric/],
    [`${C}.ports[0].name`, /at least one letter/],
  ],
  [
    'a port name that is too long',
    containerWith({ ports: [{ containerPort: 80, name: 'abcdefghijklmnop' }] }),
    `${C}.ports[0].name: Invalid value: "abcdefghijklmnop": must be no more than 15 characters`,
  ],
  [
    'a port name twice',
    containerWith({
      ports: [
        { containerPort: 80, name: 'a' },
        { containerPort: 81, name: 'a' },
      ],
    }),
    `${C}.ports[1].name: Duplicate value: "a"`,
  ],
  [
    'an unknown protocol',
    containerWith({ ports: [{ containerPort: 80, protocol: 'tcp' }] }),
    [`${C}.ports[0].protocol`, /^Forbidden/],
    `${C}.ports[0].protocol: Unsupported value: "tcp": supported values: "SCTP", "TCP", "UDP"`,
  ],
  [
    'one host port twice in a container',
    containerWith({
      ports: [
        { containerPort: 80, hostPort: 90 },
        { containerPort: 81, hostPort: 90 },
      ],
    }),
    `${C}.ports[1].hostPort: Duplicate value: "TCP//90"`,
  ],
  [
    'one host port twice in a pod',
    podWith({
      containers: [
        { name: 'a', image: 'x', ports: [{ containerPort: 80, hostPort: 90 }] },
        { name: 'b', image: 'x', ports: [{ containerPort: 80, hostPort: 90 }] },
      ],
    }),
    'spec.containers[1].ports[0].hostPort: Duplicate value: "TCP//90"',
  ],
  [
    'one host port for two protocols',
    containerWith({
      ports: [
        { containerPort: 80, hostPort: 90 },
        { containerPort: 81, hostPort: 90, protocol: 'UDP' },
      ],
    }),
  ],
  // --------------------------------------------------------------------------------------------------------- environment
  ['no variable name', containerWith({ env: [{ name: '', value: 'x' }] }), `${C}.env[0].name: Required value`],
  [
    'a variable name with =',
    containerWith({ env: [{ name: 'A=B', value: 'x' }] }),
    [`${C}.env[0].name`, /printable ASCII characters other than '='/],
  ],
  [
    'value and valueFrom',
    containerWith({ env: [{ name: 'A', value: 'x', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }] }),
    `${C}.env[0].valueFrom: Invalid value: "": may not be specified when \`value\` is not empty`,
  ],
  [
    'valueFrom of nothing',
    containerWith({ env: [{ name: 'A', valueFrom: {} }] }),
    `${C}.env[0].valueFrom: Invalid value: "": must specify one of: \`fieldRef\`, \`resourceFieldRef\`, \`configMapKeyRef\` or \`secretKeyRef\``,
  ],
  [
    'valueFrom of two',
    containerWith({ env: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: 'metadata.name' }, secretKeyRef: { name: 's', key: 'k' } } }] }),
    `${C}.env[0].valueFrom: Invalid value: "": may not have more than one field specified at a time`,
  ],
  [
    'an unknown field path',
    containerWith({ env: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: 'spec.nope' } } }] }),
    `${C}.env[0].valueFrom.fieldRef.fieldPath: Invalid value: "spec.nope": error converting fieldPath: field label not supported: spec.nope`,
  ],
  [
    'all labels as a variable',
    containerWith({ env: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: 'metadata.labels' } } }] }),
    [`${C}.env[0].valueFrom.fieldRef.fieldPath`, /^Unsupported value/],
  ],
  [
    'a wrong label key as a variable',
    containerWith({ env: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: "metadata.labels['a b']" } } }] }),
    [`${C}.env[0].valueFrom.fieldRef`, /^Invalid value: "a b"/],
  ],
  [
    'no field path',
    containerWith({ env: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: '' } } }] }),
    `${C}.env[0].valueFrom.fieldRef.fieldPath: Required value`,
  ],
  [
    'an unknown resource',
    containerWith({ env: [{ name: 'A', valueFrom: { resourceFieldRef: { resource: 'limits.gpu' } } }] }),
    [`${C}.env[0].valueFrom.resourceFieldRef.resource`, /^Unsupported value: "limits.gpu"/],
  ],
  [
    'storage of its own',
    containerWith({ env: [{ name: 'A', valueFrom: { resourceFieldRef: { resource: 'requests.ephemeral-storage', divisor: '1Mi' } } }] }),
  ],
  [
    'a divisor of storage that makes no sense',
    containerWith({ env: [{ name: 'A', valueFrom: { resourceFieldRef: { resource: 'limits.ephemeral-storage', divisor: '1m' } } }] }),
    [
      `${C}.env[0].valueFrom.resourceFieldRef.divisor`,
      /only divisor's values 1, 1k, .* are supported with the local ephemeral storage resource/,
    ],
  ],
  [
    'a divisor that makes no sense',
    containerWith({ env: [{ name: 'A', valueFrom: { resourceFieldRef: { resource: 'limits.cpu', divisor: '1Mi' } } }] }),
    [`${C}.env[0].valueFrom.resourceFieldRef.divisor`, /only divisor's values 1m and 1 are supported with the cpu resource/],
  ],
  [
    'a key reference without name',
    containerWith({ env: [{ name: 'A', valueFrom: { configMapKeyRef: { key: 'k' } } }] }),
    [`${C}.env[0].valueFrom.configMapKeyRef.name`, /^Invalid value: "": a lowercase RFC 1123 subdomain must consist of/],
  ],
  [
    'a key reference without key',
    containerWith({ env: [{ name: 'A', valueFrom: { secretKeyRef: { name: 's', key: '' } } }] }),
    `${C}.env[0].valueFrom.secretKeyRef.key: Required value`,
  ],
  [
    'a key that is none',
    containerWith({ env: [{ name: 'A', valueFrom: { secretKeyRef: { name: 's', key: 'a/b' } } }] }),
    [`${C}.env[0].valueFrom.secretKeyRef.key`, /a valid config key/],
  ],
  [
    'envFrom of nothing',
    containerWith({ envFrom: [{ prefix: 'A' }] }),
    `${C}.envFrom[0]: Invalid value: "": must specify one of: \`configMapRef\` or \`secretRef\``,
  ],
  [
    'envFrom of two',
    containerWith({ envFrom: [{ configMapRef: { name: 'a' }, secretRef: { name: 'b' } }] }),
    `${C}.envFrom[0]: Invalid value: "": may not have more than one field specified at a time`,
  ],
  ['envFrom without name', containerWith({ envFrom: [{ secretRef: { name: '' } }] }), `${C}.envFrom[0].secretRef.name: Required value`],
  [
    'envFrom with a wrong prefix',
    containerWith({ envFrom: [{ prefix: '=', configMapRef: { name: 'a' } }] }),
    [`${C}.envFrom[0].prefix`, /environment variable name/],
  ],
  // ----------------------------------------------------------------------------------------------------------- resources
  [
    'a request above its limit',
    containerWith({ resources: { requests: { cpu: '2' }, limits: { cpu: '1' } } }),
    `${C}.resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1`,
  ],
  ['memory compared by value, not by text', containerWith({ resources: { requests: { memory: '1Gi' }, limits: { memory: '1025Mi' } } })],
  [
    'a negative request',
    containerWith({ resources: { requests: { memory: '-1' } } }),
    `${C}.resources.requests[memory]: Invalid value: "-1": must be greater than or equal to 0`,
  ],
  [
    'thousandths of bytes',
    containerWith({ resources: { limits: { memory: '500m' } } }),
    [`${C}.resources.limits[memory]`, /must be at least 1 byte/],
    [`${C}.resources.requests[memory]`, /must be at least 1 byte/],
  ],
  [
    'a limit of storage',
    containerWith({ resources: { requests: { 'ephemeral-storage': '1Gi' }, limits: { 'ephemeral-storage': '1025Mi' } } }),
  ],
  [
    'more storage requested than allowed',
    containerWith({ resources: { requests: { 'ephemeral-storage': '2Gi' }, limits: { 'ephemeral-storage': '1Gi' } } }),
    `${C}.resources.requests: Invalid value: "2Gi": must be less than or equal to ephemeral-storage limit of 1Gi`,
  ],
  [
    'a negative limit of storage',
    containerWith({ resources: { limits: { 'ephemeral-storage': '-1' }, requests: { 'ephemeral-storage': '0' } } }),
    `${C}.resources.limits[ephemeral-storage]: Invalid value: "-1": must be greater than or equal to 0`,
    `${C}.resources.requests: Invalid value: "0": must be less than or equal to ephemeral-storage limit of -1`,
  ],
  [
    'a limit of storage that is no quantity',
    containerWith({ resources: { limits: { 'ephemeral-storage': 'much' }, requests: { 'ephemeral-storage': '1' } } }),
    [`${C}.resources.limits[ephemeral-storage]`, /quantities must match/],
  ],
  ['what a node may offer', containerWith({ resources: { limits: { 'example.com/gpu': '2' }, requests: { 'ephemeral-storage': '1Gi' } } })],
  [
    'half a device',
    containerWith({ resources: { limits: { 'example.com/gpu': '500m' } } }),
    `${C}.resources.limits[example.com/gpu]: Invalid value: "500m": must be an integer`,
    `${C}.resources.requests[example.com/gpu]: Invalid value: "500m": must be an integer`,
  ],
  [
    'fewer devices than allowed',
    containerWith({ resources: { limits: { 'example.com/gpu': '2' }, requests: { 'example.com/gpu': '1' } } }),
    `${C}.resources.requests: Invalid value: "1": must be equal to example.com/gpu limit of 2`,
  ],
  [
    'devices without a limit',
    containerWith({ resources: { requests: { 'example.com/gpu': '1' } } }),
    `${C}.resources.limits: Required value: Limit must be set for non overcommitable resources`,
  ],
  [
    'a resource that does not exist',
    containerWith({ resources: { requests: { ram: '1' } } }),
    `${C}.resources.requests[ram]: Invalid value: "ram": must be a standard resource type or fully qualified`,
    `${C}.resources.requests[ram]: Invalid value: "ram": must be a standard resource for containers`,
  ],
  // -------------------------------------------------------------------------------------------------------------- probes
  [
    'a probe without handler',
    containerWith({ livenessProbe: { periodSeconds: 5 } }),
    `${C}.livenessProbe: Required value: must specify a handler type`,
  ],
  [
    'a probe with two handlers',
    containerWith({ readinessProbe: { exec: { command: ['x'] }, httpGet } }),
    `${C}.readinessProbe.httpGet: Forbidden: may not specify more than 1 handler type`,
  ],
  [
    'a probe without command',
    containerWith({ livenessProbe: { exec: { command: [] } } }),
    `${C}.livenessProbe.exec.command: Required value`,
  ],
  [
    'a probe of port 0',
    containerWith({ livenessProbe: { httpGet: { path: '/', port: 0 } } }),
    `${C}.livenessProbe.httpGet.port: Invalid value: 0: must be between 1 and 65535, inclusive`,
  ],
  [
    'a probe of a wrong port name',
    containerWith({ livenessProbe: { tcpSocket: { port: 'a_b' } } }),
    [`${C}.livenessProbe.tcpSocket.port`, /must contain only alpha-numeric/],
  ],
  [
    'a probe with an unknown scheme',
    containerWith({ livenessProbe: { httpGet: { ...httpGet, scheme: 'http' } } }),
    `${C}.livenessProbe.httpGet.scheme: Unsupported value: "http": supported values: "HTTP", "HTTPS"`,
  ],
  [
    'a probe with a wrong header',
    containerWith({ livenessProbe: { httpGet: { ...httpGet, httpHeaders: [{ name: 'a b', value: '' }] } } }),
    [`${C}.livenessProbe.httpGet.httpHeaders`, /a valid HTTP header/],
  ],
  [
    'a header that smuggles another',
    containerWith({ livenessProbe: { httpGet: { ...httpGet, httpHeaders: [{ name: 'a', value: 'x\r\nb: y' }] } } }),
    [`${C}.livenessProbe.httpGet.httpHeaders[0].value`, /must not contain line ends/],
  ],
  [
    'negative numbers',
    containerWith({ readinessProbe: { httpGet, initialDelaySeconds: -1, periodSeconds: -2 } }),
    `${C}.readinessProbe.initialDelaySeconds: Invalid value: -1: must be greater than or equal to 0`,
    `${C}.readinessProbe.periodSeconds: Invalid value: -2: must be greater than or equal to 0`,
  ],
  [
    'liveness that must succeed twice',
    containerWith({ livenessProbe: { httpGet, successThreshold: 2 } }),
    `${C}.livenessProbe.successThreshold: Invalid value: 2: must be 1`,
  ],
  [
    'startup that must succeed twice',
    containerWith({ startupProbe: { httpGet, successThreshold: 2 } }),
    `${C}.startupProbe.successThreshold: Invalid value: 2: must be 1`,
  ],
  [
    'a hook without handler',
    containerWith({ lifecycle: { preStop: {} } }),
    `${C}.lifecycle.preStop: Required value: must specify a handler type`,
  ],
  [
    'a sleep longer than the grace period',
    containerWith({ lifecycle: { preStop: { sleep: { seconds: 31 } } } }),
    `${C}.lifecycle.preStop.sleep: Invalid value: 31: must be non-negative and less than terminationGracePeriodSeconds (30)`,
  ],
];

test.each(rows.map((row) => [row[0], row] as const))('%s', (_what, [, pod, ...faults]) => expectFaults(pod, faults));
