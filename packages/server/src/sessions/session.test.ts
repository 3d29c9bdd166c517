// One session with an agent that asks and does not read: nothing of it grows without end.
import { HandSystem } from '@podplane/store/testkit/hand-system';
import { expect, it } from 'vitest';
import type { AssignmentFeed } from './feed.js';
import type { ServerMessage } from './port.js';
import { Session, type SessionHost } from './session.js';

const nothing = (): void => undefined;

async function open() {
  const system = new HandSystem();
  const said: ServerMessage[] = [];
  const world = { full: false, closed: false, issued: 0, ended: 0 };
  const host: SessionHost = {
    system,
    registered: () => Promise.resolve({ welcome: { $case: 'welcome', value: {} as never } }),
    openFeed: () => ({ drained: nothing }) as unknown as AssignmentFeed,
    closeFeed: nothing,
    heard: nothing,
    beat: () => ({ $case: 'heartbeatAck', value: {} as never }),
    statusDelay: () => 0,
    mayResync: () => true,
    statuses: () => Promise.resolve(),
    nodeStatus: nothing,
    events: nothing,
    volumeReports: nothing,
    token: (_session, { id }) => {
      world.issued++;
      return { $case: 'tokenReply', value: { id, token: 't', lifetimeMillis: 1, message: '' } };
    },
    goodbye: nothing,
    tunnelRefused: nothing,
    ended: () => void world.ended++,
    problem: nothing,
  };
  const port = {
    send: ({ message }: { readonly message?: ServerMessage | undefined }) => {
      if (message !== undefined) said.push(message);
      return !world.full;
    },
    close: () => void (world.closed = true),
  };
  const session = new Session('s', 'n1', port, host);
  session.message({ message: { $case: 'hello', value: {} as never } });
  await system.advance(0);
  const ask = (id: string): void =>
    session.message({ message: { $case: 'tokenRequest', value: { id, podUid: 'p', audience: '', expirationSeconds: 0 } } });
  const replies = (): string[] => said.flatMap((one) => (one.$case === 'tokenReply' ? [one.value.id] : []));
  return { session, world, ask, replies };
}

it('tokens wait while the agent does not read, and come in order when it does', async () => {
  const { session, world, ask, replies } = await open();
  ask('a');
  expect(replies()).toEqual(['a']);
  world.full = true;
  for (const id of ['b', 'c', 'd']) ask(id);
  expect(replies()).toEqual(['a', 'b']); // that one told that it is full
  session.drained();
  expect(replies()).toEqual(['a', 'b', 'c']);
  world.full = false;
  session.drained();
  expect(replies()).toEqual(['a', 'b', 'c', 'd']);
});

it.each([
  ['many', (i: number) => `${i}`, 20_000],
  ['long ones', (i: number) => `${i}`.padEnd(1_000_000, 'x'), 10],
])('an agent that asks for %s and reads nothing is sent away', async (_what, idOf, count) => {
  const { world, ask } = await open();
  world.full = true;
  for (let i = 0; i < count; i++) ask(idOf(i));
  expect(world).toMatchObject({ issued: 1, closed: true, ended: 1 });
});
