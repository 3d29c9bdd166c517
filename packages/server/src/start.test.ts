// Starting and stopping: what must keep a server from starting, with words for the person who started it, and what a full disk does.
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigMap } from '@podplane/api/gen/podplane/core/v1/config_map';
import { realSystem } from '@podplane/api/system';
import { createDefaultNamespaces } from '@podplane/controllers/namespace/bootstrap';
import { catalogueCodecs } from '@podplane/store/catalogue-codecs';
import { JournalError } from '@podplane/store/errors';
import { MemoryJournal } from '@podplane/store/journals/memory';
import { createStore } from '@podplane/store/store';
import { HandSystem } from '@podplane/store/testkit/hand-system';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { JoinTokens } from './auth/tokens.js';
import { Registry, type Writer } from './registry/registry.js';
import { ReleaseStack } from './release-stack.js';
import { testServer } from './testkit/harness.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'podplane-start-'));
});
afterEach(async () => {
  await chmod(folder, 0o700);
  await rm(folder, { recursive: true, force: true });
});

describe('a server does not start', () => {
  it('on data that another server uses, and does when that one has stopped', async () => {
    const dataDir = join(folder, 'data');
    const first = await testServer({ dataDir, journal: 'sqlite' });
    await expect(testServer({ dataDir, journal: 'sqlite' })).rejects.toMatchObject({ code: 'data-directory-in-use' });
    await first.stop();
    const second = await testServer({ dataDir, journal: 'sqlite' });
    expect(second.running.clusterId).toBe(first.running.clusterId);
    await second.stop();
  });

  it('where the data directory is a file, or may not be written', async () => {
    const file = join(folder, 'file');
    await writeFile(file, '');
    await expect(testServer({ dataDir: file, journal: 'sqlite' })).rejects.toMatchObject({
      code: 'data-directory-unusable',
    });
    await expect(testServer({ dataDir: join(file, 'data') })).rejects.toMatchObject({
      code: 'data-directory-unusable',
      message: expect.stringContaining(file),
    });
    if (process.getuid?.() === 0) return; // root may write anywhere
    await chmod(folder, 0o500);
    await expect(testServer({ dataDir: join(folder, 'data') })).rejects.toMatchObject({ code: 'data-directory-unusable' });
  });

  it('with a damaged authority, or one without its key', async () => {
    const dataDir = join(folder, 'data');
    await (await testServer({ dataDir })).stop();
    await rm(join(dataDir, 'pki', 'ca.key'));
    await expect(testServer({ dataDir })).rejects.toMatchObject({
      code: 'data-damaged',
      message: expect.stringContaining('ca.key is missing'),
    });
    await writeFile(join(dataDir, 'pki', 'ca.key'), 'nonsense');
    await expect(testServer({ dataDir })).rejects.toMatchObject({
      code: 'data-damaged',
      message: expect.stringContaining('cannot be read'),
    });
  });

  it('with options that mean nothing', async () => {
    const dataDir = join(folder, 'data');
    await mkdir(dataDir);
    await expect(testServer({ dataDir, clusterCidr: '10.0.0.1/8' })).rejects.toMatchObject({ code: 'bad-option' });
    await expect(testServer({ dataDir, clusterCidr: '10.0.0.0/24', nodeCidrBits: 20 })).rejects.toMatchObject({ code: 'bad-option' });
    await expect(testServer({ dataDir, host: '203.0.113.7' })).rejects.toMatchObject({ code: 'cannot-listen' });
  });
});

describe('while the disk is full', () => {
  const writer: Writer = { identity: { kind: 'admin', name: 'admin' }, fieldManager: '', dryRun: false };
  const configMap = (name: string): { kind: 'ConfigMap'; object: ConfigMap } => ({
    kind: 'ConfigMap',
    object: ConfigMap.fromPartial({ metadata: { name, namespace: 'default' } }),
  });

  it('writes are refused with advice, reads go on, and it ends by itself', async () => {
    const system = realSystem();
    const journal = new MemoryJournal();
    const store = await createStore({ system, journal, codecs: catalogueCodecs });
    store.transact({ actor: 'test', reason: 'start' }, (tx) => createDefaultNamespaces(tx));
    const registry = new Registry(store, system);
    await registry.create(configMap('before'), writer);

    journal.setBroken(new JournalError('full', 'no room on the disk'));
    const refused = { reason: 'ServiceUnavailable', advice: expect.stringMatching(/\w/) };
    // The first one finds out, the others are refused at once.
    await expect(registry.create(configMap('during'), writer)).rejects.toMatchObject(refused);
    await expect(registry.create(configMap('during'), writer)).rejects.toMatchObject(refused);
    await expect(registry.createBatch([configMap('during')], writer)).rejects.toMatchObject(refused);
    await expect(
      registry.delete(
        { kind: 'ConfigMap', namespace: 'default', name: 'before' },
        { graceSeconds: undefined, propagationPolicy: '', uid: '', resourceVersion: '' },
        writer,
      ),
    ).rejects.toMatchObject(refused);
    expect(registry.get({ kind: 'ConfigMap', namespace: 'default', name: 'before' }).object.metadata?.name).toBe('before');
    expect(() => registry.get({ kind: 'ConfigMap', namespace: 'default', name: 'during' })).toThrow('not found');

    const healthy = new Promise<void>((resolve) => store.onHealth(({ state }) => state === 'ok' && resolve()));
    journal.setBroken(undefined);
    await healthy;
    await registry.create(configMap('during'), writer);
    expect(registry.get({ kind: 'ConfigMap', namespace: 'default', name: 'during' }).object.metadata?.name).toBe('during');
    await store.close();
  });
});

describe('join tokens', () => {
  it('expire, and are then forgotten', async () => {
    const system = new HandSystem();
    const store = await createStore({ system, journal: new MemoryJournal(), codecs: catalogueCodecs });
    const tokens = new JoinTokens(store.meta, system.clock, 'hash');
    const { token, info } = await tokens.create('short', 60);
    expect(tokens.check(token)).toBe(info.id);
    expect(JSON.stringify(store.meta.keys('').map((key) => store.meta.get(key)))).not.toContain(token.split('.')[3]);
    await system.advance(60_000);
    expect(() => tokens.check(token)).toThrow('the join token expired at 2026-01-01T00:01:00.000Z');
    expect(tokens.list()).toEqual([]);
    await tokens.create('next', 0);
    expect(() => tokens.check(token)).toThrow('the join token is wrong or was revoked');
    await expect(tokens.create('', -1)).rejects.toMatchObject({ reason: 'BadRequest' });
    await expect(tokens.create('x'.repeat(1000), 0)).rejects.toMatchObject({ reason: 'BadRequest' });
    await store.close();
  });
});

describe('a release stack', () => {
  it('undoes everything in reverse order, once, whatever fails', async () => {
    const done: string[] = [];
    const problems: string[] = [];
    const stack = new ReleaseStack((what) => problems.push(what));
    stack.push('a', () => void done.push('a'));
    stack.push('b', () => Promise.reject(new Error('broken')));
    stack.push('c', async () => void done.push('c'));
    await Promise.all([stack.release(), stack.release()]);
    expect(done).toEqual(['c', 'a']);
    expect(problems).toEqual(['b']);
  });
});
