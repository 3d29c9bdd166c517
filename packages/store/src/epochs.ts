// The count of epochs (fencing tokens): what a transaction may give to a pod that it makes. Each revision is one, above a base that only grows
// and that is kept with the data. By when and how far the base is raised is the server's business (sessions/fenced-starts.ts).
import type { MetaTable } from './types.js';

/** Where the base is kept. Written through the same journal as transactions, in order: no epoch above a base is durable before the base is. */
export const EPOCH_BASE = 'fencing/epoch-base';

/** The epoch that belongs to a revision of these data. */
export function epochAt(meta: Pick<MetaTable, 'get'>, revision: number): number {
  return revision + Number(meta.get(EPOCH_BASE) ?? 0);
}
