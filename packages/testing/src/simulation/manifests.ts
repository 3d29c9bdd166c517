// The manifests that people write, at random, as trees and decoded. When they write which is in workload.ts.
import { decodeObject } from '@podplane/api/decode/decode';
import type { Kind, KindMap, Obj } from '@podplane/api/kinds/kind-map';
import { BAKE_TIME, ON_FAILURE } from '@podplane/api/kinds/on-failure';
import type { Given } from '@podplane/server/registry/registry';
import type { FakeImage } from '../fake-runtime-types.js';
import type { Dice } from './dice.js';

/** Most objects of each kind at a time. */
export const MOST = { Deployment: 3, StatefulSet: 2, DaemonSet: 1, Job: 3, CronJob: 2 } as const;
export type Workload = keyof typeof MOST;
export const GOOD_IMAGES = ['app:1', 'app:2', 'app:3'];
export const BAD_IMAGE = 'bad:1';
export const MOST_REPLICAS = 6;
/** A service account that may not be there: pods that name it are refused until it is. */
export const LATE_ACCOUNT = 'late';
/** How the names of budgets end that are for a workload which may have one already: whoever is under both is never evicted. */
export const SECOND_BUDGET = '-second';
/** Periods of schedules, minutes: all divide an hour. */
const PERIODS = [1, 1, 2, 3] as const;

/** Images that the engines know. random: of the run. */
export function images(random: () => number): Readonly<Record<string, FakeImage>> {
  const between = (least: number, most: number): number => least + random() * (most - least);
  return {
    'app:1': {},
    'app:2': { stopMs: 1500 },
    // Ends only by SIGKILL.
    'app:3': { stopMs: undefined },
    [BAD_IMAGE]: { ends: () => ({ afterMs: between(50, 2000), exitCode: 1 }) },
    'job:ok': { ends: () => ({ afterMs: between(500, 20_000), exitCode: 0 }) },
    'job:coin': { ends: () => ({ afterMs: between(500, 8_000), exitCode: random() < 0.4 ? 1 : 0 }) },
  };
}

/** claim: the volume claim template that it mounts, if any. */
export function podSpec(image: string, claim?: string): object {
  const resources = { requests: { cpu: '100m', memory: '64Mi' } };
  const volumeMounts = claim === undefined ? [] : [{ name: claim, mountPath: '/data' }];
  return {
    terminationGracePeriodSeconds: 4,
    containers: [{ name: 'main', image, imagePullPolicy: 'IfNotPresent', resources, volumeMounts }],
  };
}

/** A patch of a workload's image that leaves what it mounts. */
export function imagePatch(workload: Obj<'Deployment' | 'StatefulSet' | 'DaemonSet'>, image: string): object {
  const claim = workload.spec?.template?.spec?.containers[0]?.volumeMounts[0]?.name;
  return podSpec(image, claim);
}

/** The minutes between two times of a schedule as people write them here. */
export function periodOf(schedule: string): number {
  return Number(/^\*\/(\d+) \* \* \* \*$/.exec(schedule)?.[1] ?? Number.NaN);
}

