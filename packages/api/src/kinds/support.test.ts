import { describe, expect, test } from 'vitest';
import type { JsonObject } from '../decode/tree.js';
import { applyMergePatch } from '../patch.js';
import { type FieldSchema, kindSchema, type MessageSchema } from '../schema/model.js';
import { kindInfo } from './catalogue.js';
import { allKinds, type Kind } from './kind-names.js';
import { supportTable } from './support.js';
import { rulesOf } from './support-check.js';
import { admitted, containerWith, createFaults, goodPod, goodWorkload, podWith } from './testing/pods.js';
import { manifestWith } from './testing/samples.js';

/** Paths of a kind that no line of the table covers. */
function uncovered(kind: Kind): string[] {
  const paths = rulesOf(kind).map((rule) => rule.path.replaceAll('{}', ''));
  const covered = new Set(paths);
  const above = new Set(
    paths.flatMap((path) =>
      path.split('.').map((_, i, steps) =>
        steps
          .slice(0, i + 1)
          .join('.')
          .replace(/\[\]$/, ''),
      ),
    ),
  );
  const out: string[] = [];
  const visit = (schema: MessageSchema, prefix: string): void => {
    for (const field of schema.fields.values()) {
      const path = prefix === '' ? field.name : `${prefix}.${field.name}`;
      if (prefix === '' && ['apiVersion', 'kind', 'metadata', 'status'].includes(field.name)) continue;
      if (covered.has(path)) continue;
      if (above.has(path) && field.message !== undefined) visit(field.message, field.shape === 'list' ? `${path}[]` : path);
      else out.push(path);
    }
  };
  visit(kindSchema(kind) as MessageSchema, '');
  return out;
}

describe('the table', () => {
  // Containers are in the table as a whole and field by field: the whole must not hide a field that is missing.
  test.each(allKinds)('says of every field of %s whether it works', (kind) => {
    expect(uncovered(kind)).toEqual([]);
  });

  test('names no field that does not exist, and none twice', () => {
    const wrong: string[] = [];
    const seen = new Set<string>();
    for (const kind of allKinds) {
      for (const rule of rulesOf(kind)) {
        let schema: MessageSchema | undefined = kindSchema(kind);
        let field: FieldSchema | undefined;
        for (const step of rule.path.split('.')) {
          field = schema?.fields.get(step.replace(/(\[\]|\{\})$/, ''));
          const shape = step.endsWith('[]') ? 'list' : step.endsWith('{}') ? 'map' : undefined;
          if (field === undefined || (shape !== undefined && field.shape !== shape)) wrong.push(`${kind} ${rule.path}`);
          schema = field?.message;
        }
        const identity = `${kind} ${rule.path}`;
        if (seen.has(identity)) wrong.push(`twice: ${identity}`);
        seen.add(identity);
      }
    }
    expect(wrong).toEqual([]);
  });

  test('a list that has lines for its fields has none of its own that would cover them', () => {
    expect(supportTable.some((rule) => rule.path === 'containers')).toBe(false);
  });
});

const refusals = supportTable.filter((rule) => rule.support === 'refused' && (rule.scope === 'PodSpec' || rule.scope === 'Container'));

test.each(refusals.map((rule) => [rule.scope, rule.path, rule] as const))(
  '%s %s is refused by its path, in pods and in templates',
  (scope, path, rule) => {
    const steps = path.split('.');
    const whole = scope === 'Container' ? ['containers[]', ...steps] : steps;
    const spec = manifestWith((kindSchema('Pod') as MessageSchema).fields.get('spec')?.message as MessageSchema, whole, rule.except ?? []);
    const text = whole.join('.').replaceAll('[]', '[0]').replaceAll('{}', '[x]');
    expect(createFaults('Pod', podWith(spec)).filter((one) => one.startsWith(`spec.${text}: Forbidden: not supported yet`))).toHaveLength(
      1,
    );
    const template = applyMergePatch(goodWorkload, { spec: { template: { spec } } }) as JsonObject;
    expect(
      createFaults('Deployment', template).filter((one) => one.startsWith(`spec.template.spec.${text}: Forbidden: not supported yet`)),
    ).toHaveLength(1);
  },
);

