// Text of `describe` for DaemonSets, StatefulSets, Jobs and CronJobs. What all kinds have in common comes from describe.ts.
import type { Kind, KindMap } from '@podplane/api/kinds/kind-map';
import { humanDuration, NONE, orNone } from '@podplane/api/print';
import type { AnyObject } from '../kinds.js';
import { selectorText } from '../workloads.js';
import { map } from './describe-parts.js';
import type { Sheet } from './sheet.js';

type Conditions = readonly {
  readonly type: string;
  readonly status: string;
  readonly reason?: string | undefined;
  readonly message?: string | undefined;
}[];
type Template = NonNullable<KindMap['ReplicaSet']['spec']>['template'];

/** Parts of a sheet that are the same for every kind. */
export interface Kit {
  head(sheet: Sheet, object: AnyObject): void;
  meta(sheet: Sheet, object: AnyObject): void;
  conditions(sheet: Sheet, list: Conditions): void;
  template(sheet: Sheet, holder: { readonly template?: Template | undefined } | undefined): void;
}

/** A number or a percentage, as manifests have them. */
export function countText(value: unknown): string {
  return typeof value === 'number' || typeof value === 'string' ? String(value) : NONE;
}

/** In kubectl's words: a pod that is Pending is Waiting. */
export function phases(sheet: Sheet, pods: readonly KindMap['Pod'][]): void {
  const counts = Map.groupBy(pods, ({ status }) => status?.phase ?? 'Unknown');
  const words = [
    ['Running', 'Running'],
    ['Pending', 'Waiting'],
    ['Succeeded', 'Succeeded'],
    ['Failed', 'Failed'],
  ].map(([phase = '', word = '']) => `${counts.get(phase)?.length ?? 0} ${word}`);
  sheet.field('Pods Status', words.join(' / '));
}

function claimTemplates(sheet: Sheet, claims: NonNullable<KindMap['StatefulSet']['spec']>['volumeClaimTemplates']): void {
  if (claims.length === 0) {
    sheet.field('Volume Claims', NONE);
    return;
  }
  sheet.heading('Volume Claims');
  sheet.nested(() => {
    for (const { metadata, spec } of claims) {
      sheet.field('Name', metadata?.name ?? '');
      sheet.field('StorageClass', spec?.storageClassName ?? '');
      map(sheet, 'Labels', metadata?.labels);
      map(sheet, 'Annotations', metadata?.annotations);
      sheet.field('Capacity', spec?.resources?.requests['storage'] ?? NONE);
      sheet.field('Access Modes', `[${(spec?.accessModes ?? []).join(' ')}]`);
    }
  });
}

function daemonSetText(sheet: Sheet, { spec, status }: KindMap['DaemonSet']): void {
  sheet.field('Selector', orNone(selectorText(spec?.selector)));
  sheet.field('Desired Number of Nodes Scheduled', String(status?.desiredNumberScheduled ?? 0));
  sheet.field('Current Number of Nodes Scheduled', String(status?.currentNumberScheduled ?? 0));
  sheet.field('Number of Nodes Scheduled with Up-to-date Pods', String(status?.updatedNumberScheduled ?? 0));
  sheet.field('Number of Nodes Scheduled with Available Pods', String(status?.numberAvailable ?? 0));
  sheet.field('Number of Nodes Misscheduled', String(status?.numberMisscheduled ?? 0));
  sheet.field('Update Strategy', orNone(spec?.updateStrategy?.type));
  const rolling = spec?.updateStrategy?.rollingUpdate;
  if (rolling !== undefined)
    sheet.field('Rolling Update', `${countText(rolling.maxUnavailable)} max unavailable, ${countText(rolling.maxSurge)} max surge`);
}

function statefulSetText(sheet: Sheet, { metadata, spec, status }: KindMap['StatefulSet']): void {
  sheet.field('CreationTimestamp', orNone(metadata?.creationTimestamp));
  sheet.field('Selector', orNone(selectorText(spec?.selector)));
  sheet.field(
    'Replicas',
    `${spec?.replicas ?? 1} desired | ${status?.replicas ?? 0} total | ${status?.readyReplicas ?? 0} ready | ${status?.updatedReplicas ?? 0} updated`,
  );
  sheet.field('Service Name', orNone(spec?.serviceName));
  sheet.field('Pod Management Policy', orNone(spec?.podManagementPolicy));
  sheet.field('Update Strategy', orNone(spec?.updateStrategy?.type));
  const rolling = spec?.updateStrategy?.rollingUpdate;
  if (rolling !== undefined) {
    sheet.field('Partition', String(rolling.partition ?? 0));
    if (rolling.maxUnavailable !== undefined) sheet.field('Max Unavailable', countText(rolling.maxUnavailable));
  }
  if (spec?.ordinals !== undefined) sheet.field('First Ordinal', String(spec.ordinals.start));
  sheet.field('Current Revision', orNone(status?.currentRevision));
  sheet.field('Update Revision', orNone(status?.updateRevision));
}

