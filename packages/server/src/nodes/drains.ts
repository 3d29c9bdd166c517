// Drains as clients ask for them: begin, follow, cancel. Carrying them out is the drain controller's; nothing here has to stay alive for that.
import { ApiError, badRequest, notFound } from '@podplane/api/errors';
import type { DrainNodeRequest, DrainNodeResponse, DrainPod, WatchDrainResponse } from '@podplane/api/gen/podplane/api/v1/cluster';
import type { Obj } from '@podplane/api/kinds/kind-map';
import { parseLabelSelector, SelectorError } from '@podplane/api/selectors';
import type { System } from '@podplane/api/system';
import type { Judgements } from '@podplane/controllers/disruption/eviction';
import { leftText, objectionsOf, type PodProgress, partOf, podsToDrain, progressOf } from '@podplane/controllers/drain/pods';
import { DRAINED, type Drain, type DrainOptions, drainOf, withDrain } from '@podplane/controllers/drain/request';
import type { ReadView, Store, Tx } from '@podplane/store/types';
import { actorOf, type Identity } from '../auth/identity.js';

type Node = Obj<'Node'>;

/** A watcher is told of changes no more often than this, ms. */
const TELL_EVERY_MS = 100;

export interface DrainParts {
  readonly store: Store;
  readonly system: System;
  /** What would become of the node's pods; for dry runs. */
  readonly preview: (node: string, options: DrainOptions, others: readonly string[]) => Promise<readonly DrainPod[]>;
}

/** Throws ApiError BadRequest for options that mean nothing. */
function optionsOf(request: DrainNodeRequest): DrainOptions {
  const { onTimeout, gracePeriodSeconds, skipWaitForDeleteSeconds, timeoutSeconds, podSelector } = request;
  if (onTimeout !== '' && onTimeout !== 'Stop' && onTimeout !== 'Delete') {
    throw badRequest(`onTimeout: Unsupported value: ${JSON.stringify(onTimeout.slice(0, 50))}: supported values: "Stop", "Delete"`);
  }
  for (const [field, value] of Object.entries({ gracePeriodSeconds, skipWaitForDeleteSeconds, timeoutSeconds })) {
    if (value !== undefined && (!Number.isSafeInteger(value) || value < 0))
      throw badRequest(`${field}: Invalid value: ${value}: must be greater than or equal to 0`);
  }
  try {
    parseLabelSelector(podSelector);
  } catch (error) {
    if (error instanceof SelectorError) throw badRequest(`podSelector: ${error.message}`);
    throw error;
  }
  const { ignoreDaemonSets, force, deleteEmptyDirData, disableEviction } = request;
  return {
    ignoreDaemonSets,
    force,
    deleteEmptyDirData,
    disableEviction,
    podSelector,
    gracePeriodSeconds,
    skipWaitForDeleteSeconds,
    onTimeout: onTimeout === 'Delete' ? 'Delete' : 'Stop',
  };
}

function nodeOf(view: ReadView, name: string): Node {
  const node = view.get('Node', '', name);
  if (node === undefined) throw notFound('Node', '', name);
  return node;
}

/** Throws ApiError BadRequest where pods forbid it. */
function checkObjections(view: ReadView, node: string, options: DrainOptions): void {
  const objections = objectionsOf(view, node, options);
  if (objections.length === 0) return;
  throw new ApiError('BadRequest', `unable to drain node "${node}": ${objections.map(({ message }) => message).join('; ')}`, {
    target: { kind: 'Node', namespace: '', name: node },
    causes: objections.map(({ option, message }) => ({ reason: 'FieldValueRequired', field: option, message })),
    advice: 'Nothing was changed. Allow it by the options named, or leave such pods out with a selector of pods.',
  });
}

const drainPod = ({ namespace, name, uid, state, message }: PodProgress): DrainPod => ({
  namespace,
  name,
  uid,
  state,
  message,
  newNode: '',
  newName: '',
});

function standOf(view: ReadView, node: string, options: DrainOptions, now: number): PodProgress[] {
  const known: Judgements = new Map();
  return podsToDrain(view, node, options).map((pod) => progressOf(view, pod, options, now, known));
}

function warningsOf(pods: readonly PodProgress[]): string[] {
  const ignored = pods.filter(({ state }) => state === 'ignored').map(({ namespace, name }) => `${namespace}/${name}`);
  return ignored.length === 0 ? [] : [`ignoring DaemonSet-managed Pods: ${ignored.join(', ')}`];
}

export class Drains {
  constructor(private readonly parts: DrainParts) {}

