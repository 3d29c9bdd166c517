// podplane.api.v1.Cluster over gRPC: version, join tokens, causes. Images for the nodes are in load-image.ts, what causes say in
// why/why.ts.

import { byteMethods } from '@podplane/api/byte-methods';
import { badRequest, notFound } from '@podplane/api/errors';
import {
  ClusterService,
  type JoinToken,
  type SimulatedWrites,
  type SimulateRequest,
  type SimulateResponse,
  type WhoAmIResponse,
  type WhyChange as WhyMessage,
  type WhyRequest,
  type WhyResponse,
} from '@podplane/api/gen/podplane/api/v1/cluster';
import { fromObject } from '@podplane/api/kinds/catalogue';
import type { Store } from '@podplane/store/types';
import type { AccountTokens } from '../auth/account-tokens.js';
import { ADMIN_GROUP, type Identity, NODE_GROUP } from '../auth/identity.js';
import type { JoinTokens, TokenInfo } from '../auth/tokens.js';
import type { Drains } from '../nodes/drains.js';
import { parsePlace } from '../registry/kinds.js';
import type { Write } from '../what-if/simulate.js';
import type { Thinker } from '../what-if/thinker.js';
import { type WhyChange, whyChanges } from '../why/why.js';
import { type ImageParts, loadImage } from './load-image.js';
import { type CallContext, type Gate, ServiceBuilder } from './service.js';

export interface VersionInfo {
  readonly version: string;
  readonly gitCommit: string;
}

export interface ClusterParts extends ImageParts {
  readonly drains: Drains;
  /** Thinks from the present. */
  readonly thinker: Pick<Thinker, 'ask'>;
  readonly store: Store;
  readonly tokens: JoinTokens;
  readonly accountTokens: AccountTokens;
  readonly version: VersionInfo;
  readonly clusterId: string;
  /** Address for other machines, host:port. */
  readonly publicAddress: () => string;
}

const time = (ms: number): string => new Date(ms).toISOString();

function describeToken({ id, description, created, expires, uses }: TokenInfo): JoinToken {
  return { id, description, created: time(created), expires: time(expires), uses };
}

const DEFAULT_WHY_LIMIT = 10;
const MOST_WHY_LIMIT = 100;

const whyMessage = ({ links, count, since }: WhyChange): WhyMessage => ({
  count,
  since: time(since),
  links: links.map(({ key, revision, time: at, type, cause, others }) => ({
    ...key,
    revision: String(revision),
    time: time(at),
    type,
    actor: cause.actor,
    reason: cause.reason,
    others,
  })),
});

/** Throws ApiError: NotFound for an object that is not there and of which nothing is known any more. */
function why(store: Store, request: WhyRequest): WhyResponse {
  const key = parsePlace(request);
  const limit = request.limit === 0 ? DEFAULT_WHY_LIMIT : request.limit;
  if (limit < 0 || limit > MOST_WHY_LIMIT) throw badRequest(`limit: Invalid value: ${limit}: must be between 1 and ${MOST_WHY_LIMIT}`);
  const exists = store.durableView.get(key.kind, key.namespace, key.name) !== undefined;
  const changes = whyChanges(store, key, limit).map(whyMessage);
  if (!exists && changes.length === 0) throw notFound(key.kind, key.namespace, key.name);
  return { exists, changes };
}

function writesOf({ writes }: SimulatedWrites): Write[] {
  return writes.map(({ write }, i): Write => {
    const refuse = (what: string): never => {
      throw badRequest(`writes[${i}]: ${what}`);
    };
    if (write?.$case === 'patch') return { what: 'patch', place: parsePlace(write.value), patch: write.value.patch };
    const object = write === undefined ? undefined : fromObject(write.value);
    return object === undefined ? refuse('create or patch: Required value, of a kind that this server knows') : { what: 'create', object };
  });
}

/** Throws ApiError. */
async function simulate(
  { thinker }: ClusterParts,
  { question }: SimulateRequest,
  { identity, signal }: CallContext,
): Promise<SimulateResponse> {
  if (question === undefined) throw badRequest('question: Required value: loseNodes or writes');
  if (question.$case === 'loseNodes') return await thinker.ask('loss', { nodes: question.value.nodes }, signal);
  return await thinker.ask('writes', { writes: writesOf(question.value), writer: { identity, fieldManager: '', dryRun: false } }, signal);
}

function whoIs(identity: Identity): WhoAmIResponse {
  switch (identity.kind) {
    case 'admin':
      return { username: identity.name, uid: '', groups: [ADMIN_GROUP] };
    case 'node':
      return { username: identity.name, uid: '', groups: [NODE_GROUP] };
    case 'account':
      return {
        username: identity.name,
        uid: identity.uid,
        groups: ['system:serviceaccounts', `system:serviceaccounts:${identity.namespace}`, 'system:authenticated'],
      };
    case 'anonymous':
      return { username: 'system:anonymous', uid: '', groups: ['system:unauthenticated'] };
  }
}

export function clusterService(parts: ClusterParts, gate: Gate): ServiceBuilder {
  const { tokens, store, version, clusterId } = parts;
  return new ServiceBuilder(gate)
    .unary(ClusterService.getVersion, () => ({
      ...version,
      nodeVersion: process.versions.node,
      clusterId,
      revision: String(store.durableRevision),
    }))
    .unary(ClusterService.createToken, async ({ description, ttlSeconds }) => {
      const { info, token } = await tokens.create(description, ttlSeconds);
      return { token: describeToken(info), secret: token, command: `podplane agent --server ${parts.publicAddress()} --token ${token}` };
    })
    .unary(ClusterService.listTokens, () => ({ tokens: tokens.list().map(describeToken) }))
    .unary(ClusterService.revokeToken, async ({ id }) => {
      await tokens.revoke(id);
      return {};
    })
    .unary(ClusterService.why, (request) => why(store, request))
    .unary(ClusterService.simulate, (request, context) => simulate(parts, request, context))
    .unary(ClusterService.drainNode, (request, { identity }) => parts.drains.begin(request, identity))
    .serverStream(ClusterService.watchDrain, async ({ node, id }, out, { signal }) => {
      for await (const step of parts.drains.watch(node, id, signal)) await out.write(step);
    })
    .unary(ClusterService.cancelDrain, ({ node, uncordon }, { identity }) => parts.drains.cancel(node, uncordon, identity))
    .unary(ClusterService.createServiceAccountToken, ({ namespace, serviceAccount, audiences, expirationSeconds, boundPod }) => {
      const pod = boundPod === '' ? undefined : store.durableView.get('Pod', namespace, boundPod);
      if (boundPod !== '' && pod === undefined) throw notFound('Pod', namespace, boundPod);
      const { token, expires } = parts.accountTokens.issue({ namespace, account: serviceAccount, audiences, expirationSeconds, pod });
      return { token, expirationTimestamp: time(expires) };
    })
    .unary(ClusterService.whoAmI, (_request, { identity }) => whoIs(identity))
    .bidi(byteMethods.loadImage, (input, out, { signal }) => loadImage(parts, input, out, signal));
}
