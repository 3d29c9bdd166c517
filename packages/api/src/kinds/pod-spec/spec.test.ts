import { test } from 'vitest';
import type { JsonObject } from '../../decode/tree.js';
import { containerWith, expectFaults, type FaultRow, goodPod, podWith } from '../testing/pods.js';

const C = 'spec.containers[0]';
const LABEL = /^Invalid value: .*RFC 1123 label/;
const httpGet = { path: '/', port: 80 };

const context = (securityContext: JsonObject) => podWith({ securityContext });
const dns = (dnsConfig: JsonObject) => podWith({ dnsPolicy: 'None', dnsConfig });
const ID_RANGE = 'must be between 0 and 2147483647, inclusive';

const rows: readonly FaultRow[] = [
  // ------------------------------------------------------------------------------------------------------------ namespaces
  ['the processes of the host', podWith({ hostPID: true, hostIPC: true, shareProcessNamespace: false })],
  ['processes that the containers share', podWith({ shareProcessNamespace: true })],
  [
    'the processes of the host and those that the containers share',
    podWith({ hostPID: true, shareProcessNamespace: true }),
    'spec.securityContext.shareProcessNamespace: Invalid value: true: ShareProcessNamespace and HostPID cannot both be enabled',
  ],
  // ------------------------------------------------------------------------------------------------------ deadline, gates
  ['a deadline and a gate', podWith({ activeDeadlineSeconds: 1, readinessGates: [{ conditionType: 'example.com/lb' }] })],
  ...([0, -1, 2147483648] as const).map(
    (seconds): FaultRow => [
      `a deadline of ${seconds} s`,
      podWith({ activeDeadlineSeconds: seconds }),
      `spec.activeDeadlineSeconds: Invalid value: ${seconds}: must be between 1 and 2147483647, inclusive`,
    ],
  ),
  [
    'a gate that is no name',
    podWith({ readinessGates: [{ conditionType: 'not a name' }] }),
    ['spec.readinessGates[0].conditionType', /^Invalid value: "not a name": name part must consist of/],
  ],
  // ----------------------------------------------------------------------------------------------------- security context
  [
    'a security context in which everything is said',
    context({
      runAsUser: 1000,
      runAsGroup: 1000,
      runAsNonRoot: true,
      fsGroup: 2000,
      fsGroupChangePolicy: 'OnRootMismatch',
      supplementalGroups: [1, 2],
      supplementalGroupsPolicy: 'Merge',
      seccompProfile: { type: 'RuntimeDefault' },
      sysctls: [
        { name: 'net.ipv4.tcp_syncookies', value: '1' },
        { name: 'kernel/shm_rmid_forced', value: '0' },
      ],
    }),
  ],
  ['a user below zero', context({ runAsUser: -1 }), `spec.securityContext.runAsUser: Invalid value: -1: ${ID_RANGE}`],
  ['a group too large', context({ runAsGroup: 2147483648 }), `spec.securityContext.runAsGroup: Invalid value: 2147483648: ${ID_RANGE}`],
  ['a file group below zero', context({ fsGroup: -5 }), `spec.securityContext.fsGroup: Invalid value: -5: ${ID_RANGE}`],
  [
    'a supplemental group below zero',
    context({ supplementalGroups: [1, -1] }),
    `spec.securityContext.supplementalGroups[1]: Invalid value: -1: ${ID_RANGE}`,
  ],
  [
    'an unknown policy for fsGroup',
    context({ fsGroupChangePolicy: 'Never' }),
    'spec.securityContext.fsGroupChangePolicy: Unsupported value: "Never": supported values: "Always", "OnRootMismatch"',
  ],
  [
    'a seccomp profile without a type',
    context({ seccompProfile: {} }),
    'spec.securityContext.seccompProfile.type: Required value: type is required when seccompProfile is set',
  ],
  [
    'a sysctl of the whole node',
    context({ sysctls: [{ name: 'kernel.msgmax', value: '1' }] }),
    ['spec.securityContext.sysctls[0].name', /^Forbidden: not allowed; these sysctls are safe: kernel.shm_rmid_forced, net/],
  ],
  [
    'a sysctl twice',
    context({
      sysctls: [
        { name: 'net.ipv4.tcp_syncookies', value: '1' },
        { name: 'net/ipv4/tcp_syncookies', value: '0' },
      ],
    }),
    'spec.securityContext.sysctls[1].name: Duplicate value: "net/ipv4/tcp_syncookies"',
  ],
  ['a sysctl without a name', context({ sysctls: [{ name: '', value: '1' }] }), 'spec.securityContext.sysctls[0].name: Required value'],
  [
    'a sysctl that is none',
    context({ sysctls: [{ name: 'Kernel..x', value: '1' }] }),
    ['spec.securityContext.sysctls[0].name', /^Invalid value: "Kernel..x": must have at most 253 characters and match regex/],
  ],
  // ------------------------------------------------------------------------------------------------------------ accepted
  ['the good pod', goodPod],
  [
    'everything that is supported',
    podWith({
      containers: [
        {
          name: 'a',
          image: 'registry:5000/a/b:1@sha256:0123',
          imagePullPolicy: 'Never',
          command: ['sh'],
          args: ['-c', 'x'],
          workingDir: '/w',
          ports: [
            { name: 'http', containerPort: 80, hostPort: 8080, hostIP: '127.0.0.1' },
            { containerPort: 80, protocol: 'UDP' },
          ],
          env: [
            { name: 'A', value: 'b' },
            { name: 'E', value: '' },
            { name: 'P', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
            { name: 'L', valueFrom: { fieldRef: { fieldPath: "metadata.labels['app']" } } },
            { name: 'C', valueFrom: { configMapKeyRef: { name: 'c', key: 'k', optional: true } } },
            { name: 'S', valueFrom: { secretKeyRef: { name: 's', key: 'k' } } },
            { name: 'R', valueFrom: { resourceFieldRef: { resource: 'limits.memory', divisor: '1Mi' } } },
          ],
          envFrom: [{ prefix: 'X_', configMapRef: { name: 'c' } }, { secretRef: { name: 's', optional: true } }],
          resources: { requests: { cpu: '100m', memory: '64Mi' }, limits: { cpu: '1', memory: '64Mi' } },
          volumeMounts: [
            { name: 'v', mountPath: '/v' },
            { name: 'v', mountPath: '/r', readOnly: true },
          ],
          livenessProbe: { httpGet: { ...httpGet, port: 'http', httpHeaders: [{ name: 'X-A', value: 'b' }] }, periodSeconds: 3 },
          readinessProbe: { tcpSocket: { port: 80 }, successThreshold: 2 },
          startupProbe: { exec: { command: ['true'] }, failureThreshold: 30 },
          lifecycle: { preStop: { sleep: { seconds: 5 } } },
          stdin: true,
          tty: true,
        },
        { name: 'b', image: 'b' },
      ],
      volumes: [{ name: 'v', emptyDir: {} }, { name: 'm', emptyDir: { medium: 'Memory', sizeLimit: '10Mi' } }, { name: 'n' }],
      restartPolicy: 'OnFailure',
      terminationGracePeriodSeconds: 5,
      nodeSelector: { zone: 'a' },
      nodeName: 'n1',
      hostname: 'h',
      hostAliases: [{ ip: '10.0.0.1', hostnames: ['a', 'a.b'] }],
      tolerations: [{ operator: 'Exists' }, { key: 'k', value: 'v', effect: 'NoExecute', tolerationSeconds: 5 }],
      affinity: {
        nodeAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: {
            nodeSelectorTerms: [{ matchExpressions: [{ key: 'cpus', operator: 'Gt', values: ['4'] }] }],
          },
          preferredDuringSchedulingIgnoredDuringExecution: [
            { weight: 1, preference: { matchFields: [{ key: 'metadata.name', operator: 'In', values: ['n1'] }] } },
          ],
        },
      },
    }),
  ],
  // ------------------------------------------------------------------------------------------------------------ metadata
  ['no name', { ...goodPod, metadata: { namespace: 'default' } }, 'metadata.name: Required value: name or generateName is required'],
  ['generateName instead', { ...goodPod, metadata: { namespace: 'default', generateName: 'web-' } }],
  ['no namespace', { ...goodPod, metadata: { name: 'a' } }, 'metadata.namespace: Required value'],
  [
    'a name with capitals',
    { ...goodPod, metadata: { name: 'Web', namespace: 'default' } },
    ['metadata.name', /^Invalid value: "Web": a lowercase RFC 1123 subdomain/],
  ],
  [
    'a name that is too long',
    { ...goodPod, metadata: { name: 'x'.repeat(254), namespace: 'default' } },
    ['metadata.name', /must be no more than 253 bytes$/],
  ],
  [
    'a generateName that is wrong',
    { ...goodPod, metadata: { generateName: 'A-', namespace: 'default' } },
    ['metadata.generateName', /RFC 1123 subdomain/],
  ],
  [
    'a wrong namespace',
    { ...goodPod, metadata: { name: 'a', namespace: 'a.b' } },
    'metadata.namespace: Invalid value: "a.b": must not contain dots',
  ],
  [
    'a wrong label key',
    { ...goodPod, metadata: { name: 'a', namespace: 'd', labels: { 'a b': 'c' } } },
    ['metadata.labels', /^Invalid value: "a b": name part must consist/],
  ],
  [
    'a wrong label value',
    { ...goodPod, metadata: { name: 'a', namespace: 'd', labels: { a: 'b c' } } },
    ['metadata.labels', /^Invalid value: "b c": a valid label must be/],
  ],
  [
    'a wrong annotation key',
    { ...goodPod, metadata: { name: 'a', namespace: 'd', annotations: { '/a': 'c' } } },
    ['metadata.annotations', /prefix part must be non-empty/],
  ],
  [
    'annotations that are too large',
    { ...goodPod, metadata: { name: 'a', namespace: 'd', annotations: { a: 'x'.repeat(262_144) } } },
    'metadata.annotations: Too long: may not be more than 262144 bytes',
  ],
  [
    'a finalizer without domain',
    { ...goodPod, metadata: { name: 'a', namespace: 'd', finalizers: ['mine'] } },
    ['metadata.finalizers[0]', /neither a standard finalizer/],
  ],
  ['a finalizer twice', { ...goodPod, metadata: { name: 'a', namespace: 'd', finalizers: ['a/b', 'a/b'] } }],
  [
    'an owner without uid',
    { ...goodPod, metadata: { name: 'a', namespace: 'd', ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: 'x', uid: '' }] } },
    'metadata.ownerReferences[0].uid: Invalid value: "": must not be empty',
  ],
  [
    'two controllers',
    {
      ...goodPod,
      metadata: {
        name: 'a',
        namespace: 'd',
        ownerReferences: [
          { apiVersion: 'v1', kind: 'Pod', name: 'x', uid: '1', controller: true },
          { apiVersion: 'v1', kind: 'Pod', name: 'y', uid: '2', controller: true },
        ],
      },
    },
    ['metadata.ownerReferences', /Only one reference can have Controller set to true/],
  ],
  // ------------------------------------------------------------------------------------------------------------- volumes
  ['a volume without name', podWith({ volumes: [{ name: '' }] }), 'spec.volumes[0].name: Required value'],
  ['a volume name twice', podWith({ volumes: [{ name: 'a' }, { name: 'a' }] }), 'spec.volumes[1].name: Duplicate value: "a"'],
  ['a wrong volume name', podWith({ volumes: [{ name: 'A' }] }), ['spec.volumes[0].name', LABEL]],
  [
    'a volume of two kinds',
    podWith({ volumes: [{ name: 'a', emptyDir: {}, hostPath: { path: '/' } }] }),
    ['spec.volumes[0].hostPath', /^Forbidden: may not specify more than 1 volume type/],
  ],
  [
    'a size that is negative',
    podWith({ volumes: [{ name: 'a', emptyDir: { medium: 'Memory', sizeLimit: '-1' } }] }),
    'spec.volumes[0].emptyDir.sizeLimit: Forbidden: SizeLimit field must be a valid resource quantity',
  ],
  [
    'a mount without volume',
    containerWith({ volumeMounts: [{ name: 'v', mountPath: '/v' }] }),
    `${C}.volumeMounts[0].name: Not found: "v"`,
  ],
  [
    'a mount without path',
    podWith({ volumes: [{ name: 'v' }], containers: [{ name: 'a', image: 'x', volumeMounts: [{ name: 'v', mountPath: '' }] }] }),
    `${C}.volumeMounts[0].mountPath: Required value`,
  ],
  [
    'two mounts at one path',
    podWith({
      volumes: [{ name: 'v' }],
      containers: [
        {
          name: 'a',
          image: 'x',
          volumeMounts: [
            { name: 'v', mountPath: '/v' },
            { name: 'v', mountPath: '/v' },
          ],
        },
      ],
    }),
    `${C}.volumeMounts[1].mountPath: Invalid value: "/v": must be unique`,
  ],
  [
    'a relative mount path',
    podWith({ volumes: [{ name: 'v' }], containers: [{ name: 'a', image: 'x', volumeMounts: [{ name: 'v', mountPath: 'v' }] }] }),
    `${C}.volumeMounts[0].mountPath: Invalid value: "v": must be an absolute path`,
  ],
  [
    'a mount path with a colon',
    podWith({ volumes: [{ name: 'v' }], containers: [{ name: 'a', image: 'x', volumeMounts: [{ name: 'v', mountPath: '/a:b' }] }] }),
    `${C}.volumeMounts[0].mountPath: Invalid value: "/a:b": must not contain ':'`,
  ],
  // ----------------------------------------------------------------------------------------------------------- placement
  ['a wrong node selector', podWith({ nodeSelector: { 'a b': 'c' } }), ['spec.nodeSelector', /^Invalid value: "a b"/]],
  ['a wrong node name', podWith({ nodeName: 'N1' }), ['spec.nodeName', /RFC 1123 subdomain/]],
  [
    'affinity without terms',
    podWith({ affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [] } } } }),
    'spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms: Required value: must have at least one node selector term',
  ],
  ...(
    [
      [{ key: 'a', operator: 'In' }, ".values: Required value: must be specified when `operator` is 'In' or 'NotIn'"],
      [
        { key: 'a', operator: 'Exists', values: ['x'] },
        ".values: Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
      ],
      [
        { key: 'a', operator: 'Gt', values: ['1', '2'] },
        ".values: Required value: must be specified single value when `operator` is 'Lt' or 'Gt'",
      ],
      [
        { key: 'a', operator: 'Gt', values: ['x'] },
        ".values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, the value must be an integer",
      ],
      [{ key: 'a', operator: 'Is', values: ['x'] }, '.operator: Invalid value: "Is": not a valid selector operator'],
    ] as const
  ).map(
    ([expression, fault]): FaultRow => [
      `node affinity ${JSON.stringify(expression)}`,
      podWith({
        affinity: {
          nodeAffinity: {
            requiredDuringSchedulingIgnoredDuringExecution: {
              nodeSelectorTerms: [{ matchExpressions: [structuredClone(expression) as unknown as JsonObject] }],
            },
          },
        },
      }),
      `spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0]${fault}`,
    ],
  ),
  [
    'a field that nodes are not found by',
    podWith({
      affinity: {
        nodeAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: {
            nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.uid', operator: 'In', values: ['x'] }] }],
          },
        },
      },
    }),
    'spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchFields[0].key: Invalid value: "metadata.uid": not a valid field selector key',
  ],
  [
    'a weight out of range',
    podWith({
      affinity: {
        nodeAffinity: {
          preferredDuringSchedulingIgnoredDuringExecution: [
            { weight: 101, preference: { matchExpressions: [{ key: 'a', operator: 'Exists' }] } },
          ],
        },
      },
    }),
    'spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight: Invalid value: 101: must be in the range 1-100',
  ],
  [
    'a toleration of nothing',
    podWith({ tolerations: [{}] }),
    ['spec.tolerations[0].operator', /operator must be Exists when `key` is empty/],
  ],
  [
    'a toleration with an unknown operator',
    podWith({ tolerations: [{ key: 'a', operator: 'exists' }] }),
    'spec.tolerations[0].operator: Unsupported value: "exists": supported values: "Equal", "Exists"',
  ],
  [
    'a toleration that exists and has a value',
    podWith({ tolerations: [{ key: 'a', operator: 'Exists', value: 'x' }] }),
    ['spec.tolerations[0].operator', /value must be empty when `operator` is 'Exists'/],
  ],
  [
    'a toleration for a while of another effect',
    podWith({ tolerations: [{ key: 'a', effect: 'NoSchedule', tolerationSeconds: 1 }] }),
    ['spec.tolerations[0].effect', /effect must be 'NoExecute' when `tolerationSeconds` is set/],
  ],
  [
    'a toleration of an unknown effect',
    podWith({ tolerations: [{ key: 'a', effect: 'Never' }] }),
    'spec.tolerations[0].effect: Unsupported value: "Never": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"',
  ],
  // ------------------------------------------------------------------------------------------------------------ the rest
  [
    'an unknown restart policy',
    podWith({ restartPolicy: 'always' }),
    'spec.restartPolicy: Unsupported value: "always": supported values: "Always", "OnFailure", "Never"',
  ],
  // ------------------------------------------------------------------------------------------------------------ gates
  ['gates before scheduling', podWith({ schedulingGates: [{ name: 'example.com/quota' }, { name: 'ready' }] })],
  [
    'a gate that is no name at all',
    podWith({ schedulingGates: [{ name: 'not a name' }] }),
    ['spec.schedulingGates[0]', /^Invalid value: "not a name": name part must consist of/],
  ],
  ['a gate twice', podWith({ schedulingGates: [{ name: 'a' }, { name: 'a' }] }), 'spec.schedulingGates[1]: Duplicate value: "a"'],
  [
    'a node in spite of a gate',
    podWith({ nodeName: 'n1', schedulingGates: [{ name: 'a' }] }),
    'spec.nodeName: Forbidden: cannot be set until all schedulingGates have been cleared',
  ],
  // ------------------------------------------------------------------------------------------------------------ profiles
  [
    'profiles of the node',
    context({
      seccompProfile: { type: 'Localhost', localhostProfile: 'a/b..c.json' },
      appArmorProfile: { type: 'Localhost', localhostProfile: 'mine' },
      seLinuxOptions: { level: 's0:c1' },
      supplementalGroupsPolicy: 'Strict',
    }),
  ],
  [
    'a local seccomp profile without a name',
    context({ seccompProfile: { type: 'Localhost' } }),
    'spec.securityContext.seccompProfile.localhostProfile: Required value: must be set when seccomp type is Localhost',
  ],
  [
    'a name of a seccomp profile that is not local',
    context({ seccompProfile: { type: 'Unconfined', localhostProfile: 'a' } }),
    'spec.securityContext.seccompProfile.localhostProfile: Invalid value: "a": can only be set when seccomp type is Localhost',
  ],
  [
    'a seccomp profile by its whole path',
    context({ seccompProfile: { type: 'Localhost', localhostProfile: '/etc/a' } }),
    'spec.securityContext.seccompProfile.localhostProfile: Invalid value: "/etc/a": must be a relative path',
  ],
  [
    'a seccomp profile outside of its folder',
    context({ seccompProfile: { type: 'Localhost', localhostProfile: 'a/../../b' } }),
    `spec.securityContext.seccompProfile.localhostProfile: Invalid value: "a/../../b": must not contain '..'`,
  ],
  [
    'an unknown kind of seccomp profile',
    context({ seccompProfile: { type: 'Some' } }),
    'spec.securityContext.seccompProfile.type: Unsupported value: "Some": supported values: "Localhost", "RuntimeDefault", "Unconfined"',
  ],
  [
    'an AppArmor profile without a type',
    context({ appArmorProfile: {} }),
    'spec.securityContext.appArmorProfile.type: Required value: type is required when appArmorProfile is set',
  ],
  [
    'an unknown kind of AppArmor profile',
    context({ appArmorProfile: { type: 'Some' } }),
    'spec.securityContext.appArmorProfile.type: Unsupported value: "Some": supported values: "Localhost", "RuntimeDefault", "Unconfined"',
  ],
  [
    'a local AppArmor profile without a name',
    context({ appArmorProfile: { type: 'Localhost', localhostProfile: '' } }),
    'spec.securityContext.appArmorProfile.localhostProfile: Required value: must be set when AppArmor type is Localhost',
  ],
  [
    'an AppArmor profile with blanks around',
    context({ appArmorProfile: { type: 'Localhost', localhostProfile: 'a ' } }),
    'spec.securityContext.appArmorProfile.localhostProfile: Invalid value: "a ": must not be padded with whitespace',
  ],
  [
    'an AppArmor profile with a name that is too long',
    context({ appArmorProfile: { type: 'Localhost', localhostProfile: 'a'.repeat(4096) } }),
    ['spec.securityContext.appArmorProfile.localhostProfile', /^Too long: /],
  ],
  [
    'a name of an AppArmor profile that is not local',
    context({ appArmorProfile: { type: 'RuntimeDefault', localhostProfile: 'a' } }),
    'spec.securityContext.appArmorProfile.localhostProfile: Invalid value: "a": can only be set when AppArmor type is Localhost',
  ],
  [
    'an AppArmor profile of a container without a type',
    containerWith({ securityContext: { appArmorProfile: {} } }),
    `${C}.securityContext.appArmorProfile.type: Required value: type is required when appArmorProfile is set`,
  ],
  [
    'an unknown policy for groups',
    context({ supplementalGroupsPolicy: 'Some' }),
    'spec.securityContext.supplementalGroupsPolicy: Unsupported value: "Some": supported values: "Merge", "Strict"',
  ],
  // ------------------------------------------------------------------------------------------------------------ networks
  [
    'an unknown DNS policy',
    podWith({ dnsPolicy: 'x' }),
    'spec.dnsPolicy: Unsupported value: "x": supported values: "ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"',
  ],
  ['all that may be said of DNS', dns({ nameservers: ['::1'], searches: ['.', 'a_b.example.', 'c'], options: [{ name: 'ndots' }] })],
  [
    'DNS settings of its own that are missing',
    podWith({ dnsPolicy: 'None' }),
    'spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None',
  ],
  [
    'DNS settings without a server',
    dns({ searches: ['a'] }),
    'spec.dnsConfig.nameservers: Required value: must provide at least one DNS nameserver when `dnsPolicy` is None',
  ],
  [
    'four DNS servers',
    dns({ nameservers: ['1.1.1.1', '1.1.1.2', '1.1.1.3', '1.1.1.4'] }),
    ['spec.dnsConfig.nameservers', /^Invalid value: .*: must not have more than 3 nameservers$/],
  ],
  ['a DNS server by name', dns({ nameservers: ['dns.example'] }), ['spec.dnsConfig.nameservers[0]', /must be a valid IP address/]],
  [
    'too many search domains',
    dns({ nameservers: ['1.1.1.1'], searches: Array.from({ length: 33 }, (_, i) => `s${i}`) }),
    ['spec.dnsConfig.searches', /: must not have more than 32 search paths$/],
  ],
  [
    'search domains that are too long together',
    dns({ nameservers: ['1.1.1.1'], searches: Array.from({ length: 9 }, () => `${'s'.repeat(60)}.`.repeat(4).slice(0, 243)) }),
    ['spec.dnsConfig.searches', /: must not have more than 2048 characters \(including spaces\) in the search list$/],
  ],
  [
    'a search domain that is none',
    dns({ nameservers: ['1.1.1.1'], searches: ['A'] }),
    ['spec.dnsConfig.searches[0]', /RFC 1123 subdomain/],
  ],
  [
    'a resolver option without a name',
    dns({ nameservers: ['1.1.1.1'], options: [{ name: '' }] }),
    'spec.dnsConfig.options[0]: Required value: must not be empty',
  ],
  ['a subdomain with dots', podWith({ subdomain: 'a.b' }), 'spec.subdomain: Invalid value: "a.b": must not contain dots'],
  ['the network of the host', podWith({ hostNetwork: true, containers: [{ name: 'a', image: 'i:1', ports: [{ containerPort: 80 }] }] })],
  [
    'another port of the host in its network',
    podWith({ hostNetwork: true, containers: [{ name: 'a', image: 'i:1', ports: [{ containerPort: 80, hostPort: 81 }] }] }),
    'spec.containers[0].ports[0].hostPort: Invalid value: 81: must match `containerPort` when `hostNetwork` is true',
  ],
  [
    'a sysctl of the host’s network',
    podWith({ hostNetwork: true, securityContext: { sysctls: [{ name: 'net.ipv4.tcp_syncookies', value: '1' }] } }),
    `spec.securityContext.sysctls[0].name: Invalid value: "net.ipv4.tcp_syncookies": may not be specified when 'hostNetwork' is true`,
  ],
  [
    'a sysctl of the host’s shared memory',
    podWith({ hostIPC: true, securityContext: { sysctls: [{ name: 'kernel.shm_rmid_forced', value: '1' }] } }),
    `spec.securityContext.sysctls[0].name: Invalid value: "kernel.shm_rmid_forced": may not be specified when 'hostIPC' is true`,
  ],
  [
    'a negative grace period',
    podWith({ terminationGracePeriodSeconds: -1 }),
    'spec.terminationGracePeriodSeconds: Invalid value: -1: must be greater than or equal to 0',
  ],
  ['a hostname with dots', podWith({ hostname: 'a.b' }), 'spec.hostname: Invalid value: "a.b": must not contain dots'],
  ['a wrong service account', podWith({ serviceAccountName: 'A' }), ['spec.serviceAccountName', /RFC 1123 subdomain/]],
  [
    'a host alias that is no address',
    podWith({ hostAliases: [{ ip: 'x', hostnames: ['a'] }] }),
    ['spec.hostAliases[0].ip', /must be a valid IP address/],
  ],
  [
    'a wrong host alias',
    podWith({ hostAliases: [{ ip: '::1', hostnames: ['a_b'] }] }),
    ['spec.hostAliases[0].hostnames[0]', /RFC 1123 subdomain/],
  ],
];

test.each(rows.map((row) => [row[0], row] as const))('%s', (_what, [, pod, ...faults]) => expectFaults(pod, faults));
