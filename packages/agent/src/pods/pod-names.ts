// What a pod is called by its own containers: host name, full name, /etc/hosts. Pure.
import type { Pod } from '@podplane/api/gen/podplane/core/v1/pod';

/** The domain below which the cluster's names are. */
export const CLUSTER_DOMAIN = 'cluster.local';

const HOSTNAME_MAX = 63;
/** What Linux takes as the name of a host. */
const FQDN_MAX = 64;

/** spec.hostname or the pod's name, cut to what a host name may be. */
export function podHostname(pod: Pod): string {
  const name = pod.spec?.hostname || pod.metadata?.name || '';
  return name.length <= HOSTNAME_MAX ? name : name.slice(0, HOSTNAME_MAX).replace(/[-.]+$/, '');
}

/** With the subdomain, the namespace and the cluster's domain; undefined: the pod has no subdomain. */
export function podFqdn(pod: Pod): string | undefined {
  const { subdomain } = pod.spec ?? {};
  return subdomain ? `${podHostname(pod)}.${subdomain}.${pod.metadata?.namespace ?? ''}.svc.${CLUSTER_DOMAIN}` : undefined;
}

export type HostnameResult = { readonly ok: true; readonly hostname: string } | { readonly ok: false; readonly message: string };

/** What `hostname` says in the pod's containers; empty: what it says on the node. Not ok: longer than Linux takes, in Kubernetes' words. */
export function hostnameInPod(pod: Pod): HostnameResult {
  if (pod.spec?.hostNetwork === true) return { ok: true, hostname: '' };
  const fqdn = pod.spec?.setHostnameAsFQDN === true ? podFqdn(pod) : undefined;
  if (fqdn === undefined) return { ok: true, hostname: podHostname(pod) };
  if (fqdn.length <= FQDN_MAX) return { ok: true, hostname: fqdn };
  return {
    ok: false,
    message: `Failed to construct FQDN from Pod hostname and cluster domain, FQDN ${fqdn} is too long (${FQDN_MAX} characters is the max, ${fqdn.length} characters requested)`,
  };
}

/** Addresses with the names that they have in the pod's hosts file, besides its own. */
export function hostAliases(pod: Pod): readonly { readonly ip: string; readonly names: readonly string[] }[] {
  return (pod.spec?.hostAliases ?? []).map(({ ip, hostnames }) => ({ ip, names: hostnames }));
}

const LOCAL = [
  '127.0.0.1\tlocalhost',
  '::1\tlocalhost ip6-localhost ip6-loopback',
  'fe00::0\tip6-localnet',
  'fe00::0\tip6-mcastprefix',
  'fe00::1\tip6-allnodes',
  'fe00::2\tip6-allrouters',
];

/** The pod's /etc/hosts as the kubelet writes it. nodeHosts: the node's own, which pods in its network see with the aliases below. */
export function hostsText(pod: Pod, ip: string, nodeHosts: string): string {
  const fqdn = podFqdn(pod);
  const own = fqdn === undefined ? podHostname(pod) : `${fqdn}\t${podHostname(pod)}`;
  const head =
    pod.spec?.hostNetwork === true
      ? `# Kubernetes-managed hosts file (host network).\n${nodeHosts.replace(/\n?$/, '\n')}`
      : ['# Kubernetes-managed hosts file.', ...LOCAL, `${ip}\t${own}`, ''].join('\n');
  const aliases = hostAliases(pod);
  if (aliases.length === 0) return head;
  return [head, '# Entries added by HostAliases.', ...aliases.map((alias) => [alias.ip, ...alias.names].join('\t')), ''].join('\n');
}
