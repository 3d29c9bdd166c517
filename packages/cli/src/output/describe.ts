// Text of `describe` for each kind. Pure: objects in, lines out. What is fetched for it is in commands/describe.ts.
import { toManifest, toYaml } from '@podplane/api/decode/manifest';
import type { Container } from '@podplane/api/gen/podplane/core/v1/container';
import type { ContainerState, ContainerStatus } from '@podplane/api/gen/podplane/core/v1/container_status';
import type { Probe } from '@podplane/api/gen/podplane/core/v1/probe';
import type { Kind, KindMap } from '@podplane/api/kinds/kind-map';
import { LAST_APPLIED } from '@podplane/api/patch';
import { age, NONE, orNone } from '@podplane/api/print';
import { addQuantities, formatQuantity, parseQuantity } from '@podplane/api/quantity';
import { byTime, type Event, seenText } from '../events.js';
import type { AnyObject } from '../kinds.js';
import { selectorText } from '../workloads.js';
import { budgetText } from './describe-budget.js';
import { countText, type Kit, workloadText } from './describe-workloads.js';
import { Sheet } from './sheet.js';
import { Table } from './table.js';

/** The lines of a text that has its own ("0/3 nodes are available:\n..."), below one another. */
function block(sheet: Sheet, text: string): void {
  for (const line of text.split('\n')) sheet.line(line);
}

function map(sheet: Sheet, name: string, values: Readonly<Record<string, string>> | undefined): void {
  const entries = Object.entries(values ?? {}).filter(([key]) => key !== LAST_APPLIED);
  sheet.list(
    name,
    entries.toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([key, value]) => `${key}${name === 'Annotations' ? ': ' : '='}${value}`),
  );
}

function head(sheet: Sheet, object: AnyObject): void {
  const { metadata } = object;
  sheet.field('Name', metadata?.name ?? '');
  if (metadata?.namespace) sheet.field('Namespace', metadata.namespace);
}

function meta(sheet: Sheet, object: AnyObject): void {
  map(sheet, 'Labels', object.metadata?.labels);
  map(sheet, 'Annotations', object.metadata?.annotations);
}

function stateLines(sheet: Sheet, name: string, state: ContainerState | undefined): void {
  const { running, waiting, terminated } = state ?? {};
  if (running !== undefined) {
    sheet.field(name, 'Running');
    sheet.nested(() => sheet.field('Started', orNone(running.startedAt)));
  } else if (terminated !== undefined) {
    sheet.field(name, 'Terminated');
    sheet.nested(() => {
      if (terminated.reason) sheet.field('Reason', terminated.reason);
      if (terminated.message) sheet.field('Message', terminated.message);
      sheet.field('Exit Code', String(terminated.exitCode));
      if (terminated.signal) sheet.field('Signal', String(terminated.signal));
      sheet.field('Started', orNone(terminated.startedAt));
      sheet.field('Finished', orNone(terminated.finishedAt));
    });
  } else {
    sheet.field(name, 'Waiting');
    sheet.nested(() => {
      if (waiting?.reason) sheet.field('Reason', waiting.reason);
      if (waiting?.message) sheet.field('Message', waiting.message);
    });
  }
}

export function probeText(probe: Probe): string {
  const { httpGet, tcpSocket, exec, grpc } = probe;
  let how = 'unknown';
  if (exec !== undefined) how = `exec [${exec.command.join(' ')}]`;
  else if (httpGet !== undefined)
    how = `http-get ${(httpGet.scheme ?? 'HTTP').toLowerCase()}://${httpGet.host ?? ''}:${String(httpGet.port)}${httpGet.path ?? ''}`;
  else if (tcpSocket !== undefined) how = `tcp-socket ${tcpSocket.host ?? ''}:${String(tcpSocket.port)}`;
  else if (grpc !== undefined) how = `grpc <pod>:${grpc.port} ${grpc.service ?? ''}`;
  return `${how} delay=${probe.initialDelaySeconds ?? 0}s timeout=${probe.timeoutSeconds ?? 1}s period=${probe.periodSeconds ?? 10}s #success=${probe.successThreshold ?? 1} #failure=${probe.failureThreshold ?? 3}`;
}

