// What of a Node object is its agent's to say: which labels, which conditions. An agent's certificate proves which node it is and no more;
// where a pod may run and whether a node was emptied is decided by others. What a report must look like at all is in reported.ts.
import type { NodeCondition } from '@podplane/api/gen/podplane/core/v1/node';

/** Conditions of which the agent alone knows. All others (Drained, what programs watch over nodes for) come through the API. */
const AGENT_CONDITIONS = new Set(['Ready', 'MemoryPressure', 'DiskPressure', 'PIDPressure', 'NetworkUnavailable', 'PodCgroups']);

const HOSTNAME = 'kubernetes.io/hostname';
/** Of Kubernetes' own labels those that a kubelet may give its node, as its admission plugin NodeRestriction has them. */
const AGENT_LABELS = new Set([
  HOSTNAME,
  'kubernetes.io/os',
  'kubernetes.io/arch',
  'topology.kubernetes.io/zone',
  'topology.kubernetes.io/region',
  'failure-domain.beta.kubernetes.io/zone',
  'failure-domain.beta.kubernetes.io/region',
  'beta.kubernetes.io/os',
  'beta.kubernetes.io/arch',
  'beta.kubernetes.io/instance-type',
]);
const AGENT_DOMAINS = ['node.kubernetes.io', 'kubelet.kubernetes.io'];
/** Domains whose other labels are the control plane's: roles, and by node-restriction.kubernetes.io which nodes administrators trust. */
const SERVER_DOMAINS = ['kubernetes.io', 'k8s.io', 'podplane.dev'];

const within = (domain: string, parents: readonly string[]): boolean =>
  parents.some((parent) => domain === parent || domain.endsWith(`.${parent}`));

/**
 * Whether an agent may say this of its own node. Volumes and pods go by the host name: that of another node would bring both here.
 * otherNode: whether a name is that of another node.
 */
export function mayLabel(key: string, value: string, otherNode: (name: string) => boolean): boolean {
  if (key === HOSTNAME) return !otherNode(value);
  if (AGENT_LABELS.has(key)) return true;
  const slash = key.indexOf('/');
  if (slash < 0) return true;
  const domain = key.slice(0, slash);
  return within(domain, AGENT_DOMAINS) || !within(domain, SERVER_DOMAINS);
}

/** The conditions that are the agent's to report, and the types of those that are not. */
export function ownConditions(reported: readonly NodeCondition[]): {
  readonly own: NodeCondition[];
  readonly foreign: readonly string[];
} {
  return {
    own: reported.filter(({ type }) => AGENT_CONDITIONS.has(type)),
    foreign: reported.map(({ type }) => type).filter((type) => !AGENT_CONDITIONS.has(type)),
  };
}
