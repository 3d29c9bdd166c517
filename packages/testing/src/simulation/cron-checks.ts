// CronJobs: no time of a schedule is started twice, none is left out without a word, and none is late where nothing is wrong. Looks at what is
// durable, as what a failed journal lost never was. Schedules are people's (every few minutes), and are counted here by hand.
import type { Obj } from '@podplane/api/kinds/kind-map';
import { controllerOf, isBeingDeleted } from '@podplane/api/pod-state';
import type { Change, ChangeBatch } from '@podplane/store/types';
import { periodOf } from './manifests.js';
import type { Listed } from './mirror.js';
import { isOf } from './mirror.js';
import type { Violations } from './violations.js';

type CronJob = Obj<'CronJob'>;
type Job = Obj<'Job'>;

const MINUTE = 60_000;
const SCHEDULED = 'batch.kubernetes.io/cronjob-scheduled-timestamp';
/** So long after a time its Job should be there, where nothing is wrong, ms. */
const LATE_MS = 10_000;
/** No sleep of the controller is longer, ms: after its clock was set forward it comes so much too late at most. */
const LONGEST_SLEEP_MS = 60_000;
/** Words about missed times are written behind what they are about, ms. */
const TELL_MS = 20_000;

interface Seen {
  cron: CronJob;
  /** Times that were started, with the uid of the Job. */
  readonly started: Map<number, string>;
  /** Times of which it was told that they were missed: from, to. */
  readonly told: [number, number][];
  /** Times that were passed over, to be told until then (ms of the world). */
  owed: { readonly times: readonly number[]; readonly until: number } | undefined;
  /** When its spec last changed, server's wall clock. */
  changedAt: number;
}

export interface CronChecksOptions {
  readonly violations: Violations;
  /** Ms of the world. */
  readonly now: () => number;
  /** The server's wall clock, ms. */
  readonly serverNow: () => number;
}

export class CronChecks {
  /** By uid. */
  private readonly crons = new Map<string, Seen>();
  started = 0;
  missed = 0;

  constructor(private readonly options: CronChecksOptions) {}

  /** A server has started or recovered: what it wanted to tell may be lost with the one before, what it did is not. */
  begin(view: Listed): void {
    for (const one of this.crons.values()) one.owed = undefined;
    for (const object of view.list('CronJob')) this.cron(object as CronJob, undefined);
    for (const object of view.list('Job')) this.job(object as Job, true);
    for (const object of view.list('Event')) this.event(object as Obj<'Event'>);
  }

  /** An older copy of the data was put back: what was started since may be started again. */
  forget(): void {
    this.crons.clear();
  }

  take({ changes }: ChangeBatch): void {
    for (const change of changes) if (isOf('CronJob', change) && change.type !== 'deleted') this.cron(change.object, previousOf(change));
    for (const change of changes) {
      if (isOf('Job', change) && change.type === 'added') this.job(change.object, false);
      else if (isOf('Event', change) && change.type !== 'deleted') this.event(change.object);
      else if (isOf('CronJob', change) && change.type === 'deleted') this.crons.delete(change.object.metadata?.uid ?? '');
    }
  }

  private cron(cron: CronJob, previous: CronJob | undefined): void {
    const uid = cron.metadata?.uid ?? '';
    const { serverNow } = this.options;
    let seen = this.crons.get(uid);
    if (seen === undefined) {
      seen = { cron, started: new Map(), told: [], owed: undefined, changedAt: serverNow() };
      this.crons.set(uid, seen);
    }
    if (previous !== undefined && previous.metadata?.generation !== cron.metadata?.generation) seen.changedAt = serverNow();
    seen.cron = cron;
    const before = Math.max(timeOf(previous?.status?.lastScheduleTime), timeOf(cron.metadata?.creationTimestamp));
    const after = timeOf(cron.status?.lastScheduleTime);
    if (previous === undefined || after <= before) return;
    const passed = timesBetween(cron, before, after);
    if (passed.length === 0) return;
    this.missed += passed.length;
    seen.owed = { times: [...(seen.owed?.times ?? []), ...passed], until: this.options.now() + TELL_MS };
  }

