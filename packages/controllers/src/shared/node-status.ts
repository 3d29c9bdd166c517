// The status of a node of which nothing is known yet. What is in one is written by its agent and the node lifecycle.
import { NodeStatus } from '@podplane/api/gen/podplane/core/v1/node';
import type { Obj } from '@podplane/api/kinds/kind-map';

export const NO_NODE_STATUS: NonNullable<Obj<'Node'>['status']> = NodeStatus.fromPartial({});
