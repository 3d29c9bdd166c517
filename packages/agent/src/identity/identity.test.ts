// Joining and renewal against a small server with real TLS and a CA of its own.
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server as NetServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Metadata, Server, status } from '@grpc/grpc-js';
import { type JoinServer, JoinService } from '@podplane/api/gen/podplane/node/v1/join';
import type { System, Timer } from '@podplane/api/system';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { lockDataDirectory } from '../data-lock.js';
import { silentLog } from '../log.js';
import { TestCa } from '../testing/test-ca.js';
import { IdentityError } from './errors.js';
import { IdentityStore } from './identity-store.js';
import { joinCluster, splitAddress } from './join.js';
import { CertificateRenewal, renewAt, renewCertificate } from './renewal.js';
import { parseToken } from './token.js';

const HOUR = 3_600_000;

describe('identity', () => {
  let ca: TestCa;
  let server: Server;
  let address: string;
  let token: string;
  let folder: string;
  let answer: 'ok' | { code: status; details: string } = 'ok';
  const subjects: string[] = [];

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'podplane-identity-'));
    ca = await TestCa.create();
    token = ca.token('secret');
    const sign = async (request: Buffer): Promise<{ certificate: string; caCertificate: string }> => {
      const { subject, ...signed } = await ca.sign(request);
      subjects.push(subject);
      return signed;
    };
    const service: JoinServer = {
      join: (call, callback) => {
        if (answer !== 'ok') callback({ ...answer, metadata: new Metadata() });
        else if (call.request.token !== token) callback({ code: status.UNAUTHENTICATED, details: 'the token is not known' });
        else
          sign(call.request.certificateRequest).then(
            (done) => callback(null, done),
            (error) => callback(error),
          );
      },
      renew: (call, callback) => {
        sign(call.request.certificateRequest).then(
          (done) => callback(null, done),
          (error) => callback(error),
        );
      },
    };
    // Client certificates are asked for but not demanded, as the real server does; grpc-js cannot say so, so that joining uses its own.
    server = new Server();
    server.addService(JoinService, service);
    const credentials = await ca.serverCredentials(false);
    const port = await new Promise<number>((resolve, reject) =>
      server.bindAsync('127.0.0.1:0', credentials, (error, bound) => (error === null ? resolve(bound) : reject(error))),
    );
    address = `127.0.0.1:${port}`;
  });
  afterAll(() => {
    server.forceShutdown();
    rmSync(folder, { recursive: true, force: true });
  });

  const codeOf = async (work: Promise<unknown>): Promise<string> => {
    const error: unknown = await work.then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    if (!(error instanceof IdentityError)) throw new Error(`no IdentityError: ${String(error)}`);
    expect(error.message).not.toBe('');
    if (error.code !== 'name-taken') expect(error.advice).not.toBe('');
    expect(`${error.message}${error.advice}`).not.toContain('secret.');
    return error.code;
  };
  const joining = (change: object = {}): ReturnType<typeof joinCluster> =>
    joinCluster({ server: address, token, nodeName: 'n1', machineId: 'm', ...change });

  it('joins with a token, keeps the identity, renews it', async () => {
    const identity = await joining();
    expect(subjects.at(-1)).toBe('O=system:nodes, CN=system:node:n1');
    const certificate = new X509Certificate(identity.certificate);
    expect(certificate.checkIssued(new X509Certificate(identity.caCertificate))).toBe(true);

    const store = new IdentityStore(join(folder, 'data'));
    store.open();
    expect(store.load()).toBeUndefined();
    const stored = store.save(identity, 'n1');
    expect(store.load()).toEqual(stored);
    expect(statSync(join(folder, 'data', 'identity.json')).mode & 0o777).toBe(0o600);
    expect(store.machineId()).toBe(store.machineId());

    const renewed = await renewCertificate(address, stored);
    expect(renewed.key).not.toBe(identity.key);
    expect(new X509Certificate(renewed.certificate).subject).toContain('system:node:n1');
  });

  it('says what is wrong', async () => {
    expect(await codeOf(joining({ token: 'rubbish' }))).toBe('bad-token');
    const other = await TestCa.create();
    const sent = subjects.length;
    expect(await codeOf(joining({ token: other.token('secret') }))).toBe('wrong-ca');
    expect(subjects.length).toBe(sent); // nothing was asked of a server that is not trusted
    expect(await codeOf(joining({ token: `${token}x` }))).toBe('token-refused');
    expect(await codeOf(joining({ server: 'nonsense' }))).toBe('unreachable');
    answer = { code: status.ABORTED, details: 'the name n1 belongs to another machine' };
    expect(await codeOf(joining())).toBe('name-taken');
    answer = { code: status.INVALID_ARGUMENT, details: 'no name' };
    expect(await codeOf(joining())).toBe('refused');
    answer = 'ok';

    const mute: NetServer = createServer((socket) => socket.destroy());
    await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
    const bound = mute.address();
    const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
    expect(await codeOf(joining({ server: `127.0.0.1:${port}` }))).toBe('unreachable');
    await new Promise((resolve) => mute.close(resolve));
    expect(await codeOf(joining({ server: `127.0.0.1:${port}` }))).toBe('unreachable');
  });

  it('says when its own files cannot be read', () => {
    const store = new IdentityStore(join(folder, 'broken'));
    store.open();
    writeFileSync(join(folder, 'broken', 'identity.json'), '{"nodeName": 1}');
    expect(() => store.load()).toThrow(IdentityError);
    expect(() => new IdentityStore(join(folder, 'broken', 'identity.json', 'x')).open()).toThrow(IdentityError);
  });

  it('reads tokens and addresses', () => {
    expect(parseToken(` ${token}\n`).id).toBe('id1');
    for (const text of ['', 'pp1', 'pp2.a.b.c', 'pp1.short.id.secret', `${token}.more`, token.replace('.id1.', '..')])
      expect(() => parseToken(text)).toThrow(IdentityError);
    expect(splitAddress('[::1]:6443')).toEqual({ host: '::1', port: 6443 });
    expect(splitAddress('example.org:1')).toEqual({ host: 'example.org', port: 1 });
    for (const text of ['example.org', ':1', 'a:0', 'a:99999', '::1:6443']) expect(() => splitAddress(text)).toThrow(IdentityError);
  });

  it('locks its data directory against a second agent', async () => {
    const release = await lockDataDirectory(folder);
    expect(release).toBeDefined();
    expect(await lockDataDirectory(folder)).toBeUndefined();
    release?.();
    await new Promise((resolve) => setImmediate(resolve));
    const again = await lockDataDirectory(folder);
    expect(again).toBeDefined();
    again?.();
  });
});

