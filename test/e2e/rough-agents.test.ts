// Rough handling of agents and of `up`: tokens that are no good, names that are taken, Docker Engines that are missing or closed. None is
// needed for it. The control plane's part is in rough.test.ts.
import { once } from 'node:events';
import { chmodSync, chownSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from './harness.js';
import { NOBODY, ServerOnly } from './server-only.js';

const isRoot = process.getuid?.() === 0;
if (!isRoot) process.stderr.write('\n*** SKIPPED: tests of other users need root ***\n\n');

describe('an agent', () => {
  const server = new ServerOnly();
  const noEngine = { DOCKER_HOST: 'unix:///nonexistent' };
  let count = 0;
  const fresh = (): string => `agent-${++count}`;
  const token = async (...flags: string[]): Promise<string> => {
    const found = /--token (\S+)/.exec(await server.must('token', 'create', ...flags))?.[1];
    if (found === undefined) throw new Error('no token');
    return found;
  };
  const join = (data: string, withToken: string, ...flags: string[]): Promise<{ code: number | null; stderr: string; stdout: string }> =>
    server.run(['agent', '--data', data, '--server', server.address, '--token', withToken, ...flags], { env: noEngine });

  beforeAll(async () => {
    await server.start();
  });
  afterAll(async () => {
    await server.remove();
  });

  it('with a wrong token is refused', async () => {
    const good = await token();
    const wrong = `${good.slice(0, -4)}${good.endsWith('AAAA') ? 'BBBB' : 'AAAA'}`;
    expect(await join(fresh(), wrong, '--name', 'n')).toMatchObject({
      code: 4,
      stderr: 'error: the join token is wrong or was revoked\nMake a new token on the server: podplane token create\n',
    });
    expect(await join(fresh(), 'abc', '--name', 'n')).toMatchObject({
      code: 4,
      stderr: expect.stringMatching(/^error: the token is not of the form/),
    });
    expect(await server.run(['get', 'nodes'])).toMatchObject({ code: 0, stdout: '' });
  });

  it('with a revoked token is refused', async () => {
    const revoked = await token();
    const id = revoked.split('.')[2] ?? '';
    await server.must('token', 'revoke', id);
    expect(await server.must('token', 'list')).not.toContain(id);
    expect(await join(fresh(), revoked, '--name', 'n')).toMatchObject({
      code: 4,
      stderr: expect.stringMatching(/^error: .*revoked\n.*podplane token create\n$/),
    });
  });

  it('with an expired token is refused', async () => {
    const short = await token('--ttl', '1s');
    await new Promise((resolve) => setTimeout(resolve, 1500)); // the server's own clock has to pass it
    expect(await join(fresh(), short, '--name', 'n')).toMatchObject({
      code: 4,
      stderr: expect.stringMatching(/^error: .*expired.*\n.*podplane token create\n$/),
    });
  });

  it('with a token of another cluster sends nothing to this one', async () => {
    await using other = new ServerOnly();
    await other.start();
    const foreign = /--token (\S+)/.exec(await other.must('token', 'create'))?.[1] ?? '';
    expect(await join(fresh(), foreign, '--name', 'n')).toMatchObject({
      code: 4,
      stderr: expect.stringMatching(
        /^error: the server at \S+ is not the one that made this token: its certificate authority is another one\n/,
      ),
    });
  });

  it('with a name that is none is told which flag', async () => {
    expect(await join(fresh(), await token(), '--name', 'Bad_Name')).toMatchObject({
      code: 4,
      stderr: expect.stringMatching(/^error: the server refused: nodeName: Invalid value: "Bad_Name".*\n.*--name\n$/),
    });
  });

  it('without a token, or to no address, is told what to do', async () => {
    const data = fresh();
    expect(await server.run(['agent', '--data', data])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('podplane token create'),
    });
    expect(await server.run(['agent', '--data', data, '--server', 'nonsense', '--token', await token()])).toMatchObject({
      code: 4,
      stderr: expect.stringMatching(/^error: "nonsense" is not an address of the form host:port\n/),
    });
    expect(await server.run(['agent', '--data', fresh(), '--server', server.address])).toMatchObject({
      code: 4,
      stderr: expect.stringMatching(/^error: this node has not joined a cluster yet\n.*--token.*podplane token create/),
    });
  });

  const engines: readonly [string, number | undefined, Readonly<Record<string, string>>, RegExp][] = [
    ['that does not answer', undefined, noEngine, /Docker Engine does not answer/],
    ['that it may not use', NOBODY, {}, /not permitted|may not|docker group|EACCES/],
  ];
  it.each(engines.filter(([, as]) => as === undefined || (isRoot && existsSync('/var/run/docker.sock'))))(
    'and a Docker Engine %s: the node is there, not Ready, and says why',
    async (_what, as, env, why) => {
      const data = path.join(server.directory, fresh());
      const name = path.basename(data);
      mkdirSync(data);
      chmodSync(server.directory, 0o755);
      if (as !== undefined) chownSync(data, as, as);
      const agent = server.spawn(['agent', '--data', data, '--server', server.address, '--token', await token(), '--name', name], {
        env,
        ...(as === undefined ? {} : { as }),
      });
      let log = '';
      agent.stderr?.on('data', (piece: Buffer) => (log += piece.toString()));
      try {
        // It is there when it has joined, and knows of its engine a moment later.
        await eventually(
          'the node says why',
          () => server.run(['describe', 'node', name]),
          ({ stdout }) => why.test(stdout),
        );
        expect((await server.run(['get', 'nodes', name])).stdout).toMatch(new RegExp(`^${name}\\s+NotReady\\s`, 'm'));
        await eventually(
          'its log',
          () => Promise.resolve(log),
          (text) => why.test(text),
        );
      } finally {
        agent.kill('SIGTERM');
        await once(agent, 'close');
        expect(agent.exitCode).toBe(0);
        await server.must('delete', 'node', name);
      }
    },
  );

  it('with the name of a node that is there is refused, and the first one stays', async () => {
    const agent = server.spawn(['agent', '--data', fresh(), '--server', server.address, '--token', await token(), '--name', 'twin'], {
      env: noEngine,
    });
    try {
      await eventually(
        'the node is there',
        () => server.run(['get', 'nodes']),
        ({ stdout }) => stdout.includes('twin'),
      );
      const uid = await server.must('get', 'node', 'twin', '-o', 'json');
      const second = await join(fresh(), await token(), '--name', 'twin');
      expect(second).toMatchObject({
        code: 4,
        stderr: expect.stringMatching(/^error: node name "twin" belongs to another machine .*--name.*podplane delete node twin/),
      });
      expect((JSON.parse(await server.must('get', 'node', 'twin', '-o', 'json')) as { metadata: { uid: string } }).metadata.uid).toBe(
        (JSON.parse(uid) as { metadata: { uid: string } }).metadata.uid,
      );
      expect(agent.exitCode).toBeNull();
    } finally {
      agent.kill('SIGTERM');
      await once(agent, 'close');
    }
  });

  it('whose data another agent uses ends', async () => {
    const data = fresh();
    const agent = server.spawn(['agent', '--data', data, '--server', server.address, '--token', await token(), '--name', 'once'], {
      env: noEngine,
    });
    try {
      await eventually(
        'the node is there',
        () => server.run(['get', 'nodes']),
        ({ stdout }) => stdout.includes('once'),
      );
      expect(await server.run(['agent', '--data', data], { env: noEngine })).toMatchObject({
        code: 6,
        stderr: expect.stringContaining('another agent uses this data directory'),
      });
      expect(agent.exitCode).toBeNull();
    } finally {
      agent.kill('SIGTERM');
      await once(agent, 'close');
    }
  });
});

