// The planner: from a pod, its containers in the engine and what is remembered, to the next steps. Pure and synchronous: no clock,
// no engine, no state of its own. The ending of pods is in plan-end.ts; carrying out steps is ../steps.ts.
import type { Container } from '@podplane/api/gen/podplane/core/v1/container';
import type { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import { type BackOffLimits, backOffLimits } from '@podplane/api/kinds/pod-spec/restart-rules';
import type { ContainerInfo } from '../../runtime/types.js';
import { containerHash } from '../container-hash.js';
import { afterRestart, notBefore, PULL_ERROR_SHOWN_MS } from './back-off.js';
import {
  allDone,
  FRESH_CONTAINER,
  initializedIn,
  type PodContainer,
  podContainers,
  type RunView,
  restarts,
  succeededIn,
  viewRun,
} from './containers.js';
import { alive, attemptOf, type Grouped, group, hashOf, runOf, type SandboxView, sandboxOf, viewSandbox } from './observed.js';
import { planEnd } from './plan-end.js';
import { planFence } from './plan-fence.js';
import {
  type ContainerMemory,
  containerTarget,
  DEFAULT_GRACE_SECONDS,
  imageTarget,
  type Plan,
  type PlanInput,
  removeTarget,
  type Step,
  type StopCause,
} from './types.js';

export function isTerminalPhase(phase: string | undefined): boolean {
  return phase === 'Succeeded' || phase === 'Failed';
}

/** The next steps for a pod. Calling it again without a change in between, with the steps' targets as busy, gives no new steps. */
export function plan(given: PlanInput): Plan {
  let input = given;
  const { fence } = input;
  if (fence !== undefined && fence.stage !== 'open') {
    const grace = input.pod?.spec?.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS;
    const left = input.memory.deadline === undefined ? grace : Math.min(grace, Math.max(0, input.memory.deadline - input.now) / 1000);
    const ending = planFence(input, fence, left);
    if (ending !== undefined) return ending;
    input = { ...input, hold: true };
  }
  if (input.pod === undefined || input.memory.phase !== 'sync') return planEnd(input, 'terminating');
  if (
    input.memory.failed !== undefined ||
    isTerminalPhase(input.pod.status?.phase) ||
    allDone(input.pod, input.observed, input.memory.containers)
  )
    return planEnd(input, 'completed');
  return new Sync(input, input.pod).plan();
}

const MAKING: ReadonlySet<Step['kind']> = new Set([
  'prepare-volumes',
  'ensure-image',
  'create-sandbox',
  'start-sandbox',
  'create-container',
  'start-container',
] as const);

class Sync {
  private readonly steps: Step[] = [];
  private wakeAt: number | undefined;
  private readonly graceSeconds: number;
  private readonly all: readonly PodContainer[];

  constructor(
    private readonly input: PlanInput,
    private readonly pod: Pod,
  ) {
    this.all = podContainers(pod);
    this.graceSeconds = pod.spec?.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS;
  }

  plan(): Plan {
    const grouped = group(this.input.observed);
    const { sandboxes, apps } = grouped;
    const sandbox = viewSandbox(sandboxes, this.input.memory.sandbox);
    // What runs already has its volumes.
    const complete = this.all.every(({ container, role }) => {
      if (role === 'ephemeral') return (this.input.memory.containers.get(container.name)?.started ?? -1) >= 0;
      return role === 'init' || (apps.get(container.name) ?? []).some(alive);
    });
    if (!complete) this.volumes();
    this.sandbox(sandbox, sandboxes);
    this.containers(grouped, sandbox);
    this.strangers(apps);
    return { steps: this.steps, wakeAt: this.wakeAt, outcome: 'running' };
  }

  /** True when a step for this target may be planned. */
  private free(target: string): boolean {
    return !this.input.busy.has(target) && !this.steps.some((step) => step.target === target);
  }

  private add(step: Step): void {
    if (this.input.hold && MAKING.has(step.kind)) return;
    if (this.free(step.target)) this.steps.push(step);
  }

  private wake(at: number): void {
    this.wakeAt = Math.min(this.wakeAt ?? at, at);
  }

  /** True when what failed may be tried again; otherwise asks to be woken then. */
  private due(failure: { readonly retryAt: number | undefined } | undefined): boolean {
    if (failure === undefined) return true;
    if (failure.retryAt === undefined) return false;
    if (failure.retryAt <= this.input.now) return true;
    this.wake(failure.retryAt);
    return false;
  }

  private volumes(): void {
    const { volumes } = this.input.memory;
    if (!volumes.ready && this.free('volumes') && this.due(volumes.failure)) this.add({ kind: 'prepare-volumes', target: 'volumes' });
  }

  private sandbox(sandbox: SandboxView, all: readonly ContainerInfo[]): void {
    const { memory } = this.input;
    // Older ones are of no use whatever they do.
    for (const old of all.slice(1)) this.add({ kind: 'remove-sandbox', target: 'sandbox', id: old.id, cause: 'stale' });
    if (!this.free('sandbox')) return;
    switch (sandbox.state) {
      case 'ready':
        return;
      case 'created':
        if (this.due(memory.sandbox.failure)) this.add({ kind: 'start-sandbox', target: 'sandbox', id: sandbox.info.id });
        return;
      case 'broken':
        if (this.quiet()) this.add({ kind: 'remove-sandbox', target: 'sandbox', id: sandbox.info.id, cause: 'changed' });
        return;
      case 'none':
        if (memory.ip === undefined || !this.quiet() || !this.due(memory.sandbox.failure)) return;
        // The sandbox holds volumes, so that those in memory outlive restarts of the containers.
        if (!memory.volumes.ready && (this.pod.spec?.volumes ?? []).length > 0) return;
        this.add({ kind: 'create-sandbox', target: 'sandbox', attempt: memory.sandbox.attempt + 1 });
    }
  }

  /** True when no app container is alive or about to be: a sandbox may be taken away or made. */
  private quiet(): boolean {
    if (this.input.observed.some((info) => sandboxOf(info) !== '' && alive(info))) return false;
    return this.all.every(({ container }) => !this.input.busy.has(containerTarget(container.name)));
  }

  /** In order: nothing is made before all that it waits for is done (init containers) or has started (sidecars). */
  private containers(grouped: Grouped, sandbox: SandboxView): void {
    const sandboxId = sandbox.state === 'ready' || sandbox.state === 'created' ? sandbox.info.id : undefined;
    const initialized = initializedIn(this.pod, grouped, sandboxId);
    let open = true;
    for (const one of this.all) {
      const list = grouped.apps.get(one.container.name) ?? [];
      if (one.role === 'ephemeral') {
        this.container(one, list, sandbox, this.targetRuns(one, grouped, sandboxId));
        continue;
      }
      const done = initialized || this.passed(one, list, sandboxId);
      this.container(one, list, sandbox, open && !(one.role === 'init' && done));
      open &&= one.role === 'main' || done;
    }
  }

  /** True where an ephemeral container may start: it may join one that runs, at any time of the pod's life. */
  private targetRuns({ target }: PodContainer, { apps }: Grouped, sandboxId: string | undefined): boolean {
    return target === undefined || (apps.get(target) ?? []).some((info) => alive(info) && sandboxOf(info) === sandboxId);
  }

  /** True where what comes after this container may start. */
  private passed({ role }: PodContainer, list: readonly ContainerInfo[], sandboxId: string | undefined): boolean {
    if (role === 'init') return succeededIn(list, sandboxId);
    return list.some((info) => alive(info) && sandboxOf(info) === sandboxId && this.input.started.has(info.id));
  }

  /** wanted: it may be made now; one that runs is looked after in any case. */
  private container({ container, role }: PodContainer, list: readonly ContainerInfo[], sandbox: SandboxView, wanted: boolean): void {
    const target = containerTarget(container.name);
    const memory = this.input.memory.containers.get(container.name) ?? FRESH_CONTAINER;
    const view = viewRun(list, memory, this.input.now);
    this.cleanUp(container.name, list, view);
    if (!this.free(target)) return;
    switch (view.run) {
      case 'alive':
        this.keepOrStop(container, view.info, sandbox);
        for (const other of list) {
          if (other !== view.info && alive(other))
            this.stop(container.name, other, 'superseded', 'another run of the container is alive', 0);
        }
        return;
      case 'created':
        this.startOrRemove(container, view.info, sandbox, wanted);
        return;
      case 'none':
        if (wanted) this.create(container, memory, sandbox, undefined);
        return;
      case 'ended': {
        // An init container that succeeded is wanted again only in a new sandbox, as what it did to the old one is gone.
        const again =
          (role === 'init' && view.exitCode === 0) || restarts({ container, role }, this.pod.spec?.restartPolicy, view.exitCode);
        if (wanted && again) this.create(container, memory, sandbox, view.at);
      }
    }
  }

  private stop(name: string, info: ContainerInfo, cause: StopCause, message: string, graceSeconds: number): void {
    this.add({ kind: 'stop-container', target: containerTarget(name), container: name, id: info.id, graceSeconds, cause, message });
  }

  private keepOrStop(container: Container, info: ContainerInfo, sandbox: SandboxView): void {
    const verdict = this.input.verdicts.get(info.id);
    if (info.state === 'restarting') {
      this.stop(container.name, info, 'superseded', 'the container is in an unknown state', 0);
    } else if (sandbox.state === 'broken' || sandbox.state === 'none' || sandboxOf(info) !== sandbox.info.id) {
      // Also while the next sandbox is being made: this one's network is gone.
      this.stop(container.name, info, 'sandbox-changed', 'Pod sandbox changed, it will be killed and re-created.', this.graceSeconds);
    } else if (hashOf(info) !== containerHash(container)) {
      this.stop(
        container.name,
        info,
        'spec-changed',
        `Container ${container.name} definition changed, will be restarted`,
        this.graceSeconds,
      );
    } else if (verdict !== undefined) {
      this.stop(container.name, info, 'probe', verdict.message, verdict.graceSeconds ?? this.graceSeconds);
    }
  }

  private startOrRemove(container: Container, info: ContainerInfo, sandbox: SandboxView, wanted: boolean): void {
    const target = containerTarget(container.name);
    const usable = sandbox.state === 'ready' || sandbox.state === 'created';
    if (!wanted || !usable || sandboxOf(info) !== sandbox.info.id || hashOf(info) !== containerHash(container)) {
      this.add({ kind: 'remove-container', target, container: container.name, id: info.id });
    } else if (sandbox.state === 'ready' && this.free('sandbox')) {
      this.add({ kind: 'start-container', target, container: container.name, id: info.id, attempt: attemptOf(info) });
    }
  }

  /** Makes the next run when nothing speaks against it. The image is looked for as early as possible. */
  private create(container: Container, memory: ContainerMemory, sandbox: SandboxView, endedAt: number | undefined): void {
    const { now } = this.input;
    const mayStartAt = endedAt === undefined ? now : notBefore(memory.backOff, endedAt);
    if (mayStartAt > now) {
      this.wake(mayStartAt);
      return;
    }
    const { image } = memory;
    if (image.state !== 'present') {
      const failed = image.state === 'failed';
      // The status changes its words then.
      const shownUntil = failed ? image.retryAt - image.delayMs + PULL_ERROR_SHOWN_MS : now;
      if (shownUntil > now) this.wake(shownUntil);
      if (this.due(failed ? image : undefined)) {
        this.add({
          kind: 'ensure-image',
          target: imageTarget(container.name),
          container: container.name,
          delayMs: failed ? image.delayMs : 0,
        });
      }
      return;
    }
    if (!this.input.memory.volumes.ready || (sandbox.state !== 'ready' && sandbox.state !== 'created')) return;
    if (this.input.busy.has(imageTarget(container.name)) || !this.due(memory.failure)) return;
    this.add({
      kind: 'create-container',
      target: containerTarget(container.name),
      container: container.name,
      attempt: memory.started + 1,
      sandboxId: sandbox.info.id,
      backOff: endedAt === undefined ? undefined : afterRestart(memory.backOff, endedAt, now, this.backOffOf(container)),
    });
  }

  private backOffOf({ name }: Container): BackOffLimits {
    return backOffLimits(this.pod.metadata?.annotations, name);
  }

  /** Of the ended runs only the newest two are kept (status and logs of the previous run). */
  private cleanUp(name: string, list: readonly ContainerInfo[], view: RunView): void {
    const newest = list.find((info) => runOf(info) !== 'gone');
    const keep = new Set<ContainerInfo>();
    const ended = list.filter((info) => !alive(info) && info !== newest && runOf(info) !== 'created' && runOf(info) !== 'gone');
    if (ended[0] !== undefined) keep.add(ended[0]);
    if (newest !== undefined) keep.add(newest);
    for (const info of list) {
      if (keep.has(info) || alive(info) || info.state === 'removing') continue;
      if (view.run === 'created' && view.info === info) continue;
      this.add({ kind: 'remove-container', target: removeTarget(info.id), container: name, id: info.id });
    }
  }

  /** Containers that the specification does not name (any more). */
  private strangers(apps: ReadonlyMap<string, readonly ContainerInfo[]>): void {
    const named = new Set(this.all.map(({ container }) => container.name));
    for (const [name, list] of apps) {
      if (named.has(name)) continue;
      for (const info of list) {
        if (alive(info)) this.stop(name, info, 'superseded', 'the pod has no such container', this.graceSeconds);
        else this.add({ kind: 'remove-container', target: removeTarget(info.id), container: name, id: info.id });
      }
    }
  }
}
