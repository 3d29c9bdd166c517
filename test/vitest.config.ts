// Tests of all packages run against the sources (condition podplane-source), so no build is needed for them. End-to-end tests start the built program.
import { defineConfig } from 'vitest/config';

const source = {
  resolve: { conditions: ['podplane-source'] },
  ssr: { resolve: { conditions: ['podplane-source'], externalConditions: ['podplane-source'] } },
};

// What they show ends in so many seconds of real time, which a busy machine would make it miss.
const ALONE = ['test/e2e/fencing.test.ts'];

export default defineConfig({
  ...source,
  test: {
    projects: [
      {
        ...source,
        test: {
          name: 'packages',
          root: new URL('..', import.meta.url).pathname,
          include: ['packages/*/src/**/*.test.ts', 'packages/*/scripts/**/*.test.ts', 'deploy/**/*.test.ts', 'test/chaos/**/*.test.ts'],
          pool: 'forks',
          testTimeout: 30_000,
        },
      },
      {
        ...source,
        test: {
          name: 'e2e',
          root: new URL('..', import.meta.url).pathname,
          include: ['test/e2e/**/*.test.ts'],
          exclude: ALONE,
          sequence: { groupOrder: 1 },
          pool: 'forks',
          // They wait more than they compute; each has a cluster of its own.
          maxWorkers: 2,
          testTimeout: 300_000,
          hookTimeout: 300_000,
        },
      },
      {
        ...source,
        test: {
          name: 'e2e-alone',
          root: new URL('..', import.meta.url).pathname,
          include: ALONE,
          sequence: { groupOrder: 2 },
          pool: 'forks',
          fileParallelism: false,
          testTimeout: 300_000,
          hookTimeout: 300_000,
        },
      },
    ],
  },
});
