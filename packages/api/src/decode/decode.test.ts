// Manifests that must be read, and manifests that must be refused with code, place and advice.
import { describe, expect, it } from 'vitest';
import { codecs } from './codecs.js';
import { type DecodedObject, decodeManifests, decodeObject, MAX_MANIFEST_BYTES, strictObject } from './decode.js';
import { type DecodeProblem, problemLine, strictDecodingMessage } from './problems.js';

function objectsOf(text: string | Uint8Array): readonly DecodedObject[] {
  const result = decodeManifests(text, { source: 'test.yaml' });
  if (!result.ok) throw new Error(result.problems.map(problemLine).join('\n'));
  return result.objects;
}

function problemsOf(text: string | Uint8Array): readonly DecodeProblem[] {
  const result = decodeManifests(text, { source: 'test.yaml' });
  return result.ok ? [] : result.problems;
}

function linesOf(text: string | Uint8Array): string[] {
  return problemsOf(text).map((it) => `${it.code} ${problemLine(it)}`);
}

const pod = (spec: string): string => `apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\nspec:\n${spec}`;

describe('what is read', () => {
  it('several documents, empty ones skipped, each with its place', () => {
    const objects = objectsOf(
      '# first\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n---\n---\n# no object\n---\nkind: ConfigMap\napiVersion: v1\n',
    );
    expect(objects.map((it) => [it.kind, it.position.line])).toEqual([
      ['Namespace', 3],
      ['ConfigMap', 10],
    ]);
  });

  it('lists of all kinds and lists of one kind', () => {
    const list =
      'apiVersion: v1\nkind: List\nmetadata: {}\nitems:\n- {apiVersion: v1, kind: Namespace, metadata: {name: a}}\n- {apiVersion: apps/v1, kind: Deployment, metadata: {name: b}}\n';
    expect(objectsOf(list).map((it) => it.kind)).toEqual(['Namespace', 'Deployment']);
    const pods = objectsOf('{"apiVersion": "v1", "kind": "PodList", "items": [{"metadata": {"name": "a"}}]}');
    expect(pods.map((it) => [it.kind, it.object.kind, it.object.metadata?.name])).toEqual([['Pod', 'Pod', 'a']]);
    expect(objectsOf('apiVersion: v1\nkind: List\nitems: []\n')).toEqual([]);
  });

  it('JSON, several values in one text, and YAML that begins like JSON', () => {
    expect(objectsOf('{"apiVersion":"v1","kind":"Namespace"}\n{"apiVersion":"v1","kind":"Secret"}').map((it) => it.kind)).toEqual([
      'Namespace',
      'Secret',
    ]);
    expect(objectsOf('{apiVersion: v1, kind: Namespace, metadata: {name: a}}').map((it) => it.kind)).toEqual(['Namespace']);
    expect(objectsOf('\uFEFF{"apiVersion":"v1","kind":"Namespace"}').length).toBe(1);
    expect(objectsOf(new TextEncoder().encode('apiVersion: v1\nkind: Namespace\nmetadata: {name: äöü}')).at(0)?.object.metadata?.name).toBe(
      'äöü',
    );
  });

  it('anchors and merge keys; what stands in the map itself wins', () => {
    const [first] = objectsOf(
      'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  labels: &l {a: "1", b: "2"}\n  annotations: {<<: *l, b: own}\ndata: {<<: [{x: first}, {x: second, y: z}]}\n',
    );
    expect(first?.object).toMatchObject({
      metadata: { labels: { a: '1', b: '2' }, annotations: { a: '1', b: 'own' } },
      data: { x: 'first', y: 'z' },
    });
  });

  it('numbers as quantities, octal modes, whole numbers and texts where either may stand', () => {
    const [first] = objectsOf(
      pod(`  volumes:
  - {name: a, configMap: {name: c, defaultMode: 0644}}
  - {name: b, emptyDir: {sizeLimit: 1000}}
  containers:
  - name: c
    resources: {limits: {cpu: 0.5, memory: 1Gi}}
    livenessProbe: {httpGet: {port: http}}
    readinessProbe: {tcpSocket: {port: 8080}}
`),
    );
    expect(first?.object).toMatchObject({
      spec: {
        volumes: [{ configMap: { defaultMode: 420 } }, { emptyDir: { sizeLimit: '1000' } }],
        containers: [
          {
            resources: { limits: { cpu: '0.5', memory: '1Gi' } },
            livenessProbe: { httpGet: { port: 'http' } },
            readinessProbe: { tcpSocket: { port: 8080 } },
          },
        ],
      },
    });
  });

  it('times in any zone become UTC and keep every digit', () => {
    const [first] = objectsOf(
      'apiVersion: v1\nkind: Event\nmetadata: {creationTimestamp: "2026-01-01T01:30:00.1234567+02:00"}\neventTime: 2026-01-01T00:00:00.5Z\nlastTimestamp: 2026-01-01T00:00:00Z\n',
    );
    expect(first?.object).toMatchObject({
      metadata: { creationTimestamp: '2025-12-31T23:30:00.123456700Z' },
      eventTime: '2026-01-01T00:00:00.500000Z',
      lastTimestamp: '2026-01-01T00:00:00Z',
    });
  });

  it('null as not given, an empty value in a map of texts as empty text, broken base64 lines as one', () => {
    const [first, second] = objectsOf(
      'apiVersion: v1\nkind: ConfigMap\nmetadata: {creationTimestamp: null, name: a}\ndata:\n  empty:\n---\napiVersion: v1\nkind: Secret\ndata:\n  key: |\n    aGVs\n    bG8=\n',
    );
    expect(first?.object).toMatchObject({ data: { empty: '' }, metadata: { creationTimestamp: undefined } });
    expect(second?.kind === 'Secret' && Buffer.from(second.object.data['key'] ?? []).toString()).toBe('hello');
  });

  it('gives the tree as it was written', () => {
    expect(objectsOf(pod('  containers:\n  - name: c\n    resources: {limits: {cpu: 1}}\n')).at(0)?.raw['spec']).toEqual({
      containers: [{ name: 'c', resources: { limits: { cpu: 1 } } }],
    });
  });
});

