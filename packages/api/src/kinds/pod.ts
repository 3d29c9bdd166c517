// Pods: names, defaults, what may be written when, validation. Fields of the spec are in pod-spec/, columns in pod-columns.ts.

import { type FieldError, forbidden, invalid, Path, required } from '../errors.js';
import { EPOCH_ANNOTATION, validateFencing, validateFencingUpdate } from '../fencing.js';
import { PodSpec, PodStatus } from '../gen/podplane/core/v1/pod.js';
import { dnsSubdomainProblems } from '../names.js';
import { claimOf } from '../storage/pod-claims.js';
import { defineKind } from './define.js';
import type { Obj } from './kind-map.js';
import { podColumns } from './pod-columns.js';
import { setPodDefaults } from './pod-spec/defaults.js';
import { validateDeletionCost } from './pod-spec/deletion-cost.js';
import { keepGivenToken } from './pod-spec/given-token.js';
import { qosClass } from './pod-spec/qos.js';
import { validateBackOff } from './pod-spec/restart-rules.js';
import { validatePodSpec } from './pod-spec/spec.js';
import { validatePodSpecUpdate } from './pod-spec/update.js';
import { annotationWarnings, podSpecWarnings } from './pod-spec/warnings.js';
import { validatePodStatusUpdate } from './pod-status.js';

const SPEC = Path.of('spec');
const ANNOTATIONS = Path.of('metadata', 'annotations');

const GATED = {
  type: 'PodScheduled',
  status: 'False',
  reason: 'SchedulingGated',
  message: 'Scheduling is blocked due to non-empty scheduling gates',
};

function validatePod(pod: Obj<'Pod'>): FieldError[] {
  const annotations = validateBackOff(pod.metadata?.annotations ?? {}, pod.spec, ANNOTATIONS);
  if (pod.spec === undefined) return [...annotations, required(SPEC.child('containers'))];
  return [...annotations, ...validatePodSpec(pod.spec, SPEC, true)];
}

/** The names of the claims that are made for its volumes, after its own name is known. */
function validateOwnClaims(pod: Obj<'Pod'>): FieldError[] {
  const { metadata, spec } = pod;
  if (!metadata?.name) return [];
  return (spec?.volumes ?? []).flatMap((volume, i) => {
    const claim = claimOf(pod, volume);
    if (claim?.own !== true || volume.name === '') return [];
    const at = SPEC.child('volumes').index(i).child('name');
    return dnsSubdomainProblems(claim.name).map((problem) =>
      invalid(at, volume.name, `PVC name ${JSON.stringify(claim.name)}: ${problem}`),
    );
  });
}

function validateGates({ spec }: Obj<'Pod'>): FieldError[] {
  if (spec === undefined || !spec.nodeName || spec.schedulingGates.length === 0) return [];
  return [forbidden(SPEC.child('nodeName'), 'cannot be set until all schedulingGates have been cleared')];
}

export const podKind = defineKind<'Pod'>({
  kind: 'Pod',
  oneofCase: 'pod',
  hasGeneration: true,
  columns: podColumns,
  selectableFields: {
    'spec.nodeName': (pod) => pod.spec?.nodeName ?? '',
    'spec.restartPolicy': (pod) => pod.spec?.restartPolicy ?? '',
    'spec.schedulerName': (pod) => pod.spec?.schedulerName ?? '',
    'spec.serviceAccountName': (pod) => pod.spec?.serviceAccountName ?? '',
    'spec.hostNetwork': (pod) => String(pod.spec?.hostNetwork ?? false),
    'status.phase': (pod) => pod.status?.phase ?? '',
    'status.podIP': (pod) => pod.status?.podIP ?? '',
    'status.nominatedNodeName': (pod) => pod.status?.nominatedNodeName ?? '',
  },
  names: 'host',
  setDefaults: setPodDefaults,
  prepareForCreate(pod, now) {
    const spec = (pod.spec ??= PodSpec.create());
    spec.serviceAccountName ||= 'default';
    spec.serviceAccount = spec.serviceAccountName;
    const conditions =
      spec.schedulingGates.length === 0
        ? []
        : [{ ...GATED, observedGeneration: 1, lastTransitionTime: `${new Date(now).toISOString().slice(0, 19)}Z` }];
    pod.status = PodStatus.create({ phase: 'Pending', qosClass: qosClass(spec), conditions });
  },
  prepareForUpdate({ metadata, spec }, previous) {
    const epoch = previous.metadata?.annotations[EPOCH_ANNOTATION];
    if (metadata !== undefined && epoch !== undefined) metadata.annotations[EPOCH_ANNOTATION] ??= epoch;
    if (spec === undefined || previous.spec === undefined) return;
    // What the server has set is not unset by sending the manifest again.
    spec.nodeName ||= previous.spec.nodeName;
    spec.serviceAccountName ||= previous.spec.serviceAccountName;
    spec.serviceAccount ||= previous.spec.serviceAccount;
    keepGivenToken(spec, previous.spec);
  },
  validate: (pod) => [
    ...validateFencing(pod.metadata?.annotations ?? {}, ANNOTATIONS, 'pod'),
    ...validatePod(pod),
    ...validateOwnClaims(pod),
    ...validateGates(pod),
  ],
  validateNew: ({ metadata, spec }) => [
    ...validateDeletionCost(metadata?.annotations ?? {}, ANNOTATIONS),
    ...((spec?.ephemeralContainers.length ?? 0) > 0 ? [forbidden(SPEC.child('ephemeralContainers'), 'cannot be set on create')] : []),
  ],
  validateUpdate: (next, previous) => [
    ...validateFencingUpdate(next, previous, ANNOTATIONS),
    ...validateDeletionCost(next.metadata?.annotations ?? {}, ANNOTATIONS, previous.metadata?.annotations),
    ...(next.spec === undefined || previous.spec === undefined ? [] : validatePodSpecUpdate(next.spec, previous.spec, SPEC)),
  ],
  validateStatusUpdate: validatePodStatusUpdate,
  warnings: ({ metadata, spec }) => [...annotationWarnings(metadata?.annotations, ANNOTATIONS), ...podSpecWarnings(spec, SPEC)],
});
