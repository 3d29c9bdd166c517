// What an agent that was started again finds of the one before it. How it is written is in records.ts.
import type { Clock } from '@podplane/api/system';
import type { Log } from '../log.js';
import { type AgentState, decodeState } from './records.js';
import type { StateStore } from './state-store.js';

/** undefined: there is nothing of this node that can be read; what cannot be is put aside. Throws where the file may not be read. */
export function loadState(store: StateStore, nodeName: string, clock: Clock, log: Log): AgentState | undefined {
  const text = store.load();
  if (text === undefined) return undefined;
  const state = decodeState(text, { wall: clock.now(), monotonic: clock.monotonic() });
  if (state === undefined) {
    store.setAside();
    return undefined;
  }
  if (state.nodeName !== nodeName) {
    log.warn({ was: state.nodeName, is: nodeName }, 'the state file is of another node name and is not used');
    return undefined;
  }
  return state;
}
