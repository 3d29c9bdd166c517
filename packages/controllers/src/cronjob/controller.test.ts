// CronJobs on a real store and a hand-turned clock, which starts at 2026-01-01T00:00:00Z: what is started when, what is left out, what is
// told, what is kept; and that the newest due time is found however many there are.

import { parseCron } from '@podplane/api/cron';
import type { CronJob } from '@podplane/api/gen/podplane/batch/v1/cron_job';
import type { Obj } from '@podplane/api/kinds/kind-map';
import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { JobController } from '../job/controller.js';
import { OwnerGcController } from '../owner-gc/controller.js';
import type { Reconciler } from '../runtime/types.js';
import { World } from '../testkit/world.js';
import { CronJobController } from './controller.js';
import { newest, zonedText } from './times.js';

let world: World;
afterEach(async () => {
  expect(world.errors).toEqual([]);
  await world.close();
});

const own = (): Reconciler[] => [new OwnerGcController(), new JobController(), new CronJobController()];

async function open(spec: Record<string, unknown> = {}): Promise<void> {
  world = await World.open(own);
  world.apply('CronJob', {
    metadata: { name: 'tick', namespace: 'default' },
    spec: {
      schedule: '*/5 * * * *',
      jobTemplate: {
        metadata: { labels: { of: 'tick' } },
        spec: { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'v1' }] } } },
      },
      ...spec,
    },
  });
  await world.settle();
}

const MINUTE = 60_000;
const pass = (ms: number): Promise<void> => world.system.advance(ms);
const jobs = (): Obj<'Job'>[] => [...world.store.list('Job', undefined, { ordered: true })];
const times = (): string[] =>
  jobs().map((job) => job.metadata?.annotations['batch.kubernetes.io/cronjob-scheduled-timestamp']?.slice(11, 16) ?? '');
const told = (reason: string): string[] => world.events.filter((event) => event.reason === reason).map(({ message }) => message);
const change = (edit: (spec: NonNullable<CronJob['spec']>) => void): void =>
  world.edit('CronJob', 'tick', (draft) => draft.spec && edit(draft.spec));
async function endAll(phase: 'Succeeded' | 'Failed' = 'Succeeded'): Promise<void> {
  for (const pod of world.activePods()) world.end(pod.metadata?.name ?? '', phase);
  await world.settle();
}

describe('starts', () => {
  it('a job at each time, named after it and owned', async () => {
    await open();
    expect(jobs()).toEqual([]);
    await pass(5 * MINUTE);
    expect(times()).toEqual(['00:05']);
    const [job] = jobs();
    expect(job?.metadata?.name).toBe(`tick-${Date.parse('2026-01-01T00:05:00Z') / MINUTE}`);
    expect(job?.metadata?.labels).toEqual({ of: 'tick' });
    expect(job?.metadata?.ownerReferences).toMatchObject([{ kind: 'CronJob', name: 'tick', controller: true }]);
    expect(job?.spec).toMatchObject({ parallelism: 1, completions: 1, backoffLimit: 6 });
    expect(world.get('CronJob', 'tick').status).toMatchObject({
      lastScheduleTime: '2026-01-01T00:05:00Z',
      active: [{ name: job?.metadata?.name, kind: 'Job' }],
    });
    await endAll();
    expect(world.get('CronJob', 'tick').status).toMatchObject({ active: [], lastSuccessfulTime: '2026-01-01T00:05:00Z' });
    expect(told('SawCompletedJob')).toEqual([`Saw completed job: ${job?.metadata?.name}, condition: Complete`]);
    await pass(10 * MINUTE);
    expect(times()).toEqual(['00:05', '00:10', '00:15']);
  });

  it('by its time zone', async () => {
    await open({ schedule: '30 9 * * *', timeZone: 'Asia/Kolkata' });
    await pass(4 * 60 * MINUTE + MINUTE);
    expect(times()).toEqual(['09:30']);
    expect(jobs()[0]?.metadata?.annotations['batch.kubernetes.io/cronjob-scheduled-timestamp']).toBe('2026-01-01T09:30:00+05:30');
    expect(world.get('CronJob', 'tick').status?.lastScheduleTime).toBe('2026-01-01T04:00:00Z');
  });

  it('nothing while suspended, and the newest missed time when it goes on', async () => {
    await open({ suspend: true });
    await pass(12 * MINUTE);
    expect(jobs()).toEqual([]);
    change((spec) => (spec.suspend = false));
    await world.settle();
    expect(times()).toEqual(['00:10']);
    expect(told('MissSchedule')).toEqual([
      'Missed 1 scheduled time (2026-01-01T00:05:00Z); only the newest, 2026-01-01T00:10:00Z, still counts',
    ]);
  });
});

