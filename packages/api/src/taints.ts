// Taints and tolerations: whether one tolerates the other. Who acts on it (scheduler, node lifecycle) is elsewhere.

export interface TaintLike {
  readonly key: string;
  readonly value?: string | undefined;
  readonly effect: string;
}

export interface TolerationLike {
  readonly key?: string | undefined;
  readonly operator?: string | undefined;
  readonly value?: string | undefined;
  readonly effect?: string | undefined;
  readonly tolerationSeconds?: number | undefined;
}

/** An empty effect tolerates every effect; an empty key with Exists every key. */
export function tolerates(toleration: TolerationLike, taint: TaintLike): boolean {
  if (toleration.effect && toleration.effect !== taint.effect) return false;
  const exists = toleration.operator === 'Exists';
  if (!toleration.key) return exists;
  if (toleration.key !== taint.key) return false;
  return exists || (toleration.value ?? '') === (taint.value ?? '');
}

/** The first of tolerations that tolerates taint. */
export function tolerationFor<T extends TolerationLike>(tolerations: readonly T[], taint: TaintLike): T | undefined {
  return tolerations.find((toleration) => tolerates(toleration, taint));
}

/** "key=value:Effect", as people write it. */
export function taintText(taint: TaintLike): string {
  return taint.value ? `${taint.key}=${taint.value}:${taint.effect}` : `${taint.key}:${taint.effect}`;
}

/** Taints that Podplane itself puts on nodes. */
export const TAINT_UNREACHABLE = 'node.kubernetes.io/unreachable';
export const TAINT_NOT_READY = 'node.kubernetes.io/not-ready';
/** A session was reset and the agent did not return: nothing new goes there, nothing is evicted. */
export const TAINT_SUSPECT = 'podplane.dev/suspect';
/** The host said that it shuts down. */
export const TAINT_SHUTTING_DOWN = 'podplane.dev/shutting-down';
/** Not set by anybody here: what a toleration of cordoned nodes names. */
export const TAINT_UNSCHEDULABLE = 'node.kubernetes.io/unschedulable';
/** Those of them that send pods away: they come and go with the node's life, and by nobody's wish. */
export const OWN_NO_EXECUTE_TAINTS: ReadonlySet<string> = new Set([TAINT_UNREACHABLE, TAINT_NOT_READY, TAINT_SHUTTING_DOWN]);
/** By condition of a node: the taint that keeps new pods away while it is True. */
export const PRESSURE_TAINTS: Readonly<Record<string, string>> = {
  MemoryPressure: 'node.kubernetes.io/memory-pressure',
  DiskPressure: 'node.kubernetes.io/disk-pressure',
  PIDPressure: 'node.kubernetes.io/pid-pressure',
};
