// The name of an image by its registry's digest, which says on every node what runs. Pure.
import type { ImageInfo } from '../runtime/types.js';

/** The name before tag and digest: "registry:5000/web" of "registry:5000/web:1@sha256:...". */
function repository(name: string): string {
  const [named = ''] = name.split('@');
  const colon = named.lastIndexOf(':');
  return colon > named.lastIndexOf('/') ? named.slice(0, colon) : named;
}

/** Without what Docker adds or leaves out of names of its own registry. */
const familiar = (name: string): string => name.replace(/^(index\.)?docker\.io\//, '').replace(/^library\//, '');

/**
 * "name@sha256:..." of an image that came from a registry, by the name it was asked for where it has several; undefined: it was built or
 * loaded here.
 */
export function repoDigest({ names }: Pick<ImageInfo, 'names'>, asked: string): string | undefined {
  const digests = names.filter((name) => name.includes('@sha256:'));
  const wanted = familiar(repository(asked));
  return digests.find((name) => familiar(repository(name)) === wanted) ?? digests[0];
}
