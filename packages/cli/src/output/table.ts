// Tables as kubectl prints them: capitals above, no lines, three spaces between columns. What the columns are is the catalogue's
// business (packages/api/src/kinds).

import { printable } from './printable.js';

const GAP = 3;
/** No column is narrower, its gap included. */
const NARROWEST = 6;

/** Columns on a terminal that a text takes: marks that join the letter before take none, wide letters two. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const letter of text) {
    const code = letter.codePointAt(0) ?? 0;
    if (code < 0x300) width += 1;
    else if (/\p{Mark}|\u200d/u.test(letter)) width += 0;
    else
      width += /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}]/u.test(
        letter,
      )
        ? 2
        : 1;
  }
  return width;
}

/** On one line. */
function clean(cell: string): string {
  return printable(cell.replaceAll('\n', '\\n').replaceAll('\t', ' '));
}

/**
 * Prints rows as they come; a column never gets narrower, so that rows of a watch stay below one another.
 */
export class Table {
  readonly #headers: readonly string[];
  readonly #widths: number[];
  #headersPrinted: boolean;

  /** asGiven: headers that are no words in capitals, as those of top. */
  constructor(headers: readonly string[], options: { readonly noHeaders?: boolean; readonly asGiven?: boolean } = {}) {
    this.#headers = options.asGiven ? headers : headers.map((header) => header.toUpperCase());
    this.#headersPrinted = options.noHeaders === true;
    this.#widths = headers.map(() => NARROWEST);
  }

  /** The lines of these rows, below the headers where those were not printed yet. */
  render(rows: readonly (readonly string[])[]): string {
    const lines = rows.map((row) => row.map(clean));
    if (!this.#headersPrinted) {
      lines.unshift([...this.#headers]);
      this.#headersPrinted = true;
    }
    for (const line of lines) {
      for (const [i, cell] of line.entries()) this.#widths[i] = Math.max(this.#widths[i] ?? NARROWEST, displayWidth(cell) + GAP);
    }
    return lines
      .map((line) => {
        const cells = line.map((cell, i) =>
          i === line.length - 1 ? cell : cell + ' '.repeat((this.#widths[i] ?? NARROWEST) - displayWidth(cell)),
        );
        return `${cells.join('').trimEnd()}\n`;
      })
      .join('');
  }
}
