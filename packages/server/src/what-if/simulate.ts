// Answers "what if": nodes are lost, or objects are written, in a copy of the state on which the real controllers and scheduler go on until
// nothing changes any more. What a drain would do is in drain-preview.ts.
import { badRequest, notFound } from '@podplane/api/errors';
import type { SimulatedBudget, SimulateResponse } from '@podplane/api/gen/podplane/api/v1/cluster';
import type { ReadView } from '@podplane/store/types';
import type { Place } from '../registry/kinds.js';
import { type Given, Registry, type Writer } from '../registry/registry.js';
import { changesSince, podsBefore } from './changes.js';
import { LEFT_OUT, WhatIf, type WhatIfParts } from './what-if.js';

export type Write =
  | { readonly what: 'create'; readonly object: Given }
  | { readonly what: 'patch'; readonly place: Place; readonly patch: Uint8Array };

/** Of its own time: longest, and after so long without any change nothing more will come, ms. Bare pods tolerate the loss of their node for five minutes. */
const MOST_MS = 30 * 60_000;
const CALM_MS = 330_000;

/** These nodes fall silent. Throws ApiError: BadRequest for none, NotFound. */
export async function simulateLoss(parts: WhatIfParts, nodes: readonly string[], signal?: AbortSignal): Promise<SimulateResponse> {
  if (nodes.length === 0) throw badRequest('loseNodes.nodes: Required value');
  for (const name of nodes) if (parts.view.get('Node', '', name) === undefined) throw notFound('Node', '', name);
  const lost = new Set(nodes);
  await using world = new WhatIf({ ...parts, lost });
  return await outcome(world, lost, false, signal);
}

/** These writes are made, one after the other. Throws the ApiError of the first that is refused. */
export async function simulateWrites(
  parts: WhatIfParts,
  writes: readonly Write[],
  writer: Writer,
  signal?: AbortSignal,
): Promise<SimulateResponse> {
  await using world = new WhatIf(parts);
  const registry = new Registry(world.store, world.time);
  const before = podsBefore(world.store);
  for (const write of writes) {
    // What no decider reads is not copied, and changes nothing.
    if (LEFT_OUT.has(write.what === 'create' ? write.object.kind : write.place.kind)) continue;
    let ended = false;
    const written = (
      write.what === 'create' ? registry.create(write.object, writer) : registry.patch(write.place, 'merge', write.patch, '', writer)
    ).finally(() => {
      ended = true;
    });
    written.catch(() => undefined); // awaited below
    // Its durability comes with the world's own time.
    while (!ended) {
      await new Promise<void>((resolve) => parts.system.timers.soon(resolve));
      await world.run(0, () => ended, undefined, signal);
    }
    await written;
  }
  return await outcome(world, new Set(), true, signal, before);
}

async function outcome(
  world: WhatIf,
  lost: ReadonlySet<string>,
  tellNew: boolean,
  signal: AbortSignal | undefined,
  before = podsBefore(world.store),
): Promise<SimulateResponse> {
  const budgets = new Budgets();
  let revision = world.store.revision;
  let changed = world.time.elapsed;
  const look = (): boolean => {
    if (world.store.revision !== revision) {
      revision = world.store.revision;
      changed = world.time.elapsed;
      budgets.look(world.store);
    }
    return world.time.elapsed - changed > CALM_MS;
  };
  await world.run(MOST_MS, look, undefined, signal);
  const settled = world.time.elapsed - changed > CALM_MS;
  const { pods, unchanged } = changesSince(before, world.store, lost, tellNew);
  return { pods, unchanged, budgets: budgets.broken(), settled, elapsedMillis: Math.round(changed) };
}

/** Remembers the worst moment of each budget. */
class Budgets {
  private readonly worst = new Map<string, SimulatedBudget>();

  look(view: ReadView): void {
    for (const { metadata, status } of view.list('PodDisruptionBudget')) {
      const [healthy, desired] = [status?.currentHealthy ?? 0, status?.desiredHealthy ?? 0];
      if (healthy >= desired) continue;
      const uid = metadata?.uid ?? '';
      const known = this.worst.get(uid);
      if (known !== undefined && known.fewestHealthy <= healthy) continue;
      this.worst.set(uid, {
        namespace: metadata?.namespace ?? '',
        name: metadata?.name ?? '',
        desiredHealthy: desired,
        fewestHealthy: healthy,
      });
    }
  }

  broken(): SimulatedBudget[] {
    return [...this.worst.values()];
  }
}
