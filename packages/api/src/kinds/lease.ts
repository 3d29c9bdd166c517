// Leases: validation, columns.
import { type FieldError, invalid, Path } from '../errors.js';
import { age } from '../print.js';
import { defineKind, nameColumn, textColumn } from './define.js';

const SPEC = Path.of('spec');

export const leaseKind = defineKind<'Lease'>({
  kind: 'Lease',
  oneofCase: 'lease',
  columns: [
    nameColumn(),
    textColumn('Holder', (lease) => lease.spec?.holderIdentity ?? ''),
    textColumn('Age', (lease, { now }) => age(lease.metadata?.creationTimestamp, now)),
  ],
  validate({ spec }) {
    const out: FieldError[] = [];
    if (spec?.leaseDurationSeconds !== undefined && spec.leaseDurationSeconds <= 0) {
      out.push(invalid(SPEC.child('leaseDurationSeconds'), spec.leaseDurationSeconds, 'must be greater than 0'));
    }
    if (spec?.leaseTransitions !== undefined && spec.leaseTransitions < 0) {
      out.push(invalid(SPEC.child('leaseTransitions'), spec.leaseTransitions, 'must be greater than or equal to 0'));
    }
    return out;
  },
});
