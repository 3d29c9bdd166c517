// A model of an engine for the planner's property tests: does what steps say, later, and notes what must never happen. The properties are
// in ../plan.property.test.ts.
import type { Container } from '@podplane/api/gen/podplane/core/v1/container';
import { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import { type ContainerInfo, LABEL_ATTEMPT, LABEL_CONTAINER, LABEL_SPEC_HASH, PAUSE_CONTAINER } from '../../../runtime/types.js';
import { containerHash } from '../../container-hash.js';
import { memoryFor, noteObserved, noteStarting, withContainer } from '../../pod-memory.js';
import { MAX_DELAY_MS, nextDelay, notBefore } from '../back-off.js';
import { attemptOf, containerNameOf } from '../observed.js';
import { plan } from '../plan.js';
import { LABEL_SANDBOX, type PlanInput, type PodMemory, type ProbeVerdict, type Step } from '../types.js';
import { RestartRules } from './restart-rules.js';
import { rewritten } from './rewritten.js';

export const NAMES = ['a', 'b'];
/** In their order; those in upper case are sidecars. */
export const INITS: readonly (readonly string[])[] = [[], ['i'], ['S'], ['i', 'S', 'j'], ['S', 'i', 'T'], ['S', 'T', 'i']];
/** Added to a pod to look around; the second one joins the processes of "a". */
export const EPHEMERALS = ['look', 'join'];
export const isSidecarName = (name: string): boolean => name === name.toUpperCase();
const INIT_MS = 30;

/** What else a pod may say. */
export interface Shape {
  /** Of "a": its own policy, which beats the pod's, or one with a rule for the code 2. */
  readonly own?: 'Always' | 'OnFailure' | 'Never' | 'rules' | undefined;
  readonly shared?: boolean | undefined;
  /** "a" waits from 1 s to 4 s between its restarts. */
  readonly hasty?: boolean | undefined;
}

const RULES = { restartPolicy: 'Never', restartPolicyRules: [{ action: 'Restart', exitCodes: { operator: 'In', values: [2] } }] };

export function podOf(restartPolicy: string, inits: readonly string[] = [], ephemeral = false, shape: Shape = {}): Pod {
  const own = shape.own === 'rules' ? RULES : shape.own === undefined ? {} : { restartPolicy: shape.own };
  const containers = NAMES.map((name) => ({ name, image: 'i:1', ...(name === 'a' ? own : {}) }));
  const initContainers = inits.map((name) => ({ name, image: 'i:1', ...(isSidecarName(name) ? { restartPolicy: 'Always' } : {}) }));
  const ephemeralContainers = EPHEMERALS.filter(() => ephemeral).map((name) => ({
    name,
    image: 'i:1',
    ...(name === 'join' ? { targetContainerName: 'a' } : {}),
  }));
  return Pod.fromJSON({
    metadata: {
      name: 'p',
      namespace: 'd',
      uid: 'u',
      annotations: shape.hasty === true ? { 'podplane.dev/backoff.a': 'initial=1s,max=4s' } : {},
    },
    spec: {
      shareProcessNamespace: shape.shared === true,
      restartPolicy,
      initContainers,
      containers,
      ephemeralContainers,
      terminationGracePeriodSeconds: 5,
    },
  });
}

// On purpose not the planner's own.
export const alive = (info: ContainerInfo): boolean => ['running', 'paused', 'restarting'].includes(info.state);

interface Running {
  readonly step: Step;
  readonly doneAt: number;
}

/** An engine that does what it is told, later. */
export class Model {
  now = 1_000;
  containers: ContainerInfo[] = [];
  memory: PodMemory;
  readonly busy = new Map<string, Running>();
  readonly stopping = new Map<string, number>();
  readonly verdicts = new Map<string, ProbeVerdict>();
  volumes = false;
  /** Nobody has the image any more. */
  imageGone = false;
  /** From this clock to that of the world; the latter can be set. */
  wallOffset = 0;
  private adopting = true;
  private id = 0;
  readonly rules: RestartRules;
  readonly broken: string[] = [];
  /** By container: the process whose network it lives in. */
  readonly networkOf = new Map<string, number>();

  constructor(readonly pod: Pod) {
    this.memory = { ...memoryFor(pod), ip: '10.0.0.2' };
    this.rules = new RestartRules(pod);
  }

  input(): PlanInput {
    const { pod, memory, containers, verdicts, stopping, now, started } = this;
    return {
      pod,
      memory,
      observed: containers,
      verdicts,
      stopping,
      started,
      busy: new Set(this.busy.keys()),
      hold: false,
      fence: undefined,
      now,
    };
  }

  get inits(): readonly string[] {
    return (this.pod.spec?.initContainers ?? []).map(({ name }) => name);
  }

  /** How long start-up takes: until then what comes after a sidecar waits. */
  startMs = 5;

  get started(): ReadonlySet<string> {
    return new Set(this.containers.filter((info) => alive(info) && (info.startedAt ?? 0) + this.startMs <= this.now).map(({ id }) => id));
  }

  private running(name: string): boolean {
    return this.containers.some((info) => containerNameOf(info) === name && alive(info));
  }

  /** One turn of the worker. */
  turn(latency: (step: Step) => number): void {
    this.observe();
    const next = plan(this.input());
    const targets = next.steps.map((step) => step.target);
    if (new Set(targets).size !== targets.length) this.broken.push('two steps for one target');
    for (const step of next.steps) {
      if (this.busy.has(step.target)) this.broken.push(`a step for the busy target ${step.target}`);
      this.check(step);
      this.busy.set(step.target, { step, doneAt: this.now + latency(step) });
      if (step.kind === 'stop-container') this.stopping.set(step.id, this.now + step.graceSeconds * 1000);
      if (step.kind === 'start-container') this.memory = noteStarting(this.memory, step.container, step.attempt, undefined);
    }
    // asked again at once, it has nothing more to say
    this.observe();
    if (plan(this.input()).steps.length > 0) this.broken.push('not idempotent');
  }

  private observe(): void {
    this.memory = noteObserved(this.memory, this.containers, { wall: this.now + this.wallOffset, monotonic: this.now }, this.adopting);
    this.adopting = false;
  }

  /**
   * The agent is killed and started again. lands: what was asked of the engine is still done. kept: by the state file (else labels must do),
   * which counts by a clock that may have been set meanwhile.
   */
  restart(lands: boolean, kept: boolean, jumpMs = 0): void {
    for (const { step } of this.busy.values()) if (lands) this.engineEffect(step);
    this.busy.clear();
    this.stopping.clear();
    this.verdicts.clear();
    const before = { wall: this.now + this.wallOffset, monotonic: this.now };
    const { phase, deadline, failed } = this.memory;
    if (kept) this.memory = rewritten(this.pod, this.memory, before, { ...before, wall: before.wall + jumpMs });
    else this.memory = { ...memoryFor(this.pod), ip: '10.0.0.2', phase, deadline, failed };
    this.wallOffset += jumpMs;
    this.adopting = true;
    if (!kept) this.forgot = true;
    if (!kept || jumpMs !== 0) this.rules.forget();
  }

  private check(step: Step): void {
    const starts =
      step.kind === 'create-container' ||
      step.kind === 'start-container' ||
      step.kind === 'create-sandbox' ||
      step.kind === 'start-sandbox';
    if (starts && this.memory.phase !== 'sync') this.broken.push(`${step.kind} in phase ${this.memory.phase}`);
    if (starts && this.memory.failed !== undefined) this.broken.push(`${step.kind} of a pod that has failed`);
    if (step.kind === 'ensure-image') {
      const image = this.memory.containers.get(step.container)?.image;
      if (image?.state === 'failed' && image.retryAt > this.now) this.broken.push('pulls too early');
    }
    if (step.kind === 'create-sandbox' && this.containers.some((info) => containerNameOf(info) !== PAUSE_CONTAINER && alive(info))) {
      this.broken.push('a sandbox made while containers of another one live');
    }
    if (step.kind === 'stop-container') this.checkStop(step);
    if (step.kind !== 'create-container' && step.kind !== 'start-container') return;
    if (this.containers.some((info) => containerNameOf(info) === step.container && alive(info)))
      this.broken.push(`two runs of ${step.container}`);
    if (step.kind === 'create-container') {
      this.checkOrder(step.container, step.sandboxId);
      const problem = this.rules.problem(step, this.containers, this.now);
      if (problem !== undefined) this.broken.push(problem);
      if (!this.memory.volumes.ready) this.broken.push('no volumes yet');
      const entry = this.memory.containers.get(step.container);
      if (entry?.exit !== undefined && notBefore(entry.backOff, entry.exit.at) > this.now) this.broken.push('too early after a crash');
      if ((step.backOff?.delayMs ?? 0) > MAX_DELAY_MS) this.broken.push('too long a back-off');
    }
  }

  /** What is before a container in the pod's order has done its part, in the same sandbox, unless the main ones were begun there already. */
  private checkOrder(name: string, sandboxId: string): void {
    if (EPHEMERALS.includes(name)) {
      if ((this.memory.containers.get(name)?.started ?? -1) >= 0) this.broken.push(`${name} runs a second time`);
      // Whoever shares all processes sees those of "a" in any case.
      if (name === 'join' && this.pod.spec?.shareProcessNamespace !== true && !this.running('a'))
        this.broken.push(`${name} without the container that it joins`);
      return;
    }
    const here = (one: string): readonly ContainerInfo[] =>
      this.containers.filter((info) => containerNameOf(info) === one && info.labels[LABEL_SANDBOX] === sandboxId);
    if (NAMES.some((main) => here(main).length > 0)) {
      if (!NAMES.includes(name) && !isSidecarName(name)) this.broken.push(`${name} after the main containers`);
      return;
    }
    const before = NAMES.includes(name) ? this.inits : this.inits.slice(0, this.inits.indexOf(name));
    for (const one of before) {
      const passed = here(one).some((info) => (isSidecarName(one) ? this.started.has(info.id) : info.exitCode === 0));
      if (!passed) this.broken.push(`${name} before ${one}`);
    }
    if (!isSidecarName(name) && here(name).some((info) => info.state === 'exited' && info.exitCode === 0) && !NAMES.includes(name))
      this.broken.push(`${name} succeeded here already`);
  }

  /** At the end sidecars outlive what needs them, in reverse order, unless there is no time left. */
  private checkStop(step: Extract<Step, { kind: 'stop-container' }>): void {
    if (step.cause !== 'terminating' || !isSidecarName(step.container) || step.graceSeconds === 0) return;
    const later = [...NAMES, ...EPHEMERALS, ...this.inits.filter((name) => !isSidecarName(name))];
    later.push(...this.inits.slice(this.inits.indexOf(step.container) + 1));
    for (const name of later) if (this.running(name)) this.broken.push(`${step.container} stopped before ${name}`);
  }

  /** Init containers end by themselves. */
  private work(): void {
    for (const info of this.containers) {
      const name = containerNameOf(info);
      if (!this.inits.includes(name) || isSidecarName(name) || info.state !== 'running') continue;
      if ((info.startedAt ?? 0) + INIT_MS <= this.now) this.kill(info.id, 0);
    }
  }

  /** When the next of them ends or has started. */
  get nextEvent(): number {
    const times = this.containers.flatMap((info) => {
      const name = containerNameOf(info);
      if (!alive(info) || !this.inits.includes(name)) return [];
      if (!isSidecarName(name)) return info.state !== 'running' ? [] : [Math.max(this.now, (info.startedAt ?? 0) + INIT_MS)];
      const at = (info.startedAt ?? 0) + this.startMs;
      return at > this.now ? [at] : [];
    });
    return Math.min(Number.POSITIVE_INFINITY, ...times);
  }

  private specOf(name: string): Pick<Container, 'name' | 'image'> {
    const { containers = [], initContainers = [] } = this.pod.spec ?? {};
    return [...initContainers, ...containers].find((one) => one.name === name) ?? { name, image: 'i:1' };
  }

  private make(name: string, attempt: number, sandbox: string): void {
    const labels = {
      [LABEL_CONTAINER]: name,
      [LABEL_ATTEMPT]: String(attempt),
      ...(name === PAUSE_CONTAINER ? {} : { [LABEL_SANDBOX]: sandbox, [LABEL_SPEC_HASH]: containerHash(this.specOf(name)) }),
    };
    const rest = { startedAt: undefined, finishedAt: undefined, exitCode: undefined, oomKilled: false, error: '', pid: 0 };
    const id = `${name}${++this.id}`;
    if (this.containers.some((info) => containerNameOf(info) === name && attemptOf(info) === attempt))
      this.broken.push(`attempt ${attempt} of ${name} made twice`);
    this.containers.push({ id, name: id, labels, image: 'i:1', imageId: 's', createdAt: this.now, state: 'created', ...rest });
  }

  set(id: string, change: Partial<ContainerInfo>): void {
    this.containers = this.containers.map((info) => (info.id === id ? { ...info, ...change } : info));
  }

  kill(id: string, exitCode: number): void {
    const info = this.containers.find((one) => one.id === id);
    if (info === undefined || !alive(info)) return;
    this.set(id, { state: 'exited', exitCode, finishedAt: this.now + this.wallOffset, pid: 0 });
    this.rules.ended(id, this.now);
    this.processesGone(info);
  }

  /** Somebody removes it, running or not. */
  vanish(id: string): void {
    const info = this.containers.find((one) => one.id === id);
    this.containers = this.containers.filter((one) => one.id !== id);
    if (info !== undefined && alive(info)) this.processesGone(info);
  }

  /** Shared processes are those of the pause container: nothing outlives it. */
  private processesGone(pause: ContainerInfo): void {
    if (this.pod.spec?.shareProcessNamespace !== true || containerNameOf(pause) !== PAUSE_CONTAINER) return;
    for (const { id, labels } of this.containers) if (labels[LABEL_SANDBOX] === pause.id) this.kill(id, 137);
  }

  /** Carries out what is due. fails: the step ends without an effect. */
  settle(fails: (step: Step) => boolean): void {
    this.work();
    for (const [target, { step, doneAt }] of this.busy) {
      if (doneAt > this.now) continue;
      this.busy.delete(target);
      if (step.kind === 'stop-container') this.stopping.delete(step.id);
      if (!fails(step)) this.effect(step);
    }
  }

  private effect(step: Step): void {
    switch (step.kind) {
      case 'prepare-volumes':
        this.memory = { ...this.memory, volumes: { ready: true, failure: undefined } };
        break;
      case 'remove-volumes':
        this.memory = { ...this.memory, released: true };
        break;
      case 'ensure-image': {
        const delayMs = nextDelay(step.delayMs);
        const failed = { state: 'failed', reason: 'ErrImagePull', message: 'none', delayMs, retryAt: this.now + delayMs } as const;
        const image = this.imageGone ? failed : ({ state: 'present', imageId: 's' } as const);
        this.memory = withContainer(this.memory, step.container, { image });
        break;
      }
      case 'create-container': {
        const before = this.memory.containers.get(step.container)?.failure;
        if (this.imageGone) {
          const delayMs = before === undefined ? 100 : nextDelay(before.delayMs);
          const failure = { reason: 'CreateContainerError', message: 'none', delayMs, retryAt: this.now + delayMs };
          this.memory = withContainer(this.memory, step.container, { image: { state: 'unknown' }, failure });
          return;
        }
        const { backOff } = step;
        this.memory = withContainer(this.memory, step.container, { failure: undefined, ...(backOff === undefined ? {} : { backOff }) });
        this.rules.created(step);
        break;
      }
      default:
    }
    this.engineEffect(step);
  }

  private engineEffect(step: Step): void {
    switch (step.kind) {
      case 'prepare-volumes':
      case 'remove-volumes':
        this.volumes = step.kind === 'prepare-volumes';
        return;
      case 'ensure-image':
        return;
      case 'create-sandbox':
        this.make(PAUSE_CONTAINER, step.attempt, '');
        return;
      case 'start-sandbox':
        this.set(step.id, { state: 'running', startedAt: this.now, pid: ++this.id });
        return;
      case 'remove-sandbox':
      case 'remove-container':
        this.vanish(step.id);
        return;
      case 'create-container':
        // its sandbox may have gone meanwhile; the engine takes it all the same
        if (!this.imageGone) this.make(step.container, step.attempt, step.sandboxId);
        return;
      case 'start-container': {
        const info = this.containers.find((one) => one.id === step.id);
        const sandbox = this.containers.find((one) => one.id === info?.labels[LABEL_SANDBOX]);
        if (sandbox === undefined || !alive(sandbox)) return;
        // The engine has said meanwhile that this very start failed; the container stays as it is.
        if (info?.error !== '') return;
        this.networkOf.set(step.id, sandbox.pid);
        this.set(step.id, { state: 'running', startedAt: this.now, pid: ++this.id });
        return;
      }
      case 'stop-container':
      case 'kill-container':
        this.kill(step.id, 137);
        this.verdicts.delete(step.id);
    }
  }

  /** Everything runs, in the network that there is now. */
  get healthy(): boolean {
    const pause = this.containers.find((info) => containerNameOf(info) === PAUSE_CONTAINER && alive(info));
    const names = [...NAMES, ...this.inits.filter(isSidecarName)];
    return names.every((name) => this.runs(name, pause?.pid) || this.rules.over(name, this.containers));
  }

  private runs(name: string, network: number | undefined): boolean {
    return this.containers.some(
      (info) => containerNameOf(info) === name && alive(info) && (this.forgot || this.networkOf.get(info.id) === network),
    );
  }

  /** After a loss of memory nobody can know which process a network belonged to. */
  forgot = false;
}
