// Bad input as a user meets it: for each, the exit code, a message that says what is wrong, where, and what to do, and that nothing was
// made or changed by it. Against a control plane without nodes; what needs Docker or a kill is in rough.test.ts.
import { chmodSync, mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { ApiError } from '@podplane/api/errors';
import { ConfigMap } from '@podplane/api/gen/podplane/core/v1/config_map';
import type { Kind } from '@podplane/api/kinds/kind-map';
import { PodplaneClient } from '@podplane/client/client';
import { readContext } from '@podplane/client/context';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { badManifests, changed, first, pod } from './bad-manifests.js';
import { NOBODY, ServerOnly } from './server-only.js';

const server = new ServerOnly();

beforeAll(async () => {
  await server.start();
  server.file('there.yaml', 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: there}\ndata: {a: "1"}\n');
  await server.must('apply', '-f', 'there.yaml');
});
afterAll(async () => {
  await server.remove();
});

/** All that users make, with uids and revisions: equal before and after where nothing was changed. */
async function everything(): Promise<string> {
  return await dialled(async (client) => {
    const kinds = ['Namespace', 'Pod', 'ConfigMap', 'Secret', 'Service', 'Deployment', 'ReplicaSet'] as const;
    return JSON.stringify(await Promise.all(kinds.map(async (kind) => [kind, (await client.list<Kind>(kind)).items])), undefined, 1);
  });
}

async function dialled<T>(work: (client: PodplaneClient) => Promise<T>, of = server): Promise<T> {
  using client = new PodplaneClient(await readContext(of.contextFile));
  return await work(client);
}

const NOTHING = /\nNothing was changed\.\n$/;

describe('a manifest with', () => {
  it.each(badManifests)('$what', async ({ text, says }) => {
    server.file('bad.yaml', text);
    const before = await everything();
    const { code, stdout, stderr } = await server.run(['apply', '-f', 'bad.yaml', '--timeout', '1s']);
    for (const said of says) expect(stderr).toEqual(said instanceof RegExp ? expect.stringMatching(said) : expect.stringContaining(said));
    expect(stderr).toMatch(/^error: /);
    expect(stderr).toMatch(NOTHING);
    expect(stderr).not.toContain('    at '); // no stack
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(await everything()).toBe(before);
  });

  it('the same faults is refused by create and delete', async () => {
    const before = await everything();
    for (const command of ['create', 'delete']) {
      server.file('two.yaml', `${changed}---\n${pod('    imagee: x\n')}`);
      const { code, stderr } = await server.run([command, '-f', 'two.yaml']);
      expect({ command, code, stderr }).toEqual({
        command,
        code: 1,
        stderr: 'error: two.yaml:13:5: unknown field "spec.containers[0].imagee" (did you mean "image"?)\nNothing was changed.\n',
      });
    }
    server.file('three.yaml', `${first}---\n${changed}`);
    const taken = await server.run(['create', '-f', 'three.yaml']);
    expect(taken.stderr).toBe('error: three.yaml:5:1: configmaps "there" already exists\nNothing was changed.\n');
    expect(taken.code).toBe(1);
    expect(await everything()).toBe(before);
  });
});

describe('a file', () => {
  const cases: [string, readonly string[], number, readonly string[]][] = [
    ['that is missing', ['-f', 'missing.yaml'], 1, ['error: the path "missing.yaml" does not exist', 'Looked in /']],
    ['beside a good one', ['-f', 'there.yaml', '-f', 'missing.yaml'], 1, ['"missing.yaml" does not exist']],
    ['of none: an empty directory', ['-f', 'empty'], 1, ['error: the directory "empty" has no manifests (*.yaml, *.yml, *.json)']],
    ['of none: an empty standard input', ['-f', '-'], 1, ['error: (standard input): there is no object in it']],
    ['that is not named', [], 2, ['error: you must say which manifest: -f FILE']],
    ['without -f', ['there.yaml'], 2, ['error: unexpected argument "there.yaml"', 'Did you mean: podplane apply -f there.yaml']],
  ];
  it.each(cases)('%s', async (_what, args, code, says) => {
    mkdirSync(path.join(server.directory, 'empty'), { recursive: true });
    const before = await everything();
    const outcome = await server.run(['apply', ...args]);
    for (const said of says) expect(outcome.stderr).toContain(said);
    expect(outcome).toMatchObject({ code, stdout: '' });
    expect(await everything()).toBe(before);
  });

  it.runIf(process.getuid?.() === 0)('that may not be read', async () => {
    server.file('secret.yaml', changed);
    chmodSync(path.join(server.directory, 'secret.yaml'), 0o000);
    chmodSync(server.directory, 0o755);
    const { code, stderr } = await server.run(['apply', '-f', 'secret.yaml'], { as: NOBODY });
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringMatching(/^error: .*secret\.yaml: not permitted\n/) });
  });
});

