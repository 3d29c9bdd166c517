// Which nodes were removed: their certificates are good for a while yet, and must not bring them back. Part of the store's durable values, not of
// any object. A node of which nothing is known here (an old backup, a journal that forgets) is not one that was removed.
import type { Clock } from '@podplane/api/system';
import type { MetaTable } from '@podplane/store/types';

const PREFIX = 'removed-node/';

export class Memberships {
  /** certificateMs: for how long a node's certificate is good; after that nothing needs to be remembered. */
  constructor(
    private readonly meta: MetaTable,
    private readonly clock: Clock,
    private readonly certificateMs: number,
  ) {}

  /** Somebody removes the node. Resolves when durable. */
  async removed(nodeName: string): Promise<void> {
    const now = this.clock.now();
    for (const key of this.meta.keys(PREFIX)) {
      const at = Date.parse(this.meta.get(key) ?? '');
      // A clock that was set back makes it remember for longer, never for less.
      if (now - at > 2 * this.certificateMs) await this.meta.set(key, undefined);
    }
    await this.meta.set(PREFIX + nodeName, new Date(now).toISOString());
  }

  /** A machine has shown a good token for this name. Resolves when durable: only then it may have its certificate. */
  async joined(nodeName: string): Promise<void> {
    if (!this.mayRegister(nodeName)) await this.meta.set(PREFIX + nodeName, undefined);
  }

  /** Whether a node that has no object may make one. */
  mayRegister(nodeName: string): boolean {
    return this.meta.get(PREFIX + nodeName) === undefined;
  }
}
