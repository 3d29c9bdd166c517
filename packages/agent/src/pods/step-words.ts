// What the files of steps have in common: one kind of step, and events about a container.
import type { Step } from './planner/types.js';
import { containerField } from './pod-events.js';
import type { StepContext } from './worker-types.js';

export type StepOf<K extends Step['kind']> = Extract<Step, { kind: K }>;

/** An event about a container of the pod. */
export function emit(context: StepContext, container: string, type: 'Normal' | 'Warning', reason: string, message: string): void {
  context.host.event({ pod: context.ref, fieldPath: containerField(context.pod, container), type, reason, message });
}
