// Probes and hooks over the network: HTTP and TCP. What an outcome means is in probe-state.ts.
import type { IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connect } from 'node:net';
import { http } from '@podplane/api/builtin-http';
import type { Container } from '@podplane/api/gen/podplane/core/v1/container';
import type { HTTPGetAction, TCPSocketAction } from '@podplane/api/gen/podplane/core/v1/probe';
import type { ProbeOutcome } from './probe-state.js';

const MAX_REDIRECTS = 10;
/** What is shown of an answer. */
const BODY_SHOWN = 1_000;

/** The port number that a probe names: a number, or the name of a port of the container. */
export function resolvePort(port: unknown, container: Container): number | undefined {
  if (typeof port === 'string') {
    const named = container.ports.find((one) => one.name === port)?.containerPort;
    return named ?? (/^\d+$/.test(port) ? validPort(Number(port)) : undefined);
  }
  return typeof port === 'number' ? validPort(port) : undefined;
}

function validPort(port: number): number | undefined {
  return Number.isInteger(port) && port > 0 && port < 65_536 ? port : undefined;
}

/** Connects and closes. */
export function probeTcp(action: TCPSocketAction, container: Container, podIP: string, signal: AbortSignal): Promise<ProbeOutcome> {
  const port = resolvePort(action.port, container);
  if (port === undefined)
    return Promise.resolve({ result: 'error', message: `no port ${String(action.port)} in container ${container.name}` });
  const host = action.host || podIP;
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const end = (outcome: ProbeOutcome): void => {
      signal.removeEventListener('abort', abort);
      socket.destroy();
      resolve(outcome);
    };
    const abort = (): void => end({ result: 'failure', message: `dial tcp ${host}:${port}: i/o timeout` });
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort);
    socket.once('connect', () => end({ result: 'success', message: '' }));
    socket.once('error', (error) => end({ result: 'failure', message: `dial tcp ${host}:${port}: ${error.message}` }));
  });
}

/** GET. 200 to 399 is a success. Redirects are followed on the same host; one to another host counts as a success, as in Kubernetes. Certificates are not verified. */
export async function probeHttp(action: HTTPGetAction, container: Container, podIP: string, signal: AbortSignal): Promise<ProbeOutcome> {
  const port = resolvePort(action.port, container);
  if (port === undefined) return { result: 'error', message: `no port ${String(action.port)} in container ${container.name}` };
  const scheme = (action.scheme || 'HTTP').toLowerCase();
  if (scheme !== 'http' && scheme !== 'https') return { result: 'error', message: `scheme ${action.scheme} is not supported` };
  const host = action.host || podIP;
  let url: URL;
  try {
    url = new URL(action.path || '/', `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`);
  } catch {
    return { result: 'error', message: `not a path: ${action.path}` };
  }
  const headers = headersOf(action, url);
  for (let redirects = 0; ; redirects++) {
    const answer = await get(url, headers, signal);
    if ('failure' in answer) return { result: 'failure', message: `Get "${url.href}": ${answer.failure}` };
    const { status, location, body } = answer;
    if (location !== undefined && [301, 302, 303, 307, 308].includes(status)) {
      const target = URL.canParse(location, url.href) ? new URL(location, url.href) : undefined;
      if (target === undefined || target.hostname !== url.hostname) {
        return { result: 'success', message: `Probe terminated redirects, Response body: ${body}` };
      }
      if (redirects >= MAX_REDIRECTS) return { result: 'failure', message: `Get "${url.href}": stopped after ${MAX_REDIRECTS} redirects` };
      url = target;
      continue;
    }
    if (status >= 200 && status < 400) return { result: 'success', message: body };
    return { result: 'failure', message: `HTTP probe failed with statuscode: ${status}` };
  }
}

function headersOf(action: HTTPGetAction, url: URL): Record<string, string[] | string> {
  const headers: Record<string, string[]> = {};
  for (const { name, value } of action.httpHeaders) {
    const key = Object.keys(headers).find((one) => one.toLowerCase() === name.toLowerCase()) ?? name;
    headers[key] = [...(headers[key] ?? []), value];
  }
  const has = (name: string): boolean => Object.keys(headers).some((key) => key.toLowerCase() === name);
  const result: Record<string, string[] | string> = {};
  // Node wants one value for Host.
  for (const [name, values] of Object.entries(headers)) result[name] = name.toLowerCase() === 'host' ? (values.at(-1) ?? '') : values;
  if (!has('host')) result.Host = url.host;
  if (!has('user-agent')) result['User-Agent'] = 'kube-probe/podplane';
  if (!has('accept')) result.Accept = '*/*';
  return result;
}

type Answer = { readonly status: number; readonly location: string | undefined; readonly body: string } | { readonly failure: string };

function get(url: URL, headers: Record<string, string[] | string>, signal: AbortSignal): Promise<Answer> {
  return new Promise((resolve) => {
    const onAnswer = (response: IncomingMessage): void => {
      const parts: Buffer[] = [];
      let size = 0;
      const done = (): void => {
        const body = Buffer.concat(parts).toString('utf8').slice(0, BODY_SHOWN);
        resolve({ status: response.statusCode ?? 0, location: response.headers.location, body });
      };
      response.on('data', (part: Buffer) => {
        size += part.length;
        if (size <= 2 * BODY_SHOWN) parts.push(part);
        else response.destroy();
      });
      response.on('close', done);
      response.on('error', () => undefined);
    };
    const common = { headers, agent: false as const, signal };
    try {
      const request =
        url.protocol === 'https:'
          ? httpsRequest(url, { ...common, rejectUnauthorized: false }, onAnswer)
          : http.request(url, common, onAnswer);
      request.on('error', (error) =>
        resolve({ failure: signal.aborted ? 'context deadline exceeded (Client.Timeout exceeded)' : error.message }),
      );
      request.end();
    } catch (error) {
      // A header that Node refuses.
      resolve({ failure: error instanceof Error ? error.message : String(error) });
    }
  });
}
