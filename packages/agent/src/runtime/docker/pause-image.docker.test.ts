// The pause program: what its bytes are, that it runs on this machine (and on the other architecture where qemu is installed), and as a container.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { arch, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { readArchive } from '../../images/archive.js';
import { STAY, TestNode, whyNoEngine } from '../testing/real-engine.js';
import { type PauseArchitecture, pauseProgram } from './pause-code.js';
import { PAUSE_IMAGE, pauseArchitecture, pauseArchive } from './pause-image.js';

vi.setConfig({ hookTimeout: 60_000, testTimeout: 60_000 }); // the engine is shared with other tests
const noEngine = await whyNoEngine();
const ARCHITECTURES: readonly PauseArchitecture[] = ['amd64', 'arm64'];
const native: PauseArchitecture = arch() === 'arm64' ? 'arm64' : 'amd64';

function has(program: string, ...args: readonly string[]): boolean {
  try {
    return execFileSync(program, [...args], { stdio: ['ignore', 'pipe', 'ignore'] }).length > 0;
  } catch {
    return false;
  }
}

const EMULATORS: Readonly<Record<PauseArchitecture, string>> = { amd64: 'qemu-x86_64-static', arm64: 'qemu-aarch64-static' };
const DISASSEMBLERS: Readonly<Record<PauseArchitecture, { readonly program: string; readonly options: readonly string[] }>> = {
  amd64: { program: native === 'amd64' ? 'objdump' : 'x86_64-linux-gnu-objdump', options: ['-m', 'i386:x86-64', '-M', 'intel'] },
  arm64: { program: native === 'arm64' ? 'objdump' : 'aarch64-linux-gnu-objdump', options: ['-m', 'aarch64'] },
};
// The system calls in order, as the disassembler shows the number that is set before each.
const NUMBERS: Readonly<Record<PauseArchitecture, RegExp>> = {
  amd64: /push +0x(68)\n[^]*push +0x(5c)\n[^]*push +0x(5a)\n[^]*push +0x(e)\n[^]*mov +eax,0x(80)\n[^]*push +0x(3d)\n[^]*push +0x(3c)\n/,
  arm64:
    /mov\s+x8, #0x(b0)\s[^]*mov\s+x8, #0x(36)\s[^]*mov\s+x8, #0x(35)\s[^]*mov\s+x8, #0x(87)\s[^]*mov\s+x8, #0x(89)\s[^]*mov\s+x8, #0x(104)\s[^]*mov\s+x8, #0x(5d)\s/,
};

