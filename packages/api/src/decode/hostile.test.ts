// Whatever the text or tree, decoding ends soon, throws nothing, and agrees with JSON.parse about what JSON is.
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Kind } from '../kinds/kind-map.js';
import { kindSchema } from '../schema/model.js';
import { codecs } from './codecs.js';
import { decodeManifests, decodeObject } from './decode.js';
import { parseJsonTexts } from './json-text.js';
import { toManifest } from './manifest.js';
import { canonicalMicroTime, canonicalTime } from './times.js';

const KINDS = Object.keys(codecs) as Kind[];
const FILES = ['pod.yaml', 'deployment.yaml'].map((it) => readFileSync(new URL(`testdata/${it}`, import.meta.url), 'utf8'));

/** Every problem names its code, message and place; every object can be printed. */
function expectSoundness(text: string | Uint8Array): void {
  const result = decodeManifests(text, { source: 'x' });
  for (const object of result.objects) expect(toManifest(object.kind, object.object as never)['kind']).toBe(object.kind);
  if (result.ok) return;
  expect(result.problems.length).toBeGreaterThan(0);
  expect(result.problems.length).toBeLessThanOrEqual(50);
  for (const problem of result.problems) {
    expect(problem.message).not.toBe('');
    expect(problem.message.length).toBeLessThan(1000);
    if (problem.position !== undefined) expect(Math.min(problem.position.line, problem.position.column)).toBeGreaterThanOrEqual(1);
  }
}

const yamlish = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        'apiVersion: v1',
        'kind: Pod',
        'kind: List',
        'items:',
        'metadata:',
        'spec:',
        '- ',
        '? ',
        ': ',
        '&a ',
        '*a',
        '<<: ',
        '!!str ',
        '!!binary ',
        '|',
        '>-',
        '{',
        '}',
        '[',
        ']',
        ',',
        '"',
        "'",
        '#',
        '---',
        '...',
        '%YAML 1.1',
        '\n',
        '\n  ',
        '\n    ',
        '\t',
        '\u0000',
        '\u2028',
        '\uFEFF',
        '__proto__',
        'constructor',
        '.nan',
        '1e999',
        '0x1F',
        '0o17',
        '-0',
      ),
      fc.string({ unit: 'binary', maxLength: 4 }),
    ),
    { maxLength: 60 },
  )
  .map((it) => it.join(''));

/** A real manifest in which pieces are cut out, doubled or replaced. */
const broken = fc.constantFrom(...FILES).chain((text) =>
  fc
    .array(
      fc.record({
        at: fc.nat(text.length),
        length: fc.nat(40),
        by: fc.oneof(
          fc.constant(''),
          yamlish,
          fc.nat(text.length).map((from) => text.slice(from, from + 200)),
        ),
      }),
      { minLength: 1, maxLength: 4 },
    )
    .map((edits) => edits.reduce((it, { at, length, by }) => it.slice(0, at) + by + it.slice(at + length), text)),
);

describe('texts', () => {
  it('made of the pieces of YAML', () => {
    fc.assert(fc.property(yamlish, expectSoundness), { numRuns: 3000 });
  });

  it('of real manifests, broken', () => {
    fc.assert(fc.property(broken, expectSoundness), { numRuns: 150 });
  });

  it('of any bytes', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), expectSoundness), { numRuns: 1000 });
  });

  it('of any length of one piece', () => {
    const pieces = [
      '[',
      '{',
      '{"a":',
      '- ',
      '? ',
      '&a ',
      '!a ',
      '*a ',
      'a: ',
      '---\n',
      '...\n',
      '"',
      "'",
      '\n',
      '\t',
      '#\n',
      '%a b\n',
      ']',
      '}',
      ',',
      ':',
      'a\n',
      '- a\n',
      '|\n',
      '>\n',
      '\u2028',
      '<<: ',
      '{}',
      '[]',
      '1',
      '-',
      '\\',
    ];
    for (const piece of pieces) {
      const started = performance.now();
      expectSoundness(piece.repeat(Math.floor(100_000 / piece.length)));
      expectSoundness(`apiVersion: v1\nkind: ConfigMap\ndata:\n  a: ${piece.repeat(5_000)}`);
      expect(performance.now() - started, JSON.stringify(piece)).toBeLessThan(20_000);
    }
  }, 120_000);
});

