// What nodes are told about heartbeats and leases, and what that means for how soon one is missed.
import { defaultNodeLifecycleConfig, silenceOf } from '@podplane/controllers/node-lifecycle/config';
import { expect, test } from 'vitest';
import { DEFAULT_SESSION_TIMINGS, heartbeatPeriodOf, leaseOf } from './timings.js';

test.each([
  // nodes, period, silence, lease; ms
  [1, 1000, 3000, 15_000],
  [1000, 1000, 3000, 15_000],
  [3000, 1000, 3000, 15_000],
  [5000, 1667, 5001, 15_000],
  [10_000, 3334, 10_002, 16_670],
])('%d nodes beat every %d ms, are missed after %d ms, and have a lease of %d ms', (nodes, period, silence, lease) => {
  expect(heartbeatPeriodOf(DEFAULT_SESSION_TIMINGS, nodes)).toBe(period);
  expect(silenceOf(defaultNodeLifecycleConfig, period)).toBe(silence);
  expect(leaseOf(DEFAULT_SESSION_TIMINGS, nodes)).toBe(lease);
});

test('a lease always outlasts the silence after which a node is lost', () => {
  for (let nodes = 1; nodes < 100_000; nodes = Math.ceil(nodes * 1.5)) {
    const silence = silenceOf(defaultNodeLifecycleConfig, heartbeatPeriodOf(DEFAULT_SESSION_TIMINGS, nodes));
    expect(leaseOf(DEFAULT_SESSION_TIMINGS, nodes)).toBeGreaterThan(silence);
  }
});
