import { expect, it } from 'vitest';
import { repoDigest } from './repo-digest.js';

const A = `sha256:${'a'.repeat(64)}`;
const B = `sha256:${'b'.repeat(64)}`;

it.each<[string, readonly string[], string, string | undefined]>([
  ['built or loaded here', ['web:1'], 'web:1', undefined],
  ['from the public registry', ['busybox:1.36', `busybox@${A}`], 'busybox:1.36', `busybox@${A}`],
  ['asked for in full', [`busybox@${A}`], 'docker.io/library/busybox:1.36', `busybox@${A}`],
  ['of several repositories', [`busybox@${A}`, `quay.io/x/busybox@${B}`], 'quay.io/x/busybox', `quay.io/x/busybox@${B}`],
  ['of a registry with a port', [`other@${A}`, `host:5000/web@${B}`], 'host:5000/web:1', `host:5000/web@${B}`],
  ['asked for by digest', [`host:5000/web@${B}`], `host:5000/web@${B}`, `host:5000/web@${B}`],
  ['known by another name only', [`other@${A}`], 'web:1', `other@${A}`],
])('an image %s', (_, names, asked, digest) => {
  expect(repoDigest({ names }, asked)).toBe(digest);
});
