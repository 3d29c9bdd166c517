// Which credentials a pull uses: Secrets of type kubernetes.io/dockerconfigjson named by the pod. Pure.
import type { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import type { RegistryAuth } from '../runtime/types.js';
import type { References } from './env.js';

const DEFAULT_REGISTRY = 'docker.io';

/** The registry that an image reference names. */
export function registryOf(image: string): string {
  const first = image.split('/')[0] ?? '';
  const isHost = image.includes('/') && (first.includes('.') || first.includes(':') || first === 'localhost');
  return isHost ? first : DEFAULT_REGISTRY;
}

function sameRegistry(server: string, registry: string): boolean {
  const host = server.replace(/^https?:\/\//, '').split('/')[0] ?? '';
  return host === registry || (registry === DEFAULT_REGISTRY && (host === 'index.docker.io' || host === 'registry-1.docker.io'));
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

/** The first credentials among the pod's imagePullSecrets that are for the image's registry. Unreadable Secrets count as absent. */
export function registryAuth(pod: Pod, image: string, references: References): RegistryAuth | undefined {
  const registry = registryOf(image);
  for (const { name } of pod.spec?.imagePullSecrets ?? []) {
    const secret = references.secret(pod.metadata?.namespace ?? '', name ?? '');
    const text = secret?.data['.dockerconfigjson'];
    if (text === undefined) continue;
    let config: unknown;
    try {
      config = JSON.parse(Buffer.from(text).toString('utf8'));
    } catch {
      continue;
    }
    const auths = isRecord(config) && isRecord(config.auths) ? config.auths : {};
    for (const [server, entry] of Object.entries(auths)) {
      if (!sameRegistry(server, registry) || !isRecord(entry)) continue;
      const pair = typeof entry.auth === 'string' ? Buffer.from(entry.auth, 'base64').toString('utf8') : '';
      const colon = pair.indexOf(':');
      const username = typeof entry.username === 'string' ? entry.username : pair.slice(0, Math.max(0, colon));
      const password = typeof entry.password === 'string' ? entry.password : pair.slice(colon + 1);
      if (username !== '') return { username, password, serverAddress: server };
    }
  }
  return undefined;
}
