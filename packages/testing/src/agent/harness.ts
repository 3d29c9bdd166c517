// An agent on a virtual clock with the fake runtime and a server that the test plays. For the agent's integration tests.

import { Agent } from '@podplane/agent/agent';
import type { AgentOptions } from '@podplane/agent/agent-options';
import { silentLog } from '@podplane/agent/log';
import { NO_READING } from '@podplane/agent/node/pressure';
import type { ProbeExecutor } from '@podplane/agent/probes/executor';
import type { PortHandlers, SessionPort } from '@podplane/agent/session/port';
import { memoryStateStore } from '@podplane/agent/state/state-store';
import { type ConfigMap } from '@podplane/api/gen/podplane/core/v1/config_map';
import { Pod, type PodStatus } from '@podplane/api/gen/podplane/core/v1/pod';
import type { Secret } from '@podplane/api/gen/podplane/core/v1/secret';
import type { Assignments, ConnectRequest, ConnectResponse, NodeEvent, PodReport } from '@podplane/api/gen/podplane/node/v1/session';
import type { System } from '@podplane/api/system';
import { FakeRuntime } from '../fake-runtime.js';
import { VirtualSystem } from '../virtual-system.js';

/** The server's side of the session, as a test wants it. */
export class FakeServer {
  readonly received: NonNullable<ConnectRequest['message']>[] = [];
  readonly reports = new Map<string, PodReport>();
  /** All of them, in order. */
  readonly history: PodReport[] = [];
  readonly events: NodeEvent[] = [];
  /** Connections so far. */
  dials = 0;
  /** up: answers. silent: takes everything and says nothing. down: refuses connections. */
  mode: 'up' | 'silent' | 'down' = 'up';
  /** Statuses are acknowledged. */
  acknowledging = true;
  term = 1;
  previousTerm = 0;
  /** No epoch up to here is given again. */
  epoch = 0;
  startsHeld = false;
  podCIDR = '10.244.1.0/24';
  readonly pods = new Map<string, Pod>();
  configMaps: ConfigMap[] = [];
  secrets: Secret[] = [];
  private revision = 0;
  private handlers: PortHandlers | undefined;
  /** Called after each message. */
  onReceive: () => void = () => undefined;

  constructor(private readonly system: Pick<System, 'timers'>) {}

  readonly connect = (handlers: PortHandlers): SessionPort => {
    this.dials++;
    if (this.mode === 'down') {
      this.system.timers.after(1, () => handlers.closed({ code: 'unreachable', message: 'connection refused' }));
      return { send: () => Promise.resolve(), close: () => undefined };
    }
    this.handlers = handlers;
    return {
      send: (message) => {
        // Only the newest connection is heard.
        if (this.handlers === handlers) this.receive(message);
        return Promise.resolve();
      },
      close: () => {
        if (this.handlers === handlers) this.handlers = undefined;
      },
    };
  };

  say(message: NonNullable<ConnectResponse['message']>): void {
    const { handlers } = this;
    if (handlers === undefined || this.mode !== 'up') return;
    this.system.timers.after(1, () => handlers.message({ message }));
  }

  /** What claims have, and what this node shall remove. */
  claimedVolumes: Assignments['claimedVolumes'] = [];
  volumesToRemove: Assignments['volumesToRemove'] = [];

  /** Resets the connection. */
  drop(): void {
    const { handlers } = this;
    this.handlers = undefined;
    handlers?.closed({ code: 'ended', message: 'reset' });
  }

  /** Assigns a pod (or its newest form) by a difference. */
  assign(pod: Pod): void {
    this.pods.set(pod.metadata?.uid ?? '', pod);
    this.difference({ pods: [pod] });
  }

  remove(uid: string): void {
    this.pods.delete(uid);
    this.difference({ removedPodUids: [uid] });
  }

  difference(change: Partial<Assignments>): void {
    const from = this.revision++;
    const empty: Assignments = {
      complete: false,
      from,
      to: this.revision,
      pods: [],
      removedPodUids: [],
      configMaps: [],
      secrets: [],
      removedReferences: [],
      claimedVolumes: [],
      volumesToRemove: [],
      volumesToLeave: [],
    };
    this.say({ $case: 'assignments', value: { ...empty, ...change } });
  }

  complete(): void {
    const { pods, configMaps, secrets } = this;
    this.say({
      $case: 'assignments',
      value: {
        complete: true,
        from: 0,
        to: this.revision,
        pods: [...pods.values()],
        configMaps,
        secrets,
        removedPodUids: [],
        removedReferences: [],
        claimedVolumes: this.claimedVolumes,
        volumesToRemove: this.volumesToRemove,
        volumesToLeave: [],
      },
    });
  }

