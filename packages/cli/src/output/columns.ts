// The tables of `get`: the catalogue's columns of a kind, with namespace, kind and labels around them where asked for.
import { kindInfo } from '@podplane/api/kinds/catalogue';
import type { Column } from '@podplane/api/kinds/kind-info';
import type { Kind } from '@podplane/api/kinds/kind-map';
import { labelsText } from '@podplane/api/print';
import { type AnyObject, fullName } from '../kinds.js';
import { Table } from './table.js';

export interface TableOptions {
  readonly wide: boolean;
  /** NAMESPACE in front. */
  readonly withNamespace: boolean;
  /** KIND/ before the name: several kinds are shown. */
  readonly withKind: boolean;
  readonly showLabels: boolean;
  /** Values of these labels, in columns named after what is behind their last slash. */
  readonly labelColumns?: readonly string[];
  readonly noHeaders: boolean;
}

export interface ObjectTable {
  /** Lines of these objects; the first time with headers above. now: ms since 1970, for ages. */
  render(objects: readonly AnyObject[], now: number): string;
}

/** A table of objects of one kind. */
export function objectTable(kind: Kind, options: TableOptions): ObjectTable {
  const columns = (kindInfo(kind).columns as readonly Column<Kind>[]).filter((column) => options.wide || !column.wide);
  const headers = [
    ...(options.withNamespace ? ['Namespace'] : []),
    ...columns.map(({ name }) => name),
    ...(options.labelColumns ?? []).map((label) => label.slice(label.lastIndexOf('/') + 1)),
    ...(options.showLabels ? ['Labels'] : []),
  ];
  const table = new Table(headers, { noHeaders: options.noHeaders });
  return {
    render(objects, now) {
      return table.render(
        objects.map((object) => {
          const cells = columns.map((column) => {
            const value = column.value(object, { now });
            return options.withKind && column.name === 'Name' ? fullName(kind, value) : value;
          });
          if (options.withNamespace) cells.unshift(object.metadata?.namespace ?? '');
          cells.push(...(options.labelColumns ?? []).map((label) => object.metadata?.labels[label] ?? ''));
          if (options.showLabels) cells.push(labelsText(object.metadata?.labels));
          return cells;
        }),
      );
    },
  };
}
