// What this node shall run, as told by the server: pods and the ConfigMaps, Secrets and volumes that they name. Pure bookkeeping.

import { epochOf } from '@podplane/api/fencing';
import type { ConfigMap } from '@podplane/api/gen/podplane/core/v1/config_map';
import type { Node } from '@podplane/api/gen/podplane/core/v1/node';
import type { PersistentVolume } from '@podplane/api/gen/podplane/core/v1/persistent_volume';
import type { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import type { Secret } from '@podplane/api/gen/podplane/core/v1/secret';
import type { ObjectMeta } from '@podplane/api/gen/podplane/meta/v1/meta';
import type { Assignments, Welcome } from '@podplane/api/gen/podplane/node/v1/session';
import { claimKey } from '@podplane/api/storage/words';
import type { Claims, References } from '../pods/env.js';

export type Applied =
  /** A difference is missing: ask for everything. */
  | { readonly gap: true }
  | {
      readonly gap: false;
      readonly pods: readonly Pod[];
      readonly removedUids: readonly string[];
      /** Namespaces in which a ConfigMap or Secret changed. */
      readonly referencesIn: ReadonlySet<string>;
    };

const keyOf = (metadata: ObjectMeta | undefined): string => `${metadata?.namespace ?? ''}/${metadata?.name ?? ''}`;

const compare = (a = '', b = ''): number => (a < b ? -1 : Number(a > b));

/** What is kept over a restart of the agent. */
export interface KeptAssignments {
  readonly pods: readonly Pod[];
  readonly configMaps: readonly ConfigMap[];
  readonly secrets: readonly Secret[];
  readonly claims: ReadonlyMap<string, PersistentVolume>;
  /** Of the newest server that this node was welcome to; 0: none. */
  readonly term: number;
  /** The highest epoch that this node was told of. */
  readonly epoch: number;
}

export class AssignmentStore implements References, Claims {
  readonly pods = new Map<string, Pod>();
  readonly configMaps = new Map<string, ConfigMap>();
  readonly secrets = new Map<string, Secret>();
  /** Volumes by the claim that has them. */
  readonly claims = new Map<string, PersistentVolume>();
  /** Labels and taints of this node; undefined: the server has not said since the agent was started. */
  node: Node | undefined;
  /** Of the newest server that this node was welcome to; 0: none. */
  term = 0;
  /** The highest epoch that this node was told of, by whatever server. */
  epoch = 0;
  /** Revision of the last assignments taken in this session; undefined: none yet. */
  private revision: number | undefined;

  configMap(namespace: string, name: string): ConfigMap | undefined {
    return this.configMaps.get(`${namespace}/${name}`);
  }

  secret(namespace: string, name: string): Secret | undefined {
    return this.secrets.get(`${namespace}/${name}`);
  }

  claim(namespace: string, name: string): PersistentVolume | undefined {
    return this.claims.get(claimKey(namespace, name));
  }

  /** What was known before a restart. */
  restore({ pods, configMaps, secrets, claims, term, epoch }: KeptAssignments): void {
    this.term = term;
    this.epoch = epoch;
    for (const pod of pods) this.pods.set(pod.metadata?.uid ?? '', pod);
    for (const map of configMaps) this.configMaps.set(keyOf(map.metadata), map);
    for (const secret of secrets) this.secrets.set(keyOf(secret.metadata), secret);
    for (const [key, volume] of claims) this.claims.set(key, volume);
  }

  /**
   * A new session begins: the next assignments must be complete. True: the server knows nothing of one that this node knew, so what it says is
   * older than what that one said.
   */
  begin({ term, previousTerm, epoch }: Pick<Welcome, 'term' | 'previousTerm' | 'epoch'>): boolean {
    this.revision = undefined;
    this.told(epoch);
    const isOlder = term > this.term && previousTerm > 0 && previousTerm < this.term;
    this.term = Math.max(this.term, term);
    return isOlder;
  }

  /** No epoch up to this one is given again. */
  told(epoch: number): void {
    this.epoch = Math.max(this.epoch, epoch);
  }

  apply(message: Assignments): Applied {
    if (!message.complete && this.revision !== message.from) return { gap: true };
    this.revision = message.to;
    const removedUids = new Set(message.removedPodUids);
    const referencesIn = new Set<string>();
    if (message.complete) {
      const named = new Set(message.pods.map((pod) => pod.metadata?.uid ?? ''));
      for (const uid of this.pods.keys()) if (!named.has(uid)) removedUids.add(uid);
      this.configMaps.clear();
      this.secrets.clear();
      this.claims.clear();
      for (const pod of message.pods) referencesIn.add(pod.metadata?.namespace ?? '');
    }
    this.node = message.node ?? this.node;
    for (const uid of removedUids) this.pods.delete(uid);
    for (const map of message.configMaps) {
      this.configMaps.set(keyOf(map.metadata), map);
      referencesIn.add(map.metadata?.namespace ?? '');
    }
    for (const secret of message.secrets) {
      this.secrets.set(keyOf(secret.metadata), secret);
      referencesIn.add(secret.metadata?.namespace ?? '');
    }
    for (const { namespace, claim, volume } of message.claimedVolumes) {
      if (volume === undefined) continue;
      this.claims.set(claimKey(namespace, claim), volume);
      referencesIn.add(namespace);
    }
    for (const reference of message.removedReferences) {
      const [kind, namespace = '', name = ''] = reference.split('/');
      const map = kind === 'Secret' ? this.secrets : kind === 'PersistentVolumeClaim' ? this.claims : this.configMaps;
      map.delete(`${namespace}/${name}`);
      referencesIn.add(namespace);
    }
    // The older a pod is the more right it has to the node.
    const pods = message.pods.toSorted((a, b) => compare(a.metadata?.creationTimestamp, b.metadata?.creationTimestamp));
    for (const pod of pods) {
      this.pods.set(pod.metadata?.uid ?? '', pod);
      this.told(epochOf(pod) ?? 0);
    }
    return { gap: false, pods, removedUids: [...removedUids], referencesIn };
  }
}