export function workloadManifest(dice: Dice, kind: Workload, namespace: string, name: string): Given {
  const labels = { app: name };
  const selector = { matchLabels: labels };
  const account = dice.chance(0.2) ? { serviceAccountName: LATE_ACCOUNT } : {};
  const template = { metadata: { labels }, spec: { ...podSpec(dice.pick(GOOD_IMAGES) ?? 'app:1'), ...account } };
  const common = { metadata: { name, namespace } };
  switch (kind) {
    case 'Deployment': {
      const rollingUpdate = dice.pick([
        { maxSurge: 1, maxUnavailable: 0 },
        { maxSurge: 0, maxUnavailable: 1 },
        { maxSurge: '50%', maxUnavailable: '50%' },
      ]);
      const strategy = dice.chance(0.15) ? { type: 'Recreate' } : { type: 'RollingUpdate', rollingUpdate };
      const spec = { replicas: dice.between(1, MOST_REPLICAS), selector, template, strategy, progressDeadlineSeconds: 40 };
      const annotations = dice.chance(0.5) ? { [ON_FAILURE]: dice.chance(0.8) ? 'rollback' : 'pause', [BAKE_TIME]: '10s' } : {};
      return given(kind, { apiVersion: 'apps/v1', kind, metadata: { name, namespace, annotations }, spec });
    }
    case 'StatefulSet': {
      const podManagementPolicy = dice.chance(0.5) ? 'Parallel' : 'OrderedReady';
      const sized = { replicas: dice.between(1, 4), selector, serviceName: name, podManagementPolicy };
      const spec = dice.chance(0.4) ? { ...sized, ...withClaims(dice, labels) } : { ...sized, template };
      return given(kind, { apiVersion: 'apps/v1', kind, ...common, spec });
    }
    case 'DaemonSet':
      return given(kind, { apiVersion: 'apps/v1', kind, ...common, spec: { selector, template } });
    case 'Job':
      return given(kind, { apiVersion: 'batch/v1', kind, ...common, spec: jobSpec(dice, labels) });
    case 'CronJob': {
      const spec = {
        schedule: `*/${dice.pick(PERIODS) ?? 1} * * * *`,
        concurrencyPolicy: dice.pick(['Allow', 'Allow', 'Forbid', 'Replace']),
        ...(dice.chance(0.3) ? { startingDeadlineSeconds: dice.between(20, 90) } : {}),
        successfulJobsHistoryLimit: dice.between(0, 2),
        failedJobsHistoryLimit: dice.between(0, 1),
        jobTemplate: {
          spec: {
            backoffLimit: 1,
            template: { metadata: { labels }, spec: { ...podSpec(dice.chance(0.3) ? 'job:coin' : 'job:ok'), restartPolicy: 'Never' } },
          },
        },
      };
      return given(kind, { apiVersion: 'batch/v1', kind, ...common, spec });
    }
  }
}

/** The one volume claim template that people write. */
const CLAIM = 'data';

/** Node-local volumes, by the class that every cluster begins with. */
function withClaims(dice: Dice, labels: object): object {
  const resources = { requests: { storage: '1Gi' } };
  return {
    template: { metadata: { labels }, spec: podSpec(dice.pick(GOOD_IMAGES) ?? 'app:1', CLAIM) },
    volumeClaimTemplates: [{ metadata: { name: CLAIM }, spec: { accessModes: ['ReadWriteOnce'], resources } }],
    persistentVolumeClaimRetentionPolicy: dice.chance(0.5) ? { whenDeleted: 'Delete', whenScaled: 'Delete' } : undefined,
  };
}

function jobSpec(dice: Dice, labels: object): object {
  const coin = dice.chance(0.4);
  return {
    completions: dice.between(1, 8),
    parallelism: dice.between(1, 4),
    backoffLimit: coin ? dice.between(0, 6) : 6,
    ...(dice.chance(0.4) ? { completionMode: 'Indexed' } : {}),
    ...(dice.chance(0.3) ? { podReplacementPolicy: 'Failed' } : {}),
    template: {
      metadata: { labels },
      spec: { ...podSpec(coin ? 'job:coin' : 'job:ok'), restartPolicy: dice.chance(0.5) ? 'Never' : 'OnFailure' },
    },
    ttlSecondsAfterFinished: 60,
  };
}

/** name: of the budget; workload: the one that it is for. */
export function budgetManifest(dice: Dice, namespace: string, name: string, workload: string): Given {
  const bound = dice.pick([
    { minAvailable: 1 },
    { minAvailable: 2 },
    { minAvailable: '50%' },
    { minAvailable: '100%' },
    { maxUnavailable: 1 },
    { maxUnavailable: '30%' },
  ]);
  const policy = dice.chance(0.3) ? { unhealthyPodEvictionPolicy: 'AlwaysAllow' } : {};
  const spec = { ...bound, ...policy, selector: { matchLabels: { app: workload } } };
  return given('PodDisruptionBudget', { apiVersion: 'policy/v1', kind: 'PodDisruptionBudget', metadata: { name, namespace }, spec });
}

export function accountManifest(namespace: string): Given {
  return given('ServiceAccount', { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: LATE_ACCOUNT, namespace } });
}

export function namespaceManifest(name: string): Given {
  return given('Namespace', { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
}

function given<K extends Kind>(kind: K, tree: object): Given {
  const decoded = decodeObject(kind, tree);
  if (!decoded.ok) throw new Error(`programmer error: ${JSON.stringify(decoded.problems)}`);
  return { kind, object: decoded.object as KindMap[K] } as Given; // the object is of the kind it was decoded as
}
