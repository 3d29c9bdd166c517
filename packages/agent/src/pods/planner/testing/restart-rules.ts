// When a container may start again, written down a second time for the planner's property tests: from Kubernetes' documentation, with nothing of
// the planner's own.
import type { Container } from '@podplane/api/gen/podplane/core/v1/container';
import type { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import { type ContainerInfo, LABEL_ATTEMPT, LABEL_CONTAINER } from '../../../runtime/types.js';
import type { Step } from '../types.js';

const FORGOTTEN_AFTER_MS = 600_000;
type Create = Extract<Step, { kind: 'create-container' }>;

const attempt = (info: ContainerInfo): number => Number(info.labels[LABEL_ATTEMPT]);
const lives = ({ state }: ContainerInfo): boolean => state === 'running' || state === 'paused' || state === 'restarting';
const neverRan = ({ state, error, exitCode }: ContainerInfo): boolean => state === 'created' && error === '' && exitCode === undefined;

export class RestartRules {
  /** By container id. */
  private readonly endedAt = new Map<string, number>();
  /** By container: what its next restart must wait for, and when the last one was. */
  private readonly loops = new Map<string, { readonly waitMs: number; readonly at: number }>();

  constructor(private readonly pod: Pod) {}

  ended(id: string, now: number): void {
    this.endedAt.set(id, now);
  }

  /** An agent without its memory, or with another clock, cannot know how long to wait. */
  forget(): void {
    this.loops.clear();
    this.endedAt.clear();
  }

  /** What is wrong with a further run; undefined: nothing. */
  problem(step: Create, containers: readonly ContainerInfo[], now: number): string | undefined {
    const last = this.last(step.container, containers);
    if (last === undefined) return undefined;
    const code = last.exitCode ?? 137;
    const isInit = (this.pod.spec?.initContainers ?? []).some(
      ({ name, restartPolicy }) => name === step.container && restartPolicy !== 'Always',
    );
    // What an init container did to a sandbox is done again for the next one.
    if (!(isInit && code === 0) && !this.permitted(step.container, isInit, code)) return `${step.container} starts again after ${code}`;
    const loop = this.loops.get(step.container);
    const endedAt = this.endedAt.get(last.id);
    if (loop === undefined || endedAt === undefined || endedAt - loop.at > FORGOTTEN_AFTER_MS) return undefined;
    return now - endedAt < loop.waitMs ? `${step.container} starts ${now - endedAt} ms after its end, not ${loop.waitMs}` : undefined;
  }

  /** It was made. */
  created({ container, backOff }: Create): void {
    // The first run, or one whose end nobody saw.
    if (backOff === undefined) return;
    const [initialMs, maxMs] =
      container === 'a' && Object.keys(this.pod.metadata?.annotations ?? {}).length > 0 ? [1_000, 4_000] : [10_000, 300_000];
    const before = this.loops.get(container);
    const stale = before === undefined || backOff.updatedAt - before.at > FORGOTTEN_AFTER_MS;
    this.loops.set(container, { waitMs: stale ? initialMs : Math.min(maxMs, before.waitMs * 2), at: backOff.updatedAt });
  }

  /** It has ended and must not start again. Of one that nobody can see any more nothing is said. */
  over(name: string, containers: readonly ContainerInfo[]): boolean {
    const last = this.last(name, containers);
    return last === undefined || !this.permitted(name, false, last.exitCode ?? 137);
  }

  /** The newest run, where it has ended. */
  private last(name: string, containers: readonly ContainerInfo[]): ContainerInfo | undefined {
    const runs = containers.filter((info) => info.labels[LABEL_CONTAINER] === name && !neverRan(info) && info.state !== 'removing');
    const [newest] = runs.toSorted((a, b) => attempt(b) - attempt(a));
    return newest === undefined || lives(newest) ? undefined : newest;
  }

  private permitted(name: string, isInit: boolean, code: number): boolean {
    const { containers = [], initContainers = [], restartPolicy } = this.pod.spec ?? {};
    const spec: Container | undefined = [...containers, ...initContainers].find((one) => one.name === name);
    for (const { exitCodes } of spec?.restartPolicyRules ?? []) {
      const named = exitCodes?.values.includes(code) === true;
      if (exitCodes?.operator === 'In' ? named : !named) return true;
    }
    const policy = spec?.restartPolicy ?? (isInit && restartPolicy === 'Always' ? 'OnFailure' : restartPolicy);
    return policy === 'Always' || (policy === 'OnFailure' && code !== 0);
  }
}