describe('what is refused, with place and advice', () => {
  it.each([
    ['', 'empty test.yaml: there is no object in it (is this the right file?)'],
    ['# nothing\n---\n', 'empty test.yaml: there is no object in it (is this the right file?)'],
    ['hello', 'not_an_object test.yaml:1:1: expected an object with apiVersion and kind, got a string (is this a manifest?)'],
    ['[1]', 'not_an_object test.yaml:1:1: expected an object with apiVersion and kind, got a list (is this a manifest?)'],
    ['kind: Pod', 'missing_api_version test.yaml:1:1: apiVersion is not set (for example apiVersion: v1)'],
    ['apiVersion: apps/v1', 'missing_kind test.yaml:1:1: kind is not set (for example kind: Pod)'],
    [
      'apiVersion: 1\nkind: Pod',
      'missing_api_version test.yaml:1:1: apiVersion must be a string, not a number (for example apiVersion: v1)',
    ],
    ['apiVersion: v1\nkind: [Pod]', 'missing_kind test.yaml:2:1: kind must be a string, not a list (for example kind: Pod)'],
    [
      'apiVersion: v1\nkind: Deployment',
      'wrong_api_version test.yaml:1:1: no matches for kind "Deployment" in version "v1" (write apiVersion: apps/v1)',
    ],
    [
      'apiVersion: v1\nkind: Namspace',
      'unknown_kind test.yaml:2:1: no matches for kind "Namspace" in version "v1" (did you mean "Namespace"?)',
    ],
    ['apiVersion: v1\nkind: pods', 'unknown_kind test.yaml:2:1: no matches for kind "pods" in version "v1" (did you mean "Pod"?)'],
    [
      'apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler',
      'unknown_kind test.yaml:2:1: no matches for kind "HorizontalPodAutoscaler" in version "autoscaling/v2" (this version of Podplane has no HorizontalPodAutoscaler)',
    ],
    [
      'apiVersion: v1\nkind: DeploymentList',
      'wrong_api_version test.yaml:1:1: no matches for kind "DeploymentList" in version "v1" (write apiVersion: apps/v1)',
    ],
    ['apiVersion: v1\nkind: List\nitems: {}', 'not_an_object test.yaml:3:1: items: expected a list, got an object'],
    [
      'apiVersion: v1\nkind: List\nitems: [3]',
      'not_an_object test.yaml:3:9: expected an object with apiVersion and kind, got a number (is this a manifest?)',
    ],
    [
      'apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: List}',
      'not_an_object test.yaml:4:3: a list cannot hold another list (put its items into the outer list)',
    ],
    ['apiVersion: v1\nkind: List\nspec: {}', 'unknown_field test.yaml:3:1: unknown field "spec" (a list has only items)'],
    ['a:\n\t- b', 'syntax test.yaml:2:1: neither YAML nor JSON: Tabs are not allowed as indentation (indent with spaces)'],
    ['{"kind": "Pod" "x"}', 'syntax test.yaml:1:16: neither YAML nor JSON: expected "," or "}"'],
    ['a: *b', 'syntax test.yaml:1:4: neither YAML nor JSON: alias *b has no anchor before it (write &b at the value that is meant)'],
    ['kind: Pod\u0000', 'not_text test.yaml:1:10: the text holds the character U+0000 (is this the right file?)'],
    ['kind: "\uD800"', 'not_text test.yaml:1:8: the text holds the character U+D800 (is this the right file?)'],
    ['a: &a [*a]', 'too_complex test.yaml:1:8: alias *a stands inside its own anchor (this is not a manifest that anybody wrote)'],
    [
      'apiVersion: v1\nkind: ConfigMap\n__proto__: {}',
      `reserved_key test.yaml:3:1: the object: "__proto__" cannot be a key (use another name)`,
    ],
    [
      '{"apiVersion":"v1","kind":"ConfigMap","data":{"__proto__":"x"}}',
      'reserved_key test.yaml:1:47: data: "__proto__" cannot be a key (use another name)',
    ],
    ['apiVersion: v1\nkind: ConfigMap\ndata:\n  a: x\n  a: y', 'duplicate_key test.yaml:5:3: duplicate field "data.a" (keep one of them)'],
    [
      '{"apiVersion":"v1","kind":"ConfigMap",\n "data":{"a":"x",\n  "a":"y"}}',
      'duplicate_key test.yaml:3:3: duplicate field "data.a" (keep one of them)',
    ],
    [
      'apiVersion: v1\nkind: ConfigMap\ndata: {a.b/c: 3}',
      'wrong_type test.yaml:3:8: data[a.b/c]: expected a string, got a number (put it in quotes: "3")',
    ],
    [
      'apiVersion: v1\nkind: ConfigMap\ndata: {a: .nan}',
      'invalid_value test.yaml:3:11: data.a: .nan is not a number that JSON can hold (put it in quotes where text is meant)',
    ],
    [
      'apiVersion: v1\nkind: ConfigMap\nimmutable: yes',
      'wrong_type test.yaml:3:1: immutable: expected a boolean, got a string (write true or false, without quotes)',
    ],
    [
      'apiVersion: v1\nkind: Secret\ndata: {a: "*"}',
      'invalid_value test.yaml:3:8: data.a: not base64 (encode it, or write it as it is under stringData)',
    ],
    [
      'apiVersion: v1\nkind: Pod\nmetadata: {creationTimestamp: 2026-02-30T00:00:00Z}',
      'invalid_value test.yaml:3:12: metadata.creationTimestamp: "2026-02-30T00:00:00Z" is not a time in RFC 3339 (such as 2026-01-31T12:00:00Z)',
    ],
    [
      'apiVersion: apps/v1\nkind: Deployment\nspec: {replicas: "3"}',
      'wrong_type test.yaml:3:8: spec.replicas: expected a whole number, got a string (remove the quotes)',
    ],
    [
      'apiVersion: apps/v1\nkind: Deployment\nspec: {replicas: 1.5}',
      'invalid_value test.yaml:3:8: spec.replicas: 1.5 is not a whole number',
    ],
    [
      'apiVersion: apps/v1\nkind: Deployment\nspec: {replicas: 3000000000}',
      'invalid_value test.yaml:3:8: spec.replicas: 3000000000 does not fit into 32 bits',
    ],
    [
      'apiVersion: apps/v1\nkind: Deployment\nspec: {containers: []}',
      'unknown_field test.yaml:3:8: unknown field "spec.containers" (it belongs at spec.template.spec.containers)',
    ],
    [
      pod('  containers:\n  - name: c\n    imagee: x'),
      'unknown_field test.yaml:8:5: unknown field "spec.containers[0].imagee" (did you mean "image"?)',
    ],
    [
      pod('  containers:\n    name: c'),
      'wrong_type test.yaml:6:3: spec.containers: expected a list, got an object (put "- " before each element)',
    ],
    [pod('  containers: [null]'), 'wrong_type test.yaml:6:16: spec.containers[0]: expected an object, got null'],
    [
      pod('  containers:\n  - name: c\n    livenessProbe: {httpGet: {port: 80.5}}'),
      'invalid_value test.yaml:8:31: spec.containers[0].livenessProbe.httpGet.port: 80.5 is not a whole number',
    ],
    [
      pod('  containers:\n  - resources: {limits: {memory: 99999999999999999999}}'),
      'invalid_value test.yaml:7:26: spec.containers[0].resources.limits.memory: 100000000000000000000 is too large for a number (put it in quotes, or use a unit as in 5Gi)',
    ],
  ])('%j', (text, line) => {
    expect(linesOf(text)).toEqual([line]);
  });

  it('every fault of every document at once, and the objects without any', () => {
    const text =
      'apiVersion: v1\nkind: Namespace\nmetadata: {name: good}\n---\napiVersion: v1\nkind: Namespace\nmetadata: {nam: a, uuid: b}\nsepc: {}\n';
    const result = decodeManifests(text, { source: 'x' });
    expect(result.ok).toBe(false);
    expect(result.objects.map((it) => it.object.metadata?.name)).toEqual(['good']);
    expect(
      !result.ok && result.problems.map((it) => (it.code === 'unknown_field' ? [it.path, it.suggestion, it.position?.line] : it)),
    ).toEqual([
      ['metadata.nam', 'name', 7],
      ['metadata.uuid', 'uid', 7],
      ['sepc', 'spec', 8],
    ]);
  });

  it('bytes that are no UTF-8, and more than 4 MiB', () => {
    expect(problemsOf(new Uint8Array([0x61, 0xff])).map((it) => it.code)).toEqual(['not_text']);
    expect(problemsOf('#'.repeat(MAX_MANIFEST_BYTES + 1)).map((it) => it.code)).toEqual(['too_large']);
    // The limit is in bytes, not in characters.
    expect(problemsOf(`#${'ä'.repeat(MAX_MANIFEST_BYTES / 2)}`).map((it) => it.code)).toEqual(['too_large']);
    expect(problemsOf('#'.repeat(MAX_MANIFEST_BYTES)).map((it) => it.code)).toEqual(['empty']);
  });

  it.each([
    ['[', '['.repeat(200_000)],
    ['{"a":', '{"a":'.repeat(100_000)],
    ['{a: ', '{a: '.repeat(100_000)],
    ['- - -', '- '.repeat(100_000)],
    ['indentation', Array.from({ length: 1500 }, (_, i) => `${' '.repeat(i)}a:`).join('\n')],
    [
      'doubling aliases',
      `${Array.from({ length: 40 }, (_, i) => `a${i}: &a${i} [${i === 0 ? 'x' : `*a${i - 1}, *a${i - 1}`}]`).join('\n')}\n`,
    ],
    ['wide aliases', `a: &a [${'x,'.repeat(2000)}]\nb: [${'*a,'.repeat(2000)}]\n`],
    ['commas', `a: [${','.repeat(3_500_000)}]`],
    ['free-form', `apiVersion: apps/v1\nkind: ControllerRevision\ndata: ${'{a: '.repeat(150)}x${'}'.repeat(150)}`],
  ])('texts that are made to hang or crash: %s', (_, text) => {
    const started = performance.now();
    expect(['too_complex', 'syntax']).toContain(problemsOf(text)[0]?.code);
    // Generous: the point is that it is not minutes.
    expect(performance.now() - started).toBeLessThan(20_000);
  });

  it('four megabytes of real objects', () => {
    const one = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a: b}\n---\n';
    expect(objectsOf(one.repeat(20_000)).length).toBe(20_000);
    const data = Array.from({ length: 300_000 }, (_, i) => `  k${i}: v`).join('\n');
    expect(objectsOf(`apiVersion: v1\nkind: ConfigMap\ndata:\n${data}\n`).length).toBe(1);
  });

  it('thousands of faults are told as the first fifty', () => {
    const labels = Array.from({ length: 20_000 }, (_, i) => `    x${i}: 1`).join('\n');
    expect(problemsOf(`apiVersion: v1\nkind: Pod\nmetadata:\n${labels}\n`).length).toBe(50);
    expect(problemsOf(`apiVersion: v1\nkind: Pod\nmetadata:\n  labels:\n${labels}\n`).length).toBe(50);
    expect(problemsOf('--- 3\n'.repeat(20_000)).length).toBe(50);
  });
});

