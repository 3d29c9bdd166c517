// What the server's last status of a pod says about its probes, for agents that lost their state file. Pure.
import type { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import { FRESH_PROBE, type ProbeState } from './probe-state.js';

interface ReportedProbes {
  readonly startup: ProbeState | undefined;
  readonly readiness: ProbeState | undefined;
}

/** Whether this very container (by its id) had started and was ready. */
export function probesReported(pod: Pod | undefined, container: string, id: string): ReportedProbes {
  const { initContainerStatuses = [], containerStatuses = [] } = pod?.status ?? {};
  const reported = [...initContainerStatuses, ...containerStatuses].find(
    ({ name, containerID }) => name === container && containerID === `docker://${id}`,
  );
  const passed = { ...FRESH_PROBE, verdict: 'success', last: 'success', streak: 1, succeeded: true } as const;
  return { startup: reported?.started === true ? passed : undefined, readiness: reported?.ready === true ? passed : undefined };
}