describe('a command line with', () => {
  const cases: [string, readonly string[], number, readonly string[]][] = [
    ['a misspelt command', ['gett', 'pods'], 2, ["unknown command 'gett'", 'Did you mean get?']],
    ['a misspelt flag', ['get', 'pods', '--outptu', 'wide'], 2, ["unknown option '--outptu'", 'Did you mean --output?']],
    ['a misspelt kind', ['get', 'pdos'], 2, ['doesn\'t have a resource type "pdos"', 'Did you mean "pods"?']],
    ['an output format that does not exist', ['get', 'pods', '-o', 'wid'], 2, ['output format "wid"', 'Did you mean "wide"?']],
    [
      'a selector that is none',
      ['get', 'pods', '-l', 'a=b=c'],
      1,
      ['unable to parse requirement', 'at 3 of "a=b=c"', 'For example: app=web'],
    ],
    [
      'a field that cannot be selected by',
      ['get', 'pods', '--field-selector', 'nope=x'],
      1,
      ['field label not supported: nope', 'status.phase'],
    ],
    ['an object that is not there', ['get', 'pod', 'nope'], 1, ['(NotFound): pods "nope" not found']],
    ['replicas below nothing', ['scale', 'deploy/web', '--replicas', '-1'], 2, ["argument '-1' is invalid", 'at least 0']],
    ['a port out of range', ['port-forward', 'web', '99999:80'], 2, ['"99999" in "99999:80" is not a port']],
    ['a duration that is none', ['apply', '-f', 'there.yaml', '--timeout', 'soon'], 2, ["argument 'soon' is invalid", '30s, 5m']],
    [
      'a name that is not DNS',
      ['create', 'namespace', 'Bad_NS'],
      1,
      ['(Invalid): Namespace "Bad_NS" is invalid: metadata.name: Invalid value'],
    ],
    ['a context that is not there', ['--context', 'gone.json', 'get', 'pods'], 4, ['there is no context file', 'gone.json']],
  ];
  it.each(cases)('%s', async (_what, args, code, says) => {
    const before = await everything();
    const outcome = await server.run(args);
    for (const said of says) expect(outcome.stderr).toContain(said);
    expect(outcome).toMatchObject({ code, stdout: '' });
    expect(await everything()).toBe(before);
  });
});

