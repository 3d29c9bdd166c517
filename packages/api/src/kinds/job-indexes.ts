// Sets of indexes as jobs write them: "0,2-4". Reading and writing.

/** The indexes of a text, each below limit; undefined where it is no such text, or not in rising order. */
export function parseIndexes(text: string, limit: number): ReadonlySet<number> | undefined {
  const out = new Set<number>();
  let last = -1;
  if (text === '') return out;
  for (const part of text.split(',')) {
    const match = /^(\d{1,10})(?:-(\d{1,10}))?$/.exec(part);
    if (match === null) return undefined;
    const from = Number(match[1]);
    const to = match[2] === undefined ? from : Number(match[2]);
    if (from <= last || to < from || to >= limit) return undefined;
    for (let i = from; i <= to; i++) out.add(i);
    last = to;
  }
  return out;
}

/** "0,2-4": runs of three and more as ranges, two as two numbers, as Kubernetes writes them. */
export function indexesText(indexes: Iterable<number>): string {
  const sorted = [...indexes].sort((a, b) => a - b);
  const parts: string[] = [];
  for (let i = 0; i < sorted.length; ) {
    let end = i;
    while (sorted[end + 1] === (sorted[end] ?? 0) + 1) end++;
    const [from, to] = [sorted[i] ?? 0, sorted[end] ?? 0];
    if (end === i) parts.push(String(from));
    else parts.push(end === i + 1 ? `${from},${to}` : `${from}-${to}`);
    i = end + 1;
  }
  return parts.join(',');
}
