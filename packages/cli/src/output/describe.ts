// Text of `describe` for each kind. Pure: objects in, lines out. What is fetched for it is in commands/describe.ts.
import { toManifest, toYaml } from '@podplane/api/decode/manifest';
import type { Kind, KindMap } from '@podplane/api/kinds/kind-map';
import { age, NONE, orNone } from '@podplane/api/print';
import { addQuantities, formatQuantity, parseQuantity } from '@podplane/api/quantity';
import { byTime, type Event, seenText } from '../events.js';
import type { AnyObject } from '../kinds.js';
import { selectorText } from '../workloads.js';
import { budgetText } from './describe-budget.js';
import { amounts, block, conditions, head, meta } from './describe-parts.js';
import { podText } from './describe-pod.js';
import { replicaSetLines, template } from './describe-template.js';
import { countText, phases, workloadText } from './describe-workloads.js';
import { Sheet } from './sheet.js';
import { Table } from './table.js';

/** Sum of what pods ask for of one resource. */
function requested(pods: readonly KindMap['Pod'][], resource: string): string {
  let sum = parseQuantity('0');
  for (const { spec } of pods)
    for (const { resources } of spec?.containers ?? []) sum = addQuantities(sum, parseQuantity(resources?.requests[resource] ?? '0'));
  return formatQuantity(sum);
}

function nodeText(sheet: Sheet, node: KindMap['Node'], pods: readonly KindMap['Pod'][], now: number): void {
  head(sheet, node);
  meta(sheet, node);
  sheet.field('CreationTimestamp', orNone(node.metadata?.creationTimestamp));
  sheet.list(
    'Taints',
    (node.spec?.taints ?? []).map(({ key, value, effect }) => `${key}${value ? `=${value}` : ''}:${effect}`),
  );
  sheet.field('Unschedulable', String(node.spec?.unschedulable ?? false));
  conditions(sheet, node.status?.conditions ?? []);
  sheet.list(
    'Addresses',
    (node.status?.addresses ?? []).map(({ type, address }) => `${type}: ${address}`),
  );
  amounts(sheet, 'Capacity', node.status?.capacity);
  amounts(sheet, 'Allocatable', node.status?.allocatable);
  const info = node.status?.nodeInfo;
  if (info !== undefined) {
    sheet.heading('System Info');
    sheet.nested(() => {
      sheet.field('Kernel Version', info.kernelVersion);
      sheet.field('OS Image', info.osImage);
      sheet.field('Operating System', info.operatingSystem);
      sheet.field('Architecture', info.architecture);
      sheet.field('Container Runtime', info.containerRuntimeVersion);
      sheet.field('Agent Version', info.kubeletVersion);
    });
  }
  sheet.field('PodCIDR', orNone(node.spec?.podCIDR));
  const running = pods.filter(({ status }) => status?.phase !== 'Succeeded' && status?.phase !== 'Failed');
  sheet.heading(`Pods (${running.length})`);
  sheet.table(
    new Table(['Namespace', 'Name', 'CPU Requests', 'Memory Requests', 'Status', 'Age']).render(
      running.map((pod) => [
        pod.metadata?.namespace ?? '',
        pod.metadata?.name ?? '',
        requested([pod], 'cpu'),
        requested([pod], 'memory'),
        pod.metadata?.deletionTimestamp === undefined ? (pod.status?.phase ?? '') : 'Terminating',
        age(pod.metadata?.creationTimestamp, now),
      ]),
    ),
  );
  sheet.heading('Requested');
  sheet.nested(() => {
    for (const resource of ['cpu', 'memory'])
      sheet.field(resource, `${requested(running, resource)} of ${node.status?.allocatable[resource] ?? 'unknown'}`);
  });
}

