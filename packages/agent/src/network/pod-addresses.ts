// The addresses of the node's pods, once the node's CIDR is known. Which addresses there are is ip-pool.ts.
import type { Clock } from '@podplane/api/system';
import type { Log } from '../log.js';
import type { ContainerCache } from '../pods/container-cache.js';
import { containerNameOf } from '../pods/planner/observed.js';
import { LABEL_POD_IP } from '../pods/planner/types.js';
import { PAUSE_CONTAINER } from '../runtime/types.js';
import { IpPool, IpPoolExhausted } from './ip-pool.js';

const AVOID_MS = 60_000;

/** Who has which address, as the label of the pause container tells (labels of others may be their images'); empty: nobody knows which. */
export function labelledAddresses(cache: Pick<ContainerCache, 'podUids' | 'ofPod'>): [owner: string, ip: string][] {
  const ipOf = (uid: string): string =>
    cache.ofPod(uid).find((info) => containerNameOf(info) === PAUSE_CONTAINER)?.labels[LABEL_POD_IP] ?? '';
  return cache.podUids().map((uid) => [uid, ipOf(uid)]);
}

export class PodAddresses {
  private pool: IpPool | undefined;

  constructor(
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  /** Empty: not known yet. */
  get cidr(): string {
    return this.pool?.cidr ?? '';
  }

  /** held: who has which address already. Throws TypeError where the text is no IPv4 CIDR. */
  use(cidr: string, held: Iterable<readonly [owner: string, ip: string]>): void {
    const pool = new IpPool(cidr);
    for (const [owner, ip] of held) pool.keep(owner, ip);
    this.pool = pool;
  }

  /** undefined: none left, or the CIDR is not known. */
  allocate(owner: string): string | undefined {
    try {
      return this.pool?.allocate(owner, this.clock.monotonic());
    } catch (error) {
      if (!(error instanceof IpPoolExhausted)) throw error;
      this.log.error({ pod: owner }, error.message);
      return undefined;
    }
  }

  /** False: the pod cannot keep it. */
  keep(owner: string, ip: string): boolean {
    return this.pool?.keep(owner, ip) ?? true;
  }

  /** inUse: somebody else in the engine has this address. */
  release(owner: string, inUse?: string): void {
    this.pool?.release(owner);
    if (inUse !== undefined) this.pool?.avoid(inUse, this.clock.monotonic() + AVOID_MS);
  }
}
