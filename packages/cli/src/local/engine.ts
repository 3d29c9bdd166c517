// The little that the command itself asks of this machine's Docker Engine: an image and its bytes. Pods are the agents' business.
import type { IncomingMessage } from 'node:http';
import { http } from '@podplane/api/builtin-http';
import { CliError } from '../exit-codes.js';

/** The engine's socket. Throws a CliError where DOCKER_HOST names something else. */
export function engineSocket(env: Readonly<Record<string, string | undefined>>): string {
  const host = env['DOCKER_HOST'] ?? '';
  if (host === '') return '/var/run/docker.sock';
  if (host.startsWith('unix://')) return host.slice('unix://'.length);
  throw new CliError(`DOCKER_HOST is ${host}, which is not a unix socket`, {
    advice: 'Unset it, or set it to unix:///path/to/docker.sock',
  });
}

function engineGet(socketPath: string, path: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request = http.request({ socketPath, path }, resolve);
    request.once('error', (error: NodeJS.ErrnoException) => {
      const denied = error.code === 'EACCES' || error.code === 'EPERM';
      reject(
        new CliError(denied ? `this user may not use the Docker Engine at ${socketPath}` : `no Docker Engine answers at ${socketPath}`, {
          advice: denied
            ? 'Join the group that may: sudo usermod -aG docker $USER, then log in again.'
            : 'Start it: sudo systemctl start docker (npm start -- --yes installs and starts one).',
          cause: error,
        }),
      );
    });
    request.end();
  });
}

async function textOf(response: IncomingMessage): Promise<string> {
  let text = '';
  response.setEncoding('utf8');
  for await (const piece of response as AsyncIterable<string>) text += piece;
  return text;
}

export interface LocalImage {
  /** sha256:... */
  readonly id: string;
  readonly sizeBytes: number;
}

/** An image of the engine by its name; undefined where there is none such. */
export async function localImage(socketPath: string, name: string): Promise<LocalImage | undefined> {
  const response = await engineGet(socketPath, `/images/${encodeURIComponent(name).replaceAll('%2F', '/').replaceAll('%3A', ':')}/json`);
  const text = await textOf(response);
  if (response.statusCode === 404) return undefined;
  if (response.statusCode !== 200) throw new CliError(`the Docker Engine refused to show ${name}: ${text.trim()}`);
  const about = JSON.parse(text) as { readonly Id?: unknown; readonly Size?: unknown };
  if (typeof about.Id !== 'string') throw new CliError(`the Docker Engine gave no id for ${name}`);
  return { id: about.Id, sizeBytes: typeof about.Size === 'number' ? about.Size : 0 };
}

/** The docker-archive of an image, as docker save writes it. */
export async function saveImage(socketPath: string, name: string): Promise<AsyncIterable<Uint8Array>> {
  const response = await engineGet(socketPath, `/images/${encodeURIComponent(name).replaceAll('%2F', '/').replaceAll('%3A', ':')}/get`);
  if (response.statusCode !== 200) throw new CliError(`the Docker Engine refused to save ${name}: ${(await textOf(response)).trim()}`);
  return response;
}

export interface EngineNetwork {
  readonly name: string;
  /** Ranges of addresses, as a.b.c.d/bits. */
  readonly ranges: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

/** All networks of the engine. */
export async function engineNetworks(socketPath: string): Promise<readonly EngineNetwork[]> {
  const response = await engineGet(socketPath, '/networks');
  const text = await textOf(response);
  if (response.statusCode !== 200) throw new CliError(`the Docker Engine refused to list its networks: ${text.trim()}`);
  interface Listed {
    readonly Name: string;
    readonly Labels?: Readonly<Record<string, string>> | null;
    readonly IPAM?: { readonly Config?: readonly { readonly Subnet?: string }[] | null };
  }
  return (JSON.parse(text) as readonly Listed[]).map(({ Name, Labels, IPAM }) => ({
    name: Name,
    ranges: (IPAM?.Config ?? []).flatMap(({ Subnet }) => Subnet ?? []),
    labels: Labels ?? {},
  }));
}
