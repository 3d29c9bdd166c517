// The agent's state as JSON: written for a restart, read with distrust. Monotonic times are stored as wall-clock times, as the
// former mean nothing in the next process. Which file it is in is state-store.ts.
import { ConfigMap } from '@podplane/api/gen/podplane/core/v1/config_map';
import { PersistentVolume } from '@podplane/api/gen/podplane/core/v1/persistent_volume';
import { Pod, PodStatus } from '@podplane/api/gen/podplane/core/v1/pod';
import { Secret } from '@podplane/api/gen/podplane/core/v1/secret';
import type { PulledImage } from '../images/image-gc.js';
import type { BackOff, ContainerMemory, LastRun, PodFailure, PodMemory, PodPhase } from '../pods/planner/types.js';
import { FRESH_POD } from '../pods/pod-memory.js';
import type { KeptPod } from '../pods/worker.js';
import type { KeptProbes } from '../pods/worker-types.js';
import { FRESH_PROBE, type ProbeState } from '../probes/probe-state.js';

export const STATE_VERSION = 1;

export interface AgentState {
  readonly nodeName: string;
  /** Of the newest server that the node was welcome to; 0: none. */
  readonly term: number;
  /** The highest epoch that the node was told of. */
  readonly epoch: number;
  readonly podCIDR: string;
  readonly clusterCIDR: string;
  readonly clusterId: string;
  readonly pods: readonly Pod[];
  readonly configMaps: readonly ConfigMap[];
  readonly secrets: readonly Secret[];
  /** Volumes by "namespace/name" of their claim. */
  readonly claims: ReadonlyMap<string, PersistentVolume>;
  readonly kept: ReadonlyMap<string, KeptPod>;
  /** Uids of pods that ended here. */
  readonly terminated: readonly string[];
  /** Images that this agent pulled. */
  readonly images: readonly PulledImage[];
}

interface Times {
  readonly wall: number;
  readonly monotonic: number;
}

type Json = Readonly<Record<string, unknown>>;

const isRecord = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value);
const text = (value: unknown): string => (typeof value === 'string' ? value : '');
const number = (value: unknown, otherwise: number): number => (typeof value === 'number' && Number.isFinite(value) ? value : otherwise);
const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

export function encodeState(state: AgentState, now: Times): string {
  return JSON.stringify({
    version: STATE_VERSION,
    nodeName: state.nodeName,
    term: state.term,
    epoch: state.epoch,
    podCIDR: state.podCIDR,
    clusterCIDR: state.clusterCIDR,
    clusterId: state.clusterId,
    pods: state.pods.map((pod) => Pod.toJSON(pod)),
    configMaps: state.configMaps.map((map) => ConfigMap.toJSON(map)),
    secrets: state.secrets.map((secret) => Secret.toJSON(secret)),
    claims: Object.fromEntries([...state.claims].map(([key, volume]) => [key, PersistentVolume.toJSON(volume)])),
    kept: Object.fromEntries([...state.kept].map(([uid, kept]) => [uid, encodeKept(kept, now)])),
    terminated: state.terminated,
    images: state.images,
  });
}

/** undefined: the text is not a state that this agent can read. */
export function decodeState(source: string, now: Times): AgentState | undefined {
  try {
    const json: unknown = JSON.parse(source);
    if (!isRecord(json) || json.version !== STATE_VERSION) return undefined;
    const kept = new Map<string, KeptPod>();
    for (const [uid, record] of Object.entries(isRecord(json.kept) ? json.kept : {}))
      if (isRecord(record)) kept.set(uid, decodeKept(record, now));
    return {
      nodeName: text(json.nodeName),
      term: number(json.term, 0),
      epoch: number(json.epoch, 0),
      podCIDR: text(json.podCIDR),
      clusterCIDR: text(json.clusterCIDR),
      clusterId: text(json.clusterId),
      pods: list(json.pods).map((pod) => Pod.fromJSON(pod)),
      configMaps: list(json.configMaps).map((map) => ConfigMap.fromJSON(map)),
      secrets: list(json.secrets).map((secret) => Secret.fromJSON(secret)),
      claims: new Map(
        Object.entries(isRecord(json.claims) ? json.claims : {}).map(([key, volume]) => [key, PersistentVolume.fromJSON(volume)]),
      ),
      kept,
      terminated: list(json.terminated).filter((uid) => typeof uid === 'string'),
      images: list(json.images).flatMap((image) => (isRecord(image) ? [decodeImage(image, now)] : [])),
    };
  } catch {
    return undefined;
  }
}

