// Keeps the certificate fresh while the agent runs: a new key and certificate when two thirds of the lifetime are over. Running pods
// are not touched; the session is opened anew with the new certificate.
import { Metadata } from '@grpc/grpc-js';
import { JoinClient, type RenewResponse } from '@podplane/api/gen/podplane/node/v1/join';
import type { System, Timer } from '@podplane/api/system';
import type { Log } from '../log.js';
import { Dialing } from '../session/dialing.js';
import { channelOptions, type Identity, identityCredentials } from '../session/grpc-channel.js';
import type { StoredIdentity } from './identity-store.js';
import { newKey } from './keys.js';

const TIMEOUT_MS = 10_000;
const RETRY_MIN_MS = 5_000;
/** Timers of Node end at about 24 days. */
const LOOK_AGAIN_MS = 86_400_000;

/** Asks for a certificate with the one that still counts. Rejects with gRPC's ServiceError. */
export async function renewCertificate(server: string, identity: StoredIdentity): Promise<Identity> {
  const { key, request } = await newKey(identity.nodeName);
  const dialing = new Dialing(identityCredentials(identity));
  const client = new JoinClient(server, dialing.credentials, channelOptions());
  try {
    const response = await new Promise<RenewResponse>((resolve, reject) => {
      client.renew({ certificateRequest: request }, new Metadata(), { deadline: Date.now() + TIMEOUT_MS }, (error, answer) =>
        error === null ? resolve(answer) : reject(error),
      );
    });
    return { caCertificate: response.caCertificate || identity.caCertificate, certificate: response.certificate, key };
  } finally {
    client.close();
    dialing.abandon();
  }
}

export interface RenewalOptions {
  readonly system: System;
  readonly log: Log;
  readonly current: () => StoredIdentity;
  readonly renew: (identity: StoredIdentity) => Promise<Identity>;
  /** Keeps it. May throw; then it is tried again. */
  readonly replace: (identity: Identity) => void;
  /** It ran out all the same. */
  readonly expired: () => void;
}

/** When two thirds of the lifetime are over; ms since 1970. */
export function renewAt(identity: Pick<StoredIdentity, 'notBefore' | 'notAfter'>): number {
  return identity.notBefore + ((identity.notAfter - identity.notBefore) * 2) / 3;
}

export class CertificateRenewal {
  private timer: Timer | undefined;
  private stopped = false;

  constructor(private readonly options: RenewalOptions) {}

  start(): void {
    this.schedule(0);
  }

  stop(): void {
    this.stopped = true;
    this.timer?.cancel();
  }

  private schedule(atLeastMs: number): void {
    if (this.stopped) return;
    const { system, current } = this.options;
    const wait = Math.max(atLeastMs, renewAt(current()) - system.clock.now());
    this.timer = system.timers.after(Math.min(wait, LOOK_AGAIN_MS), () => void this.turn(), { background: true });
  }

  private async turn(): Promise<void> {
    const { system, current, renew, replace, expired, log } = this.options;
    const identity = current();
    const now = system.clock.now();
    if (now < renewAt(identity)) return this.schedule(0);
    if (now >= identity.notAfter) return expired();
    try {
      const renewed = await renew(identity);
      if (this.stopped) return;
      replace(renewed);
      log.info({ until: new Date(current().notAfter).toISOString() }, 'the certificate was renewed');
      this.schedule(RETRY_MIN_MS);
    } catch (error) {
      const left = identity.notAfter - system.clock.now();
      log.warn({ err: error, leftSeconds: Math.round(left / 1000) }, 'the certificate could not be renewed; it will be tried again');
      this.schedule(Math.max(RETRY_MIN_MS, left / 10));
    }
  }
}