describe('a schedule that is changed', () => {
  const noon = (hour: number): void => change((spec) => (spec.schedule = `0 ${hour} * * *`));

  it('starts nothing for its times before the change, also after a restart of the server', async () => {
    await open({ schedule: '0 3 * * *' });
    await pass(15 * 60 * MINUTE);
    expect(times()).toEqual(['03:00']);
    noon(14);
    await world.settle();
    expect(times()).toEqual(['03:00']);
    world.pump.stop();
    world.start(own);
    await pass(60 * MINUTE);
    expect(times()).toEqual(['03:00']);
    noon(17);
    await pass(61 * MINUTE);
    expect(times()).toEqual(['03:00', '17:00']);
    expect(told('MissSchedule')).toEqual([]);
    expect(told('TooManyMissedTimes')).toEqual([]);
  });

  it('also by its time zone; one that is made again under its name begins anew', async () => {
    await open({ schedule: '0 3 * * *' });
    await pass(2 * 60 * MINUTE);
    change((spec) => (spec.timeZone = 'Europe/Berlin')); // 3 o'clock there is now
    await pass(70 * MINUTE);
    expect(times()).toEqual([]);
    expect(world.get('CronJob', 'tick').metadata?.annotations).toEqual({ 'podplane.dev/schedule-since': '2026-01-01T02:00:00Z' });
    world.store.transact({ actor: 'user:test', reason: 'delete' }, (tx) => tx.markDeleted('CronJob', 'default', 'tick', 0));
    await world.settle();
    world.apply('CronJob', {
      metadata: { name: 'tick', namespace: 'default' },
      spec: {
        schedule: '0 4 * * *',
        jobTemplate: { spec: { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'v1' }] } } } },
      },
    });
    await pass(60 * MINUTE);
    expect(times()).toEqual(['04:00']);
    expect(world.get('CronJob', 'tick').metadata?.annotations).toEqual({});
  });
});

describe('@every', () => {
  it('starts so long after the one before, or after it was made; what was missed is told, and only the newest counts', async () => {
    await open({ schedule: '@every 7m' });
    await pass(7 * MINUTE);
    expect(times()).toEqual(['00:07']);
    await pass(7 * MINUTE);
    expect(times()).toEqual(['00:07', '00:14']);
    world.pump.stop();
    await pass(16 * MINUTE);
    world.start(own);
    await world.settle();
    expect(times()).toEqual(['00:07', '00:14', '00:28']);
    expect(told('MissSchedule')).toEqual([
      'Missed 1 scheduled time (2026-01-01T00:21:00Z); only the newest, 2026-01-01T00:28:00Z, still counts',
    ]);
    await pass(5 * MINUTE);
    expect(times()).toEqual(['00:07', '00:14', '00:28', '00:35']);
  });
});

describe('while an earlier job runs', () => {
  it('Allow starts beside it', async () => {
    await open();
    await pass(11 * MINUTE);
    expect(world.get('CronJob', 'tick').status?.active).toHaveLength(2);
  });
  it('Forbid waits for its end, says so once, and then starts the newest', async () => {
    await open({ concurrencyPolicy: 'Forbid' });
    await pass(16 * MINUTE);
    expect(times()).toEqual(['00:05']);
    expect(told('JobAlreadyActive')).toHaveLength(2);
    await endAll();
    expect(times()).toEqual(['00:05', '00:15']);
  });
  it('Forbid waits also for one that is being deleted and not gone', async () => {
    await open({ concurrencyPolicy: 'Forbid' });
    await pass(5 * MINUTE);
    const [job] = jobs();
    const name = job?.metadata?.name ?? '';
    world.edit('Job', name, (draft) => draft.metadata?.finalizers.push('example.com/hold'));
    world.store.transact({ actor: 'user:test', reason: 'delete' }, (tx) => tx.markDeleted('Job', 'default', name, 0));
    await pass(6 * MINUTE);
    expect(times()).toEqual(['00:05']);
    world.edit('Job', name, (draft) => draft.metadata && (draft.metadata.finalizers = []));
    await world.settle();
    expect(times()).toEqual(['00:10']);
  });
  it.each(['Forbid', 'Replace'])(
    '%s: a run that somebody made by hand is neither waited for nor ended, and told once',
    async (concurrencyPolicy) => {
      await open({ concurrencyPolicy });
      const { uid = '' } = world.get('CronJob', 'tick').metadata ?? {};
      world.apply('Job', {
        metadata: {
          name: 'by-hand',
          namespace: 'default',
          ownerReferences: [{ apiVersion: 'batch/v1', kind: 'CronJob', name: 'tick', uid, controller: true }],
        },
        spec: { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'v1' }] } } },
      });
      await pass(6 * MINUTE);
      expect(times()).toEqual(['', '00:05']);
      expect(world.get('CronJob', 'tick').status?.active).toHaveLength(1);
      expect(told('UnexpectedJob')).toEqual(['Saw a job that the controller did not create or forgot: by-hand']);
    },
  );
  it('Replace ends it', async () => {
    await open({ concurrencyPolicy: 'Replace' });
    await pass(11 * MINUTE);
    expect(times()).toEqual(['00:10']);
    expect(world.activePods()).toHaveLength(1);
    expect(told('SuccessfulDelete')).toHaveLength(1);
  });
});

