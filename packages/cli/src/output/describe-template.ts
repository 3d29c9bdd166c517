// What `describe` and `rollout history --revision` print of a workload's pod template. Pure. What a pod prints is in describe-pod.ts.
import { toManifest } from '@podplane/api/decode/manifest';
import { isObject, type JsonValue } from '@podplane/api/decode/tree';
import { deepEqual } from '@podplane/api/kinds/equal';
import type { KindMap } from '@podplane/api/kinds/kind-map';
import { map } from './describe-parts.js';
import { containers, tolerationText, volumeTexts } from './describe-pod.js';
import type { Kit } from './describe-workloads.js';
import { Sheet } from './sheet.js';

export function template(sheet: Sheet, holder: Parameters<Kit['template']>[1]): void {
  const { metadata, spec } = holder?.template ?? {};
  sheet.heading('Pod Template');
  sheet.nested(() => {
    map(sheet, 'Labels', metadata?.labels);
    if (Object.keys(metadata?.annotations ?? {}).length > 0) map(sheet, 'Annotations', metadata?.annotations);
    if (spec?.serviceAccountName) sheet.field('Service Account', spec.serviceAccountName);
    if ((spec?.initContainers ?? []).length > 0) containers(sheet, 'Init Containers', spec?.initContainers ?? [], undefined);
    containers(sheet, 'Containers', spec?.containers ?? [], undefined);
    sheet.list('Volumes', volumeTexts(spec?.volumes ?? []));
    if (spec?.priorityClassName) sheet.field('Priority Class Name', spec.priorityClassName);
    map(sheet, 'Node-Selectors', spec?.nodeSelector);
    sheet.list('Tolerations', (spec?.tolerations ?? []).map(tolerationText));
  });
}

/** What `rollout history --revision` prints of a template. */
export function templateText(holder: Parameters<Kit['template']>[1]): string {
  const sheet = new Sheet();
  template(sheet, holder);
  return sheet.text();
}

const HASH = 'pod-template-hash';

/** The template as a Deployment has it: without the label that its controller adds. */
function plainTemplate(kind: 'Deployment' | 'ReplicaSet', object: KindMap['Deployment'] | KindMap['ReplicaSet']): JsonValue | undefined {
  const spec = structuredClone(toManifest(kind, object as never)['spec']);
  const held = isObject(spec) ? spec['template'] : undefined;
  if (isObject(held) && isObject(held['metadata']) && isObject(held['metadata']['labels'])) delete held['metadata']['labels'][HASH];
  return held;
}

/** Which set a Deployment rolls out, and which older ones have pods, in kubectl's words. */
export function replicaSetLines(sheet: Sheet, deployment: KindMap['Deployment'], sets: readonly KindMap['ReplicaSet'][]): void {
  const wanted = plainTemplate('Deployment', deployment);
  const newest = sets.find((set) => deepEqual(plainTemplate('ReplicaSet', set), wanted));
  const text = ({ metadata, spec, status }: KindMap['ReplicaSet']): string =>
    `${metadata?.name} (${status?.replicas ?? 0}/${spec?.replicas ?? 1} replicas created)`;
  const old = sets.filter((set) => set !== newest && ((set.spec?.replicas ?? 1) > 0 || (set.status?.replicas ?? 0) > 0));
  sheet.list('OldReplicaSets', old.length === 0 ? [] : [old.map(text).join(', ')]);
  sheet.list('NewReplicaSet', newest === undefined ? [] : [text(newest)]);
}
