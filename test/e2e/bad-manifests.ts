// Manifests with something wrong, each with what a person must be told: place, fault, what to do. Tested in bad-input.test.ts.

/** A Pod whose container has these lines. */
export const pod = (container: string, name = 'bad'): string =>
  `apiVersion: v1\nkind: Pod\nmetadata:\n  name: ${name}\nspec:\n  containers:\n  - name: web\n${container}`;
const good = '    image: web:1\n';
const deployment = (spec: string): string =>
  `apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: bad}\nspec:\n${spec}  template:\n    metadata: {labels: {app: web}}\n    spec: {containers: [{name: web, image: web:1}]}\n`;
/** A second good document. */
export const first = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: first}\n';
/** What is there, changed. */
export const changed = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: there}\ndata: {a: "2"}\n';

/** A faulty manifest, named bad.yaml, and what must be said about it. */
interface Case {
  readonly what: string;
  readonly text: string | Buffer;
  /** All of them must be in what is said. */
  readonly says: readonly (string | RegExp)[];
}

export const badManifests: readonly Case[] = [
  {
    what: 'an unknown field',
    text: pod('    image: web:1\n    foo: {bar: 1}\n'),
    says: ['bad.yaml:9:5: unknown field "spec.containers[0].foo"'],
  },
  {
    what: 'a misspelt field',
    text: pod('    imagee: web:1\n'),
    says: ['bad.yaml:8:5: unknown field "spec.containers[0].imagee"', 'did you mean "image"?'],
  },
  {
    what: 'a misspelt field at the top',
    text: `${pod(good)}spce: {}\n`,
    says: ['bad.yaml:9:1: unknown field "spce"', 'did you mean "spec"?'],
  },
  {
    what: 'several faults',
    text: pod('    imagee: web:1\n    prots: []\n'),
    says: [
      '2 faults:',
      'bad.yaml:8:5: unknown field "spec.containers[0].imagee"',
      'bad.yaml:9:5: unknown field "spec.containers[0].prots"',
    ],
  },
  {
    what: 'a duplicate key',
    text: pod('    image: web:1\n    image: web:2\n'),
    says: ['bad.yaml:9:5: duplicate field "spec.containers[0].image"', 'keep one of them'],
  },
  {
    what: 'a text where a number belongs',
    text: pod(`${good}    ports:\n    - containerPort: eighty\n`),
    says: ['bad.yaml:10:7: spec.containers[0].ports[0].containerPort: expected a whole number, got a string'],
  },
  {
    what: 'a number in quotes',
    text: deployment('  replicas: "3"\n  selector: {matchLabels: {app: web}}\n'),
    says: ['bad.yaml:5:3: spec.replicas: expected a whole number, got a string', 'remove the quotes'],
  },
  {
    what: 'an object where a list belongs',
    text: pod(`${good}    env: {A: b}\n`),
    says: ['bad.yaml:9:5: spec.containers[0].env: expected a list, got an object', 'put "- " before each element'],
  },
  {
    what: 'a time that no calendar has',
    text: pod(good, 'bad\n  creationTimestamp: 2026-02-30T00:00:00Z'),
    says: ['bad.yaml:5:3: metadata.creationTimestamp: "2026-02-30T00:00:00Z" is not a time', 'such as 2026-'],
  },
  {
    what: 'no YAML',
    text: 'apiVersion: v1\nkind: Pod\n  metadata: [\n',
    says: ['bad.yaml:2:7: neither YAML nor JSON', 'check the indentation'],
  },
  {
    what: 'tabs',
    text: 'apiVersion: v1\nkind: Pod\nmetadata:\n\tname: x\n',
    says: ['bad.yaml:4:1: neither YAML nor JSON', 'indent with spaces'],
  },
  { what: 'half of a JSON object', text: '{"apiVersion":"v1","kind":', says: ['bad.yaml:1:', 'neither YAML nor JSON'] },
  {
    what: 'plain text',
    text: 'hello world\n',
    says: ['bad.yaml:1:1: expected an object with apiVersion and kind, got a string', 'manifest?'],
  },
  {
    what: 'a program',
    text: Buffer.from('\x7fELF\x02\x01\x01\x00\x00', 'latin1'),
    says: ['bad.yaml:1:5: the text holds the character U+0002', 'right file?'],
  },
  {
    what: 'text that is not UTF-8',
    text: Buffer.from('apiVersion: v1\nkind: Pod\nmetadata: {name: \xe9}\n', 'latin1'),
    says: ['bad.yaml: this is not text in UTF-8'],
  },
  { what: 'an empty file', text: '', says: ['bad.yaml: there is no object in it', 'right file?'] },
  { what: 'nothing but comments', text: '# later\n---\n', says: ['bad.yaml: there is no object in it'] },
  { what: 'aliases that explode', text: billionLaughs(), says: ['bad.yaml:', 'aliases blow the document up'] },
  {
    what: 'more than 4 MiB',
    text: `${first}data: {a: ${'x'.repeat(5 * 1024 * 1024)}}\n`,
    says: ['bad.yaml: the text has 5242', '4 MiB', 'split it'],
  },
  {
    what: 'a kind that does not exist',
    text: 'apiVersion: v1\nkind: Podd\nmetadata: {name: bad}\n',
    says: ['bad.yaml:2:1: no matches for kind "Podd" in version "v1"', 'did you mean "Pod"?'],
  },
  {
    what: "a kind of Kubernetes' that is not here",
    text: 'apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: bad}\n',
    says: ['bad.yaml:2:1: no matches for kind "Ingress"', 'this version of Podplane has no Ingress'],
  },
  { what: 'no kind', text: 'apiVersion: v1\nmetadata: {name: bad}\n', says: ['bad.yaml:1:1: kind is not set', 'for example kind: Pod'] },
  {
    what: 'a version that is over',
    text: deployment('').replace('apps/v1', 'apps/v1beta1'),
    says: ['bad.yaml:1:1: no matches for kind "Deployment" in version "apps/v1beta1"', 'write apiVersion: apps/v1'],
  },
  {
    what: 'a port out of range',
    text: pod(`${good}    ports:\n    - containerPort: 70000\n`),
    says: ['bad.yaml:10:7: Pod "bad": spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535'],
  },
  {
    what: "a probe's port out of range",
    text: pod(`${good}    readinessProbe:\n      tcpSocket:\n        port: 0\n`),
    says: ['bad.yaml:11:9: Pod "bad": spec.containers[0].readinessProbe.tcpSocket.port: Invalid value: 0'],
  },
  {
    what: 'two containers with one name',
    text: pod(`${good}  - name: web\n    image: web:2\n`),
    says: ['bad.yaml:9:5: Pod "bad": spec.containers[1].name: Duplicate value: "web"'],
  },
  {
    what: 'a selector that does not match its template',
    text: deployment('  selector: {matchLabels: {app: other}}\n'),
    says: [
      'bad.yaml:7:16: Deployment "bad": spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`',
    ],
  },
  {
    what: 'a name that is too long',
    text: pod(good, 'a'.repeat(254)),
    says: ['bad.yaml:4:3: Pod "aaa', 'metadata.name: Invalid value', 'must be no more than 253 bytes'],
  },
  {
    what: 'a name that is not DNS',
    text: pod(good, 'Web_1'),
    says: ['bad.yaml:4:3: Pod "Web_1": metadata.name: Invalid value: "Web_1": a lowercase RFC 1123 subdomain must consist of'],
  },
  {
    what: 'a namespace that is too long',
    text: `apiVersion: v1\nkind: Namespace\nmetadata: {name: ${'n'.repeat(64)}}\n`,
    says: ['metadata.name: Invalid value', 'must be no more than 63 bytes'],
  },
  {
    what: 'no name',
    text: 'apiVersion: v1\nkind: ConfigMap\nmetadata: {}\n',
    says: ['bad.yaml:3:1: ConfigMap: metadata.name: Required value', 'generateName'],
  },
  {
    what: 'no image',
    text: pod('    command: [sh]\n'),
    says: [/bad\.yaml:\d+:\d+: Pod "bad": spec\.containers\[0\]\.image: Required value/],
  },
  {
    what: 'a quantity that is none',
    text: pod(`${good}    resources:\n      limits:\n        memory: 12Zi\n`),
    says: ['bad.yaml:11:9: Pod "bad": spec.containers[0].resources.limits[memory]: Invalid value: "12Zi"'],
  },
  {
    what: 'a mount of a volume that is not there',
    text: pod(`${good}    volumeMounts:\n    - {name: gone, mountPath: /a}\n`),
    says: ['bad.yaml:10:8: Pod "bad": spec.containers[0].volumeMounts[0].name: Not found: "gone"'],
  },
  {
    what: 'a field that is of a later version',
    text: `${pod(good)}  volumes:\n  - name: a\n    nfs: {server: s, path: /}\n`,
    says: ['bad.yaml:11:5: Pod "bad": spec.volumes[0].nfs: Forbidden: not supported yet'],
  },
  { what: 'one object twice', text: `${first}---\n${first}`, says: ['bad.yaml:5:1: ConfigMap "first" is given twice'] },
  {
    what: 'a second document that cannot be read',
    text: `${first}---\n${pod('    imagee: x\n')}`,
    says: ['bad.yaml:12:5: unknown field "spec.containers[0].imagee"'],
  },
  {
    what: 'a second document that is not valid',
    text: `${first}---\n${pod(`${good}    ports: [{containerPort: 70000}]\n`)}`,
    says: ['bad.yaml:13:14: Pod "bad": spec.containers[0].ports[0].containerPort: Invalid value: 70000'],
  },
  {
    what: 'a second document that only the server can refuse',
    text: `${first}---\n${changed}---\n${pod(good, 'bad\n  namespace: nowhere')}`,
    says: ['bad.yaml:10:1: namespaces "nowhere" not found', 'podplane create namespace nowhere'],
  },
];

function billionLaughs(): string {
  const levels = 'abcdefgh'.split('').map((name, i) => {
    const below = i === 0 ? 'x' : `*${'abcdefgh'[i - 1]}`;
    return `${name}: &${name} [${Array.from({ length: 9 }, () => below).join(',')}]`;
  });
  return `${levels.join('\n')}\n`;
}
