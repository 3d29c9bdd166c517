// What a container wrote, from the engine's log files.
import type { LogOptions } from '../types.js';
import type { Engine } from './engine.js';
import type { ContainerInspect } from './engine-api.js';
import { toRuntimeError } from './engine-errors.js';
import { type OutputPart, plainOutput, splitFrames } from './frames.js';

/** Output from the log. follow: until the container ends. Ends without error when the signal is aborted. */
export async function* containerLogs(
  engine: Engine,
  containerId: string,
  options: LogOptions,
  signal: AbortSignal,
): AsyncGenerator<OutputPart, void, void> {
  const doing = `read the log of container ${containerId.slice(0, 12)}`;
  if (signal.aborted) return;
  try {
    // A terminal's output has no frames, and nothing in the stream tells.
    const path = `/containers/${encodeURIComponent(containerId)}`;
    const container = await engine.call<ContainerInspect>(doing, { method: 'GET', path: `${path}/json` });
    const query = {
      stdout: true,
      stderr: true,
      follow: options.follow,
      timestamps: options.timestamps,
      tail: options.tail ?? 'all',
      since: options.since === undefined ? undefined : sinceParameter(options.since),
    };
    const answer = await engine.stream(doing, { method: 'GET', path: `${path}/logs`, query, signal });
    try {
      yield* container.Config.Tty ? plainOutput(answer) : splitFrames(answer);
    } finally {
      answer.destroy();
    }
  } catch (error) {
    if (signal.aborted) return;
    throw toRuntimeError(error, doing);
  }
}

/** ms as the engine wants it: seconds, a point, nine digits. */
export function sinceParameter(ms: number): string {
  const whole = Math.floor(ms / 1000);
  const rest = Math.floor(ms) - whole * 1000;
  return `${whole}.${String(rest).padStart(3, '0')}000000`;
}
