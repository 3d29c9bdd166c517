import { expect, it } from 'vitest';
import { RuntimeError } from './errors.js';

const ID = '69a7cd642c62'.padEnd(64, 'd');
const OTHER = '0123456789ab'.padEnd(64, 'c');

function wordsOf(doing: string | undefined, text: string): string {
  return new RuntimeError('failed', doing === undefined ? text : `${doing}: ${text}`, { doing }).words;
}

it.each([
  [
    'of a start: the engine names it within a path',
    (id: string) => [
      `start container ${id.slice(0, 12)}`,
      `error mounting "/x" to rootfs at "/var/lib/docker/overlay2/${id}/merged": not a directory`,
    ],
    'error mounting "/x" to rootfs at "/var/lib/docker/overlay2/<id>/merged": not a directory',
  ],
  [
    'of a name that is taken, with the number of the attempt',
    (id: string, attempt: number) => [
      `create container pp_c_web-1_default_0a1b2c3d_${attempt}`,
      `Conflict. The container name "/pp_c_web-1_default_0a1b2c3d_${attempt}" is already in use by container "${id}".`,
    ],
    'Conflict. The container name "/pp_c_web-1_default_0a1b2c3d" is already in use by container "<id>".',
  ],
  [
    'of the file for its last message',
    (id: string, attempt: number) => [
      `start container ${id.slice(0, 12)}`,
      `error mounting "/d/termination/3521a496-f580-4e09-9535-4de416d5dc9b/main-2-${attempt}" to rootfs at "/proc/1/x"`,
    ],
    'error mounting "/d/termination/3521a496-f580-4e09-9535-4de416d5dc9b/main-2" to rootfs at "/proc/1/x"',
  ],
  [
    'of a command',
    (id: string) => [`run a command in container ${id.slice(0, 12)}`, 'OCI runtime exec failed: no such file'],
    'OCI runtime exec failed: no such file',
  ],
] as const)('what is said %s is the same for the next container', (_what, error, words) => {
  expect(wordsOf(...(error(ID, 1) as [string, string]))).toBe(words);
  expect(wordsOf(...(error(OTHER, 2) as [string, string]))).toBe(words);
});

it('keeps what was tried where that names no container, and digests of images', () => {
  expect(wordsOf('pull image web:1', 'not found')).toBe('pull image web:1: not found');
  expect(wordsOf(undefined, `this node has no image web@sha256:${ID}`)).toBe(`this node has no image web@sha256:${ID}`);
  expect(wordsOf('create volume pp-1-data', 'no space')).toBe('create volume pp-1-data: no space');
});
