// Says how something is getting on while the person waits: one line that is redrawn on a terminal, a new line for each change
// elsewhere. What is waited for is not known here.
import type { Io } from '../io.js';
import { printable } from './printable.js';
import { displayWidth } from './table.js';

const FRAMES = ['|', '/', '-', '\\'];
const FRAME_MS = 120;

export interface Progress {
  /** The newest word. The same word again says nothing. */
  say(text: string): void;
  /** A line that stays, above the live one. */
  line(text: string): void;
  /** Takes the live line away. */
  stop(): void;
}

/** Cuts what does not fit into the line. */
function fitting(text: string, width: number): string {
  if (displayWidth(text) <= width) return text;
  let cut = text;
  while (cut.length > 0 && displayWidth(cut) > width - 3) cut = cut.slice(0, -1);
  return `${cut}...`;
}

/** Progress on standard error. Must be stopped. */
export function startProgress(io: Pick<Io, 'err' | 'draw' | 'live' | 'columns' | 'system'>): Progress {
  let last = '';
  if (!io.live) {
    return {
      say(text) {
        if (text !== last) io.err(`${text}\n`);
        last = text;
      },
      line: (text) => io.err(`${text}\n`),
      stop() {},
    };
  }
  let frame = 0;
  let stopped = false;
  const draw = (): void => {
    if (last !== '') io.draw(`\r\u001b[K${FRAMES[frame % FRAMES.length]} ${fitting(printable(last), Math.max(20, io.columns()) - 3)}`);
  };
  const turn = (): void => {
    timer = io.system.timers.after(
      FRAME_MS,
      () => {
        frame++;
        draw();
        turn();
      },
      { background: true },
    );
  };
  let timer: { cancel(): void };
  turn();
  return {
    say(text) {
      if (stopped) return;
      last = text;
      draw();
    },
    line(text) {
      io.draw(`\r\u001b[K${printable(text)}\n`);
      if (!stopped) draw();
    },
    stop() {
      if (stopped) return;
      stopped = true;
      timer.cancel();
      if (last !== '') io.draw('\r\u001b[K');
    },
  };
}
