// The files of a pod that stand in for those of its images: /etc/hosts, and /etc/resolv.conf where the pod says how names are resolved.
// What is in them is ../pods/pod-names.ts and ../pods/resolver.ts; here they are written, where the engine sees them.
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Container } from '@podplane/api/gen/podplane/core/v1/container';
import type { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import { hostsText } from '../pods/pod-names.js';
import { isLocalOnly, parseResolvConf, podResolver, type Resolver, resolvConfText } from '../pods/resolver.js';
import type { Mount } from '../runtime/types.js';

const HOSTS = '/etc/hosts';
const RESOLV_CONF = '/etc/resolv.conf';
/** What systemd's resolver itself asks, where resolv.conf names only that resolver. */
const SYSTEMD_RESOLV_CONF = '/run/systemd/resolve/resolv.conf';

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

/** Containers may write to the file: it is read only where it can be the text, so that none makes the agent read what is huge. */
function says(file: string, text: string): boolean {
  const size = statSync(file, { throwIfNoEntry: false })?.size;
  return size === Buffer.byteLength(text) && textOf(file) === text;
}

/** How the node resolves names, with servers that its pods reach. */
export function nodeResolver(): Resolver {
  const own = parseResolvConf(textOf(RESOLV_CONF));
  if (!isLocalOnly(own)) return own;
  const behind = parseResolvConf(textOf(SYSTEMD_RESOLV_CONF));
  return behind.nameservers.length === 0 ? own : behind;
}

/**
 * Writes the files of a pod into its folder and tells how a container mounts them. One that mounts something of its own in the place of a
 * file keeps that. The files belong to all containers of the pod: they are written in place, so that those which run see the change.
 */
export function etcMounts(folder: string, pod: Pod, ip: string, container: Container): readonly Mount[] {
  const files: [target: string, name: string, text: string][] = [[HOSTS, 'hosts', hostsText(pod, ip, textOf(HOSTS))]];
  const dns = podResolver(pod, nodeResolver);
  if (dns !== undefined) files.push([RESOLV_CONF, 'resolv.conf', resolvConfText(dns.resolver)]);
  const readOnly = container.securityContext?.readOnlyRootFilesystem === true;
  return files.flatMap(([target, name, text]) => {
    if (container.volumeMounts.some(({ mountPath }) => mountPath === target)) return [];
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const source = join(folder, name);
    if (!says(source, text)) writeFileSync(source, text, { mode: 0o644 });
    return [{ type: 'bind', source, target, readOnly } as const];
  });
}
