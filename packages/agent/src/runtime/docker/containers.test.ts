// Removing containers that somebody else removes just now, against an engine in this process that answers what Docker does.
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { realSystem, type System } from '@podplane/api/system';
import { afterEach, describe, expect, it } from 'vitest';
import { Containers } from './containers.js';
import { Engine } from './engine.js';

const stops: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

/** An engine that says 409 to each removal, and of the container what states say, one a look; the last one stands. undefined: it is not there. */
async function removing(states: readonly (string | undefined)[], system: System = realSystem()): Promise<Containers> {
  const folder = mkdtempSync(join(tmpdir(), 'podplane-removing-'));
  const socketPath = join(folder, 'd.sock');
  let looks = 0;
  const server = createServer((request, response) => {
    const state = states[Math.min(looks, states.length - 1)];
    if (request.method === 'DELETE') {
      response.writeHead(409, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ message: 'removal of container abc is already in progress' }));
      return;
    }
    looks++;
    response.writeHead(state === undefined ? 404 : 200, { 'content-type': 'application/json' });
    const there = {
      Id: 'abc',
      Name: '/abc',
      Created: '2026-01-01T00:00:00Z',
      State: { Status: state },
      Config: { Labels: {} },
      Image: 'sha256:1',
    };
    response.end(JSON.stringify(state === undefined ? { message: 'No such container: abc' } : there));
  });
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
  stops.push(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    rmSync(folder, { recursive: true });
  });
  return new Containers(new Engine(system, { socketPath }), () => ({}));
}

/** The time passes as fast as somebody waits for it. */
function hasty(): System {
  const real = realSystem();
  let now = 0;
  const after: System['timers']['after'] = (ms, callback, options) => {
    if (options?.background === true) return real.timers.after(ms, callback, options);
    now += ms;
    return real.timers.after(0, callback);
  };
  return { ...real, clock: { ...real.clock, now: () => real.clock.now(), monotonic: () => now }, timers: { ...real.timers, after } };
}

describe('a container that somebody else removes', () => {
  it('counts as removed where it has gone since, or is about to', async () => {
    await (await removing([undefined])).remove('abc');
    await (await removing(['removing'])).remove('abc');
  });

  it('is waited for while it is still said to run', async () => {
    await (await removing(['running', 'exited', undefined])).remove('abc');
  });

  it('but not for ever', async () => {
    await expect((await removing(['running'], hasty())).remove('abc')).rejects.toMatchObject({ code: 'conflict' });
  });
});
