// Ports of the host: two pods cannot have the same one on the same address.
import type { HostPort } from '@podplane/api/kinds/pod-spec/needs';
import { type NodeInfo, portKey } from '../ledger.js';
import type { PodClass } from '../model.js';
import type { FilterPlugin } from './plugin.js';

const ANY = '0.0.0.0';

function taken(node: NodeInfo, { ip, protocol, port }: HostPort): boolean {
  const addresses = node.ports.get(portKey(protocol, port));
  if (addresses === undefined) return false;
  return ip === ANY || addresses.has(ANY) || addresses.has(ip);
}

const conflict = (pod: PodClass, node: NodeInfo): HostPort | undefined => pod.hostPorts.find((port) => taken(node, port));

export const hostPorts: FilterPlugin = {
  name: 'NodePorts',
  depends: 'used',
  wakesOn: new Set(['node-added', 'pod-left']),
  fits: (pod, node) => pod.hostPorts.length === 0 || conflict(pod, node) === undefined,
  explain(pod, node) {
    const port = conflict(pod, node);
    if (port === undefined) return [];
    const detail = `${port.protocol} ${port.port} is taken`;
    return [{ plugin: 'NodePorts', summary: "node(s) didn't have free ports for the requested pod ports", detail }];
  },
};
