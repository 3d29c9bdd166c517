// Controllers, scheduler and the recorder of events, put to work on a store. What they decide is in their own packages.
import type { NodeEvent } from '@podplane/api/gen/podplane/node/v1/session';
import { dnsSubdomainProblems } from '@podplane/api/names';
import type { System } from '@podplane/api/system';
import { createControllers } from '@podplane/controllers/controllers';
import type { NodeLifecycleConfig } from '@podplane/controllers/node-lifecycle/config';
import { EventRecorder } from '@podplane/controllers/runtime/events';
import { ControllerPump } from '@podplane/controllers/runtime/pump';
import type { EventInput, NodeLiveness } from '@podplane/controllers/runtime/types';
import { Scheduler } from '@podplane/scheduler/shell';
import type { Store } from '@podplane/store/types';
import type { Logger } from 'pino';

export interface DeciderParts {
  readonly store: Store;
  readonly system: System;
  readonly liveness: NodeLiveness;
  readonly nodeLifecycle?: Partial<NodeLifecycleConfig>;
  readonly rootCa: string;
  readonly log: Logger;
}

export interface Deciders {
  /** What a node says has happened to its pods or to itself. */
  recordNodeEvents(nodeName: string, events: readonly NodeEvent[]): void;
  /** What the server has to say of a node, as an event of it. */
  warnOfNode(nodeName: string, reason: string, message: string): void;
  /** Something about a node's session changed. */
  nodeChanged(nodeName: string): void;
  stop(): void;
}

/** The controller that judges nodes, by its name. */
const NODE_LIFECYCLE = 'node-lifecycle';

export function startDeciders({ store, system, liveness, nodeLifecycle = {}, rootCa, log }: DeciderParts): Deciders {
  const recorder = new EventRecorder({ store, system, onError: (error) => log.warn({ err: error }, 'events could not be written') });
  const pump = new ControllerPump({
    store,
    system,
    reconcilers: createControllers({ liveness, nodeLifecycle, rootCa }),
    event: (input, controller) => recorder.record(input, undefined, { component: `${controller}-controller` }),
    onError: (controller, key, error) => log.error({ controller, key, err: error }, 'a reconcile failed'),
  });
  const scheduler = new Scheduler({
    store,
    system,
    event: (event) => recorder.record(event, undefined, { component: 'scheduler' }),
    onError: (error) => log.error({ err: error }, 'a pass of the scheduler failed'),
  });
  pump.start();
  scheduler.start();
  return {
    recordNodeEvents(nodeName, events) {
      for (const event of events) {
        const input = eventInput(store, nodeName, event);
        if (input === undefined) continue;
        const at = Date.parse(event.time);
        recorder.record(input, Number.isNaN(at) ? undefined : at, { component: 'agent', host: nodeName, count: Math.max(1, event.count) });
      }
    },
    warnOfNode(nodeName, reason, message) {
      recorder.record({ regarding: nodeOf(store, nodeName), type: 'Warning', reason, message }, undefined, { component: 'node-sessions' });
    },
    nodeChanged(nodeName) {
      pump.poke(NODE_LIFECYCLE, nodeName);
    },
    stop() {
      scheduler.stop();
      pump.stop();
      recorder.stop();
    },
  };
}

function nodeOf(store: Store, nodeName: string): EventInput['regarding'] {
  return { kind: 'Node', namespace: '', name: nodeName, uid: store.get('Node', '', nodeName)?.metadata?.uid ?? '' };
}

/** A node speaks of its own pods (those that are gone already, too) and of itself; undefined: of something else. */
function eventInput(store: Store, nodeName: string, event: NodeEvent): EventInput | undefined {
  const { podUid: uid, namespace, name, fieldPath, reason, message } = event;
  const common = { type: event.type === 'Warning' ? 'Warning' : 'Normal', reason, message } as const;
  if (uid === '') {
    return { ...common, regarding: nodeOf(store, nodeName) };
  }
  const path = fieldPath === '' ? {} : { fieldPath };
  const pod = store.byUid('Pod', uid);
  if (pod !== undefined) {
    if (pod.spec?.nodeName !== nodeName) return undefined;
    const known = { namespace: pod.metadata?.namespace ?? '', name: pod.metadata?.name ?? '' };
    return { ...common, regarding: { kind: 'Pod', ...known, uid, ...path } };
  }
  // Its object went while the node was still ending it. Then the name is the node's word, and must not be that of another's pod.
  const namesake = store.get('Pod', namespace, name);
  if (namesake !== undefined && namesake.spec?.nodeName !== nodeName) return undefined;
  if (store.get('Namespace', '', namespace) === undefined || dnsSubdomainProblems(name).length > 0) return undefined;
  return { ...common, regarding: { kind: 'Pod', namespace, name, uid: uid.slice(0, 64), ...path } };
}
