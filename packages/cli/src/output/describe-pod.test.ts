import { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import { expect, it } from 'vitest';
import { podText } from './describe-pod.js';
import { Sheet } from './sheet.js';

const NOW = Date.parse('2026-01-02T03:04:05Z');

function textOf(pod: object): string {
  const sheet = new Sheet();
  podText(sheet, Pod.fromJSON(pod) as never, NOW);
  return sheet.text();
}

it('a pod that crashes is described as kubectl does', () => {
  const text = textOf({
    metadata: {
      name: 'web',
      namespace: 'default',
      labels: { app: 'web' },
      ownerReferences: [{ kind: 'ReplicaSet', name: 'web-1', controller: true }],
    },
    spec: {
      priority: 0,
      serviceAccountName: 'default',
      nodeName: 'n1',
      initContainers: [{ name: 'i', image: 'i:1' }],
      containers: [
        {
          name: 'c',
          image: 'c:1',
          command: ['run', 'it'],
          ports: [
            { containerPort: 80, name: 'http' },
            { containerPort: 81, hostPort: 81, protocol: 'UDP' },
          ],
          resources: { limits: { memory: '64Mi' } },
          envFrom: [{ configMapRef: { name: 'm' }, prefix: 'P_' }],
          env: [
            { name: 'A', value: 'x' },
            { name: 'N', valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.name' } } },
            { name: 'S', valueFrom: { secretKeyRef: { name: 's', key: 'k', optional: true } } },
          ],
          volumeMounts: [{ name: 'v', mountPath: '/v', readOnly: true, subPath: 'a' }],
        },
      ],
      readinessGates: [{ conditionType: 'example.com/ok' }],
      volumes: [{ name: 'v', emptyDir: {} }],
      tolerations: [{ operator: 'Exists' }, { key: 'a', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 }],
    },
    status: {
      phase: 'Running',
      hostIP: '192.0.2.1',
      podIP: '10.0.0.2',
      podIPs: [{ ip: '10.0.0.2' }],
      startTime: '2026-01-02T03:00:00Z',
      qosClass: 'Burstable',
      conditions: [{ type: 'Ready', status: 'False', reason: 'ContainersNotReady', message: 'containers with unready status: [c]' }],
      initContainerStatuses: [
        {
          name: 'i',
          ready: true,
          image: 'i:1',
          imageID: 'i@sha256:1',
          containerID: 'docker://1',
          state: {
            terminated: { exitCode: 0, reason: 'Completed', startedAt: '2026-01-02T03:00:01Z', finishedAt: '2026-01-02T03:00:02Z' },
          },
        },
      ],
      containerStatuses: [
        {
          name: 'c',
          ready: false,
          restartCount: 2,
          image: 'c:1',
          imageID: 'c@sha256:2',
          containerID: 'docker://2',
          state: { waiting: { reason: 'CrashLoopBackOff', message: 'back-off 20s' } },
          lastState: { terminated: { exitCode: 137, reason: 'OOMKilled', finishedAt: '2026-01-02T03:01:00Z' } },
        },
      ],
    },
  });
  expect(text).toBe(TEXT);
});

const TEXT = `Name:             web
Namespace:        default
Priority:         0
Service Account:  default
Node:             n1/192.0.2.1
Start Time:       Fri, 02 Jan 2026 03:00:00 +0000
Labels:           app=web
Annotations:      <none>
Status:           Running
IP:               10.0.0.2
IPs:
  IP:  10.0.0.2
Controlled By:    ReplicaSet/web-1
Init Containers:
  i:
    Container ID:   docker://1
    Image:          i:1
    Image ID:       i@sha256:1
    Port:           <none>
    Host Port:      <none>
    State:          Terminated
      Reason:     Completed
      Exit Code:  0
      Started:    Fri, 02 Jan 2026 03:00:01 +0000
      Finished:   Fri, 02 Jan 2026 03:00:02 +0000
    Ready:          True
    Restart Count:  0
    Environment:    <none>
    Mounts:         <none>
Containers:
  c:
    Container ID:   docker://2
    Image:          c:1
    Image ID:       c@sha256:2
    Ports:          80/TCP (http), 81/UDP
    Host Ports:     0/TCP, 81/UDP
    Command:
      run
      it
    State:          Waiting
      Reason:     CrashLoopBackOff
      Message:    back-off 20s
    Last State:     Terminated
      Reason:     OOMKilled
      Exit Code:  137
      Started:    <none>
      Finished:   Fri, 02 Jan 2026 03:01:00 +0000
    Ready:          False
    Restart Count:  2
    Limits:
      memory:     64Mi
    Environment Variables from:
      m  ConfigMap with prefix 'P_'  Optional: false
    Environment:
      A: x
      N: (v1:metadata.name)
      S: <set to the key 'k' in secret 's'>  Optional: true
    Mounts:
      /v from v (ro,path="a")
Readiness Gates:
  TYPE             STATUS
  example.com/ok   <none>
Conditions:
  TYPE    STATUS   REASON               MESSAGE
  Ready   False    ContainersNotReady   containers with unready status: [c]
Volumes:          v: emptyDir
QoS Class:        Burstable
Node-Selectors:   <none>
Tolerations:      op=Exists
                  a:NoExecute op=Exists for 300s
`;

it.each<readonly [what: string, pod: object, lines: readonly string[]]>([
  ['pending', { status: { phase: 'Pending' } }, ['Node: <none>', 'Status: Pending', 'IP:', 'IPs: <none>']],
  [
    'ending',
    { metadata: { deletionTimestamp: '2026-01-02T03:03:05Z', deletionGracePeriodSeconds: 30 }, status: { phase: 'Running' } },
    ['Status: Terminating (lasts 60s)', 'Termination Grace Period: 30s'],
  ],
  [
    'over, with an object that stays',
    { metadata: { deletionTimestamp: '2026-01-02T03:03:05Z', deletionGracePeriodSeconds: 30 }, status: { phase: 'Succeeded' } },
    ['Status: Succeeded'],
  ],
  [
    'not taken by its node',
    { status: { phase: 'Failed', reason: 'NodeShutdown', message: 'Pod was rejected: x' } },
    ['Status: Failed', 'Reason: NodeShutdown', 'Message: Pod was rejected: x'],
  ],
  [
    'meant for another place',
    { spec: { nodeName: 'n1' }, status: { phase: 'Pending', nominatedNodeName: 'n2' } },
    ['Node: n1/', 'NominatedNodeName: n2'],
  ],
  [
    'with a profile',
    { spec: { securityContext: { seccompProfile: { type: 'Localhost', localhostProfile: 'a.json' } } }, status: {} },
    ['SeccompProfile: Localhost', 'LocalhostProfile: a.json'],
  ],
])('a pod that is %s', (_, pod, lines) => {
  const said = textOf(pod)
    .split('\n')
    .map((line) => line.trim().replace(/\s{2,}/g, ' '));
  for (const line of lines) expect(said).toContain(line);
  if (!lines.some((line) => line.startsWith('Status: Terminating'))) expect(said.join('\n')).not.toContain('Terminating');
});

it.each<readonly [what: string, container: object, status: object, lines: readonly string[]]>([
  [
    'runs',
    {},
    { state: { running: { startedAt: '2026-01-02T03:00:00Z' } }, ready: true },
    ['State: Running', 'Started: Fri, 02 Jan 2026 03:00:00 +0000', 'Ready: True'],
  ],
  [
    'waits',
    {},
    { state: { waiting: { reason: 'ContainerCreating' } } },
    ['State: Waiting', 'Reason: ContainerCreating', 'Ready: False', 'Restart Count: 0'],
  ],
  [
    'ended by a signal',
    {},
    { state: { terminated: { exitCode: 0, signal: 9 } } },
    ['State: Terminated', 'Exit Code: 0', 'Signal: 9', 'Started: <none>', 'Finished: <none>'],
  ],
  ['has a port', { ports: [{ containerPort: 80 }] }, {}, ['Port: 80/TCP', 'Host Port: 0/TCP']],
  ['has no port', {}, {}, ['Port: <none>', 'Host Port: <none>', 'Environment: <none>', 'Mounts: <none>']],
])('a container that %s', (_, container, status, lines) => {
  const said = textOf({
    spec: { containers: [{ name: 'c', image: 'c:1', ...container }] },
    status: { containerStatuses: [{ name: 'c', ...status }] },
  })
    .split('\n')
    .map((line) => line.trim().replace(/\s{2,}/g, ' '));
  for (const line of lines) expect(said).toContain(line);
});
