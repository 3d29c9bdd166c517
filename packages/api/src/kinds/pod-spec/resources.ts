// Resource requests and limits of containers: names, quantities, requests within limits.

import { type FieldError, forbidden, invalid, type Path, required } from '../../errors.js';
import type { ResourceRequirements } from '../../gen/podplane/core/v1/resources.js';
import { qualifiedNameProblems } from '../../names.js';
import { compareQuantities, QuantityError, tryParseQuantity } from '../../quantity.js';
import type { DeepReadonly } from '../kind-map.js';

const MILLI_NANO = 1_000_000n;
const UNIT_NANO = 1_000_000_000n;
const HUGE_PAGES = 'hugepages-';
/** What a container may ask for by a plain name; everything else needs a prefix (example.com/gpu). */
const STANDARD = new Set(['cpu', 'memory', 'ephemeral-storage']);

/** Names that mean something, but nothing that a container can ask for. */
const ELSEWHERE = new Set([
  ...['requests', 'limits'].flatMap((word) => ['cpu', 'memory', 'ephemeral-storage'].map((name) => `${word}.${name}`)),
  ...['storage', 'requests.storage', 'pods', 'services', 'replicationcontrollers', 'resourcequotas', 'secrets', 'configmaps'],
  ...['persistentvolumeclaims', 'services.nodeports', 'services.loadbalancers'],
]);

/** Faults of a map of quantities that must not be negative. */
export function validateResourceMap(map: Readonly<Record<string, string>>, path: Path): FieldError[] {
  const out: FieldError[] = [];
  for (const [name, text] of Object.entries(map)) {
    const at = path.key(name);
    for (const problem of qualifiedNameProblems(name)) out.push(invalid(at, name, problem));
    const quantity = tryParseQuantity(text);
    if (quantity === undefined) out.push(invalid(at, text, new QuantityError(text).message));
    else if (quantity.nano < 0n) out.push(invalid(at, text, 'must be greater than or equal to 0'));
  }
  return out;
}

function validateContainerResources(map: Readonly<Record<string, string>>, path: Path): FieldError[] {
  const out = validateResourceMap(map, path);
  for (const [name, text] of Object.entries(map)) {
    const at = path.key(name);
    if (!name.includes('/') && !STANDARD.has(name) && !name.startsWith(HUGE_PAGES)) {
      if (!ELSEWHERE.has(name) && qualifiedNameProblems(name).length === 0)
        out.push(invalid(at, name, 'must be a standard resource type or fully qualified'));
      out.push(invalid(at, name, 'must be a standard resource for containers'));
    }
    // What is prefixed so would be taken for a quota of the other.
    if (name.startsWith('requests.') && name.includes('/')) out.push(invalid(at, name, "doesn't follow extended resource name standard"));
    if (name.startsWith(HUGE_PAGES)) out.push(forbidden(at, 'not supported yet'));
    const quantity = tryParseQuantity(text);
    if (quantity === undefined) continue;
    if (name !== 'cpu' && quantity.nano % UNIT_NANO !== 0n && name.includes('/')) out.push(invalid(at, text, 'must be an integer'));
    // A thousandth of a byte is a slip of "m" for "M" or "Mi".
    if (name === 'memory' && quantity.nano > 0n && quantity.nano < UNIT_NANO)
      out.push(invalid(at, text, "must be at least 1 byte; 'm' means a thousandth"));
    if (name === 'cpu' && quantity.nano > 0n && quantity.nano < MILLI_NANO) out.push(invalid(at, text, 'must be at least 1m'));
  }
  return out;
}

/** Faults of the resources of one container. */
export function validateResources(resources: DeepReadonly<ResourceRequirements> | undefined, path: Path): FieldError[] {
  if (resources === undefined) return [];
  const out = [
    ...validateContainerResources(resources.limits, path.child('limits')),
    ...validateContainerResources(resources.requests, path.child('requests')),
  ];
  for (const name of Object.keys(resources.requests)) {
    if (name.includes('/') && !Object.hasOwn(resources.limits, name))
      out.push(required(path.child('limits'), 'Limit must be set for non overcommitable resources'));
  }
  for (const [name, text] of Object.entries(resources.requests)) {
    const limitText = Object.hasOwn(resources.limits, name) ? resources.limits[name] : undefined;
    if (limitText === undefined) continue;
    const request = tryParseQuantity(text);
    const limit = tryParseQuantity(limitText);
    if (request === undefined || limit === undefined) continue;
    const order = compareQuantities(request, limit);
    const at = path.child('requests');
    if (name.includes('/') && order !== 0) out.push(invalid(at, text, `must be equal to ${name} limit of ${limitText}`));
    else if (order > 0) out.push(invalid(at, text, `must be less than or equal to ${name} limit of ${limitText}`));
  }
  return out;
}