  status(uid: string): PodStatus | undefined {
    return this.reports.get(uid)?.status;
  }

  private receive({ message }: ConnectRequest): void {
    if (message === undefined) return;
    this.received.push(message);
    if (this.mode !== 'up') return;
    queueMicrotask(() => this.onReceive());
    switch (message.$case) {
      case 'hello':
        this.say({
          $case: 'welcome',
          value: {
            sessionId: `s${this.dials}`,
            heartbeatPeriodMillis: 1000,
            leaseMillis: 15_000,
            podCIDR: this.podCIDR,
            clusterCIDR: '10.244.0.0/16',
            clusterId: 'c',
            term: this.term,
            previousTerm: this.previousTerm,
            epoch: this.epoch,
            startsHeld: this.startsHeld,
          },
        });
        this.complete();
        return;
      case 'heartbeat':
        this.say({
          $case: 'heartbeatAck',
          value: {
            seq: message.value.seq,
            leaseMillis: 15_000,
            heartbeatPeriodMillis: 1000,
            term: this.term,
            epoch: this.epoch,
            startsHeld: this.startsHeld,
          },
        });
        return;
      case 'podStatuses':
        for (const report of message.value.reports) {
          this.reports.set(report.uid, report);
          this.history.push(report);
        }
        if (this.acknowledging) this.say({ $case: 'podStatusesAck', value: { seq: message.value.seq } });
        return;
      case 'events':
        this.events.push(...message.value.events);
        return;
      case 'resync':
        this.complete();
        return;
      default:
    }
  }
}

export interface World {
  readonly system: VirtualSystem;
  readonly runtime: FakeRuntime;
  readonly server: FakeServer;
  readonly state: ReturnType<typeof memoryStateStore>;
  agent: Agent;
  /** Outcomes of probes that go over the network, by container name; default success. */
  readonly probes: Map<string, 'success' | 'failure'>;
  /** A new agent process on the same machine; the old one is gone without a word. */
  restart(): void;
}

export function world(seed = 1, options: Partial<AgentOptions> = {}): World {
  const system = new VirtualSystem(seed);
  const runtime = new FakeRuntime({ system });
  runtime.addImage('app:1');
  const server = new FakeServer(system);
  const state = memoryStateStore();
  const probes = new Map<string, 'success' | 'failure'>();
  const executor: ProbeExecutor = {
    run: (_probe, { container }) => Promise.resolve({ result: probes.get(container.name) ?? 'success', message: 'fake' }),
  };
  const make = (): Agent =>
    new Agent({
      system,
      runtime,
      connect: server.connect,
      state,
      log: silentLog,
      flags: {
        nodeName: 'n1',
        nodeIP: '192.0.2.1',
        maxPods: 110,
        cpuMillis: undefined,
        memoryBytes: undefined,
        reservedCpuMillis: 0,
        reservedMemoryBytes: 0,
        agentVersion: 'v0',
        machineId: 'm',
        bootId: system.random.uid(),
      },
      labels: {},
      taints: [],
      fallback: { cpus: 2, memoryBytes: 4 * 1024 ** 3, kernelVersion: '0', architecture: 'x64' },
      readHost: () => NO_READING,
      probes: executor,
      ...options,
    });
  const made: World = {
    system,
    runtime,
    server,
    state,
    probes,
    agent: make(),
    restart() {
      // As after kill -9: nothing is said, nothing is written any more.
      void made.agent.stop();
      made.agent = make();
      made.agent.start();
    },
  };
  made.agent.start();
  return made;
}

/** A pod as the server assigns it; containers "a", "b", ... */
export function testPod(name: string, change: (pod: Pod) => void = () => undefined, containers: readonly string[] = ['a']): Pod {
  const pod = Pod.fromJSON({
    metadata: {
      name,
      namespace: 'default',
      uid: `00000000-0000-4000-8000-${Buffer.from(name).toString('hex').padEnd(12, '0').slice(0, 12)}`,
    },
    spec: {
      nodeName: 'n1',
      restartPolicy: 'Always',
      terminationGracePeriodSeconds: 30,
      containers: containers.map((container) => ({ name: container, image: 'app:1', imagePullPolicy: 'IfNotPresent' })),
    },
  });
  change(pod);
  return pod;
}

export function condition(status: PodStatus | undefined, type: string): string | undefined {
  return status?.conditions.find((one) => one.type === type)?.status;
}
