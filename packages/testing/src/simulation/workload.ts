// What people do to a cluster's workloads, at random: make, change, scale and delete them, and the namespaces that they live in. What they do to
// its nodes is in operators.ts, what they write in manifests.ts.
import type { Kind, Obj } from '@podplane/api/kinds/kind-map';
import { ON_FAILURE } from '@podplane/api/kinds/on-failure';
import { isBeingDeleted } from '@podplane/api/pod-state';
import { ROLLOUT_FAILED } from '@podplane/controllers/deployment/on-failure';
import { AVAILABLE } from '@podplane/controllers/deployment/status';
import { type Asking, WRITER } from './asking.js';
import type { RunningCore } from './control-plane.js';
import type { Dice } from './dice.js';
import {
  accountManifest,
  BAD_IMAGE,
  budgetManifest,
  GOOD_IMAGES,
  imagePatch,
  LATE_ACCOUNT,
  MOST,
  MOST_REPLICAS,
  namespaceManifest,
  SECOND_BUDGET,
  type Workload,
  workloadManifest,
} from './manifests.js';
import type { Operators } from './operators.js';

const NAMESPACE = 'default';
const MOST_NAMESPACES = 2;
/** On templates: which change of theirs it was. */
const CHANGE = 'change';
/** How often each kind of workload is made or deleted, in proportion. */
const WORKLOADS: Readonly<Record<Workload, number>> = { Deployment: 4, StatefulSet: 4, DaemonSet: 2, Job: 4, CronJob: 3 };

/** How often people do what, in proportion. */
const ACTS = {
  create: 7,
  scale: 8,
  update: 5,
  undo: 2,
  spoil: 6,
  delete: 2,
  pod: 2,
  suspend: 1,
  budget: 6,
  'delete-budget': 1,
  account: 2,
  namespace: 1.5,
  'delete-namespace': 0.7,
  nodes: 9,
} as const;

export class People {
  private serial = 0;

  constructor(
    private readonly dice: Dice,
    private readonly asking: Asking,
    private readonly operators: Operators,
    private readonly server: () => RunningCore | undefined,
  ) {}

  /** One thing that somebody does. */
  act(): void {
    const core = this.server();
    if (core === undefined) return;
    const { dice } = this;
    switch (dice.weighted(ACTS)) {
      case 'create':
        this.create(core, dice.weighted(WORKLOADS));
        return;
      case 'scale':
        this.change(core, dice.pick(['Deployment', 'StatefulSet'] as const) ?? 'Deployment', () => ({
          spec: { replicas: dice.between(0, MOST_REPLICAS) },
        }));
        return;
      case 'update':
        this.change(core, dice.pick(['Deployment', 'StatefulSet', 'DaemonSet'] as const) ?? 'Deployment', (one) => this.newTemplate(one));
        return;
      case 'spoil':
        this.spoil(core);
        return;
      case 'undo':
        this.change(core, 'Deployment', (one) => this.earlierTemplate(core, one));
        return;
      case 'delete':
        this.remove(core, dice.weighted(WORKLOADS));
        return;
      case 'pod':
        this.remove(core, 'Pod');
        return;
      case 'suspend':
        this.change(core, dice.pick(['Job', 'CronJob'] as const) ?? 'Job', () => ({ spec: { suspend: dice.chance(0.4) } }));
        return;
      case 'budget':
        this.createBudget(core);
        return;
      case 'delete-budget':
        this.remove(core, 'PodDisruptionBudget');
        return;
      case 'account': {
        const namespace = dice.pick(namespaces(core)) ?? NAMESPACE;
        if (dice.chance(0.4)) this.asking.remove(core, 'ServiceAccount', { namespace, name: LATE_ACCOUNT }, '');
        else this.createAccount(core, namespace);
        return;
      }
      case 'namespace': {
        if (namespaces(core).length >= MOST_NAMESPACES) return;
        const name = `space${this.serial++}`;
        this.asking.ask(core, `create Namespace ${name}`, (registry) => registry.create(namespaceManifest(name), WRITER));
        return;
      }
      case 'delete-namespace': {
        const name = dice.pick(namespaces(core).filter((one) => one !== NAMESPACE));
        if (name !== undefined) this.asking.remove(core, 'Namespace', { name }, '');
        return;
      }
      case 'nodes':
        this.operators.act(core);
    }
  }

  /** Puts right what nobody could bring to an end: bad images, suspended jobs, schedules without end, budgets that give nothing, second ones. */
  mend(): void {
    const core = this.server();
    if (core === undefined) return;
    const { asking } = this;
    this.operators.mend(core);
    for (const namespace of namespaces(core)) this.createAccount(core, namespace);
    for (const kind of ['Deployment', 'StatefulSet', 'DaemonSet'] as const) {
      for (const one of core.store.list(kind)) {
        const { metadata, spec } = one as Rolled;
        if (isBeingDeleted(one)) continue;
        const isPaused = kind === 'Deployment' && (one as Obj<'Deployment'>).spec?.paused === true;
        const isBad = spec?.template?.spec?.containers[0]?.image === BAD_IMAGE && !rollsBack(one as Rolled);
        if (!isBad && !isPaused) continue;
        const paused = isPaused ? { paused: false } : {};
        const template = { spec: imagePatch(one, isBad ? 'app:1' : (spec?.template?.spec?.containers[0]?.image ?? '')) };
        asking.patch(core, kind, metadata?.namespace ?? '', metadata?.name ?? '', { spec: { ...paused, template } });
      }
    }
    for (const { metadata, spec } of core.store.list('Job'))
      if (spec?.suspend === true && !isBeingDeleted({ metadata }))
        asking.patch(core, 'Job', metadata?.namespace ?? '', metadata?.name ?? '', { spec: { suspend: false } });
    for (const { metadata, spec } of core.store.list('CronJob'))
      if (spec?.suspend !== true && !isBeingDeleted({ metadata }))
        asking.patch(core, 'CronJob', metadata?.namespace ?? '', metadata?.name ?? '', { spec: { suspend: true } });
    for (const budget of core.store.list('PodDisruptionBudget'))
      if ((budget.status?.disruptionsAllowed ?? 0) === 0 || budget.metadata?.name?.endsWith(SECOND_BUDGET) === true)
        asking.remove(core, 'PodDisruptionBudget', budget.metadata ?? {}, '');
  }

