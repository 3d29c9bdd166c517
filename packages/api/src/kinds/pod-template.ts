// What workloads have in common: a template of pods, the selector that finds them, columns about both. No workload itself.

import { type FieldError, forbidden, invalid, notSupported, type Path, required } from '../errors.js';
import { validateFencing } from '../fencing.js';
import { PodTemplateSpec } from '../gen/podplane/core/v1/pod.js';
import type { LabelSelector } from '../gen/podplane/meta/v1/meta.js';
import { NONE, orNone } from '../print.js';
import { compileLabelSelector, labelSelectorText } from '../selectors.js';
import { textColumn } from './define.js';
import type { Column, Readable } from './kind-info.js';
import type { DeepReadonly, Kind } from './kind-map.js';
import { validateAnnotations, validateLabels } from './object-meta.js';
import { validateDeletionCost } from './pod-spec/deletion-cost.js';
import { validateBackOff } from './pod-spec/restart-rules.js';
import { validatePodSpec } from './pod-spec/spec.js';
import { validateLabelSelector } from './selector-validation.js';

type Template = DeepReadonly<PodTemplateSpec>;
type Selector = DeepReadonly<LabelSelector>;

/**
 * Faults of a template and of the selector that must match it. Restart policies other than Always make no sense in replicated pods.
 * word: the kind, as messages call it.
 */
export function validateSelectorAndTemplate(
  selector: Selector | undefined,
  template: Template | undefined,
  path: Path,
  word: 'deployment' | 'daemonset' | 'statefulset' = 'deployment',
): FieldError[] {
  const out: FieldError[] = [];
  const at = path.child('selector');
  const templatePath = path.child('template');
  const labels = template?.metadata?.labels ?? {};
  const mismatch = (): void => {
    const shown = Object.keys(labels).length === 0 ? undefined : labels;
    out.push(invalid(templatePath.child('metadata', 'labels'), shown, '`selector` does not match template `labels`'));
  };
  if (selector === undefined) {
    out.push(required(at));
    mismatch(); // it selects nothing
  } else {
    const faults = validateLabelSelector(selector, at);
    out.push(...faults);
    if (Object.keys(selector.matchLabels).length + selector.matchExpressions.length === 0) {
      out.push(invalid(at, selector, `empty selector is invalid for ${word}`));
    } else if (faults.length > 0) {
      if (word !== 'daemonset') out.push(invalid(at, selector, word === 'deployment' ? 'invalid label selector' : ''));
    } else if (!compileLabelSelector(selector)(labels)) mismatch();
  }
  return [...out, ...validateLastingTemplate(template ?? NO_TEMPLATE, templatePath, LASTING[word])];
}

const NO_TEMPLATE = PodTemplateSpec.create();

/** Kinds as messages call them that say what their pods cannot do. */
const LASTING = { deployment: 'ReplicaSet', daemonset: 'DaemonSet', statefulset: 'StatefulSet' } as const;

/** Faults of a template of pods that are to run for ever: none may end by itself. kind: as messages call it. */
export function validateLastingTemplate(template: Template, path: Path, kind: string): FieldError[] {
  const out = validateTemplate(template, path);
  const policy = template.spec?.restartPolicy;
  if (policy !== undefined && policy !== '' && policy !== 'Always')
    out.push(notSupported(path.child('spec', 'restartPolicy'), policy, ['Always']));
  if (template.spec?.activeDeadlineSeconds !== undefined) {
    out.push(forbidden(path.child('spec', 'activeDeadlineSeconds'), `activeDeadlineSeconds in ${kind} is not Supported`));
  }
  return out;
}

/** Faults of a template itself. */
export function validateTemplate(template: Template, path: Path): FieldError[] {
  const out = validateLabels(template.metadata?.labels ?? {}, path.child('metadata', 'labels'));
  const annotations = template.metadata?.annotations ?? {};
  out.push(...validateAnnotations(annotations, path.child('metadata', 'annotations')));
  out.push(...validateFencing(annotations, path.child('metadata', 'annotations'), 'template'));
  out.push(...validateDeletionCost(annotations, path.child('metadata', 'annotations')));
  out.push(...validateBackOff(annotations, template.spec, path.child('metadata', 'annotations')));
  const specPath = path.child('spec');
  if (template.spec === undefined) return [...out, required(specPath.child('containers'))];
  return [...out, ...validatePodSpec(template.spec, specPath)];
}

type Workload = { readonly spec?: { readonly template?: Template | undefined; readonly selector?: Selector | undefined } | undefined };

/** CONTAINERS and IMAGES of a template. */
export function containerColumns<K extends Kind>(template: (object: Readable<K>) => Template | undefined, wide: boolean): Column<K>[] {
  const all = (object: Readable<K>): NonNullable<Template['spec']>['containers'] => template(object)?.spec?.containers ?? [];
  return [
    textColumn(
      'Containers',
      (object) =>
        orNone(
          all(object)
            .map((one) => one.name)
            .join(','),
        ),
      wide,
    ),
    textColumn(
      'Images',
      (object) =>
        orNone(
          all(object)
            .map((one) => one.image ?? '')
            .join(','),
        ),
      wide,
    ),
  ];
}

/** CONTAINERS, IMAGES and SELECTOR of -o wide. */
export function templateColumns<K extends 'Deployment' | 'ReplicaSet' | 'DaemonSet' | 'StatefulSet' | 'Job'>(): Column<K>[] {
  return [
    ...containerColumns<K>((object: Workload) => object.spec?.template, true),
    textColumn(
      'Selector',
      (object: Workload) => (object.spec?.selector === undefined ? NONE : labelSelectorText(object.spec.selector)),
      true,
    ),
  ];
}
