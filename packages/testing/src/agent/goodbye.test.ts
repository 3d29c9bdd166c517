// An agent that is told to stop, on a virtual clock: a restart says nothing, a host that shuts down does.
import { expect, it } from 'vitest';
import { world } from './harness.js';

it.each([
  ['a host that shuts down says goodbye before it closes', 'the host shuts down', 1],
  ['a mere restart says nothing', undefined, 0],
] as const)('%s', async (_, reason, times) => {
  const w = world();
  await w.system.advance(1_000);
  let ended = false;
  const stopping = w.agent.stop(reason).then(() => (ended = true));
  expect(await w.system.advance(2_000, () => ended)).toBe(true);
  await stopping;
  expect(w.server.received.filter((message) => message.$case === 'goodbye')).toHaveLength(times);
});
