// Events: validation, columns. How they are counted together is the server's business.
import { type FieldError, invalid, notSupported, Path } from '../errors.js';
import { age, UNKNOWN } from '../print.js';
import { defineKind, intColumn, nameColumn, textColumn } from './define.js';
import type { Obj } from './kind-map.js';

type E = Obj<'Event'>;

/** Ms since 1970 of the first and the newest time it happened; undefined where the event does not say. */
function times(event: E): { readonly first: string | undefined; readonly last: string | undefined } {
  const first = event.firstTimestamp ?? event.eventTime;
  const last = event.series?.lastObservedTime || (event.lastTimestamp ?? first);
  return { first, last };
}

function countOf(event: E): number {
  return event.series?.count ?? event.count ?? 1;
}

function lastSeen(event: E, now: number): string {
  const { first, last } = times(event);
  if (last === undefined) return UNKNOWN;
  const text = age(last, now);
  const count = countOf(event);
  return count > 1 && first !== undefined ? `${text} (x${count} over ${age(first, now)})` : text;
}

function objectText({ involvedObject: object }: E): string {
  return object?.kind ? `${object.kind.toLowerCase()}/${object.name ?? ''}` : (object?.name ?? '');
}

function sourceText({ source, reportingComponent, reportingInstance }: E): string {
  const component = source?.component || reportingComponent || '';
  const host = source?.host || reportingInstance || '';
  return host === '' ? component : `${component}, ${host}`;
}

function validateEvent(event: E): FieldError[] {
  const out: FieldError[] = [];
  const about = event.involvedObject?.namespace ?? '';
  const namespace = event.metadata?.namespace ?? '';
  // Events about objects without a namespace live in "default".
  if (about === '' ? namespace !== 'default' && namespace !== 'kube-system' : about !== namespace) {
    out.push(invalid(Path.of('involvedObject', 'namespace'), about, 'does not match event.namespace'));
  }
  if (event.type && event.type !== 'Normal' && event.type !== 'Warning')
    out.push(notSupported(Path.of('type'), event.type, ['Normal', 'Warning']));
  if ((event.count ?? 0) < 0) out.push(invalid(Path.of('count'), event.count, 'must be greater than or equal to 0'));
  return out;
}

const about = (field: 'kind' | 'namespace' | 'name' | 'uid' | 'apiVersion' | 'resourceVersion' | 'fieldPath') => (event: E) =>
  event.involvedObject?.[field] ?? '';

export const eventKind = defineKind<'Event'>({
  kind: 'Event',
  oneofCase: 'event',
  selectableFields: {
    'involvedObject.kind': about('kind'),
    'involvedObject.namespace': about('namespace'),
    'involvedObject.name': about('name'),
    'involvedObject.uid': about('uid'),
    'involvedObject.apiVersion': about('apiVersion'),
    'involvedObject.resourceVersion': about('resourceVersion'),
    'involvedObject.fieldPath': about('fieldPath'),
    reason: (event) => event.reason ?? '',
    reportingComponent: (event) => event.reportingComponent ?? '',
    source: (event) => event.source?.component || event.reportingComponent || '',
    type: (event) => event.type ?? '',
  },
  columns: [
    textColumn('Last Seen', (event, { now }) => lastSeen(event, now)),
    textColumn('Type', (event) => event.type ?? ''),
    textColumn('Reason', (event) => event.reason ?? ''),
    textColumn('Object', objectText),
    textColumn('Subobject', (event) => event.involvedObject?.fieldPath ?? '', true),
    textColumn('Source', sourceText, true),
    textColumn('Message', (event) => (event.message ?? '').trim()),
    textColumn('First Seen', (event, { now }) => (times(event).first === undefined ? UNKNOWN : age(times(event).first, now)), true),
    intColumn('Count', countOf, true),
    { ...nameColumn<'Event'>(), wide: true },
  ],
  validate: validateEvent,
});