function decodeImage(json: Json, now: Times): PulledImage {
  const past = (value: unknown): number => Math.min(now.wall, number(value, now.wall));
  return { name: text(json.name), id: text(json.id), pulledAt: past(json.pulledAt), usedAt: past(json.usedAt) };
}

function encodeKept(kept: KeptPod, now: Times): unknown {
  const { memory } = kept;
  const wall = (monotonic: number): number => Math.round(now.wall - (now.monotonic - monotonic));
  return {
    phase: memory.phase,
    ip: memory.ip,
    sandbox: { attempt: memory.sandbox.attempt, pid: memory.sandbox.pid },
    containers: Object.fromEntries(
      [...memory.containers].map(([name, { started, backOff, exit, lastRun }]) => [
        name,
        {
          started,
          backOff: backOff === undefined ? undefined : { delayMs: backOff.delayMs, updatedAt: wall(backOff.updatedAt) },
          exit: exit === undefined ? undefined : { containerId: exit.containerId, at: wall(exit.at) },
          lastRun,
        },
      ]),
    ),
    deadline: memory.deadline === undefined ? undefined : wall(memory.deadline),
    failed: memory.failed,
    released: memory.released,
    probes: Object.fromEntries(kept.probes),
    status: kept.status === undefined ? undefined : PodStatus.toJSON(kept.status),
    acceptedAt: kept.acceptedAt,
  };
}

function decodeKept(json: Json, now: Times): KeptPod {
  // The wall clock may have been set: nothing lies in the future that happened already.
  const past = (wallAt: unknown): number => now.monotonic - Math.max(0, now.wall - number(wallAt, now.wall));
  const phase: PodPhase = json.phase === 'terminating' || json.phase === 'terminated' ? json.phase : 'sync';
  const containers = new Map<string, ContainerMemory>();
  for (const [name, record] of Object.entries(isRecord(json.containers) ? json.containers : {})) {
    if (isRecord(record)) containers.set(name, decodeContainer(record, past));
  }
  const sandbox = isRecord(json.sandbox) ? json.sandbox : {};
  const probes = new Map<string, KeptProbes>();
  for (const [id, record] of Object.entries(isRecord(json.probes) ? json.probes : {})) {
    if (isRecord(record)) probes.set(id, { startup: decodeProbe(record.startup), readiness: decodeProbe(record.readiness) });
  }
  const memory: PodMemory = {
    ...FRESH_POD,
    phase,
    ip: text(json.ip) || undefined,
    sandbox: { attempt: number(sandbox.attempt, -1), pid: number(sandbox.pid, 0), failure: undefined },
    containers,
    // What is left of the grace; not more than there was, should the clock have been set.
    deadline:
      phase === 'sync' && typeof json.deadline !== 'number'
        ? undefined
        : now.monotonic + Math.min(Math.max(0, number(json.deadline, now.wall) - now.wall), MAX_GRACE_MS),
    failed: isRecord(json.failed) ? failureOf(json.failed) : undefined,
    released: json.released === true,
  };
  const status = isRecord(json.status) ? PodStatus.fromJSON(json.status) : undefined;
  return { memory, probes, status, acceptedAt: number(json.acceptedAt, now.wall) };
}

function failureOf({ reason, message, rejected }: Json): PodFailure {
  return { reason: text(reason), message: text(message), ...(rejected === true ? { rejected } : {}) };
}

const MAX_GRACE_MS = 3_600_000;

function decodeContainer(json: Json, past: (wallAt: unknown) => number): ContainerMemory {
  const backOff: BackOff | undefined = isRecord(json.backOff)
    ? { delayMs: number(json.backOff.delayMs, 0), updatedAt: past(json.backOff.updatedAt) }
    : undefined;
  const exit = isRecord(json.exit) ? { containerId: text(json.exit.containerId), at: past(json.exit.at) } : undefined;
  const run = json.lastRun;
  const lastRun: LastRun | undefined = isRecord(run)
    ? {
        attempt: number(run.attempt, 0),
        containerId: text(run.containerId),
        exitCode: number(run.exitCode, 137),
        reason: text(run.reason),
        message: text(run.message),
        startedAt: number(run.startedAt, 0),
        finishedAt: number(run.finishedAt, 0),
      }
    : undefined;
  return { started: number(json.started, -1), image: { state: 'unknown' }, backOff, failure: undefined, exit, lastRun };
}

function decodeProbe(value: unknown): ProbeState | undefined {
  if (!isRecord(value)) return undefined;
  const verdict = value.verdict === 'success' || value.verdict === 'failure' ? value.verdict : 'pending';
  const last = value.last === 'success' || value.last === 'failure' ? value.last : undefined;
  return { ...FRESH_PROBE, verdict, last, streak: number(value.streak, 0), succeeded: value.succeeded === true };
}
