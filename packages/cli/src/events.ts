// What events say, for people: order, times, counts. Pure.
import type { KindMap } from '@podplane/api/kinds/kind-map';
import { age } from '@podplane/api/print';

export type Event = KindMap['Event'];

/** When it last happened: RFC 3339, to the precision that is known. */
export function lastSeen(event: Event): string {
  return event.series?.lastObservedTime || event.lastTimestamp || event.eventTime || event.metadata?.creationTimestamp || '';
}

/** Oldest first. */
export function byTime(events: readonly Event[]): readonly Event[] {
  const key = (event: Event): number => Date.parse(lastSeen(event)) || 0;
  return events.toSorted((a, b) => key(a) - key(b) || Number(a.metadata?.resourceVersion ?? 0) - Number(b.metadata?.resourceVersion ?? 0));
}

/** "12s", or "12s (x3 over 2m)" for one that happened more than once. */
export function seenText(event: Event, now: number): string {
  const last = age(lastSeen(event), now);
  const count = event.series?.count ?? event.count ?? 1;
  return count > 1
    ? `${last} (x${count} over ${age(event.firstTimestamp ?? event.eventTime ?? event.metadata?.creationTimestamp, now)})`
    : last;
}

/** When an event was last seen, as time of day. */
export function clockText(event: Event): string {
  return timeOfDay(lastSeen(event));
}

/** Local time of day of an RFC 3339 time, with tenths of a second. */
export function timeOfDay(time: string): string {
  const at = new Date(time);
  if (Number.isNaN(at.getTime())) return '<unknown>';
  const two = (value: number): string => String(value).padStart(2, '0');
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${Math.floor(at.getMilliseconds() / 100)}`;
}
