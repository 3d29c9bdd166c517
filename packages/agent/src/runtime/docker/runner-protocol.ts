// The words between the agent and the program that runs exec probes in a container (runner-code.ts): requests to bytes, bytes to answers.
// The bytes come out of a container: nothing about them is believed. Pure.
import { RUNNER_ENDED, RUNNER_FAILED, RUNNER_REQUEST_LIMIT } from './runner-code.js';

/** Kills the command that runs. */
export const KILL_REQUEST: Uint8Array = new Uint8Array(4);

/** A command as bytes; undefined: it is too long for the program. paths: tried one after the other. */
export function runRequest(paths: readonly string[], command: readonly string[]): Uint8Array | undefined {
  const texts = [...paths, ...command].map((text) => Buffer.from(`${text}\0`));
  // A text with NUL in it would end there: the engine must say what it thinks of it.
  if (texts.some((text) => text.indexOf(0) !== text.length - 1) || paths.length === 0 || command.length === 0) return undefined;
  const tableBytes = (texts.length + 2) * 8;
  const length = tableBytes + texts.reduce((sum, text) => sum + text.length, 0);
  if (length > RUNNER_REQUEST_LIMIT) return undefined;
  const request = Buffer.alloc(4 + length);
  request.writeUInt32LE(length, 0);
  let entry = 4;
  let place = tableBytes;
  for (const [i, text] of texts.entries()) {
    if (i === paths.length) entry += 8; // 0 ends the paths
    request.writeBigUInt64LE(BigInt(place), entry);
    text.copy(request, 4 + place);
    entry += 8;
    place += text.length;
  }
  return request;
}

const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Where a command is looked for, as the engine does it. searchPath: PATH of the container. */
export function pathsOf(program: string, searchPath: string | undefined): readonly string[] {
  if (program.includes('/')) return [program];
  return (searchPath || DEFAULT_PATH).split(':').map((folder) => `${folder === '' ? '.' : folder}/${program}`);
}

export type RunnerAnswer =
  | { readonly kind: 'output'; readonly data: Uint8Array }
  | { readonly kind: 'ended'; readonly exitCode: number }
  /** The container has no room for another process. */
  | { readonly kind: 'failed' };

/** No answer of ours has more output than this, bytes. */
const MAX_PART = 64 * 1024;

/** Cuts a stream of bytes into answers. Throws an Error where they are none. */
export class AnswerReader {
  private rest: Uint8Array = new Uint8Array();

  *take(data: Uint8Array): Generator<RunnerAnswer, void, void> {
    let bytes = Buffer.concat([this.rest, data]);
    while (bytes.length >= 4) {
      const word = bytes.readUInt32LE(0);
      if (word >= RUNNER_ENDED) {
        yield answerOf(word - RUNNER_ENDED);
        bytes = bytes.subarray(4);
        continue;
      }
      if (word > MAX_PART) throw new Error(`an answer of ${word} bytes: this is not the program that was started`);
      if (bytes.length < 4 + word) break;
      yield { kind: 'output', data: bytes.subarray(4, 4 + word) };
      bytes = bytes.subarray(4 + word);
    }
    this.rest = bytes;
  }
}

/** As wait(2) has it: a code, or the signal that ended it, which counts as 128 and its number. */
function answerOf(word: number): RunnerAnswer {
  if ((word & RUNNER_FAILED) !== 0) return { kind: 'failed' };
  const signal = word & 0x7f;
  return { kind: 'ended', exitCode: signal === 0 ? (word >> 8) & 0xff : 128 + signal };
}
