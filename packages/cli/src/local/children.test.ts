// What `podplane up` says of processes that have ended.
import { expect, it } from 'vitest';
import { commandLine, endText } from './children.js';

const agent = ['agent', '--data', '/d/agents/n1'];
const command = (...args: string[]): string => commandLine(args);

it.each([
  ['SIGKILL', agent],
  ['exit code 1', agent],
  ['exit code 5', ['server', '--data', '/d/server']],
])('%s of %j: start it again', (how, again) => {
  expect(endText({ name: 'n1', logFile: '/d/logs/n1.log' }, how, again)).toBe(
    `n1 has ended (${how}); start it again: ${commandLine(again)}\n`,
  );
});

it.each(['exit code 4', 'exit code 5'])('an agent with %s is not taken any more: a new token helps, and the log says why', (how) => {
  expect(endText({ name: 'n1', logFile: '/d/logs/n1.log' }, how, agent)).toBe(
    `n1 has ended (${how}): the server does not take it; the end of /d/logs/n1.log says why. With a new token (${command('token', 'create')}) it may join again: ${command(...agent, '--server', 'ADDRESS', '--token', 'TOKEN')}\n`,
  );
});
