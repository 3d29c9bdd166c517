// Ports of containers: names, ranges, protocols, and that no two of a pod want one port of the host.

import { duplicate, type FieldError, invalid, notSupported, type Path, required } from '../../errors.js';
import type { Container, ContainerPort } from '../../gen/podplane/core/v1/container.js';
import { ipProblems, portNameProblems, portNumberProblems } from '../../names.js';
import type { DeepReadonly } from '../kind-map.js';

const PROTOCOLS = ['SCTP', 'TCP', 'UDP'] as const;

type Port = DeepReadonly<ContainerPort>;

function validatePort(port: Port, path: Path): FieldError[] {
  const out: FieldError[] = [];
  if (port.name) for (const problem of portNameProblems(port.name)) out.push(invalid(path.child('name'), port.name, problem));
  if (port.containerPort === 0) out.push(required(path.child('containerPort')));
  else
    for (const problem of portNumberProblems(port.containerPort))
      out.push(invalid(path.child('containerPort'), port.containerPort, problem));
  if (port.hostPort)
    for (const problem of portNumberProblems(port.hostPort)) out.push(invalid(path.child('hostPort'), port.hostPort, problem));
  if (port.hostIP) for (const problem of ipProblems(port.hostIP)) out.push(invalid(path.child('hostIP'), port.hostIP, problem));
  if (!port.protocol) out.push(required(path.child('protocol')));
  else if (!PROTOCOLS.some((one) => one === port.protocol)) out.push(notSupported(path.child('protocol'), port.protocol, PROTOCOLS));
  return out;
}

/** Faults of the ports of one container. */
export function validatePorts(ports: readonly Port[], path: Path): FieldError[] {
  const out: FieldError[] = [];
  const names = new Set<string>();
  for (const [i, port] of ports.entries()) {
    const at = path.index(i);
    out.push(...validatePort(port, at));
    if (!port.name) continue;
    if (names.has(port.name)) out.push(duplicate(at.child('name'), port.name));
    names.add(port.name);
  }
  return out;
}

/** Ports of the host that two containers of one pod want. at: the path of each container, or that of the only one. */
export function validateHostPorts(containers: readonly DeepReadonly<Container>[], at: Path | ((index: number) => Path)): FieldError[] {
  const out: FieldError[] = [];
  const taken = new Set<string>();
  for (const [c, container] of containers.entries()) {
    for (const [p, port] of container.ports.entries()) {
      if (!port.hostPort) continue;
      const text = `${port.protocol ?? 'TCP'}/${port.hostIP ?? ''}/${port.hostPort}`;
      if (taken.has(text)) {
        const path = typeof at === 'function' ? at(c) : at;
        out.push(duplicate(path.child('ports').index(p).child('hostPort'), text));
      }
      taken.add(text);
    }
  }
  return out;
}

/** With the host's network a container's port is the host's. A template may leave the host's out: it is set when the pod is made. */
export function validateHostNetworkPorts(containers: readonly DeepReadonly<Container>[], path: Path, ofPod: boolean): FieldError[] {
  return containers.flatMap(({ ports }, c) =>
    ports.flatMap(({ hostPort = 0, containerPort }, p) => {
      if (hostPort === containerPort || (!ofPod && hostPort === 0)) return [];
      const at = path.index(c).child('ports').index(p).child('hostPort');
      return [invalid(at, hostPort, 'must match `containerPort` when `hostNetwork` is true')];
    }),
  );
}
