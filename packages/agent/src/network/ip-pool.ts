// Gives pods their addresses out of the node's CIDR. Pure bookkeeping: who holds which address is remembered with the pods
// (../state/), the engine's own allocation is not trusted (it frees even a static address when a container stops).

export class IpPoolExhausted extends Error {
  override readonly name = 'IpPoolExhausted';
}

/** Addresses of one IPv4 CIDR without network, gateway (.1) and broadcast address. */
export class IpPool {
  private readonly base: number;
  private readonly size: number;
  private readonly held = new Map<string, string>();
  /** Addresses that somebody else in the engine uses, until when (monotonic ms). */
  private readonly avoided = new Map<string, number>();
  /** The last address given; the search goes on behind it, so that a freed address is not given again at once. */
  private last = 1;

  /** Throws TypeError where the text is no IPv4 CIDR of 4 to 65,536 addresses. */
  constructor(readonly cidr: string) {
    const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\/(\d{1,2})$/.exec(cidr);
    const parts = match?.slice(1).map(Number) ?? [];
    const [a = 256, b = 256, c = 256, d = 256, prefix = 0] = parts;
    if ([a, b, c, d].some((part) => part > 255) || prefix < 16 || prefix > 30)
      throw new TypeError(`not an IPv4 CIDR between /16 and /30: ${cidr}`);
    this.size = 2 ** (32 - prefix);
    const address = ((a * 256 + b) * 256 + c) * 256 + d;
    this.base = address - (address % this.size);
  }

  get gateway(): string {
    return this.text(1);
  }

  /** True where the address is one that this pool gives. */
  contains(ip: string): boolean {
    const offset = this.offset(ip);
    return offset !== undefined && offset > 1 && offset < this.size - 1;
  }

  /** The address of a pod that has one already. False where it is another pod's or not of this pool. */
  keep(owner: string, ip: string): boolean {
    const holder = this.held.get(ip);
    if (!this.contains(ip) || (holder !== undefined && holder !== owner)) return false;
    this.held.set(ip, owner);
    return true;
  }

  /** An address for a pod; the same one when it holds one. Throws IpPoolExhausted. */
  allocate(owner: string, now: number): string {
    for (const [ip, holder] of this.held) if (holder === owner) return ip;
    for (const [ip, until] of this.avoided) if (until <= now) this.avoided.delete(ip);
    const first = 2;
    const count = this.size - 3;
    for (let step = 0; step < count; step++) {
      const offset = first + ((this.last - first + 1 + step + count) % count);
      const ip = this.text(offset);
      if (this.held.has(ip) || this.avoided.has(ip)) continue;
      this.last = offset;
      this.held.set(ip, owner);
      return ip;
    }
    throw new IpPoolExhausted(`all ${count} addresses of ${this.cidr} are in use`);
  }

  release(owner: string): void {
    for (const [ip, holder] of this.held) if (holder === owner) this.held.delete(ip);
  }

  /** Somebody else uses this address: do not give it until then. */
  avoid(ip: string, until: number): void {
    this.avoided.set(ip, until);
  }

  private text(offset: number): string {
    const address = this.base + offset;
    return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join('.');
  }

  private offset(ip: string): number | undefined {
    const parts = ip.split('.').map(Number);
    if (parts.length !== 4 || parts.some((part) => !Number.isInteger(part) || part < 0 || part > 255)) return undefined;
    const [a = 0, b = 0, c = 0, d = 0] = parts;
    const offset = ((a * 256 + b) * 256 + c) * 256 + d - this.base;
    return offset >= 0 && offset < this.size ? offset : undefined;
  }
}
