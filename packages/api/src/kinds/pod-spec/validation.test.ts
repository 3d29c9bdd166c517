import { expect, test } from 'vitest';
import type { JsonObject } from '../../decode/tree.js';
import { containerWith, createFaults, goodPod, podWith } from '../testing.js';

const C = 'spec.containers[0]';
const LABEL = /^Invalid value: .*RFC 1123 label/;

/** A pod and its faults: texts, or the beginning of the path with what the message must look like. */
type Row = readonly [what: string, pod: JsonObject, ...faults: (string | readonly [path: string, message: RegExp])[]];

const httpGet = { path: '/', port: 80 };

const rows: readonly Row[] = [
  // ------------------------------------------------------------------------------------------------------------ accepted
  ['the good pod', goodPod],
  ['everything that is supported', podWith({
    containers: [
      {
        name: 'a', image: 'registry:5000/a/b:1@sha256:0123', imagePullPolicy: 'Never', command: ['sh'], args: ['-c', 'x'], workingDir: '/w',
        ports: [{ name: 'http', containerPort: 80, hostPort: 8080, hostIP: '127.0.0.1' }, { containerPort: 80, protocol: 'UDP' }],
        env: [
          { name: 'A', value: 'b' }, { name: 'E', value: '' }, { name: 'P', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
          { name: 'L', valueFrom: { fieldRef: { fieldPath: "metadata.labels['app']" } } },
          { name: 'C', valueFrom: { configMapKeyRef: { name: 'c', key: 'k', optional: true } } },
          { name: 'S', valueFrom: { secretKeyRef: { name: 's', key: 'k' } } },
          { name: 'R', valueFrom: { resourceFieldRef: { resource: 'limits.memory', divisor: '1Mi' } } },
        ],
        envFrom: [{ prefix: 'X_', configMapRef: { name: 'c' } }, { secretRef: { name: 's', optional: true } }],
        resources: { requests: { cpu: '100m', memory: '64Mi' }, limits: { cpu: '1', memory: '64Mi' } },
        volumeMounts: [{ name: 'v', mountPath: '/v' }, { name: 'v', mountPath: '/r', readOnly: true }],
        livenessProbe: { httpGet: { ...httpGet, port: 'http', httpHeaders: [{ name: 'X-A', value: 'b' }] }, periodSeconds: 3 },
        readinessProbe: { tcpSocket: { port: 80 }, successThreshold: 2 },
        startupProbe: { exec: { command: ['true'] }, failureThreshold: 30 },
        lifecycle: { preStop: { sleep: { seconds: 5 } } },
        stdin: true, tty: true,
      },
      { name: 'b', image: 'b' },
    ],
    volumes: [{ name: 'v', emptyDir: {} }, { name: 'm', emptyDir: { medium: 'Memory', sizeLimit: '10Mi' } }, { name: 'n' }],
    restartPolicy: 'OnFailure', terminationGracePeriodSeconds: 5, nodeSelector: { zone: 'a' }, nodeName: 'n1', hostname: 'h',
    hostAliases: [{ ip: '10.0.0.1', hostnames: ['a', 'a.b'] }],
    tolerations: [{ operator: 'Exists' }, { key: 'k', value: 'v', effect: 'NoExecute', tolerationSeconds: 5 }],
    affinity: {
      nodeAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchExpressions: [{ key: 'cpus', operator: 'Gt', values: ['4'] }] }] },
        preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 1, preference: { matchFields: [{ key: 'metadata.name', operator: 'In', values: ['n1'] }] } }],
      },
    },
  })],
  // ------------------------------------------------------------------------------------------------------------ metadata
  ['no name', { ...goodPod, metadata: { namespace: 'default' } }, 'metadata.name: Required value: name or generateName is required'],
  ['generateName instead', { ...goodPod, metadata: { namespace: 'default', generateName: 'web-' } }],
  ['no namespace', { ...goodPod, metadata: { name: 'a' } }, 'metadata.namespace: Required value'],
  ['a name with capitals', { ...goodPod, metadata: { name: 'Web', namespace: 'default' } }, ['metadata.name', /^Invalid value: "Web": a lowercase RFC 1123 subdomain/]],
  ['a name that is too long', { ...goodPod, metadata: { name: 'x'.repeat(254), namespace: 'default' } }, ['metadata.name', /must be no more than 253 bytes$/]],
  ['a generateName that is wrong', { ...goodPod, metadata: { generateName: 'A-', namespace: 'default' } }, ['metadata.generateName', /RFC 1123 subdomain/]],
  ['a wrong namespace', { ...goodPod, metadata: { name: 'a', namespace: 'a.b' } }, ['metadata.namespace', LABEL]],
  ['a wrong label key', { ...goodPod, metadata: { name: 'a', namespace: 'd', labels: { 'a b': 'c' } } }, ['metadata.labels', /^Invalid value: "a b": name part must consist/]],
  ['a wrong label value', { ...goodPod, metadata: { name: 'a', namespace: 'd', labels: { a: 'b c' } } }, ['metadata.labels', /^Invalid value: "b c": a valid label must be/]],
  ['a wrong annotation key', { ...goodPod, metadata: { name: 'a', namespace: 'd', annotations: { '/a': 'c' } } }, ['metadata.annotations', /prefix part must be non-empty/]],
  ['annotations that are too large', { ...goodPod, metadata: { name: 'a', namespace: 'd', annotations: { a: 'x'.repeat(262_144) } } }, 'metadata.annotations: Too long: may not be more than 262144 bytes'],
  ['a finalizer without domain', { ...goodPod, metadata: { name: 'a', namespace: 'd', finalizers: ['mine'] } }, ['metadata.finalizers[0]', /neither a standard finalizer/]],
  ['a finalizer twice', { ...goodPod, metadata: { name: 'a', namespace: 'd', finalizers: ['a/b', 'a/b'] } }, 'metadata.finalizers: Duplicate value: "a/b"'],
  ['an owner without uid', { ...goodPod, metadata: { name: 'a', namespace: 'd', ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: 'x', uid: '' }] } }, 'metadata.ownerReferences[0].uid: Invalid value: "": must not be empty'],
  ['two controllers', {
    ...goodPod,
    metadata: {
      name: 'a', namespace: 'd',
      ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: 'x', uid: '1', controller: true }, { apiVersion: 'v1', kind: 'Pod', name: 'y', uid: '2', controller: true }],
    },
  }, ['metadata.ownerReferences', /Only one reference can have Controller set to true/]],
  // ---------------------------------------------------------------------------------------------------------- containers
  ['no containers', podWith({ containers: [] }), 'spec.containers: Required value'],
  ['no container name', containerWith({ name: '' }), `${C}.name: Required value`],
  ['a container name with dots', containerWith({ name: 'a.b' }), [`${C}.name`, LABEL]],
  ['two containers with one name', podWith({ containers: [{ name: 'a', image: 'x' }, { name: 'a', image: 'y' }] }), 'spec.containers[1].name: Duplicate value: "a"'],
  ['no image', containerWith({ image: '' }), `${C}.image: Required value`],
  ['an image with a blank at its end', containerWith({ image: 'nginx ' }), `${C}.image: Invalid value: "nginx ": must not have leading or trailing whitespace`],
  ['an image with a blank inside', containerWith({ image: 'ngi nx' }), `${C}.image: Invalid value: "ngi nx": must not contain whitespace`],
  ['an unknown pull policy', containerWith({ imagePullPolicy: 'always' }), `${C}.imagePullPolicy: Unsupported value: "always": supported values: "Always", "IfNotPresent", "Never"`],
  // --------------------------------------------------------------------------------------------------------------- ports
  ['no port number', containerWith({ ports: [{ containerPort: 0 }] }), `${C}.ports[0].containerPort: Required value`],
  ['a port out of range', containerWith({ ports: [{ containerPort: 70000 }] }), `${C}.ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive`],
  ['a negative port', containerWith({ ports: [{ containerPort: -1 }] }), `${C}.ports[0].containerPort: Invalid value: -1: must be between 1 and 65535, inclusive`],
  ['a host port out of range', containerWith({ ports: [{ containerPort: 80, hostPort: 65536 }] }), `${C}.ports[0].hostPort: Invalid value: 65536: must be between 1 and 65535, inclusive`],
  ['a host IP that is none', containerWith({ ports: [{ containerPort: 80, hostPort: 80, hostIP: 'localhost' }] }), [`${C}.ports[0].hostIP`, /must be a valid IP address/]],
  ['a port name in capitals', containerWith({ ports: [{ containerPort: 80, name: 'HTTP' }] }), [`${C}.ports[0].name`, /must contain only alpha-numeric/], [`${C}.ports[0].name`, /at least one letter/]],
  ['a port name that is too long', containerWith({ ports: [{ containerPort: 80, name: 'abcdefghijklmnop' }] }), `${C}.ports[0].name: Invalid value: "abcdefghijklmnop": must be no more than 15 characters`],
  ['a port name twice', containerWith({ ports: [{ containerPort: 80, name: 'a' }, { containerPort: 81, name: 'a' }] }), `${C}.ports[1].name: Duplicate value: "a"`],
  ['an unknown protocol', containerWith({ ports: [{ containerPort: 80, protocol: 'tcp' }] }), [`${C}.ports[0].protocol`, /^Forbidden/], `${C}.ports[0].protocol: Unsupported value: "tcp": supported values: "SCTP", "TCP", "UDP"`],
  ['one host port twice in a container', containerWith({ ports: [{ containerPort: 80, hostPort: 90 }, { containerPort: 81, hostPort: 90 }] }), `${C}.ports[1].hostPort: Duplicate value: "TCP//90"`],
  ['one host port twice in a pod', podWith({ containers: [{ name: 'a', image: 'x', ports: [{ containerPort: 80, hostPort: 90 }] }, { name: 'b', image: 'x', ports: [{ containerPort: 80, hostPort: 90 }] }] }), 'spec.containers[1].ports[0].hostPort: Duplicate value: "TCP//90"'],
  ['one host port for two protocols', containerWith({ ports: [{ containerPort: 80, hostPort: 90 }, { containerPort: 81, hostPort: 90, protocol: 'UDP' }] })],
  // --------------------------------------------------------------------------------------------------------- environment
  ['no variable name', containerWith({ env: [{ name: '', value: 'x' }] }), `${C}.env[0].name: Required value`],
  ['a variable name with =', containerWith({ env: [{ name: 'A=B', value: 'x' }] }), [`${C}.env[0].name`, /printable ASCII characters other than '='/]],
  ['value and valueFrom', containerWith({ env: [{ name: 'A', value: 'x', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }] }), `${C}.env[0].valueFrom: Invalid value: "": may not be specified when \`value\` is not empty`],
  ['valueFrom of nothing', containerWith({ env: [{ name: 'A', valueFrom: {} }] }), `${C}.env[0].valueFrom: Invalid value: "": must specify one of: \`fieldRef\`, \`resourceFieldRef\`, \`configMapKeyRef\` or \`secretKeyRef\``],
  ['valueFrom of two', containerWith({ env: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: 'metadata.name' }, secretKeyRef: { name: 's', key: 'k' } } }] }), `${C}.env[0].valueFrom: Invalid value: "": may not have more than one field specified at a time`],
  ['an unknown field path', containerWith({ env: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: 'spec.nope' } } }] }), [`${C}.env[0].valueFrom.fieldRef.fieldPath`, /^Unsupported value: "spec.nope": supported values: "metadata.name", /]],
  ['all labels as a variable', containerWith({ env: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: 'metadata.labels' } } }] }), [`${C}.env[0].valueFrom.fieldRef.fieldPath`, /^Unsupported value/]],
  ['a wrong label key as a variable', containerWith({ env: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: "metadata.labels['a b']" } } }] }), [`${C}.env[0].valueFrom.fieldRef`, /^Invalid value: "a b"/]],
  ['no field path', containerWith({ env: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: '' } } }] }), `${C}.env[0].valueFrom.fieldRef.fieldPath: Required value`],
  ['an unknown resource', containerWith({ env: [{ name: 'A', valueFrom: { resourceFieldRef: { resource: 'limits.gpu' } } }] }), [`${C}.env[0].valueFrom.resourceFieldRef.resource`, /^Unsupported value: "limits.gpu"/]],
  ['a divisor that makes no sense', containerWith({ env: [{ name: 'A', valueFrom: { resourceFieldRef: { resource: 'limits.cpu', divisor: '1Mi' } } }] }), [`${C}.env[0].valueFrom.resourceFieldRef.divisor`, /only divisor's values 1m and 1 are supported with the cpu resource/]],
  ['a key reference without name', containerWith({ env: [{ name: 'A', valueFrom: { configMapKeyRef: { key: 'k' } } }] }), `${C}.env[0].valueFrom.configMapKeyRef.name: Required value`],
  ['a key reference without key', containerWith({ env: [{ name: 'A', valueFrom: { secretKeyRef: { name: 's', key: '' } } }] }), `${C}.env[0].valueFrom.secretKeyRef.key: Required value`],
  ['a key that is none', containerWith({ env: [{ name: 'A', valueFrom: { secretKeyRef: { name: 's', key: 'a/b' } } }] }), [`${C}.env[0].valueFrom.secretKeyRef.key`, /a valid config key/]],
  ['envFrom of nothing', containerWith({ envFrom: [{ prefix: 'A' }] }), `${C}.envFrom[0]: Invalid value: "": must specify one of: \`configMapRef\` or \`secretRef\``],
  ['envFrom of two', containerWith({ envFrom: [{ configMapRef: { name: 'a' }, secretRef: { name: 'b' } }] }), `${C}.envFrom[0]: Invalid value: "": may not have more than one field specified at a time`],
  ['envFrom without name', containerWith({ envFrom: [{ secretRef: { name: '' } }] }), `${C}.envFrom[0].secretRef.name: Required value`],
  ['envFrom with a wrong prefix', containerWith({ envFrom: [{ prefix: '=', configMapRef: { name: 'a' } }] }), [`${C}.envFrom[0].prefix`, /environment variable name/]],
  // ----------------------------------------------------------------------------------------------------------- resources
  ['a request above its limit', containerWith({ resources: { requests: { cpu: '2' }, limits: { cpu: '1' } } }), `${C}.resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1`],
  ['memory compared by value, not by text', containerWith({ resources: { requests: { memory: '1Gi' }, limits: { memory: '1025Mi' } } })],
  ['a negative request', containerWith({ resources: { requests: { memory: '-1' } } }), `${C}.resources.requests[memory]: Invalid value: "-1": must be greater than or equal to 0`],
  ['thousandths of bytes', containerWith({ resources: { limits: { memory: '500m' } } }), [`${C}.resources.limits[memory]`, /must be at least 1 byte/], [`${C}.resources.requests[memory]`, /must be at least 1 byte/]],
  ['a resource that does not exist', containerWith({ resources: { requests: { ram: '1' } } }), [`${C}.resources.requests[ram]`, /^Forbidden: not supported yet/], `${C}.resources.requests[ram]: Invalid value: "ram": must be a standard resource for containers`],
  // ------------------------------------------------------------------------------------------------------------- volumes
  ['a volume without name', podWith({ volumes: [{ name: '' }] }), 'spec.volumes[0].name: Required value'],
  ['a volume name twice', podWith({ volumes: [{ name: 'a' }, { name: 'a' }] }), 'spec.volumes[1].name: Duplicate value: "a"'],
  ['a wrong volume name', podWith({ volumes: [{ name: 'A' }] }), ['spec.volumes[0].name', LABEL]],
  ['a volume of two kinds', podWith({ volumes: [{ name: 'a', emptyDir: {}, hostPath: { path: '/' } }] }), ['spec.volumes[0].hostPath', /^Forbidden: not supported yet/], ['spec.volumes[0]', /^Forbidden: may not specify more than 1 volume type/]],
  ['a size that is negative', podWith({ volumes: [{ name: 'a', emptyDir: { medium: 'Memory', sizeLimit: '-1' } }] }), 'spec.volumes[0].emptyDir.sizeLimit: Forbidden: SizeLimit field must be a valid resource quantity'],
  ['a mount without volume', containerWith({ volumeMounts: [{ name: 'v', mountPath: '/v' }] }), `${C}.volumeMounts[0].name: Not found: "v"`],
  ['a mount without path', podWith({ volumes: [{ name: 'v' }], containers: [{ name: 'a', image: 'x', volumeMounts: [{ name: 'v', mountPath: '' }] }] }), `${C}.volumeMounts[0].mountPath: Required value`],
  ['two mounts at one path', podWith({ volumes: [{ name: 'v' }], containers: [{ name: 'a', image: 'x', volumeMounts: [{ name: 'v', mountPath: '/v' }, { name: 'v', mountPath: '/v' }] }] }), `${C}.volumeMounts[1].mountPath: Invalid value: "/v": must be unique`],
  ['a mount path with a colon', podWith({ volumes: [{ name: 'v' }], containers: [{ name: 'a', image: 'x', volumeMounts: [{ name: 'v', mountPath: '/a:b' }] }] }), `${C}.volumeMounts[0].mountPath: Invalid value: "/a:b": must not contain ':'`],
  // -------------------------------------------------------------------------------------------------------------- probes
  ['a probe without handler', containerWith({ livenessProbe: { periodSeconds: 5 } }), `${C}.livenessProbe: Required value: must specify a handler type`],
  ['a probe with two handlers', containerWith({ readinessProbe: { exec: { command: ['x'] }, httpGet } }), `${C}.readinessProbe.httpGet: Forbidden: may not specify more than 1 handler type`],
  ['a probe without command', containerWith({ livenessProbe: { exec: { command: [] } } }), `${C}.livenessProbe.exec.command: Required value`],
  ['a probe of port 0', containerWith({ livenessProbe: { httpGet: { path: '/', port: 0 } } }), `${C}.livenessProbe.httpGet.port: Invalid value: 0: must be between 1 and 65535, inclusive`],
  ['a probe of a wrong port name', containerWith({ livenessProbe: { tcpSocket: { port: 'a_b' } } }), [`${C}.livenessProbe.tcpSocket.port`, /must contain only alpha-numeric/]],
  ['a probe with an unknown scheme', containerWith({ livenessProbe: { httpGet: { ...httpGet, scheme: 'http' } } }), `${C}.livenessProbe.httpGet.scheme: Unsupported value: "http": supported values: "HTTP", "HTTPS"`],
  ['a probe with a wrong header', containerWith({ livenessProbe: { httpGet: { ...httpGet, httpHeaders: [{ name: 'a b', value: '' }] } } }), [`${C}.livenessProbe.httpGet.httpHeaders`, /a valid HTTP header/]],
  ['a header that smuggles another', containerWith({ livenessProbe: { httpGet: { ...httpGet, httpHeaders: [{ name: 'a', value: 'x\r\nb: y' }] } } }), [`${C}.livenessProbe.httpGet.httpHeaders[0].value`, /must not contain line ends/]],
  ['negative numbers', containerWith({ readinessProbe: { httpGet, initialDelaySeconds: -1, periodSeconds: -2 } }), `${C}.readinessProbe.initialDelaySeconds: Invalid value: -1: must be greater than or equal to 0`, `${C}.readinessProbe.periodSeconds: Invalid value: -2: must be greater than or equal to 0`],
  ['liveness that must succeed twice', containerWith({ livenessProbe: { httpGet, successThreshold: 2 } }), `${C}.livenessProbe.successThreshold: Invalid value: 2: must be 1`],
  ['startup that must succeed twice', containerWith({ startupProbe: { httpGet, successThreshold: 2 } }), `${C}.startupProbe.successThreshold: Invalid value: 2: must be 1`],
  ['a hook without handler', containerWith({ lifecycle: { preStop: {} } }), `${C}.lifecycle.preStop: Required value: must specify a handler type`],
  ['a sleep longer than the grace period', containerWith({ lifecycle: { preStop: { sleep: { seconds: 31 } } } }), `${C}.lifecycle.preStop.sleep: Invalid value: 31: must be greater than 0 and less than terminationGracePeriodSeconds (30)`],
  // ----------------------------------------------------------------------------------------------------------- placement
  ['a wrong node selector', podWith({ nodeSelector: { 'a b': 'c' } }), ['spec.nodeSelector', /^Invalid value: "a b"/]],
  ['a wrong node name', podWith({ nodeName: 'N1' }), ['spec.nodeName', /RFC 1123 subdomain/]],
  ['affinity without terms', podWith({ affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [] } } } }), 'spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms: Required value: must have at least one node selector term'],
  ...([
    [{ key: 'a', operator: 'In' }, '.values: Required value: must be specified when `operator` is \'In\' or \'NotIn\''],
    [{ key: 'a', operator: 'Exists', values: ['x'] }, '.values: Forbidden: may not be specified when `operator` is \'Exists\' or \'DoesNotExist\''],
    [{ key: 'a', operator: 'Gt', values: ['1', '2'] }, '.values: Required value: must be specified single value when `operator` is \'Lt\' or \'Gt\''],
    [{ key: 'a', operator: 'Gt', values: ['x'] }, ".values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, the value must be an integer"],
    [{ key: 'a', operator: 'Is', values: ['x'] }, '.operator: Invalid value: "Is": not a valid selector operator'],
  ] as const).map(([expression, fault]): Row => [
    `node affinity ${JSON.stringify(expression)}`,
    podWith({ affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchExpressions: [structuredClone(expression) as unknown as JsonObject] }] } } } }),
    `spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0]${fault}`,
  ]),
  ['a field that nodes are not found by', podWith({ affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.uid', operator: 'In', values: ['x'] }] }] } } } }), 'spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchFields[0].key: Invalid value: "metadata.uid": not a valid field selector key'],
  ['a weight out of range', podWith({ affinity: { nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 101, preference: { matchExpressions: [{ key: 'a', operator: 'Exists' }] } }] } } }), 'spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight: Invalid value: 101: must be in the range 1-100'],
  ['a toleration of nothing', podWith({ tolerations: [{}] }), ['spec.tolerations[0].operator', /operator must be Exists when `key` is empty/]],
  ['a toleration with an unknown operator', podWith({ tolerations: [{ key: 'a', operator: 'exists' }] }), 'spec.tolerations[0].operator: Unsupported value: "exists": supported values: "Equal", "Exists"'],
  ['a toleration that exists and has a value', podWith({ tolerations: [{ key: 'a', operator: 'Exists', value: 'x' }] }), ['spec.tolerations[0].operator', /value must be empty when `operator` is 'Exists'/]],
  ['a toleration for a while of another effect', podWith({ tolerations: [{ key: 'a', effect: 'NoSchedule', tolerationSeconds: 1 }] }), ['spec.tolerations[0].effect', /effect must be 'NoExecute' when `tolerationSeconds` is set/]],
  ['a toleration of an unknown effect', podWith({ tolerations: [{ key: 'a', effect: 'Never' }] }), 'spec.tolerations[0].effect: Unsupported value: "Never": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"'],
  // ------------------------------------------------------------------------------------------------------------ the rest
  ['an unknown restart policy', podWith({ restartPolicy: 'always' }), 'spec.restartPolicy: Unsupported value: "always": supported values: "Always", "OnFailure", "Never"'],
  ['an unknown DNS policy', podWith({ dnsPolicy: 'x' }), ['spec.dnsPolicy', /^Forbidden/], ['spec.dnsPolicy', /^Unsupported value: "x"/]],
  ['a negative grace period', podWith({ terminationGracePeriodSeconds: -1 }), 'spec.terminationGracePeriodSeconds: Invalid value: -1: must be greater than or equal to 0'],
  ['a hostname with dots', podWith({ hostname: 'a.b' }), ['spec.hostname', LABEL]],
  ['a wrong service account', podWith({ serviceAccountName: 'A' }), ['spec.serviceAccountName', /RFC 1123 subdomain/]],
  ['a host alias that is no address', podWith({ hostAliases: [{ ip: 'x', hostnames: ['a'] }] }), ['spec.hostAliases[0].ip', /must be a valid IP address/]],
  ['a wrong host alias', podWith({ hostAliases: [{ ip: '::1', hostnames: ['a_b'] }] }), ['spec.hostAliases[0].hostnames[0]', /RFC 1123 subdomain/]],
];

test.each(rows.map((row) => [row[0], row] as const))('%s', (_what, [, pod, ...faults]) => {
  const found = createFaults('Pod', pod);
  expect(found.length, found.join('\n')).toBe(faults.length);
  for (const fault of faults) {
    if (typeof fault === 'string') expect(found).toContain(fault);
    else expect(found.some((one) => one.startsWith(`${fault[0]}`) && fault[1].test(one.slice(one.indexOf(': ') + 2))), found.join('\n')).toBe(true);
  }
});
