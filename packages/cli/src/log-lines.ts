// The lines of one container, made whole from the pieces that come over the network. While they are followed they are resumed at the
// right place when the connection breaks: every line is asked for with its time, which is taken off again where nobody wants it.
import type { LogsRequest } from '@podplane/api/gen/podplane/api/v1/pods';
import type { Cluster } from './cluster.js';
import { isNotFound, isUnreachable } from './failure.js';
import { type Io, pause } from './io.js';

/** A line without end is given out when it gets this long, so that memory stays bounded. */
const LONGEST_LINE = 1024 * 1024;
const RETRY_MS = 500;
const NEWLINE = 0x0a;
const SPACE = 0x20;
/** "2026-11-22T13:00:00.000000000Z" and offsets. */
const LONGEST_TIME = 40;

/** Cuts pieces into lines, line ends included. The last one may have none. */
export async function* lines(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const piece of pieces) {
    let data = rest.length === 0 ? Buffer.from(piece) : Buffer.concat([rest, piece]);
    for (let end = data.indexOf(NEWLINE); end >= 0; end = data.indexOf(NEWLINE)) {
      yield data.subarray(0, end + 1);
      data = data.subarray(end + 1);
    }
    if (data.length > LONGEST_LINE) {
      yield data;
      data = Buffer.alloc(0);
    }
    rest = data;
  }
  if (rest.length > 0) yield rest;
}

/** The time at the start of a line, and the line without it. time is empty where there is none. */
export function splitTime(line: Uint8Array): { readonly time: string; readonly text: Uint8Array } {
  const end = line.subarray(0, LONGEST_TIME).indexOf(SPACE);
  if (end <= 0) return { time: '', text: line };
  const time = Buffer.from(line.subarray(0, end)).toString('latin1');
  if (!/^\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)$/.test(time)) return { time: '', text: line };
  return { time, text: line.subarray(end + 1) };
}

/**
 * Lines of a container, with or without times, until it has ended or the signal aborts. With follow a broken connection is
 * resumed after the last line that was seen, once the server answers again; lost is told first.
 */
export async function* logLines(
  cluster: Cluster,
  io: Io,
  request: LogsRequest,
  signal: AbortSignal,
  lost: () => void,
): AsyncGenerator<Uint8Array> {
  if (!request.follow) return yield* lines(cluster.logs(request, signal));
  let left = request.limitBytes ?? Number.POSITIVE_INFINITY;
  let lastTime = '';
  // Lines that share the last time: those were seen and must not come twice.
  let sameTime = 0;
  for (;;) {
    const resumed = lastTime !== '';
    // What comes again: the time asked for counts in ms, lines have ns. Ends with the first line that is new.
    const seenUntil = lastTime;
    let skip = sameTime;
    let again = resumed;
    // The node would count the times that are taken off again.
    const { tailLines, sinceSeconds, limitBytes: _limit, ...rest } = request;
    const first = {
      ...rest,
      ...(tailLines === undefined ? {} : { tailLines }),
      ...(sinceSeconds === undefined ? {} : { sinceSeconds }),
    };
    const asked: LogsRequest = { ...(resumed ? { ...rest, sinceTime: lastTime } : first), timestamps: true };
    try {
      for await (const line of lines(cluster.logs(asked, signal))) {
        const { time, text } = splitTime(line);
        if (again && time !== '' && time < seenUntil) continue;
        if (again && time === seenUntil && skip > 0) {
          skip--;
          continue;
        }
        again = false;
        if (time === lastTime) sameTime++;
        else if (time !== '') {
          lastTime = time;
          sameTime = 1;
        }
        const wanted = request.timestamps ? line : text;
        yield wanted.length > left ? wanted.subarray(0, left) : wanted;
        left -= wanted.length;
        if (left <= 0) return;
      }
      return;
    } catch (error) {
      if (signal.aborted) return;
      if (resumed && isNotFound(error)) return; // the pod went meanwhile
      if (!request.follow || !isUnreachable(error)) throw error;
      lost();
      await pause(io, RETRY_MS, signal);
      if (signal.aborted) return;
    }
  }
}
