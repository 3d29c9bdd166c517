// Rough handling of a control plane: killed under load, restarted below watches, started where it cannot be, its disk filled up. Agents and
// `up` are in rough-agents.test.ts, what needs Docker in rough-docker.test.ts.
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, writeSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { ApiError } from '@podplane/api/errors';
import { ConfigMap } from '@podplane/api/gen/podplane/core/v1/config_map';
import { PodplaneClient } from '@podplane/client/client';
import { readContext } from '@podplane/client/context';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually, type Outcome } from './harness.js';
import { NOBODY, ServerOnly } from './server-only.js';

const isRoot = process.getuid?.() === 0;
if (!isRoot) process.stderr.write('\n*** SKIPPED: tests of other users and of full disks need root ***\n\n');

const configMap = (name: string, data: Record<string, string> = {}): ConfigMap =>
  ConfigMap.fromPartial({ metadata: { name, namespace: 'default' }, data });

async function clientOf(server: ServerOnly): Promise<PodplaneClient> {
  return new PodplaneClient(await readContext(server.contextFile));
}

async function names(client: PodplaneClient): Promise<ReadonlySet<string>> {
  return new Set((await client.list('ConfigMap', { namespace: 'default' })).items.map(({ metadata }) => metadata?.name ?? ''));
}

describe('a server that is killed', () => {
  it('under load of creates loses none that was acknowledged', async () => {
    await using server = new ServerOnly();
    await server.start();
    const acknowledged: string[] = [];
    for (let round = 0; round < 3; round++) {
      const enough = Promise.withResolvers<void>();
      const limit = acknowledged.length + 300 + round * 137;
      using client = await clientOf(server);
      const workers = Array.from({ length: 16 }, async (_, worker) => {
        for (let i = 0; ; i++) {
          const name = `kill-${round}-${worker}-${i}`;
          try {
            await client.create('ConfigMap', configMap(name, { round: String(round) }));
          } catch (error) {
            expect(error).toMatchObject({ reason: 'ServiceUnavailable' });
            return;
          }
          acknowledged.push(name);
          if (acknowledged.length >= limit) enough.resolve();
        }
      });
      await enough.promise;
      await server.stop('SIGKILL');
      await Promise.all(workers);
      await server.start();
      using after = await clientOf(server);
      const there = await names(after);
      expect(acknowledged.filter((name) => !there.has(name))).toEqual([]);
      // At most one write of each worker was under way and not acknowledged.
      const ours = [...there].filter((name) => name.startsWith('kill-'));
      expect(ours.length - acknowledged.length).toBeLessThanOrEqual(16 * (round + 1));
    }
  });

  it.each(['SIGTERM', 'SIGKILL'] as const)('by %s below get -w: it says so once and goes on', async (signal) => {
    await using server = new ServerOnly();
    await server.start();
    await server.must('create', 'namespace', 'before');
    const watching = server.spawn(['get', 'namespaces', '-w']);
    let stdout = '';
    let stderr = '';
    watching.stdout?.on('data', (piece: Buffer) => (stdout += piece.toString()));
    watching.stderr?.on('data', (piece: Buffer) => (stderr += piece.toString()));
    const sees = (name: string): Promise<string> =>
      eventually(
        `get -w shows ${name}`,
        () => Promise.resolve(stdout),
        (text) => text.includes(name),
      );
    await sees('before');
    await server.stop(signal);
    await server.start();
    await server.must('create', 'namespace', 'after');
    await sees('after');
    expect(stdout.match(/^before /gm)).toHaveLength(1);
    expect(stderr).toBe('The connection to the server was lost; waiting for it ...\n');
    watching.kill('SIGINT');
    await once(watching, 'close');
    expect(watching.exitCode).toBe(0); // it has no other end
  });
});

