// A real store, a hand-turned clock, controllers on a pump, and a stand-in for agents that makes bound pods run. Not part of the program.
import { fieldErrorText } from '@podplane/api/errors';
import { Deployment } from '@podplane/api/gen/podplane/apps/v1/deployment';
import { ContainerStatus } from '@podplane/api/gen/podplane/core/v1/container_status';
import { Node } from '@podplane/api/gen/podplane/core/v1/node';
import { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import { kindInfo } from '@podplane/api/kinds/catalogue';
import { deploymentKind } from '@podplane/api/kinds/deployment';
import type { Kind, KindMap, Obj } from '@podplane/api/kinds/kind-map';
import { isBeingDeleted, isPodLost, isPodTerminal, podCondition } from '@podplane/api/pod-state';
import { catalogueCodecs as codecs } from '@podplane/store/catalogue-codecs';
import { type MemoryJournal, memoryJournal } from '@podplane/store/journals/memory';
import { createStore, type ObjectStore } from '@podplane/store/store';
import { HandSystem } from '@podplane/store/testkit/hand-system';
import { createControllers } from '../controllers.js';
import { targetOf } from '../daemonset/placement.js';
import { createDefaultNamespaces } from '../namespace/bootstrap.js';
import { EventRecorder } from '../runtime/events.js';
import { ControllerPump } from '../runtime/pump.js';
import type { EventInput, NodeLiveness, Reconciler } from '../runtime/types.js';

export class FakeLiveness implements NodeLiveness {
  readonly heard = new Map<string, { mono: number; wall: number }>();
  readonly sessions = new Set<string>();
  readonly goodbyes = new Set<string>();
  servingSince = 0;
  stallCredit = 0;
  lastHeard = (name: string): number | undefined => this.heard.get(name)?.mono;
  lastHeardWall = (name: string): number | undefined => this.heard.get(name)?.wall;
  connected = (name: string): boolean => this.sessions.has(name);
  saidGoodbye = (name: string): boolean => this.goodbyes.has(name);
  /** As sessions count it: every time that a node is heard its lease is renewed. */
  leaseMs = 15_000;
  leaseOver = (name: string): number => (this.heard.get(name)?.mono ?? this.servingSince) + this.leaseMs;
}

export interface ToldEvent extends EventInput {
  readonly controller: string;
  readonly at: number;
}

export const cause = { actor: 'user:test', reason: 'test' };

export class World {
  readonly system = new HandSystem();
  readonly journal: MemoryJournal = memoryJournal();
  readonly liveness = new FakeLiveness();
  readonly events: ToldEvent[] = [];
  readonly errors: { readonly controller: string; readonly key: string; readonly error: unknown }[] = [];
  store!: ObjectStore;
  pump!: ControllerPump;
  recorder!: EventRecorder;

  static async open(reconcilers?: (world: World) => Reconciler[]): Promise<World> {
    const world = new World();
    const { system } = world;
    world.store = await createStore({ system, journal: world.journal, codecs });
    world.store.transact(cause, (tx) => createDefaultNamespaces(tx));
    world.recorder = new EventRecorder({ store: world.store, system });
    world.start(reconcilers);
    return world;
  }

  /** Controllers without memory of before, as after a restart of the server. */
  start(reconcilers: (world: World) => Reconciler[] = (world) => createControllers({ liveness: world.liveness })): void {
    this.pump?.stop();
    this.pump = new ControllerPump({
      store: this.store,
      system: this.system,
      reconcilers: reconcilers(this),
      event: (input, controller) => void this.events.push({ ...input, controller, at: this.system.clock.monotonic() }),
      onError: (controller, key, error) => void this.errors.push({ controller, key, error }),
    });
    this.pump.start();
  }

  async close(): Promise<void> {
    this.pump.stop();
    this.recorder.stop();
    const closing = this.store.close();
    await this.system.advance(100);
    await closing;
  }

  settle(): Promise<void> {
    return this.system.advance(0);
  }

  create<K extends Kind>(kind: K, object: KindMap[K] | Obj<K>): Obj<K> {
    return this.store.transact(cause, (tx) => tx.create(kind, object) as Obj).result as Obj<K>;
  }

  edit<K extends Kind>(kind: K, name: string, edit: (draft: KindMap[K]) => void): void {
    const namespace = kind === 'Node' || kind === 'Namespace' ? '' : 'default';
    this.store.transact(cause, (tx) => void tx.edit(kind, namespace, name, edit));
  }

  pods(): Obj<'Pod'>[] {
    return [...this.store.list('Pod', undefined, { ordered: true })];
  }

  /** Pods that count: neither over, nor on their way out, nor on a lost node. */
  activePods(): Obj<'Pod'>[] {
    return this.pods().filter((pod) => !isPodTerminal(pod) && !isBeingDeleted(pod) && !isPodLost(pod));
  }

  /** Time passes while all nodes are heard. */
  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 1000) {
      for (const name of this.liveness.sessions) this.beat(name);
      await this.system.advance(Math.min(1000, left));
    }
  }

  /** The pod's containers have ended. code: exit code of the first. */
  end(name: string, phase: 'Succeeded' | 'Failed', code = phase === 'Failed' ? 1 : 0): void {
    const finishedAt = new Date(this.system.clock.now()).toISOString();
    this.edit('Pod', name, (draft) => {
      if (draft.spec !== undefined) draft.spec.nodeName ||= 'n1';
      if (draft.status === undefined) return;
      draft.status.phase = phase;
      draft.status.conditions = draft.status.conditions.filter((c) => c.type !== 'Ready');
      const state = { terminated: { exitCode: code, finishedAt } };
      draft.status.containerStatuses = [
        ContainerStatus.fromPartial({
          name: draft.spec?.containers[0]?.name ?? '',
          ready: false,
          restartCount: 0,
          image: '',
          imageID: '',
          state,
        }),
      ];
    });
  }

  /** Creates an object of a manifest as the server would admit it. */
  apply<K extends Kind>(kind: K, manifest: unknown): Obj<K> {
    const info = kindInfo(kind);
    const object = info.codec.fromJSON(manifest);
    info.setDefaults(object);
    info.prepareForCreate(object, this.system.clock.now());
    const faults = info.validateCreate(object);
    if (faults.length > 0) throw new Error(faults.map(fieldErrorText).join('; '));
    return this.create(kind, object);
  }

  get<K extends Kind>(kind: K, name: string): Obj<K> {
    const found = this.store.get(kind, kind === 'Node' ? '' : 'default', name);
    if (found === undefined) throw new Error(`no ${kind} ${name}`);
    return found;
  }

  sets(): Obj<'ReplicaSet'>[] {
    return [...this.store.list('ReplicaSet', undefined, { ordered: true })];
  }

  deployment(name = 'web'): Obj<'Deployment'> {
    const found = this.store.get('Deployment', 'default', name);
    if (found === undefined) throw new Error(`no deployment ${name}`);
    return found;
  }

  /** As a scheduler and an agent would: binds a pod (a daemon pod where it belongs) and reports it Running, ready or not. */
  run(pod: Obj<'Pod'>, ready = true, node = 'n1'): void {
    const time = new Date(this.system.clock.now()).toISOString();
    this.edit('Pod', pod.metadata?.name ?? '', (draft) => {
      if (draft.spec !== undefined) draft.spec.nodeName ||= targetOf(pod) || node;
      if (draft.status === undefined) return;
      const before = podCondition(draft, 'Ready');
      const status = ready ? 'True' : 'False';
      draft.status.phase = 'Running';
      const lastTransitionTime = before?.status === status ? before.lastTransitionTime : time;
      draft.status.conditions = [
        ...draft.status.conditions.filter((c) => c.type !== 'Ready'),
        { type: 'Ready', status, lastTransitionTime },
      ];
    });
  }

  /** All agents have done what was asked of them: pods being deleted are gone. */
  reap(): void {
    for (const pod of this.pods())
      if (isBeingDeleted(pod)) this.store.transact(cause, (tx) => tx.remove('Pod', 'default', pod.metadata?.name ?? ''));
  }

  /** Lets controllers and "agents" work until nothing changes. */
  async converge(rounds = 100): Promise<void> {
    for (let i = 0; i < rounds; i++) {
      const before = this.store.revision;
      await this.settle();
      for (const pod of this.activePods()) if (podCondition(pod, 'Ready')?.status !== 'True') this.run(pod);
      this.reap();
      await this.settle();
      if (this.store.revision === before) return;
    }
    throw new Error(`no rest after ${rounds} rounds`);
  }

  addNode(name: string): void {
    this.create(
      'Node',
      Node.fromPartial({
        apiVersion: 'v1',
        kind: 'Node',
        metadata: { name },
        spec: {},
        status: { conditions: [{ type: 'Ready', status: 'True', reason: 'AgentReady' }] },
      }),
    );
    this.beat(name);
    this.liveness.sessions.add(name);
    this.pump.poke('node-lifecycle', name);
  }

  beat(name: string): void {
    this.liveness.heard.set(name, { mono: this.system.clock.monotonic(), wall: this.system.clock.now() });
  }

  node(name: string): Obj<'Node'> {
    const node = this.store.get('Node', '', name);
    if (node === undefined) throw new Error(`no node ${name}`);
    return node;
  }
}