function jobText(sheet: Sheet, { spec, status, metadata }: KindMap['Job'], now: number): void {
  sheet.field('Selector', orNone(selectorText(spec?.selector)));
  const owner = metadata?.ownerReferences.find(({ controller }) => controller);
  if (owner !== undefined) sheet.field('Controlled By', `${owner.kind}/${owner.name}`);
  sheet.field('Parallelism', String(spec?.parallelism ?? 1));
  sheet.field('Completions', spec?.completions === undefined ? NONE : String(spec.completions));
  sheet.field('Completion Mode', orNone(spec?.completionMode));
  sheet.field('Suspend', String(spec?.suspend ?? false));
  sheet.field('Backoff Limit', String(spec?.backoffLimit ?? 6));
  if (spec?.activeDeadlineSeconds !== undefined) sheet.field('Active Deadline Seconds', `${spec.activeDeadlineSeconds}s`);
  if (status?.startTime !== undefined) sheet.field('Start Time', status.startTime);
  if (status?.completionTime !== undefined) sheet.field('Completed At', status.completionTime);
  if (status?.startTime !== undefined) {
    const end = status.completionTime === undefined ? now : Date.parse(status.completionTime);
    sheet.field('Duration', humanDuration(end - Date.parse(status.startTime)));
  }
  sheet.field(
    'Pods Statuses',
    `${status?.active ?? 0} Active (${status?.ready ?? 0} Ready) / ${status?.succeeded ?? 0} Succeeded / ${status?.failed ?? 0} Failed`,
  );
  if (spec?.completionMode === 'Indexed') sheet.field('Completed Indexes', orNone(status?.completedIndexes));
  if (status?.failedIndexes) sheet.field('Failed Indexes', status.failedIndexes);
}

function cronJobText(sheet: Sheet, { spec, status }: KindMap['CronJob']): void {
  sheet.field('Schedule', spec?.schedule ?? '');
  sheet.field('Time Zone', orNone(spec?.timeZone));
  sheet.field('Concurrency Policy', orNone(spec?.concurrencyPolicy));
  sheet.field('Suspend', String(spec?.suspend ?? false));
  sheet.field('Successful Job History Limit', String(spec?.successfulJobsHistoryLimit ?? 3));
  sheet.field('Failed Job History Limit', String(spec?.failedJobsHistoryLimit ?? 1));
  sheet.field('Starting Deadline Seconds', spec?.startingDeadlineSeconds === undefined ? '<unset>' : `${spec.startingDeadlineSeconds}s`);
  sheet.field('Last Schedule Time', orNone(status?.lastScheduleTime));
  sheet.field('Last Successful Time', orNone(status?.lastSuccessfulTime));
  sheet.list(
    'Active Jobs',
    (status?.active ?? []).map(({ name }) => name ?? ''),
  );
}

/** Writes what is said of these kinds; false: it is none of them. pods: its own. now: ms since 1970. */
export function workloadText(sheet: Sheet, kind: Kind, object: AnyObject, pods: readonly KindMap['Pod'][], now: number, kit: Kit): boolean {
  switch (kind) {
    case 'DaemonSet':
    case 'StatefulSet':
    case 'Job': {
      kit.head(sheet, object);
      kit.meta(sheet, object);
      if (kind === 'DaemonSet') daemonSetText(sheet, object as KindMap['DaemonSet']);
      else if (kind === 'StatefulSet') statefulSetText(sheet, object as KindMap['StatefulSet']);
      else jobText(sheet, object as KindMap['Job'], now);
      const workload = object as KindMap['DaemonSet' | 'StatefulSet' | 'Job'];
      if (kind !== 'Job') phases(sheet, pods);
      kit.template(sheet, workload.spec);
      if (kind === 'StatefulSet') claimTemplates(sheet, (object as KindMap['StatefulSet']).spec?.volumeClaimTemplates ?? []);
      kit.conditions(sheet, workload.status?.conditions ?? []);
      return true;
    }
    case 'CronJob': {
      kit.head(sheet, object);
      kit.meta(sheet, object);
      const cron = object as KindMap['CronJob'];
      cronJobText(sheet, cron);
      kit.template(sheet, cron.spec?.jobTemplate?.spec);
      return true;
    }
    default:
      return false;
  }
}
