// Cgroups of pods where systemd keeps them, as on most hosts of Docker: a real systemd, and an engine with that driver. What they are for at all is in
// pod-cgroups.test.ts.
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FieldCluster } from './fields/field-cluster.js';
import { engineAnswers, eventually } from './harness.js';
import { OwnSystemd, whyNoOwnSystemd } from './own-systemd.js';
import { ShellImage } from './shell-image.js';

const why = (await engineAnswers()) ? whyNoOwnSystemd() : 'no engine answers';
if (why !== undefined) process.stderr.write(`\n*** SKIPPED: cgroups of pods kept by systemd (${why}) ***\n\n`);

const MIB = 1024 * 1024;
const STAY = "trap 'exit 0' TERM; while true; do sleep 1; done";

describe.skipIf(why !== undefined)('cgroups of pods that systemd keeps', () => {
  const own = new OwnSystemd();
  let play: FieldCluster | undefined;
  const image = new ShellImage(own.socket);
  const used = (): FieldCluster => {
    if (play === undefined) throw new Error('not started');
    return play;
  };

  beforeAll(async () => {
    await own.open();
    play = new FieldCluster(own.wrap, own.env);
    await Promise.all([image.load(), play.start(1)]);
  });
  afterAll(async () => {
    await play?.remove();
    if (play !== undefined) expect(existsSync(own.cgroup('memory', 'podplane.slice'))).toBe(false);
    await own.close();
  });

  it('are slices with the limits of the pod, and go with it', async () => {
    const node = used().node(1);
    const container = (name: string, cpu: string, memory: string) => ({
      name,
      image: image.name,
      imagePullPolicy: 'IfNotPresent',
      command: ['sh', '-c', STAY],
      resources: { limits: { cpu, memory }, requests: { cpu: '100m' } },
    });
    await used().pod('web', { containers: [container('a', '200m', '64Mi'), container('b', '123m', '32Mi')] });
    const pod = await used().ready('web');
    const said = await eventually(
      'what the node says',
      () => used().must('describe', 'node', node),
      (text) => text.includes('PodCgroups'),
    );
    const escaped = node.replaceAll('-', '_');
    expect(said).toMatch(new RegExp(`PodCgroups +True .*below podplane-${escaped}\\.slice$`, 'm'));
    const name = `podplane-${escaped}-burstable-pod${pod.metadata.uid.replaceAll('-', '_')}.slice`;
    const folder = path.join('podplane.slice', `podplane-${escaped}.slice`, `podplane-${escaped}-burstable.slice`, name);
    const read = (controller: string, below: string, file: string): string =>
      readFileSync(own.cgroup(controller, path.join(folder, below), file), 'latin1').trim();
    expect(read('cpu', '', 'cpu.shares')).toBe('204');
    expect(read('cpu', '', 'cpu.cfs_quota_us')).toBe('32300');
    expect(read('memory', '', 'memory.limit_in_bytes')).toBe(String(96 * MIB));
    for (const one of pod.status.containerStatuses ?? []) {
      const id = one.containerID?.replace('docker://', '') ?? '';
      expect(read('memory', `docker-${id}.scope`, 'cgroup.procs')).toMatch(/\d/);
    }
    await used().must('delete', 'pod', 'web');
    for (const controller of ['memory', 'cpu', 'pids', 'systemd'])
      await eventually(
        `no cgroup of ${controller}`,
        async () => existsSync(own.cgroup(controller, folder)),
        (there) => !there,
      );
  });
});
