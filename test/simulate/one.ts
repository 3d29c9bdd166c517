// One seed as the command's options say.
import { PLANTS } from '@podplane/testing/simulation/plants';
import { type SimulationOptions, type SimulationResult, simulate } from '@podplane/testing/simulation/simulation';
import type { CommandOptions } from './options.js';

/** Mean time between two things that people do, ms. */
const ACT_EVERY_MS = 5_000;

export function runSeed(seed: number, options: CommandOptions): Promise<SimulationResult> {
  const run: SimulationOptions = {
    seed,
    nodes: options.nodes,
    troubleMs: options.hours * 3_600_000,
    faultEveryMs: options.faultSeconds === 0 ? undefined : options.faultSeconds * 1000,
    actEveryMs: ACT_EVERY_MS,
    actMs: options.actHours === undefined ? undefined : options.actHours * 3_600_000,
    plant: PLANTS.find(({ name }) => name === options.plant),
  };
  return simulate(run);
}
