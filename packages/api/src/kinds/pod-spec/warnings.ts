// What is allowed in a pod spec and yet most likely a slip. Faults are in the files beside.
import type { Path } from '../../errors.js';
import type { PodSpec } from '../../gen/podplane/core/v1/pod.js';
import type { DeepReadonly } from '../kind-map.js';

/** Sentences about slips, each with its path. */
export function podSpecWarnings(spec: DeepReadonly<PodSpec> | undefined, path: Path): string[] {
  const out: string[] = [];
  const lists = (['containers', 'initContainers'] as const).flatMap((list) =>
    (spec?.[list] ?? []).map((container, i) => ({ container, at: path.child(list).index(i) })),
  );
  for (const { container, at } of lists) {
    const names = new Set<string>();
    for (const [i, { name }] of container.env.entries()) {
      const where = at.child('env').index(i).toString();
      if (names.has(name))
        out.push(`${where}: hides previous definition of ${JSON.stringify(name)}, which may be dropped when using apply`);
      names.add(name);
    }
    const ports = new Map<string, Path>();
    for (const [i, port] of container.ports.entries()) {
      const key = `${port.containerPort}/${port.protocol ?? 'TCP'}/${port.hostPort ?? 0}/${port.hostIP ?? ''}`;
      const here = at.child('ports').index(i);
      const first = ports.get(key);
      if (first !== undefined && !port.hostPort) out.push(`${here.toString()}: duplicate port definition with ${first.toString()}`);
      else ports.set(key, here);
    }
  }
  return out;
}