describe('CertificateRenewal', () => {
  /** Only what the renewal needs: one timer at a time. */
  function world(): { system: System; advance: (ms: number) => Promise<void> } {
    let now = 0;
    let pending: { at: number; fn: () => void } | undefined;
    const system: System = {
      clock: { now: () => now, monotonic: () => now },
      timers: {
        after(ms, fn): Timer {
          const mine = { at: now + ms, fn };
          pending = mine;
          return {
            cancel: () => {
              if (pending === mine) pending = undefined;
            },
          };
        },
        soon: (fn) => fn(),
      },
      random: { next: () => 0, uid: () => '', suffix: () => '' },
    };
    return {
      system,
      async advance(ms) {
        const end = now + ms;
        while (pending !== undefined && pending.at <= end) {
          const { at, fn } = pending;
          pending = undefined;
          now = at;
          fn();
          await new Promise((resolve) => setImmediate(resolve));
        }
        now = end;
      },
    };
  }

  it('renews when two thirds are over, tries again when it fails, and says when it is too late', async () => {
    const { system, advance } = world();
    let identity = { nodeName: 'n', caCertificate: '', certificate: '', key: 'first', notBefore: 0, notAfter: 3 * HOUR };
    let works = true;
    let asked = 0;
    let late = false;
    const renewal = new CertificateRenewal({
      system,
      log: silentLog,
      current: () => identity,
      renew: async (old) => {
        asked++;
        if (!works) throw new Error('no server');
        return { ...old, key: `renewed ${asked}` };
      },
      replace: (fresh) => {
        const { notAfter } = identity;
        identity = { ...identity, ...fresh, notBefore: notAfter - HOUR, notAfter: notAfter + 2 * HOUR };
      },
      expired: () => {
        late = true;
      },
    });
    expect(renewAt(identity)).toBe(2 * HOUR);
    renewal.start();
    await advance(2 * HOUR - 1);
    expect(asked).toBe(0);
    await advance(1);
    expect([asked, identity.key]).toEqual([1, 'renewed 1']);
    works = false;
    await advance(10 * HOUR);
    expect(asked).toBeGreaterThan(3);
    expect(late).toBe(true);
    renewal.stop();
  });
});
