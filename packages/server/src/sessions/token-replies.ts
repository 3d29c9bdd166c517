// What a node is answered that asks for a token of a service account. Who may have one for which pod is decided where they are made.
import { ApiError } from '@podplane/api/errors';
import type { TokenRequest } from '@podplane/api/gen/podplane/node/v1/session';
import type { Clock } from '@podplane/api/system';
import type { ServerMessage } from './port.js';

/** Makes tokens for the pods of a node. Throws ApiError. */
export interface PodTokens {
  issueForNode(
    nodeName: string,
    podUid: string,
    audience: string,
    expirationSeconds: number,
  ): { readonly token: string; readonly expires: number };
}

export function noToken(id: string, message: string): ServerMessage {
  return { $case: 'tokenReply', value: { id, token: '', lifetimeMillis: 0, message } };
}

/** tokens undefined: this server makes none. */
export function tokenReply(tokens: PodTokens | undefined, nodeName: string, request: TokenRequest, clock: Clock): ServerMessage {
  const { id, podUid, audience, expirationSeconds } = request;
  if (tokens === undefined) return noToken(id, 'this server makes no tokens');
  try {
    const { token, expires } = tokens.issueForNode(nodeName, podUid, audience, expirationSeconds);
    return { $case: 'tokenReply', value: { id, token, lifetimeMillis: expires - clock.now(), message: '' } };
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return noToken(id, error.message);
  }
}