describe('missed times', () => {
  it('are told with their number; with a deadline too old ones are not started', async () => {
    await open({ startingDeadlineSeconds: 60 });
    world.pump.stop();
    await pass(13 * MINUTE);
    world.start(own);
    await world.settle();
    expect(jobs()).toEqual([]);
    expect(told('MissSchedule')).toEqual([
      'Missed 2 scheduled times (from 2026-01-01T00:05:00Z to 2026-01-01T00:10:00Z); more than 60 s late, so no job is started for them',
    ]);
    await pass(3 * MINUTE);
    expect(times()).toEqual(['00:15']);
    expect(told('MissSchedule')).toHaveLength(1);
  });

  it('of a year are found at once, and only the newest is started', async () => {
    await open({ schedule: '* * * * *' });
    world.pump.stop();
    await pass(365 * 24 * 60 * MINUTE + 90_000);
    world.start(own);
    await world.settle();
    expect(jobs()[0]?.metadata?.annotations['batch.kubernetes.io/cronjob-scheduled-timestamp']).toBe('2027-01-01T00:01:00Z');
    expect(jobs()).toHaveLength(1);
    expect(told('TooManyMissedTimes')[0]).toMatch(/^Missed 100 or more scheduled times/);
  });

  it('a restart starts none twice', async () => {
    await open();
    await pass(5 * MINUTE);
    await endAll();
    world.start(own);
    await pass(MINUTE);
    world.start(own);
    await pass(4 * MINUTE);
    expect(times()).toEqual(['00:05', '00:10']);
  });
});

it('is a minute late at most after the clock was set forward', async () => {
  await open({ schedule: '0 * * * *' });
  await pass(MINUTE);
  const { clock } = world.system;
  const before = clock.now;
  vi.spyOn(clock, 'now').mockImplementation(() => before() + 50 * MINUTE);
  await pass(11 * MINUTE);
  expect(times()).toEqual(['01:00']);
});

it('keeps as many ended jobs as told', async () => {
  await open({
    successfulJobsHistoryLimit: 2,
    failedJobsHistoryLimit: 0,
    jobTemplate: { spec: { backoffLimit: 0, template: { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'v1' }] } } } },
  });
  for (let i = 1; i <= 6; i++) {
    await pass(5 * MINUTE);
    await endAll(i === 3 ? 'Failed' : 'Succeeded');
  }
  expect(times()).toEqual(['00:25', '00:30']);
});

it('a job of its name that belongs to somebody else is left alone, and told', async () => {
  await open();
  const name = `tick-${Date.parse('2026-01-01T00:05:00Z') / MINUTE}`;
  world.apply('Job', {
    metadata: { name, namespace: 'default' },
    spec: { parallelism: 0, template: { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'v1' }] } } },
  });
  await pass(5 * MINUTE);
  expect(told('FailedCreate')).toHaveLength(1);
  expect(world.get('Job', name).metadata?.ownerReferences).toEqual([]);
});

it.each<[string, string | undefined, string]>([
  ['2026-01-01T04:00:00Z', undefined, '2026-01-01T04:00:00Z'],
  ['2026-01-01T04:00:00Z', 'Etc/UTC', '2026-01-01T04:00:00Z'],
  ['2026-01-01T04:00:00Z', 'Europe/London', '2026-01-01T04:00:00Z'],
  ['2026-01-01T00:30:00Z', 'Europe/Berlin', '2026-01-01T01:30:00+01:00'],
  ['2026-07-01T22:30:00Z', 'Europe/Berlin', '2026-07-02T00:30:00+02:00'],
  ['2026-01-01T00:00:00Z', 'America/St_Johns', '2025-12-31T20:30:00-03:30'],
])('%s in the time zone %s: %s', (time, zone, expected) => {
  expect(zonedText(Date.parse(time), zone)).toBe(expected);
});

it('the newest time is the one that counting finds', () => {
  const minute = fc.constantFrom('*', '*/7', '5', '0,30');
  const hour = fc.constantFrom('*', '3', '*/5', '0-6');
  const day = fc.constantFrom('*', '1', '*/9');
  fc.assert(
    fc.property(minute, hour, day, fc.nat({ max: 40 * 24 * 60 }), fc.nat({ max: 5000 }), (m, h, d, start, length) => {
      const parsed = parseCron(`${m} ${h} ${d} * *`, 'UTC');
      if (!parsed.ok) throw new Error(parsed.problem);
      const after = Date.UTC(2026, 2, 1) + start * MINUTE + 13_000;
      const now = after + length * MINUTE;
      let expected: number | undefined;
      for (let time = parsed.schedule.next(after); time !== undefined && time <= now; time = parsed.schedule.next(time)) expected = time;
      expect(newest(parsed.schedule, after, now)).toBe(expected);
    }),
    { numRuns: 60 },
  );
});
