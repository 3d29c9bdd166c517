// The flags of `podplane agent` about what pods get of the node, and what it does when it runs short: named and meant as the kubelet's.
import { DEFAULT_IMAGE_GC } from '@podplane/agent/images/image-gc';
import type { CareSettings } from '@podplane/agent/node/node-care';
import { DEFAULT_EVICTION_HARD, DEFAULT_TRANSITION_MS, parseThresholds, type Threshold } from '@podplane/agent/node/thresholds';
import { milliValue, tryParseQuantity, wholeValue } from '@podplane/api/quantity';
import { type Command, InvalidArgumentError } from 'commander';
import { durationOption } from '../time.js';

export interface CareFlags {
  readonly evictionHard?: readonly Threshold[];
  readonly evictionPressureTransitionPeriod?: number;
  readonly imageGcHighThreshold?: number;
  readonly imageGcLowThreshold?: number;
  readonly minimumImageTtlDuration?: number;
}

/** Adds the flags to the command. */
export function careOptions(command: Command): Command {
  return command
    .option('--eviction-hard <thresholds>', `what counts as short (default: ${DEFAULT_EVICTION_HARD}; "" for never)`, thresholdsOption)
    .option(
      '--eviction-pressure-transition-period <duration>',
      'how long a condition stays after its shortage (default: 5m)',
      durationOption,
    )
    .option(
      '--image-gc-high-threshold <percent>',
      'disk in use above which images are removed that this agent pulled (default: 85; 100: never)',
      percentOption,
    )
    .option('--image-gc-low-threshold <percent>', 'disk in use down to which they are removed (default: 80)', percentOption)
    .option('--minimum-image-ttl-duration <duration>', 'how long an image stays at least (default: 2m)', durationOption);
}

/** What the flags say; where they say nothing, as the kubelet. Throws InvalidArgumentError where they do not fit together. */
export function careOf(flags: CareFlags): CareSettings {
  const highPercent = flags.imageGcHighThreshold ?? DEFAULT_IMAGE_GC.highPercent;
  const lowPercent = flags.imageGcLowThreshold ?? Math.min(DEFAULT_IMAGE_GC.lowPercent, highPercent);
  if (lowPercent > highPercent) throw new InvalidArgumentError('--image-gc-low-threshold must not be above --image-gc-high-threshold.');
  return {
    pressure: {
      thresholds: flags.evictionHard ?? parseThresholds(DEFAULT_EVICTION_HARD),
      transitionMs: flags.evictionPressureTransitionPeriod ?? DEFAULT_TRANSITION_MS,
    },
    imageGc: { highPercent, lowPercent, minAgeMs: flags.minimumImageTtlDuration ?? DEFAULT_IMAGE_GC.minAgeMs },
  };
}

export interface Reserved {
  readonly cpuMillis: number;
  readonly memoryBytes: number;
}

/** "cpu=500m,memory=1Gi", either of them or both, as the kubelet's --system-reserved. */
export function reservedOption(text: string): Reserved {
  const found = new Map<string, number>();
  for (const part of text.split(',')) {
    const [name = '', value = '', more] = part.split('=').map((one) => one.trim());
    if ((name !== 'cpu' && name !== 'memory') || more !== undefined)
      throw new InvalidArgumentError(`"${part}": it must be cpu=AMOUNT or memory=AMOUNT, as in cpu=500m,memory=1Gi.`);
    if (found.has(name)) throw new InvalidArgumentError(`${name} is given twice.`);
    const quantity = tryParseQuantity(value);
    if (quantity === undefined || quantity.nano < 0n) throw new InvalidArgumentError(`"${part}": "${value}" is no amount.`);
    found.set(name, name === 'cpu' ? milliValue(value) : wholeValue(value));
  }
  return { cpuMillis: found.get('cpu') ?? 0, memoryBytes: found.get('memory') ?? 0 };
}

function thresholdsOption(text: string): readonly Threshold[] {
  try {
    return parseThresholds(text);
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? error.message : String(error));
  }
}

function percentOption(text: string): number {
  const percent = Number(text);
  if (!/^\d+$/.test(text) || percent > 100) throw new InvalidArgumentError('Use a percentage from 0 to 100, without the sign.');
  return percent;
}
