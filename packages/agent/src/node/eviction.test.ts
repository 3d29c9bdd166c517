import { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import { expect, it } from 'vitest';
import { evictionMessage, type PodUse, ranked } from './eviction.js';
import { parseThresholds } from './thresholds.js';

const MIB = 1024 ** 2;

function pod(
  name: string,
  request: string,
  use: Partial<PodUse['containers'][number]>,
  more: { priority?: number; volumeBytes?: number } = {},
): PodUse {
  const resources = request === '' ? {} : { requests: { memory: request, 'ephemeral-storage': request } };
  return {
    pod: Pod.fromPartial({
      metadata: { name, namespace: 'd' },
      spec: { priority: more.priority, containers: [{ name: 'c', image: 'i', resources }] },
    }),
    containers: [{ name: 'c', memoryBytes: 0, diskBytes: 0, processes: 1, ...use }],
    volumeBytes: more.volumeBytes ?? 0,
  };
}
const names = (list: readonly PodUse[]): string[] => list.map((one) => one.pod.metadata?.name ?? '');

it('who takes more than requested goes first, then low priority, then who takes most beyond its request', () => {
  const list = [
    pod('guaranteed', '100Mi', { memoryBytes: 100 * MIB }),
    pod('a-bit-over', '100Mi', { memoryBytes: 101 * MIB }),
    pod('far-over', '100Mi', { memoryBytes: 300 * MIB }),
    pod('best-effort', '', { memoryBytes: 50 * MIB }),
    pod('best-effort-important', '', { memoryBytes: 500 * MIB }, { priority: 1000 }),
    pod('far-under', '500Mi', { memoryBytes: 10 * MIB }),
  ];
  expect(names(ranked(list, 'memory'))).toEqual([
    'far-over',
    'best-effort',
    'a-bit-over',
    'best-effort-important',
    'guaranteed',
    'far-under',
  ]);
});

it('disk counts layers, logs and volumes; processes count without requests', () => {
  const disks = [
    pod('layer', '', { diskBytes: 10 * MIB }),
    pod('volume', '', { diskBytes: 1 }, { volumeBytes: 20 * MIB }),
    pod('none', '50Mi', {}),
  ];
  expect(names(ranked(disks, 'ephemeral-storage'))).toEqual(['volume', 'layer', 'none']);
  const forks = [pod('one', '', {}), pod('bomb', '1Gi', { processes: 5000 }), pod('important', '', { processes: 9000 }, { priority: 5 })];
  expect(names(ranked(forks, 'pids'))).toEqual(['bomb', 'one', 'important']);
});

it('is told in the words of the kubelet', () => {
  const [memory, disk, pids] = parseThresholds('memory.available<100Mi,nodefs.available<10%,pid.available<5%');
  if (memory === undefined || disk === undefined || pids === undefined) throw new Error('no thresholds');
  expect(evictionMessage({ threshold: memory, left: 83_804_160, least: 100 * MIB }, pod('p', '64Mi', { memoryBytes: 200 * MIB }))).toBe(
    'The node was low on resource: memory. Threshold quantity: 100Mi, available: 81840Ki. Container c was using 200Mi, request is 64Mi, has larger consumption of memory. ',
  );
  expect(evictionMessage({ threshold: disk, left: 0, least: 10 * MIB }, pod('p', '', { diskBytes: 3 * MIB }))).toBe(
    'The node was low on resource: ephemeral-storage. Threshold quantity: 10Mi, available: 0. Container c was using 3Mi, request is 0, has larger consumption of ephemeral-storage. ',
  );
  expect(evictionMessage({ threshold: pids, left: 10, least: 100.5 }, pod('p', '', {}))).toBe(
    'The node was low on resource: pids. Threshold quantity: 100, available: 10. ',
  );
});
