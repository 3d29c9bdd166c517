// What goes with what, on real Docker: owners and what they own in the three ways there are, finalizers that hold, namespaces that empty themselves.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { engineAnswers, eventually, Playground } from './harness.js';

interface List {
  readonly items: readonly {
    readonly metadata: { readonly name: string; readonly uid: string; readonly ownerReferences?: readonly object[] };
  }[];
}

const deployment = (name: string): string => `apiVersion: apps/v1
kind: Deployment
metadata: {name: ${name}}
spec:
  selector: {matchLabels: {app: ${name}}}
  template:
    metadata: {labels: {app: ${name}}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
        - {name: main, image: "podplane-example/web:1", imagePullPolicy: IfNotPresent, command: [node, -e, "setInterval(() => {}, 1e6)"]}
`;

const answers = await engineAnswers();

describe.skipIf(!answers)('deletion', () => {
  const play = new Playground();
  const apply = async (manifest: string, ...flags: string[]): Promise<void> => {
    const outcome = await play.cli(['apply', '-f', '-', ...flags], manifest);
    expect(outcome.code, outcome.stderr).toBe(0);
  };
  const list = async (kind: string, ...flags: string[]): Promise<List['items']> => (await play.json<List>('get', kind, ...flags)).items;

  /** But the one that each namespace has. */
  const configMaps = async (): Promise<List['items']> => (await list('cm')).filter(({ metadata }) => metadata.name !== 'kube-root-ca.crt');

  beforeAll(async () => {
    await play.start(1);
  });
  afterAll(async () => {
    await play.remove();
  });

  it('orphaned pods run on, and a new owner of the same labels takes them', async () => {
    await apply(deployment('kept'));
    const [pod] = await list('pods', '-l', 'app=kept');
    const [set] = await list('rs', '-l', 'app=kept');
    await play.must('delete', 'deploy/kept', '--cascade=orphan');
    expect((await list('rs', '-l', 'app=kept')).map(({ metadata }) => [metadata.uid, metadata.ownerReferences ?? []])).toEqual([
      [set?.metadata.uid, []],
    ]);
    await apply(deployment('kept'));
    expect((await list('pods', '-l', 'app=kept')).map(({ metadata }) => metadata.uid)).toEqual([pod?.metadata.uid]);
    await play.must('delete', 'deploy/kept', '--cascade=background');
    expect(await list('pods', '-l', 'app=kept')).toEqual([]);
  });

  it('in the foreground the owner goes last', async () => {
    await apply(deployment('first'));
    await apply('apiVersion: v1\nkind: ConfigMap\nmetadata: {name: leaf, finalizers: [example.com/hold]}');
    const [set] = await list('rs', '-l', 'app=first');
    const reference = {
      apiVersion: 'apps/v1',
      kind: 'ReplicaSet',
      name: set?.metadata.name,
      uid: set?.metadata.uid,
      blockOwnerDeletion: true,
    };
    await apply(
      `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: leaf, finalizers: [example.com/hold], ownerReferences: [${JSON.stringify(reference)}]}`,
    );
    const held = await play.cli(['delete', 'deploy/first', '--cascade=foreground', '--timeout=3s']);
    expect([held.code, held.stderr]).toEqual([3, expect.stringMatching(/deployment\.apps\/first.*held by foregroundDeletion/)]);
    // Its pods go; it and its set wait for the one that is held.
    await eventually(
      'its pods are gone',
      () => list('pods', '-l', 'app=first'),
      ({ length }) => length === 0,
    );
    expect([(await list('deploy')).length, (await list('rs')).length]).toEqual([1, 1]);
    await apply('apiVersion: v1\nkind: ConfigMap\nmetadata: {name: leaf, finalizers: []}', '--wait=false');
    await eventually(
      'all are gone',
      async () => [...(await list('deploy')), ...(await list('rs')), ...(await configMaps())],
      (left) => left.length === 0,
    );
  });

  it('a namespace says what holds it, takes nothing new, and goes when it is let go', async () => {
    await play.must('create', 'namespace', 'team');
    await apply(deployment('web').replace('{name: web}', '{name: web, namespace: team}'));
    await apply('apiVersion: v1\nkind: ConfigMap\nmetadata: {name: held, namespace: team, finalizers: [example.com/hold]}');
    const stuck = await play.cli(['delete', 'namespace', 'team', '--timeout=5s']);
    expect([stuck.code, stuck.stderr]).toEqual([
      3,
      expect.stringContaining(
        'Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances (configmap/held)',
      ),
    ]);
    await eventually(
      'its pods are gone',
      () => list('pods', '-n', 'team'),
      ({ length }) => length === 0,
    );
    const late = await play.cli(['apply', '-f', '-'], 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: late, namespace: team}');
    expect([late.code, late.stderr]).toEqual([
      1,
      expect.stringContaining('unable to create new content in namespace team because it is being terminated'),
    ]);
    expect(await play.must('describe', 'namespace', 'team')).toContain('NamespaceFinalizersRemaining');
    await apply('apiVersion: v1\nkind: ConfigMap\nmetadata: {name: held, namespace: team, finalizers: []}', '--wait=false');
    await eventually(
      'the namespace is gone',
      () => list('namespaces'),
      (items) => !items.some(({ metadata }) => metadata.name === 'team'),
    );
    await play.must('create', 'namespace', 'team');
  });

  it('objects that own each other go together', async () => {
    const one = (name: string, owner?: { readonly name: string; readonly uid: string }): string => {
      const references =
        owner === undefined
          ? ''
          : `, ownerReferences: [{apiVersion: v1, kind: ConfigMap, name: ${owner.name}, uid: ${owner.uid}, blockOwnerDeletion: true}]`;
      return `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}${references}}`;
    };
    await apply(one('a'));
    const uidOf = async (name: string): Promise<string> =>
      (await configMaps()).find(({ metadata }) => metadata.name === name)?.metadata.uid ?? '';
    await apply(one('b', { name: 'a', uid: await uidOf('a') }));
    await apply(one('a', { name: 'b', uid: await uidOf('b') }));
    await play.must('delete', 'cm', 'a', '--cascade=foreground', '--timeout=90s');
    await eventually('both are gone', configMaps, ({ length }) => length === 0);
    await eventually(
      'the event',
      () => play.must('events'),
      (table) => /Warning +OwnerReferenceRing/.test(table),
    );
  });
});
