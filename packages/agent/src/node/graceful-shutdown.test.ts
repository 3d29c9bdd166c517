// The order in which pods end when the host shuts down, and how the time is shared out.
import { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import { HandSystem } from '@podplane/store/testkit/hand-system';
import { describe, expect, it } from 'vitest';
import { CRITICAL_PRIORITY, type EndingPod, GracefulShutdown, phasesOf, type ShutdownLimits } from './graceful-shutdown.js';

const system = new HandSystem();
const log = { info: () => undefined, warn: () => undefined, error: () => undefined, debug: () => undefined } as never;

function pod(name: string, priority?: number, owner?: string): Pod {
  const ownerReferences = owner === undefined ? [] : [{ apiVersion: 'apps/v1', kind: owner, name: 'x', uid: 'x', controller: true }];
  return Pod.fromPartial({ metadata: { name, ownerReferences }, spec: { priority } });
}

const names = (pods: readonly { readonly pod: Pod | undefined }[]): string[] => pods.map((one) => one.pod?.metadata?.name ?? '');

describe('who ends when', () => {
  it.each<[string, Pod[], string[][]]>([
    ['all together where no priority is', [pod('a'), pod('b')], [['a', 'b']]],
    ['pods of DaemonSets last', [pod('d', undefined, 'DaemonSet'), pod('a', undefined, 'ReplicaSet')], [['a'], ['d']]],
    [
      'by rising priority, critical ones after all others',
      [pod('c', CRITICAL_PRIORITY), pod('high', 100), pod('low', -5), pod('zero'), pod('d', 0, 'DaemonSet'), pod('also', 100)],
      [['low'], ['zero'], ['high', 'also'], ['d'], ['c']],
    ],
    ['nobody', [], []],
  ])('%s', (_, pods, expected) => {
    expect(phasesOf(pods.map((one) => ({ pod: one }))).map((phase) => names(phase.pods))).toEqual(expected);
  });
});

/** A pod that takes takesMs from its turn to its end; killed at its limit. */
class Fake implements EndingPod {
  ended = false;
  held = false;
  began: number | undefined;
  limit = 0;

  constructor(
    readonly pod: Pod,
    private readonly takesMs: number,
    private readonly shutdown: () => GracefulShutdown,
  ) {}

  get terminated(): boolean {
    return this.ended;
  }

  end(graceSeconds: number): void {
    this.release('', '', graceSeconds * 1000);
  }

  hold(): void {
    this.held = true;
  }

  release(_reason: string, _message: string, limitMs: number): void {
    this.held = false;
    this.began = system.clock.monotonic();
    this.limit = limitMs;
    system.timers.after(Math.min(this.takesMs, limitMs), () => {
      this.ended = true;
      this.shutdown().noticed();
    });
  }
}

async function run(limits: ShutdownLimits, make: (fake: (one: Pod, takesMs: number) => Fake) => Fake[], told = true) {
  const session = { sayGoodbye: () => Promise.resolve(), told };
  const shutdown: GracefulShutdown = new GracefulShutdown({ system, log, pods: () => fakes, session });
  const fakes = make((one, takesMs) => new Fake(one, takesMs, () => shutdown));
  const began = system.clock.monotonic();
  let over: number | undefined;
  const running = shutdown.run(limits).then(() => (over = system.clock.monotonic() - began));
  for (let i = 0; i < 1000 && over === undefined; i++) await system.advance(100);
  await running;
  return {
    fakes,
    took: over ?? 0,
    begins: fakes.map((fake) => (fake.began ?? 0) - began),
    limits: fakes.map(({ limit }) => Math.round(limit)),
  };
}

describe('the time', () => {
  it('the next begin when those before have ended; critical ones have what is left', async () => {
    const { begins, limits, took } = await run({ totalMs: 30_000, criticalMs: 10_000 }, (fake) => [
      fake(pod('a'), 3_000),
      fake(pod('d', 0, 'DaemonSet'), 2_000),
    ]);
    expect(begins).toEqual([0, 3_000]);
    expect(limits).toEqual([20_000, 27_000]);
    expect(took).toBeLessThanOrEqual(5_100);
  });

  it('what does not end in its share is killed, and the others still have theirs', async () => {
    const { begins, limits, took } = await run({ totalMs: 9_000, criticalMs: 3_000 }, (fake) => [
      fake(pod('low'), 60_000),
      fake(pod('high', 10), 60_000),
      fake(pod('d', 0, 'DaemonSet'), 60_000),
    ]);
    expect(begins).toEqual([0, 3_000, 6_000]);
    expect(limits).toEqual([3_000, 3_000, 3_000]);
    expect(took).toBeLessThanOrEqual(9_100);
  });

  it('waits a little for the server to hear of it, and for nothing where nothing runs', async () => {
    expect((await run({ totalMs: 9_000, criticalMs: 3_000 }, () => [], false)).took).toBe(2_000);
    expect((await run({ totalMs: 9_000, criticalMs: 3_000 }, () => [])).took).toBeLessThanOrEqual(100);
  });
});
