// podplane.api.v1.Objects over gRPC. Translation only: all rules are in ../registry.
import { ApiError, badRequest, toStatus } from '@podplane/api/errors';
import type { Object as AnyObject } from '@podplane/api/gen/podplane/api/v1/object';
import { type CreateBatchResult, ObjectsService, PatchType } from '@podplane/api/gen/podplane/api/v1/objects';
import { fromObject, toObject } from '@podplane/api/kinds/catalogue';
import { encodeAny } from '../registry/encoding.js';
import { parseKind } from '../registry/kinds.js';
import type { PatchKind } from '../registry/patching.js';
import type { Given, Registry, Writer, Written } from '../registry/registry.js';
import { type CallContext, Encoded, type Gate, ServiceBuilder } from './service.js';
import { listMessage, objectMessage, watchMessages } from './watch-message.js';

const MOST_IN_BATCH = 10_000;

function writerOf(request: { readonly dryRun: boolean; readonly fieldManager: string }, { identity }: CallContext): Writer {
  return { identity, dryRun: request.dryRun, fieldManager: request.fieldManager };
}

/** Throws ApiError BadRequest where no object is in it. */
function given(object: AnyObject | undefined): Given {
  const known = object === undefined ? undefined : fromObject(object);
  if (known === undefined) throw badRequest('object: Required value: none was sent, or one of a kind that this server does not know');
  return known;
}

function answer({ kind, object, warnings }: Written): Encoded {
  return new Encoded(objectMessage(encodeAny(kind, object, true), warnings));
}

function patchKind(type: PatchType): PatchKind {
  switch (type) {
    case PatchType.PATCH_TYPE_MERGE:
      return 'merge';
    case PatchType.PATCH_TYPE_JSON:
      return 'json';
    case PatchType.PATCH_TYPE_STRATEGIC:
      return 'strategic';
    case PatchType.PATCH_TYPE_UNSPECIFIED:
      throw badRequest('type: Required value: PATCH_TYPE_MERGE, PATCH_TYPE_JSON or PATCH_TYPE_STRATEGIC');
  }
}

function batchResult(result: Written | ApiError, brief: boolean): CreateBatchResult {
  if (result instanceof ApiError) return { result: { $case: 'error', value: toStatus(result) } };
  const { kind, object } = result;
  if (!brief) return { result: { $case: 'object', value: toObject(kind, object) } };
  const { namespace = '', name = '', uid = '', resourceVersion = '' } = object.metadata ?? {};
  return { result: { $case: 'created', value: { namespace, name, uid, resourceVersion } } };
}

export function objectsService(registry: Registry, gate: Gate): ServiceBuilder {
  return new ServiceBuilder(gate)
    .unary(ObjectsService.get, (request) => {
      const { kind, object } = registry.get(request);
      return new Encoded(objectMessage(encodeAny(kind, object, false), false));
    })
    .unary(ObjectsService.list, (request) => new Encoded(listMessage(registry.lists.page(request))))
    .serverStream(ObjectsService.watch, async (request, out, { signal }) => {
      for await (const step of registry.watch(request, signal)) {
        for (const message of watchMessages(step)) await out.write(new Encoded(message));
      }
    })
    .unary(ObjectsService.create, async (request, context) =>
      answer(await registry.create(given(request.object), writerOf(request, context))),
    )
    .unary(ObjectsService.createBatch, async (request, context) => {
      if (request.objects.length > MOST_IN_BATCH)
        throw badRequest(`objects: at most ${MOST_IN_BATCH} in one call, not ${request.objects.length}`);
      const results = await registry.createBatch(request.objects.map(fromObject), writerOf(request, context));
      return { results: results.map((result) => batchResult(result, request.brief)) };
    })
    .unary(ObjectsService.update, async (request, context) =>
      answer(await registry.update(given(request.object), request.subresource, writerOf(request, context))),
    )
    .unary(ObjectsService.patch, async (request, context) => {
      const place = { kind: parseKind(request.kind), namespace: request.namespace, name: request.name };
      return answer(await registry.patch(place, patchKind(request.type), request.patch, request.subresource, writerOf(request, context)));
    })
    .unary(ObjectsService.delete, async (request, context) => {
      const place = { kind: parseKind(request.kind), namespace: request.namespace, name: request.name };
      const { kind, object, gone } = await registry.delete(
        place,
        {
          graceSeconds: request.gracePeriodSeconds,
          propagationPolicy: request.propagationPolicy,
          uid: request.preconditionUid,
          resourceVersion: request.preconditionResourceVersion,
        },
        writerOf(request, context),
      );
      return new Encoded(objectMessage(encodeAny(kind, object, false), gone));
    });
}
