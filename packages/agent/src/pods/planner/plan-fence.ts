// What a fenced pod does when the node's lease runs out: its containers end, by themselves while there is time, and the hard way then. The
// sandbox stays, as it runs nothing of the pod, so that the pod is back soon when the lease is. Pure.
import type { Fence } from '../../fencing/fence.js';
import { PAUSE_CONTAINER } from '../../runtime/types.js';
import { alive, containerNameOf } from './observed.js';
import { containerTarget, killTarget, type Plan, type PlanInput, type Step } from './types.js';

export const FENCED_MESSAGE =
  "the node's lease is about to end without an answer from the server; the pod is stopped so that it may run elsewhere";

/** Steps that end what is alive of the pod; undefined: nothing is. */
export function planFence(input: PlanInput, fence: Exclude<Fence, { stage: 'open' }>, graceSeconds: number): Plan | undefined {
  const living = input.observed.filter((info) => containerNameOf(info) !== PAUSE_CONTAINER && alive(info));
  if (living.length === 0) return undefined;
  const steps: Step[] = [];
  for (const info of living) {
    const container = containerNameOf(info);
    const target = containerTarget(container);
    if (fence.stage === 'kill' || graceSeconds === 0) {
      const kill = killTarget(info.id);
      if (!input.busy.has(kill)) steps.push({ kind: 'kill-container', target: kill, container, id: info.id });
    } else if (!input.busy.has(target) && !steps.some((step) => step.target === target)) {
      const seconds = Math.min(graceSeconds, fence.graceMs / 1000);
      steps.push({
        kind: 'stop-container',
        target,
        container,
        id: info.id,
        graceSeconds: seconds,
        cause: 'fenced',
        message: FENCED_MESSAGE,
      });
    }
  }
  return { steps, wakeAt: undefined, outcome: 'running' };
}
