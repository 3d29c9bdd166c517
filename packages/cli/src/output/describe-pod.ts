// Text of `describe pod`, and of the containers in templates. Pure. kubectl's fields in kubectl's order; beyond them it says why something waits
// and what conditions say, which kubectl leaves out.
import type { Container } from '@podplane/api/gen/podplane/core/v1/container';
import type { ContainerState, ContainerStatus } from '@podplane/api/gen/podplane/core/v1/container_status';
import type { EnvVar } from '@podplane/api/gen/podplane/core/v1/env';
import type { Probe } from '@podplane/api/gen/podplane/core/v1/probe';
import type { KindMap } from '@podplane/api/kinds/kind-map';
import { humanDuration, NONE, orNone } from '@podplane/api/print';
import { amounts, block, conditions, head, map, meta } from './describe-parts.js';
import type { Sheet } from './sheet.js';
import { Table } from './table.js';

type Pod = KindMap['Pod'];
type Spec = NonNullable<Pod['spec']>;

/** "Sun, 22 Nov 2026 20:34:29 +0000", as kubectl writes it; NONE for what has no time. */
export function longTime(time: string | undefined): string {
  const date = time === undefined ? undefined : new Date(time);
  if (date === undefined || Number.isNaN(date.getTime())) return NONE;
  return date.toUTCString().replace(/GMT$/, '+0000');
}