describe('up', () => {
  it('without a Docker Engine ends with a word and starts nothing', async () => {
    await using place = new ServerOnly();
    const { code, stdout, stderr } = await place.run(['up', '--data', 'data', '--port', '0'], {
      env: { DOCKER_HOST: 'unix:///nonexistent' },
    });
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/^error: no Docker Engine answers at \/nonexistent\nStart it: .*\n$/);
    expect(existsSync(path.join(place.data, 'server'))).toBe(false);
    expect(existsSync(path.join(place.data, 'up.json'))).toBe(false);
  });

  it.runIf(isRoot && existsSync('/var/run/docker.sock'))('as a user outside of the docker group is told how to get in', async () => {
    await using place = new ServerOnly();
    chmodSync(place.directory, 0o777);
    const { code, stdout, stderr } = await place.run(['up', '--data', 'data', '--port', '0'], { as: NOBODY, env: { DOCKER_HOST: '' } });
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/^error: this user may not use the Docker Engine at \S+\n.*usermod -aG docker.*\n$/);
    expect(existsSync(path.join(place.data, 'server'))).toBe(false);
  });

  it('with an engine elsewhere than on a socket is told', async () => {
    await using place = new ServerOnly();
    const { code, stderr } = await place.run(['up', '--data', 'data', '--port', '0'], { env: { DOCKER_HOST: 'tcp://127.0.0.1:1' } });
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringMatching(/^error: DOCKER_HOST is tcp:\S+, which is not a unix socket\n.*unix:/),
    });
  });

  it('with a lease that no node can keep is told before anything starts', async () => {
    await using place = new ServerOnly();
    const { code, stderr } = await place.run(['up', '--data', 'data', '--port', '0', '--lease', '2s']);
    expect({ code, stderr }).toEqual({ code: 2, stderr: 'error: --lease: 2000 ms are too short\nAt least 5s.\n' });
    expect(existsSync(place.data)).toBe(false);
  });

  it('in a data directory that is a file ends with a word', async () => {
    await using place = new ServerOnly();
    writeFileSync(place.data, 'x');
    const { code, stderr } = await place.run(['up', '--data', 'data', '--port', '0']);
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringMatching(/^error: the data directory \S+ cannot be written .*\n.*--data/),
    });
  });
});