function deploymentText(sheet: Sheet, deployment: KindMap['Deployment'], sets: readonly KindMap['ReplicaSet'][]): void {
  const { spec, status } = deployment;
  head(sheet, deployment);
  sheet.field('CreationTimestamp', orNone(deployment.metadata?.creationTimestamp));
  meta(sheet, deployment);
  sheet.field('Selector', orNone(selectorText(spec?.selector)));
  sheet.field(
    'Replicas',
    `${spec?.replicas ?? 1} desired | ${status?.updatedReplicas ?? 0} updated | ${status?.replicas ?? 0} total | ${status?.availableReplicas ?? 0} available | ${status?.unavailableReplicas ?? 0} unavailable`,
  );
  sheet.field('StrategyType', orNone(spec?.strategy?.type));
  sheet.field('MinReadySeconds', String(spec?.minReadySeconds ?? 0));
  const rolling = spec?.strategy?.rollingUpdate;
  if (rolling !== undefined)
    sheet.field('RollingUpdateStrategy', `${countText(rolling.maxUnavailable)} max unavailable, ${countText(rolling.maxSurge)} max surge`);
  if (spec?.paused) sheet.field('Paused', 'true');
  template(sheet, spec);
  conditions(sheet, status?.conditions ?? []);
  replicaSetLines(sheet, deployment, sets);
}

function replicaSetText(sheet: Sheet, set: KindMap['ReplicaSet' | 'ReplicationController'], pods: readonly KindMap['Pod'][]): void {
  head(sheet, set);
  sheet.field('Selector', orNone(selectorText(set.spec?.selector)));
  meta(sheet, set);
  const owner = set.metadata?.ownerReferences.find(({ controller }) => controller);
  if (owner !== undefined) sheet.field('Controlled By', `${owner.kind}/${owner.name}`);
  sheet.field('Replicas', `${set.status?.replicas ?? 0} current / ${set.spec?.replicas ?? 1} desired`);
  phases(sheet, pods);
  template(sheet, set.spec);
  conditions(sheet, set.status?.conditions ?? []);
}

export interface Around {
  readonly events: readonly Event[];
  /** Of a node: those on it. Of a ReplicaSet, DaemonSet or StatefulSet: its own. */
  readonly pods: readonly KindMap['Pod'][];
  /** Of a Deployment. */
  readonly replicaSets: readonly KindMap['ReplicaSet'][];
  /** ms since 1970 */
  readonly now: number;
}

/** What `describe` prints for one object. */
export function describeText(kind: Kind, object: AnyObject, around: Around): string {
  const sheet = new Sheet();
  switch (kind) {
    case 'Pod':
      podText(sheet, object as KindMap['Pod'], around.now);
      break;
    case 'Node':
      nodeText(sheet, object as KindMap['Node'], around.pods, around.now);
      break;
    case 'Deployment':
      deploymentText(sheet, object as KindMap['Deployment'], around.replicaSets);
      break;
    case 'ReplicaSet':
    case 'ReplicationController':
      replicaSetText(sheet, object as KindMap['ReplicaSet' | 'ReplicationController'], around.pods);
      break;
    case 'PodDisruptionBudget':
      head(sheet, object);
      budgetText(sheet, object as KindMap['PodDisruptionBudget']);
      break;
    case 'Secret': {
      const secret = object as KindMap['Secret'];
      head(sheet, secret);
      meta(sheet, secret);
      sheet.field('Type', orNone(secret.type));
      // Never the values: what is described is often shown to others.
      sheet.list(
        'Data',
        Object.entries(secret.data).map(([key, value]) => `${key}: ${value.length} bytes`),
      );
      break;
    }
    default: {
      if (workloadText(sheet, kind, object, around.pods, around.now, { head, meta, conditions, template })) break;
      const { metadata, ...rest } = toManifest(kind, object as never);
      const { apiVersion: _version, kind: _kind, ...fields } = rest;
      head(sheet, object);
      meta(sheet, object);
      void metadata;
      if (Object.keys(fields).length > 0) block(sheet, toYaml(fields).trimEnd());
    }
  }
  const events = byTime(around.events);
  if (events.length === 0) sheet.field('Events', NONE);
  else {
    sheet.heading('Events');
    sheet.table(
      new Table(['Type', 'Reason', 'Age', 'From', 'Message']).render(
        events.map((event) => [
          orNone(event.type),
          orNone(event.reason),
          seenText(event, around.now),
          event.source?.component || event.reportingComponent || '',
          (event.message ?? '').trim(),
        ]),
      ),
    );
  }
  return sheet.text();
}
