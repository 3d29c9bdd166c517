// How much of what a container writes the engine keeps. Pure. Reading it is logs.ts.
import type { HostConfig } from './engine-api.js';

export interface LogLimits {
  /** Of one file; the engine begins the next one when it is full. */
  readonly maxBytes: number;
  /** With the one that is written to. At least 2: with one alone all of it would be gone at each new beginning. */
  readonly maxFiles: number;
}

/** The kubelet's containerLogMaxSize and containerLogMaxFiles. */
export const DEFAULT_LOG_LIMITS: LogLimits = { maxBytes: 10 * 1024 * 1024, maxFiles: 5 };

export function logConfig({ maxBytes, maxFiles }: LogLimits): NonNullable<HostConfig['LogConfig']> {
  return { Type: 'json-file', Config: { 'max-size': String(maxBytes), 'max-file': String(maxFiles) } };
}
