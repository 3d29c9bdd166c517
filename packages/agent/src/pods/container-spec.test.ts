import { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import { describe, expect, it } from 'vitest';
import { LABEL_DEVICES } from '../node/devices.js';
import { LABEL_ATTEMPT, LABEL_CGROUP_PARENT, LABEL_CONTAINER, LABEL_NODE, LABEL_POD_UID } from '../runtime/types.js';
import { containerHash } from './container-hash.js';
import { containerSpec, oomScoreAdj, pauseSpec, podVolumes } from './container-spec.js';
import { LABEL_POD_IP, LABEL_SANDBOX } from './planner/types.js';
import { podHostname } from './pod-names.js';

const UID = 'a1b2c3d4-0000-4000-8000-000000000000';

function podOf(spec: object): Pod {
  return Pod.fromJSON({ metadata: { name: 'web', namespace: 'prod', uid: UID }, spec: { containers: [], ...spec } });
}

function specOf(container: object, spec: object = {}, more: object = {}): ReturnType<typeof containerSpec> {
  const pod = podOf({ containers: [{ name: 'c', image: 'i:1', ...container }], ...spec });
  const first = pod.spec?.containers[0];
  if (first === undefined) throw new Error('unreachable');
  const references = { configMap: () => undefined, secret: () => undefined };
  return containerSpec(first, 3, 'pause-id', {
    pod,
    references,
    podIP: '',
    hostIP: '',
    nodeName: 'n1',
    allocatable: {},
    memoryCapacityBytes: 1024 ** 3,
    ...more,
  });
}

describe('containerSpec', () => {
  it('leaves no word of the agent to the labels of an image', () => {
    const made = specOf({});
    // The engine adds those of the image that the container does not have. That of devices is only sometimes ours to give.
    expect(made.ok && made.spec.labels[LABEL_DEVICES]).toBe('');
  });

  it('names and labels', () => {
    const made = specOf({});
    expect(made).toMatchObject({
      ok: true,
      spec: { name: 'pp_c_web_prod_a1b2c3d4_3', image: 'i:1', pauseId: 'pause-id', command: undefined, args: undefined },
    });
    expect(made.ok && made.spec.labels).toMatchObject({
      [LABEL_NODE]: 'n1',
      [LABEL_POD_UID]: UID,
      [LABEL_CONTAINER]: 'c',
      [LABEL_ATTEMPT]: '3',
      [LABEL_SANDBOX]: 'pause-id',
    });
  });

  it("a command without args leaves out the image's own; args alone leave the image's command", () => {
    expect(specOf({ command: ['sh', '$(X)'], env: [{ name: 'X', value: 'y' }] })).toMatchObject({
      spec: { command: ['sh', 'y'], args: [] },
    });
    expect(specOf({ args: ['-v'] })).toMatchObject({ spec: { command: undefined, args: ['-v'] } });
  });

  it('resources and memory score', () => {
    expect(specOf({ resources: { limits: { cpu: '500m', memory: '64Mi' }, requests: { cpu: '250m', memory: '512Mi' } } })).toMatchObject({
      spec: { resources: { cpuLimitMillis: 500, cpuRequestMillis: 250, memoryLimitBytes: 64 * 1024 ** 2, oomScoreAdj: 500 } },
    });
    expect(oomScoreAdj('Guaranteed', '1Gi', 1)).toBe(-997);
    expect(oomScoreAdj('BestEffort', undefined, 1)).toBe(1000);
    expect(oomScoreAdj('Burstable', '0', 1024)).toBe(999);
    expect(oomScoreAdj('Burstable', '1Ti', 1024)).toBe(3);
  });

  it("the number of processes is the pod's where it has a cgroup, else that of each container", () => {
    const of = (more: object): object => specOf({}, {}, { pidsLimit: 100, ...more });
    expect(of({})).toMatchObject({ spec: { cgroupParent: undefined, resources: { pidsLimit: 100 } } });
    expect(of({ cgroupParent: '/podplane/n1/podu' })).toMatchObject({
      spec: { cgroupParent: '/podplane/n1/podu', resources: { pidsLimit: undefined } },
    });
    expect(pauseSpec(podOf({}), 'n1', 0, 'net', '10.0.0.2', { hostname: 'web', cgroupParent: '/podplane/n1/podu' })).toMatchObject({
      cgroupParent: '/podplane/n1/podu',
      labels: { [LABEL_CGROUP_PARENT]: '/podplane/n1/podu' },
    });
    // An image cannot say that it lives in one.
    expect(pauseSpec(podOf({}), 'n1', 0, 'net', '10.0.0.2').labels[LABEL_CGROUP_PARENT]).toBe('');
  });

  it('mounts volumes by their names in the engine, and refuses what it cannot make', () => {
    const volumes = [
      { name: 'v', emptyDir: {} },
      { name: 'net', nfs: { server: 's', path: '/' } },
    ];
    expect(specOf({ volumeMounts: [{ name: 'v', mountPath: '/d', readOnly: true }] }, { volumes })).toMatchObject({
      spec: { mounts: [{ type: 'volume', source: `pp-${UID}-v`, target: '/d', readOnly: true }] },
    });
    expect(specOf({ volumeMounts: [{ name: 'net', mountPath: '/d' }] }, { volumes })).toMatchObject({
      ok: false,
      message: expect.stringContaining('nfs'),
    });
    expect(specOf({ volumeMounts: [{ name: 'no', mountPath: '/d' }] }, { volumes })).toMatchObject({ ok: false });
  });
});

describe('pauseSpec', () => {
  it('has address, host ports, aliases, sysctls and volumes in memory', () => {
    const pod = podOf({
      containers: [{ name: 'c', ports: [{ containerPort: 80, hostPort: 8080, protocol: 'UDP' }, { containerPort: 81 }] }],
      hostAliases: [{ ip: '1.2.3.4', hostnames: ['db'] }],
      securityContext: { sysctls: [{ name: 'net.core.somaxconn', value: '1' }] },
      volumes: [{ name: 'm', emptyDir: { medium: 'Memory', sizeLimit: '16Mi' } }, { name: 'd' }],
    });
    const spec = pauseSpec(pod, 'n1', 0, 'net', '10.0.0.2');
    expect(spec).toMatchObject({
      name: 'pp_POD_web_prod_a1b2c3d4_0',
      hostname: 'web',
      ip: '10.0.0.2',
      ports: [{ containerPort: 80, hostPort: 8080, hostIP: '', protocol: 'udp' }],
      hosts: [{ ip: '1.2.3.4', names: ['db'] }],
      sysctls: { 'net.core.somaxconn': '1' },
      mounts: [{ source: `pp-${UID}-m` }, { source: `pp-${UID}-d` }],
    });
    expect(spec.labels[LABEL_POD_IP]).toBe('10.0.0.2');
    expect(podVolumes(pod)).toEqual([
      { name: `pp-${UID}-m`, memory: true, sizeBytes: 16 * 1024 ** 2 },
      { name: `pp-${UID}-d`, memory: false, sizeBytes: undefined },
    ]);
  });

  it('cuts host names to 63 characters and never ends them with a dash', () => {
    const pod = podOf({});
    pod.metadata!.name = `${'a'.repeat(62)}-b`;
    expect(podHostname(pod)).toBe('a'.repeat(62));
  });
});

it('the hash follows name and image only', () => {
  expect(containerHash({ name: 'a', image: 'i' })).toBe(containerHash({ name: 'a', image: 'i' }));
  expect(containerHash({ name: 'a', image: 'i' })).not.toBe(containerHash({ name: 'a', image: 'j' }));
});
