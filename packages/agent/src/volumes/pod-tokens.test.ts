// Tokens of pods: asked for once, renewed at four fifths of their life, asked for again after the connection was lost, forgotten with the pod.
import type { TokenRequest } from '@podplane/api/gen/podplane/node/v1/session';
import { HandSystem } from '@podplane/store/testkit/hand-system';
import { beforeEach, expect, it } from 'vitest';
import { PodTokens } from './pod-tokens.js';

let system: HandSystem;
let asked: TokenRequest[];
let changed: string[];
let tokens: PodTokens;
let over: Set<string>;
beforeEach(() => {
  system = new HandSystem();
  asked = [];
  changed = [];
  over = new Set();
  tokens = new PodTokens({
    system,
    ask: (request) => asked.push(request),
    isWanted: (uid) => !over.has(uid),
    changed: (uid) => changed.push(uid),
  });
});

const id = (): string => asked.at(-1)?.id ?? '';
const reply = (token: string, lifetimeMillis = 600_000, message = ''): void => tokens.take({ id: id(), token, lifetimeMillis, message });

it('asks once, tells the pod, and asks anew at four fifths of the life', async () => {
  expect([tokens.find('u', '', 600), tokens.find('u', '', 600)]).toEqual(['asked', 'asked']);
  expect(asked).toHaveLength(1);
  reply('one');
  expect(changed).toEqual(['u']);
  expect(tokens.find('u', '', 600)).toEqual({ token: 'one' });
  await system.advance(479_000);
  expect(asked).toHaveLength(1);
  await system.advance(1_001);
  expect(asked).toHaveLength(2);
  expect(tokens.find('u', '', 600)).toEqual({ token: 'one' });
  reply('two');
  expect(tokens.find('u', '', 600)).toEqual({ token: 'two' });
});

it('another audience or another time is another token; one that is over is none', async () => {
  tokens.find('u', '', 600);
  reply('one');
  expect(tokens.find('u', 'vault', 600)).toBe('asked');
  expect(tokens.find('u', '', 700)).toBe('asked');
  await system.advance(600_001);
  expect(tokens.find('u', '', 600)).toBe('asked');
});

it('a refusal is told, and asked again after a while; a lost request with the next session', async () => {
  tokens.find('u', '', 600);
  tokens.connected();
  expect(asked).toHaveLength(2);
  reply('', 0, 'serviceaccounts "x" not found');
  expect(tokens.find('u', '', 600)).toEqual({ problem: 'serviceaccounts "x" not found' });
  tokens.connected();
  expect(asked).toHaveLength(2);
  await system.advance(5_001);
  expect(asked).toHaveLength(3);
  reply('one');
  expect(tokens.find('u', '', 600)).toEqual({ token: 'one' });
});

it('forgets pods that are gone', async () => {
  tokens.find('u', '', 600);
  reply('one');
  over.add('u');
  tokens.forgetUnwanted();
  await system.advance(700_000);
  expect(asked).toHaveLength(1);
  expect(tokens.find('u', '', 600)).toBe('asked');
});

it('asks no more for a pod that is over, nor again where that was refused', async () => {
  tokens.find('u', '', 600);
  reply('one');
  over.add('u');
  await system.advance(700_000);
  expect(asked).toHaveLength(1);
  tokens.find('v', '', 600);
  reply('', 0, 'it is over');
  over.add('v');
  await system.advance(60_000);
  tokens.connected();
  expect(asked).toHaveLength(2);
});
