// What people do to a cluster's nodes, at random: cordon, drain, evict, taint.
import { DrainNodeRequest } from '@podplane/api/gen/podplane/api/v1/cluster';
import type { Obj } from '@podplane/api/kinds/kind-map';
import { isBeingDeleted } from '@podplane/api/pod-state';
import { drainOf } from '@podplane/controllers/drain/request';
import { Drains } from '@podplane/server/nodes/drains';
import { type Asking, WRITER } from './asking.js';
import type { RunningCore } from './control-plane.js';
import type { Dice } from './dice.js';

/** The taint that people put on nodes. */
export const MAINTENANCE = 'simulation/maintenance';
const ACTS = { cordon: 2, uncordon: 4, drain: 6, evict: 6, taint: 2, untaint: 3, remove: 1 } as const;

export class Operators {
  constructor(
    private readonly dice: Dice,
    private readonly asking: Asking,
  ) {}

  act(core: RunningCore): void {
    const { dice } = this;
    const nodes = [...core.store.list('Node')];
    const away = nodes.filter(({ spec }) => spec?.unschedulable === true || spec?.taints.some(({ key }) => key === MAINTENANCE) === true);
    const node = dice.pick(nodes);
    const what = dice.weighted(ACTS);
    const name = node?.metadata?.name;
    if (node === undefined || name === undefined) return;
    // Somewhere has to be left.
    const takes = what === 'cordon' || what === 'drain' || what === 'taint' || what === 'remove';
    if (takes && away.length * 3 >= nodes.length) return;
    switch (what) {
      case 'cordon':
      case 'uncordon':
        this.asking.patch(core, 'Node', '', name, { spec: { unschedulable: what === 'cordon' } });
        return;
      case 'drain':
        this.drain(core, name);
        return;
      case 'evict': {
        const pods = [...core.store.list('Pod')];
        const {
          namespace = '',
          name: pod = '',
          uid = '',
        } = dice.pick(dice.chance(0.5) ? pods : pods.filter(isBudgeted(core)))?.metadata ?? {};
        if (pod === '') return;
        const options = { graceSeconds: undefined, propagationPolicy: '', uid, resourceVersion: '' };
        this.asking.ask(core, `evict ${namespace}/${pod}`, async (registry) => {
          await registry.evict({ namespace, name: pod }, options, WRITER);
          return undefined;
        });
        return;
      }
      case 'remove':
        // It comes back with a new token, after a while; see simulation.ts.
        this.asking.remove(core, 'Node', node.metadata ?? {}, '');
        return;
      case 'taint':
      case 'untaint':
        this.taint(core, name, what === 'taint');
    }
  }

  /** Those that are still being drained are left to the drain: it has to come to its end. */
  mend(core: RunningCore): void {
    for (const node of core.store.list('Node')) {
      const name = node.metadata?.name ?? '';
      const drain = drainOf(node);
      if (node.spec?.unschedulable === true && (drain === undefined || drain.outcome !== undefined))
        this.asking.patch(core, 'Node', '', name, { spec: { unschedulable: false } });
      this.taint(core, name, false);
    }
  }

  private drain(core: RunningCore, node: string): void {
    const { dice } = this;
    const timed = dice.chance(0.4) ? { timeoutSeconds: dice.between(10, 90), onTimeout: dice.chance(0.5) ? 'Delete' : 'Stop' } : {};
    const request = DrainNodeRequest.fromPartial({ node, force: true, ignoreDaemonSets: true, deleteEmptyDirData: true, ...timed });
    const noPreview = (): Promise<never> => Promise.reject(new Error('programmer error: nobody asks for a preview'));
    const drains = new Drains({ store: core.store, system: core.process, preview: noPreview });
    this.asking.ask(core, `drain ${node} ${JSON.stringify(timed)}`, async () => {
      await drains.begin(request, WRITER.identity);
      return undefined;
    });
  }

  /** Puts the taint there or takes it away; nothing where it is so already. Other taints stay, by the version that was seen. */
  private taint(core: RunningCore, name: string, wanted: boolean): void {
    const node = core.store.get('Node', '', name);
    if (node === undefined || isBeingDeleted(node)) return;
    const others = (node.spec?.taints ?? []).filter(({ key }) => key !== MAINTENANCE);
    const there = others.length !== (node.spec?.taints.length ?? 0);
    if (there === wanted) return;
    const taints = wanted ? [...others, { key: MAINTENANCE, value: '', effect: 'NoExecute' }] : others;
    this.asking.patch(core, 'Node', '', name, { metadata: { resourceVersion: node.metadata?.resourceVersion }, spec: { taints } });
  }
}

/** Whether a pod is of a workload that has a budget. */
function isBudgeted(core: RunningCore): (pod: Obj<'Pod'>) => boolean {
  const apps = new Set([...core.store.list('PodDisruptionBudget')].map(({ spec }) => spec?.selector?.matchLabels['app']));
  return ({ metadata }) => apps.has(metadata?.labels['app']);
}
