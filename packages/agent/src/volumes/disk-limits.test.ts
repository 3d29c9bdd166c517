import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import { expect, it, test } from 'vitest';
import { silentLog } from '../log.js';
import { type ContainerFootprint, type ContainerInfo, LABEL_CONTAINER } from '../runtime/types.js';
import { DiskLimits, diskUsage } from './disk-limits.js';

const LIMIT = 'ephemeral-storage';

const podOf = (emptyDir: object): Pod =>
  Pod.fromJSON({ metadata: { uid: 'u' }, spec: { volumes: [{ name: 'v', emptyDir }], containers: [] } });

it('measures what a folder takes, and nothing that a link leads to', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'podplane-du-'));
  try {
    writeFileSync(join(folder, 'f'), Buffer.alloc(300_000, 1));
    symlinkSync('/usr', join(folder, 'link'));
    const used = (await diskUsage(folder)) ?? 0;
    expect(used).toBeGreaterThanOrEqual(300_000);
    expect(used).toBeLessThan(400_000);
    expect(await diskUsage(join(folder, 'nope'))).toBeUndefined();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

const RUNNING: Omit<ContainerInfo, 'id'> = {
  name: '',
  image: '',
  imageId: '',
  labels: { [LABEL_CONTAINER]: 'a' },
  state: 'running',
  exitCode: 0,
  oomKilled: false,
  error: '',
  createdAt: 0,
  startedAt: 0,
  finishedAt: 0,
  pid: 0,
};

it('measures no faster than each 10 s, rests longer after a long measurement, and evicts once', async () => {
  let now = 0;
  const due: { at: number; fn: () => void }[] = [];
  const timers = {
    after: (ms: number, fn: () => void) => {
      due.push({ at: now + ms, fn });
      return { cancel: () => undefined };
    },
    soon: (fn: () => void) => fn(),
  };
  const pod = podOf({ sizeLimit: '1Ki' });
  let limited: Pod | undefined = pod;
  const evictions: string[] = [];
  const used = [1024, undefined, 1025];
  const limits = new DiskLimits({
    system: { clock: { now: () => now, monotonic: () => now }, timers },
    runtime: {
      volumePath: (name) => Promise.resolve(`/volumes/${name}`),
      footprint: () => Promise.reject(new Error('no container has a limit')),
    },
    cache: { ofPod: () => [{ ...RUNNING, id: 'a' }] },
    log: silentLog,
    pods: () => [
      {
        get limited() {
          return limited;
        },
        evict: (message) => {
          evictions.push(message);
          limited = undefined;
        },
      },
    ],
    measure: (folder) => {
      expect(folder).toBe('/volumes/pp-u-v');
      now += 2_000;
      return Promise.resolve(used.shift());
    },
  });
  limits.start();
  const turn = async (): Promise<number> => {
    const next = due.shift();
    if (next === undefined) throw new Error('nothing is due');
    const waited = next.at - now;
    now = next.at;
    next.fn();
    while (due.length === 0) await new Promise((resolve) => setImmediate(resolve));
    return waited;
  };
  expect(await turn()).toBe(10_000);
  expect(evictions).toEqual([]); // as much as the limit is not more
  expect(await turn()).toBe(18_000);
  expect(await turn()).toBe(18_000);
  expect(evictions).toEqual(['Usage of EmptyDir volume "v" exceeds the limit "1Ki". ']);
  await turn();
  expect(evictions).toHaveLength(1);
  expect(used).toEqual([]);
  limits.stop();
});

interface World {
  /** Limit of each main container, '' for none. */
  readonly limits: Readonly<Record<string, string>>;
  readonly inits?: readonly object[];
  readonly volumes?: Readonly<Record<string, { readonly emptyDir: object; readonly bytes: number }>>;
  readonly running: Readonly<Record<string, number>>;
  readonly exited?: Readonly<Record<string, number>>;
}

/** What a pod is evicted for in one look. */
async function verdict({ limits, inits = [], volumes = {}, running, exited = {} }: World): Promise<readonly string[]> {
  const limitOf = (text: string): object => (text === '' ? {} : { resources: { limits: { [LIMIT]: text } } });
  const pod = Pod.fromJSON({
    metadata: { uid: 'u' },
    spec: {
      volumes: Object.entries(volumes).map(([name, { emptyDir }]) => ({ name, emptyDir })),
      initContainers: inits,
      containers: Object.entries(limits).map(([name, text]) => ({ name, ...limitOf(text) })),
    },
  });
  const evictions: string[] = [];
  const due: (() => void)[] = [];
  const info = (id: string, state: ContainerInfo['state']): ContainerInfo => ({ ...RUNNING, id, state, labels: { [LABEL_CONTAINER]: id } });
  const disk = new DiskLimits({
    system: {
      clock: { now: () => 0, monotonic: () => 0 },
      timers: {
        after: (_ms, fn) => {
          due.push(fn);
          return { cancel: () => undefined };
        },
        soon: (fn) => fn(),
      },
    },
    runtime: {
      volumePath: (name) => Promise.resolve(name.replace('pp-u-', '')),
      footprint: (id): Promise<ContainerFootprint> =>
        Promise.resolve({ memoryBytes: 0, processes: 0, diskBytes: running[id] ?? exited[id] ?? 0 }),
    },
    cache: {
      ofPod: () => [...Object.keys(running).map((id) => info(id, 'running')), ...Object.keys(exited).map((id) => info(id, 'exited'))],
    },
    log: silentLog,
    pods: () => [{ limited: pod, evict: (message) => void evictions.push(message) }],
    measure: (folder) => Promise.resolve(volumes[folder]?.bytes),
  });
  disk.start();
  due.shift()?.();
  while (due.length === 0) await new Promise((resolve) => setImmediate(resolve));
  disk.stop();
  return evictions;
}

const MI = 1024 * 1024;
const OF_POD = 'Pod ephemeral local storage usage exceeds the total limit of containers';

test.each<[string, World, string[]]>([
  ['as much as allowed', { limits: { a: '1Mi' }, running: { a: MI } }, []],
  ['one byte more', { limits: { a: '1Mi' }, running: { a: MI + 1 } }, [`${OF_POD} 1Mi. `]],
  [
    'a container above its own limit, below the sum',
    { limits: { a: '1Mi', b: '8Mi' }, running: { a: 2 * MI, b: 0 } },
    ['Container a exceeded its local ephemeral storage limit "1Mi". '],
  ],
  [
    'the canonical text',
    { limits: { a: '1024Ki', b: '1Gi' }, running: { a: 2 * MI } },
    ['Container a exceeded its local ephemeral storage limit "1Mi". '],
  ],
  [
    'containers without limit count for the sum of the others',
    { limits: { a: '1Mi', b: '' }, running: { a: 0, b: 2 * MI } },
    [`${OF_POD} 1Mi. `],
  ],
  ['without any limit nothing is looked at', { limits: { a: '', b: '' }, running: { a: 2 ** 40 } }, []],
  [
    'volumes on disk count for the pod',
    { limits: { a: '2Mi' }, volumes: { v: { emptyDir: {}, bytes: MI } }, running: { a: MI + 1 } },
    [`${OF_POD} 2Mi. `],
  ],
  [
    'volumes in memory do not',
    { limits: { a: '2Mi' }, volumes: { v: { emptyDir: { medium: 'Memory' }, bytes: 9 * MI } }, running: { a: MI } },
    [],
  ],
  [
    'a volume above its own limit is told first',
    { limits: { a: '1Mi' }, volumes: { v: { emptyDir: { sizeLimit: '1Mi' }, bytes: 2 * MI } }, running: { a: 0 } },
    ['Usage of EmptyDir volume "v" exceeds the limit "1Mi". '],
  ],
  [
    'a sidecar adds its limit, and what it keeps',
    {
      limits: { a: '1Mi' },
      inits: [{ name: 's', restartPolicy: 'Always', resources: { limits: { [LIMIT]: '2Mi' } } }],
      running: { a: 0, s: 3 * MI },
    },
    [],
  ],
  [
    'an init container may need more than all that follow',
    { limits: { a: '1Mi' }, inits: [{ name: 'i', resources: { limits: { [LIMIT]: '5Mi' } } }], running: { i: 5 * MI + 1 } },
    [`${OF_POD} 5Mi. `],
  ],
  ['what has ended is not counted', { limits: { a: '1Mi' }, running: {}, exited: { a: 2 * MI } }, []],
  ['a limit of nothing holds for the pod, not for the container', { limits: { a: '0', b: '1Mi' }, running: { a: MI, b: 0 } }, []],
])('storage: %s', async (_name, world, messages) => {
  expect(await verdict(world)).toEqual(messages);
});
