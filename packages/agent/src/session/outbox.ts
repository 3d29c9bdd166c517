// What waits to be said in a session: the latest status of each pod, one batch in flight, and events with counts. Pure bookkeeping;
// sending is in session.ts.
import type { NodeEvent, PodReport } from '@podplane/api/gen/podplane/node/v1/session';
import type { PodEvent } from '../pods/pod-events.js';
import { rfc3339Micro } from '../time.js';

const MAX_BATCH = 200;
const MAX_EVENTS = 1_000;

/** Latest status of each pod wins; what was sent comes back unless it is acknowledged or overtaken. */
export class StatusOutbox {
  private dirty = new Map<string, PodReport>();
  private flight: { readonly seq: number; readonly reports: readonly PodReport[] } | undefined;
  private seq = 0;
  private urgent = false;

  put(report: PodReport, urgent: boolean): void {
    // A pod that is gone has nothing more to say.
    if (this.dirty.get(report.uid)?.terminated === true && !report.terminated) return;
    this.dirty.set(report.uid, report);
    this.urgent ||= urgent;
  }

  get waiting(): boolean {
    return this.dirty.size > 0;
  }

  get isUrgent(): boolean {
    return this.urgent && this.dirty.size > 0;
  }

  get inFlight(): boolean {
    return this.flight !== undefined;
  }

  /** The next batch; undefined while one is in flight or nothing waits. */
  take(): { readonly seq: number; readonly reports: readonly PodReport[] } | undefined {
    if (this.flight !== undefined || this.dirty.size === 0) return undefined;
    const reports = [...this.dirty.values()].slice(0, MAX_BATCH);
    for (const report of reports) this.dirty.delete(report.uid);
    if (this.dirty.size === 0) this.urgent = false;
    this.flight = { seq: ++this.seq, reports };
    return this.flight;
  }

  /** The server has made this batch durable. Returns what it was. */
  acknowledge(seq: number): readonly PodReport[] {
    if (this.flight?.seq !== seq) return [];
    const { reports } = this.flight;
    this.flight = undefined;
    return reports;
  }

  /** The session is over: what was in flight has to be said again, unless there is something newer. */
  restore(): void {
    for (const report of this.flight?.reports ?? []) if (!this.dirty.has(report.uid)) this.dirty.set(report.uid, report);
    this.flight = undefined;
  }
}

/** Equal events are counted; the oldest are dropped where there are too many. */
export class EventOutbox {
  private readonly events = new Map<string, NodeEvent>();

  put(event: PodEvent, wallNow: number): void {
    const key = JSON.stringify([event.pod.uid, event.fieldPath, event.type, event.reason, event.message]);
    const before = this.events.get(key);
    this.events.delete(key);
    this.events.set(key, {
      podUid: event.pod.uid,
      namespace: event.pod.namespace,
      name: event.pod.name,
      fieldPath: event.fieldPath,
      type: event.type,
      reason: event.reason,
      message: event.message,
      time: rfc3339Micro(wallNow),
      count: (before?.count ?? 0) + 1,
    });
    if (this.events.size > MAX_EVENTS) {
      const oldest = this.events.keys().next();
      if (oldest.done !== true) this.events.delete(oldest.value);
    }
  }

  get waiting(): boolean {
    return this.events.size > 0;
  }

  take(): NodeEvent[] {
    const events = [...this.events.values()];
    this.events.clear();
    return events;
  }
}
