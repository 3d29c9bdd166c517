// How names are resolved in a pod: its dnsPolicy and dnsConfig together with the node's own resolver. Pure.
import type { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import { DNS_LIMITS } from '@podplane/api/kinds/pod-spec/dns';

/** What a resolv.conf says. */
export interface Resolver {
  readonly nameservers: readonly string[];
  readonly searches: readonly string[];
  /** "ndots:5", "edns0" */
  readonly options: readonly string[];
}

/** Reads a resolv.conf; what it does not know it leaves out. The last "search" counts, as for the C library. */
export function parseResolvConf(text: string): Resolver {
  const nameservers: string[] = [];
  let searches: readonly string[] = [];
  const options: string[] = [];
  for (const line of text.split('\n')) {
    const [word, ...rest] = line.trim().split(/\s+/);
    if (word === 'nameserver' && rest[0] !== undefined) nameservers.push(rest[0]);
    else if (word === 'search' || word === 'domain') searches = rest.filter((search) => search !== '.');
    else if (word === 'options') options.push(...rest);
  }
  return { nameservers, searches, options };
}

/** True where all its servers are on the host's own loopback, which pods do not reach. */
export function isLocalOnly({ nameservers }: Resolver): boolean {
  return nameservers.length > 0 && nameservers.every((ip) => /^(127\.|::1$)/.test(ip));
}

/**
 * The resolver of a pod, and in words what did not fit the limits of the C library. undefined: the pod says nothing of its own, and has
 * what the engine gives it, which is the node's. There is no cluster DNS yet, so that ClusterFirst is Default, as in Kubernetes.
 */
export function podResolver(
  pod: Pod,
  node: () => Resolver,
): { readonly resolver: Resolver; readonly problems: readonly string[] } | undefined {
  const { dnsPolicy, dnsConfig } = pod.spec ?? {};
  if (dnsPolicy !== 'None' && dnsConfig === undefined) return undefined;
  const base = dnsPolicy === 'None' ? { nameservers: [], searches: [], options: [] } : node();
  const merged = {
    nameservers: unique([...base.nameservers, ...(dnsConfig?.nameservers ?? [])]),
    searches: unique([...base.searches, ...(dnsConfig?.searches ?? [])]),
    options: mergedOptions(
      base.options,
      (dnsConfig?.options ?? []).map(({ name, value }) => (value ? `${name}:${value}` : name)),
    ),
  };
  return withinLimits(merged);
}

const unique = (list: readonly string[]): readonly string[] => [...new Set(list)];

/** One option a name; later ones win. */
function mergedOptions(before: readonly string[], after: readonly string[]): readonly string[] {
  return [...new Map([...before, ...after].map((option) => [option.split(':')[0], option])).values()];
}

function withinLimits(resolver: Resolver): { readonly resolver: Resolver; readonly problems: readonly string[] } {
  const problems: string[] = [];
  const nameservers = resolver.nameservers.slice(0, DNS_LIMITS.nameservers);
  if (nameservers.length < resolver.nameservers.length)
    problems.push(
      `Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line is: ${nameservers.join(' ')}`,
    );
  let searches = resolver.searches.slice(0, DNS_LIMITS.searches);
  while (searches.join(' ').length > DNS_LIMITS.searchCharacters) searches = searches.slice(0, -1);
  if (searches.length < resolver.searches.length)
    problems.push(
      `Search Line limits were exceeded, some search paths have been omitted, the applied search line is: ${searches.join(' ')}`,
    );
  return { resolver: { ...resolver, nameservers, searches }, problems };
}

export function resolvConfText({ nameservers, searches, options }: Resolver): string {
  return [
    ...(searches.length === 0 ? [] : [`search ${searches.join(' ')}`]),
    ...nameservers.map((ip) => `nameserver ${ip}`),
    ...(options.length === 0 ? [] : [`options ${options.join(' ')}`]),
    '',
  ].join('\n');
}
