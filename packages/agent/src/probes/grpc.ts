// Probes over gRPC: the standard health protocol (grpc.health.v1.Health/Check), plaintext. Its messages are one field each, written by hand.
import { Client, credentials, type ServiceError, status } from '@grpc/grpc-js';
import type { GRPCAction } from '@podplane/api/gen/podplane/core/v1/probe';
import type { ProbeOutcome } from './probe-state.js';

const CHECK = '/grpc.health.v1.Health/Check';
const STATES = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'] as const;
const SERVING = 1;

/** HealthCheckRequest: field 1, the service's name. */
export function encodeRequest(service: string): Buffer {
  const name = Buffer.from(service, 'utf8');
  if (name.length === 0) return name;
  const length: number[] = [];
  for (let rest = name.length; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) {
      length.push(rest);
      break;
    }
    length.push((rest % 128) + 128);
  }
  return Buffer.concat([Buffer.from([0x0a, ...length]), name]);
}

/** HealthCheckResponse: field 1, the state. What is no such message counts as unknown. */
export function decodeState(bytes: Uint8Array): number {
  return bytes[0] === 0x08 && bytes[1] !== undefined && bytes[1] < 128 ? bytes[1] : 0;
}

/** One call. Never rejects; the signal ends it as a timeout. */
export function probeGrpc(action: GRPCAction, podIP: string, signal: AbortSignal): Promise<ProbeOutcome> {
  const address = `${podIP.includes(':') ? `[${podIP}]` : podIP}:${action.port}`;
  const client = new Client(address, credentials.createInsecure(), {
    'grpc.primary_user_agent': 'kube-probe/podplane',
    'grpc.enable_retries': 0,
    // A pod that was made anew must not meet the connection of the one before.
    'grpc.use_local_subchannel_pool': 1,
    'grpc.enable_http_proxy': 0,
  });
  const { promise, resolve } = Promise.withResolvers<ProbeOutcome>();
  const failure = (message: string): void => resolve({ result: 'failure', message });
  const call = client.makeUnaryRequest(
    CHECK,
    (service: string) => encodeRequest(service),
    (bytes: Buffer) => decodeState(bytes),
    action.service ?? '',
    (error: ServiceError | null, state: number | undefined) => {
      if (error !== null) failure(wordsFor(error, address));
      else if (state === SERVING) resolve({ result: 'success', message: 'service healthy' });
      else failure(`service unhealthy (responded with "${STATES[state ?? 0] ?? String(state)}")`);
    },
  );
  const abort = (): void => {
    failure('timeout: health rpc did not complete in time');
    call.cancel();
  };
  if (signal.aborted) abort();
  signal.addEventListener('abort', abort, { once: true });
  return promise.finally(() => {
    signal.removeEventListener('abort', abort);
    client.close();
  });
}

function wordsFor(error: ServiceError, address: string): string {
  if (error.code === status.UNIMPLEMENTED)
    return `this server does not implement the grpc health protocol (grpc.health.v1.Health): ${error.details}`;
  if (error.code === status.UNAVAILABLE) return `failed to connect service "${address}": ${error.details}`;
  return `health rpc failed: ${error.details}`;
}
