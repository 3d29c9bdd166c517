// What was asked of a drain, and what became of it, as it is kept on the Node object: so it outlives the server that carries it out and
// the command that asked for it. Who carries it out is controller.ts.
import type { Obj } from '@podplane/api/kinds/kind-map';

import { parseLabelSelector } from '@podplane/api/selectors';

type Node = Obj<'Node'>;

/** A drain that goes on or has ended; removed when the node is uncordoned. */
export const DRAIN_ANNOTATION = 'podplane.dev/drain';
/** Condition of a node: False while it is being drained or could not be, True when it is empty. */
export const DRAINED = 'Drained';

export interface DrainOptions {
  /** Pods of DaemonSets stay; without it they are a reason not to begin. */
  readonly ignoreDaemonSets: boolean;
  /** Also pods that nobody will replace. */
  readonly force: boolean;
  /** Also pods whose emptyDir volumes are lost with them. */
  readonly deleteEmptyDirData: boolean;
  /** Deletes without asking budgets. */
  readonly disableEviction: boolean;
  /** Only these pods; "": all. */
  readonly podSelector: string;
  /** Seconds for the containers; undefined: as each pod says. */
  readonly gracePeriodSeconds: number | undefined;
  /** A pod whose grace is over for longer is not waited for, seconds; undefined or 0: every pod is. */
  readonly skipWaitForDeleteSeconds: number | undefined;
  /** What happens when the time is over: Stop tells what is left, Delete deletes it, whatever its budgets say. */
  readonly onTimeout: 'Stop' | 'Delete';
}

export interface Drain extends DrainOptions {
  /** Of this drain; a newer one of the same node has another. */
  readonly id: string;
  /** Who asked. */
  readonly by: string;
  /** Wall clock, ms. */
  readonly startedAt: number;
  /** Wall clock, ms; undefined: it may take for ever. */
  readonly deadline: number | undefined;
  /** Pods that were to go when it began. */
  readonly total: number;
  /** How it ended; undefined: it goes on. */
  readonly outcome: 'Drained' | 'TimedOut' | undefined;
}

function isSelector(text: string): boolean {
  try {
    parseLabelSelector(text);
    return true;
  } catch {
    return false;
  }
}

/** The drain of a node; undefined: none was asked for, or what stands there is none (people can write annotations). */
export function drainOf(node: Node): Drain | undefined {
  const text = node.metadata?.annotations[DRAIN_ANNOTATION];
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const given = value as Readonly<Record<string, unknown>>;
  const flag = (name: string): boolean => given[name] === true;
  const number = (name: string): number | undefined => {
    const found = given[name];
    return typeof found === 'number' && Number.isSafeInteger(found) && found >= 0 ? found : undefined;
  };
  const text_ = (name: string): string => (typeof given[name] === 'string' ? given[name] : '');
  const outcome = text_('outcome');
  if (text_('id') === '' || !isSelector(text_('podSelector'))) return undefined;
  return {
    id: text_('id'),
    by: text_('by'),
    startedAt: number('startedAt') ?? 0,
    deadline: number('deadline'),
    total: number('total') ?? 0,
    outcome: outcome === 'Drained' || outcome === 'TimedOut' ? outcome : undefined,
    ignoreDaemonSets: flag('ignoreDaemonSets'),
    force: flag('force'),
    deleteEmptyDirData: flag('deleteEmptyDirData'),
    disableEviction: flag('disableEviction'),
    podSelector: text_('podSelector'),
    gracePeriodSeconds: number('gracePeriodSeconds'),
    skipWaitForDeleteSeconds: number('skipWaitForDeleteSeconds'),
    onTimeout: text_('onTimeout') === 'Delete' ? 'Delete' : 'Stop',
  };
}

/** The node with a drain in place of what was there; undefined: without any, and without its condition. */
export function withDrain(node: Node, drain: Drain | undefined): Node {
  const { metadata, status } = node;
  if (metadata === undefined) return node;
  const { [DRAIN_ANNOTATION]: _before, ...others } = metadata.annotations;
  if (drain !== undefined)
    return { ...node, metadata: { ...metadata, annotations: { ...others, [DRAIN_ANNOTATION]: JSON.stringify(drain) } } };
  const conditions = status?.conditions.filter(({ type }) => type !== DRAINED);
  return {
    ...node,
    metadata: { ...metadata, annotations: others },
    ...(status === undefined || conditions === undefined ? {} : { status: { ...status, conditions } }),
  };
}
