// Which images may go when the disk is full. Only images that this agent itself pulled: it can pull them again. Those that were there before, and
// those that somebody loaded, are people's own, as the engine may be shared with them. Pure; who removes them is ../node/housekeeper.ts.

/** An image that a pull of this agent brought to the node. Times are ms since 1970. */
export interface PulledImage {
  /** The name it was pulled by. */
  readonly name: string;
  readonly id: string;
  readonly pulledAt: number;
  /** When a container of this node was last seen with it. */
  readonly usedAt: number;
}

export interface ImageGcSettings {
  /** Shares of the disk in use, percent: above high, images go until low is reached. 100: never. */
  readonly highPercent: number;
  readonly lowPercent: number;
  /** A younger image stays. */
  readonly minAgeMs: number;
}

/** The kubelet's. */
export const DEFAULT_IMAGE_GC: ImageGcSettings = { highPercent: 85, lowPercent: 80, minAgeMs: 120_000 };

/** What this agent has pulled, and when it was used; kept over restarts in the agent's state. */
export class PulledImages {
  private readonly byName = new Map<string, PulledImage>();

  get list(): readonly PulledImage[] {
    return [...this.byName.values()];
  }

  restore(images: readonly PulledImage[]): void {
    for (const image of images) this.byName.set(image.name, image);
  }

  /** A pull is done. before: id of what had this name until then; the same: it was there already, and stays whose it was. */
  pulled(name: string, before: string | undefined, id: string, now: number): void {
    if (before === id) return;
    this.byName.set(name, { name, id, pulledAt: now, usedAt: now });
  }

  /** Containers with these images were seen. */
  used(ids: ReadonlySet<string>, now: number): void {
    for (const image of this.byName.values()) if (ids.has(image.id)) this.byName.set(image.name, { ...image, usedAt: now });
  }

  forget(name: string): void {
    this.byName.delete(name);
  }
}

/** Those that may go, the longest unused first. inUse: ids that containers of the node have, whether they run or not. */
export function removable(
  images: readonly PulledImage[],
  inUse: ReadonlySet<string>,
  now: number,
  minAgeMs: number,
): readonly PulledImage[] {
  return images
    .filter(({ id, pulledAt }) => !inUse.has(id) && now - pulledAt >= minAgeMs)
    .toSorted((a, b) => a.usedAt - b.usedAt || a.pulledAt - b.pulledAt || (a.name < b.name ? -1 : 1));
}

/** Bytes to free so that the disk is filled to low again; 0: it is not filled above high. */
export function bytesToFree(totalBytes: number, availableBytes: number, { highPercent, lowPercent }: ImageGcSettings): number {
  const usedBytes = totalBytes - availableBytes;
  if (totalBytes <= 0 || usedBytes * 100 < totalBytes * highPercent || highPercent >= 100) return 0;
  return Math.max(0, Math.ceil(usedBytes - (totalBytes * lowPercent) / 100));
}
