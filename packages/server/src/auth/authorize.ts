// Who may call what. One table by method; every face asks it. Who somebody is comes from identity.ts.
import { type ApiError, forbiddenCall, unauthorized } from '@podplane/api/errors';
import type { Identity } from './identity.js';

type Caller = Identity['kind'];

const ADMIN_ONLY: readonly Caller[] = ['admin'];
const ANYBODY: readonly Caller[] = ['admin', 'node', 'anonymous'];

/** By path "/package.Service/Method" or by service "/package.Service/"; everything else is for administrators. */
const RULES: Readonly<Record<string, readonly Caller[]>> = {
  '/grpc.health.v1.Health/': ANYBODY,
  '/podplane.node.v1.Join/Join': ANYBODY,
  '/podplane.node.v1.Join/Renew': ['node'],
  '/podplane.node.v1.Session/': ['node'],
  '/podplane.node.v1.Tunnel/': ['node'],
  '/podplane.api.v1.Cluster/GetVersion': ['admin', 'node', 'account'],
  // Nothing gives rights to service accounts yet, so they may know who they are and nothing more.
  '/podplane.api.v1.Cluster/WhoAmI': ['admin', 'node', 'account'],
};

/** Throws ApiError: Unauthorized for somebody unknown, Forbidden for somebody known who may not. */
export function authorize(method: string, identity: Identity): void {
  const service = method.slice(0, method.lastIndexOf('/') + 1);
  const allowed = RULES[method] ?? RULES[service] ?? ADMIN_ONLY;
  if (allowed.includes(identity.kind)) return;
  throw refusal(method, identity, allowed);
}

function refusal(method: string, identity: Identity, allowed: readonly Caller[]): ApiError {
  const name = method.slice(1).replace('/', '.');
  if (identity.kind === 'anonymous') {
    const { message, advice } = anonymousBecause(identity);
    return unauthorized(`${name} needs a client certificate: ${message}`, advice);
  }
  if (identity.kind === 'admin') return forbiddenCall(`${name} is for nodes only; user "${identity.name}" is an administrator`);
  if (identity.kind === 'account')
    return forbiddenCall(`${name} is forbidden: User "${identity.name}" has no rights: service accounts may only ask who they are`, {
      advice: "Use an administrator's context.",
    });
  return forbiddenCall(`${name} is forbidden: node "${identity.nodeName}" may only use its own session and tunnels`, {
    advice: allowed.includes('admin') ? "Use an administrator's context." : '',
  });
}

function anonymousBecause(identity: Extract<Identity, { kind: 'anonymous' }>): { readonly message: string; readonly advice: string } {
  switch (identity.code) {
    case 'no-certificate':
      return {
        message: 'none was shown',
        advice: 'Use a context file with a client certificate (podplane context), or join with a token.',
      };
    case 'expired':
      return {
        message: `the one shown expired at ${identity.detail}`,
        advice: 'Get a new context from the server, or join the node again; check the clock of this machine.',
      };
    case 'not-yet-valid':
      return {
        message: `the one shown is valid only from ${identity.detail}`,
        advice: 'Check the clocks of this machine and of the server.',
      };
    case 'unknown-ca':
      return {
        message: "the one shown is not from this cluster's CA",
        advice:
          'The context or the node belongs to another cluster, or the server was set up anew: get a new context, or join the node again.',
      };
    case 'unknown-subject':
      return { message: `the one shown names neither an administrator nor a node (${identity.detail})`, advice: '' };
    case 'token':
      return { message: `none was shown, and ${identity.detail}`, advice: 'Ask for a new token: a pod finds a fresh one in its volume.' };
    case 'rejected':
      return { message: `the one shown is not acceptable (${identity.detail})`, advice: '' };
  }
}