describe('decodeObject', () => {
  it('takes trees without kind and apiVersion, and with the right ones', () => {
    expect(decodeObject('Pod', { metadata: { name: 'a' } })).toMatchObject({
      ok: true,
      object: { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a' } },
    });
    expect(decodeObject('Deployment', { apiVersion: 'apps/v1', kind: 'Deployment' }).ok).toBe(true);
  });

  it.each([
    [{ kind: 'Node', apiVersion: 'v1' }, 'unknown_kind'],
    [{ kind: 'PodList', apiVersion: 'v1' }, 'unknown_kind'],
    [{ apiVersion: 'v2' }, 'wrong_api_version'],
    [[], 'not_an_object'],
    [null, 'not_an_object'],
    [{ spec: { hostNetwork: 'yes' } }, 'wrong_type'],
    [JSON.parse('{"metadata":{"labels":{"__proto__":"x"}}}'), 'reserved_key'],
    [JSON.parse('{"__proto__":{"kind":"Pod"}}'), 'reserved_key'],
  ])('refuses %j', (tree, code) => {
    const result = decodeObject('Pod', tree);
    expect(result.ok ? [] : result.problems.map((it) => it.code)).toEqual([code]);
    expect(Object.keys(Object.prototype)).toEqual([]);
  });

  it('gives the sentence that Kubernetes gives', () => {
    const result = decodeObject('Deployment', { spec: { x: 1, y: 2 } });
    expect(!result.ok && strictDecodingMessage('Deployment', 'apps/v1', result.problems)).toBe(
      'Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: unknown field "spec.x", unknown field "spec.y"',
    );
  });
});

describe('locate', () => {
  const text =
    'apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n  metadata:\n    labels:\n      example.com/a.b: x\n  spec:\n    containers:\n    - name: a\n    - name: b\n      image: i\n';
  it.each([
    ['spec.containers[1].image', 13, 7],
    ['spec.containers[1].ports[0].containerPort', 12, 7],
    ['metadata.labels[example.com/a.b]', 8, 7],
    ['metadata.name', 6, 3],
    ['', 4, 3],
    ['[[.]..', 4, 3],
  ])('%s', (path, line, column) => {
    const result = decodeManifests(text, { source: 'x' });
    expect(result.objects[0]?.locate(path)).toEqual({ line, column });
  });
});

describe('strictObject', () => {
  const pod = (tree: object): Parameters<typeof strictObject<'Pod'>>[1] => codecs.Pod.fromJSON(tree);

  it('fills in an empty kind and takes what a manifest could hold', () => {
    expect(strictObject('Pod', pod({ metadata: { name: 'a' } }))).toMatchObject({
      ok: true,
      object: { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a' } },
    });
  });

  it.each([
    [{ kind: 'Node' }, 'unknown_kind'],
    [{ apiVersion: 'v2', kind: 'Pod' }, 'wrong_api_version'],
    [{ metadata: { creationTimestamp: 'soon' } }, 'invalid_value'],
    [{ spec: { containers: [{ livenessProbe: { httpGet: { port: { a: 1 } } } }] } }, 'wrong_type'],
    [{ spec: { containers: [{ livenessProbe: { httpGet: { port: 1.5 } } }] } }, 'invalid_value'],
  ])('refuses %j', (tree, code) => {
    const result = strictObject('Pod', pod(tree));
    expect(result.ok ? [] : result.problems.map((it) => it.code)).toEqual([code]);
  });
});
