import { describe, expect, it } from 'vitest';
import { bytesToFree, PulledImages, removable } from './image-gc.js';

describe('images that may go', () => {
  const images = new PulledImages();
  images.pulled('a:1', undefined, 'A', 1_000);
  images.pulled('b:1', 'B-before', 'B', 2_000);
  images.pulled('there:1', 'T', 'T', 1_000); // the pull found nothing new: it was somebody's
  images.pulled('young:1', undefined, 'Y', 100_000);
  images.used(new Set(['A']), 50_000);
  const names = (inUse: readonly string[], now: number): string[] =>
    removable(images.list, new Set(inUse), now, 60_000).map(({ name }) => name);

  it('are those that this agent pulled, the longest unused first', () => {
    expect(names([], 1_000_000)).toEqual(['b:1', 'a:1', 'young:1']);
  });
  it('are not in use, and not young', () => {
    expect(names(['A'], 1_000_000)).toEqual(['b:1', 'young:1']);
    expect(names([], 150_000)).toEqual(['b:1', 'a:1']);
    expect(names([], 3_000)).toEqual([]);
  });
  it('are remembered over a restart', () => {
    const again = new PulledImages();
    again.restore(images.list);
    expect(again.list).toEqual(images.list);
    again.forget('a:1');
    expect(again.list.map(({ name }) => name)).toEqual(['b:1', 'young:1']);
  });
});

it('a disk that is filled above the high mark is emptied to the low one', () => {
  const settings = { highPercent: 85, lowPercent: 80, minAgeMs: 0 };
  expect(bytesToFree(1000, 160, settings)).toBe(0);
  expect(bytesToFree(1000, 150, settings)).toBe(50);
  expect(bytesToFree(1000, 0, settings)).toBe(200);
  expect(bytesToFree(0, 0, settings)).toBe(0);
  expect(bytesToFree(1000, 0, { ...settings, highPercent: 100 })).toBe(0);
});