function stateLines(sheet: Sheet, name: string, state: ContainerState | undefined): void {
  const { running, waiting, terminated } = state ?? {};
  if (running !== undefined) {
    sheet.field(name, 'Running');
    sheet.nested(() => sheet.field('Started', longTime(running.startedAt)));
  } else if (terminated !== undefined) {
    sheet.field(name, 'Terminated');
    sheet.nested(() => {
      if (terminated.reason) sheet.field('Reason', terminated.reason);
      if (terminated.message) sheet.field('Message', terminated.message);
      sheet.field('Exit Code', String(terminated.exitCode));
      if (terminated.signal) sheet.field('Signal', String(terminated.signal));
      sheet.field('Started', longTime(terminated.startedAt));
      sheet.field('Finished', longTime(terminated.finishedAt));
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

/** Below their name, one a line. */
function lines(sheet: Sheet, name: string, values: readonly string[]): void {
  if (values.length === 0) {
    sheet.field(name, NONE);
    return;
  }
  sheet.heading(name);
  sheet.nested(() => {
    for (const value of values) block(sheet, value);
  });
}

function ports(sheet: Sheet, { ports: list }: Container): void {
  const fields: readonly (readonly [string, readonly string[]])[] = [
    ['Port', list.map(({ containerPort, protocol, name }) => `${containerPort}/${protocol ?? 'TCP'}${name ? ` (${name})` : ''}`)],
    ['Host Port', list.map(({ hostPort, protocol }) => `${hostPort ?? 0}/${protocol ?? 'TCP'}`)],
  ];
  for (const [name, texts] of fields) sheet.field(texts.length > 1 ? `${name}s` : name, orNone(texts.join(', ')));
}

function seccomp(sheet: Sheet, profile: { readonly type: string; readonly localhostProfile?: string | undefined } | undefined): void {
  if (profile === undefined) return;
  sheet.field('SeccompProfile', profile.type);
  if (profile.localhostProfile !== undefined) sheet.nested(() => sheet.field('LocalhostProfile', profile.localhostProfile ?? ''));
}

function variableText({ name, value, valueFrom }: EnvVar): string {
  const { fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef } = valueFrom ?? {};
  if (fieldRef !== undefined) return `${name}: (${fieldRef.apiVersion ?? 'v1'}:${fieldRef.fieldPath})`;
  if (resourceFieldRef !== undefined) return `${name}: (${resourceFieldRef.resource})`;
  const optional = (ref: { readonly optional?: boolean | undefined }): string => `Optional: ${ref.optional === true}`;
  if (configMapKeyRef !== undefined)
    return `${name}: <set to the key '${configMapKeyRef.key}' of config map '${configMapKeyRef.name ?? ''}'>  ${optional(configMapKeyRef)}`;
  if (secretKeyRef !== undefined)
    return `${name}: <set to the key '${secretKeyRef.key}' in secret '${secretKeyRef.name ?? ''}'>  ${optional(secretKeyRef)}`;
  return `${name}: ${value ?? ''}`;
}

/** Of a template's container there is no status. */
export function containerText(sheet: Sheet, spec: Container, status: ContainerStatus | undefined): void {
  sheet.heading(spec.name);
  sheet.nested(() => {
    if (status !== undefined) sheet.field('Container ID', status.containerID ?? '');
    sheet.field('Image', spec.image ?? '');
    if (status !== undefined) sheet.field('Image ID', status.imageID);
    ports(sheet, spec);
    seccomp(sheet, spec.securityContext?.seccompProfile);
    if (spec.command.length > 0) lines(sheet, 'Command', spec.command);
    if (spec.args.length > 0) lines(sheet, 'Args', spec.args);
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
    if (spec.envFrom.length > 0) {
      const from = spec.envFrom.map(({ configMapRef, secretRef, prefix }) => {
        const { name = '', optional } = configMapRef ?? secretRef ?? {};
        const kind = configMapRef === undefined ? 'Secret' : 'ConfigMap';
        return `${name}  ${kind}${prefix ? ` with prefix '${prefix}'` : ''}  Optional: ${optional === true}`;
      });
      lines(sheet, 'Environment Variables from', from);
    }
    lines(sheet, 'Environment', spec.env.map(variableText));
    lines(
      sheet,
      'Mounts',
      spec.volumeMounts
        .toSorted((a, b) => (a.mountPath < b.mountPath ? -1 : 1))
        .map(
          ({ mountPath, name, readOnly, subPath }) =>
            `${mountPath} from ${name} (${readOnly ? 'ro' : 'rw'}${subPath ? `,path="${subPath}"` : ''})`,
        ),
    );
  });
}

/** statuses: undefined where they are those of a template. */
export function containers(sheet: Sheet, name: string, list: readonly Container[], statuses: readonly ContainerStatus[] | undefined): void {
  sheet.heading(name);
  sheet.nested(() => {
    for (const one of list)
      containerText(
        sheet,
        one,
        statuses?.find((status) => status.name === one.name),
      );
  });
}

/** What it is, or for how long its end has been due: kubectl's words. */
function statusLines(sheet: Sheet, { metadata, status }: Pod, now: number): void {
  const phase = status?.phase ?? '';
  if (metadata?.deletionTimestamp === undefined || phase === 'Failed' || phase === 'Succeeded') sheet.field('Status', phase);
  else {
    sheet.field('Status', `Terminating (lasts ${humanDuration(now - Date.parse(metadata.deletionTimestamp))})`);
    sheet.field('Termination Grace Period', `${metadata.deletionGracePeriodSeconds ?? 0}s`);
  }
  if (status?.reason) sheet.field('Reason', status.reason);
  if (status?.message) sheet.field('Message', status.message);
}

export function tolerationText({ key, operator, value, effect, tolerationSeconds }: Spec['tolerations'][number]): string {
  const what = `${key ?? ''}${value ? `=${value}` : ''}${effect ? `:${effect}` : ''}`;
  const words = [
    what,
    operator === 'Exists' && !value ? 'op=Exists' : '',
    tolerationSeconds === undefined ? '' : `for ${tolerationSeconds}s`,
  ];
  return words.filter((word) => word !== '').join(' ');
}

/** "content: emptyDir" */
export function volumeTexts(volumes: Spec['volumes']): readonly string[] {
  return volumes.map(({ name, ...source }) => {
    const [kind] = Object.entries(source).find(([, value]) => value !== undefined) ?? ['unknown'];
    return `${name}: ${kind}`;
  });
}

/** now: ms since 1970. */
export function podText(sheet: Sheet, pod: Pod, now: number): void {
  const { spec, status, metadata } = pod;
  head(sheet, pod);
  if (spec?.priority !== undefined) sheet.field('Priority', String(spec.priority));
  if (spec?.priorityClassName) sheet.field('Priority Class Name', spec.priorityClassName);
  if (spec?.serviceAccountName) sheet.field('Service Account', spec.serviceAccountName);
  sheet.field('Node', spec?.nodeName ? `${spec.nodeName}/${status?.hostIP ?? ''}` : NONE);
  if (status?.startTime !== undefined) sheet.field('Start Time', longTime(status.startTime));
  meta(sheet, pod);
  statusLines(sheet, pod, now);
  seccomp(sheet, spec?.securityContext?.seccompProfile);
  sheet.field('IP', status?.podIP ?? '');
  if ((status?.podIPs ?? []).length === 0) sheet.field('IPs', NONE);
  else {
    sheet.heading('IPs');
    sheet.nested(() => {
      for (const { ip } of status?.podIPs ?? []) sheet.field('IP', ip);
    });
  }
  const owner = metadata?.ownerReferences.find(({ controller }) => controller);
  if (owner !== undefined) sheet.field('Controlled By', `${owner.kind}/${owner.name}`);
  if (status?.nominatedNodeName) sheet.field('NominatedNodeName', status.nominatedNodeName);
  const { initContainers = [], ephemeralContainers = [], readinessGates = [] } = spec ?? {};
  if (initContainers.length > 0) containers(sheet, 'Init Containers', initContainers, status?.initContainerStatuses);
  containers(sheet, 'Containers', spec?.containers ?? [], status?.containerStatuses);
  if (ephemeralContainers.length > 0) containers(sheet, 'Ephemeral Containers', ephemeralContainers, status?.ephemeralContainerStatuses);
  if (readinessGates.length > 0) {
    sheet.heading('Readiness Gates');
    const holds = (type: string): string => status?.conditions.find((one) => one.type === type)?.status ?? NONE;
    sheet.table(new Table(['Type', 'Status']).render(readinessGates.map(({ conditionType }) => [conditionType, holds(conditionType)])));
  }
  conditions(sheet, status?.conditions ?? []);
  const scheduled = status?.conditions.find(({ type }) => type === 'PodScheduled');
  if (scheduled?.status === 'False' && scheduled.message) {
    sheet.heading('Scheduling');
    sheet.nested(() => block(sheet, scheduled.message ?? ''));
  }
  sheet.list('Volumes', volumeTexts(spec?.volumes ?? []));
  sheet.field('QoS Class', orNone(status?.qosClass));
  map(sheet, 'Node-Selectors', spec?.nodeSelector);
  sheet.list('Tolerations', (spec?.tolerations ?? []).toSorted((a, b) => ((a.key ?? '') < (b.key ?? '') ? -1 : 1)).map(tolerationText));
}
