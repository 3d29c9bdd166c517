// Name resolution of pods: policy and settings, and the limits of the C library's resolver. How a resolv.conf is made is the agent's business.

import { type FieldError, invalid, notSupported, type Path, required } from '../../errors.js';
import type { PodDNSConfig } from '../../gen/podplane/core/v1/pod.js';
import { dnsSubdomainProblems, ipProblems } from '../../names.js';
import type { DeepReadonly } from '../kind-map.js';

const DNS_POLICIES = ['ClusterFirstWithHostNet', 'ClusterFirst', 'Default', 'None'] as const;

/** What the resolver takes; settings of pod and node together are cut to these as well. */
export const DNS_LIMITS = { nameservers: 3, searches: 32, searchCharacters: 2048 } as const;

/** Faults of dnsPolicy and dnsConfig. path: the pod spec. */
export function validateDns(policy: string | undefined, config: DeepReadonly<PodDNSConfig> | undefined, path: Path): FieldError[] {
  const at = path.child('dnsPolicy');
  if (!policy) return [required(at)];
  if (!DNS_POLICIES.some((one) => one === policy)) return [notSupported(at, policy, DNS_POLICIES)];
  return validateConfig(policy, config, path.child('dnsConfig'));
}

function validateConfig(policy: string, config: DeepReadonly<PodDNSConfig> | undefined, path: Path): FieldError[] {
  if (policy === 'None') {
    if (config === undefined) return [required(path, 'must provide `dnsConfig` when `dnsPolicy` is None')];
    if (config.nameservers.length === 0)
      return [required(path.child('nameservers'), 'must provide at least one DNS nameserver when `dnsPolicy` is None')];
  }
  if (config === undefined) return [];
  const out: FieldError[] = [];
  const { nameservers, searches, options } = config;
  const servers = path.child('nameservers');
  if (nameservers.length > DNS_LIMITS.nameservers)
    out.push(invalid(servers, nameservers, `must not have more than ${DNS_LIMITS.nameservers} nameservers`));
  for (const [i, ip] of nameservers.entries()) for (const problem of ipProblems(ip)) out.push(invalid(servers.index(i), ip, problem));
  const domains = path.child('searches');
  if (searches.length > DNS_LIMITS.searches)
    out.push(invalid(domains, searches, `must not have more than ${DNS_LIMITS.searches} search paths`));
  if (searches.join(' ').length > DNS_LIMITS.searchCharacters)
    out.push(
      invalid(domains, searches, `must not have more than ${DNS_LIMITS.searchCharacters} characters (including spaces) in the search list`),
    );
  for (const [i, search] of searches.entries())
    for (const problem of searchProblems(search)) out.push(invalid(domains.index(i), search, problem));
  for (const [i, { name }] of options.entries()) if (name === '') out.push(required(path.child('options').index(i), 'must not be empty'));
  return out;
}

/** A domain; with a dot at its end, or nothing but the dot; underscores are common in names of services. */
function searchProblems(search: string): readonly string[] {
  if (search === '.') return [];
  return dnsSubdomainProblems(search.replace(/\.$/, '').replaceAll('_', '-'));
}
