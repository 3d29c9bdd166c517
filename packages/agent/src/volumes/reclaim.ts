// Removes the data of volumes that the server has released, again and again until it is done or no longer asked for, and says how it goes.
// Orders are not kept over a restart: the server says them again with every complete assignment.
import type { PersistentVolume } from '@podplane/api/gen/podplane/core/v1/persistent_volume';
import type { VolumeReport } from '@podplane/api/gen/podplane/node/v1/session';
import type { System, Timer } from '@podplane/api/system';
import type { Log } from '../log.js';
import type { VolumeFiles } from './pod-files.js';

const RETRY_MS = 1_000;
const RETRY_MAX_MS = 30_000;

export interface ReclaimOptions {
  readonly system: Pick<System, 'timers'>;
  readonly log: Log;
  /** undefined: this agent keeps no files, and can remove none. */
  readonly files: Pick<VolumeFiles, 'removeClaim'> | undefined;
  readonly nodeName: string;
  readonly report: (report: VolumeReport) => void;
}

export class VolumeReclaim {
  /** By uid, those under way or waiting for their next try. */
  private readonly pending = new Map<string, Timer | undefined>();
  private stopped = false;

  constructor(private readonly options: ReclaimOptions) {}

  /** Idempotent: what is under way is not begun twice. complete: these are all that there are. leave: uids of those to leave alone. */
  order(
    volumes: readonly PersistentVolume[],
    { complete, leave }: { readonly complete: boolean; readonly leave: readonly string[] },
  ): void {
    const named = new Set(volumes.map(({ metadata }) => metadata?.uid ?? ''));
    // Another volume may have the same name and place by now: what is not asked for is not tried again.
    for (const uid of complete ? [...this.pending.keys()].filter((one) => !named.has(one)) : leave) {
      this.pending.get(uid)?.cancel();
      this.pending.delete(uid);
    }
    for (const volume of volumes) {
      const uid = volume.metadata?.uid ?? '';
      if (!this.pending.has(uid)) this.attempt(volume, uid, RETRY_MS);
    }
  }

  stop(): void {
    this.stopped = true;
    for (const timer of this.pending.values()) timer?.cancel();
  }

  private async remove(volume: PersistentVolume): Promise<void> {
    const { files, nodeName } = this.options;
    if (files === undefined) throw new Error(`the agent of node ${nodeName} keeps no files of volumes`);
    await files.removeClaim(volume, nodeName);
  }

  private attempt(volume: PersistentVolume, uid: string, delayMs: number): void {
    this.pending.set(uid, undefined);
    const name = volume.metadata?.name ?? '';
    this.remove(volume).then(
      () => {
        this.pending.delete(uid);
        this.options.log.info({ volume: name }, 'the data of a released volume was removed');
        this.options.report({ name, uid, removed: true, message: '' });
      },
      (error: unknown) => {
        if (!this.pending.has(uid)) return;
        const message = error instanceof Error ? error.message : String(error);
        this.options.log.warn({ volume: name, err: message }, 'the data of a released volume cannot be removed yet');
        this.options.report({ name, uid, removed: false, message });
        if (this.stopped) return;
        const again = (): void => this.attempt(volume, uid, Math.min(delayMs * 2, RETRY_MAX_MS));
        this.pending.set(uid, this.options.system.timers.after(delayMs, again, { background: true }));
      },
    );
  }
}
