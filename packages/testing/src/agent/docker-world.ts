// Agents on a real Docker Engine, one after the other on one node, with a server that the test plays, under names of its own. For tests where
// Docker decides.
import { mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Agent } from '@podplane/agent/agent';
import { silentLog } from '@podplane/agent/log';
import { NO_READING } from '@podplane/agent/node/pressure';
import { TerminationMessages } from '@podplane/agent/pods/termination-messages';
import { system, TestNode } from '@podplane/agent/runtime/testing/real-engine';
import { fileStateStore } from '@podplane/agent/state/state-store';
import { PodFiles } from '@podplane/agent/volumes/pod-files';
import { memoryFolder } from '@podplane/agent/volumes/roots';
import { Pod, type PodStatus } from '@podplane/api/gen/podplane/core/v1/pod';
import { condition, FakeServer } from './harness.js';

/** Ends at once on SIGTERM, stays otherwise. */
export const STAY = 'trap "exit 0" TERM; sleep 100000 & wait';

export class DockerWorld {
  readonly node = new TestNode();
  readonly server = new FakeServer(system);
  readonly folder = realpathSync(mkdtempSync(join(tmpdir(), 'podplane-agent-')));
  /** Of the agent, below folder. */
  readonly dataDir = join(this.folder, 'data');
  private readonly waiters = new Set<() => void>();
  private agent: Agent | undefined;

  async open(): Promise<void> {
    mkdirSync(this.dataDir);
    await this.node.open();
    this.server.podCIDR = this.node.podCIDR;
    this.server.onReceive = () => {
      for (const look of this.waiters) look();
    };
    this.start();
  }

  /** The agent goes, and its pods stay. */
  async stop(): Promise<void> {
    await this.agent?.stop();
    this.agent = undefined;
  }

  /** The next one, with what the one before wrote. */
  start(): void {
    this.agent = new Agent({
      system,
      runtime: this.node.runtime,
      connect: this.server.connect,
      state: fileStateStore(join(this.dataDir, 'state.json'), silentLog),
      log: silentLog,
      files: new PodFiles({ dataDir: this.dataDir, runtime: this.node.runtime, clock: system.clock, log: silentLog }),
      flags: {
        nodeName: this.node.name,
        nodeIP: '127.0.0.1',
        maxPods: 20,
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
      fallback: { cpus: 2, memoryBytes: 1e9, kernelVersion: '', architecture: 'x64' },
      readHost: () => NO_READING,
      messages: new TerminationMessages(join(this.dataDir, 'termination'), this.node.runtime),
    });
    this.agent.start();
  }

  async close(): Promise<void> {
    await this.stop();
    await this.node.close();
    const memory = memoryFolder(this.dataDir);
    if (memory !== undefined) rmSync(memory, { recursive: true, force: true });
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** A container that runs a script. */
  shell(name: string, script: string, more: object = {}): object {
    return { name, image: this.node.image, imagePullPolicy: 'IfNotPresent', command: ['/bin/sh', '-c', script], ...more };
  }

  /** A pod of the node, which runs once unless it says otherwise. */
  pod(name: string, spec: object, metadata: object = {}): Pod {
    return Pod.fromJSON({
      metadata: { name, namespace: 'default', uid: system.random.uid(), ...metadata },
      spec: { nodeName: this.node.name, restartPolicy: 'Never', terminationGracePeriodSeconds: 5, ...spec },
    });
  }

  /** Assigns one to the node. */
  run(name: string, spec: object): Pod {
    const pod = this.pod(name, spec);
    this.server.assign(pod);
    return pod;
  }

  status(pod: Pod): PodStatus | undefined {
    return this.server.status(pod.metadata?.uid ?? '');
  }

  isReady(pod: Pod): boolean {
    return condition(this.status(pod), 'Ready') === 'True';
  }

  /** Id of a container of any kind. */
  id(pod: Pod, container: string): string {
    return this.of(pod, container)?.containerID?.replace('docker://', '') ?? '';
  }

  /** What is reported of a container of any kind. */
  of(pod: Pod, container: string): PodStatus['containerStatuses'][number] | undefined {
    const { initContainerStatuses = [], containerStatuses = [], ephemeralContainerStatuses = [] } = this.status(pod) ?? {};
    return [...initContainerStatuses, ...containerStatuses, ...ephemeralContainerStatuses].find(({ name }) => name === container);
  }

  async exec(pod: Pod, container: string, script: string): Promise<string> {
    return (await this.node.run(this.id(pod, container), 'sh', '-c', script)).out.trim();
  }

  async logs(pod: Pod, container: string): Promise<string> {
    let out = '';
    const all = { follow: false, tail: undefined, since: undefined, timestamps: false };
    for await (const part of this.node.runtime.logs(this.id(pod, container), all, new AbortController().signal)) {
      out += Buffer.from(part.data).toString('utf8');
    }
    return out;
  }

  /** What is kept of containers' messages, as paths. */
  messageFiles(): readonly string[] {
    const entries = readdirSync(join(this.dataDir, 'termination'), { recursive: true, withFileTypes: true });
    return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  }

  /** Messages of the events of a reason. */
  events(reason: string): readonly string[] {
    return this.server.events.filter((event) => event.reason === reason).map(({ message }) => message);
  }

  /** Called at each message of the agent, until what is returned is called. */
  onMessage(look: () => void): () => void {
    this.waiters.add(look);
    return () => void this.waiters.delete(look);
  }

  /** Waits until what the agent reports makes it true. */
  async until(what: string, done: () => boolean, ms = 60_000): Promise<void> {
    if (done()) return;
    const reached = Promise.withResolvers<void>();
    const look = (): void => {
      if (done()) reached.resolve();
    };
    const over = this.onMessage(look);
    const timer = setTimeout(() => {
      const seen = [...this.server.reports.values()].map(({ name, status }) => [name, status]);
      const events = this.server.events.map(({ reason, message }) => [reason, message]);
      reached.reject(new Error(`${what}: ${JSON.stringify(seen, null, 1)}\n${JSON.stringify(events)}`));
    }, ms);
    await reached.promise.finally(() => {
      clearTimeout(timer);
      over();
    });
  }

  /** Takes pods away and waits until nothing of them is left. */
  async gone(...pods: readonly Pod[]): Promise<void> {
    const uids = pods.map(({ metadata }) => metadata?.uid ?? '');
    for (const uid of uids) this.server.remove(uid);
    await this.until('gone', () => uids.every((uid) => this.server.reports.get(uid)?.terminated === true));
  }
}
