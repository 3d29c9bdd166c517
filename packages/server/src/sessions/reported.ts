// What agents report, held against what such a thing may be before it comes near the store: an agent is a program on somebody's machine,
// and its certificate proves only which node it is. What is done with a good report is in statuses.ts and node-object.ts.
import { strictMessage } from '@podplane/api/decode/strict-message';
import type { FieldError } from '@podplane/api/errors';
import { NodeStatus, Taint } from '@podplane/api/gen/podplane/core/v1/node';
import { PodStatus } from '@podplane/api/gen/podplane/core/v1/pod';
import type { Hello } from '@podplane/api/gen/podplane/node/v1/session';
import type { Obj } from '@podplane/api/kinds/kind-map';
import { validateNode, validateNodeStatus } from '@podplane/api/kinds/node';
import { validatePodStatusUpdate } from '@podplane/api/kinds/pod-status';
import { ownConditions } from './node-words.js';

/** Bytes. A pod's containers may leave 12 KiB of messages at their end; the rest is far less, also with a hundred containers. */
export const MAX_POD_STATUS_BYTES = 256 * 1024;
/** Bytes. Kubernetes reports 50 images. */
export const MAX_NODE_STATUS_BYTES = 256 * 1024;
const MAX_TAINT_BYTES = 4 * 1024;
const MAX_TAINTS = 100;
const MAX_LABELS = 500;
const MAX_WORD = 256;
const CONDITION_STATUS: ReadonlySet<string> = new Set(['True', 'False', 'Unknown']);

/** bytes: of the binary form of what was reported. */
export type Reported<T> =
  | { readonly ok: true; readonly value: T; readonly bytes: number }
  | { readonly ok: false; readonly problem: string };

/** The status of a pod as it may be written. */
export function reportedPodStatus(pod: Obj<'Pod'>, reported: PodStatus): Reported<PodStatus> {
  const strict = strictMessage('podplane.core.v1.PodStatus', PodStatus, reported, MAX_POD_STATUS_BYTES);
  if (!strict.ok) return { ok: false, problem: `status: ${strict.problem}` };
  const status = strict.message;
  return checked(status, strict.bytes, conditionProblem(status.conditions), validatePodStatusUpdate({ ...pod, status }, pod));
}

/** What a node says of itself: the status, and the types of conditions that were left out of it, being others' to set. */
export interface NodeReport {
  readonly status: NodeStatus;
  readonly foreign: readonly string[];
}

/** The status of the node that reports it. */
export function reportedNodeStatus(reported: NodeStatus): Reported<NodeReport> {
  const strict = strictMessage('podplane.core.v1.NodeStatus', NodeStatus, reported, MAX_NODE_STATUS_BYTES);
  if (!strict.ok) return { ok: false, problem: `status: ${strict.problem}` };
  const { own, foreign } = ownConditions(strict.message.conditions);
  const status = { ...strict.message, conditions: own };
  const node = { apiVersion: 'v1', kind: 'Node', metadata: undefined, spec: undefined, status } as const;
  return checked({ status, foreign }, strict.bytes, conditionProblem(strict.message.conditions), validateNodeStatus(node));
}

/** What of a hello becomes part of the Node object and is bounded by nothing else; undefined: it is short enough. */
export function helloLengthProblem({ machineId, bootId, labels, podCIDR, agentVersion }: Hello): string | undefined {
  if ([machineId, bootId, podCIDR, agentVersion].some((text) => text.length > MAX_WORD))
    return `the hello has a name of more than ${MAX_WORD} characters`;
  const count = Object.keys(labels).length;
  return count > MAX_LABELS ? `the hello has ${count} labels; at most ${MAX_LABELS} are taken` : undefined;
}

/** The taints of a new node. */
export function reportedTaints(reported: readonly Taint[]): Reported<Taint[]> {
  if (reported.length > MAX_TAINTS) return { ok: false, problem: `${reported.length} taints; at most ${MAX_TAINTS} are taken` };
  const taints: Taint[] = [];
  let bytes = 0;
  for (const [i, taint] of reported.entries()) {
    const strict = strictMessage('podplane.core.v1.Taint', Taint, taint, MAX_TAINT_BYTES);
    if (!strict.ok) return { ok: false, problem: `taints[${i}]: ${strict.problem}` };
    taints.push(strict.message);
    bytes += strict.bytes;
  }
  const node = {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: undefined,
    spec: { podCIDRs: [], taints },
    status: undefined,
  } as const;
  return checked(taints, bytes, undefined, validateNode(node));
}

function checked<T>(value: T, bytes: number, problem: string | undefined, errors: readonly FieldError[]): Reported<T> {
  const [first] = errors;
  if (problem !== undefined) return { ok: false, problem };
  return first === undefined ? { ok: true, value, bytes } : { ok: false, problem: `${first.field}: ${first.message}` };
}

function conditionProblem(conditions: readonly { readonly type: string; readonly status: string }[]): string | undefined {
  const seen = new Set<string>();
  for (const [i, { type, status }] of conditions.entries()) {
    if (type === '') return `status.conditions[${i}].type: it is empty`;
    if (seen.has(type)) return `status.conditions[${i}].type: "${type}" is there twice`;
    if (!CONDITION_STATUS.has(status)) return `status.conditions[${i}].status: must be True, False or Unknown`;
    seen.add(type);
  }
  return undefined;
}
