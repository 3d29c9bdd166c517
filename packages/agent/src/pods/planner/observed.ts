// Reads the engine's containers of one pod: which is the sandbox, which is the newest run of each container, how a run ended. Pure.
import { type ContainerInfo, LABEL_ATTEMPT, LABEL_CONTAINER, LABEL_SPEC_HASH, PAUSE_CONTAINER } from '../../runtime/types.js';
import { LABEL_SANDBOX, type PodMemory } from './types.js';

/** created: made, never started. failed: could not be started. running (or frozen). exited. gone: on its way out, of no use. */
export type Run = 'created' | 'failed' | 'running' | 'exited' | 'gone';

export function attemptOf(info: ContainerInfo): number {
  const attempt = Number.parseInt(info.labels[LABEL_ATTEMPT] ?? '', 10);
  return Number.isInteger(attempt) && attempt >= 0 ? attempt : 0;
}

export function containerNameOf(info: ContainerInfo): string {
  return info.labels[LABEL_CONTAINER] ?? '';
}

export function hashOf(info: ContainerInfo): string {
  return info.labels[LABEL_SPEC_HASH] ?? '';
}

export function sandboxOf(info: ContainerInfo): string {
  return info.labels[LABEL_SANDBOX] ?? '';
}

/** True while a process of it may be alive. */
export function alive(info: ContainerInfo): boolean {
  return info.state === 'running' || info.state === 'paused' || info.state === 'restarting';
}

export function runOf(info: ContainerInfo): Run {
  switch (info.state) {
    case 'created':
      return info.error === '' && info.exitCode === undefined ? 'created' : 'failed';
    case 'running':
    case 'paused':
      return 'running';
    case 'exited':
      return 'exited';
    case 'dead':
    case 'removing':
    case 'restarting':
      return 'gone';
  }
}

/** Exit code of a run that has ended; an unknown one counts as 137, as in Kubernetes. */
export function exitCodeOf(info: ContainerInfo): number {
  return info.exitCode ?? (runOf(info) === 'failed' ? 128 : 137);
}

export interface Grouped {
  /** Pause containers, newest first. */
  readonly sandboxes: readonly ContainerInfo[];
  /** App containers by name, newest first. */
  readonly apps: ReadonlyMap<string, readonly ContainerInfo[]>;
}

export function group(observed: readonly ContainerInfo[]): Grouped {
  const sandboxes: ContainerInfo[] = [];
  const apps = new Map<string, ContainerInfo[]>();
  for (const info of observed) {
    const name = containerNameOf(info);
    if (name === PAUSE_CONTAINER) sandboxes.push(info);
    else {
      const list = apps.get(name);
      if (list === undefined) apps.set(name, [info]);
      else list.push(info);
    }
  }
  const newest = (a: ContainerInfo, b: ContainerInfo): number =>
    attemptOf(b) - attemptOf(a) || b.createdAt - a.createdAt || (a.id < b.id ? 1 : -1);
  sandboxes.sort(newest);
  for (const list of apps.values()) list.sort(newest);
  return { sandboxes, apps };
}

export type SandboxView =
  | { readonly state: 'none' }
  /** Made, can be started. */
  | { readonly state: 'created'; readonly info: ContainerInfo }
  | { readonly state: 'ready'; readonly info: ContainerInfo }
  /** Dead, or started anew by somebody else so that its network is another one. */
  | { readonly state: 'broken'; readonly info: ContainerInfo };

export function viewSandbox(sandboxes: readonly ContainerInfo[], memory: PodMemory['sandbox']): SandboxView {
  const info = sandboxes[0];
  if (info === undefined) return { state: 'none' };
  switch (runOf(info)) {
    case 'created':
      return { state: 'created', info };
    case 'running': {
      const renewed = memory.attempt === attemptOf(info) && memory.pid !== 0 && info.pid !== 0 && info.pid !== memory.pid;
      return { state: renewed ? 'broken' : 'ready', info };
    }
    default:
      return { state: 'broken', info };
  }
}
