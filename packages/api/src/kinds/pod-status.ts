// What may be written into the status of a pod: known words, and no way back from an end.
import { type FieldError, forbidden, invalid, notSupported, Path } from '../errors.js';
import { ipProblems } from '../names.js';
import type { Obj } from './kind-map.js';

const STATUS = Path.of('status');
const PHASES = ['Pending', 'Running', 'Succeeded', 'Failed', 'Unknown'] as const;

/** Faults of a new status. */
export function validatePodStatusUpdate(next: Obj<'Pod'>, previous: Obj<'Pod'>): FieldError[] {
  const out: FieldError[] = [];
  const { status } = next;
  if (status === undefined) return out;
  const phase = status.phase ?? '';
  if (phase !== '' && !PHASES.some((one) => one === phase)) out.push(notSupported(STATUS.child('phase'), phase, PHASES));
  const before = previous.status?.phase;
  if ((before === 'Succeeded' || before === 'Failed') && phase !== before) {
    out.push(
      forbidden(STATUS.child('phase'), `a pod that has ${before.toLowerCase()} cannot become ${phase === '' ? 'anything else' : phase}`),
    );
  }
  for (const [i, { ip }] of status.podIPs.entries()) {
    for (const problem of ipProblems(ip)) out.push(invalid(STATUS.child('podIPs').index(i), ip, problem));
  }
  if (status.podIP && status.podIPs.length > 0 && status.podIPs[0]?.ip !== status.podIP) {
    out.push(invalid(STATUS.child('podIPs').index(0).child('ip'), status.podIPs[0]?.ip, 'must be equal to `podIP`'));
  }
  if (status.hostIP && status.hostIPs.length > 0 && status.hostIPs[0]?.ip !== status.hostIP) {
    out.push(invalid(STATUS.child('hostIPs').index(0).child('ip'), status.hostIPs[0]?.ip, 'must be equal to `hostIP`'));
  }
  for (const [i, { ip }] of status.hostIPs.entries()) {
    for (const problem of ipProblems(ip)) out.push(invalid(STATUS.child('hostIPs').index(i), ip, problem));
  }
  for (const list of ['podIPs', 'hostIPs'] as const) {
    const six = status[list].filter(({ ip }) => ip.includes(':')).length;
    if (six > 1 || status[list].length - six > 1)
      out.push(invalid(STATUS.child(list), status[list], 'may specify no more than one IP for each IP family'));
  }
  for (const [statuses, containers] of [
    ['initContainerStatuses', 'initContainers'],
    ['containerStatuses', 'containers'],
    ['ephemeralContainerStatuses', 'ephemeralContainers'],
  ] as const) {
    for (const [i, container] of status[statuses].entries()) {
      const at = STATUS.child(statuses).index(i);
      if (container.restartCount < 0)
        out.push(invalid(at.child('restartCount'), container.restartCount, 'must be greater than or equal to 0'));
      if (next.spec?.[containers].some((one) => one.name === container.name) !== true) {
        out.push(invalid(at.child('name'), container.name, 'no container of the pod has this name'));
      }
    }
  }
  return out;
}
