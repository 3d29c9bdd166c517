// A client that watches pods through the registry and keeps a copy, over every crash of the server: it resumes where it was, or lists again
// where it is told to. In the end its copy must be what the server has.
import { ApiError } from '@podplane/api/errors';
import type { RunningCore } from './control-plane.js';

export class Watcher {
  /** uid -> resourceVersion. */
  readonly copy = new Map<string, string>();
  private revision = '';
  private stopper: AbortController | undefined;
  relists = 0;
  problem: string | undefined;

  /** An older copy of the data was put back: revisions mean something else from now on, and whoever watches has to list again. */
  forget(): void {
    this.stopper?.abort();
    this.revision = '';
  }

  /** The server is there (again). */
  connect(core: RunningCore): void {
    this.stopper?.abort();
    const stopper = new AbortController();
    this.stopper = stopper;
    void this.run(core, stopper.signal);
  }

  private async run(core: RunningCore, signal: AbortSignal): Promise<void> {
    while (!signal.aborted && core.process.alive) {
      try {
        await this.follow(core, signal);
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof ApiError)) {
          this.problem = String(error);
          return;
        }
        if (error.reason === 'Expired') {
          this.revision = '';
          this.relists++;
        } else if (core.store.health.state === 'closed') return;
      }
      await new Promise<void>((resolve) => core.process.timers.after(100, resolve));
    }
  }

  private async follow(core: RunningCore, signal: AbortSignal): Promise<void> {
    const input = { kind: 'Pod', namespace: '', labelSelector: '', fieldSelector: '', resourceVersion: this.revision };
    let listing = this.revision === '' ? new Map<string, string>() : undefined;
    for await (const step of core.registry.watch(input, signal)) {
      if (signal.aborted) return;
      for (const { type, object } of step.changes) {
        const uid = object.metadata?.uid ?? '';
        if (type === 'deleted') this.copy.delete(uid);
        else (listing ?? this.copy).set(uid, object.metadata?.resourceVersion ?? '');
      }
      if (step.synced && listing !== undefined) {
        this.copy.clear();
        for (const [uid, version] of listing) this.copy.set(uid, version);
        listing = undefined;
      }
      if (listing === undefined && step.revision > 0) this.revision = String(step.revision);
    }
  }

  /** What is different from the server's own list; undefined: nothing. */
  difference({ store }: RunningCore): string | undefined {
    if (this.problem !== undefined) return `the watch ended: ${this.problem}`;
    let count = 0;
    for (const pod of store.durableView.list('Pod')) {
      count++;
      const mine = this.copy.get(pod.metadata?.uid ?? '');
      if (mine !== pod.metadata?.resourceVersion)
        return `pod ${pod.metadata?.name ?? ''} is ${pod.metadata?.resourceVersion ?? ''}, the watcher has ${mine ?? 'nothing'}`;
    }
    return count === this.copy.size ? undefined : `there are ${count} pods, the watcher has ${this.copy.size}`;
  }
}
