// From what Docker Engine or the socket says to a RuntimeError. Status codes and errno decide; only where the engine
// answers 500 with nothing but text, the table below looks at the text.
import { RuntimeError } from '../errors.js';
import type { RuntimeErrorCode } from '../types.js';
import { EngineAnswer } from './engine-http.js';

const START_ENGINE = 'start dockerd, or check DOCKER_HOST';
const ALLOW_SOCKET = 'add the user to the group "docker" and log in again, or run as root';

// errno of the connection to the engine. A connection that breaks in the middle means the same as one that is refused: ask again later.
const BY_ERRNO: Readonly<Record<string, readonly [RuntimeErrorCode, string]>> = {
  ENOENT: ['unreachable', START_ENGINE],
  ECONNREFUSED: ['unreachable', START_ENGINE],
  ECONNRESET: ['unreachable', START_ENGINE],
  ECONNABORTED: ['unreachable', START_ENGINE],
  EPIPE: ['unreachable', START_ENGINE],
  ENOTFOUND: ['unreachable', 'check the host name in DOCKER_HOST'],
  EHOSTUNREACH: ['unreachable', 'check the address in DOCKER_HOST'],
  ENETUNREACH: ['unreachable', 'check the address in DOCKER_HOST'],
  ERR_STREAM_PREMATURE_CLOSE: ['unreachable', START_ENGINE],
  ETIMEDOUT: ['timeout', 'check the address in DOCKER_HOST'],
  EACCES: ['permission', ALLOW_SOCKET],
  EPERM: ['permission', ALLOW_SOCKET],
};

// Engine 20.10 to 28 answer these with status 500 (some with 403 or 400) and say what it was in words only. Compared in lower case.
const BY_TEXT: readonly (readonly [text: string, code: RuntimeErrorCode, advice: string])[] = [
  ['port is already allocated', 'address-in-use', 'another container has this host port'],
  ['address already in use', 'address-in-use', 'another process has this host port, or another container this IP'],
  ['no available addresses', 'address-in-use', 'no IP is left in the pod network'],
  ['no available ipv4 addresses', 'address-in-use', 'no IP is left in the pod network'],
  [
    'pool overlaps with other one',
    'address-in-use',
    'the pod CIDR is used by another Docker network: remove that network or give the node another CIDR',
  ],
  ['cannot program address', 'address-in-use', 'the pod CIDR is used by another network of this machine'],
  ['conflicts with existing route', 'address-in-use', 'the pod CIDR is used by another network of this machine'],
  ['no space left on device', 'no-space', 'free disk space in the data directory of Docker (docker system df, docker image prune)'],
  ['disk quota exceeded', 'no-space', 'free disk space in the data directory of Docker'],
  ['not a directory', 'invalid', 'the working directory, or the path of a mount, is a file'],
  ['no such container', 'not-found', "the pod's pause container is gone"], // 28, at the start of a container that joins it; 20.10 answers 404
  ['context deadline exceeded', 'timeout', ''],
  ['i/o timeout', 'timeout', ''],
];

function property(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null && key in value ? (value as Record<string, unknown>)[key] : undefined;
}

/** The code of a text that came without a telling status, and its advice. */
export function classifyText(text: string): readonly [RuntimeErrorCode, string] | undefined {
  const lower = text.toLowerCase();
  const row = BY_TEXT.find(([part]) => lower.includes(part));
  return row && [row[1], row[2]];
}

/** Any error of a call to the engine as a RuntimeError. doing: what was tried, for the message ("start container 1a2b"). */
export function toRuntimeError(error: unknown, doing: string): RuntimeError {
  if (error instanceof RuntimeError) return error;
  if (error instanceof EngineAnswer) return fromAnswer(error, doing);
  const errno = property(error, 'code');
  const message = error instanceof Error ? error.message : String(error);
  if (property(error, 'name') === 'AbortError') return new RuntimeError('failed', `${doing}: cancelled`, { doing, cause: error });
  const row = typeof errno === 'string' ? BY_ERRNO[errno] : undefined;
  if (row) {
    const [code, advice] = row;
    const what =
      code === 'permission'
        ? 'no permission to use Docker Engine'
        : code === 'timeout'
          ? 'Docker Engine did not answer in time'
          : 'Docker Engine does not answer';
    return new RuntimeError(code, `${doing}: ${what} (${message})`, { doing, advice, cause: error });
  }
  return new RuntimeError('failed', `${doing}: ${message}`, { doing, cause: error });
}

function fromAnswer(answer: EngineAnswer, doing: string): RuntimeError {
  const cause = answer;
  const message = `${doing}: ${answer.text || `the engine answered with status ${answer.statusCode}`}`;
  switch (answer.statusCode) {
    case 401:
      return new RuntimeError('registry', message, { doing, advice: 'check the image pull secret', cause });
    case 404:
      return new RuntimeError('not-found', message, { doing, cause });
    case 409:
      return new RuntimeError('conflict', message, { doing, cause });
    default: {
      const row = classifyText(answer.text);
      if (row) return new RuntimeError(row[0], message, { doing, advice: row[1], cause });
      return new RuntimeError(answer.statusCode === 400 ? 'invalid' : 'failed', message, { doing, cause });
    }
  }
}

/** One of the engine's JSON lines that says an error ({"errorDetail":{"message"}}), as a RuntimeError. */
export function fromErrorLine(text: string, doing: string): RuntimeError {
  const row = classifyText(text);
  return new RuntimeError(row?.[0] ?? 'failed', `${doing}: ${text}`, { doing, ...(row?.[1] ? { advice: row[1] } : {}) });
}
