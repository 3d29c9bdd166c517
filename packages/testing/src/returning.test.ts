// What server and agent have to agree on about returning: no agent stays away for longer than the server waits for it.
import { LONGEST_ABSENCE_MS, Redial } from '@podplane/agent/session/redial';
import { defaultNodeLifecycleConfig } from '@podplane/controllers/node-lifecycle/config';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

/** Dials none of which is answered; how each ends, and whether there is a lease then, is drawn. */
const dials = fc.array(
  fc.record({
    how: fc.constantFrom('hangs', 'fails at once', 'is refused', 'is refused for a moment'),
    leased: fc.boolean(),
    luck: fc.double({ min: 0, max: 0.999, noNaN: true }),
  }),
  { minLength: 1, maxLength: 40 },
);

describe('an agent whose server is away', () => {
  it('dials again within the longest absence, whatever became of its dials before', () => {
    fc.assert(
      fc.property(dials, fc.integer({ min: 0, max: 600_000 }), (rounds, startedMs) => {
        let now = startedMs;
        let luck = 0;
        const redial = new Redial({
          clock: { now: () => now, monotonic: () => now },
          timers: { after: () => ({ cancel: () => undefined }), soon: () => undefined },
          random: { next: () => luck, uid: () => '', suffix: () => '' },
        });
        for (const round of rounds) {
          const dialledAt = now;
          luck = round.luck;
          const patience = redial.patience();
          switch (round.how) {
            case 'hangs':
              now += patience;
              now += redial.delay(round.leased);
              break;
            case 'fails at once':
              now += redial.delay(round.leased);
              break;
            case 'is refused':
              now += redial.afterRefusal('retry');
              break;
            default:
              now += redial.afterRefusal('soon');
          }
          expect(now - dialledAt).toBeLessThanOrEqual(LONGEST_ABSENCE_MS);
          expect(now).toBeGreaterThan(dialledAt);
        }
      }),
    );
  });

  it('is not given up by a server that has just started before it must have dialled', () => {
    expect(defaultNodeLifecycleConfig.returnMs).toBeGreaterThan(LONGEST_ABSENCE_MS);
  });
});
