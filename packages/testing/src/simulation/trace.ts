// What happened, folded into one number that is equal for equal runs, and its last lines for people.

const LINES = 400;

export class Trace {
  /** FNV-1a over all lines. */
  private folded = 0x811c9dc5;
  private readonly lines: string[] = [];
  private next = 0;
  count = 0;

  /** now: ms since the start of the world. */
  constructor(private readonly now: () => number) {}

  note(text: string): void {
    this.count++;
    let hash = this.folded;
    for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
    // The moment counts, too.
    this.folded = Math.imul(hash ^ Math.floor(this.now()), 0x01000193) >>> 0;
    this.lines[this.next] = `${(this.now() / 1000).toFixed(3).padStart(10)} s  ${text}`;
    this.next = (this.next + 1) % LINES;
  }

  get hash(): string {
    return this.folded.toString(16).padStart(8, '0');
  }

  /** The newest lines, oldest first. */
  last(count: number): readonly string[] {
    const ordered = [...this.lines.slice(this.next), ...this.lines.slice(0, this.next)];
    return ordered.slice(-count);
  }
}
