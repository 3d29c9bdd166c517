// The order of pages, held against a full sort.
import { ConfigMap } from '@podplane/api/gen/podplane/core/v1/config_map';
import type { Obj } from '@podplane/api/kinds/kind-map';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { inOrder, Ordered } from './ordering.js';

const named = (namespace: string, name: string): Obj => ConfigMap.fromPartial({ metadata: { namespace, name } });
const part = fc.string({ minLength: 1, maxLength: 3 });

describe('the order of pages', () => {
  it('is that of a full sort, however pages are asked for', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.tuple(fc.constantFrom('a', 'b', 'c'), part), { selector: ([a, b]) => `${a}/${b}`, maxLength: 200 }),
        fc.array(fc.nat(220), { minLength: 1, maxLength: 10 }),
        fc.infiniteStream(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })),
        (names, ends, random) => {
          const objects = names.map(([namespace, name]) => named(namespace, name));
          const wanted = objects.toSorted(inOrder);
          const ordered = new Ordered(objects, () => random.next().value as number);
          for (const end of ends) {
            ordered.upTo(end);
            expect(ordered.objects.slice(0, end)).toEqual(wanted.slice(0, end));
          }
          ordered.upTo(objects.length);
          expect(ordered.objects).toEqual(wanted);
        },
      ),
    );
  });

  /** How often objects are compared while pages of these are put into their places. */
  function comparisons(count: number, pages: readonly number[]): number {
    let seed = 1;
    const random = (): number => (seed = (seed * 16_807) % 2_147_483_647) / 2_147_483_647;
    let reads = 0;
    const objects = Array.from({ length: count }, (_, i) => {
      const object = named('default', `p-${(i * 7919) % count}`);
      const { metadata } = object;
      return Object.defineProperty(object, 'metadata', { get: () => (reads++, metadata) });
    });
    const ordered = new Ordered(objects, random);
    for (const end of pages) ordered.upTo(end);
    return reads / 2;
  }

  it('looks at the rest a few times only for one page of many objects', () => {
    expect(comparisons(20_000, [500])).toBeLessThan(20_000 * 6); // a full sort has more than 20,000 * 14
  });

  it('costs about one sort for all pages together', () => {
    const pages = Array.from({ length: 200 }, (_, i) => (i + 1) * 100);
    expect(comparisons(20_000, pages)).toBeLessThan(20_000 * 14 * 2.5);
  });
});
