// podplane.api.v1.Cluster over gRPC: version and join tokens. Images for the nodes are in load-image.ts.
import { ClusterService, type JoinToken } from '@podplane/api/gen/podplane/api/v1/cluster';
import type { Store } from '@podplane/store/types';
import type { JoinTokens, TokenInfo } from '../auth/tokens.js';
import { type ImageParts, loadImage } from './load-image.js';
import { type Gate, ServiceBuilder } from './service.js';

export interface VersionInfo {
  readonly version: string;
  readonly gitCommit: string;
}

export interface ClusterParts extends ImageParts {
  readonly store: Store;
  readonly tokens: JoinTokens;
  readonly version: VersionInfo;
  readonly clusterId: string;
  /** Address for other machines, host:port. */
  readonly publicAddress: () => string;
}

const time = (ms: number): string => new Date(ms).toISOString();

function describeToken({ id, description, created, expires, uses }: TokenInfo): JoinToken {
  return { id, description, created: time(created), expires: time(expires), uses };
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
    .bidi(ClusterService.loadImage, (input, out, { signal }) => loadImage(parts, input, out, signal));
}
