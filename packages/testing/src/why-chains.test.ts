// What `why` tells of a whole cluster (store, sessions, scheduler, controllers): each chain goes back to a person, to a node's word or to time.
// On a virtual clock. The words of each controller are in controllers/src/causes.test.ts.
import type { Kind } from '@podplane/api/kinds/kind-map';
import { whyChanges } from '@podplane/server/why/why';
import type { Key } from '@podplane/store/types';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { SimulatedCluster } from './simulated-cluster.js';

const SECOND = 1000;
const MINUTE = 60 * SECOND;

// Simulated minutes take seconds on a loaded machine.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

let cluster: SimulatedCluster;
beforeEach(async () => {
  cluster = await SimulatedCluster.create({ seed: 7, nodes: 3 });
  await cluster.system.advance(5 * SECOND);
  cluster.deploy('web', 2);
  await cluster.system.advance(MINUTE);
});
afterEach(() => cluster.stop());

const podNames = (): string[] => [...cluster.store.list('Pod', 'default', { ordered: true })].map(({ metadata }) => metadata?.name ?? '');

function setOf(image: string): string {
  for (const { metadata, spec } of cluster.store.list('ReplicaSet', 'default'))
    if (spec?.template?.spec?.containers[0]?.image === image) return metadata?.name ?? '';
  throw new Error(`no set with ${image}`);
}

/** Each change of an object, newest first: the links as "object: what, by whom: because". */
function chains(kind: Kind, name: string): string[][] {
  const key: Key = { kind, namespace: kind === 'Node' ? '' : 'default', name };
  return whyChanges(cluster.store, key, 20).map(({ links }) =>
    links.map(({ key: { name: called }, type, cause: { actor, reason } }) => `${called} ${type} by ${actor}: ${reason}`),
  );
}

function newImage(image: string): void {
  cluster.change('web', (spec) => {
    const [container] = spec.template?.spec?.containers ?? [];
    if (container !== undefined) container.image = image;
  });
}

test('a pod that a new image removed goes back to who changed the image', async () => {
  const [old = ''] = podNames();
  const before = setOf('example:1');
  newImage('example:2');
  await cluster.system.advance(MINUTE);
  expect(podNames()).not.toContain(old);
  const after = setOf('example:2');
  const scaled = new RegExp(
    `^${before} modified by controller:deployment: rolling update to ${after}, 3 available, 2 needed: ${before} from \\d to \\d$`,
  );
  expect(chains('Pod', old)).toEqual([
    [
      expect.stringMatching(new RegExp(`^${old} deleted by node:n\\d+: its containers have ended$`)),
      expect.stringMatching(
        new RegExp(`^${old} modified by controller:replicaset: \\d pods? for \\d replicas? of ${before}: delete 1 pod$`),
      ),
      expect.stringMatching(scaled),
      'web modified by user:simulation: change web',
    ],
    [expect.stringMatching(/: Running, ready$/)],
    [
      expect.stringMatching(new RegExp(`^${old} modified by scheduler: to n\\d+, the best for it of 3 nodes$`)),
      `${old} added by controller:replicaset: 0 of 2 replicas of ${before}: create 2 pods`,
      `${before} added by controller:deployment: revision 1: new ReplicaSet ${before}, 2 of 2 replicas to begin with`,
      'web added by user:simulation: deploy web',
    ],
  ]);
});

test('a replacement goes back to the pod that its silent node took along', async () => {
  const [lost] = cluster.pods('web');
  const [name = '', node = ''] = [lost?.metadata?.name, lost?.spec?.nodeName];
  const known = new Set(podNames());
  cluster.nodes.get(node)?.kill('silent');
  await cluster.system.advance(MINUTE);
  const replacement = podNames().find((one) => !known.has(one)) ?? '';
  const silent = expect.stringMatching(
    new RegExp(`^${name} modified by controller:node-lifecycle: node ${node} is lost \\(last heartbeat .* ago\\)\\)$`),
  ) as unknown;
  expect(chains('Pod', replacement).at(-1)).toEqual([
    expect.stringMatching(/by scheduler/),
    expect.stringMatching(/^\S+ added by controller:replicaset: 1 of 2 replicas of web-\w+: create 1 pod$/),
    silent,
  ]);
  expect(chains('Pod', name)).toContainEqual([silent]);
  expect(chains('Node', node)[0]).toEqual([
    expect.stringMatching(new RegExp(`^${node} modified by controller:node-lifecycle: node ${node} is silent: last heartbeat .* ago\\)$`)),
  ]);
});

test('a pod that fits nowhere says so, and goes back to who asked for it', async () => {
  cluster.change('web', ({ template }) => {
    if (template?.spec !== undefined) template.spec.nodeSelector = { no: 'where' };
  });
  await cluster.system.advance(MINUTE);
  const pending = cluster.pods('web').find(({ spec }) => !spec?.nodeName)?.metadata?.name ?? '';
  expect(chains('Pod', pending)[0]).toEqual([
    expect.stringMatching(/by scheduler: fits nowhere: 0\/3 nodes are available/),
    expect.stringMatching(/added by controller:replicaset/),
    expect.stringMatching(/by controller:deployment/),
    'web modified by user:simulation: change web',
  ]);
});

test('no chain of all that was written ends with a controller', async () => {
  newImage('example:2');
  await cluster.system.advance(MINUTE);
  cluster.store.transact({ actor: 'user:simulation', reason: 'delete web' }, (tx) => tx.markDeleted('Deployment', 'default', 'web', 0));
  await cluster.system.advance(MINUTE);
  expect([...cluster.store.list('Pod', 'default')]).toEqual([]);
  const written = new Map<string, Key>();
  for (let revision = 1; revision <= cluster.store.revision; revision++) {
    for (const { key } of cluster.store.causesAt(revision, 1000)) {
      if (key.kind === 'Pod' || key.kind === 'ReplicaSet' || key.kind === 'Deployment') written.set(`${key.kind} ${key.name}`, key);
    }
  }
  const ends = new Set<string>();
  for (const key of written.values())
    for (const { links } of whyChanges(cluster.store, key, 100)) ends.add(links.at(-1)?.cause.actor.replace(/node:.*/, 'node') ?? '');
  expect(written.size).toBeGreaterThan(6);
  expect([...ends].sort()).toEqual(['node', 'user:simulation']);
});
