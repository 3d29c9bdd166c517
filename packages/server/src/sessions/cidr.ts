// Arithmetic of IPv4 ranges and the giving out of one range to each node. Who asks is in node-object.ts.

export interface Cidr {
  /** First address, as a number. */
  readonly base: number;
  readonly bits: number;
}

/** undefined where the text is no IPv4 range, or names an address inside of one instead of its first. */
export function parseCidr(text: string): Cidr | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\/(\d{1,2})$/.exec(text);
  if (match === null) return undefined;
  const [a = 0, b = 0, c = 0, d = 0, bits = 0] = match.slice(1).map(Number);
  if (a > 255 || b > 255 || c > 255 || d > 255 || bits > 32) return undefined;
  const base = ((a * 256 + b) * 256 + c) * 256 + d;
  return base % 2 ** (32 - bits) === 0 ? { base, bits } : undefined;
}

export function formatCidr({ base, bits }: Cidr): string {
  return `${Math.floor(base / 2 ** 24)}.${Math.floor(base / 2 ** 16) % 256}.${Math.floor(base / 256) % 256}.${base % 256}/${bits}`;
}

export function contains(outer: Cidr, inner: Cidr): boolean {
  return inner.bits >= outer.bits && inner.base >= outer.base && inner.base < outer.base + 2 ** (32 - outer.bits);
}

/** Gives ranges of one size out of a larger one. Remembers who has which; what is true is what the Node objects say. */
export class CidrPool {
  private readonly step: number;
  private readonly size: number;
  private readonly holders = new Map<number, string>();
  private next = 0;

  /** nodeBits: size of one node's range (24: 256 addresses). Throws RangeError where it does not fit. */
  constructor(
    readonly cluster: Cidr,
    private readonly nodeBits: number,
  ) {
    if (nodeBits < cluster.bits || nodeBits > 29)
      throw new RangeError(`a node's range /${nodeBits} does not fit into ${formatCidr(cluster)}`);
    this.step = 2 ** (32 - nodeBits);
    this.size = 2 ** (nodeBits - cluster.bits);
  }

  /** Number of the range in the pool; undefined where it is none of the pool's. */
  private slot(text: string): number | undefined {
    const cidr = parseCidr(text);
    if (cidr === undefined || cidr.bits !== this.nodeBits || !contains(this.cluster, cidr)) return undefined;
    return (cidr.base - this.cluster.base) / this.step;
  }

  /** Notes that a node has a range. */
  hold(range: string, node: string): void {
    const slot = this.slot(range);
    if (slot !== undefined) this.holders.set(slot, node);
  }

  /** Notes that a node has it no longer. */
  release(range: string, node: string): void {
    const slot = this.slot(range);
    if (slot !== undefined && this.holders.get(slot) === node) this.holders.delete(slot);
  }

  clear(): void {
    this.holders.clear();
  }

  /** The wished range where it is free or already the node's, else the next free one; undefined: none left. Takes nothing. */
  pick(node: string, wish: string): string | undefined {
    const wished = this.slot(wish);
    if (wished !== undefined && (this.holders.get(wished) ?? node) === node) return wish;
    for (let i = 0; i < this.size; i++) {
      const slot = (this.next + i) % this.size;
      if (this.holders.has(slot)) continue;
      // Go on behind it: a range that was just given back may still have packets under way.
      this.next = (slot + 1) % this.size;
      return formatCidr({ base: this.cluster.base + slot * this.step, bits: this.nodeBits });
    }
    return undefined;
  }
}
