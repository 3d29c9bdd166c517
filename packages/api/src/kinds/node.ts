// Nodes: defaults, validation, columns.
import { duplicate, type FieldError, forbidden, invalid, notSupported, Path, required } from '../errors.js';
import { labelValueProblems, qualifiedNameProblems } from '../names.js';
import { age, NONE, orNone } from '../print.js';
import { defineKind, nameColumn, textColumn } from './define.js';
import type { Obj } from './kind-map.js';
import { validateResourceMap } from './pod-spec/resources.js';

const SPEC = Path.of('spec');
const STATUS = Path.of('status');
const EFFECTS = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'] as const;

function statusText(node: Obj<'Node'>): string {
  const ready = node.status?.conditions.find((one) => one.type === 'Ready');
  const word = ready === undefined ? 'Unknown' : ready.status === 'True' ? 'Ready' : 'NotReady';
  return node.spec?.unschedulable === true ? `${word},SchedulingDisabled` : word;
}

function rolesText(node: Obj<'Node'>): string {
  const roles = new Set<string>();
  for (const [key, value] of Object.entries(node.metadata?.labels ?? {})) {
    if (key.startsWith('node-role.kubernetes.io/')) {
      const role = key.slice('node-role.kubernetes.io/'.length);
      if (role !== '') roles.add(role);
    } else if (key === 'kubernetes.io/role' && value !== '') {
      roles.add(value);
    }
  }
  return orNone([...roles].sort().join(','));
}

function addressText(node: Obj<'Node'>, type: string): string {
  return node.status?.addresses.find((one) => one.type === type)?.address ?? NONE;
}

function unknownIfEmpty(text: string | undefined): string {
  return text === undefined || text === '' ? '<unknown>' : text;
}

const CIDR4 = /^((?:[0-9]{1,3}\.){3}[0-9]{1,3})\/([0-9]|[12][0-9]|3[0-2])$/;
const CIDR6 = /^[0-9a-fA-F:.]*:[0-9a-fA-F:.]*\/([0-9]|[1-9][0-9]|1[01][0-9]|12[0-8])$/;

/** Faults of what is not its status. */
export function validateNode(node: Obj<'Node'>): FieldError[] {
  const out: FieldError[] = [];
  const seen = new Set<string>();
  for (const [i, taint] of (node.spec?.taints ?? []).entries()) {
    const at = SPEC.child('taints').index(i);
    if (taint.key === '') out.push(required(at.child('key')));
    else for (const problem of qualifiedNameProblems(taint.key)) out.push(invalid(at.child('key'), taint.key, problem));
    for (const problem of labelValueProblems(taint.value ?? '')) out.push(invalid(at.child('value'), taint.value, problem));
    if (taint.effect === '') out.push(required(at.child('effect')));
    else if (!EFFECTS.some((one) => one === taint.effect)) out.push(notSupported(at.child('effect'), taint.effect, EFFECTS));
    const identity = JSON.stringify([taint.key, taint.effect]);
    if (seen.has(identity)) out.push(duplicate(at, `${taint.key}:${taint.effect}`));
    seen.add(identity);
  }
  const cidrs = node.spec?.podCIDRs ?? [];
  for (const [i, cidr] of cidrs.entries()) {
    if (!CIDR4.test(cidr) && !CIDR6.test(cidr))
      out.push(invalid(SPEC.child('podCIDRs').index(i), cidr, 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)'));
  }
  if (node.spec?.podCIDR && cidrs.length > 0 && cidrs[0] !== node.spec.podCIDR) {
    out.push(invalid(SPEC.child('podCIDRs').index(0), cidrs[0], 'must be the same as podCIDR'));
  }
  return out;
}

/** Faults of its status. */
export function validateNodeStatus(node: Obj<'Node'>): FieldError[] {
  const out: FieldError[] = [];
  out.push(...validateResourceMap(node.status?.capacity ?? {}, STATUS.child('capacity')));
  out.push(...validateResourceMap(node.status?.allocatable ?? {}, STATUS.child('allocatable')));
  const seen = new Set<string>();
  for (const [i, { type, address }] of (node.status?.addresses ?? []).entries()) {
    const identity = JSON.stringify([type, address]);
    if (seen.has(identity)) out.push(duplicate(STATUS.child('addresses').index(i), { type, address }));
    seen.add(identity);
  }
  return out;
}

export const nodeKind = defineKind<'Node'>({
  kind: 'Node',
  oneofCase: 'node',
  selectableFields: { 'spec.unschedulable': (node) => String(node.spec?.unschedulable ?? false) },
  columns: [
    nameColumn(),
    textColumn('Status', statusText),
    textColumn('Roles', rolesText),
    textColumn('Age', (node, { now }) => age(node.metadata?.creationTimestamp, now)),
    textColumn('Version', (node) => node.status?.nodeInfo?.kubeletVersion ?? ''),
    textColumn('Internal-IP', (node) => addressText(node, 'InternalIP'), true),
    textColumn('External-IP', (node) => addressText(node, 'ExternalIP'), true),
    textColumn('OS-Image', (node) => unknownIfEmpty(node.status?.nodeInfo?.osImage), true),
    textColumn('Kernel-Version', (node) => unknownIfEmpty(node.status?.nodeInfo?.kernelVersion), true),
    textColumn('Container-Runtime', (node) => unknownIfEmpty(node.status?.nodeInfo?.containerRuntimeVersion), true),
  ],
  setDefaults(node) {
    if (node.status !== undefined && Object.keys(node.status.allocatable).length === 0)
      node.status.allocatable = { ...node.status.capacity };
  },
  validate: validateNode,
  validateUpdate(next, previous) {
    const out: FieldError[] = [];
    if (previous.spec?.podCIDR && next.spec?.podCIDR !== previous.spec.podCIDR) {
      out.push(forbidden(SPEC.child('podCIDR'), 'node updates may not change podCIDR except from "" to valid'));
    }
    if (previous.spec?.providerID && next.spec?.providerID !== previous.spec.providerID) {
      out.push(forbidden(SPEC.child('providerID'), 'node updates may not change providerID except from "" to valid'));
    }
    return out;
  },
  validateStatusUpdate: validateNodeStatus,
});
