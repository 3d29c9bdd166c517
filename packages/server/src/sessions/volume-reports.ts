// What agents report of volumes whose data they were asked to remove, into the store. Whom to ask is the volumes' controller's decision.
import type { VolumeReport } from '@podplane/api/gen/podplane/node/v1/session';
import { DATA_PROTECTION, RECLAIM_NODE } from '@podplane/api/storage/words';
import type { Store, Tx } from '@podplane/store/types';

const MOST_REPORTS = 1000;
const LONGEST_MESSAGE = 1024;

/** Commits the reports. Names of volumes that are not the node's to report. Throws StoreError "sealed". */
export function takeVolumeReports(store: Store, nodeName: string, reports: readonly VolumeReport[]): readonly string[] {
  const some = reports.slice(0, MOST_REPORTS);
  const cause = {
    actor: `node:${nodeName}`,
    reason: some.length === 1 ? `data of volume ${some[0]?.name}` : `data of ${some.length} volumes`,
  };
  return store.transact(cause, (tx) => some.filter((report) => !takeOne(tx, nodeName, report)).map(({ name }) => name)).result;
}

/** False: the node was not asked. */
function takeOne(tx: Tx, nodeName: string, { name, uid, removed, message }: VolumeReport): boolean {
  const volume = tx.get('PersistentVolume', '', name);
  if (volume?.metadata?.uid !== uid) return true; // gone meanwhile
  const { metadata, status } = volume;
  if (metadata.deletionTimestamp === undefined || metadata.annotations[RECLAIM_NODE] !== nodeName) return false;
  if (removed) {
    const finalizers = metadata.finalizers.filter((one) => one !== DATA_PROTECTION);
    tx.update('PersistentVolume', { ...volume, metadata: { ...metadata, finalizers } }, 'any');
    return true;
  }
  const text = message.slice(0, LONGEST_MESSAGE);
  if (status?.phase === 'Failed' && status.message === text) return true;
  const since = status?.phase === 'Failed' ? status.lastPhaseTransitionTime : new Date(tx.now).toISOString();
  const failed = { phase: 'Failed', reason: 'VolumeFailedDelete', message: text, lastPhaseTransitionTime: since };
  tx.update('PersistentVolume', { ...volume, status: failed }, 'any');
  return true;
}
