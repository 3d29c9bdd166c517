// What the two arguments of `podplane cp` say: which side is here, which is in a container. Pure.
import { usage } from '../exit-codes.js';

export type FileSpec =
  | { readonly where: 'local'; readonly path: string }
  | { readonly where: 'container'; readonly namespace: string | undefined; readonly pod: string; readonly path: string };

/** PATH, POD:PATH or NAMESPACE/POD:PATH. What begins with a slash or a dot is a path here. Throws usage errors. */
export function parseFileSpec(text: string): FileSpec {
  const colon = text.indexOf(':');
  if (colon < 0 || text.startsWith('/') || text.startsWith('.')) {
    if (text === '') throw usage('an empty path cannot be copied');
    return { where: 'local', path: text };
  }
  const [first = '', second, ...more] = text.slice(0, colon).split('/');
  const path = text.slice(colon + 1);
  if (first === '' || second === '' || more.length > 0)
    throw usage(`"${text}" is not of the form [[NAMESPACE/]POD:]PATH`, 'Begin a path of this machine that has a colon with "./".');
  if (path === '') throw usage(`the path in "${text}" is empty`);
  return { where: 'container', namespace: second === undefined ? undefined : first, pod: second ?? first, path };
}

/** A path in a container as its folder and the name in it. "/" is "." in "/". */
export function splitRemote(path: string): { readonly folder: string; readonly name: string } {
  const clean = path.replace(/\/+$/, '');
  if (clean === '') return { folder: '/', name: '.' };
  const at = clean.lastIndexOf('/');
  const name = clean.slice(at + 1);
  // "." and ".." name no entry: what they stand for is copied as a whole.
  if (name === '.' || name === '..') return { folder: clean, name: '.' };
  return { folder: at < 0 ? '.' : at === 0 ? '/' : clean.slice(0, at), name };
}
