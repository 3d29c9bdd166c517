// Named volumes: what containers of a pod share. Which pod needs which volume is not known here.
import type { Engine } from './engine.js';
import type { VolumeInspect, VolumeList } from './engine-api.js';

/**
 * Makes a volume; one that is there stays as it is. memory: a tmpfs, whose content lives while a running container has it mounted
 * (mount it in the pause container too). sizeBytes limits volumes in memory only: Docker's local driver cannot limit those on disk.
 */
export async function createVolume(
  engine: Engine,
  name: string,
  labels: Readonly<Record<string, string>>,
  options: { readonly memory: boolean; readonly sizeBytes: number | undefined },
): Promise<void> {
  const mountOptions = [
    'mode=1777',
    ...(options.sizeBytes === undefined ? [] : [`size=${Math.max(1, Math.floor(options.sizeBytes))}`]),
  ].join(',');
  const body = {
    Name: name,
    Labels: labels,
    Driver: 'local',
    DriverOpts: options.memory ? { type: 'tmpfs', device: 'tmpfs', o: mountOptions } : {},
  };
  await engine.call(`create volume ${name}`, { method: 'POST', path: '/volumes/create', body });
}

/** Those with such a label. */
export async function listVolumes(
  engine: Engine,
  label: string,
): Promise<readonly { readonly name: string; readonly labels: Readonly<Record<string, string>> }[]> {
  const query = { filters: { label: [label] } };
  const list = await engine.call<VolumeList>('list volumes', { method: 'GET', path: '/volumes', query });
  return (list.Volumes ?? []).map((volume) => ({ name: volume.Name, labels: volume.Labels ?? {} }));
}

/** Where the content of a volume is, on the engine's host. */
export async function volumePath(engine: Engine, name: string): Promise<string | undefined> {
  const found = await engine.find<VolumeInspect>(`look at volume ${name}`, { method: 'GET', path: `/volumes/${encodeURIComponent(name)}` });
  return found?.Mountpoint || undefined;
}

/** Not there: no error. In use: conflict. */
export async function removeVolume(engine: Engine, name: string): Promise<void> {
  await engine.find(`remove volume ${name}`, { method: 'DELETE', path: `/volumes/${encodeURIComponent(name)}` });
}