function amounts(sheet: Sheet, name: string, values: Readonly<Record<string, string>> | undefined): void {
  const entries = Object.entries(values ?? {});
  if (entries.length === 0) return;
  sheet.heading(name);
  sheet.nested(() => {
    for (const [key, value] of entries) sheet.field(key, value);
  });
}

function container(sheet: Sheet, spec: Container, status: ContainerStatus | undefined): void {
  sheet.heading(spec.name);
  sheet.nested(() => {
    if (status?.containerID) sheet.field('Container ID', status.containerID);
    sheet.field('Image', spec.image ?? '');
    if (status?.imageID) sheet.field('Image ID', status.imageID);
    const ports = spec.ports.map(({ containerPort, protocol, name }) => `${containerPort}/${protocol ?? 'TCP'}${name ? ` (${name})` : ''}`);
    sheet.field('Ports', orNone(ports.join(', ')));
    const hostPorts = spec.ports.filter(({ hostPort }) => hostPort).map(({ hostPort, protocol }) => `${hostPort}/${protocol ?? 'TCP'}`);
    if (hostPorts.length > 0) sheet.field('Host Ports', hostPorts.join(', '));
    if (spec.command.length > 0) sheet.list('Command', spec.command);
    if (spec.args.length > 0) sheet.list('Args', spec.args);
    if (status !== undefined) {
      stateLines(sheet, 'State', status.state);
      if (status.lastState?.terminated !== undefined) stateLines(sheet, 'Last State', status.lastState);
      sheet.field('Ready', status.ready ? 'True' : 'False');
      sheet.field('Restart Count', String(status.restartCount));
    }
    amounts(sheet, 'Limits', spec.resources?.limits);
    amounts(sheet, 'Requests', spec.resources?.requests);
    if (spec.livenessProbe !== undefined) sheet.field('Liveness', probeText(spec.livenessProbe));
    if (spec.readinessProbe !== undefined) sheet.field('Readiness', probeText(spec.readinessProbe));
    if (spec.startupProbe !== undefined) sheet.field('Startup', probeText(spec.startupProbe));
    sheet.list(
      'Environment',
      spec.env.map(({ name, value, valueFrom }) => {
        const { fieldRef, configMapKeyRef, secretKeyRef } = valueFrom ?? {};
        if (fieldRef !== undefined) return `${name}: (${fieldRef.apiVersion ?? 'v1'}:${fieldRef.fieldPath ?? ''})`;
        if (configMapKeyRef !== undefined)
          return `${name}: <set to the key '${configMapKeyRef.key}' of config map '${configMapKeyRef.name ?? ''}'>`;
        if (secretKeyRef !== undefined) return `${name}: <set to the key '${secretKeyRef.key}' in secret '${secretKeyRef.name ?? ''}'>`;
        return `${name}: ${value ?? ''}`;
      }),
    );
    sheet.list(
      'Mounts',
      spec.volumeMounts.map(({ mountPath, name, readOnly }) => `${mountPath} from ${name} (${readOnly ? 'ro' : 'rw'})`),
    );
  });
}

function conditions(
  sheet: Sheet,
  list: readonly {
    readonly type: string;
    readonly status: string;
    readonly reason?: string | undefined;
    readonly message?: string | undefined;
  }[],
): void {
  if (list.length === 0) return;
  sheet.heading('Conditions');
  sheet.table(
    new Table(['Type', 'Status', 'Reason', 'Message']).render(
      list.map(({ type, status, reason, message }) => [type, status, reason ?? '', (message ?? '').split('\n')[0] ?? '']),
    ),
  );
}

