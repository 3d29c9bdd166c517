// The agent where Docker Engine hangs, fails, or lost what was prepared on it. On a virtual clock.
import { RuntimeError } from '@podplane/agent/runtime/errors';
import { afterEach, describe, expect, it } from 'vitest';
import { condition, testPod, type World, world } from './harness.js';

let w: World;
afterEach(async () => {
  await w.agent.stop();
});

/** A world with a pod that is Ready. */
async function readyPod(): Promise<ReturnType<typeof testPod>> {
  const pod = testPod('p');
  w.server.assign(pod);
  const uid = pod.metadata?.uid ?? '';
  expect(await w.system.advance(5_000, () => condition(w.server.status(uid), 'Ready') === 'True')).toBe(true);
  return pod;
}

describe('an engine that misbehaves', () => {
  it('prepares the node again when somebody removed its network or the pause image', async () => {
    w = world();
    await w.system.advance(100);
    w.runtime.fail('createPause', new RuntimeError('not-found', 'network podplane-n1 not found'));
    const prepared = w.runtime.calls.filter((call) => call.startsWith('prepareNode')).length;
    await readyPod();
    expect(w.runtime.calls.filter((call) => call.startsWith('prepareNode'))).toHaveLength(prepared + 1);
  });

  it('ends also while the engine hangs, and its state is written', async () => {
    w = world();
    await w.system.advance(100);
    const pod = await readyPod();
    w.runtime.latency.info = 3_600_000;
    w.runtime.stopEngine('live');
    w.runtime.startEngine();
    await w.system.advance(1_000);
    w.state.text = undefined;
    let ended = false;
    const stopping = w.agent.stop().then(() => (ended = true));
    expect(await w.system.advance(3_000, () => ended)).toBe(true);
    await stopping;
    expect(w.state.text).toContain(pod.metadata?.uid);
  });

  it('leaves no stream of hints behind when the containers cannot be listed', async () => {
    w = world();
    const signals: AbortSignal[] = [];
    const watch = w.runtime.watch.bind(w.runtime);
    w.runtime.watch = (node, signal) => {
      signals.push(signal);
      return watch(node, signal);
    };
    w.runtime.fail('listContainers', new RuntimeError('timeout', 'no answer'), 3);
    await w.system.advance(20_000);
    expect(signals.length).toBeGreaterThan(3);
    expect(signals.filter((signal) => !signal.aborted)).toHaveLength(1);
  });
});
