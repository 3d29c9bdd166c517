// Probes and hooks of containers: one handler each, and numbers that make sense.

import { type FieldError, forbidden, invalid, notSupported, type Path, required } from '../../errors.js';
import type { HTTPGetAction, Lifecycle, LifecycleHandler, Probe } from '../../gen/podplane/core/v1/probe.js';
import { portNameProblems, portNumberProblems } from '../../names.js';
import type { DeepReadonly } from '../kind-map.js';

const HEADER_NAME = /^[-A-Za-z0-9]+$/;
const HEADER_TEXT =
  "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')";

function validatePort(port: unknown, path: Path): FieldError[] {
  // One that is not said is 0 to Kubernetes.
  if (port === undefined || port === null) return validatePort(0, path);
  const problems =
    typeof port === 'string'
      ? portNameProblems(port)
      : typeof port === 'number'
        ? portNumberProblems(port)
        : ['must be a number or a name'];
  return problems.map((problem) => invalid(path, port, problem));
}

function validateHttpGet(action: DeepReadonly<HTTPGetAction>, path: Path): FieldError[] {
  const out: FieldError[] = [];
  if (!action.path) out.push(required(path.child('path')));
  out.push(...validatePort(action.port, path.child('port')));
  if (action.scheme !== 'HTTP' && action.scheme !== 'HTTPS') out.push(notSupported(path.child('scheme'), action.scheme, ['HTTP', 'HTTPS']));
  for (const [i, header] of action.httpHeaders.entries()) {
    const at = path.child('httpHeaders').index(i);
    if (!HEADER_NAME.test(header.name)) out.push(invalid(path.child('httpHeaders'), header.name, HEADER_TEXT));
    if (/[\r\n\0]/.test(header.value)) out.push(invalid(at.child('value'), header.value, 'must not contain line ends'));
  }
  return out;
}

type Handler = DeepReadonly<Pick<LifecycleHandler, 'exec' | 'httpGet' | 'tcpSocket'>> & {
  readonly grpc?: { readonly port: number } | undefined;
  readonly sleep?: { readonly seconds: number } | undefined;
};

function validateHandler(handler: Handler, path: Path, graceSeconds: number): FieldError[] {
  const out: FieldError[] = [];
  let handlers = 0;
  const next = (field: string, check: (at: Path) => FieldError[]): void => {
    const at = path.child(field);
    if (handlers > 0) out.push(forbidden(at, 'may not specify more than 1 handler type'));
    else out.push(...check(at));
    handlers++;
  };
  const { exec, httpGet, tcpSocket, grpc, sleep } = handler;
  if (exec !== undefined) next('exec', (at) => (exec.command.length === 0 ? [required(at.child('command'))] : []));
  if (httpGet !== undefined) next('httpGet', (at) => validateHttpGet(httpGet, at));
  if (tcpSocket !== undefined) next('tcpSocket', (at) => validatePort(tcpSocket.port, at.child('port')));
  if (grpc !== undefined) next('grpc', (at) => validatePort(grpc.port, at.child('port')));
  if (sleep !== undefined) {
    next('sleep', (at) =>
      sleep.seconds >= 0 && sleep.seconds <= graceSeconds
        ? []
        : [invalid(at, sleep.seconds, `must be non-negative and less than terminationGracePeriodSeconds (${graceSeconds})`)],
    );
  }
  if (handlers === 0) out.push(required(path, 'must specify a handler type'));
  return out;
}

const NUMBERS = ['initialDelaySeconds', 'timeoutSeconds', 'periodSeconds', 'successThreshold', 'failureThreshold'] as const;

/** Faults of one probe. kind: which; liveness and startup succeed at once or not at all. */
export function validateProbe(
  probe: DeepReadonly<Probe> | undefined,
  kind: 'liveness' | 'readiness' | 'startup',
  path: Path,
  graceSeconds: number,
): FieldError[] {
  if (probe === undefined) return [];
  const out = validateHandler(probe, path, graceSeconds);
  for (const field of NUMBERS) {
    const value = probe[field];
    if (value !== undefined && value < 0) out.push(invalid(path.child(field), value, 'must be greater than or equal to 0'));
  }
  const grace = probe.terminationGracePeriodSeconds;
  const graceAt = path.child('terminationGracePeriodSeconds');
  if (grace !== undefined && kind === 'readiness') out.push(invalid(graceAt, grace, 'must not be set for readinessProbes'));
  else if (grace !== undefined && grace <= 0) out.push(invalid(graceAt, grace, 'must be greater than 0'));
  if (kind !== 'readiness' && probe.successThreshold !== undefined && probe.successThreshold > 1) {
    out.push(invalid(path.child('successThreshold'), probe.successThreshold, 'must be 1'));
  }
  return out;
}

/** Faults of the hooks of a container. */
export function validateLifecycle(lifecycle: DeepReadonly<Lifecycle> | undefined, path: Path, graceSeconds: number): FieldError[] {
  const out: FieldError[] = [];
  if (lifecycle?.postStart !== undefined) out.push(...validateHandler(lifecycle.postStart, path.child('postStart'), graceSeconds));
  if (lifecycle?.preStop !== undefined) out.push(...validateHandler(lifecycle.preStop, path.child('preStop'), graceSeconds));
  return out;
}