  private job(job: Job, known: boolean): void {
    const owner = controllerOf(job);
    if (owner?.kind !== 'CronJob') return;
    const seen = this.crons.get(owner.uid);
    if (seen === undefined) return;
    const text = job.metadata?.annotations[SCHEDULED] ?? '';
    const time = timeOf(text);
    const { violations, serverNow } = this.options;
    const uid = job.metadata?.uid ?? '';
    const before = seen.started.get(time);
    seen.started.set(time, uid);
    // What is found after a recovery may come once more as a change.
    if (known || before === uid) return;
    this.started++;
    if (before !== undefined) violations.report('cron-once', `CronJob ${owner.name} starts ${job.metadata?.name ?? ''} for ${text} again`);
    if (time % (periodOf(seen.cron.spec?.schedule ?? '') * MINUTE) !== 0)
      violations.report(
        'cron-once',
        `CronJob ${owner.name} starts a Job for ${text}, which is no time of ${seen.cron.spec?.schedule ?? ''}`,
      );
    // A clock that was set back between the decision and now is none of its fault.
    const made = timeOf(job.metadata?.creationTimestamp);
    if (time > made + 1000 && time > serverNow() + 1000)
      violations.report('cron-once', `CronJob ${owner.name} starts a Job before its time ${text}`);
  }

  private event(event: Obj<'Event'>): void {
    const seen = this.crons.get(event.involvedObject?.uid ?? '');
    if (seen === undefined) return;
    const found = /^Missed .*? \((?:from (\S+) to (\S+)|(\S+))\)/.exec(event.message ?? '');
    if (found === null) return;
    const [, from = '', to = '', one = ''] = found;
    seen.told.push(one === '' ? [timeOf(from), timeOf(to)] : [timeOf(one), timeOf(one)]);
  }

  /** Again and again. serverWellMs: for how long nothing has been wrong with the server; undefined: something is. */
  look(serverWellMs: number | undefined): void {
    for (const seen of this.crons.values()) {
      if (seen.owed !== undefined && this.options.now() >= seen.owed.until) this.told(seen);
      if (serverWellMs !== undefined) this.onTime(seen, serverWellMs);
    }
  }

  private told(seen: Seen): void {
    const { times } = seen.owed ?? { times: [] };
    seen.owed = undefined;
    for (const time of times) {
      if (seen.started.has(time) || seen.told.some(([from, to]) => from <= time && time <= to)) continue;
      const { name = '' } = seen.cron.metadata ?? {};
      this.options.violations.report('cron-told', `CronJob ${name} passed over ${new Date(time).toISOString()} without a word`);
    }
  }

  private onTime({ cron, changedAt }: Seen, serverWellMs: number): void {
    const { spec, status, metadata } = cron;
    if (spec === undefined || spec.suspend === true || isBeingDeleted(cron)) return;
    if (spec.concurrencyPolicy === 'Forbid' && (status?.active.length ?? 0) > 0) return;
    const now = this.options.serverNow();
    const period = periodOf(spec.schedule) * MINUTE;
    const due = Math.floor((now - LATE_MS) / period) * period;
    const calmSince = Math.max(now - serverWellMs, changedAt) + LONGEST_SLEEP_MS;
    // Of a clock that was set back: it was made later than that.
    if (due <= calmSince || due <= timeOf(metadata?.creationTimestamp) || timeOf(status?.lastScheduleTime) >= due) return;
    this.options.violations.report(
      'cron-told',
      `CronJob ${metadata?.name ?? ''} was due at ${new Date(due).toISOString()} and last started for ${status?.lastScheduleTime ?? 'no time'}`,
    );
  }
}

const timeOf = (text: string | undefined): number => (text === undefined || text === '' ? 0 : Date.parse(text));

function previousOf(change: Change<'CronJob'>): CronJob | undefined {
  return change.type === 'modified' ? change.previous : undefined;
}

/** Both ends left out. */
function timesBetween(cron: CronJob, after: number, before: number): number[] {
  const period = periodOf(cron.spec?.schedule ?? '') * MINUTE;
  const out: number[] = [];
  // More than a day's worth is told by its ends.
  for (let time = Math.floor(after / period) * period + period; time < before && out.length < 2000; time += period) out.push(time);
  return out;
}
