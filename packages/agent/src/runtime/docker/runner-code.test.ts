// The program that runs exec probes: its bytes, and what it does as a process of this machine (and of the other architecture where qemu is installed).
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { arch, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Architecture } from './machine.js';
import { RUNNER_OUTPUT_LIMIT, RUNNER_REQUEST_LIMIT, runnerProgram } from './runner-code.js';
import { AnswerReader, KILL_REQUEST, pathsOf, type RunnerAnswer, runRequest } from './runner-protocol.js';

vi.setConfig({ testTimeout: 60_000 });

const native: Architecture = arch() === 'arm64' ? 'arm64' : 'amd64';
const EMULATORS: Readonly<Record<Architecture, string>> = { amd64: 'qemu-x86_64-static', arm64: 'qemu-aarch64-static' };

function has(program: string): boolean {
  try {
    return execFileSync(program, ['--version'], { stdio: ['ignore', 'pipe', 'ignore'] }).length > 0;
  } catch {
    return false;
  }
}

/** The emulator does not know PR_SET_CHILD_SUBREAPER, but a process keeps it when it becomes another program. */
const SUBREAPER = 'import ctypes, os, sys; ctypes.CDLL(None).prctl(36, 1, 0, 0, 0); os.execvp(sys.argv[1], sys.argv[1:])';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'podplane-runner-'));
  for (const architecture of ['amd64', 'arm64'] as const) {
    writeFileSync(join(folder, architecture), runnerProgram(architecture));
    chmodSync(join(folder, architecture), 0o755);
  }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

class Running {
  readonly process: ChildProcess;
  private readonly reader = new AnswerReader();
  private readonly answers: RunnerAnswer[] = [];
  private wake: (() => void) | undefined;

  constructor(command: readonly string[], env: NodeJS.ProcessEnv) {
    const [program = '', ...args] = command;
    this.process = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'], env });
    this.process.stdin?.on('error', () => undefined);
    this.process.stdout?.on('data', (data: Buffer) => {
      this.answers.push(...this.reader.take(data));
      this.wake?.();
    });
  }

  say(bytes: Uint8Array | undefined): void {
    if (bytes === undefined) throw new Error('no request');
    this.process.stdin?.write(bytes);
  }

  /** What comes until the command has ended. */
  async answer(): Promise<{ readonly output: string; readonly exitCode: number | undefined }> {
    let output = '';
    for (;;) {
      const answer = this.answers.shift();
      if (answer === undefined) await new Promise<void>((resolve) => (this.wake = resolve));
      else if (answer.kind === 'output') output += Buffer.from(answer.data).toString();
      else return { output, exitCode: answer.kind === 'ended' ? answer.exitCode : undefined };
    }
  }

