// The engine's events as hints that something happened to one of our containers. Whoever listens looks again; nothing is read off an event.
import type { IncomingMessage } from 'node:http';
import { isRuntimeError } from '../errors.js';
import { type ContainerHint, LABEL_NODE, LABEL_POD_UID } from '../types.js';
import type { Engine } from './engine.js';
import { toRuntimeError } from './engine-errors.js';
import { jsonLines } from './frames.js';

// What changes how a container stands. Not create (we did it), nor exec_* (every exec probe makes three of them).
const ACTIONS = ['start', 'die', 'oom', 'pause', 'unpause', 'destroy'];

/**
 * Hints until the signal. Events since the call are given, also those from before the connection stood: whoever calls this first and
 * lists then misses nothing. Ends when the connection does; throws where there is none to begin with.
 */
export function watchContainers(engine: Engine, nodeName: string, signal: AbortSignal): AsyncIterable<ContainerHint> {
  const since = (engine.system.clock.now() / 1000).toFixed(3);
  return hints(engine, nodeName, since, signal);
}

async function* hints(engine: Engine, nodeName: string, since: string, signal: AbortSignal): AsyncGenerator<ContainerHint, void, void> {
  if (signal.aborted) return;
  let answer: IncomingMessage;
  try {
    const filters = { type: ['container'], event: ACTIONS, label: [`${LABEL_NODE}=${nodeName}`] };
    answer = await engine.stream('watch containers', { method: 'GET', path: '/events', query: { since, filters }, signal });
  } catch (error) {
    if (signal.aborted) return;
    throw error;
  }
  try {
    for await (const value of jsonLines(answer)) {
      const hint = decode(value);
      if (hint) yield hint;
    }
  } catch (error) {
    // The connection broke, or was told to: the listener relists either way.
    if (signal.aborted || isRuntimeError(toRuntimeError(error, 'watch containers'), 'unreachable')) return;
    throw toRuntimeError(error, 'watch containers');
  } finally {
    answer.destroy();
  }
}

function decode(value: unknown): ContainerHint | undefined {
  const event = value as {
    readonly Action?: unknown;
    readonly Actor?: { readonly ID?: unknown; readonly Attributes?: Readonly<Record<string, unknown>> };
  } | null;
  const id = event?.Actor?.ID;
  const action = event?.Action;
  if (typeof id !== 'string' || typeof action !== 'string') return undefined;
  const podUid = event?.Actor?.Attributes?.[LABEL_POD_UID];
  return { containerId: id, podUid: typeof podUid === 'string' ? podUid : '', action };
}