  private newTemplate(workload: Rolled, badness = 0.2): object {
    const image = this.dice.chance(badness) ? BAD_IMAGE : (this.dice.pick(GOOD_IMAGES) ?? 'app:1');
    return { spec: { template: { metadata: { annotations: { [CHANGE]: String(this.serial++) } }, spec: imagePatch(workload, image) } } };
  }

  /** A bad image for one that has something to go back to, and is to. */
  private spoil(core: RunningCore): void {
    const able = [...core.store.list('Deployment')].filter(
      (one) => ON_FAILURE in (one.metadata?.annotations ?? {}) && !isBeingDeleted(one) && (one.status?.availableReplicas ?? 0) > 0,
    );
    const one = this.dice.pick(able);
    if (one === undefined) return;
    const { namespace = '', name = '' } = one.metadata ?? {};
    this.asking.patch(core, 'Deployment', namespace, name, this.newTemplate(one, 1));
  }

  /** As rollout undo does it: what one of its ReplicaSets has, with the mark by which people tell their changes apart. */
  private earlierTemplate(core: RunningCore, workload: Obj<'Deployment'>): object {
    const { template } = this.dice.pick([...core.store.index('ReplicaSet', 'controller', workload.metadata?.uid ?? '')])?.spec ?? {};
    const image = template?.spec?.containers[0]?.image ?? 'app:1';
    const annotations = { [CHANGE]: template?.metadata?.annotations[CHANGE] ?? null };
    return { spec: { template: { metadata: { annotations }, spec: imagePatch(workload, image) } } };
  }

  private create(core: RunningCore, kind: Workload): void {
    if (core.store.count(kind) >= MOST[kind]) return;
    const name = `${kind.toLowerCase().slice(0, 3)}${this.serial++}`;
    const namespace = this.dice.pick(namespaces(core)) ?? NAMESPACE;
    const manifest = workloadManifest(this.dice, kind, namespace, name);
    this.asking.ask(core, `create ${kind} ${namespace}/${name}`, (registry) => registry.create(manifest, WRITER));
  }

  private createAccount(core: RunningCore, namespace: string): void {
    if (core.store.get('ServiceAccount', namespace, LATE_ACCOUNT) !== undefined) return;
    this.asking.ask(core, `create ServiceAccount ${namespace}/${LATE_ACCOUNT}`, (registry) =>
      registry.create(accountManifest(namespace), WRITER),
    );
  }

  private createBudget(core: RunningCore): void {
    const kind = this.dice.pick(['Deployment', 'StatefulSet'] as const) ?? 'Deployment';
    const { namespace = '', name: workload = '' } = this.dice.pick([...core.store.list(kind)])?.metadata ?? {};
    if (workload === '') return;
    for (const name of this.dice.chance(0.25) ? [workload, `${workload}${SECOND_BUDGET}`] : [workload]) {
      if (core.store.get('PodDisruptionBudget', namespace, name) !== undefined) continue;
      const manifest = budgetManifest(this.dice, namespace, name, workload);
      this.asking.ask(core, `create PodDisruptionBudget ${namespace}/${name}`, (registry) => registry.create(manifest, WRITER));
    }
  }

  private change<K extends Workload>(core: RunningCore, kind: K, patch: (one: Obj<K>) => object): void {
    const one = this.dice.pick([...core.store.list(kind)].filter((object) => !isBeingDeleted(object)));
    if (one !== undefined) this.asking.patch(core, kind, one.metadata?.namespace ?? '', one.metadata?.name ?? '', patch(one));
  }

  private remove(core: RunningCore, kind: Kind): void {
    const one = this.dice.pick([...core.store.list(kind)]);
    if (one !== undefined) this.asking.remove(core, kind, one.metadata ?? {}, this.dice.chance(0.3) ? 'Foreground' : '');
  }
}

type Rolled = Obj<'Deployment' | 'StatefulSet' | 'DaemonSet'>;

/** It has to come back by itself: nobody gave up, and its rollout is not over, as that of one without pods is at once. */
function rollsBack(workload: Rolled): boolean {
  if (workload.metadata?.annotations[ON_FAILURE] !== 'rollback') return false;
  const reasonOf = (condition: string): string | undefined =>
    (workload as Obj<'Deployment'>).status?.conditions.find(({ type }) => type === condition)?.reason;
  const failed = reasonOf(ROLLOUT_FAILED);
  return failed !== 'NothingToRollBackTo' && failed !== 'RollbackFailed' && reasonOf('Progressing') !== AVAILABLE;
}

/** Those that people use, and that are there to stay. */
function namespaces(core: RunningCore): string[] {
  return [...core.store.list('Namespace')]
    .filter((one) => !isBeingDeleted(one))
    .map(({ metadata }) => metadata?.name ?? '')
    .filter((name) => name === NAMESPACE || name.startsWith('space'));
}
