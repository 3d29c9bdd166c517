// The planner's second half: how pods end. Either because they shall (terminating: everything goes) or because all containers
// have done their work (completed: the ended containers stay, for status and logs). Sidecars go last, in reverse order. Pure.
import type { ContainerInfo } from '../../runtime/types.js';
import { podContainers } from './containers.js';
import { alive, containerNameOf, group, runOf } from './observed.js';
import {
  containerTarget,
  DEFAULT_GRACE_SECONDS,
  EVICTED,
  isKillTarget,
  killTarget,
  type Plan,
  type PlanInput,
  removeTarget,
  type Step,
} from './types.js';

/** How long after its time a stop may still be under way before the engine is asked to kill. */
const STUCK_MS = 5_000;

/** Plans the end of a pod: stop what is alive, then the sandbox, then (terminating) containers and volumes. */
export function planEnd(input: PlanInput, why: 'terminating' | 'completed'): Plan {
  const { memory, observed, busy, now } = input;
  const { sandboxes, apps } = group(observed);
  const steps: Step[] = [];
  let wakeAt: number | undefined;
  let quiet = true;

  const add = (step: Step): void => {
    if (!busy.has(step.target) && !steps.some((other) => other.target === step.target)) steps.push(step);
  };

  const { deadline } = memory;
  const graceMs =
    deadline === undefined ? (input.pod?.spec?.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS) * 1000 : Math.max(0, deadline - now);
  const stop = (name: string, info: ContainerInfo): void => {
    const target = containerTarget(name);
    if (!busy.has(target)) {
      const message = why === 'completed' ? 'the pod has ended' : '';
      add({ kind: 'stop-container', target, container: name, id: info.id, graceSeconds: graceMs / 1000, cause: 'terminating', message });
      return;
    }
    // Another run of the container may be what is being stopped (somebody started an old one by hand).
    const endsAt = input.stopping.get(info.id) ?? deadline;
    if (endsAt === undefined) return;
    // The stop under way was given a longer grace than there is now, or it is stuck in the engine.
    const killAt = deadline !== undefined && deadline < endsAt && now < endsAt ? deadline : endsAt + STUCK_MS;
    if (killAt <= now) add({ kind: 'kill-container', target: killTarget(info.id), container: name, id: info.id });
    else wakeAt = Math.min(wakeAt ?? killAt, killAt);
  };

  const all = podContainers(input.pod);
  const sidecars = all.filter(({ role }) => role === 'sidecar').map(({ container }) => container.name);
  const isBusy = (name: string): boolean => busy.has(containerTarget(name)) || (apps.get(name) ?? []).some(alive);
  const stopAll = (name: string): void => {
    for (const info of apps.get(name) ?? []) if (alive(info)) stop(name, info);
  };
  for (const name of new Set([...apps.keys(), ...all.map(({ container }) => container.name)])) {
    if (isBusy(name)) quiet = false;
    else continue;
    if (!sidecars.includes(name)) stopAll(name);
  }
  // The others have their turn as long as there is time; afterwards nothing is waited for.
  const others = [...apps.keys()].filter((name) => !sidecars.includes(name));
  let turn = !others.some(isBusy) && !all.some(({ container, role }) => role !== 'sidecar' && isBusy(container.name));
  for (const name of sidecars.toReversed()) {
    if (!isBusy(name)) continue;
    if (turn || graceMs === 0) stopAll(name);
    else if (deadline !== undefined) wakeAt = Math.min(wakeAt ?? deadline, deadline);
    turn = false;
  }
  if (quiet) {
    for (const info of sandboxes) add({ kind: 'remove-sandbox', target: 'sandbox', id: info.id, cause: why });
  }
  const ended = quiet && sandboxes.length === 0 && !busy.has('sandbox');
  if (why === 'completed') {
    for (const info of [...apps.values()].flat()) {
      if (runOf(info) === 'created')
        add({ kind: 'remove-container', target: removeTarget(info.id), container: containerNameOf(info), id: info.id });
    }
    if (ended && memory.failed?.reason === EVICTED) {
      // What an evicted pod held is wanted back; the object stays and tells what became of it.
      for (const info of [...apps.values()].flat()) {
        add({ kind: 'remove-container', target: removeTarget(info.id), container: containerNameOf(info), id: info.id });
      }
      if (observed.length === 0 && busy.size === 0 && !memory.released) add({ kind: 'remove-volumes', target: 'volumes' });
    }
    return { steps, wakeAt, outcome: ended ? 'ended' : 'running' };
  }
  if (!ended) return { steps, wakeAt, outcome: 'running' };

  for (const info of [...apps.values()].flat()) {
    add({ kind: 'remove-container', target: removeTarget(info.id), container: containerNameOf(info), id: info.id });
  }
  // A target that rests after a kill is no work under way.
  const working = [...busy].some((target) => !isKillTarget(target));
  if (observed.length > 0 || working) return { steps, wakeAt, outcome: 'ended' };
  if (!memory.released) {
    add({ kind: 'remove-volumes', target: 'volumes' });
    return { steps, wakeAt, outcome: 'ended' };
  }
  return { steps, wakeAt, outcome: 'removed' };
}
