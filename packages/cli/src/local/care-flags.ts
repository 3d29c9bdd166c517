// The flags of `podplane agent` about what the node does when it runs short: named and meant as the kubelet's.
import { DEFAULT_IMAGE_GC } from '@podplane/agent/images/image-gc';
import type { CareSettings } from '@podplane/agent/node/node-care';
import { DEFAULT_EVICTION_HARD, DEFAULT_TRANSITION_MS, parseThresholds, type Threshold } from '@podplane/agent/node/thresholds';
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
