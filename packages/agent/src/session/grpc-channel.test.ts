// Waiting for room on a stream.
import { EventEmitter } from 'node:events';
import { expect, it } from 'vitest';
import { Room } from './grpc-channel.js';

it('waits for room any number of times and leaves nothing behind', async () => {
  const stream = new EventEmitter();
  const room = new Room(stream);
  for (let turn = 0; turn < 50; turn++) {
    const waited = room.wait();
    stream.emit('drain');
    await waited;
  }
  expect(stream.listenerCount('drain')).toBe(0);
});

it('tells everybody who waits, and who comes later, that the stream is gone', async () => {
  const stream = new EventEmitter();
  const room = new Room(stream);
  const [one, two] = [room.wait(), room.wait()];
  room.end(new Error('reset'));
  room.end(new Error('second'));
  await expect(one).rejects.toThrow('reset');
  await expect(two).rejects.toThrow('reset');
  await expect(room.wait()).rejects.toThrow('reset');
});
