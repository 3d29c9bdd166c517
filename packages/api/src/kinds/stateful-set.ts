// StatefulSets: defaults, validation, columns.

import { duplicate, type FieldError, forbidden, invalid, notSupported, Path, required } from '../errors.js';
import {
  RollingUpdateStatefulSetStrategy,
  StatefulSetPersistentVolumeClaimRetentionPolicy,
  StatefulSetSpec,
  StatefulSetStatus,
  StatefulSetUpdateStrategy,
} from '../gen/podplane/apps/v1/stateful_set.js';
import { dnsLabelProblems } from '../names.js';
import { age } from '../print.js';
import { setClaimDefaults, validateClaimSpec } from './claim-spec.js';
import { defineKind, nameColumn, textColumn } from './define.js';
import { deepEqual } from './equal.js';
import { intOrPercentValue, validateNonNegativeIntOrPercent, validateNotMoreThanHundredPercent } from './int-or-string.js';
import type { DeepReadonly } from './kind-map.js';
import { setTemplateDefaults } from './pod-spec/defaults.js';
import { byteWarnings, templateWarnings } from './pod-spec/warnings.js';
import { templateColumns, validateSelectorAndTemplate } from './pod-template.js';
import { validateCollisions, validateStatefulSetStatus } from './workload-status.js';

const SPEC = Path.of('spec');
const NOT_NEGATIVE = 'must be greater than or equal to 0';
const MAY_CHANGE: ReadonlySet<string> = new Set([
  'replicas',
  'ordinals',
  'template',
  'updateStrategy',
  'revisionHistoryLimit',
  'persistentVolumeClaimRetentionPolicy',
  'minReadySeconds',
]);

type Spec = DeepReadonly<StatefulSetSpec>;

function validateStrategy(strategy: Spec['updateStrategy'], path: Path): FieldError[] {
  switch (strategy?.type) {
    case 'OnDelete':
      return strategy.rollingUpdate === undefined
        ? []
        : [invalid(path.child('rollingUpdate'), strategy.rollingUpdate, "only allowed for updateStrategy 'RollingUpdate'")];
    case 'RollingUpdate': {
      const at = path.child('rollingUpdate');
      const partition = strategy.rollingUpdate?.partition ?? 0;
      const out = partition < 0 ? [invalid(at.child('partition'), partition, NOT_NEGATIVE)] : [];
      const unavailable = strategy.rollingUpdate?.maxUnavailable;
      if (unavailable === undefined) return out;
      out.push(...validateNonNegativeIntOrPercent(unavailable, at.child('maxUnavailable')));
      if (intOrPercentValue(unavailable) === 0) out.push(invalid(at.child('maxUnavailable'), unavailable, 'cannot be 0'));
      return [...out, ...validateNotMoreThanHundredPercent(unavailable, at.child('maxUnavailable'))];
    }
    case undefined:
    case '':
      return [required(path)];
    default:
      return [invalid(path, strategy, "must be 'RollingUpdate' or 'OnDelete'")];
  }
}

const RETENTIONS = ['Retain', 'Delete'] as const;

function validateClaims({ volumeClaimTemplates }: Spec): FieldError[] {
  const out: FieldError[] = [];
  const names = new Set<string>();
  for (const [i, { metadata, spec }] of volumeClaimTemplates.entries()) {
    const at = SPEC.child('volumeClaimTemplates').index(i);
    const name = metadata?.name ?? '';
    const path = at.child('metadata', 'name');
    if (name === '') out.push(required(path));
    else for (const problem of dnsLabelProblems(name)) out.push(invalid(path, name, problem));
    if (name !== '' && names.has(name)) out.push(duplicate(path, name));
    names.add(name);
    if (spec === undefined) out.push(required(at.child('spec')));
    else out.push(...validateClaimSpec(spec, at.child('spec')));
  }
  return out;
}

/** The template as its pods will have it: claims are volumes that containers may mount. */
function withClaims({ template, volumeClaimTemplates }: Spec): Spec['template'] {
  if (template?.spec === undefined || volumeClaimTemplates.length === 0) return template;
  const names = new Set(volumeClaimTemplates.map(({ metadata }) => metadata?.name ?? ''));
  const kept = template.spec.volumes.filter(({ name }) => !names.has(name));
  // Behind the others, so that paths of faults stay right.
  const claims = [...names].filter((name) => name !== '').map((name) => ({ name, persistentVolumeClaim: { claimName: name } }));
  return { ...template, spec: { ...template.spec, volumes: [...kept, ...claims] } };
}

