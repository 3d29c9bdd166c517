// An agent that kills itself (SIGKILL) at each step that changes something in the engine, once: right before the engine is asked for it, or after the engine
// has done it and before the agent hears of it. Started again and again, it gets through a pod's life dying at every step.
//   node agent-that-dies.js DATA-FOLDER after|before
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { runAgent } from '@podplane/agent/main';
import type { ContainerRuntime } from '@podplane/agent/runtime/types';
import { readNodeFile } from '@podplane/cli/local/node-file';

const STEPS: ReadonlySet<string> = new Set([
  'createVolume',
  'createPause',
  'createContainer',
  'start',
  'stop',
  'kill',
  'remove',
  'removeVolume',
  'exec',
]);

const [, , folder = '', when = 'after'] = process.argv;
const node = readNodeFile(folder);
if (node === undefined) throw new Error(`${folder} is no agent's`);
/** Where it died already, in this life or an earlier one. */
const file = path.join(folder, 'deaths');
const died = new Set(existsSync(file) ? readFileSync(file, 'utf8').split('\n') : []);

function dieOnce(step: string): void {
  const line = `${when} ${step}`;
  if (died.has(line)) return;
  appendFileSync(file, `${line}\n`);
  process.kill(process.pid, 'SIGKILL');
}

/** The name of what is made, or the id of what there is. */
function subjectOf(argument: unknown): string {
  if (typeof argument === 'string') return argument;
  return typeof argument === 'object' && argument !== null && 'name' in argument ? String(argument.name) : '';
}

function deadly(docker: ContainerRuntime): ContainerRuntime {
  return new Proxy(docker, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== 'function') return value;
      const method = value.bind(target) as (...args: unknown[]) => unknown;
      if (typeof name !== 'string' || !STEPS.has(name)) return method;
      return async (...args: unknown[]) => {
        const step = `${name} ${subjectOf(args[0])}`;
        if (when === 'before') dieOnce(step);
        try {
          return await method(...args);
        } finally {
          if (when === 'after') dieOnce(step);
        }
      };
    },
  });
}

process.exitCode = await runAgent({
  server: node.server,
  name: node.name,
  dataDir: folder,
  labels: node.labels,
  engine: deadly,
  version: '0.1.0',
});
