// The data of released volumes: tried until it is gone, and not a moment longer than it is asked for.
import { PersistentVolume } from '@podplane/api/gen/podplane/core/v1/persistent_volume';
import type { VolumeReport } from '@podplane/api/gen/podplane/node/v1/session';
import { HandSystem } from '@podplane/store/testkit/hand-system';
import { beforeEach, expect, it } from 'vitest';
import { silentLog } from '../log.js';
import { VolumeReclaim } from './reclaim.js';

const volume = (name: string, uid: string): PersistentVolume => PersistentVolume.fromJSON({ metadata: { name, uid } });

let system: HandSystem;
let tried: string[];
let reports: VolumeReport[];
/** How a try ends. */
let outcome: () => Promise<void>;
let reclaim: VolumeReclaim;
beforeEach(() => {
  system = new HandSystem();
  tried = [];
  reports = [];
  outcome = () => Promise.reject(new Error('in use'));
  const removeClaim = ({ metadata }: PersistentVolume): Promise<void> => {
    tried.push(metadata?.uid ?? '');
    return outcome();
  };
  reclaim = new VolumeReclaim({
    system,
    log: silentLog,
    files: { removeClaim },
    nodeName: 'n1',
    report: (report) => void reports.push(report),
  });
});

it('is tried again until it is gone', async () => {
  reclaim.order([volume('v', 'u1')], { complete: true, leave: [] });
  await system.advance(2000);
  outcome = () => Promise.resolve();
  await system.advance(60_000);
  expect(tried).toEqual(['u1', 'u1', 'u1']);
  expect(reports.at(-1)).toEqual({ name: 'v', uid: 'u1', removed: true, message: '' });
});

it.each([
  ['when the server says so', () => reclaim.order([], { complete: false, leave: ['u1'] })],
  ['when a complete assignment does not name it', () => reclaim.order([], { complete: true, leave: [] })],
])('is left alone %s: another volume may have its name by then', async (_when, stop) => {
  reclaim.order([volume('v', 'u1')], { complete: true, leave: [] });
  await system.advance(500);
  stop();
  await system.advance(120_000);
  expect(tried).toEqual(['u1']);
});

it('is left alone also after a try that was under way', async () => {
  const { promise, reject } = Promise.withResolvers<void>();
  outcome = () => promise;
  reclaim.order([volume('v', 'u1')], { complete: true, leave: [] });
  reclaim.order([], { complete: false, leave: ['u1'] });
  reject(new Error('in use'));
  await system.advance(120_000);
  expect(tried).toEqual(['u1']);
  expect(reports).toEqual([]);
});

it('a difference that does not name it changes nothing', async () => {
  reclaim.order([volume('v', 'u1')], { complete: true, leave: [] });
  reclaim.order([volume('w', 'u2')], { complete: false, leave: [] });
  await system.advance(1500);
  expect(tried).toEqual(['u1', 'u2', 'u1', 'u2']);
});
