// The page docs/support.md, as text: which fields of manifests work. What it says comes from support.ts, and who proves it from the
// titles of the tests (support-proofs.ts).

import { type SupportRule, type SupportScope, supportTable } from './support.js';
import { FIELD_TESTS, type Proofs, rowName } from './support-proofs.js';

const titles: Partial<Record<SupportScope, string>> = {
  PodSpec: 'Pods: `spec` (of pods, and of the templates of workloads)',
  Container: 'Containers: `spec.containers[]` and `spec.initContainers[]`',
};

/** One cell: what happens to the field. */
function stateText({ support, except, exceptWhere, note }: SupportRule): string {
  const values = except === undefined || except.length === 0 ? '' : except.map((one) => `\`${JSON.stringify(one)}\``).join(', ');
  const parts: string[] = [];
  if (support === 'supported') parts.push('works');
  if (support === 'warned')
    parts.push(
      values === '' ? 'accepted with a warning, without effect' : `accepted with a warning, without effect (${values}: no warning)`,
    );
  if (support === 'refused' && exceptWhere !== undefined)
    parts.push(`works where \`${exceptWhere[0]}\` is \`${exceptWhere[1]}\`, else refused`);
  else if (support === 'refused') parts.push(values === '' ? 'refused' : `only ${values}; all else refused`);
  if (note !== '') parts.push(note);
  return parts.join(': ');
}

/** Where a row is proven: a link to the test on real Docker (or, of a refusal, against a real server), or nothing. */
function proofText(rule: SupportRule, proofs: Proofs): string {
  const file = proofs.get(rowName(rule));
  return file === undefined ? '' : `[${file}](../${FIELD_TESTS}/${file}.test.ts)`;
}

function section(scope: SupportScope, rules: readonly SupportRule[], proofs: Proofs): string {
  const lines = rules
    .toSorted((a, b) => (a.path < b.path ? -1 : 1))
    .map((rule) => `| \`${rule.path.replace('{}', '[*]')}\` | ${stateText(rule)} | ${proofText(rule, proofs)} |`);
  return [`## ${titles[scope] ?? scope}`, '', '| field | | proven by |', '|---|---|---|', ...lines, ''].join('\n');
}

/** The whole page. */
export function supportMatrix(proofs: Proofs): string {
  const scopes = [...new Set(supportTable.map((rule) => rule.scope))];
  const order: SupportScope[] = ['PodSpec', 'Container', ...scopes.filter((one) => one !== 'PodSpec' && one !== 'Container').sort()];
  const works = supportTable.filter((rule) => rule.support === 'supported').length;
  return [
    '<!-- Made by packages/api/scripts/support-matrix.mjs from packages/api/src/kinds/support.ts. Do not edit. -->',
    '',
    '# Which fields of manifests work',
    '',
    'Every field of every kind is here, or one above it. A field that does not work is refused by its path, or accepted with a',
    'warning where that does no harm; nothing is ignored silently. `metadata` works in all kinds.',
    '',
    `${works} of ${supportTable.length} entries work without limits. The last column names the end-to-end test that shows it; a row that`,
    `is only refused is proven by the test \`refused\`, which sends each such field to a real server.`,
    '',
    ...order.map((scope) =>
      section(
        scope,
        supportTable.filter((rule) => rule.scope === scope),
        proofs,
      ),
    ),
  ].join('\n');
}
