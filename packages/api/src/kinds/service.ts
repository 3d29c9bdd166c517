// Services: defaults, validation, columns. Nothing routes to them yet (support.ts).

import { duplicate, type FieldError, invalid, notSupported, Path, required } from '../errors.js';
import {
  ClientIPConfig,
  type ServicePort,
  type ServiceSpec,
  ServiceStatus,
  SessionAffinityConfig,
} from '../gen/podplane/core/v1/service.js';
import { dnsLabelProblems, dnsSubdomainProblems, ipProblems, portNameProblems, portNumberProblems } from '../names.js';
import { age, labelsText, NONE, orNone } from '../print.js';
import { defineKind, nameColumn, textColumn } from './define.js';
import type { DeepReadonly, Obj } from './kind-map.js';
import { mustNotChange, validateLabels } from './object-meta.js';

const SPEC = Path.of('spec');
const TYPES = ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort'] as const;
const PROTOCOLS = ['SCTP', 'TCP', 'UDP'] as const;
const DAY_SECONDS = 86_400;

function setSpecDefaults(spec: ServiceSpec): void {
  spec.sessionAffinity ||= 'None';
  spec.type ||= 'ClusterIP';
  if (spec.sessionAffinity === 'ClientIP') {
    const config = (spec.sessionAffinityConfig ??= SessionAffinityConfig.create());
    config.clientIP ??= ClientIPConfig.create();
    config.clientIP.timeoutSeconds ??= 10_800;
  } else {
    delete spec.sessionAffinityConfig;
  }
  for (const port of spec.ports) {
    port.protocol ||= 'TCP';
    if (port.targetPort === undefined || port.targetPort === '' || port.targetPort === 0) port.targetPort = port.port;
  }
  const external = spec.type === 'NodePort' || spec.type === 'LoadBalancer';
  if (external) spec.externalTrafficPolicy ||= 'Cluster';
  if (external || spec.type === 'ClusterIP') spec.internalTrafficPolicy ||= 'Cluster';
  if (spec.type === 'LoadBalancer') spec.allocateLoadBalancerNodePorts ??= true;
}

function validatePort(port: DeepReadonly<ServicePort>, path: Path, nameNeeded: boolean): FieldError[] {
  const out: FieldError[] = [];
  if (!port.name) {
    if (nameNeeded) out.push(required(path.child('name')));
  } else {
    for (const problem of dnsLabelProblems(port.name)) out.push(invalid(path.child('name'), port.name, problem));
  }
  for (const problem of portNumberProblems(port.port)) out.push(invalid(path.child('port'), port.port, problem));
  if (!PROTOCOLS.some((one) => one === port.protocol)) out.push(notSupported(path.child('protocol'), port.protocol, PROTOCOLS));
  const target = port.targetPort;
  const problems = typeof target === 'number' ? portNumberProblems(target) : portNameProblems(String(target));
  for (const problem of problems) out.push(invalid(path.child('targetPort'), target, problem));
  return out;
}

