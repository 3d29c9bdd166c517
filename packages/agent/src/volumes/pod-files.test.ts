// What an agent does with the files of a pod that another process of it wrote: it has no token of its own yet, and perhaps no server to ask.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { silentLog } from '../log.js';
import type { EnvContext } from '../pods/env.js';
import { PodFiles } from './pod-files.js';
import type { TokenFound } from './pod-tokens.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pod-files-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const pod = Pod.fromPartial({
  metadata: { name: 'p', namespace: 'default', uid: 'u-1' },
  spec: { volumes: [{ name: 't', projected: { sources: [{ serviceAccountToken: { path: 'token' } }] } }] },
});
const [volume] = pod.spec?.volumes ?? [];
if (volume === undefined) throw new Error('no volume');

function agent(): PodFiles {
  const runtime = {
    seesPath: () => Promise.resolve(true),
    volumePath: () => Promise.resolve(undefined),
    createVolume: () => Promise.resolve(),
    removeVolume: () => Promise.resolve(),
  };
  const clock = { now: () => 0, monotonic: () => 0 };
  return new PodFiles({ dataDir: join(folder, 'data'), memoryDir: join(folder, 'memory'), runtime, clock, log: silentLog });
}
const contextWith = (found: TokenFound): EnvContext => ({
  pod,
  references: { configMap: () => undefined, secret: () => undefined },
  podIP: '',
  hostIP: '',
  nodeName: 'n1',
  allocatable: new Map() as never,
  tokens: { find: () => found },
});

it('a new pod waits for its token; an agent that was started again takes the one that is there, until it has another', async () => {
  const first = agent();
  expect(await first.prepare(pod, volume, contextWith('asked'))).toMatchObject({ quiet: true });
  expect(await first.prepare(pod, volume, contextWith({ token: 'one' }))).toBeUndefined();
  const again = agent();
  expect(await again.prepare(pod, volume, contextWith('asked'))).toBeUndefined();
  const read = async (): Promise<string> =>
    readFileSync(join(await again.source(pod, volume, '', { container: 'a', attempt: 0 }, 0), 'token'), 'utf8');
  expect(await read()).toBe('one');
  expect(again.refresh(pod, contextWith({ token: 'two' }))).toEqual([]);
  expect(await read()).toBe('two');
  expect(await agent().prepare(pod, volume, contextWith({ problem: 'its account is gone' }))).toMatchObject({
    message: 'its account is gone',
  });
});
