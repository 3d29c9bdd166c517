// What may be said about fencing, and the epochs of pods.
import { describe, expect, it } from 'vitest';
import { EPOCH_ANNOTATION, FENCING_ANNOTATION, fencingOf, isFenced, withEpoch } from './fencing.js';
import { Pod } from './gen/podplane/core/v1/pod.js';
import { kindInfo } from './kinds/catalogue.js';
import type { Kind, Obj } from './kinds/kind-map.js';

const annotated = (annotations: Record<string, string>): Pod =>
  Pod.fromJSON({ metadata: { name: 'p', namespace: 'd', annotations }, spec: { containers: [{ name: 'c', image: 'i' }] } });

function faults(kind: Kind, json: object): string[] {
  const info = kindInfo(kind);
  const object = info.codec.fromJSON(json) as never;
  info.setDefaults(object);
  info.prepareForCreate(object, 0);
  return info.validateCreate(object).map(({ field, message }) => `${field}: ${message}`);
}

const template = (annotations: Record<string, string>, restartPolicy = 'Always'): object => ({
  metadata: { labels: { app: 'a' }, annotations },
  spec: { restartPolicy, containers: [{ name: 'c', image: 'i' }] },
});
const workloads: readonly [Kind, (annotations: Record<string, string>) => object, string][] = [
  [
    'Pod',
    (annotations) => ({ metadata: { name: 'p', namespace: 'd', annotations }, spec: { containers: [{ name: 'c', image: 'i' }] } }),
    'metadata',
  ],
  ...(['Deployment', 'ReplicaSet', 'StatefulSet', 'DaemonSet'] as const).map(
    (kind) =>
      [
        kind,
        (annotations: Record<string, string>) => ({
          metadata: { name: 'w', namespace: 'd' },
          spec: {
            selector: { matchLabels: { app: 'a' } },
            template: template(annotations),
            ...(kind === 'StatefulSet' ? { serviceName: 's' } : {}),
          },
        }),
        'spec.template.metadata',
      ] as [Kind, (annotations: Record<string, string>) => object, string],
  ),
  [
    'Job',
    (annotations) => ({ metadata: { name: 'w', namespace: 'd' }, spec: { template: template(annotations, 'Never') } }),
    'spec.template.metadata',
  ],
  [
    'CronJob',
    (annotations) => ({
      metadata: { name: 'w', namespace: 'd' },
      spec: { schedule: '* * * * *', jobTemplate: { spec: { template: template(annotations, 'Never') } } },
    }),
    'spec.jobTemplate.spec.template.metadata',
  ],
];

describe.each(workloads)('%s', (kind, manifest, at) => {
  it('may be strict or none and nothing else', () => {
    for (const value of ['strict', 'none']) expect(faults(kind, manifest({ [FENCING_ANNOTATION]: value }))).toEqual([]);
    for (const value of ['', 'Strict', 'yes']) {
      expect(faults(kind, manifest({ [FENCING_ANNOTATION]: value }))).toEqual([
        `${at}.annotations[${FENCING_ANNOTATION}]: Unsupported value: ${JSON.stringify(value)}: supported values: "strict", "none"`,
      ]);
    }
  });

  it.runIf(kind !== 'Pod')('says no epoch in its template', () => {
    expect(faults(kind, manifest({ [EPOCH_ANNOTATION]: '7' }))).toEqual([
      `${at}.annotations[${EPOCH_ANNOTATION}]: Forbidden: is set by the server on each pod`,
    ]);
  });
});

describe('a pod that exists', () => {
  const changed = (before: Record<string, string>, after: Record<string, string>): string[] => {
    const info = kindInfo('Pod');
    const [previous, next] = [annotated(before), annotated(after)];
    for (const pod of [previous, next]) info.setDefaults(pod);
    info.prepareForUpdate(next, previous as Obj<'Pod'>);
    return info.validateUpdate(next as Obj<'Pod'>, previous as Obj<'Pod'>).map(({ field, message }) => `${field}: ${message}`);
  };
  const strict = { [FENCING_ANNOTATION]: 'strict', [EPOCH_ANNOTATION]: '9' };

  it.each([
    ['strict to none', strict, { ...strict, [FENCING_ANNOTATION]: 'none' }, FENCING_ANNOTATION, '"none"'],
    ['strict to nothing', strict, { [EPOCH_ANNOTATION]: '9' }, FENCING_ANNOTATION, '""'],
    ['nothing to strict', {}, { [FENCING_ANNOTATION]: 'strict' }, FENCING_ANNOTATION, '"strict"'],
    ['another epoch', strict, { ...strict, [EPOCH_ANNOTATION]: '10' }, EPOCH_ANNOTATION, '"10"'],
  ])('does not change: %s', (_what, before, after, key, value) => {
    expect(changed(before, after)).toEqual([`metadata.annotations[${key}]: Invalid value: ${value}: field is immutable`]);
  });

  it('keeps its epoch when the manifest without one is applied again', () => {
    expect(changed(strict, { [FENCING_ANNOTATION]: 'strict', other: 'x' })).toEqual([]);
  });
});

it('only fenced pods have an epoch, the one of the revision that makes them', () => {
  const fenced = withEpoch(annotated({ [FENCING_ANNOTATION]: 'strict', [EPOCH_ANNOTATION]: '99999' }) as Obj<'Pod'>, 12);
  expect(fenced.metadata?.annotations).toEqual({ [FENCING_ANNOTATION]: 'strict', [EPOCH_ANNOTATION]: '12' });
  expect(isFenced(fenced)).toBe(true);
  for (const annotations of [{}, { [FENCING_ANNOTATION]: 'none' }, { [FENCING_ANNOTATION]: 'rubbish' }]) {
    const pod = annotated(annotations) as Obj<'Pod'>;
    expect(withEpoch(pod, 12)).toBe(pod);
    expect(isFenced(pod)).toBe(false);
  }
  expect(fencingOf(annotated({ [FENCING_ANNOTATION]: 'rubbish' }))).toBeUndefined();
});
