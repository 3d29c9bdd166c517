// Which credentials a pull uses: Secrets of the types kubernetes.io/dockerconfigjson and kubernetes.io/dockercfg named by the pod. Pure.
import type { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import type { RegistryAuth } from '../runtime/types.js';
import type { References } from './env.js';

const DEFAULT_REGISTRY = 'docker.io';
/** Names under which the logins of the default registry are kept. */
const DEFAULT_NAMES: ReadonlySet<string> = new Set(['docker.io', 'index.docker.io', 'registry-1.docker.io', 'registry.hub.docker.com']);

interface Place {
  /** With its port. */
  readonly host: string;
  /** Between host and tag, without slashes at the ends. */
  readonly path: string;
}

/** The registry and the repository that an image reference names. */
export function placeOf(image: string): Place {
  const [named = ''] = image.split('@');
  const slash = named.indexOf('/');
  const first = named.slice(0, Math.max(0, slash));
  const isHost = slash > 0 && (first.includes('.') || first.includes(':') || first === 'localhost');
  const path = (isHost ? named.slice(slash + 1) : named).replace(/:[^:/]*$/, '');
  return { host: isHost ? first : DEFAULT_REGISTRY, path: isHost || slash > 0 ? path : `library/${path}` };
}

/** The key of an entry: a host with or without a scheme and a path; the versions of Docker's own API at its end count for nothing. */
function keyPlace(server: string): Place {
  const [host = '', ...rest] = server.replace(/^https?:\/\//, '').split('/');
  const path = rest.join('/').replace(/\/+$/, '');
  return { host, path: /^v[12]$/.test(path) ? '' : path };
}

/** Each part of the host's name may be a pattern: *.example.com. The port must be the same. */
function hostMatches(pattern: string, host: string): boolean {
  if (DEFAULT_NAMES.has(pattern) && DEFAULT_NAMES.has(host)) return true;
  const [wanted = '', wantedPort = ''] = pattern.split(':');
  const [name = '', port = ''] = host.split(':');
  const parts = name.split('.');
  const patterns = wanted.split('.');
  if (wantedPort !== port || parts.length !== patterns.length) return false;
  return patterns.every((one, i) => partMatches(one, parts[i] ?? ''));
}

/** "*" stands for any text. Piece by piece from the left: a regular expression could try for hours, and all pods of the node would wait. */
function partMatches(pattern: string, text: string): boolean {
  const [first = '', ...rest] = pattern.split('*');
  const last = rest.pop();
  if (last === undefined) return pattern === text;
  if (!text.startsWith(first)) return false;
  let at = first.length;
  for (const piece of rest) {
    const found = text.indexOf(piece, at);
    if (found < 0) return false;
    at = found + piece.length;
  }
  return text.length - last.length >= at && text.endsWith(last);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function entriesOf(data: Readonly<Record<string, Uint8Array>>): readonly (readonly [server: string, entry: unknown])[] {
  const text = data['.dockerconfigjson'] ?? data['.dockercfg'];
  if (text === undefined) return [];
  try {
    const config: unknown = JSON.parse(Buffer.from(text).toString('utf8'));
    const auths = data['.dockerconfigjson'] === undefined ? config : isRecord(config) ? config.auths : undefined;
    return isRecord(auths) ? Object.entries(auths) : [];
  } catch {
    return []; // admission lets none of these types through that is not JSON; an Opaque one may be anything
  }
}

export interface Credentials {
  /** Those that are for the image, the most particular first. */
  readonly auths: readonly RegistryAuth[];
  /** Secrets that the pod names and that are not there. */
  readonly missing: readonly string[];
}

/** The credentials among the pod's imagePullSecrets that are for the image's registry and repository. */
export function credentialsFor(pod: Pod, image: string, references: References): Credentials {
  const place = placeOf(image);
  const found: { readonly auth: RegistryAuth; readonly path: string }[] = [];
  const missing: string[] = [];
  for (const { name = '' } of pod.spec?.imagePullSecrets ?? []) {
    const secret = references.secret(pod.metadata?.namespace ?? '', name);
    if (secret === undefined) missing.push(name);
    for (const [server, entry] of entriesOf(secret?.data ?? {})) {
      const { host, path } = keyPlace(server);
      if (!hostMatches(host, place.host) || !`${place.path}/`.startsWith(path === '' ? '' : `${path}/`)) continue;
      const auth = authOf(server, entry);
      if (auth !== undefined) found.push({ auth, path });
    }
  }
  return { auths: found.sort((a, b) => b.path.length - a.path.length).map(({ auth }) => auth), missing };
}

function authOf(serverAddress: string, entry: unknown): RegistryAuth | undefined {
  if (!isRecord(entry)) return undefined;
  const pair = typeof entry.auth === 'string' ? Buffer.from(entry.auth, 'base64').toString('utf8') : '';
  const colon = pair.indexOf(':');
  const username = colon > 0 ? pair.slice(0, colon) : typeof entry.username === 'string' ? entry.username : '';
  const password = colon > 0 ? pair.slice(colon + 1) : typeof entry.password === 'string' ? entry.password : '';
  return username === '' ? undefined : { username, password, serverAddress };
}
