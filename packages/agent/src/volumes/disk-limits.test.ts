import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import { expect, it, test } from 'vitest';
import { silentLog } from '../log.js';
import { DiskLimits, diskUsage, limitsOf } from './disk-limits.js';

const podOf = (emptyDir: object): Pod =>
  Pod.fromJSON({ metadata: { uid: 'u' }, spec: { volumes: [{ name: 'v', emptyDir }], containers: [] } });

test.each<[object, number | undefined]>([
  [{ sizeLimit: '1Mi' }, 1024 * 1024],
  [{ sizeLimit: '0' }, undefined],
  [{}, undefined],
  [{ medium: 'Memory', sizeLimit: '1Mi' }, undefined],
])('of %j %s bytes are looked after', (emptyDir, bytes) => {
  expect(limitsOf(podOf(emptyDir))[0]?.bytes).toBe(bytes);
});

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
    runtime: { volumePath: (name) => Promise.resolve(`/volumes/${name}`) },
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
