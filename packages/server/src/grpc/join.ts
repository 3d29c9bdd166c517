// podplane.node.v1.Join over gRPC: how a machine gets its certificate. Tokens are ../auth/tokens.ts', certificates ../auth/pki.ts'.
import { ApiError, badRequest } from '@podplane/api/errors';
import { JoinService } from '@podplane/api/gen/podplane/node/v1/join';
import { dnsSubdomainProblems } from '@podplane/api/names';
import type { Memberships } from '../auth/memberships.js';
import type { Pki } from '../auth/pki.js';
import type { JoinTokens } from '../auth/tokens.js';
import { nameTaken } from '../sessions/node-object.js';
import type { NodeSessions } from '../sessions/sessions.js';
import { type Gate, ServiceBuilder } from './service.js';

export interface JoinParts {
  readonly pki: Pki;
  readonly tokens: JoinTokens;
  readonly sessions: Pick<NodeSessions, 'holder' | 'knows'>;
  readonly memberships: Memberships;
}

export function joinService({ pki, tokens, sessions, memberships }: JoinParts, gate: Gate): ServiceBuilder {
  return new ServiceBuilder(gate)
    .unary(JoinService.join, async ({ token, nodeName, certificateRequest, machineId }) => {
      const tokenId = tokens.check(token);
      const problems = dnsSubdomainProblems(nodeName);
      if (problems.length > 0)
        throw badRequest(`nodeName: Invalid value: ${JSON.stringify(nodeName.slice(0, 300))}: ${problems.join('; ')}`);
      if (machineId === '' || machineId.length > 128) throw badRequest('machineId: Required value: at most 128 characters');
      const taken = nameTaken(nodeName, sessions.holder(nodeName), machineId);
      if (taken !== undefined) throw new ApiError('Conflict', taken.message, { target: { kind: 'Node', name: nodeName } });
      await memberships.joined(nodeName);
      const certificate = await pki.signNode(nodeName, certificateRequest);
      await tokens.countUse(tokenId);
      return { certificate, caCertificate: pki.caCertificate };
    })
    .unary(JoinService.renew, async ({ certificateRequest }, { identity }) => {
      if (identity.kind !== 'node') throw new ApiError('Forbidden', 'only nodes renew their certificates');
      const { nodeName } = identity;
      if (!sessions.knows(nodeName) && !memberships.mayRegister(nodeName)) {
        throw new ApiError('Forbidden', `node "${nodeName}" was removed from the cluster`, {
          target: { kind: 'Node', name: nodeName },
          advice: 'Start its agent with a new token: podplane token create',
        });
      }
      return { certificate: await pki.signNode(nodeName, certificateRequest), caCertificate: pki.caCertificate };
    });
}
