// What people do to a cluster, at random: make, change, scale and delete workloads, cordon nodes. Through the registry, as every face does.
// What is acknowledged is told on; what fails or is never answered is left, as people do.

import { decodeObject } from '@podplane/api/decode/decode';
import { ApiError } from '@podplane/api/errors';
import type { Kind, KindMap } from '@podplane/api/kinds/kind-map';
import { isBeingDeleted } from '@podplane/api/pod-state';
import type { Given, Registry, Writer } from '@podplane/server/registry/registry';
import type { FakeImage } from '../fake-runtime-types.js';
import type { RunningCore } from './control-plane.js';
import type { Dice } from './dice.js';
import type { Trace } from './trace.js';

const WRITER: Writer = { identity: { kind: 'admin', name: 'simulation' }, fieldManager: '', dryRun: false };
const NAMESPACE = 'default';
/** Most objects of each kind at a time. */
const MOST = { Deployment: 3, StatefulSet: 2, DaemonSet: 1, Job: 3 } as const;
type Workload = keyof typeof MOST;
const WORKLOADS = Object.keys(MOST) as Workload[];
const GOOD_IMAGES = ['app:1', 'app:2', 'app:3'];
const MOST_REPLICAS = 6;

/** Images that the engines know. random: of the run. */
export function images(random: () => number): Readonly<Record<string, FakeImage>> {
  const between = (least: number, most: number): number => least + random() * (most - least);
  return {
    'app:1': {},
    'app:2': { stopMs: 1500 },
    // Ends only by SIGKILL.
    'app:3': { stopMs: undefined },
    'bad:1': { ends: () => ({ afterMs: between(50, 2000), exitCode: 1 }) },
    'job:ok': { ends: () => ({ afterMs: between(500, 20_000), exitCode: 0 }) },
    'job:coin': { ends: () => ({ afterMs: between(500, 8_000), exitCode: random() < 0.4 ? 1 : 0 }) },
  };
}

export class People {
  private serial = 0;
  readonly stats = { asked: 0, acknowledged: 0, refused: 0 };

  constructor(
    private readonly dice: Dice,
    private readonly trace: Trace,
    private readonly server: () => RunningCore | undefined,
    private readonly acknowledged: (revision: number) => void,
    private readonly failed: (error: unknown) => void,
  ) {}

  /** One thing that somebody does. */
  act(): void {
    const core = this.server();
    if (core === undefined) return;
    const { dice } = this;
    const what = dice.weighted({ create: 6, scale: 8, update: 5, delete: 2, pod: 2, cordon: 1, uncordon: 2, suspend: 1 });
    switch (what) {
      case 'create':
        this.create(core, dice.pick(WORKLOADS) ?? 'Deployment');
        return;
      case 'scale':
        this.change(core, dice.pick(['Deployment', 'StatefulSet'] as const) ?? 'Deployment', () => ({
          spec: { replicas: dice.between(0, MOST_REPLICAS) },
        }));
        return;
      case 'update':
        this.change(core, dice.pick(['Deployment', 'StatefulSet', 'DaemonSet'] as const) ?? 'Deployment', () => this.newTemplate());
        return;
      case 'delete':
        this.remove(core, dice.pick(WORKLOADS) ?? 'Deployment');
        return;
      case 'pod':
        this.remove(core, 'Pod');
        return;
      case 'suspend':
        this.change(core, 'Job', () => ({ spec: { suspend: dice.chance(0.4) } }));
        return;
      case 'cordon':
      case 'uncordon': {
        const nodes = [...core.store.list('Node')];
        // Somewhere has to be left.
        if (what === 'cordon' && nodes.filter(({ spec }) => spec?.unschedulable === true).length * 3 >= nodes.length) return;
        const name = dice.pick(nodes)?.metadata?.name;
        if (name !== undefined) this.patch(core, 'Node', '', name, { spec: { unschedulable: what === 'cordon' } });
      }
    }
  }

  /** Puts right what nobody could bring to an end: bad images, suspended jobs, cordoned nodes. */
  mend(): void {
    const core = this.server();
    if (core === undefined) return;
    for (const { metadata, spec } of core.store.list('Node'))
      if (spec?.unschedulable === true) this.patch(core, 'Node', '', metadata?.name ?? '', { spec: { unschedulable: false } });
    for (const kind of ['Deployment', 'StatefulSet', 'DaemonSet'] as const) {
      for (const { metadata, spec } of core.store.list(kind, NAMESPACE)) {
        if (isBeingDeleted({ metadata })) continue;
        if (spec?.template?.spec?.containers[0]?.image !== 'bad:1') continue;
        this.patch(core, kind, NAMESPACE, metadata?.name ?? '', { spec: { template: { spec: podSpec('app:1') } } });
      }
    }
    for (const { metadata, spec } of core.store.list('Job', NAMESPACE))
      if (spec?.suspend === true && !isBeingDeleted({ metadata }))
        this.patch(core, 'Job', NAMESPACE, metadata?.name ?? '', { spec: { suspend: false } });
  }

  private newTemplate(): object {
    const image = this.dice.chance(0.12) ? 'bad:1' : (this.dice.pick(GOOD_IMAGES) ?? 'app:1');
    return { spec: { template: { metadata: { annotations: { change: String(this.serial++) } }, spec: podSpec(image) } } };
  }

