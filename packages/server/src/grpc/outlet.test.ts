import { EventEmitter } from 'node:events';
import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { inlet, Outlet } from './outlet.js';

/** A call whose buffer empties when told to. */
class FakeCall extends EventEmitter {
  readonly waiting: (() => void)[] = [];
  room = true;

  write(_message: number, done: () => void): boolean {
    this.waiting.push(done);
    return this.room;
  }

  take(count: number): void {
    for (const done of this.waiting.splice(0, count)) done();
  }
}

/** Whether a promise settles without anything else happening. */
async function settles(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  promise.then(
    () => (settled = true),
    () => (settled = true),
  );
  await new Promise((resolve) => setImmediate(resolve));
  return settled;
}

describe('an outlet', () => {
  it('waits while the buffer is full, by messages and by bytes', async () => {
    const call = new FakeCall();
    const out = new Outlet<number>(call, new AbortController().signal, (size) => size);
    expect(await settles(out.write(600_000))).toBe(true);
    const second = out.write(600_000);
    expect(await settles(second)).toBe(false);
    call.take(1);
    expect(await settles(second)).toBe(true);
    call.room = false;
    const third = out.write(1);
    call.take(9);
    expect(await settles(third)).toBe(false);
    call.emit('drain');
    expect(await settles(third)).toBe(true);
    expect(call.listenerCount('drain')).toBe(0);
  });

  it('gives up when the call has ended', async () => {
    const call = new FakeCall();
    const end = new AbortController();
    const out = new Outlet<number>(call, end.signal, (size) => size);
    const stuck = out.write(5_000_000);
    expect(await settles(stuck)).toBe(false);
    end.abort(new Error('ended'));
    await expect(stuck).rejects.toThrow('ended');
    await expect(out.write(1)).rejects.toThrow('ended');
    expect(call.waiting).toHaveLength(1);
  });
});

describe('an inlet', () => {
  it('takes no more than is asked for, and leaves the stream open when it is left', async () => {
    const stream = new PassThrough({ objectMode: true, highWaterMark: 1 });
    for (const message of [1, 2, 3]) stream.write(message);
    for await (const message of inlet<number>(stream, new AbortController().signal)) {
      expect(message).toBe(1);
      break;
    }
    expect(stream.destroyed).toBe(false);
    stream.end();
    const rest: number[] = [];
    for await (const message of inlet<number>(stream, new AbortController().signal)) rest.push(message);
    expect(rest).toEqual([2, 3]);
  });

  it("rejects with the signal's reason when the call was cut short", async () => {
    const stream = new PassThrough({ objectMode: true });
    const end = new AbortController();
    const reading = inlet(stream, end.signal).next();
    end.abort(new Error('cut'));
    stream.destroy();
    await expect(reading).rejects.toThrow('cut');
  });
});
