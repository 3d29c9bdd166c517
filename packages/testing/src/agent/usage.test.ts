// Rates of CPU between questions, on a virtual clock.
import type { ContainerInfo } from '@podplane/agent/runtime/types';
import type { CgroupUsage } from '@podplane/agent/usage/cgroup-files';
import { type SampledContainer, UsageSampler } from '@podplane/agent/usage/sampler';
import { expect, it } from 'vitest';
import { VirtualSystem } from '../virtual-system.js';

const container = (id: string): SampledContainer => ({ podUid: 'p', container: id, info: { id, pid: 1 } as ContainerInfo });

function sampler(system: VirtualSystem, list: SampledContainer[], milli: () => number) {
  // Uses so many thousandths of a core all the time.
  const used = (): CgroupUsage => ({ cpuNanos: system.clock.monotonic() * 1000 * milli(), memoryBytes: 5 });
  return new UsageSampler({
    system,
    runtime: { usage: () => Promise.resolve(undefined) },
    containers: () => list,
    ofProcess: used,
    ofMachine: used,
  });
}

it('answers the first after a second, the next at once with the rate since then, and forgets what is old', async () => {
  const system = new VirtualSystem(1);
  const list = [container('a')];
  const usage = sampler(system, list, () => 250);
  const first = usage.report();
  await system.advance(999);
  await system.advance(1);
  expect(await first).toMatchObject({
    windowMillis: 1000,
    cpuNanoCores: 250_000_000,
    containers: [{ podUid: 'p', container: 'a', cpuNanoCores: 250_000_000, memoryBytes: 5 }],
  });
  await system.advance(30_000);
  list.push(container('new'));
  const next = await usage.report();
  expect(next.windowMillis).toBe(31_000);
  // Of what has just begun there is no rate.
  expect(next.containers.map(({ container: name }) => name)).toEqual(['a']);
  await system.advance(600_000);
  const late = usage.report();
  await system.advance(1_000);
  expect(await late).toMatchObject({ windowMillis: 1000, containers: [{ container: 'a' }, { container: 'new' }] });
});
