// What an agent leaves on a real engine that ends in the middle of something, and what its next process makes of it.
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { system, TestNode, whyNoEngine } from '../testing/real-engine.js';
import { DockerRuntime } from './docker-runtime.js';
import { Engine } from './engine.js';

vi.setConfig({ hookTimeout: 60_000, testTimeout: 60_000 }); // the engine is shared with other tests
const noEngine = await whyNoEngine();

/** The engine as an agent sees it that is killed when it wants to remove something: all connections end before the engine hears of it. */
function dyingAtRemoval(path: string): Server {
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect('/var/run/docker.sock');
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
    }
    near.on('data', (data: Buffer) => {
      if (!data.toString('latin1').startsWith('DELETE /')) return void far.write(data);
      server.close();
      for (const socket of sockets) socket.destroy();
    });
    far.pipe(near);
  });
  return server.listen(path);
}

describe.skipIf(noEngine !== undefined)('what an agent leaves behind', () => {
  const node = new TestNode();
  const owner = randomBytes(8).toString('hex');
  const folder = mkdtempSync(join(tmpdir(), 'podplane-left-'));
  const engine = new Engine(system);
  const left = async (of: string): Promise<readonly string[]> => {
    const query = { all: true, filters: { label: ['podplane.dev/helper'] } };
    const list = await engine.call<readonly { readonly Names: readonly string[]; readonly Labels: Readonly<Record<string, string>> }[]>(
      'list helpers',
      { method: 'GET', path: '/containers/json', query },
    );
    return list
      .filter(({ Labels }) => Labels['podplane.dev/helper']?.startsWith(`${of}.`))
      .map(({ Names }) => Names[0]?.replace(/-[^-]*$/, '') ?? '')
      .sort();
  };

  beforeAll(async () => {
    await node.open();
  });
  afterAll(async () => {
    rmSync(folder, { recursive: true });
    await node.close();
  });

  it('containers that were made to look at something go when the next agent of the same data directory starts, and no others', async () => {
    for (const [i, doing] of [
      (runtime: DockerRuntime) => runtime.imageFiles(node.image, ['/etc/passwd']),
      (runtime: DockerRuntime) => runtime.seesPath('/'),
    ].entries()) {
      const socketPath = join(folder, String(i));
      dyingAtRemoval(socketPath);
      await expect(doing(new DockerRuntime(system, { socketPath, machineId: owner }))).rejects.toThrow();
    }
    expect(await left(owner)).toEqual(['/podplane-path', '/podplane-read']);
    const next = (machineId: string): Promise<unknown> =>
      new DockerRuntime(system, { machineId }).prepareNode({ nodeName: node.name, podCIDR: node.podCIDR }).catch(() => undefined);
    // The name of the node is nobody's here, so that anybody may prepare it.
    await next(`${owner}0`);
    expect(await left(owner)).toHaveLength(2);
    await next(owner);
    expect(await left(owner)).toEqual([]);
  });
});