function validateSpec(spec: Spec): FieldError[] {
  const out: FieldError[] = [];
  const policy = spec.podManagementPolicy;
  if (!policy) out.push(required(SPEC.child('podManagementPolicy')));
  else if (policy !== 'OrderedReady' && policy !== 'Parallel') {
    out.push(invalid(SPEC.child('podManagementPolicy'), policy, "must be 'OrderedReady' or 'Parallel'"));
  }
  out.push(...validateStrategy(spec.updateStrategy, SPEC.child('updateStrategy')));
  for (const field of ['whenDeleted', 'whenScaled'] as const) {
    const value = spec.persistentVolumeClaimRetentionPolicy?.[field] ?? 'Retain';
    if (!RETENTIONS.some((one) => one === value))
      out.push(notSupported(SPEC.child('persistentVolumeClaimRetentionPolicy', field), value, RETENTIONS));
  }
  for (const field of ['replicas', 'minReadySeconds'] as const) {
    const value = spec[field];
    if (value !== undefined && value < 0) out.push(invalid(SPEC.child(field), value, NOT_NEGATIVE));
  }
  const start = spec.ordinals?.start ?? 0;
  if (start < 0) out.push(invalid(SPEC.child('ordinals', 'start'), start, NOT_NEGATIVE));
  out.push(...validateClaims(spec));
  return [...out, ...validateSelectorAndTemplate(spec.selector, withClaims(spec), SPEC, 'statefulset')];
}

function validateChange(next: Spec | undefined, previous: Spec | undefined): FieldError[] {
  if (next === undefined || previous === undefined) return [];
  const fields = new Set([...Object.keys(next), ...Object.keys(previous)]) as ReadonlySet<keyof Spec>;
  for (const field of fields) {
    if (MAY_CHANGE.has(field) || deepEqual(next[field], previous[field])) continue;
    const names = [...MAY_CHANGE].map((one) => `'${one}'`);
    const words = `${names.slice(0, -1).join(', ')} and ${names.at(-1) ?? ''}`;
    return [forbidden(SPEC, `updates to statefulset spec for fields other than ${words} are forbidden`)];
  }
  return [];
}

function claimWarnings(spec: Spec | undefined): string[] {
  return (spec?.volumeClaimTemplates ?? []).flatMap(({ spec: claim }, i) =>
    byteWarnings(claim?.resources, SPEC.child('volumeClaimTemplates').index(i).child('spec', 'resources'), ['storage']),
  );
}

function historyWarnings(spec: Spec | undefined): string[] {
  return (spec?.revisionHistoryLimit ?? 0) < 0
    ? ['spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended']
    : [];
}

export const statefulSetKind = defineKind<'StatefulSet'>({
  kind: 'StatefulSet',
  oneofCase: 'statefulSet',
  hasGeneration: true,
  // Names of its pods are host names.
  nameRule: 'label',
  columns: [
    nameColumn(),
    textColumn('Ready', ({ spec, status }) => `${status?.readyReplicas ?? 0}/${spec?.replicas ?? 1}`),
    textColumn('Age', ({ metadata }, { now }) => age(metadata?.creationTimestamp, now)),
    ...templateColumns<'StatefulSet'>().filter(({ name }) => name !== 'Selector'),
  ],
  setDefaults(set) {
    const spec = (set.spec ??= StatefulSetSpec.create());
    spec.replicas ??= 1;
    spec.podManagementPolicy ||= 'OrderedReady';
    const strategy = (spec.updateStrategy ??= StatefulSetUpdateStrategy.create());
    if (!strategy.type) {
      strategy.type = 'RollingUpdate';
      strategy.rollingUpdate ??= RollingUpdateStatefulSetStrategy.create();
    }
    if (strategy.type === 'RollingUpdate' && strategy.rollingUpdate !== undefined) strategy.rollingUpdate.partition ??= 0;
    const policy = (spec.persistentVolumeClaimRetentionPolicy ??= StatefulSetPersistentVolumeClaimRetentionPolicy.create());
    policy.whenDeleted ||= 'Retain';
    policy.whenScaled ||= 'Retain';
    for (const claim of spec.volumeClaimTemplates) {
      claim.apiVersion = 'v1';
      claim.kind = 'PersistentVolumeClaim';
      setClaimDefaults(claim.spec);
    }
    spec.revisionHistoryLimit ??= 10;
    setTemplateDefaults(spec.template);
  },
  prepareForCreate(set) {
    set.status = StatefulSetStatus.create();
  },
  validate: ({ spec }) => validateSpec(spec ?? StatefulSetSpec.create()),
  warnings: ({ spec }) => [...templateWarnings(spec?.template, SPEC.child('template')), ...claimWarnings(spec), ...historyWarnings(spec)],
  validateUpdate: (next, previous) => validateChange(next.spec, previous.spec),
  validateStatusUpdate: ({ status }, previous) => [...validateStatefulSetStatus(status), ...validateCollisions(status, previous.status)],
});
