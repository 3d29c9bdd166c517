// ServiceAccounts: columns. Nothing in them can be wrong but metadata.
import { age } from '../print.js';
import { defineKind, intColumn, nameColumn, textColumn } from './define.js';

export const serviceAccountKind = defineKind<'ServiceAccount'>({
  kind: 'ServiceAccount',
  oneofCase: 'serviceAccount',
  columns: [
    nameColumn(),
    intColumn('Secrets', (account) => account.secrets.length),
    textColumn('Age', (account, { now }) => age(account.metadata?.creationTimestamp, now)),
  ],
});
