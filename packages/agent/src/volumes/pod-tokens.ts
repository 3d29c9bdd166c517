// Tokens of service accounts for the pods of this node: asked of the server, kept in memory only, asked for anew when four fifths of their
// life are over, as long as the pod has a use for them. Where they are written is payload.ts and projected-dir.ts.
import type { TokenReply, TokenRequest } from '@podplane/api/gen/podplane/node/v1/session';
import type { System, Timer } from '@podplane/api/system';

/** A token is renewed after this part of its life. */
const RENEW_AT = 0.8;
const RETRY_MS = 5_000;

interface Entry {
  readonly request: TokenRequest;
  token: string;
  /** Why there is none. */
  problem: string;
  /** When it is over, monotonic ms. */
  endsAt: number;
  timer: Timer | undefined;
}

export type TokenFound = { readonly token: string } | { readonly problem: string } | 'asked';

export interface PodTokensOptions {
  readonly system: Pick<System, 'timers' | 'clock'>;
  /** Asks the server, if there is a session; a reply may never come. */
  readonly ask: (request: TokenRequest) => void;
  /** Whether something of the pod runs, or may. The server refuses tokens to pods that are over, and a Job's may lie here for days. */
  readonly isWanted: (podUid: string) => boolean;
  /** A token has come, or the word that there is none. */
  readonly changed: (podUid: string) => void;
}

export class PodTokens {
  private readonly entries = new Map<string, Entry>();

  constructor(private readonly options: PodTokensOptions) {}

  /** The token, or why there is none; asked: it has been asked for and the pod will be told. */
  find(podUid: string, audience: string, expirationSeconds: number): TokenFound {
    const id = `${podUid}/${expirationSeconds}/${audience}`;
    const known = this.entries.get(id);
    if (known === undefined) {
      const request = { id, podUid, audience, expirationSeconds };
      this.entries.set(id, { request, token: '', problem: '', endsAt: 0, timer: undefined });
      this.options.ask(request);
      return 'asked';
    }
    if (known.token !== '' && known.endsAt > this.options.system.clock.monotonic()) return { token: known.token };
    return known.problem === '' ? 'asked' : { problem: known.problem };
  }

  /** A session stands: what was asked for before was lost. */
  connected(): void {
    this.forgetUnwanted();
    for (const entry of this.entries.values()) if (entry.timer === undefined) this.options.ask(entry.request);
  }

  take({ id, token, lifetimeMillis, message }: TokenReply): void {
    const entry = this.entries.get(id);
    if (entry === undefined) return;
    const { clock, timers } = this.options.system;
    entry.timer?.cancel();
    if (token === '') entry.problem = message;
    else {
      entry.token = token;
      entry.problem = '';
      entry.endsAt = clock.monotonic() + lifetimeMillis;
    }
    const wait = token === '' ? RETRY_MS : Math.max(RETRY_MS, lifetimeMillis * RENEW_AT);
    entry.timer = timers.after(
      wait,
      () => {
        entry.timer = undefined;
        if (this.options.isWanted(entry.request.podUid)) this.options.ask(entry.request);
        else this.entries.delete(id);
      },
      { background: true },
    );
    this.options.changed(entry.request.podUid);
  }

  /** Pods may have ended, or be gone. */
  forgetUnwanted(): void {
    for (const [id, { request, timer }] of this.entries) {
      if (this.options.isWanted(request.podUid)) continue;
      timer?.cancel();
      this.entries.delete(id);
    }
  }

  stop(): void {
    for (const { timer } of this.entries.values()) timer?.cancel();
    this.entries.clear();
  }
}
