import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, it } from 'vitest';

/** Collections of the whole heap while 1 GiB goes by in buffers of 64 KiB, in a process of its own. */
function wholeCollections(tuned: boolean): number {
  const module = JSON.stringify(join(import.meta.dirname, 'young-buffers.ts'));
  const script = `
    import { PerformanceObserver, constants } from 'node:perf_hooks';
    ${tuned ? `import { collectBuffersYoung } from ${module}; collectBuffersYoung();` : ''}
    let count = 0;
    const observer = new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) if (entry.detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR) count++;
    });
    observer.observe({ entryTypes: ['gc'] });
    const inFlight = [];
    for (let i = 0; i < 16384; i++) {
      inFlight[i % 16] = Buffer.allocUnsafe(65536);
      if (i % 64 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await new Promise((resolve) => setImmediate(resolve));
    process.stdout.write(String(count));`;
  return Number(execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' }));
}

it('carries 1 GiB in buffers without collecting the whole heap again and again', () => {
  expect(wholeCollections(true)).toBeLessThanOrEqual(2);
  // What it is there for; should an engine do well by itself, this file can go.
  expect(wholeCollections(false)).toBeGreaterThan(5);
});
