import { describe, expect, it } from 'vitest';
import { type CgroupLayout, containerFolder, isPodFolder, layoutOf, nodeCgroup, podCgroup, podFolderName, qosCgroup } from './layout.js';

const UID = 'a1b2c3d4-0000-4000-8000-000000000000';
const plain: CgroupLayout = { driver: 'cgroupfs', version: 1, nodeName: 'n-1.example' };
const slices: CgroupLayout = { ...plain, driver: 'systemd', version: 2 };

describe('layoutOf', () => {
  it.each([
    ['cgroupfs', '1', { driver: 'cgroupfs', version: 1, nodeName: 'n' }],
    ['cgroupfs', '', { driver: 'cgroupfs', version: 1, nodeName: 'n' }], // before 20.10
    ['systemd', '2', { driver: 'systemd', version: 2, nodeName: 'n' }],
    ['none', '2', undefined], // rootless
    ['cgroupfs', '3', undefined],
  ])('driver %s, version "%s"', (cgroupDriver, cgroupVersion, expected) => {
    expect(layoutOf({ cgroupDriver, cgroupVersion }, 'n')).toEqual(expected);
  });
});

describe('names', () => {
  it('cgroupfs: paths', () => {
    expect(nodeCgroup(plain)).toEqual({ parent: '/podplane/n-1.example', folder: '/podplane/n-1.example' });
    expect(qosCgroup(plain, 'Guaranteed')).toEqual(nodeCgroup(plain));
    expect(podCgroup(plain, 'Guaranteed', UID).parent).toBe(`/podplane/n-1.example/pod${UID}`);
    expect(podCgroup(plain, 'Burstable', UID).parent).toBe(`/podplane/n-1.example/burstable/pod${UID}`);
    expect(podCgroup(plain, 'BestEffort', UID).folder).toBe(`/podplane/n-1.example/besteffort/pod${UID}`);
    expect(containerFolder(plain, nodeCgroup(plain), 'c0ffee')).toBe('/podplane/n-1.example/c0ffee');
  });

  it('systemd: slices in slices, a dash only where one lies in another', () => {
    expect(nodeCgroup(slices)).toEqual({
      parent: 'podplane-n_1.example.slice',
      folder: '/podplane.slice/podplane-n_1.example.slice',
    });
    const uid = UID.replaceAll('-', '_');
    expect(podCgroup(slices, 'Burstable', UID)).toEqual({
      parent: `podplane-n_1.example-burstable-pod${uid}.slice`,
      folder: `/podplane.slice/podplane-n_1.example.slice/podplane-n_1.example-burstable.slice/podplane-n_1.example-burstable-pod${uid}.slice`,
    });
    expect(podCgroup(slices, 'Guaranteed', UID).parent).toBe(`podplane-n_1.example-pod${uid}.slice`);
    expect(containerFolder(slices, nodeCgroup(slices), 'c0ffee')).toBe('/podplane.slice/podplane-n_1.example.slice/docker-c0ffee.scope');
  });

  it.each([plain, slices])('$driver: folders of pods are told from those of classes and containers', (layout) => {
    for (const qos of ['Guaranteed', 'Burstable', 'BestEffort'] as const) {
      expect(isPodFolder(layout, qos, podFolderName(layout, qos, UID))).toBe(true);
      expect(isPodFolder(layout, qos, containerFolder(layout, { parent: '', folder: '' }, 'f'.repeat(64)).slice(1))).toBe(false);
    }
    const ofClass = qosCgroup(layout, 'Burstable').folder.split('/').at(-1) ?? '';
    expect(isPodFolder(layout, 'Guaranteed', ofClass)).toBe(false);
  });
});