describe('JSON', () => {
  const jsonish = fc
    .array(
      fc.constantFrom(
        '{',
        '}',
        '[',
        ']',
        ',',
        ':',
        '"a"',
        '"\\u0041"',
        '"\\x"',
        '"\\ud83d\\ude00"',
        '"',
        '\\',
        '1',
        '-',
        '0',
        '.5',
        'e3',
        'true',
        'false',
        'null',
        'nul',
        ' ',
        '\n',
        '\u00a0',
        '\u0001',
      ),
      { maxLength: 20 },
    )
    .map((it) => it.join(''));
  const dense = fc.jsonValue({ maxDepth: 4 }).map((it) => JSON.stringify(it));
  const spaced = fc.jsonValue({ maxDepth: 4 }).map((it) => JSON.stringify(it, null, 2));

  it('means what JSON.parse says, or is refused as it refuses', () => {
    fc.assert(
      fc.property(fc.oneof(jsonish, dense, spaced), (text) => {
        let expected: { readonly value: unknown } | undefined;
        try {
          expected = { value: JSON.parse(text) as unknown };
        } catch {
          expected = undefined;
        }
        const read = parseJsonTexts(text);
        const faults = read.flatMap((it) => it.faults);
        // Keys that are there twice, or __proto__, are ours alone to refuse.
        if (faults.some((it) => it.code !== 'syntax')) return;
        const [first] = read;
        if (expected !== undefined) {
          expect(faults).toEqual([]);
          expect([first?.value]).toEqual([expected.value]);
        } else if (read.length === 1) expect(faults).not.toEqual([]);
      }),
      { numRuns: 3000 },
    );
  });
});

describe('trees', () => {
  it('of any shape, under any kind', () => {
    fc.assert(
      fc.property(fc.constantFrom(...KINDS), fc.jsonValue(), (kind, tree) => {
        const result = decodeObject(kind, tree);
        if (!result.ok) expect(result.problems.length).toBeGreaterThan(0);
      }),
      { numRuns: 1000 },
    );
  });

  it('with the right names and anything below them', () => {
    const names = [
      ...new Set(
        KINDS.flatMap((kind) =>
          [...(kindSchema(kind)?.fields.values() ?? [])].flatMap((field) => [field.name, ...(field.message?.fields.keys() ?? [])]),
        ),
      ),
    ];
    const { tree } = fc.letrec<{ tree: unknown; leaf: unknown }>((tie) => ({
      tree: fc.oneof(
        { maxDepth: 5 },
        tie('leaf'),
        fc.array(tie('tree'), { maxLength: 3 }),
        fc.dictionary(fc.constantFrom(...names), tie('tree'), { maxKeys: 6 }),
      ),
      leaf: fc.jsonValue({ maxDepth: 1 }),
    }));
    fc.assert(
      fc.property(fc.constantFrom(...KINDS), tree, (kind, it) => {
        const result = decodeObject(kind, it);
        if (result.ok) expect(decodeObject(kind, toManifest(kind, result.object as never)).ok).toBe(true);
      }),
      { numRuns: 2000 },
    );
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });
});

describe('times', () => {
  it.each([
    ['2026-01-31T12:00:00Z', '2026-01-31T12:00:00Z'],
    ['2026-01-31T12:00:00.1Z', '2026-01-31T12:00:00.100Z'],
    ['2026-01-31T12:00:00.123456789Z', '2026-01-31T12:00:00.123456789Z'],
    ['2026-01-31T12:00:00.000000000Z', '2026-01-31T12:00:00Z'],
    ['2026-01-01T00:30:00+01:00', '2025-12-31T23:30:00Z'],
    ['2026-01-01T00:30:00-01:30', '2026-01-01T02:00:00Z'],
    ['0001-01-01T00:00:00Z', '0001-01-01T00:00:00Z'],
    ['9999-12-31T23:59:59Z', '9999-12-31T23:59:59Z'],
    ['2024-02-29T00:00:00Z', '2024-02-29T00:00:00Z'],
    ['2026-02-29T00:00:00Z', undefined],
    ['2026-13-01T00:00:00Z', undefined],
    ['2026-01-01T24:00:00Z', undefined],
    ['2026-01-01T00:00:60Z', undefined],
    ['2026-01-01T00:00:00', undefined],
    ['2026-01-01 00:00:00Z', undefined],
    ['2026-01-01t00:00:00z', undefined],
    ['2026-01-01T00:00:00+24:00', undefined],
    ['0001-01-01T00:00:00+01:00', undefined],
    ['9999-12-31T23:59:59-01:00', undefined],
    ['2026-01-01T00:00:00.1234567890Z', undefined],
    ['yesterday', undefined],
  ])('%s is %s', (text, expected) => {
    expect(canonicalTime(text)).toBe(expected);
  });

  it('micro-times have six digits and lose none', () => {
    expect(canonicalMicroTime('2026-01-01T00:00:00Z')).toBe('2026-01-01T00:00:00.000000Z');
    expect(canonicalMicroTime('2026-01-01T00:00:00.5+01:00')).toBe('2025-12-31T23:00:00.500000Z');
    expect(canonicalMicroTime('2026-01-01T00:00:00.1234567Z')).toBeUndefined();
  });
});
