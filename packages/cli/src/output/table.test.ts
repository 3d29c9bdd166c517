import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { displayWidth, Table } from './table.js';

describe('Table', () => {
  it('prints as kubectl does', () => {
    const text = new Table(['Name', 'Ready', 'Status', 'Restarts', 'Age']).render([
      ['web-5d8b7-abcde', '2/2', 'Running', '0', '5m3s'],
      ['web-5d8b7-x', '0/2', 'CrashLoopBackOff', '12 (3s ago)', '5m3s'],
    ]);
    expect(text).toBe(
      'NAME              READY   STATUS             RESTARTS      AGE\n' +
        'web-5d8b7-abcde   2/2     Running            0             5m3s\n' +
        'web-5d8b7-x       0/2     CrashLoopBackOff   12 (3s ago)   5m3s\n',
    );
  });

  it('prints headers once, and never makes a column narrower', () => {
    const table = new Table(['Name', 'Age']);
    expect(table.render([['a-long-name', '1s']])).toBe('NAME          AGE\na-long-name   1s\n');
    expect(table.render([['b', '2s']])).toBe('b             2s\n');
  });

  it('leaves headers out where asked', () => {
    expect(new Table(['Name', 'Age'], { noHeaders: true }).render([['a', '1s']])).toBe('a     1s\n');
  });

  it('keeps text that would move the cursor on its line', () => {
    expect(new Table(['Message'], { noHeaders: true }).render([['one\ntwo\u001b[31m\u0007']])).toBe('one\\ntwo^[[31m^G\n');
  });

  it('counts wide letters twice and marks not at all', () => {
    expect(displayWidth('日本')).toBe(4);
    expect(displayWidth('e\u0301')).toBe(1);
  });

  it('starts every cell of a column at one place', () => {
    const word = fc.stringMatching(/^[a-z0-9/-]{0,30}$/);
    fc.assert(
      fc.property(fc.array(fc.tuple(word, word, word), { minLength: 1, maxLength: 20 }), (rows) => {
        const lines = new Table(['First', 'Second', 'Third']).render(rows).split('\n').slice(0, -1);
        const second = lines[0]?.indexOf('SECOND') ?? 0;
        const third = lines[0]?.indexOf('THIRD') ?? 0;
        for (const [i, row] of rows.entries()) {
          const line = (lines[i + 1] ?? '').padEnd(third + 40);
          expect(line.slice(0, second).trimEnd()).toBe(row[0]);
          expect(line.slice(second, third).trimEnd()).toBe(row[1]);
          expect(line.slice(third).trimEnd()).toBe(row[2]);
        }
      }),
    );
  });
});
