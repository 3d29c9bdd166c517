// The arithmetic of rollouts: bounds with their roundings, shares of a scale, hashes of templates.
import type { PodTemplateSpec } from '@podplane/api/gen/podplane/core/v1/pod';
import { PodTemplateSpec as Template } from '@podplane/api/gen/podplane/core/v1/pod';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { makeDeployment } from '../testkit/world.js';
import { boundsOf, newSetSize } from './bounds.js';
import { proportionalSizes } from './proportional.js';
import { sameTemplate, templateHash } from './sets.js';

describe('bounds', () => {
  it.each([
    [10, '25%', '25%', 3, 2],
    [3, '25%', '25%', 1, 0],
    [1, '25%', '25%', 1, 0],
    [4, 0, '20%', 0, 1],
    [4, 2, 1, 2, 1],
    [2, 0, 5, 0, 2],
    [0, '25%', '25%', 0, 0],
  ])('of %i with surge %s and unavailable %s: %i and %i', (replicas, maxSurge, maxUnavailable, surge, unavailable) => {
    expect(boundsOf(makeDeployment('d', { replicas, maxSurge, maxUnavailable }))).toEqual({
      replicas,
      maxSurge: surge,
      maxUnavailable: unavailable,
    });
  });

  it('let a new set grow into what room there is', () => {
    const bounds = { replicas: 10, maxSurge: 3, maxUnavailable: 2 };
    expect(newSetSize(bounds, true, 0, 0)).toBe(10);
    expect(newSetSize(bounds, true, 10, 0)).toBe(3);
    expect(newSetSize(bounds, true, 13, 3)).toBe(3);
    expect(newSetSize(bounds, true, 12, 9)).toBe(10);
    expect(newSetSize(bounds, false, 10, 0)).toBe(10);
  });
});

describe('proportional scaling', () => {
  it.each([
    ['up', [8, 5], 13, 20, 3, [14, 9]],
    ['down', [10, 3], 13, 5, 3, [6, 2]],
    ['to nothing', [8, 5], 13, 0, 3, [0, 0]],
    ['not at all', [8, 5], 13, 10, 3, [8, 5]],
  ])('%s', (_way, sizes, max, replicas, maxSurge, expected) => {
    const sets = sizes.map((size) => ({ replicas: size, max }));
    expect(proportionalSizes(sets, { replicas, maxSurge, maxUnavailable: 0 }, 0)).toEqual(expected);
  });

  it('always adds up to what is allowed', () => {
    const set = fc.record({
      replicas: fc.integer({ min: 1, max: 50 }),
      max: fc.option(fc.integer({ min: 1, max: 120 }), { nil: undefined }),
    });
    fc.assert(
      fc.property(
        fc.array(set, { minLength: 2, maxLength: 5 }),
        fc.integer({ min: 0, max: 100 }),
        fc.integer({ min: 0, max: 10 }),
        (sets, replicas, maxSurge) => {
          const ordered = sets.toSorted((a, b) => b.replicas - a.replicas);
          const sizes = proportionalSizes(ordered, { replicas, maxSurge, maxUnavailable: 1 }, 20);
          const allowed = replicas > 0 ? replicas + maxSurge : 0;
          const total = sizes.reduce((sum, size) => sum + size, 0);
          expect(sizes.every((size) => size >= 0)).toBe(true);
          if (total !== allowed) expect(sizes[0]).toBe(0); // the first had not enough to give for the others' rounding
          const before = sets.reduce((sum, one) => sum + one.replicas, 0);
          if (allowed >= before) expect(total).toBe(allowed);
        },
      ),
    );
  });
});

describe('templates', () => {
  const template = (labels: Record<string, string>, image = 'v1'): PodTemplateSpec =>
    Template.fromPartial({ metadata: { labels }, spec: { containers: [{ name: 'c', image }], nodeSelector: { a: 'b' } } });

  it('are the same whatever their hash label and the order of their keys', () => {
    expect(sameTemplate(template({ a: '1', b: '2' }), template({ b: '2', 'pod-template-hash': 'x', a: '1' }))).toBe(true);
    expect(sameTemplate(template({ a: '1' }), template({ a: '2' }))).toBe(false);
    expect(sameTemplate(template({}), { ...template({}), metadata: undefined })).toBe(true);
  });

  it('hash the same for ever, also after a journey through protobuf, and otherwise after collisions', () => {
    const one = template({ app: 'web' });
    const travelled = Template.decode(Template.encode(one).finish());
    expect(templateHash(travelled, 0)).toBe(templateHash(one, 0));
    // A set made by an older version must be found again: this text must never change.
    expect(templateHash(one, 0)).toMatchInlineSnapshot(`"lwn255kp7x"`);
    expect(templateHash(one, 1)).not.toBe(templateHash(one, 0));
    expect(templateHash(template({ app: 'web' }, 'v2'), 0)).not.toBe(templateHash(one, 0));
  });
});
