import { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import { expect, test } from 'vitest';
import { boundIndexes, containerMounts } from './mounts.js';

const pod = (volumeMounts: readonly object[]): Pod =>
  Pod.fromJSON({
    metadata: { name: 'p', namespace: 'd', uid: 'u' },
    spec: {
      volumes: [
        { name: 'disk', emptyDir: {} },
        { name: 'cfg', configMap: { name: 'c' } },
        { name: 'host', hostPath: { path: '/srv' } },
        { name: 'nfs', nfs: { server: 's', path: '/' } },
      ],
      containers: [{ name: 'a', image: 'i', volumeMounts }],
    },
  });
const env: Readonly<Record<string, string>> = { POD: 'p-1', UP: '..', ROOT: '/etc', EMPTY: '' };

function mounts(mount: object): unknown {
  const one = pod([{ mountPath: '/m', ...mount }]);
  const container = one.spec?.containers[0];
  if (container === undefined) throw new Error('no container');
  const made = containerMounts(one, container, (name) => env[name]);
  if (!made.ok) return made.message;
  const [only] = made.mounts;
  const rights = `${only?.readOnly === true ? ' ro' : ''}${only?.propagation === undefined ? '' : ` ${only.propagation}`}`;
  const find = made.find.map(({ volume, subPath }) => ` find ${volume.name}:${subPath}`).join('');
  return `${only?.type} ${only?.source}${rights}${find}${boundIndexes(made.find).length > 0 ? ' bound' : ''}`;
}

test.each<[object, string]>([
  [{ name: 'disk' }, 'volume pp-u-disk'],
  [{ name: 'disk', readOnly: true }, 'volume pp-u-disk ro'],
  [{ name: 'disk', mountPropagation: 'None' }, 'volume pp-u-disk'],
  [{ name: 'disk', mountPropagation: 'HostToContainer' }, 'bind  rslave find disk:'],
  [{ name: 'disk', subPath: 'a/b' }, 'bind  find disk:a/b bound'],
  [{ name: 'disk', subPathExpr: 'x/$(POD)$$(Y)' }, 'bind  find disk:x/p-1$(Y) bound'],
  [{ name: 'disk', subPathExpr: '$(EMPTY)' }, 'volume pp-u-disk'],
  [{ name: 'cfg' }, 'bind  ro find cfg:'],
  [{ name: 'cfg', readOnly: false, subPath: 'k' }, 'bind  ro find cfg:k'],
  [{ name: 'host' }, 'bind /srv'],
  [{ name: 'host', mountPropagation: 'Bidirectional' }, 'bind /srv rshared'],
  [{ name: 'host', readOnly: true, subPath: 's' }, 'bind /srv ro find host:s bound'],
  [{ name: 'nfs' }, 'volume "nfs": nfs is not supported'],
  [{ name: 'no' }, 'volume "no" of mount /m is not among the pod\'s volumes'],
])('%j: %s', (mount, expected) => {
  expect(mounts(mount)).toBe(expected);
});

test.each([
  [{ subPathExpr: '$(NOPE)' }, 'missing value for "NOPE" in subPathExpr'],
  [{ subPathExpr: 'a/$(UP)/b' }, 'subPath "a/../b" must not contain ".."'],
  [{ subPathExpr: '$(ROOT)' }, 'subPath "/etc" must be a relative path'],
  [{ subPath: '../x' }, 'subPath "../x" must not contain ".."'],
  [{ subPath: '/x' }, 'subPath "/x" must be a relative path'],
])('%j is refused: %s', (mount, message) => {
  expect(mounts({ name: 'disk', ...mount })).toBe(`failed to prepare subPath for volumeMount "disk" of container "a": ${message}`);
});
