// ControllerRevisions: validation, columns.
import { type FieldError, invalid, Path, required } from '../errors.js';
import { age, NONE } from '../print.js';
import { defineKind, intColumn, nameColumn, textColumn } from './define.js';
import type { Obj } from './kind-map.js';
import { isKind, kindNames } from './kind-names.js';
import { mustNotChange } from './object-meta.js';

function controllerText(revision: Obj<'ControllerRevision'>): string {
  const owner = revision.metadata?.ownerReferences.find((one) => one.controller === true);
  if (owner === undefined) return NONE;
  const group = owner.apiVersion.includes('/') ? `.${owner.apiVersion.split('/')[0] ?? ''}` : '';
  return `${isKind(owner.kind) ? kindNames[owner.kind].singular : owner.kind.toLowerCase()}${group}/${owner.name}`;
}

export const controllerRevisionKind = defineKind<'ControllerRevision'>({
  kind: 'ControllerRevision',
  oneofCase: 'controllerRevision',
  columns: [
    nameColumn(),
    textColumn('Controller', controllerText),
    intColumn('Revision', (revision) => revision.revision),
    textColumn('Age', (revision, { now }) => age(revision.metadata?.creationTimestamp, now)),
  ],
  validate({ data, revision }) {
    const out: FieldError[] = [];
    if (data === undefined) out.push(required(Path.of('data'), 'data is mandatory'));
    if (revision < 0) out.push(invalid(Path.of('revision'), revision, 'must be greater than or equal to 0'));
    return out;
  },
  validateUpdate: (next, previous) => mustNotChange(next.data, previous.data, Path.of('data')),
});
