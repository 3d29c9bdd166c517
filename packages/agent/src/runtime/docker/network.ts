// The Docker network of a node's pods: a bridge with the node's pod CIDR. Addresses are given out by the agent, never by Docker (it frees
// even a static one when a container stops).
import { createHash } from 'node:crypto';
import { isRuntimeError, RuntimeError } from '../errors.js';
import { LABEL_MACHINE, LABEL_NODE } from '../types.js';
import type { Engine } from './engine.js';
import type { NetworkInspect } from './engine-api.js';

const path = (name: string): string => `/networks/${encodeURIComponent(name)}`;

export function networkName(nodeName: string): string {
  return `podplane-${nodeName}`;
}

// Linux allows 15 bytes. "pp-" and the node's name where it fits, so that a person reading `ip link` finds it; else a hash of it.
const MAX_INTERFACE = 15;

/** Name of the Linux bridge. */
export function bridgeName(nodeName: string): string {
  const readable = `pp-${nodeName}`;
  if (readable.length <= MAX_INTERFACE) return readable;
  return `pph${createHash('sha256')
    .update(nodeName)
    .digest('hex')
    .slice(0, MAX_INTERFACE - 3)}`;
}

/** First address of the CIDR: the bridge's own. Throws RuntimeError invalid. */
export function gatewayOf(podCIDR: string): string {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\/(\d{1,2})$/.exec(podCIDR);
  const bytes = match?.slice(1, 5).map(Number) ?? [];
  const bits = Number(match?.[5]);
  if (!match || bytes.some((byte) => byte > 255) || bits < 8 || bits > 30) {
    throw new RuntimeError(
      'invalid',
      `pod CIDR ${JSON.stringify(podCIDR)}: must be an IPv4 network with 8 to 30 bits, as in 10.244.1.0/24`,
    );
  }
  const address = bytes.reduce((sum, byte) => sum * 256 + byte, 0);
  if (address % 2 ** (32 - bits) !== 0) throw new RuntimeError('invalid', `pod CIDR ${podCIDR}: has bits set after the first ${bits}`);
  const first = address + 1;
  return [24, 16, 8, 0].map((shift) => Math.floor(first / 2 ** shift) % 256).join('.');
}

/**
 * Two clusters on one engine must not take each other's containers for orphans: a node's name belongs to the data directory that made its
 * network first. Throws RuntimeError name-taken. A network from before this label, or none: nobody else's.
 */
export async function checkClaim(engine: Engine, nodeName: string, machineId: string): Promise<void> {
  const name = networkName(nodeName);
  const owner = (await findNetwork(engine, name))?.Labels?.[LABEL_MACHINE];
  if (owner === undefined || owner === machineId) return;
  throw new RuntimeError('name-taken', `another Podplane node on this engine has the name ${nodeName} (network ${name})`, {
    advice: `choose another name; if that node is gone for good, remove what it left: podplane down --leftovers ${nodeName}`,
  });
}

/** The network exists and has this subnet. An empty one with another subnet is made anew. Returns its name. */
export async function ensureNetwork(engine: Engine, nodeName: string, podCIDR: string, machineId?: string): Promise<string> {
  const name = networkName(nodeName);
  const gateway = gatewayOf(podCIDR);
  const existing = await findNetwork(engine, name);
  if (existing) {
    const subnet = existing.IPAM?.Config?.[0]?.Subnet;
    if (subnet === podCIDR && existing.Labels?.[LABEL_NODE] === nodeName) return name;
    const users = Object.keys(existing.Containers ?? {}).length;
    if (users > 0) {
      throw new RuntimeError(
        'conflict',
        `network ${name} has the subnet ${subnet ?? 'none'}, not the node's pod CIDR ${podCIDR}, and ${users} containers use it`,
        {
          advice: `remove the pods of this node, or the network: docker network rm ${name}`,
        },
      );
    }
    await engine.call(`remove network ${name}`, { method: 'DELETE', path: path(existing.Id) });
  }
  try {
    const options = {
      Name: name,
      CheckDuplicate: true,
      Driver: 'bridge',
      IPAM: { Driver: 'default', Config: [{ Subnet: podCIDR, Gateway: gateway }] },
      // Egress leaves with the host's address. There are no routes between nodes yet; with them, masquerading must end where pods talk to pods.
      Options: { 'com.docker.network.bridge.name': bridgeName(nodeName), 'com.docker.network.bridge.enable_ip_masquerade': 'true' },
      Labels: { [LABEL_NODE]: nodeName, ...(machineId === undefined ? {} : { [LABEL_MACHINE]: machineId }) },
    };
    await engine.call(`create network ${name} (${podCIDR})`, { method: 'POST', path: '/networks/create', body: options });
  } catch (error) {
    // Somebody made it in the meantime: fine if it is the same.
    if (isRuntimeError(error, 'conflict') && (await findNetwork(engine, name))?.IPAM?.Config?.[0]?.Subnet === podCIDR) return name;
    throw error;
  }
  return name;
}

function findNetwork(engine: Engine, name: string): Promise<NetworkInspect | undefined> {
  return engine.find<NetworkInspect>(`inspect network ${name}`, { method: 'GET', path: path(name) });
}

/** Not there: no error. */
export async function removeNetwork(engine: Engine, nodeName: string): Promise<void> {
  const name = networkName(nodeName);
  await engine.find(`remove network ${name}`, { method: 'DELETE', path: path(name) });
}