test.each<[JsonObject, string]>([
  [podWith({ ephemeralContainers: [{ name: 'i', image: 'x' }] }), 'spec.ephemeralContainers: Forbidden: cannot be set on create'],
  [
    podWith({ volumes: [{ name: 'v', projected: { sources: [{ clusterTrustBundle: { path: 't' } }] } }] }),
    'spec.volumes[0].projected.sources[0].clusterTrustBundle: Forbidden: not supported yet',
  ],
  [
    containerWith({ resources: { limits: { 'hugepages-2Mi': '2Mi' } } }),
    'spec.containers[0].resources.limits[hugepages-2Mi]: Forbidden: not supported yet',
  ],
])('%j: %s', (pod, fault) => {
  expect(createFaults('Pod', pod)).toContain(fault);
});

test('volumes of the node and of the pod itself are accepted', () => {
  const volumes = [
    { name: 'disk', emptyDir: { sizeLimit: '1Gi' } },
    { name: 'cfg', configMap: { name: 'c', items: [{ key: 'a', path: 'x/..y', mode: 0 }] } },
    { name: 'sec', secret: { secretName: 's', defaultMode: 0o777 } },
    { name: 'facts', downwardAPI: { items: [{ path: 'l', fieldRef: { fieldPath: "metadata.labels['a']" } }] } },
    { name: 'all', projected: { sources: [{ secret: { name: 's' } }, { configMap: { name: 'c', optional: true } }] } },
    { name: 'host', hostPath: { path: '/var/log', type: 'Directory' } },
  ];
  const volumeMounts = [
    { name: 'disk', mountPath: '/d', subPath: 'a/b..c', mountPropagation: 'HostToContainer' },
    { name: 'host', mountPath: '/h', subPathExpr: '$(POD)/x' },
  ];
  expect(createFaults('Pod', podWith({ volumes, containers: [{ name: 'a', image: 'i:1', volumeMounts }] }))).toEqual([]);
});

test('what asks for nothing else than happens anyway is accepted', () => {
  const spec = {
    initContainers: [],
    imagePullSecrets: [],
    hostNetwork: false,
    hostPID: false,
    securityContext: { runAsNonRoot: false },
    dnsPolicy: 'Default',
    priority: 0,
    schedulerName: 'default-scheduler',
    preemptionPolicy: 'PreemptLowerPriority',
    os: { name: 'linux' },
    shareProcessNamespace: false,
    overhead: {},
  };
  expect(createFaults('Pod', podWith(spec))).toEqual([]);
  expect(
    createFaults(
      'Pod',
      containerWith({
        securityContext: { privileged: false, allowPrivilegeEscalation: true },
        terminationMessagePath: '/dev/termination-log',
        terminationMessagePolicy: 'File',
      }),
    ),
  ).toEqual([]);
});

describe('warnings', () => {
  const warningsOf = (kind: Kind, manifest: JsonObject): string[] => kindInfo(kind).warnings(admitted(kind, manifest));

  test.each<[Kind, JsonObject, string[]]>([
    ['Pod', goodPod, []],
    ['Pod', podWith({ automountServiceAccountToken: false }), []],
    ['Pod', podWith({ serviceAccountName: 'robot' }), []],
    ['Pod', podWith({ automountServiceAccountToken: true }), []],
    [
      'Pod',
      containerWith({ env: [{ name: 'A' }, { name: 'A', value: 'b' }], ports: [{ containerPort: 80 }, { containerPort: 80 }] }),
      [
        'spec.containers[0].env[1]: hides previous definition of "A", which may be dropped when using apply',
        'spec.containers[0].ports[1]: duplicate port definition with spec.containers[0].ports[0]',
      ],
    ],
    ['Deployment', goodWorkload, []],
    [
      'Service',
      { metadata: { name: 'a', namespace: 'd' }, spec: { ports: [{ port: 80 }] } },
      ['spec: accepted without effect: nothing routes to Services yet'],
    ],
    ['Namespace', { metadata: { name: 'a' } }, []],
    ['Namespace', { metadata: { name: 'a' }, spec: { finalizers: ['kubernetes'] } }, []],
    [
      'Namespace',
      { metadata: { name: 'a' }, spec: { finalizers: ['kubernetes', 'example.com/mine'] } },
      ['spec.finalizers: accepted without effect: nothing waits for it'],
    ],
  ])('%s %j: %j', (kind, manifest, warnings) => {
    expect(warningsOf(kind, manifest)).toEqual(warnings);
  });
});
