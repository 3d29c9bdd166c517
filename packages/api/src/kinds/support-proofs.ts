// Which end-to-end test proves which row of the support table, read from the titles of the tests: `it('PodSpec hostNetwork, PodSpec
// dnsPolicy: what is seen', ...)`. Pure: the texts of the files come from the caller.
import { type SupportRule, supportTable } from './support.js';

/** Where these tests are, from the root of the repository. */
export const FIELD_TESTS = 'test/e2e/fields';

/** The test that sends every refused field to a server; it makes its cases from the table itself. */
export const REFUSALS = 'refused';

/** Row ("PodSpec hostNetwork") -> name of the file without .test.ts. */
export type Proofs = ReadonlyMap<string, string>;

export const rowName = (rule: SupportRule): string => `${rule.scope} ${rule.path}`;

/** A row that lets at most one value through, the one that asks for what happens anyway, has nothing to show but its refusal. */
const refusesOnly = ({ support, except = [], exceptWhere }: SupportRule): boolean =>
  support === 'refused' && except.length <= 1 && exceptWhere === undefined;

const TITLE = /\b(?:it|test)\(\s*(['"`])((?:(?!\1).)*?): (?:(?!\1).)*?\1/g;

export interface ProofsFound {
  readonly proofs: Proofs;
  /** Rows that a title names and the table does not have. */
  readonly unknown: readonly string[];
}

/** files: name without .test.ts -> text. */
export function proofsIn(files: ReadonlyMap<string, string>): ProofsFound {
  const rows = new Set(supportTable.map(rowName));
  const proofs = new Map<string, string>();
  const unknown: string[] = [];
  for (const [file, text] of files) {
    for (const [, , names = ''] of text.matchAll(TITLE)) {
      for (const name of names.split(', ')) {
        if (rows.has(name)) proofs.set(name, proofs.get(name) ?? file);
        else unknown.push(`${file}: ${name}`);
      }
    }
  }
  if (files.has(REFUSALS)) {
    for (const rule of supportTable) {
      if (refusesOnly(rule) && !proofs.has(rowName(rule))) proofs.set(rowName(rule), REFUSALS);
    }
  }
  return { proofs, unknown };
}
