// Namespaces: defaults, validation, columns.
import { invalid } from '../errors.js';
import { NamespaceStatus } from '../gen/podplane/core/v1/namespace.js';
import { age } from '../print.js';
import { defineKind, nameColumn, textColumn } from './define.js';

/** The label by which selectors find a namespace by name. */
export const NAMESPACE_NAME_LABEL = 'kubernetes.io/metadata.name';

export const namespaceKind = defineKind<'Namespace'>({
  kind: 'Namespace',
  oneofCase: 'namespace',
  nameRule: 'label',
  selectableFields: { 'status.phase': (namespace) => namespace.status?.phase ?? '' },
  columns: [
    nameColumn(),
    textColumn('Status', (namespace) => namespace.status?.phase ?? ''),
    textColumn('Age', (namespace, { now }) => age(namespace.metadata?.creationTimestamp, now)),
  ],
  setDefaults({ metadata }) {
    if (metadata?.name) metadata.labels[NAMESPACE_NAME_LABEL] = metadata.name;
  },
  prepareForCreate(namespace) {
    namespace.status = NamespaceStatus.create({ phase: 'Active' });
  },
  // Its finalizers are let go of by whoever has emptied it, not by sending a manifest without them.
  prepareForUpdate(next, { spec }) {
    next.spec = spec === undefined ? undefined : { finalizers: [...spec.finalizers] };
  },
  validateStatusUpdate({ metadata, status }) {
    const phase = status?.phase ?? '';
    const at = 'status.Phase'; // written so by Kubernetes
    if (metadata?.deletionTimestamp === undefined)
      return phase === 'Active' ? [] : [invalid(at, phase, "may only be 'Active' if `deletionTimestamp` is empty")];
    return phase === 'Terminating' ? [] : [invalid(at, phase, "may only be 'Terminating' if `deletionTimestamp` is not empty")];
  },
});