function validateSpec(spec: DeepReadonly<ServiceSpec>): FieldError[] {
  const out: FieldError[] = [];
  const ports = SPEC.child('ports');
  const headless = spec.clusterIP === 'None';
  if (!TYPES.some((one) => one === spec.type)) out.push(notSupported(SPEC.child('type'), spec.type, TYPES));
  if (spec.ports.length === 0 && spec.type !== 'ExternalName' && !headless) out.push(required(ports));
  const names = new Set<string>();
  const numbers = new Set<string>();
  for (const [i, port] of spec.ports.entries()) {
    const at = ports.index(i);
    out.push(...validatePort(port, at, spec.ports.length > 1));
    if (port.name && names.has(port.name)) out.push(duplicate(at.child('name'), port.name));
    if (port.name) names.add(port.name);
    const number = `${port.protocol}/${port.port}`;
    if (numbers.has(number)) out.push(duplicate(at, { protocol: port.protocol, port: port.port }));
    numbers.add(number);
    if (port.nodePort && spec.type !== 'NodePort' && spec.type !== 'LoadBalancer') {
      out.push({
        reason: 'FieldValueForbidden',
        field: at.child('nodePort').toString(),
        message: "Forbidden: may not be used when `type` is 'ClusterIP'",
      });
    }
  }
  if (spec.type === 'ExternalName') {
    if (!spec.externalName) out.push(required(SPEC.child('externalName')));
    else
      for (const problem of dnsSubdomainProblems(spec.externalName.replace(/\.$/, '')))
        out.push(invalid(SPEC.child('externalName'), spec.externalName, problem));
  }
  out.push(...validateLabels(spec.selector, SPEC.child('selector')));
  if (spec.clusterIP && !headless) {
    for (const problem of ipProblems(spec.clusterIP)) out.push(invalid(SPEC.child('clusterIPs').index(0), spec.clusterIP, problem));
  }
  for (const [i, ip] of spec.externalIPs.entries()) {
    for (const problem of ipProblems(ip)) out.push(invalid(SPEC.child('externalIPs').index(i), ip, problem));
  }
  if (spec.sessionAffinity !== 'None' && spec.sessionAffinity !== 'ClientIP') {
    out.push(notSupported(SPEC.child('sessionAffinity'), spec.sessionAffinity, ['ClientIP', 'None']));
  }
  const timeout = spec.sessionAffinityConfig?.clientIP?.timeoutSeconds;
  if (timeout !== undefined && (timeout <= 0 || timeout > DAY_SECONDS)) {
    out.push(
      invalid(
        SPEC.child('sessionAffinityConfig', 'clientIP', 'timeoutSeconds'),
        timeout,
        `must be greater than 0 and less than ${DAY_SECONDS}`,
      ),
    );
  }
  return out;
}

function externalText({ spec, status }: Obj<'Service'>): string {
  const ips = [...(spec?.externalIPs ?? [])];
  switch (spec?.type) {
    case 'ExternalName':
      return spec.externalName ?? NONE;
    case 'LoadBalancer': {
      ips.unshift(...(status?.loadBalancer?.ingress ?? []).map((one) => one.ip ?? one.hostname ?? ''));
      return ips.length === 0 ? '<pending>' : ips.join(',');
    }
    default:
      return orNone(ips.join(','));
  }
}

function portsText(ports: readonly DeepReadonly<ServicePort>[]): string {
  return orNone(ports.map((port) => `${port.port}${port.nodePort ? `:${port.nodePort}` : ''}/${port.protocol ?? 'TCP'}`).join(','));
}

export const serviceKind = defineKind<'Service'>({
  kind: 'Service',
  oneofCase: 'service',
  nameRule: 'label1035',
  selectableFields: { 'spec.clusterIP': ({ spec }) => spec?.clusterIP ?? '', 'spec.type': ({ spec }) => spec?.type ?? '' },
  columns: [
    nameColumn(),
    textColumn('Type', ({ spec }) => spec?.type ?? ''),
    textColumn('Cluster-IP', ({ spec }) => orNone(spec?.clusterIP)),
    textColumn('External-IP', externalText),
    textColumn('Port(s)', ({ spec }) => portsText(spec?.ports ?? [])),
    textColumn('Age', ({ metadata }, { now }) => age(metadata?.creationTimestamp, now)),
    textColumn('Selector', ({ spec }) => labelsText(spec?.selector), true),
  ],
  setDefaults({ spec }) {
    if (spec !== undefined) setSpecDefaults(spec);
  },
  prepareForCreate(service) {
    service.status = ServiceStatus.create({ loadBalancer: {} });
  },
  validate: ({ spec }) => (spec === undefined ? [required(SPEC.child('ports'))] : validateSpec(spec)),
  validateUpdate: (next, previous) =>
    previous.spec?.clusterIP && next.spec?.clusterIP && next.spec.type !== 'ExternalName'
      ? mustNotChange(next.spec.clusterIP, previous.spec.clusterIP, SPEC.child('clusterIPs').index(0), 'may not change once set')
      : [],
});