export interface DeploymentShape {
  readonly replicas?: number;
  readonly image?: string;
  readonly maxSurge?: number | string;
  readonly maxUnavailable?: number | string;
  readonly recreate?: boolean;
  readonly minReadySeconds?: number;
  readonly history?: number;
  readonly deadline?: number;
}

export function makeDeployment(name = 'web', shape: DeploymentShape = {}): Deployment {
  const rollingUpdate = { maxSurge: shape.maxSurge ?? '25%', maxUnavailable: shape.maxUnavailable ?? '25%' };
  const deployment = Deployment.fromPartial({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace: 'default' },
    spec: {
      replicas: shape.replicas ?? 3,
      selector: { matchLabels: { app: name } },
      template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: 'c', image: shape.image ?? 'v1' }] } },
      strategy: shape.recreate ? { type: 'Recreate' } : { type: 'RollingUpdate', rollingUpdate },
      minReadySeconds: shape.minReadySeconds,
      revisionHistoryLimit: shape.history,
      progressDeadlineSeconds: shape.deadline,
    },
  });
  deploymentKind.setDefaults(deployment);
  return deployment;
}

export function barePod(name: string, labels: Record<string, string> = {}, node?: string): Pod {
  return Pod.fromPartial({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default', labels },
    spec: { containers: [{ name: 'c', image: 'i' }], nodeName: node },
    status: { phase: 'Pending' },
  });
}
