import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { NodeSelectorRequirement } from './gen/podplane/core/v1/scheduling.js';
import {
  compileLabelMap,
  compileLabelSelector,
  compileNodeSelector,
  compileRequirements,
  type LabelRequirement,
  type Labels,
  labelSelectorText,
  parseLabelSelector,
  requirementsText,
  SelectorError,
} from './selectors.js';
import { compileFieldSelector, type FieldRequirement, fieldRequirementsText, parseFieldSelector } from './selectors-field.js';

const labels = { app: 'web', tier: 'front', n: '5', empty: '' };

describe('label selectors as text', () => {
  test.each([
    ['', true],
    [' ', true],
    ['app=web', true],
    ['app==web', true],
    ['app=db', false],
    ['app!=db', true],
    ['app!=web', false],
    ['missing!=web', true],
    ['app', true],
    ['missing', false],
    ['!missing', true],
    ['! app', false],
    ['app in (db, web)', true],
    ['app in (db)', false],
    ['app notin (db)', true],
    ['app notin (db,web)', false],
    ['missing notin (db)', true],
    ['app in (web),tier=front,!missing', true],
    ['app in (web),tier=back', false],
    ['empty=', true],
    ['empty', true],
    ['app=', false],
    ['app in (web,)', true],
    ['empty in ()', true],
    ['n>4', true],
    ['n>5', false],
    ['n<6,n > 1', true],
    ['app>1', false],
    ['missing>1', false],
    ['toString', false],
    ['constructor!=x', true],
    ['in in (in)', false],
    ['  app  =  web  ', true],
  ])('%j: %s', (text, expected) => {
    const requirements = parseLabelSelector(text);
    expect(compileRequirements(requirements)(labels)).toBe(expected);
    expect(parseLabelSelector(requirementsText(requirements))).toEqual(requirements);
  });

  test.each([
    ['=web', 0],
    ['app=web,', 8],
    [',app=web', 0],
    ['app=web tier=front', 8],
    ['app in web', 7],
    ['app in (web', 11],
    ['app in', 6],
    ['app=(web)', 4],
    ['app is web', 4],
    ['!', 1],
    ['!app=web', 4],
    ['a/b/c=d', 0],
    ['-app=web', 0],
    ['app=-web', 4],
    [`app=${'x'.repeat(64)}`, 4],
    ['n>x', 2],
    ['n>', 2],
    ['app=web;x', 4],
    ['app===web', 5],
  ])('%j is refused at %d', (text, at) => {
    let error: unknown;
    try {
      parseLabelSelector(text);
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(SelectorError);
    expect(error).toMatchObject({ at, selector: text });
  });

  const key = fc.constantFrom('app', 'tier', 'example.com/x', 'in', 'notin', 'A_b.c-1');
  const value = fc.constantFrom('', 'web', 'db', 'x.y-z_1', '12', 'in');
  const requirement: fc.Arbitrary<LabelRequirement> = fc.oneof(
    fc.record({ key, operator: fc.constantFrom('Exists' as const, 'DoesNotExist' as const), values: fc.constant([]) }),
    fc.record({ key, operator: fc.constantFrom('Equals' as const, 'NotEquals' as const), values: fc.tuple(value) }),
    fc.record({ key, operator: fc.constantFrom('Gt' as const, 'Lt' as const), values: fc.tuple(fc.nat().map(String)) }),
    fc.record({
      key,
      operator: fc.constantFrom('In' as const, 'NotIn' as const),
      values: fc.uniqueArray(value, { minLength: 1 }).map((values) => values.sort()),
    }),
  );
  const someLabels: fc.Arbitrary<Labels> = fc.dictionary(key, value);

  test('printing and reading give the same requirements', () => {
    fc.assert(
      fc.property(fc.array(requirement), (requirements) => {
        expect(parseLabelSelector(requirementsText(requirements))).toEqual(requirements);
      }),
    );
  });

  test('an operator and its opposite never agree; several are all of them', () => {
    const opposite = {
      Exists: 'DoesNotExist',
      DoesNotExist: 'Exists',
      Equals: 'NotEquals',
      NotEquals: 'Equals',
      In: 'NotIn',
      NotIn: 'In',
      Gt: 'Gt',
      Lt: 'Lt',
    } as const;
    fc.assert(
      fc.property(requirement, requirement, someLabels, (a, b, on) => {
        if (a.operator !== 'Gt' && a.operator !== 'Lt') {
          expect(compileRequirements([{ ...a, operator: opposite[a.operator] }])(on)).toBe(!compileRequirements([a])(on));
        }
        expect(compileRequirements([a, b])(on)).toBe(compileRequirements([a])(on) && compileRequirements([b])(on));
      }),
    );
  });

  test('any text is read or refused with a SelectorError', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[a-c=!(),<> in]{0,20}$/)), (text) => {
        try {
          const requirements = parseLabelSelector(text);
          expect(parseLabelSelector(requirementsText(requirements))).toEqual(requirements);
        } catch (error) {
          expect(error).toBeInstanceOf(SelectorError);
        }
      }),
    );
  });
});