  run(...command: readonly string[]): Promise<{ readonly output: string; readonly exitCode: number | undefined }> {
    this.say(runRequest(pathsOf(command[0] ?? '', process.env.PATH), command));
    return this.answer();
  }
}

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; !condition(); i++) {
    if (i > 2000) throw new Error('did not happen within 20 s');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

for (const architecture of ['amd64', 'arm64'] as const) {
  const emulator = architecture === native ? [] : [EMULATORS[architecture]];
  describe.skipIf(emulator[0] !== undefined && !has(emulator[0]))(`the runner (${architecture})`, () => {
    let one: Running;
    const open = (before: readonly string[] = []): Running =>
      (one = new Running([...before, ...emulator, join(folder, architecture)], { ...process.env, SAID: 'by the engine' }));
    afterEach(async () => {
      if (one.process.exitCode !== null || one.process.signalCode !== null) return;
      const ended = once(one.process, 'exit');
      one.process.kill('SIGKILL');
      await ended;
    });

    it('runs one command after the other: output of both streams, exit codes, its own environment, no input', async () => {
      open();
      expect(await one.run('sh', '-c', 'echo out; echo err >&2; exit 3')).toEqual({ output: 'out\nerr\n', exitCode: 3 });
      expect(await one.run('/bin/sh', '-c', 'echo "$SAID"; cat; ls -l /proc/self/fd | grep -c socket')).toEqual({
        output: 'by the engine\n0\n',
        exitCode: 1,
      });
      expect(await one.run('true')).toEqual({ output: '', exitCode: 0 });
      expect(await one.run('no-such-program-here')).toEqual({ output: '', exitCode: 127 });
      expect(await one.run('sh', '-c', 'kill -TERM $$')).toEqual({ output: '', exitCode: 143 });
      for (let i = 0; i < 50; i++) expect((await one.run('sh', '-c', `exit ${i}`)).exitCode).toBe(i);
      const words = Array.from({ length: 200 }, (_, i) => `w${i}`);
      expect((await one.run('echo', ...words)).output).toBe(`${words.join(' ')}\n`);
    });

    it('takes requests in pieces and several at once', async () => {
      open();
      const request = Buffer.from(runRequest(['/bin/sh'], ['sh', '-c', 'echo a']) ?? []);
      for (const byte of request) {
        one.say(Uint8Array.of(byte));
        await new Promise((resolve) => setImmediate(resolve));
      }
      expect(await one.answer()).toEqual({ output: 'a\n', exitCode: 0 });
      one.say(KILL_REQUEST); // too late: nothing runs
      expect(await one.run('sh', '-c', 'echo b')).toEqual({ output: 'b\n', exitCode: 0 });
    });

    it('kills a command with all that it started in its group', async () => {
      open();
      const marker = join(folder, `pid-${architecture}`);
      one.say(runRequest(['/bin/sh'], ['sh', '-c', `echo before; sleep 1000 & echo $! > ${marker}.new; mv ${marker}.new ${marker}; wait`]));
      await until(() => existsSync(marker));
      one.say(KILL_REQUEST);
      expect(await one.answer()).toEqual({ output: 'before\n', exitCode: 137 });
      const child = readFileSync(marker, 'utf8').trim();
      await until(() => !existsSync(`/proc/${child}`) || /^\d+ \([^)]*\) Z/.test(readFileSync(`/proc/${child}/stat`, 'latin1')));
      rmSync(marker);
      expect((await one.run('true')).exitCode).toBe(0); // and it has reaped the orphan
      await until(() => !existsSync(`/proc/${child}`));
    });

    it.skipIf(emulator.length > 0 && !has('python3'))('kills also who left the group of the command, its children and theirs', async () => {
      open(emulator.length > 0 ? ['python3', '-c', SUBREAPER] : []);
      const markers = ['a', 'b', 'c'].map((name) => join(folder, `escaped-${name}-${architecture}`));
      const note = (i: number): string => `echo $$ > ${markers[i]}.new; mv ${markers[i]}.new ${markers[i]}`;
      // One in a session of its own below the command, one whose parent has ended, and a child of that in yet another session.
      const inner = `setsid sh -c '${note(2)}; exec sleep 1000' & ${note(1)}; wait`;
      writeFileSync(join(folder, `inner-${architecture}.sh`), inner);
      const script = `setsid sh -c '${note(0)}; sleep 1000; true' & (setsid sh ${join(folder, `inner-${architecture}.sh`)} &) ; wait`;
      one.say(runRequest(['/bin/sh'], ['sh', '-c', script]));
      await until(() => markers.every(existsSync));
      one.say(KILL_REQUEST);
      expect(await one.answer()).toEqual({ output: '', exitCode: 137 });
      // Not later: they are gone when the answer comes.
      expect(markers.filter((marker) => existsSync(`/proc/${readFileSync(marker, 'utf8').trim()}`))).toEqual([]);
      for (const marker of markers) rmSync(marker);
      expect((await one.run('true')).exitCode).toBe(0);
    });

    it('a command that leaves somebody behind is over when it ends; who is left goes on', async () => {
      open();
      const marker = join(folder, `left-${architecture}`);
      const began = performance.now();
      expect(await one.run('sh', '-c', `(sleep 0.5; echo x > ${marker}) & echo said`)).toEqual({ output: 'said\n', exitCode: 0 });
      expect(performance.now() - began).toBeLessThan(30_000);
      await until(() => existsSync(marker));
      rmSync(marker);
    });

    it('passes on a bounded part of the output and reads the rest', async () => {
      open();
      const { output, exitCode } = await one.run('sh', '-c', 'head -c 3000000 /dev/zero | tr "\\0" x');
      expect(exitCode).toBe(0);
      expect(output.length).toBeGreaterThanOrEqual(RUNNER_OUTPUT_LIMIT);
      expect(output.length).toBeLessThan(RUNNER_OUTPUT_LIMIT + 8192);
      expect((await one.run('sh', '-c', 'echo after')).output).toBe('after\n');
    });

    it('ends with its input, and ends what runs then', async () => {
      open();
      const marker = join(folder, `alone-${architecture}`);
      one.say(
        runRequest(
          ['/bin/sh'],
          ['sh', '-c', `echo $$ > ${marker}.new; mv ${marker}.new ${marker}; (setsid sleep 1001 &); exec sleep 1000`],
        ),
      );
      await until(() => existsSync(marker));
      const pid = readFileSync(marker, 'utf8').trim();
      const ended = once(one.process, 'exit');
      one.process.stdin?.end();
      expect(await ended).toEqual([0, null]);
      expect(existsSync(`/proc/${pid}`)).toBe(false);
      rmSync(marker);
    });

    it('ends where a request is longer than it takes', async () => {
      open();
      const ended = once(one.process, 'exit');
      one.say(Buffer.from([0xff, 0xff, 0xff, 0x7f]));
      expect(await ended).toEqual([0, null]);
    });
  });
}

describe('requests and answers', () => {
  it('a request that is too long, empty or has NUL in it is none', () => {
    expect(runRequest(['/x'], ['x', 'y'.repeat(RUNNER_REQUEST_LIMIT)])).toBeUndefined();
    expect(runRequest(['/x'], ['x', 'a\0b'])).toBeUndefined();
    expect(runRequest(['/x'], [])).toBeUndefined();
    expect(runRequest([], ['x'])).toBeUndefined();
  });

  it('commands are looked for where the environment says', () => {
    expect(pathsOf('/a', '')).toEqual(['/a']);
    expect(pathsOf('./a', '/x')).toEqual(['./a']);
    expect(pathsOf('a', '/x:/y')).toEqual(['/x/a', '/y/a']);
    expect(pathsOf('a', undefined)).toHaveLength(6);
  });

  it('answers that are none are an error', () => {
    expect(() => [...new AnswerReader().take(Buffer.from('hello world'))]).toThrow(/not the program/);
    expect([...new AnswerReader().take(Uint8Array.of(0, 0, 0, 0xc0))]).toEqual([{ kind: 'failed' }]);
  });
});
