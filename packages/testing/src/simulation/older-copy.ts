// The fault in which somebody puts an older copy of the server's data back: all that happened since the copy was made is forgotten, by the
// server and by nobody else. Sometimes its clock is set back as well, as in a virtual machine that is rolled back.
import { controllerOf, isBeingDeleted } from '@podplane/api/pod-state';
import type { Asking } from './asking.js';
import type { ContainerChecks } from './container-checks.js';
import type { ControlPlane } from './control-plane.js';
import type { Dice } from './dice.js';
import type { DiskCopy } from './journal.js';
import type { SimulatedNetwork } from './network.js';

export interface OlderCopiesOptions {
  readonly dice: Dice;
  readonly server: ControlPlane;
  readonly network: SimulatedNetwork;
  readonly asking: Asking;
  /** The server's disk is what it was before. */
  readonly restored: (copy: DiskCopy) => void;
  readonly containers: Pick<ContainerChecks, 'epochsKnown'>;
}

const MOST_BACK_MS = 3_600_000;
/** Pods of StatefulSets that people delete in the time that is lost, so that it is about something. */
const REPLACED = 3;

export class OlderCopies {
  constructor(private readonly options: OlderCopiesOptions) {}

  /** The disk is copied now, and put back after keptMs while the server is down. end: the fault is over, whether or not it came to that. */
  strike(): { readonly keptMs: number; readonly end: () => void } {
    const { dice, server, network, restored, containers } = this.options;
    const { timers } = network.world;
    const copy = server.disk.copy();
    const keptMs = dice.chance(0.3) ? dice.between(200, 5_000) : dice.between(5_000, 60_000);
    let over = false;
    const still = (fn: () => void) => (): void => {
      if (!over) fn();
    };
    for (let i = 0; i < REPLACED; i++)
      timers.after(
        dice.between(0, Math.max(keptMs / 2, keptMs - 8_000)),
        still(() => this.replace()),
      );
    // Copies are made while the server stands still, if by those who know; and it starts again afterwards.
    if (dice.chance(0.5))
      timers.after(
        dice.between(1, keptMs / 3),
        still(() => {
          server.crash('reset', true);
          server.start();
        }),
      );
    timers.after(
      keptMs,
      still(() => {
        server.crash(dice.chance(0.5) ? 'reset' : 'silent', dice.chance(0.5));
        // What it said last is heard before anybody forgets it.
        timers.soon(() => {
          if (dice.chance(0.7) && containers.epochsKnown) server.machine.stepClock(-dice.between(1_000, MOST_BACK_MS));
          server.disk.putBack(copy);
          restored(copy);
        });
      }),
    );
    return { keptMs: keptMs + 1, end: () => void (over = true) };
  }

  private replace(): void {
    const { dice, server, asking } = this.options;
    const core = server.running;
    if (core?.process.running !== true) return;
    const pods = [...core.store.list('Pod')].filter((pod) => controllerOf(pod)?.kind === 'StatefulSet' && !isBeingDeleted(pod));
    const pod = dice.pick(pods);
    if (pod?.metadata !== undefined) asking.remove(core, 'Pod', pod.metadata, '');
  }
}