describe('label selectors in manifests', () => {
  const selector = (matchLabels: Labels, ...matchExpressions: { key: string; operator: string; values: string[] }[]) => ({
    matchLabels,
    matchExpressions,
  });

  test.each([
    [selector({}), true],
    [selector({ app: 'web' }), true],
    [selector({ app: 'web', tier: 'back' }), false],
    [selector({ app: 'web' }, { key: 'tier', operator: 'In', values: ['front'] }), true],
    [selector({}, { key: 'tier', operator: 'NotIn', values: ['front'] }), false],
    [selector({}, { key: 'missing', operator: 'DoesNotExist', values: [] }), true],
    [selector({}, { key: 'app', operator: 'Exists', values: [] }), true],
    // What is no operator of label selectors matches nothing rather than everything.
    [selector({ app: 'web' }, { key: 'n', operator: 'Gt', values: ['1'] }), false],
    [selector({ app: 'web' }, { key: 'n', operator: 'Like', values: ['1'] }), false],
  ])('%j: %s', (given, expected) => {
    expect(compileLabelSelector(given)(labels)).toBe(expected);
  });

  test('none matches nothing; a plain map is all its labels', () => {
    expect(compileLabelSelector(undefined)(labels)).toBe(false);
    expect(compileLabelMap({ app: 'web', tier: 'front' })(labels)).toBe(true);
    expect(compileLabelMap({ app: 'web', tier: 'back' })(labels)).toBe(false);
    expect(labelSelectorText(selector({ b: '1', a: '2' }, { key: 'c', operator: 'In', values: ['x', 'y'] }))).toBe('a=2,b=1,c in (x,y)');
    expect(labelSelectorText(selector({}))).toBe('<none>');
  });
});

describe('node selectors', () => {
  const node = { name: 'n1', labels: { zone: 'a', cpus: '8' } };
  const one = (key: string, operator: string, ...values: string[]): NodeSelectorRequirement => ({ key, operator, values });
  const term = (matchExpressions: NodeSelectorRequirement[], matchFields: NodeSelectorRequirement[] = []) => ({
    matchExpressions,
    matchFields,
  });

  test.each([
    [[], false],
    [[term([])], false],
    [[term([one('zone', 'In', 'a', 'b')])], true],
    [[term([one('zone', 'In', 'c')]), term([one('cpus', 'Gt', '4')])], true],
    [[term([one('zone', 'In', 'a'), one('cpus', 'Lt', '8')])], false],
    [[term([one('gpu', 'DoesNotExist')])], true],
    [[term([], [one('metadata.name', 'In', 'n1')])], true],
    [[term([], [one('metadata.name', 'NotIn', 'n1')])], false],
    [[term([one('zone', 'In', 'b')], [one('metadata.name', 'In', 'n1')])], false],
    [[term([one('zone', 'Near', 'a')])], false],
  ])('%j: %s', (nodeSelectorTerms, expected) => {
    expect(compileNodeSelector({ nodeSelectorTerms })(node)).toBe(expected);
  });

  test('none: every node', () => {
    expect(compileNodeSelector(undefined)(node)).toBe(true);
  });
});

describe('field selectors', () => {
  const readers = {
    'metadata.name': (one: { name: string; phase: string }) => one.name,
    'status.phase': (one: { name: string; phase: string }) => one.phase,
  };
  const object = { name: 'a,b=c', phase: 'Running' };

  test.each([
    ['', true],
    ['status.phase=Running', true],
    ['status.phase==Running', true],
    ['status.phase!=Running', false],
    ['status.phase!=Failed,status.phase!=Succeeded', true],
    ['status.phase=', false],
    ['metadata.name=a\\,b\\=c', true],
    ['metadata.name=a\\,b\\=c,status.phase=Pending', false],
  ])('%j: %s', (text, expected) => {
    const requirements = parseFieldSelector(text);
    expect(compileFieldSelector(requirements, readers)(object)).toBe(expected);
    expect(parseFieldSelector(fieldRequirementsText(requirements))).toEqual(requirements);
  });

  test.each(['status.phase', '=x', 'a=b=c', 'a=\\x', 'a=b,c', 'a>b'])('%j is refused', (text) => {
    expect(() => parseFieldSelector(text)).toThrow(SelectorError);
  });

  test('a field that the kind does not have is refused, with those it has', () => {
    for (const field of ['spec.image', 'toString', '__proto__']) {
      expect(() => compileFieldSelector(parseFieldSelector(`${field}=x`), readers)).toThrow(
        `field label not supported: ${field}; supported: metadata.name, status.phase`,
      );
    }
  });

  test('printing and reading give the same requirements, whatever the value', () => {
    const requirement: fc.Arbitrary<FieldRequirement> = fc.record({
      field: fc.constantFrom('a', 'status.phase'),
      operator: fc.constantFrom('=', '!='),
      value: fc.string(),
    });
    fc.assert(
      fc.property(fc.array(requirement), (requirements) => {
        expect(parseFieldSelector(fieldRequirementsText(requirements))).toEqual(requirements);
      }),
    );
  });
});
