// Nodes that people take out of use: a drain that says it is done has left nothing behind, nobody is placed on a cordoned node, and what does
// not tolerate a taint goes, neither before nor long after its time.
import type { Obj } from '@podplane/api/kinds/kind-map';
import { controllerOf, isBeingDeleted, isPodTerminal, podCondition } from '@podplane/api/pod-state';
import { drainOf } from '@podplane/controllers/drain/request';
import type { ChangeBatch } from '@podplane/store/types';
import { type HeadCheck, type HeadMirror, isOf } from './mirror.js';
import { MAINTENANCE } from './operators.js';
import type { Violations } from './violations.js';

type Pod = Obj<'Pod'>;
type Node = Obj<'Node'>;

export interface NodeChecksOptions {
  readonly mirror: HeadMirror;
  readonly violations: Violations;
  /** Uids of pods with app containers on a node that has been well for long; undefined: it has not. */
  readonly runsOn: (node: string) => Iterable<string> | undefined;
}

export class NodeChecks implements HeadCheck {
  drains = 0;

  constructor(private readonly options: NodeChecksOptions) {}

  take({ changes }: ChangeBatch): void {
    // In one transaction the node may be cordoned and its drain begin, but nobody cordons and places.
    for (const change of changes) {
      if (isOf('Node', change) && change.type === 'modified' && change.previous !== undefined) this.node(change.object, change.previous);
      else if (isOf('Pod', change) && change.type !== 'deleted') this.pod(change.object, change.previous);
    }
  }

  private node(node: Node, previous: Node): void {
    if (drainOf(node)?.outcome !== 'Drained' || drainOf(previous)?.outcome === 'Drained') return;
    this.drains++;
    const { mirror, violations, runsOn } = this.options;
    const name = node.metadata?.name ?? '';
    const stays = new Set<string>();
    for (const pod of mirror.podsOn(name)) {
      if (controllerOf(pod)?.kind === 'DaemonSet') stays.add(pod.metadata?.uid ?? '');
      else violations.report('drained-empty', `node ${name} is said to be drained; pod ${pod.metadata?.name ?? ''} is there`);
    }
    for (const uid of runsOn(name) ?? [])
      if (!stays.has(uid)) violations.report('drained-empty', `node ${name} is said to be drained; containers of pod ${uid} run there`);
  }

  private pod(pod: Pod, previous: Pod | undefined): void {
    const { mirror, violations } = this.options;
    const name = pod.spec?.nodeName ?? '';
    const node = name === '' ? undefined : mirror.get('Node', '', name);
    if (node === undefined) return;
    const text = `pod ${pod.metadata?.namespace ?? ''}/${pod.metadata?.name ?? ''}`;
    const isDaemon = controllerOf(pod)?.kind === 'DaemonSet';
    if (!previous?.spec?.nodeName) {
      if (node.spec?.unschedulable === true && !isDaemon) violations.report('kept-away', `${text} is placed on ${name}, which is cordoned`);
      if (node.spec?.taints.some(isMaintenance) === true && tolerates(pod) === undefined)
        violations.report('kept-away', `${text} is placed on ${name}, whose taint it does not tolerate`);
    }
    const { reason, message } = podCondition(pod, 'DisruptionTarget') ?? {};
    const goes = isBeingDeleted(pod) && (previous === undefined || !isBeingDeleted(previous));
    if (!goes || reason !== 'DeletionByTaintManager' || message?.includes(MAINTENANCE) !== true) return;
    if (node.spec?.taints.some(isMaintenance) !== true)
      violations.report('taint-evicts', `${text} is evicted for a taint that is not there`);
    else if (tolerates(pod) === 'always') violations.report('taint-evicts', `${text} is evicted for a taint that it tolerates`);
  }

  /** What should have gone by now; asked when the server and all nodes have been well for long. graceMs: of the longest pod, and more. */
  overdue(serverNow: number, graceMs: number): void {
    const { mirror, violations, runsOn } = this.options;
    for (const node of mirror.list('Node')) {
      const name = node.metadata?.name ?? '';
      const since = Date.parse(node.spec?.taints.find(isMaintenance)?.timeAdded ?? '');
      if (!(serverNow - since > graceMs) || runsOn(name) === undefined) continue;
      for (const pod of mirror.podsOn(name))
        if (!isPodTerminal(pod) && !isBeingDeleted(pod) && tolerates(pod) === undefined)
          violations.report('taint-evicts', `pod ${pod.metadata?.name ?? ''} is still on ${name}, whose taint it does not tolerate`);
    }
  }
}

const isMaintenance = ({ key, effect }: { readonly key: string; readonly effect: string }): boolean =>
  key === MAINTENANCE && effect === 'NoExecute';

/** Of people's taint; undefined: it does not. */
function tolerates(pod: Pod): 'always' | undefined {
  const all = pod.spec?.tolerations.some(({ key, operator, effect }) => {
    const anyEffect = effect === undefined || effect === '' || effect === 'NoExecute';
    return anyEffect && operator === 'Exists' && (key === undefined || key === '' || key === MAINTENANCE);
  });
  return all === true ? 'always' : undefined;
}