function podText(sheet: Sheet, pod: KindMap['Pod']): void {
  const { spec, status, metadata } = pod;
  head(sheet, pod);
  sheet.field('Node', spec?.nodeName ? `${spec.nodeName}${status?.hostIP ? `/${status.hostIP}` : ''}` : NONE);
  sheet.field('Start Time', orNone(status?.startTime));
  meta(sheet, pod);
  sheet.field(
    'Status',
    metadata?.deletionTimestamp === undefined ? (status?.phase ?? '') : `Terminating (since ${metadata.deletionTimestamp})`,
  );
  if (status?.reason) sheet.field('Reason', status.reason);
  if (status?.message) sheet.field('Message', status.message);
  sheet.field('IP', orNone(status?.podIP));
  const owner = metadata?.ownerReferences.find(({ controller }) => controller);
  if (owner !== undefined) sheet.field('Controlled By', `${owner.kind}/${owner.name}`);
  const statuses = new Map([...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])].map((one) => [one.name, one]));
  if (spec !== undefined && spec.initContainers.length > 0) {
    sheet.heading('Init Containers');
    sheet.nested(() => {
      for (const one of spec.initContainers) container(sheet, one, statuses.get(one.name));
    });
  }
  sheet.heading('Containers');
  sheet.nested(() => {
    for (const one of spec?.containers ?? []) container(sheet, one, statuses.get(one.name));
  });
  conditions(sheet, status?.conditions ?? []);
  const scheduled = status?.conditions.find(({ type }) => type === 'PodScheduled');
  if (scheduled?.status === 'False' && scheduled.message) {
    sheet.heading('Scheduling');
    sheet.nested(() => block(sheet, scheduled.message ?? ''));
  }
  sheet.list(
    'Volumes',
    (spec?.volumes ?? []).map(({ name, ...source }) => {
      const [kind] = Object.entries(source).find(([, value]) => value !== undefined) ?? ['unknown'];
      return `${name}: ${kind}`;
    }),
  );
  sheet.field('QoS Class', orNone(status?.qosClass));
  map(sheet, 'Node-Selectors', spec?.nodeSelector);
  sheet.list(
    'Tolerations',
    (spec?.tolerations ?? []).map(
      ({ key, operator, value, effect, tolerationSeconds }) =>
        `${key ?? ''}${value ? `=${value}` : ''}${effect ? `:${effect}` : ''}${operator ? ` op=${operator}` : ''}${tolerationSeconds === undefined ? '' : ` for ${tolerationSeconds}s`}`,
    ),
  );
}

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

function template(sheet: Sheet, spec: Parameters<Kit['template']>[1]): void {
  sheet.heading('Pod Template');
  sheet.nested(() => {
    map(sheet, 'Labels', spec?.template?.metadata?.labels);
    sheet.heading('Containers');
    sheet.nested(() => {
      for (const one of spec?.template?.spec?.containers ?? []) container(sheet, one, undefined);
    });
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
  const shown = sets.filter(({ spec: wish, status: is }) => (wish?.replicas ?? 0) > 0 || (is?.replicas ?? 0) > 0);
  sheet.list(
    'ReplicaSets',
    shown.map(({ metadata, spec: wish, status: is }) => `${metadata?.name} (${is?.readyReplicas ?? 0} of ${wish?.replicas ?? 0} ready)`),
  );
}

function replicaSetText(sheet: Sheet, set: KindMap['ReplicaSet' | 'ReplicationController'], pods: readonly KindMap['Pod'][]): void {
  head(sheet, set);
  sheet.field('Selector', orNone(selectorText(set.spec?.selector)));
  meta(sheet, set);
  const owner = set.metadata?.ownerReferences.find(({ controller }) => controller);
  if (owner !== undefined) sheet.field('Controlled By', `${owner.kind}/${owner.name}`);
  sheet.field('Replicas', `${set.status?.replicas ?? 0} current / ${set.spec?.replicas ?? 1} desired`);
  const phases = Map.groupBy(pods, ({ status }) => status?.phase ?? 'Unknown');
  sheet.field(
    'Pods Status',
    ['Running', 'Pending', 'Succeeded', 'Failed'].map((phase) => `${phases.get(phase)?.length ?? 0} ${phase}`).join(' / '),
  );
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

/** What `rollout history --revision` prints of a template. */
export function templateText(holder: Parameters<Kit['template']>[1]): string {
  const sheet = new Sheet();
  template(sheet, holder);
  return sheet.text();
}

/** What `describe` prints for one object. */
export function describeText(kind: Kind, object: AnyObject, around: Around): string {
  const sheet = new Sheet();
  switch (kind) {
    case 'Pod':
      podText(sheet, object as KindMap['Pod']);
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
