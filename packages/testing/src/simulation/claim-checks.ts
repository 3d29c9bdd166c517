// Claims of node-local volumes: the containers that use one run on one node only, the one where its data is, and the data is there.
import { LABEL_CONTAINER, LABEL_POD_UID, PAUSE_CONTAINER } from '@podplane/agent/runtime/types';
import type { Obj } from '@podplane/api/kinds/kind-map';
import type { FakeContainer } from '../fake-runtime-types.js';
import type { HeadMirror } from './mirror.js';
import type { Violations } from './violations.js';

interface Home {
  readonly node: string;
  readonly handle: string;
}

export class ClaimChecks {
  /** By uid of the claim. */
  private readonly homes = new Map<string, Home>();
  /** Containers that started with a claim. */
  uses = 0;

  constructor(
    private readonly mirror: HeadMirror,
    private readonly violations: Violations,
    /** Names of the volumes that the engine of a node has. */
    private readonly volumesOn: (node: string) => ReadonlyMap<string, unknown>,
  ) {}

  /** An older copy of the data was put back: claims that have found a home since may find another one. */
  forget(): void {
    this.homes.clear();
  }

  started(node: string, { info }: FakeContainer): void {
    if (info.labels[LABEL_CONTAINER] === PAUSE_CONTAINER) return;
    const uid = info.labels[LABEL_POD_UID] ?? '';
    for (const pod of this.mirror.podsOn(node)) if (pod.metadata?.uid === uid) this.pod(node, pod);
  }

  private pod(node: string, { metadata, spec }: Obj<'Pod'>): void {
    const { namespace = '', name = '' } = metadata ?? {};
    for (const { persistentVolumeClaim } of spec?.volumes ?? []) {
      if (persistentVolumeClaim === undefined) continue;
      this.uses++;
      const { claimName } = persistentVolumeClaim;
      const claim = this.mirror.get('PersistentVolumeClaim', namespace, claimName);
      // One that goes while its pod ends is still mounted.
      if (claim === undefined) continue;
      const uid = claim.metadata?.uid ?? '';
      const volume = this.mirror.get('PersistentVolume', '', claim.spec?.volumeName ?? '');
      const handle = volume?.spec?.csi?.volumeHandle ?? '';
      const wrong = (text: string): void => this.violations.report('claim-at-home', `pod ${namespace}/${name} starts on ${node}: ${text}`);
      if (volume?.spec?.claimRef?.uid !== uid) wrong(`its claim ${claimName} has no volume`);
      const home = this.homes.get(uid);
      if (home === undefined) this.homes.set(uid, { node, handle });
      else if (home.node !== node || home.handle !== handle)
        wrong(`the data of its claim ${claimName} is ${home.handle} on ${home.node}, not ${handle}`);
      if (!this.volumesOn(node).has(handle)) wrong(`the engine has no volume ${handle} of its claim ${claimName}`);
    }
  }
}
