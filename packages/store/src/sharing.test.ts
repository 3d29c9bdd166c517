// Equal strings and parts become one, and nothing else of a message changes.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { clonePlain, equalPlain } from './plain.js';
import { SharedList, Sharing } from './sharing.js';

const plain = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.string({ maxLength: 3 }),
    fc.integer({ max: 3, min: 0 }),
    fc.boolean(),
    fc.constant(undefined),
    fc.uint8Array({ maxLength: 2 }),
    tie('list'),
    tie('record'),
  ),
  list: fc.array(tie('value'), { maxLength: 4 }),
  record: fc.dictionary(fc.constantFrom('a', 'b', 'c', 'd'), tie('value'), { noNullPrototype: true }),
}));

it('changes nothing that can be seen, of whatever came before', () => {
  fc.assert(
    fc.property(fc.array(plain.record, { maxLength: 6 }), (records) => {
      const sharing = new Sharing<unknown>();
      const given = records.map((record) => clonePlain(record));
      const taken = records.map((record) => sharing.take(record));
      taken.forEach((one, i) => {
        expect(equalPlain(one, given[i])).toBe(true);
        expect(Object.isFrozen(one)).toBe(true);
      });
    }),
  );
});

it('keeps equal parts of neighbours once', () => {
  const sharing = new Sharing<{ name: string; spec: { image: string; args: string[] } }>();
  const one = sharing.take({ name: 'a', spec: { image: 'x', args: ['1', '2'] } });
  const two = sharing.take({ name: 'b', spec: { image: 'x', args: ['1', '2'] } });
  const three = sharing.take({ name: 'c', spec: { image: 'y', args: ['1', '2'] } });
  expect(two.spec).toBe(one.spec);
  expect(three.spec).not.toBe(one.spec);
  expect(three.spec.args).toBe(one.spec.args);
  expect(one.spec.image).toBe('x');
});

it('keeps a field named __proto__ as it is', () => {
  const data = JSON.parse('{"__proto__":"x","a":"x"}') as Record<string, unknown>;
  const taken = new Sharing<Record<string, unknown>>().take(data);
  expect(Object.keys(taken)).toEqual(['__proto__', 'a']);
  expect(Object.getOwnPropertyDescriptor(taken, '__proto__')?.value).toBe('x');
});

it('goes on when it has seen more strings than it remembers', () => {
  const sharing = new Sharing<{ name: string }>();
  for (let i = 0; i < 50_000; i++) expect(sharing.take({ name: `name-${i}` }).name).toBe(`name-${i}`);
  expect(sharing.take({ name: 'x'.repeat(1000) }).name).toHaveLength(1000);
});

it('keeps one list of the very same items, and a copy of any other', () => {
  const one = { a: 1 };
  fc.assert(
    fc.property(fc.array(fc.array(fc.constantFrom(one, { a: 1 }, { a: 2 }), { maxLength: 3 }), { maxLength: 10 }), (given) => {
      const shared = new SharedList<object>();
      let before: readonly object[] | undefined;
      for (const items of given) {
        const list = [...items];
        const taken = shared.take(list);
        list.push(one); // the caller's own: it changes nothing of what was given out
        expect(taken).toHaveLength(items.length);
        items.forEach((item, i) => expect(taken[i]).toBe(item));
        const same = before?.length === items.length && before.every((item, i) => item === items[i]);
        if (same) expect(taken).toBe(before);
        expect(Object.isFrozen(taken)).toBe(true);
        before = taken;
      }
    }),
  );
});
