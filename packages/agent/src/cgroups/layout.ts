// Where pods have their cgroups: names below /sys/fs/cgroup, and what the engine is told. Pure. What is written there is limits.ts, who writes it is
// tree.ts. As with the kubelet, Guaranteed pods lie directly below the node's cgroup, others in the one of their class.
import type { QosClass } from '@podplane/api/kinds/pod-spec/qos';
import type { EngineInfo } from '../runtime/types.js';

export type CgroupDriver = 'cgroupfs' | 'systemd';
export type CgroupVersion = 1 | 2;

export interface CgroupLayout {
  readonly driver: CgroupDriver;
  readonly version: CgroupVersion;
  readonly nodeName: string;
}

/** One cgroup. */
export interface CgroupName {
  /** What the engine takes as the parent of a container: a path, or the name of a slice. */
  readonly parent: string;
  /** Its folder below each hierarchy; begins with a slash. */
  readonly folder: string;
}

/** Version 1: the hierarchies that limits are written to. Of these a pod's cgroup is made by the agent, of others by the engine. */
export const CONTROLLERS = ['memory', 'cpu', 'pids'] as const;
export type Controller = (typeof CONTROLLERS)[number];

export const QOS_CLASSES: readonly QosClass[] = ['Guaranteed', 'Burstable', 'BestEffort'];

const TOP = 'podplane';

/** undefined: the engine manages no cgroups (a rootless one), or in a way that we do not know. Engines before 20.10 do not say their version: it is 1. */
export function layoutOf(info: Pick<EngineInfo, 'cgroupDriver' | 'cgroupVersion'>, nodeName: string): CgroupLayout | undefined {
  const driver = (['cgroupfs', 'systemd'] as const).find((one) => one === info.cgroupDriver);
  const version = info.cgroupVersion === '2' ? 2 : info.cgroupVersion === '1' || info.cgroupVersion === '' ? 1 : undefined;
  return driver === undefined || version === undefined ? undefined : { driver, version, nodeName };
}

/** What the nodes of a machine have in common. */
export function topCgroup(layout: CgroupLayout): CgroupName {
  return named(layout, []);
}

/** /podplane/n1, or podplane-n1.slice */
export function nodeCgroup(layout: CgroupLayout): CgroupName {
  return named(layout, [layout.nodeName]);
}

export function qosCgroup(layout: CgroupLayout, qos: QosClass): CgroupName {
  return named(layout, [layout.nodeName, ...classPart(qos)]);
}

export function podCgroup(layout: CgroupLayout, qos: QosClass, uid: string): CgroupName {
  return named(layout, [layout.nodeName, ...classPart(qos), `pod${uid}`]);
}

/** One directly below another, by the name of its folder. */
export function childCgroup({ driver }: CgroupLayout, above: CgroupName, name: string): CgroupName {
  const folder = `${above.folder}/${name}`;
  return { folder, parent: driver === 'systemd' ? name : folder };
}

/** The folder that the engine makes for a container. */
export function containerFolder(layout: CgroupLayout, parent: CgroupName, id: string): string {
  return `${parent.folder}/${layout.driver === 'systemd' ? `docker-${id}.scope` : id}`;
}

/** The name of a pod's folder in that of its class. */
export function podFolderName(layout: CgroupLayout, qos: QosClass, uid: string): string {
  const { folder } = podCgroup(layout, qos, uid);
  return folder.slice(folder.lastIndexOf('/') + 1);
}

/** Whether a folder in that of a class is a pod's. */
export function isPodFolder(layout: CgroupLayout, qos: QosClass, name: string): boolean {
  return name.startsWith(podFolderName(layout, qos, '').replace(/\.slice$/, ''));
}

function classPart(qos: QosClass): readonly string[] {
  return qos === 'Guaranteed' ? [] : [qos.toLowerCase()];
}

/** A dash in a slice's name says which slice it lies in; names of nodes and uids have no underscores, so two never become one. */
function named({ driver }: CgroupLayout, parts: readonly string[]): CgroupName {
  if (driver === 'cgroupfs') {
    const folder = `/${[TOP, ...parts].join('/')}`;
    return { parent: folder, folder };
  }
  const slices: string[] = [];
  let name = TOP;
  slices.push(`${name}.slice`);
  for (const part of parts) {
    name += `-${part.replaceAll('-', '_')}`;
    slices.push(`${name}.slice`);
  }
  return { parent: `${name}.slice`, folder: `/${slices.join('/')}` };
}
