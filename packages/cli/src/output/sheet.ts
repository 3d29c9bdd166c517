// A page of fields with values, nested by indentation, values below one another. Knows nothing of what it shows.
const STEP = 2;

type Line = { readonly indent: number; readonly name: string; readonly value: string } | { readonly indent: number; readonly raw: string };

export class Sheet {
  readonly #lines: Line[] = [];
  #indent = 0;

  field(name: string, value: string): void {
    const [first = '', ...more] = value.split('\n');
    this.#lines.push({ indent: this.#indent, name: `${name}:`, value: first });
    for (const line of more) this.#lines.push({ indent: this.#indent, name: '', value: line });
  }

  heading(name: string): void {
    this.#lines.push({ indent: this.#indent, raw: `${name}:` });
  }

  line(text: string): void {
    this.#lines.push({ indent: this.#indent, raw: text });
  }

  /** A table or other text with lines of its own, one step in. */
  table(text: string): void {
    for (const line of text.trimEnd().split('\n')) this.#lines.push({ indent: this.#indent + STEP, raw: line });
  }

  /** Values below one another; <none> where there are none. */
  list(name: string, values: readonly string[]): void {
    const [first, ...more] = values;
    this.field(name, first ?? '<none>');
    for (const value of more) this.#lines.push({ indent: this.#indent, name: '', value });
  }

  nested(inner: () => void): void {
    this.#indent += STEP;
    inner();
    this.#indent -= STEP;
  }

  text(): string {
    // Values of one level stand below one another.
    const widths = new Map<number, number>();
    for (const line of this.#lines)
      if ('name' in line) widths.set(line.indent, Math.max(widths.get(line.indent) ?? 0, line.name.length + 2));
    return this.#lines
      .map((line) => {
        const indent = ' '.repeat(line.indent);
        if ('raw' in line) return `${indent}${line.raw}`.trimEnd();
        return `${indent}${line.name.padEnd(widths.get(line.indent) ?? 0)}${line.value}`.trimEnd();
      })
      .map((line) => `${line}\n`)
      .join('');
  }
}