  /** Cordons the node, and the others that shall follow, and begins. Resolves when that is durable. Rejects with ApiError: NotFound, BadRequest. */
  async begin(request: DrainNodeRequest, identity: Identity): Promise<DrainNodeResponse> {
    const { store, system } = this.parts;
    const { node: name, timeoutSeconds } = request;
    const options = optionsOf(request);
    const others = [...new Set(request.others)].filter((other) => other !== name);
    const checkAll = (view: ReadView): void => {
      for (const one of [name, ...others]) nodeOf(view, one);
      for (const one of [name, ...others]) checkObjections(view, one, options);
    };
    if (request.dryRun) {
      checkAll(store);
      const warnings = warningsOf(standOf(store, name, options, system.clock.now()));
      return { id: '', pods: [...(await this.parts.preview(name, options, others))], warnings };
    }
    const id = system.random.uid();
    const cause = { actor: actorOf(identity), reason: `drain node ${name}` };
    const { result, revision } = store.transact(cause, (tx) => {
      checkAll(tx);
      const pods = standOf(tx, name, options, tx.now);
      const total = podsToDrain(tx, name, options).filter((pod) => partOf(tx, pod, options).part === 'evict').length;
      const deadline = timeoutSeconds > 0 ? tx.now + timeoutSeconds * 1000 : undefined;
      const drain: Drain = { ...options, id, by: actorOf(identity), startedAt: tx.now, deadline, total, outcome: undefined };
      begin(tx, nodeOf(tx, name), drain);
      for (const other of others) cordon(tx, nodeOf(tx, other));
      return pods;
    });
    await store.durable(revision);
    return { id, pods: result.map(drainPod), warnings: warningsOf(result) };
  }

  /** Ends a drain that goes on. Resolves when durable. Rejects with ApiError NotFound. */
  async cancel(name: string, uncordon: boolean, identity: Identity): Promise<{ readonly cancelled: boolean }> {
    const { store } = this.parts;
    const cause = { actor: actorOf(identity), reason: `cancel the drain of node ${name}` };
    const { result, revision } = store.transact(cause, (tx) => {
      const node = nodeOf(tx, name);
      const drain = drainOf(node);
      const without = drain === undefined ? node : withDrain(node, undefined);
      const spec = uncordon && without.spec !== undefined ? { ...without.spec, unschedulable: undefined } : without.spec;
      tx.update('Node', { ...without, ...(spec === undefined ? {} : { spec }) }, 'any');
      return drain !== undefined && drain.outcome === undefined;
    });
    await store.durable(revision);
    return { cancelled: result };
  }

  /** How a drain stands, at once and at each change, until it has ended. id "": the one that goes on or was the last. Throws ApiError NotFound. */
  async *watch(name: string, id: string, signal: AbortSignal): AsyncGenerator<WatchDrainResponse, void, void> {
    const { store, system } = this.parts;
    let meant = id;
    let told = '';
    let { cursor } = store.snapshotAndWatch({ kinds: ['Node', 'Pod', 'PodDisruptionBudget'] }, 'durable', (view) => nodeOf(view, name));
    try {
      while (!signal.aborted) {
        const answer = this.#stand(name, meant);
        if (answer === undefined) throw new ApiError('NotFound', `node "${name}" is not being drained`, { target: { kind: 'Node', name } });
        meant ||= answer.id;
        const text = JSON.stringify(answer);
        if (text !== told) {
          told = text;
          yield answer;
        }
        if (answer.state !== 'Draining') return;
        await pause(system, TELL_EVERY_MS, signal);
        const ready = Promise.withResolvers<void>();
        cursor.onReady(() => ready.resolve());
        const stop = (): void => ready.resolve();
        signal.addEventListener('abort', stop, { once: true });
        await ready.promise;
        signal.removeEventListener('abort', stop);
        try {
          cursor.drain();
        } catch {
          // Fell behind, or the store recovered: what counts is how it stands now.
          cursor[Symbol.dispose]();
          ({ cursor } = store.snapshotAndWatch({ kinds: ['Node', 'Pod', 'PodDisruptionBudget'] }, 'durable', () => undefined));
        }
      }
    } finally {
      cursor[Symbol.dispose]();
    }
  }

  #stand(name: string, id: string): WatchDrainResponse | undefined {
    const { store, system } = this.parts;
    const view = store.durableView;
    const node = view.get('Node', '', name);
    const drain = node === undefined ? undefined : drainOf(node);
    const ended = (message: string): WatchDrainResponse => ({ state: 'Cancelled', message, pods: [], total: 0, id });
    if (drain === undefined) {
      if (id === '') return undefined;
      return ended(node === undefined ? `node ${name} was deleted` : 'the drain was cancelled, or the node uncordoned');
    }
    if (id !== '' && drain.id !== id) return ended(`another drain of the node took over, of ${drain.by}`);
    const left = standOf(view, name, drain, system.clock.now()).filter(({ state }) => state !== 'ignored');
    const condition = node?.status?.conditions.find(({ type }) => type === DRAINED);
    const pods = left.map(drainPod);
    const stuck = left.filter(({ state }) => state === 'blocked' || state === 'objects');
    const total = Math.max(drain.total, left.length);
    if (drain.outcome !== undefined) return { state: drain.outcome, message: condition?.message ?? '', pods, total, id: drain.id };
    const message = `${left.length} of ${total} pods left${stuck.length === 0 ? '' : `; waiting: ${leftText(stuck)}`}`;
    return { state: 'Draining', message, pods, total, id: drain.id };
  }
}

function begin(tx: Tx, node: Node, drain: Drain): void {
  cordon(tx, withDrain(withDrain(node, undefined), drain));
}

function cordon(tx: Tx, node: Node): void {
  tx.update('Node', { ...node, spec: { podCIDRs: [], taints: [], ...node.spec, unschedulable: true } }, 'any');
}

function pause(system: System, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      timer.cancel();
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = system.timers.after(ms, done, { background: true });
    signal.addEventListener('abort', done, { once: true });
  });
}
