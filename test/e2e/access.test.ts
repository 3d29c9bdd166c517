// What people do inside of pods, by the built command on real Docker: files, commands, ports, logs. Fields of pods are in fields/.
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { findBusybox } from '@podplane/agent/images/base-image';
import { PodplaneClient } from '@podplane/client/client';
import { readContext } from '@podplane/client/context';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { engineAnswers, eventually, Playground } from './harness.js';
import { ShellImage } from './shell-image.js';

const answers = await engineAnswers();
const MIB = 1024 * 1024;
/** Of server and agent, for one copy: windows, buffers that were not collected yet, and what the allocator keeps. */
const MOST_HELD = 160 * MIB;
/** What a process holds of the machine's memory. */
const residentBytes = (pid: number): number => Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
const STAY = 'trap "exit 0" TERM; sleep 100000 & wait';

describe.skipIf(!answers)('inside of pods', () => {
  const play = new Playground();
  const image = new ShellImage();
  /** Has two programs, and no tar, no test, no shell. */
  const bare = new ShellImage();
  const local = path.join(play.directory, 'local');
  let client: PodplaneClient;

  async function apply(objects: readonly object[]): Promise<void> {
    const file = path.join(play.directory, `${randomBytes(4).toString('hex')}.json`);
    writeFileSync(file, JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }));
    await play.must('apply', '-f', file);
  }
  const container = (name: string, script: string, more: object = {}): object => ({
    name,
    image: image.name,
    imagePullPolicy: 'IfNotPresent',
    command: ['/bin/sh', '-c', script],
    ...more,
  });
  const pod = (name: string, spec: object): object => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels: { app: name } },
    spec: { terminationGracePeriodSeconds: 1, ...spec },
  });
  const inside = async (name: string, script: string): Promise<string> =>
    (await play.must('exec', name, '-q', '--', 'sh', '-c', script)).trim();

  beforeAll(async () => {
    const busybox = await findBusybox();
    await Promise.all([
      image.load(),
      bare.loadFiles([
        { path: 'bin/busybox', from: busybox },
        { path: 'bin/sleep', linkTo: 'busybox' },
      ]),
      play.start(1),
    ]);
    client = new PodplaneClient(await readContext(path.join(play.data, 'context.json')));
    mkdirSync(local);
    await apply([
      pod('web', {
        volumes: [
          { name: 'v', emptyDir: {} },
          { name: 'm', emptyDir: { medium: 'Memory' } },
        ],
        containers: [
          container('web', `mkdir /www; echo hello > /www/index.html; httpd -p 8080 -h /www; ${STAY}`, {
            workingDir: '/v',
            ports: [{ name: 'http', containerPort: 8080 }],
            volumeMounts: [
              { name: 'v', mountPath: '/v' },
              { name: 'v', mountPath: '/sub', subPath: 'below' },
              { name: 'm', mountPath: '/memory' },
            ],
          }),
          container('side', STAY, { securityContext: { runAsUser: 1000 }, volumeMounts: [{ name: 'v', mountPath: '/v' }] }),
        ],
      }),
      pod('bare', {
        volumes: [{ name: 'v', emptyDir: {} }],
        containers: [
          {
            name: 'bare',
            image: bare.name,
            imagePullPolicy: 'IfNotPresent',
            workingDir: '/v',
            command: ['/bin/sleep', '100000'],
            volumeMounts: [{ name: 'v', mountPath: '/v' }],
          },
        ],
      }),
    ]);
  });
  afterAll(async () => {
    client?.close();
    await play.remove();
    await image[Symbol.asyncDispose]();
    await bare[Symbol.asyncDispose]();
  });

  describe('cp', () => {
    it('brings a tree into a container and back, with modes and links, through volumes of every kind', async () => {
      const from = path.join(local, 'tree');
      mkdirSync(path.join(from, 'deep', 'empty'), { recursive: true });
      writeFileSync(path.join(from, 'deep', 'large'), randomBytes(3_000_000));
      writeFileSync(path.join(from, 'run'), '#!/bin/sh\necho ran\n', { mode: 0o750 });
      writeFileSync(path.join(from, `long-${'x'.repeat(180)}`), 'long');
      symlinkSync('deep/large', path.join(from, 'link'));
      for (const where of ['/', '/v', '/memory', '/sub']) {
        await play.must('cp', from, `web:${where}`);
        const back = path.join(local, `back${where.replaceAll('/', '-')}`);
        await play.must('cp', `default/web:${path.posix.join(where, 'tree')}`, back, '-c', 'web');
        expect(readdirSync(back, { recursive: true }).sort()).toEqual(readdirSync(from, { recursive: true }).sort());
        expect(readFileSync(path.join(back, 'link')).equals(readFileSync(path.join(from, 'deep', 'large')))).toBe(true);
        expect(lstatSync(path.join(back, 'run')).mode & 0o777).toBe(0o750);
        expect(lstatSync(path.join(back, 'link')).isSymbolicLink()).toBe(true);
      }
      expect(await inside('web', '/v/tree/run; ls /v/below')).toBe('ran\ntree');
    });

    it('copies one file under another name, as the user of the container, and without its mode', async () => {
      const file = path.join(local, 'note');
      writeFileSync(file, 'note', { mode: 0o700 });
      await play.must('cp', file, 'web:/v/renamed', '-c', 'side');
      expect(await inside('web', 'stat -c "%u %a" /v/renamed; cat /v/renamed')).toBe('1000 700\nnote');
      await play.must('cp', file, 'web:/tmp/plain', '--no-preserve');
      expect(await inside('web', 'stat -c "%u %a" /tmp/plain')).toBe('0 700');
      await play.must('cp', 'web:/v/renamed', local);
      expect(readFileSync(path.join(local, 'renamed'), 'utf8')).toBe('note');
    });

    it('works where the image has no tar', async () => {
      await play.must('cp', path.join(local, 'tree'), 'bare:/v');
      await play.must('cp', path.join(local, 'note'), 'bare:/v/tree/deep/copied');
      const back = path.join(local, 'bare-back');
      await play.must('cp', 'bare:/v/tree', back);
      expect(readFileSync(path.join(back, 'deep', 'copied'), 'utf8')).toBe('note');
      expect(readFileSync(path.join(back, 'link')).length).toBe(3_000_000);
      const missing = await play.cli(['cp', 'bare:/nothing', local]);
      expect(missing.code).toBe(1);
      expect(missing.stderr).toContain('/nothing');
    });

    it('begins relative paths where commands begin, whether the image has tar or not', async () => {
      const trial = async (name: string): Promise<void> => {
        const mine = path.join(local, `relative-${name}`);
        const file = path.join(mine, 'word');
        mkdirSync(path.join(mine, 'nest'), { recursive: true });
        writeFileSync(file, name);
        for (const [from, to] of [
          [path.join(mine, 'nest'), '.'],
          [file, '.'],
          [file, 'nest'],
          [file, 'nest/../third'],
        ] as const)
          await play.must('cp', from, `${name}:${to}`);
        for (const at of ['./word', 'nest/word', '../v/third']) {
          const to = path.join(mine, 'one');
          await play.must('cp', `${name}:${at}`, to);
          expect(readFileSync(to, 'utf8'), at).toBe(name);
        }
        const all = path.join(mine, 'all');
        await play.must('cp', `${name}:nest/..`, all);
        expect(readFileSync(path.join(all, 'nest', 'word'), 'utf8')).toBe(name);
        expect(readFileSync(path.join(all, 'third'), 'utf8')).toBe(name);
        const missing = await play.cli(['cp', `${name}:nest/nothing`, local]);
        expect([missing.code, missing.stderr]).toEqual([1, expect.stringContaining('nothing')]);
      };
      await Promise.all([trial('web'), trial('bare')]);
    });

    it('lets no container write elsewhere on this machine, nor a copy leave the container', async () => {
      // A tar of the container's own that brings what nobody asked for.
      const evil = 'cd /tmp && mkdir -p evil && ln -sf /etc evil/etc && echo x > outside && busybox tar -cf - evil ../tmp/outside';
      await inside(
        'web',
        `printf '#!/bin/busybox sh\\n%s\\n' '${evil}' > /tmp/tar; chmod 755 /tmp/tar; mv /bin/tar /bin/tar.real; mv /tmp/tar /bin/tar`,
      );
      const to = path.join(local, 'caught');
      const outcome = await play.cli(['cp', 'web:/tmp/evil', to]);
      await inside('web', 'mv /bin/tar.real /bin/tar');
      expect(outcome.stderr).toContain('skipping');
      expect(existsSync(path.join(to, 'etc'))).toBe(false);
      expect(existsSync(path.join(local, 'outside'))).toBe(false);
      // A link in a volume leads to the container's files, whoever unpacks there.
      await inside('web', 'ln -s / /v/up; mkdir -p /tmp/target');
      const marker = `podplane-${randomBytes(4).toString('hex')}`;
      writeFileSync(path.join(local, marker), 'x');
      await play.must('cp', path.join(local, marker), 'web:/v/up/tmp/target');
      expect(await inside('web', `cat /tmp/target/${marker}`)).toBe('x');
      expect(existsSync(`/tmp/target/${marker}`)).toBe(false);
    });

    it('says what is wrong', async () => {
      const failing = async (...args: readonly string[]): Promise<string> => {
        const { code, stderr } = await play.cli(['cp', ...args]);
        return `${code} ${stderr}`;
      };
      expect(await failing(path.join(local, 'nothing'), 'web:/tmp')).toContain("nothing doesn't exist in local filesystem");
      expect(await failing('a:/x', 'b:/y')).toMatch(/^2 .*one of the two must be on this machine/);
      expect(await failing('x', 'y')).toMatch(/^2 .*one of the two must be in a container/);
      expect(await failing('nobody:/x', local)).toContain('pods "nobody" not found');
      expect(await failing('web:/no/such', local)).toMatch(/^1 [^]*such/);
      expect(await failing('web:/tmp', local, '-c', 'wbe')).toContain('container wbe is not valid for pod web');
    });
  });

  describe('exec', () => {
    it('runs a hundred commands at a time on one node, each with its own output and code', async () => {
      const one = async (number: number): Promise<string> => {
        const call = client.exec();
        const command = ['sh', '-c', `read word; echo "$word ${number}"; exit ${number % 7}`];
        await call.write({
          message: { $case: 'start', value: { namespace: 'default', pod: 'web', container: 'web', command, stdin: true, tty: false } },
        });
        await call.write({ message: { $case: 'stdin', value: Buffer.from('said\n') } });
        let out = '';
        for await (const { message } of call) {
          if (message?.$case === 'stdout') out += message.value.toString();
          if (message?.$case === 'exit') return `${out.trim()} -> ${message.value.code}`;
        }
        throw new Error(`command ${number} has no end`);
      };
      const numbers = Array.from({ length: 100 }, (_, number) => number);
      expect(await Promise.all(numbers.map(one))).toEqual(numbers.map((number) => `said ${number} -> ${number % 7}`));
    });

    it('passes input with its end, and the code, on; and says which container it chose', async () => {
      const blob = randomBytes(1_000_000);
      const sum = await play.cli(['exec', '-i', 'web', '--', 'sha256sum'], blob);
      expect(sum).toMatchObject({ code: 0, stdout: `${createHash('sha256').update(blob).digest('hex')}  -\n` });
      expect(sum.stderr).toBe('Defaulted container "web" out of: web, side\n');
      expect((await play.cli(['exec', 'web', '-c', 'side', '--', 'sh', '-c', 'exit 42'])).code).toBe(42);
    });
  });

  describe('port-forward', () => {
    it('carries many connections at a time, by several ports, to a pod and through a Service; one that fails ends alone', async () => {
      await apply([
        {
          apiVersion: 'v1',
          kind: 'Service',
          metadata: { name: 'front' },
          spec: { selector: { app: 'web' }, ports: [{ port: 80, targetPort: 'http' }] },
        },
      ]);
      const forward = play.run(['port-forward', 'svc/front', ':80']);
      const direct = play.run(['port-forward', 'web', ':8080', ':8081']);
      const portsOf = async (child: typeof forward, count: number): Promise<readonly number[]> => {
        const ports: number[] = [];
        for await (const piece of child.stdout?.iterator({ destroyOnReturn: false }) ?? []) {
          for (const [, port] of String(piece).matchAll(/127\.0\.0\.1:(\d+)/g)) ports.push(Number(port));
          if (ports.length >= count) break;
        }
        return ports;
      };
      const [[service = 0], [open = 0, closed = 0]] = await Promise.all([portsOf(forward, 1), portsOf(direct, 2)]);
      const page = async (port: number): Promise<string> => (await fetch(`http://127.0.0.1:${port}/`)).text();
      expect(await Promise.all(Array.from({ length: 50 }, (_, i) => page(i % 2 === 0 ? service : open)))).toEqual(
        Array(50).fill('hello\n'),
      );
      await expect(page(closed)).rejects.toThrow();
      expect(await page(open)).toBe('hello\n');
      for (const child of [forward, direct]) child.kill('SIGINT');
      const wrong = await play.cli(['port-forward', 'svc/front', ':81']);
      expect(wrong.stderr).toContain('service/front has no port 81');
    });
  });

  describe('a reader that does not read', () => {
    it('holds up nobody else', async () => {
      await apply([pod('noisy', { containers: [container('noisy', 'yes "a line that says nothing at all"')] })]);
      const request = {
        namespace: 'default',
        pod: 'noisy',
        container: '',
        follow: true,
        previous: false,
        sinceTime: '',
        timestamps: false,
      };
      const stop = new AbortController();
      const stalled = client.logs(request, stop.signal);
      await stalled.next(); // and never again
      let bytes = 0;
      for await (const data of client.logs(request, stop.signal)) {
        bytes += data.byteLength;
        if (bytes > 5_000_000) break;
      }
      expect(bytes).toBeGreaterThan(5_000_000);
      stop.abort();
      await play.must('delete', 'pod', 'noisy');
    });

    it('is waited for by cp, which holds no more than its windows, while others copy; and then comes to its end', async () => {
      const file = path.join(local, 'big');
      const back = path.join(local, 'big-back');
      writeFileSync(file, randomBytes(256 * MIB));
      // A tar that does not begin to read before it may.
      const waits = 'while [ ! -e /tmp/go ]; do sleep 0.1; done; exec busybox tar "$@"';
      await inside('web', `rm /bin/tar; printf '#!/bin/sh\n%s\n' '${waits}' > /bin/tar; chmod 755 /bin/tar`);
      const { server, agents } = play.upFile;
      const held = (): number => [server.pid, agents[0]?.pid ?? 0].reduce((sum, pid) => sum + residentBytes(pid), 0);
      const small = path.join(local, 'small');
      writeFileSync(small, randomBytes(8 * MIB));
      const others = async (): Promise<void> => {
        await play.must('cp', small, 'web:/tmp/small', '-c', 'side');
        await play.must('cp', 'web:/tmp/small', `${small}-back`, '-c', 'side');
        expect(readFileSync(`${small}-back`).equals(readFileSync(small))).toBe(true);
      };
      await others(); // what that takes is no part of what is held
      const before = held();
      const into = play.run(['cp', file, 'web:/tmp/big']);
      const closed = once(into, 'close');
      await others();
      expect(held() - before).toBeLessThan(MOST_HELD);
      expect(into.exitCode).toBe(null);
      await inside('web', 'touch /tmp/go');
      expect(await closed).toEqual([0, null]);
      const out = play.run(['cp', 'web:/tmp/big', back]);
      await eventually('the copy begins', async () => existsSync(back) && statSync(back).size > 0, Boolean);
      out.kill('SIGSTOP');
      await others();
      expect(held() - before).toBeLessThan(MOST_HELD);
      expect(statSync(back).size).toBeLessThan(256 * MIB);
      out.kill('SIGCONT');
      expect(await once(out, 'close')).toEqual([0, null]);
      expect(readFileSync(back).equals(readFileSync(file))).toBe(true);
      await inside('web', 'rm -f /tmp/big /bin/tar; ln -s busybox /bin/tar');
    });
  });

  describe('top', () => {
    it('shows what pods, containers and nodes take', async () => {
      await inside('web', '(while :; do :; done) > /dev/null 2>&1 & sleep 1');
      const containers = await play.must('top', 'pods', '--containers', '--sort-by', 'cpu');
      expect(containers).toMatch(/^POD +NAME +CPU\(cores\) +MEMORY\(bytes\)\nweb +web +\d{2,}m +\d+Mi\n/);
      expect(containers).toMatch(/^web +side +\d+m +\d+Mi$/m);
      expect(containers).toMatch(/^bare +bare +0m +\d+Mi$/m);
      expect(await play.must('top', 'pod', '-l', 'app=bare', '--no-headers')).toMatch(/^bare +\d+m +\d+Mi\n$/);
      expect(await play.must('top', 'nodes')).toMatch(new RegExp(`^NAME .*\\n${play.node(1)} +\\d+m +\\d+% +\\d+Mi +\\d+%\\n$`));
      expect((await play.cli(['top', 'pod', 'nobody'])).stderr).toContain('pods "nobody" not found');
    });
  });
});
