// For tests of sessions: a store, the sessions on it and a clock that is turned by hand, without network, controllers or certificates. One a
// file: start() before each test, stop() after it.
import { NodeStatus } from '@podplane/api/gen/podplane/core/v1/node';
import { Pod, PodStatus } from '@podplane/api/gen/podplane/core/v1/pod';
import type { NodeEvent } from '@podplane/api/gen/podplane/node/v1/session';
import { createDefaultNamespaces } from '@podplane/controllers/namespace/bootstrap';
import { catalogueCodecs } from '@podplane/store/catalogue-codecs';
import { MemoryJournal } from '@podplane/store/journals/memory';
import { createStore } from '@podplane/store/store';
import { HandSystem } from '@podplane/store/testkit/hand-system';
import type { Store } from '@podplane/store/types';
import { LeaseGrants } from '../sessions/leases.js';
import type { AgentMessage, ServerMessage, SessionInput } from '../sessions/port.js';
import { NodeSessions } from '../sessions/sessions.js';
import { DEFAULT_SESSION_TIMINGS } from '../sessions/timings.js';

export interface HandAgent {
  readonly input: SessionInput;
  readonly said: ServerMessage[];
  closed: boolean;
  /** Its buffer takes no more. */
  full: boolean;
  say(message: AgentMessage): void;
  /** What kinds of things were said since the last look. */
  heard(): string[];
}

export class HandSessions {
  readonly problems: string[] = [];
  readonly throttled: string[] = [];
  readonly recorded: NodeEvent[] = [];

  private constructor(
    readonly system: HandSystem,
    readonly journal: MemoryJournal,
    readonly store: Store,
    leases: LeaseGrants,
  ) {
    this.sessions = new NodeSessions({
      store,
      system,
      clusterId: 'test',
      clusterCidr: { base: 10 * 2 ** 24, bits: 8 },
      nodeCidrBits: 24,
      // Few enough that a test can see the limit.
      timings: { ...DEFAULT_SESSION_TIMINGS, heartbeatsPerSecond: 300 },
      leases,
      recordEvents: (_node, events) => void this.recorded.push(...events),
      tunnelRefused: () => undefined,
      changed: () => undefined,
      throttled: (node, message) => void this.throttled.push(`${node}: ${message}`),
      problem: (node, what) => void this.problems.push(`${node}: ${what}`),
    });
  }

  readonly sessions: NodeSessions;

  static async start(): Promise<HandSessions> {
    const system = new HandSystem();
    const journal = new MemoryJournal();
    const store = await createStore({ system, journal, codecs: catalogueCodecs });
    store.transact({ actor: 'test', reason: 'start' }, (tx) => createDefaultNamespaces(tx));
    const opening = LeaseGrants.open(store.meta, system, DEFAULT_SESSION_TIMINGS.leaseMs);
    await system.advance(0);
    const made = new HandSessions(system, journal, store, await opening);
    await system.advance(0);
    return made;
  }

  async stop(): Promise<void> {
    this.journal.release();
    this.journal.setBroken(undefined);
    await this.sessions.stop();
    await this.store.close();
  }

  /** An agent that has said hello. */
  agent(nodeName = 'n1', bootId = 'boot-1'): HandAgent {
    const said: ServerMessage[] = [];
    let looked = 0;
    const input = this.sessions.connect(nodeName, {
      send: ({ message }) => {
        if (message !== undefined) said.push(message);
        return !made.full;
      },
      close: () => void (made.closed = true),
    });
    const made: HandAgent = {
      input,
      said,
      closed: false,
      full: false,
      say: (message) => input.message({ message }),
      heard: () => {
        const kinds = said.slice(looked).map(({ $case }) => $case);
        looked = said.length;
        return kinds;
      },
    };
    made.say({
      $case: 'hello',
      value: {
        nodeName,
        bootId,
        machineId: `machine-of-${nodeName}`,
        agentVersion: '',
        labels: {},
        status: NodeStatus.fromPartial({}),
        inventory: [],
        podCIDR: '',
        taints: [],
        dial: 0,
        epoch: 0,
        term: 0,
      },
    });
    return made;
  }

  /** A pod on n1; its uid. */
  createPod(): string {
    const pod = Pod.fromPartial({
      metadata: { name: 'a', namespace: 'default' },
      spec: { nodeName: 'n1', containers: [{ name: 'c', image: 'i' }] },
    });
    return this.store.transact({ actor: 'test', reason: 'pod' }, (tx) => tx.create('Pod', pod)).result.metadata?.uid ?? '';
  }
}

/** The report of such a pod. */
export function running(uid: string, seq: number, phase = 'Running'): AgentMessage {
  return {
    $case: 'podStatuses',
    value: { seq, reports: [{ uid, namespace: 'default', name: 'a', status: PodStatus.fromPartial({ phase }), terminated: false }] },
  };
}