  private create(core: RunningCore, kind: Workload): void {
    if (core.store.count(kind) >= MOST[kind]) return;
    const name = `${kind.toLowerCase().slice(0, 3)}${this.serial++}`;
    this.ask(core, `create ${kind} ${name}`, (registry) => registry.create(this.manifest(kind, name), WRITER));
  }

  private manifest(kind: Workload, name: string): Given {
    const { dice } = this;
    const labels = { app: name };
    const selector = { matchLabels: labels };
    const template = { metadata: { labels }, spec: podSpec(dice.pick(GOOD_IMAGES) ?? 'app:1') };
    const common = { metadata: { name, namespace: NAMESPACE } };
    switch (kind) {
      case 'Deployment': {
        const rollingUpdate = dice.pick([
          { maxSurge: 1, maxUnavailable: 0 },
          { maxSurge: 0, maxUnavailable: 1 },
          { maxSurge: '50%', maxUnavailable: '50%' },
        ]);
        const strategy = dice.chance(0.15) ? { type: 'Recreate' } : { type: 'RollingUpdate', rollingUpdate };
        return given(kind, {
          apiVersion: 'apps/v1',
          kind,
          ...common,
          spec: { replicas: dice.between(1, MOST_REPLICAS), selector, template, strategy },
        });
      }
      case 'StatefulSet': {
        const podManagementPolicy = dice.chance(0.5) ? 'Parallel' : 'OrderedReady';
        const spec = { replicas: dice.between(1, 4), selector, serviceName: name, template, podManagementPolicy };
        return given(kind, { apiVersion: 'apps/v1', kind, ...common, spec });
      }
      case 'DaemonSet':
        return given(kind, { apiVersion: 'apps/v1', kind, ...common, spec: { selector, template } });
      case 'Job': {
        const coin = dice.chance(0.4);
        const spec = {
          completions: dice.between(1, 8),
          parallelism: dice.between(1, 4),
          backoffLimit: coin ? dice.between(0, 6) : 6,
          ...(dice.chance(0.4) ? { completionMode: 'Indexed' } : {}),
          ...(dice.chance(0.3) ? { podReplacementPolicy: 'Failed' } : {}),
          template: {
            metadata: { labels },
            spec: { ...podSpec(coin ? 'job:coin' : 'job:ok'), restartPolicy: dice.chance(0.5) ? 'Never' : 'OnFailure' },
          },
          ttlSecondsAfterFinished: 60,
        };
        return given(kind, { apiVersion: 'batch/v1', kind, ...common, spec });
      }
    }
  }

  private change(core: RunningCore, kind: Workload, patch: () => object): void {
    const one = this.dice.pick([...core.store.list(kind, NAMESPACE)].filter((object) => !isBeingDeleted(object)));
    if (one !== undefined) this.patch(core, kind, NAMESPACE, one.metadata?.name ?? '', patch());
  }

  private patch(core: RunningCore, kind: Kind, namespace: string, name: string, patch: object): void {
    const text = JSON.stringify(patch);
    this.ask(core, `patch ${kind} ${name} ${text}`, (registry) =>
      registry.patch({ kind, namespace, name }, 'merge', new TextEncoder().encode(text), '', WRITER),
    );
  }

  private remove(core: RunningCore, kind: Kind): void {
    const one = this.dice.pick([...core.store.list(kind, NAMESPACE)]);
    if (one === undefined) return;
    const { name = '', uid = '' } = one.metadata ?? {};
    const options = { graceSeconds: undefined, propagationPolicy: this.dice.chance(0.3) ? 'Foreground' : '', uid, resourceVersion: '' };
    this.ask(core, `delete ${kind} ${name}`, async (registry) => {
      await registry.delete({ kind, namespace: NAMESPACE, name }, options, WRITER);
      return undefined;
    });
  }

  private ask(
    core: RunningCore,
    what: string,
    fn: (
      registry: Registry,
    ) => Promise<{ readonly object: { readonly metadata?: { readonly resourceVersion?: string | undefined } | undefined } } | undefined>,
  ): void {
    this.trace.note(`people: ${what}`);
    this.stats.asked++;
    fn(core.registry).then(
      (written) => {
        this.stats.acknowledged++;
        const revision = Number(written?.object.metadata?.resourceVersion ?? 0);
        this.trace.note(`people: ${what}: done (${revision})`);
        this.acknowledged(revision);
      },
      (error: unknown) => {
        this.stats.refused++;
        this.trace.note(`people: ${what}: ${error instanceof ApiError ? error.reason : String(error)}`);
        if (!(error instanceof ApiError)) this.failed(error);
        else if (error.reason === 'Invalid' || error.reason === 'BadRequest') this.failed(error);
      },
    );
  }
}

function podSpec(image: string): object {
  return {
    terminationGracePeriodSeconds: 4,
    containers: [{ name: 'main', image, imagePullPolicy: 'IfNotPresent', resources: { requests: { cpu: '100m', memory: '64Mi' } } }],
  };
}

function given<K extends Workload>(kind: K, tree: object): Given {
  const decoded = decodeObject(kind, tree);
  if (!decoded.ok) throw new Error(`programmer error: ${JSON.stringify(decoded.problems)}`);
  return { kind, object: decoded.object as KindMap[K] } as Given; // the object is of the kind it was decoded as
}
