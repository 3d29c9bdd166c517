// For the tests of the kinds: manifests to objects as admission would make them, and faults as texts. Nothing else uses it.

import { expect } from 'vitest';
import { decodeObject } from '../../decode/decode.js';
import type { JsonObject, JsonValue } from '../../decode/tree.js';
import { type FieldError, fieldErrorText } from '../../errors.js';
import { applyMergePatch } from '../../patch.js';
import { kindInfo } from '../catalogue.js';
import type { Kind, KindMap } from '../kind-map.js';

/** 2026-01-01T00:10:00Z */
export const NOW = Date.parse('2026-01-01T00:10:00Z');

/** A manifest as an object, decoded strictly: a misspelt field in a test is an error. */
export function decoded<K extends Kind>(kind: K, manifest: JsonObject): KindMap[K] {
  const result = decodeObject(kind, manifest);
  if (!result.ok) throw new Error(`the test's manifest is wrong: ${JSON.stringify(result.problems)}`);
  return result.object;
}

/** With defaults, prepared for creation. */
export function admitted<K extends Kind>(kind: K, manifest: JsonObject): KindMap[K] {
  const info = kindInfo(kind);
  const object = decoded(kind, manifest);
  info.setDefaults(object);
  info.prepareForCreate(object, NOW);
  return object;
}

export const texts = (errors: readonly FieldError[]): string[] => errors.map(fieldErrorText);

/** Faults of a new object. */
export function createFaults<K extends Kind>(kind: K, manifest: JsonObject): string[] {
  return texts(kindInfo(kind).validateCreate(admitted(kind, manifest)));
}

/** Faults of a change of an object. */
export function updateFaults<K extends Kind>(kind: K, before: JsonObject, change: JsonObject): string[] {
  const info = kindInfo(kind);
  const previous = admitted(kind, before);
  const next = decoded(kind, applyMergePatch(before, change) as JsonObject);
  info.setDefaults(next);
  info.prepareForUpdate(next, previous as never);
  return texts(info.validateUpdate(next as never, previous as never));
}

/** A good pod. */
export const goodPod: JsonObject = {
  metadata: { name: 'web', namespace: 'default', labels: { app: 'web' } },
  spec: { containers: [{ name: 'a', image: 'nginx:1' }] },
};

/** The good pod with other things said in its spec. */
export function podWith(spec: JsonObject): JsonObject {
  return applyMergePatch(goodPod, { spec }) as JsonObject;
}

/** The good pod with other things said in its container. */
export function containerWith(container: JsonObject): JsonObject {
  return podWith({ containers: [applyMergePatch({ name: 'a', image: 'nginx:1' }, container) as JsonValue] });
}

/** A good Deployment or ReplicaSet. */
export const goodWorkload: JsonObject = {
  metadata: { name: 'web', namespace: 'default' },
  spec: {
    selector: { matchLabels: { app: 'web' } },
    template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'a', image: 'nginx:1' }] } },
  },
};

/** A good ReplicationController: its selector is that of its template. */
export const goodController: JsonObject = {
  metadata: { name: 'web', namespace: 'default' },
  spec: { template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'a', image: 'nginx:1' }] } } },
};

/** A good PodTemplate. */
export const goodPodTemplate: JsonObject = {
  metadata: { name: 'web', namespace: 'default' },
  template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'a', image: 'nginx:1' }] } },
};

export function workloadWith(spec: JsonObject): JsonObject {
  return applyMergePatch(goodWorkload, { spec }) as JsonObject;
}

/** A good Job. */
export const goodJob: JsonObject = {
  metadata: { name: 'sum', namespace: 'default' },
  spec: { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'a', image: 'busybox:1' }] } } },
};

/** A pod and its faults: texts, or the path with what the message must look like. */
export type FaultRow = readonly [what: string, pod: JsonObject, ...faults: Fault[]];
type Fault = string | readonly [path: string, message: RegExp];

/** Holds a new pod to its faults: these and no others. */
export function expectFaults(pod: JsonObject, faults: readonly Fault[]): void {
  const found = createFaults('Pod', pod);
  expect(found.length, found.join('\n')).toBe(faults.length);
  for (const fault of faults) {
    if (typeof fault === 'string') expect(found).toContain(fault);
    else
      expect(
        found.some((one) => one.startsWith(`${fault[0]}: `) && fault[1].test(one.slice(fault[0].length + 2))),
        found.join('\n'),
      ).toBe(true);
  }
}
