// Files that containers see follow the pod and what it refers to, without a restart. Called on each change; what a file holds and how it is
// written is in ../volumes/.
import { envContext } from './mounts.js';
import type { StepContext } from './worker-types.js';

/** Brings the files of the pod's volumes up to date. Takes and gives what it said last of problems, so that each is told once. */
export function refreshFiles(context: Pick<StepContext, 'host' | 'ref' | 'pod' | 'memory'>, saidBefore: string): string {
  const { host, pod, memory, ref } = context;
  if (pod === undefined || memory.phase === 'terminated' || memory.released) return saidBefore;
  const problems = host.files?.refresh(pod, envContext(context, pod)) ?? [];
  const said = JSON.stringify(problems);
  if (said === saidBefore) return said;
  for (const { volume, message } of problems) {
    const words = `MountVolume.SetUp failed for volume "${volume}" : ${message}`;
    host.event({ pod: ref, fieldPath: '', type: 'Warning', reason: 'FailedMount', message: words });
  }
  return said;
}
