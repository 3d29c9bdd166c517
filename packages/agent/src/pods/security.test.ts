import { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import { describe, expect, it } from 'vitest';
import { containerSecurity, needsImageUser } from './security.js';

function podOf(ofPod: object, ofContainer: object): Pod {
  return Pod.fromJSON({
    metadata: { name: 'web', namespace: 'prod', uid: 'u' },
    spec: { securityContext: ofPod, containers: [{ name: 'c', image: 'i:1', securityContext: ofContainer }] },
  });
}

function securityOf(ofPod: object, ofContainer: object, imageUser = ''): ReturnType<typeof containerSecurity> {
  const pod = podOf(ofPod, ofContainer);
  return containerSecurity(pod, pod.spec!.containers[0]!, imageUser);
}

describe('who a container runs as', () => {
  it.each<[string, object, object, string, string | undefined]>([
    ['nothing said', {}, {}, '1000', undefined],
    ['the pod says it', { runAsUser: 5 }, {}, '', '5'],
    ['the container says otherwise', { runAsUser: 5, runAsGroup: 6 }, { runAsUser: 0 }, '', '0:6'],
    ['a group alone goes with the user of the image', {}, { runAsGroup: 7 }, 'web:web', 'web:7'],
    ['a group alone, in an image of root', { runAsGroup: 7 }, {}, '', '0:7'],
  ])('%s', (_what, ofPod, ofContainer, imageUser, user) => {
    expect(securityOf(ofPod, ofContainer, imageUser)).toMatchObject({ ok: true, security: { user } });
  });

  it('has the groups of the pod, each once', () => {
    expect(securityOf({ supplementalGroups: [3, 4, 3], fsGroup: 4 }, {})).toMatchObject({ security: { groups: [3, 4] } });
  });

  it.each<[string, object, object, string, string | undefined]>([
    ['a number that is not root', { runAsNonRoot: true, runAsUser: 1 }, {}, '', undefined],
    ['an image with such a number', { runAsNonRoot: true }, {}, '1000:0', undefined],
    ['not wanted by the container', { runAsNonRoot: true }, { runAsNonRoot: false }, '', undefined],
    ['root by number', { runAsNonRoot: true, runAsUser: 1 }, { runAsUser: 0 }, '', "container's runAsUser breaks non-root policy"],
    ['an image of root', { runAsNonRoot: true }, {}, '', 'container has runAsNonRoot and image will run as root'],
    ['an image of root by number', {}, { runAsNonRoot: true }, '00', 'container has runAsNonRoot and image will run as root'],
    [
      'an image with a name',
      { runAsNonRoot: true },
      {},
      'web',
      'container has runAsNonRoot and image has non-numeric user (web), cannot verify user is non-root',
    ],
  ])('not root: %s', (_what, ofPod, ofContainer, imageUser, problem) => {
    const result = securityOf(ofPod, ofContainer, imageUser);
    if (problem === undefined) expect(result.ok).toBe(true);
    else expect(result).toEqual({ ok: false, message: `${problem} (pod: "web_prod(u)", container: c)` });
  });

  it('asks for the user of the image only where it matters', () => {
    const needs = (ofPod: object, ofContainer: object): boolean => {
      const pod = podOf(ofPod, ofContainer);
      return needsImageUser(pod, pod.spec!.containers[0]!);
    };
    expect(needs({}, {})).toBe(false);
    expect(needs({ runAsNonRoot: true, runAsUser: 1 }, {})).toBe(false);
    expect(needs({ runAsNonRoot: true }, {})).toBe(true);
    expect(needs({}, { runAsGroup: 1 })).toBe(true);
  });
});

it('takes over what a container may do', () => {
  const own = {
    capabilities: { add: ['NET_ADMIN'], drop: ['ALL'] },
    privileged: true,
    readOnlyRootFilesystem: true,
    allowPrivilegeEscalation: false,
    seccompProfile: { type: 'RuntimeDefault' },
  };
  expect(securityOf({ seccompProfile: { type: 'Unconfined' } }, own)).toMatchObject({
    security: {
      addCapabilities: ['NET_ADMIN'],
      dropCapabilities: ['ALL'],
      privileged: true,
      readOnlyRootFilesystem: true,
      noNewPrivileges: true,
      seccompUnconfined: false,
    },
  });
  expect(securityOf({ seccompProfile: { type: 'Unconfined' } }, {})).toMatchObject({
    security: { noNewPrivileges: false, seccompUnconfined: true, privileged: false },
  });
});