describe('over gRPC', () => {
  async function refused(call: Promise<unknown>): Promise<ApiError> {
    const error: unknown = await call.then(
      () => new Error('it was not refused'),
      (thrown: unknown) => thrown,
    );
    if (error instanceof ApiError) return error;
    throw error;
  }

  it('an update with a stale revision changes nothing', async () => {
    await dialled(async (client) => {
      const { object } = await client.create('ConfigMap', ConfigMap.fromPartial({ metadata: { name: 'stale', namespace: 'default' } }));
      const newer = await client.update('ConfigMap', { ...object, data: { a: 'newer' } });
      expect(await refused(client.update('ConfigMap', { ...object, data: { a: 'stale' } }))).toMatchObject({
        reason: 'Conflict',
        message: expect.stringContaining('configmaps "stale": the object has been modified'),
        advice: expect.stringContaining('Read the object again'),
      });
      expect(await client.get('ConfigMap', 'default', 'stale')).toEqual(newer.object);
      expect(
        await refused(client.delete('ConfigMap', 'default', 'stale', { resourceVersion: object.metadata?.resourceVersion ?? '' })),
      ).toMatchObject({ reason: 'Conflict' });
      expect(await client.get('ConfigMap', 'default', 'stale')).toEqual(newer.object);
      await client.delete('ConfigMap', 'default', 'stale');
    });
  });

  it('a request larger than 4 MiB is refused, also in a batch, and makes nothing', async () => {
    const big = (name: string, bytes: number): ConfigMap =>
      ConfigMap.fromPartial({ metadata: { name, namespace: 'default' }, data: { a: 'x'.repeat(bytes) } });
    const before = await everything();
    await dialled(async (client) => {
      for (const bytes of [4 * 1024 * 1024, 9 * 1024 * 1024])
        expect(await refused(client.create('ConfigMap', big('big', bytes)))).toMatchObject({
          reason: 'RequestEntityTooLarge',
          advice: expect.stringContaining('fewer objects in one call'),
        });
      const batch = Array.from({ length: 6 }, (_, i) => ({ kind: 'ConfigMap' as const, object: big(`big-${i}`, 900_000) }));
      expect(await refused(client.createBatch(batch))).toMatchObject({
        reason: 'RequestEntityTooLarge',
        message: expect.stringMatching(/the request has \d+ bytes; at most 4194304 are taken/),
      });
    });
    expect(await everything()).toBe(before);
  });

  it('a watch from a revision that is gone says so; the client goes on with the whole state where it may', async () => {
    await using other = new ServerOnly();
    await other.start();
    await dialled(async (client) => {
      // History is kept for 32 MiB of changes; these are more.
      const large = (): ConfigMap =>
        ConfigMap.fromPartial({ metadata: { name: 'large', namespace: 'default' }, data: { a: 'x'.repeat(1_000_000) } });
      await client.create('ConfigMap', large());
      for (let i = 0; i < 36; i++) await client.update('ConfigMap', { ...large(), data: { a: String(i % 10).repeat(1_000_000) } });
      expect(await refused(client.watch('ConfigMap', { namespace: '' }, { from: '1', reset: false }).next())).toMatchObject({
        reason: 'Expired',
        message: expect.stringContaining('too old resource version'),
        advice: expect.stringContaining('List again'),
      });
      const told: string[] = [];
      for await (const event of client.watch('ConfigMap', { namespace: 'default', fieldSelector: 'metadata.name=large' }, { from: '1' })) {
        told.push(event.type === 'ADDED' ? `ADDED ${event.object.metadata?.name}` : event.type);
        if (event.type === 'SYNCED') break;
      }
      expect(told).toEqual(['RESET', 'ADDED large', 'SYNCED']);
    }, other);
  });

  it('a watch from a revision that is none, or in the future, says so', async () => {
    await dialled(async (client) => {
      expect(await refused(client.watch('ConfigMap', { namespace: '' }, { from: 'x' }).next())).toMatchObject({
        reason: 'BadRequest',
        message: 'resourceVersion: "x" is no revision',
      });
      expect(await refused(client.watch('ConfigMap', { namespace: '' }, { from: '999999', reset: false }).next())).toMatchObject({
        reason: 'Expired',
      });
    });
  });
});

describe('a server', () => {
  it('that does not run is said to, with its address, and how to start it', async () => {
    await server.stop();
    try {
      for (const args of [
        ['get', 'pods'],
        ['apply', '-f', 'there.yaml'],
        ['logs', 'web'],
        ['get', 'pods', '-w'],
      ]) {
        const { code, stdout, stderr, ms } = await server.run(args);
        expect({ args, code, stdout, stderr }).toEqual({
          args,
          code: 4,
          stdout: '',
          stderr: `error: the server at ${server.address} does not answer: nothing listens there\nIs it running? Start it: podplane up (or podplane server).\n`,
        });
        expect(ms).toBeLessThan(10_000);
      }
    } finally {
      await server.start();
    }
  });

  it('of another cluster is told from the right one', async () => {
    await using other = new ServerOnly();
    await other.start();
    const context = JSON.parse(readFileSync(server.contextFile, 'utf8')) as object;
    server.file('other.json', JSON.stringify({ ...context, server: other.address }));
    const { code, stderr } = await server.run(['--context', 'other.json', 'get', 'pods']);
    expect({ code, stderr }).toEqual({
      code: 4,
      stderr: expect.stringMatching(/^error: the server at \S+ shows a certificate that is not of this context's cluster\n/),
    });
  });

  it('in no context at all is asked for', async () => {
    const { code, stderr } = await server.run(['get', 'pods'], { env: { PODPLANE_CONTEXT: '' }, cwd: '/' });
    expect({ code, stderr: stderr.split('\n')[0] }).toEqual({ code: 4, stderr: 'error: no cluster is known here' });
    expect(stderr).toContain('podplane up');
  });

  it('with a damaged context file is not dialled', async () => {
    for (const [text, said] of [
      ['{"name":', 'is no JSON'],
      ['{"name":"x","server":"127.0.0.1:1"}', 'has no caCertificate'],
    ] as const) {
      server.file('damaged.json', text);
      const { code, stderr } = await server.run(['--context', 'damaged.json', 'get', 'pods']);
      expect({ code, stderr }).toEqual({ code: 4, stderr: expect.stringContaining(said) });
    }
  });
});
