#!/usr/bin/env node
// The `podplane` command. Plain JavaScript for any Node, because it must be able to say that the Node is too old: then it goes on with
// the one among the checkout's packages. What the command does is in ../src/run.ts.
import { existsSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(realpathSync(fileURLToPath(import.meta.url)));
const root = dirname(dirname(dirname(here)));
const agentFlags = join(here, '..', 'dist', 'local', 'agent-flags.js');
const flags = process.argv[2] === 'agent' && existsSync(agentFlags) ? (await import(agentFlags)).AGENT_FLAGS : [];
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);

function fail(message) {
  process.stderr.write(`error: ${message}\n`);
  process.exit(1);
}

if (major < 22 || (major === 22 && minor < 12)) {
  const own = join(root, 'node_modules', 'node', 'bin', 'node');
  if (!existsSync(own) || process.env.PODPLANE_NODE === own) {
    fail(`Node ${process.versions.node} is too old for podplane (22.12 or newer), and its checkout has no Node of its own.\nRun "npm ci" in ${root}, or install Node 24: https://nodejs.org/`);
  }
  // Ctrl-C reaches both of us; the other one decides when to end.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {});
  if (typeof process.execve === 'function') process.execve(own, [own, ...flags, fileURLToPath(import.meta.url), ...process.argv.slice(2)], { ...process.env, PODPLANE_NODE: own });
  const { spawn } = await import('node:child_process');
  const child = spawn(own, [...flags, fileURLToPath(import.meta.url), ...process.argv.slice(2)], { stdio: 'inherit', env: { ...process.env, PODPLANE_NODE: own } });
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.once('error', (error) => fail(error.message));
  child.once('exit', (code, signal) => {
    if (signal === null) process.exit(code ?? 1);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
} else if (flags.length > 0 && !flags.every((flag) => process.execArgv.includes(flag)) && process.send === undefined && typeof process.execve === 'function') {
  process.execve(process.execPath, [process.execPath, ...flags, ...process.execArgv, fileURLToPath(import.meta.url), ...process.argv.slice(2)]);
} else {
  // Services leave out what only other commands need.
  const main = join(here, '..', 'dist', ['agent', 'server'].includes(process.argv[2]) ? 'service.js' : 'main.js');
  if (!existsSync(main)) fail(`podplane is not built yet.\nRun "npm run setup" (or "npm ci && npm run build") in ${root}.`);
  await import(main);
}
