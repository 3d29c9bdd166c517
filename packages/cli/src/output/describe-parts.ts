// Parts of what `describe` prints that several kinds have. Pure. The kinds themselves are in the files beside.
import { LAST_APPLIED } from '@podplane/api/patch';
import type { AnyObject } from '../kinds.js';
import type { Sheet } from './sheet.js';
import { Table } from './table.js';

/** The lines of a text that has its own ("0/3 nodes are available:\n..."), below one another. */
export function block(sheet: Sheet, text: string): void {
  for (const line of text.split('\n')) sheet.line(line);
}

/** Labels, annotations and the like, in the order of their keys. */
export function map(sheet: Sheet, name: string, values: Readonly<Record<string, string>> | undefined): void {
  const entries = Object.entries(values ?? {}).filter(([key]) => key !== LAST_APPLIED);
  sheet.list(
    name,
    entries.toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([key, value]) => `${key}${name === 'Annotations' ? ': ' : '='}${value}`),
  );
}

export function head(sheet: Sheet, object: AnyObject): void {
  const { metadata } = object;
  sheet.field('Name', metadata?.name ?? '');
  if (metadata?.namespace) sheet.field('Namespace', metadata.namespace);
}

export function meta(sheet: Sheet, object: AnyObject): void {
  map(sheet, 'Labels', object.metadata?.labels);
  map(sheet, 'Annotations', object.metadata?.annotations);
}

/** Quantities below a heading; nothing where there are none. */
export function amounts(sheet: Sheet, name: string, values: Readonly<Record<string, string>> | undefined): void {
  const entries = Object.entries(values ?? {});
  if (entries.length === 0) return;
  sheet.heading(name);
  sheet.nested(() => {
    for (const [key, value] of entries) sheet.field(key, value);
  });
}

export function conditions(
  sheet: Sheet,
  list: readonly {
    readonly type: string;
    readonly status: string;
    readonly reason?: string | undefined;
    readonly message?: string | undefined;
  }[],
): void {
  if (list.length === 0) return;
  sheet.heading('Conditions');
  sheet.table(
    new Table(['Type', 'Status', 'Reason', 'Message']).render(
      list.map(({ type, status, reason, message }) => [type, status, reason ?? '', (message ?? '').split('\n')[0] ?? '']),
    ),
  );
}
