// ServiceAccounts: columns. Nothing in them can be wrong but metadata.
import { ServiceAccount } from '../gen/podplane/core/v1/service_account.js';
import { age } from '../print.js';
import { defineKind, intColumn, nameColumn, textColumn } from './define.js';

export const serviceAccountKind = defineKind<'ServiceAccount'>({
  kind: 'ServiceAccount',
  oneofCase: 'serviceAccount',
  message: ServiceAccount,
  columns: [
    nameColumn(),
    intColumn('Secrets', (account) => account.secrets.length),
    textColumn('Age', (account, { now }) => age(account.metadata?.creationTimestamp, now)),
  ],
});