describe('a server that cannot start says why, and leaves everything as it was', () => {
  const running = new ServerOnly();
  beforeAll(async () => {
    await running.start();
    await running.must('create', 'namespace', 'kept');
  });
  afterAll(async () => {
    await running.remove();
  });

  it('its data is in use by another server', async () => {
    const { code, stdout, stderr } = await running.run(['server', '--data', running.data, '--port', '0']);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/^error: data directory \S+ is in use by another server \(pid \d+\)\n.*--data\.\n$/);
    expect(stderr).toContain(`pid ${running.pid}`);
    expect(await running.must('get', 'namespaces')).toContain('kept');
  });

  it('its port is taken', async () => {
    const taken = net.createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as net.AddressInfo;
    const { code, stderr } = await running.run(['server', '--data', 'other', '--port', String(port)]);
    expect(code).toBe(1);
    expect(stderr).toMatch(new RegExp(`^error: port ${port} is taken: 127\\.0\\.0\\.1:${port} cannot be listened on\n.*--port`));
    expect(existsSync(path.join(running.directory, 'other', 'context.json'))).toBe(false);
    taken.close();
    await once(taken, 'close');
  });

  it('its data directory is a file, or below one', async () => {
    running.file('file', 'x');
    for (const data of ['file', 'file/data']) {
      const { code, stderr } = await running.run(['server', '--data', data, '--port', '0']);
      expect({ code, stderr }).toEqual({
        code: 1,
        stderr: expect.stringMatching(/^error: the data directory .*file.* is a file\n.*--data/),
      });
    }
    expect(readFileSync(path.join(running.directory, 'file'), 'utf8')).toBe('x');
  });

  it.runIf(isRoot)('its data directory belongs to somebody else', async () => {
    chmodSync(running.directory, 0o755);
    for (const data of ['mine', path.join('closed', 'below')]) {
      mkdirSync(path.join(running.directory, data.split('/')[0] ?? ''), { recursive: true, mode: 0o755 });
      const { code, stderr } = await running.run(['server', '--data', data, '--port', '0'], { as: NOBODY });
      expect({ data, code, stderr }).toEqual({
        data,
        code: 1,
        stderr: expect.stringMatching(/^error: .*data directory \S+ cannot be (used|written).*\n.*--data/),
      });
      expect(readdirSync(path.join(running.directory, data.split('/')[0] ?? ''))).toEqual([]);
    }
  });

  it('its data is of a newer version', async () => {
    await using server = new ServerOnly();
    await server.start();
    await server.must('create', 'namespace', 'kept');
    await server.stop();
    const version = (to?: number): number => {
      const database = new DatabaseSync(path.join(server.data, 'podplane.db'));
      try {
        if (to !== undefined) database.exec(`PRAGMA user_version = ${to}`);
        return Number(database.prepare('PRAGMA user_version').get()?.user_version);
      } finally {
        database.close();
      }
    };
    const own = version();
    version(own + 1000);
    const { code, stderr } = await server.run(['server', '--data', server.data, '--port', '0']);
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringMatching(
        /^error: \S+podplane\.db is of a newer version of podplane .*\nStart the version that wrote it, or a newer one/,
      ),
    });
    expect(version(own)).toBe(own);
    await server.start();
    expect(await server.must('get', 'namespaces')).toContain('kept');
  });
});

/** Writes into a file until its file system has not one block left. */
function fillUp(file: string): void {
  const target = openSync(file, 'w');
  try {
    for (const block = Buffer.alloc(4096); ; ) writeSync(target, block);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  } finally {
    closeSync(target);
  }
}

describe.runIf(isRoot)('a full disk', () => {
  it('refuses writes with a word, goes on with reads, and recovers when there is room', async () => {
    const server = new ServerOnly(path.join('/', 'tmp', `podplane-e2e-full-${process.pid}`));
    mkdirSync(server.data);
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=12m,mode=0700', 'tmpfs', server.data]);
    } catch (error) {
      rmSync(server.data, { recursive: true });
      await server.remove();
      if (process.env.CI === 'true') throw error;
      process.stderr.write('\n*** SKIPPED: a file system cannot be mounted here, so no disk can be filled ***\n\n');
      return;
    }
    try {
      await server.start();
      using client = await clientOf(server);
      const acknowledged: string[] = [];
      const untilRefused = async (bytes: number): Promise<unknown> => {
        for (let i = 0; i < 2000; i++) {
          const name = `full-${acknowledged.length}`;
          try {
            await client.create('ConfigMap', configMap(name, { a: 'x'.repeat(bytes) }));
          } catch (error) {
            return error;
          }
          acknowledged.push(name);
        }
        return undefined;
      };
      expect(await untilRefused(500_000)).toMatchObject({
        reason: 'ServiceUnavailable',
        message: expect.stringMatching(/full|room|space/i),
      });
      expect(acknowledged.length).toBeGreaterThan(3);
      // Smaller things may still have room, in the file system and in what the database has of it already, and again when it has tidied up:
      // until there is none at all.
      let outcome: Outcome;
      let tries = 0;
      do {
        tries += 1;
        fillUp(path.join(server.data, 'filler'));
        expect(await untilRefused(20_000)).toBeInstanceOf(ApiError);
        outcome = await server.run(['create', 'namespace', `no-room-${tries}`]);
      } while (outcome.code === 0 && tries < 50);

      // What a user sees: exit code, reason, advice; reads go on.
      const { code, stderr } = outcome;
      expect({ code, stderr }).toEqual({ code: 4, stderr: expect.stringMatching(/^error: .*(full|room|space).*\n.+\n$/i) });
      expect(await server.must('get', 'configmaps')).toContain('full-0');
      expect(await server.must('get', 'namespaces')).not.toContain(`no-room-${tries} `);

      execFileSync('mount', ['-o', 'remount,size=64m', server.data]);
      const again = await eventually(
        'writes again',
        () => server.run(['create', 'namespace', 'room']),
        (made) => made.code === 0,
        60_000,
      );
      expect(again.stdout).toBe('namespace/room created\n');
      const expected = [...acknowledged].sort();
      const found = async (): Promise<string[]> => {
        using fresh = await clientOf(server);
        return [...(await names(fresh))].filter((name) => name.startsWith('full-')).sort();
      };
      expect(await found()).toEqual(expected);
      await server.stop('SIGKILL');
      await server.start();
      expect(await found()).toEqual(expected);
      expect(await server.must('get', 'namespaces')).toContain('room');
    } finally {
      await server.stop();
      execFileSync('umount', [server.data]);
      rmSync(server.data, { recursive: true });
      await server.remove();
    }
  });
});
