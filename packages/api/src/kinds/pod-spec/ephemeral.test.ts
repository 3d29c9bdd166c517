// What ephemeral containers may say, and how they may change.
import { expect, test } from 'vitest';
import type { JsonObject } from '../../decode/tree.js';
import { applyMergePatch } from '../../patch.js';
import { kindInfo } from '../catalogue.js';
import { admitted, createFaults, decoded, goodWorkload, podWith, texts } from '../testing/pods.js';
import { keepOnlyEphemeral, validateEphemeralWrite } from './ephemeral.js';

const AT = 'spec.ephemeralContainers[0]';
const NOT = 'Forbidden: cannot be set for an Ephemeral Container';
const probe = { tcpSocket: { port: 80 } };
const base: JsonObject = { name: 'look', image: 'tools:1', imagePullPolicy: 'IfNotPresent', terminationMessagePolicy: 'File' };

const podSpec: JsonObject = {
  containers: [{ name: 'a', image: 'nginx:1' }],
  initContainers: [{ name: 'i', image: 'nginx:1' }],
  volumes: [{ name: 'v', emptyDir: {} }],
};

function faults(before: readonly JsonObject[], after: readonly JsonObject[]): string[] {
  const previous = admitted('Pod', podWith({ ...podSpec, ephemeralContainers: [...before] }));
  const next = decoded('Pod', podWith({ ...podSpec, ephemeralContainers: [...after] }));
  kindInfo('Pod').setDefaults(next);
  keepOnlyEphemeral(next, previous);
  return texts(validateEphemeralWrite(next, previous));
}

test.each<[title: string, container: JsonObject, ...expected: string[]]>([
  [
    'everything that it may',
    {
      ...base,
      command: ['sh'],
      args: ['-c'],
      workingDir: '/',
      env: [{ name: 'A', value: 'b' }],
      stdin: true,
      stdinOnce: true,
      tty: true,
      volumeMounts: [{ name: 'v', mountPath: '/v' }],
      securityContext: { capabilities: { add: ['SYS_PTRACE'] } },
      targetContainerName: 'a',
    },
  ],
  ['the target is an init container', { ...base, targetContainerName: 'i' }],
  ['no name', { ...base, name: '' }, `${AT}.name: Required value`],
  ['no image', { name: 'look', imagePullPolicy: 'Always' }, `${AT}.image: Required value`],
  ['the name of a container', { ...base, name: 'a' }, `${AT}.name: Duplicate value: "a"`],
  ['the name of an init container', { ...base, name: 'i' }, `${AT}.name: Duplicate value: "i"`],
  ['a target that is not there', { ...base, targetContainerName: 'z' }, `${AT}.targetContainerName: Not found: "z"`],
  ['itself as target', { ...base, targetContainerName: 'look' }, `${AT}.targetContainerName: Not found: "look"`],
  ['ports', { ...base, ports: [{ containerPort: 80, protocol: 'TCP' }] }, `${AT}.ports: ${NOT}`],
  ['a liveness probe', { ...base, livenessProbe: probe }, `${AT}.livenessProbe: ${NOT}`],
  ['a readiness probe', { ...base, readinessProbe: probe }, `${AT}.readinessProbe: ${NOT}`],
  ['a startup probe', { ...base, startupProbe: probe }, `${AT}.startupProbe: ${NOT}`],
  ['hooks', { ...base, lifecycle: { preStop: { sleep: { seconds: 1 } } } }, `${AT}.lifecycle: ${NOT}`],
  ['limits', { ...base, resources: { limits: { cpu: '1' }, requests: { cpu: '1' } } }, `${AT}.resources: ${NOT}`],
  ['a restart policy', { ...base, restartPolicy: 'Always' }, `${AT}.restartPolicy: ${NOT}`],
  ['subPath', { ...base, volumeMounts: [{ name: 'v', mountPath: '/v', subPath: 's' }] }, `${AT}.volumeMounts[0].subPath: ${NOT}`],
  [
    'subPathExpr',
    { ...base, volumeMounts: [{ name: 'v', mountPath: '/v', subPathExpr: 's' }] },
    `${AT}.volumeMounts[0].subPathExpr: ${NOT}`,
  ],
  ['a volume that is not there', { ...base, volumeMounts: [{ name: 'w', mountPath: '/v' }] }, `${AT}.volumeMounts[0].name: Not found: "w"`],
])('%s', (_title, container, ...expected) => {
  expect(faults([], [container])).toEqual(expected);
});

test('one may be added to others; those stay as they are', () => {
  const other: JsonObject = { ...base, name: 'other' };
  expect(faults([base], [base, other])).toEqual([]);
  expect(faults([base], [other, base])).toEqual([]);
  expect(faults([base], [base, base])).toEqual(['spec.ephemeralContainers[1].name: Duplicate value: "look"']);
  expect(faults([base], [])).toEqual(['spec.ephemeralContainers: Forbidden: existing ephemeral containers "look" may not be removed']);
  expect(faults([base], [{ ...base, image: 'x' }])).toEqual([
    'spec.ephemeralContainers: Forbidden: existing ephemeral containers "look" may not be changed',
  ]);
});

test('a write to them changes nothing else', () => {
  const previous = admitted('Pod', podWith(podSpec));
  const next = decoded(
    'Pod',
    applyMergePatch(podWith({ ...podSpec, ephemeralContainers: [base], nodeName: 'n9' }), {
      metadata: { labels: { app: 'x' } },
    }) as JsonObject,
  );
  keepOnlyEphemeral(next, previous);
  expect(next.spec?.nodeName).toBeUndefined();
  expect(next.metadata?.labels).toEqual({ app: 'web' });
  expect(next.spec?.ephemeralContainers).toHaveLength(1);
});

test('neither a new pod nor a template has any', () => {
  expect(createFaults('Pod', podWith({ ephemeralContainers: [base] }))).toEqual([
    'spec.ephemeralContainers: Forbidden: cannot be set on create',
  ]);
  const workload = applyMergePatch(goodWorkload, { spec: { template: { spec: { ephemeralContainers: [base] } } } }) as JsonObject;
  expect(createFaults('Deployment', workload)).toEqual([
    'spec.template.spec.ephemeralContainers: Forbidden: ephemeral containers not allowed in pod template',
  ]);
});
