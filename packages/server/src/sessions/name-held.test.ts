// A node that was removed and whose name another machine takes: what ran there under at-most-one must have ended first.
import { NodeStatus } from '@podplane/api/gen/podplane/core/v1/node';
import { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { HandSessions } from '../testkit/hand-sessions.js';
import type { ServerMessage } from './port.js';

let world: HandSessions;

beforeEach(async () => {
  world = await HandSessions.start();
});
afterEach(async () => {
  await world.stop();
});

function podOn(nodeName: string, fencing: string): void {
  const pod = Pod.fromPartial({
    metadata: { name: `p-${fencing}`, namespace: 'default', annotations: { 'podplane.dev/fencing': fencing } },
    spec: { nodeName, containers: [{ name: 'c', image: 'i' }] },
  });
  world.store.transact({ actor: 'test', reason: 'pod' }, (tx) => tx.create('Pod', pod));
}

/** A machine says hello and beats once where it is welcome. What it was told. */
async function hello(machineId: string): Promise<ServerMessage[]> {
  const said: ServerMessage[] = [];
  const input = world.sessions.connect('n1', { send: ({ message }) => Boolean(message && said.push(message)), close: () => undefined });
  const who = { nodeName: 'n1', machineId, bootId: `boot-of-${machineId}`, agentVersion: '', podCIDR: '', dial: 0, epoch: 0, term: 0 };
  const value = { ...who, labels: {}, status: NodeStatus.fromPartial({}), inventory: [], taints: [] };
  input.message({ message: { $case: 'hello', value } });
  await world.system.advance(3000); // no faster than an agent may
  if (said[0]?.$case === 'welcome') input.message({ message: { $case: 'heartbeat', value: { seq: 1 } } });
  return said;
}

const remove = (): void => void world.store.transact({ actor: 'test', reason: 'removed' }, (tx) => tx.remove('Node', '', 'n1'));
const first = (said: readonly ServerMessage[]): ServerMessage['$case'] | undefined => said[0]?.$case;

it('waits until the lease of the machine before is over', async () => {
  podOn('n1', 'strict');
  await world.system.advance(20_000); // servers before this one granted nothing that still holds
  expect(first(await hello('old'))).toBe('welcome');
  remove();
  const [answer] = await hello('new');
  expect(answer).toMatchObject({ $case: 'reconnect', value: { reason: 'NameHeld' } });
  const delay = answer?.$case === 'reconnect' ? answer.value.delayMillis : 0;
  expect(delay).toBe(17_000);
  await world.system.advance(delay - 3000 - 100);
  const [again] = await hello('new');
  expect(again).toMatchObject({ $case: 'reconnect', value: { reason: 'NameHeld', delayMillis: 100 } });
  const said = await hello('new');
  expect(first(said)).toBe('welcome');
});

it('does not wait where the machine is the same, where nothing of that kind is bound there, and where the name was never anybody’s', async () => {
  expect(first(await hello('old'))).toBe('welcome');
  podOn('n1', 'none');
  remove();
  expect(first(await hello('new'))).toBe('welcome');
  podOn('n1', 'strict');
  remove();
  expect(first(await hello('new'))).toBe('welcome');
  remove();
  expect((await hello('old'))[0]).toMatchObject({ $case: 'reconnect', value: { reason: 'NameHeld' } });
});