describe('pause program', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'podplane-pause-'));
    for (const architecture of ARCHITECTURES) {
      writeFileSync(join(folder, architecture), pauseProgram(architecture));
      chmodSync(join(folder, architecture), 0o755);
    }
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  for (const architecture of ARCHITECTURES) {
    it(`is an ELF file whose entry is in its segment (${architecture})`, () => {
      const file = Buffer.from(pauseProgram(architecture));
      expect(file.subarray(0, 7).toString('hex')).toBe('7f454c46020101');
      expect(file.readUInt16LE(18)).toBe(architecture === 'amd64' ? 62 : 183);
      const entry = file.readBigUInt64LE(24);
      const [address, size] = [file.readBigUInt64LE(80), file.readBigUInt64LE(96)];
      expect(size).toBe(BigInt(file.length));
      expect(entry).toBe(address + 120n);
      expect(file.length).toBeLessThan(400);
    });

    it.skipIf(!has(DISASSEMBLERS[architecture].program, '--version'))(
      `disassembles without unknown instructions, with its seven system calls in order (${architecture})`,
      () => {
        const { program, options } = DISASSEMBLERS[architecture];
        const text = execFileSync(program, [
          '-D',
          '-b',
          'binary',
          ...options,
          '--start-address=120',
          join(folder, architecture),
        ]).toString();
        expect(text).not.toMatch(/\(bad\)|\.inst|undefined/);
        expect(text).toMatch(NUMBERS[architecture]);
      },
    );

    const runner = architecture === native ? [] : [EMULATORS[architecture]];
    it.skipIf(runner[0] !== undefined && !has(runner[0], '--version'))(
      `waits, reaps its children and ends with 0 on SIGTERM and SIGINT (${architecture}${runner.length > 0 ? ', emulated' : ''})`,
      async () => {
        for (const signal of ['SIGTERM', 'SIGINT'] as const) {
          // The shell starts a child and becomes the program: the child is the program's then, and it has to reap it.
          const child = spawn('/bin/sh', ['-c', 'sleep 0.2 & exec "$@"', 'sh', ...runner, join(folder, architecture)], { stdio: 'ignore' });
          const ended = once(child, 'exit');
          const children = (): string => readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim();
          await until(
            () =>
              readFileSync(`/proc/${child.pid}/cmdline`, 'utf8').includes(join(folder, architecture)) &&
              !readFileSync(`/proc/${child.pid}/cmdline`, 'utf8').startsWith('/bin/sh'),
          );
          expect(children()).not.toBe('');
          await until(() => children() === ''); // a child that ended and was not waited for would stay, as a zombie
          expect(child.exitCode).toBeNull();
          child.kill(signal);
          expect(await ended).toEqual([0, null]);
        }
      },
    );
  }

  for (const architecture of ARCHITECTURES) {
    const runner = architecture === native ? [] : [EMULATORS[architecture]];
    it.skipIf(runner[0] !== undefined && !has(runner[0], '--version'))(
      `makes the folders in its arguments writable for everybody, and passes over what is not there (${architecture}${runner.length > 0 ? ', emulated' : ''})`,
      async () => {
        const folders = [0, 1].map((i) => join(folder, `${architecture}-volume-${i}`));
        for (const one of folders) mkdirSync(one, { mode: 0o700 });
        const args = [
          '-c',
          'exec "$@"',
          'sh',
          ...runner,
          join(folder, architecture),
          folders[0] ?? '',
          join(folder, 'none'),
          folders[1] ?? '',
        ];
        const child = spawn('/bin/sh', args, { stdio: 'ignore' });
        const ended = once(child, 'exit');
        await until(() => folders.every((one) => (statSync(one).mode & 0o7777) === 0o777));
        child.kill('SIGTERM');
        expect(await ended).toEqual([0, null]);
      },
    );
  }

  for (const architecture of ARCHITECTURES) {
    const runner = architecture === native ? [] : [EMULATORS[architecture]];
    const skip = process.getuid?.() !== 0 || !has('setpriv', '--version') || (runner[0] !== undefined && !has(runner[0], '--version'));
    it.skipIf(skip)(`gives the folders to its own group, and leaves their owner (${architecture})`, async () => {
      const one = join(folder, `${architecture}-group`);
      mkdirSync(one, { mode: 0o700 });
      chownSync(one, 1234, 0);
      const args = ['--regid', '4321', '--clear-groups', ...runner, join(folder, architecture), one];
      const child = spawn('setpriv', args, { stdio: 'ignore' });
      const ended = once(child, 'exit');
      await until(() => (statSync(one).mode & 0o7777) === 0o2777);
      expect([statSync(one).uid, statSync(one).gid]).toEqual([1234, 4321]);
      child.kill('SIGTERM');
      expect(await ended).toEqual([0, null]);
    });
  }

  it('makes an image with the same id each time, and refuses other architectures', async () => {
    for (const architecture of ARCHITECTURES) {
      const [one] = await readArchive(pauseArchive(architecture));
      // A new id means new containers on every node: raise the version in PAUSE_IMAGE with it.
      expect(one).toEqual({ names: [PAUSE_IMAGE], id: PAUSE_IDS[architecture] });
    }
    expect(pauseArchitecture('x86_64')).toBe('amd64');
    expect(pauseArchitecture('aarch64')).toBe('arm64');
    expect(() => pauseArchitecture('riscv64')).toThrow(expect.objectContaining({ code: 'invalid' }));
  });
});

const PAUSE_IDS: Readonly<Record<PauseArchitecture, string>> = {
  amd64: 'sha256:83ce66122547b9841915ef9bd10fb5fd64ea6c98b754475785c8eb844d7b4f68',
  arm64: 'sha256:b98862f9e0484eabe5b45ef0dbf3127a8de89cbd55e17db2fba3a0182a85efff',
};

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; !condition(); i++) {
    if (i > 500) throw new Error('did not happen within 5 s');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

describe.skipIf(noEngine !== undefined)('pause image on a real engine', () => {
  const node = new TestNode();
  beforeAll(async () => {
    await node.open();
  });
  afterAll(() => node.close());

  it('has the id that was computed', async () => {
    expect((await node.runtime.imagePresent(PAUSE_IMAGE))?.id).toBe(PAUSE_IDS[native]);
  });

  it('stays while the pod runs, ignores other signals, ends with 0 on SIGTERM', async () => {
    const { pause } = await node.pod('a', STAY);
    await node.runtime.kill(pause, 'SIGUSR1');
    await node.runtime.kill(pause, 'SIGHUP');
    expect(await node.runtime.inspect(pause)).toMatchObject({ state: 'running' });
    const started = performance.now();
    await node.runtime.stop(pause, 30);
    expect(performance.now() - started).toBeLessThan(20_000);
    expect(await node.runtime.inspect(pause)).toMatchObject({ state: 'exited', exitCode: 0 });
  });
});
