// Pods: names, defaults, what may be written when, validation. Fields of the spec are in pod-spec/, columns in pod-columns.ts.

import { forbidden, Path, required } from '../errors.js';
import { EPOCH_ANNOTATION, validateFencing, validateFencingUpdate } from '../fencing.js';
import { PodSpec, PodStatus } from '../gen/podplane/core/v1/pod.js';
import { defineKind } from './define.js';
import { podColumns } from './pod-columns.js';
import { setPodDefaults } from './pod-spec/defaults.js';
import { qosClass } from './pod-spec/qos.js';
import { validatePodSpec } from './pod-spec/spec.js';
import { validatePodSpecUpdate } from './pod-spec/update.js';
import { podSpecWarnings } from './pod-spec/warnings.js';
import { validatePodStatusUpdate } from './pod-status.js';

const SPEC = Path.of('spec');
const ANNOTATIONS = Path.of('metadata', 'annotations');

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
  setDefaults: setPodDefaults,
  prepareForCreate(pod) {
    const spec = (pod.spec ??= PodSpec.create());
    spec.serviceAccountName ||= 'default';
    spec.serviceAccount = spec.serviceAccountName;
    pod.status = PodStatus.create({ phase: 'Pending', qosClass: qosClass(spec) });
  },
  prepareForUpdate({ metadata, spec }, previous) {
    const epoch = previous.metadata?.annotations[EPOCH_ANNOTATION];
    if (metadata !== undefined && epoch !== undefined) metadata.annotations[EPOCH_ANNOTATION] ??= epoch;
    if (spec === undefined || previous.spec === undefined) return;
    // What the server has set is not unset by sending the manifest again.
    spec.nodeName ||= previous.spec.nodeName;
    spec.serviceAccountName ||= previous.spec.serviceAccountName;
    spec.serviceAccount ||= previous.spec.serviceAccount;
  },
  validate: (pod) => [
    ...validateFencing(pod.metadata?.annotations ?? {}, ANNOTATIONS, 'pod'),
    ...(pod.spec === undefined ? [required(SPEC.child('containers'))] : validatePodSpec(pod.spec, SPEC, true)),
  ],
  validateNew: ({ spec }) =>
    (spec?.ephemeralContainers.length ?? 0) > 0 ? [forbidden(SPEC.child('ephemeralContainers'), 'cannot be set on create')] : [],
  validateUpdate: (next, previous) => [
    ...validateFencingUpdate(next, previous, ANNOTATIONS),
    ...(next.spec === undefined || previous.spec === undefined ? [] : validatePodSpecUpdate(next.spec, previous.spec, SPEC)),
  ],
  validateStatusUpdate: validatePodStatusUpdate,
  warnings: ({ spec }) => podSpecWarnings(spec, SPEC),
});
