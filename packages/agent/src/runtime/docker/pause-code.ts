// The program of the pause container as machine code, for x86-64 and arm64: no compiler and no registry are needed to have it.
//
//   for each argument: make it writable for everybody (chmod 0777). Where the own group (getgid) is not root's, the argument is given
//   to that group before (chown -1:group), with 02777, so that what is made in it belongs to that group. Errors are ignored.
//   block SIGINT, SIGTERM and SIGCHLD
//   loop:  wait for one of them (rt_sigtimedwait)
//          SIGCHLD: reap every child that has ended (wait4 with WNOHANG), loop
//          SIGINT, SIGTERM: exit with 0
//          anything else (a signal without effect interrupted the wait): loop
//
// The arguments are the mount points of the pod's volumes: a new volume of Docker belongs to root and nobody else may write, where an
// emptyDir of Kubernetes is open to all and belongs to the pod's fsGroup, which this program runs as. The pause container starts before the others, so this costs no time.
// Blocked signals are delivered to process 1 of a namespace too, unlike those with a default action; so nothing needs a handler.
// The bytes are made by two tiny emitters, one for each architecture; the tests disassemble and run the result.

import { elfProgram } from './elf.js';
import type { Architecture } from './machine.js';

export type PauseArchitecture = Architecture;

const SIGINT = 2;
const SIGTERM = 15;
const SIGCHLD = 17;
const SIGNAL_SET = (1 << (SIGINT - 1)) | (1 << (SIGTERM - 1)) | (1 << (SIGCHLD - 1));
const SIGSET_BYTES = 8;
const WNOHANG = 1;
const MODE = 0o777;
const GROUP_MODE = 0o2777;

/** Bytes with jumps to labels that may come later. A jump's bytes are made by "encode" when all labels are known. */
class Emitter {
  readonly #bytes: number[] = [];
  readonly #labels = new Map<string, number>();
  readonly #jumps: {
    readonly at: number;
    readonly size: number;
    readonly label: string;
    readonly encode: (from: number, to: number) => readonly number[];
  }[] = [];

  emit(...bytes: readonly number[]): void {
    this.#bytes.push(...bytes);
  }

  label(name: string): void {
    this.#labels.set(name, this.#bytes.length);
  }

  jump(label: string, size: number, encode: (from: number, to: number) => readonly number[]): void {
    this.#jumps.push({ at: this.#bytes.length, size, label, encode });
    for (let i = 0; i < size; i++) this.#bytes.push(0);
  }

  finish(): Uint8Array {
    const out = Uint8Array.from(this.#bytes);
    for (const { at, size, label, encode } of this.#jumps) {
      const to = this.#labels.get(label);
      if (to === undefined) throw new Error(`label ${label} is nowhere`);
      const bytes = encode(at, to);
      if (bytes.length !== size) throw new Error(`jump to ${label} has ${bytes.length} bytes, not ${size}`);
      out.set(bytes, at);
    }
    return out;
  }
}

const littleEndian32 = (value: number): readonly number[] => [
  value & 0xff,
  (value >>> 8) & 0xff,
  (value >>> 16) & 0xff,
  (value >>> 24) & 0xff,
];

function amd64Code(): Uint8Array {
  const code = new Emitter();
  // Registers by their number in "pop r64" (0x58 + n): rax 0, rdx 2, rsi 6, rdi 7. r10 has a prefix.
  const RAX = 0;
  const RDX = 2;
  const RSI = 6;
  const RDI = 7;
  const syscall = (number: number): void => {
    if (number < 128) setSmall(RAX, number);
    else code.emit(0xb8, ...littleEndian32(number)); // mov eax, imm32
    code.emit(0x0f, 0x05);
  };
  const setSmall = (register: number, value: number): void => code.emit(0x6a, value & 0xff, 0x58 + register); // push imm8; pop
  const setR10 = (value: number): void => code.emit(0x6a, value, 0x41, 0x5a); // push imm8; pop r10
  const zeroEsi = (): void => code.emit(0x31, 0xf6); // xor esi, esi
  const zeroEdx = (): void => code.emit(0x31, 0xd2); // xor edx, edx
  const zeroEdi = (): void => code.emit(0x31, 0xff); // xor edi, edi
  const push = (register: number): void => code.emit(0x50 + register);
  const pop = (register: number): void => code.emit(0x58 + register);
  const compareEax = (value: number): void => code.emit(0x83, 0xf8, value); // cmp eax, imm8
  const short =
    (opcode: number) =>
    (label: string): void =>
      code.jump(label, 2, (from, to) => {
        const distance = to - (from + 2);
        if (distance < -128 || distance > 127) throw new Error(`${label} is too far for a short jump`);
        return [opcode, distance & 0xff];
      });
  const jumpIfEqual = short(0x74);
  const jumpIfGreater = short(0x7f);
  const jump = short(0xeb);

  // The stack holds the number of arguments, pointers to them (the program's name first), and a null pointer.
  code.emit(0x5f, 0x5f); // pop rdi, twice
  code.label('argument');
  code.emit(0x5f); // pop rdi
  code.emit(0x48, 0x85, 0xff); // test rdi, rdi
  jumpIfEqual('block');
  syscall(104); // getgid
  push(RAX);
  pop(RDX);
  code.emit(0xbe, ...littleEndian32(MODE)); // mov esi, imm32
  code.emit(0x85, 0xd2); // test edx, edx
  jumpIfEqual('chmod');
  setSmall(RSI, -1); // the owner stays
  syscall(92); // chown; rdi and rdx stay as they are
  code.emit(0xbe, ...littleEndian32(GROUP_MODE));
  code.label('chmod');
  syscall(90); // chmod
  jump('argument');
  code.label('block');
  code.emit(0x68, ...littleEndian32(SIGNAL_SET)); // push imm32 (64 bits on the stack): the set is at rsp
  zeroEdi(); // SIG_BLOCK = 0
  code.emit(0x48, 0x89, 0xe6); // mov rsi, rsp
  zeroEdx();
  setR10(SIGSET_BYTES);
  syscall(14); // rt_sigprocmask
  code.label('loop');
  code.emit(0x48, 0x89, 0xe7); // mov rdi, rsp
  zeroEsi();
  zeroEdx();
  setR10(SIGSET_BYTES);
  syscall(128); // rt_sigtimedwait, no timeout
  compareEax(SIGCHLD);
  jumpIfEqual('reap');
  compareEax(SIGINT);
  jumpIfEqual('exit');
  compareEax(SIGTERM);
  jumpIfEqual('exit');
  jump('loop');
  code.label('reap');
  setSmall(RDI, -1);
  zeroEsi();
  setSmall(RDX, WNOHANG);
  code.emit(0x45, 0x31, 0xd2); // xor r10d, r10d
  syscall(61); // wait4
  code.emit(0x85, 0xc0); // test eax, eax
  jumpIfGreater('reap');
  jump('loop');
  code.label('exit');
  zeroEdi();
  syscall(60); // exit
  return code.finish();
}

function arm64Code(): Uint8Array {
  const code = new Emitter();
  // Every instruction is one word of 32 bits.
  const word = (value: number): readonly number[] => littleEndian32(value >>> 0);
  const set = (register: number, value: number): void => code.emit(...word(0xd2800000 | (value << 5) | register)); // movz xN, #imm16
  const setHigh = (register: number, value: number): void => code.emit(...word(0xf2a00000 | (value << 5) | register)); // movk xN, #imm16, lsl #16
  const setMinusOne = (register: number): void => code.emit(...word(0x92800000 | register)); // movn xN, #0
  const setStackPointer = (register: number): void => code.emit(...word(0x910003e0 | register)); // mov xN, sp
  const compare = (value: number): void => code.emit(...word(0x7100001f | (value << 10))); // cmp w0, #imm12
  const syscall = (number: number): void => {
    set(8, number);
    code.emit(...word(0xd4000001)); // svc #0
  };
  const jumpIf =
    (condition: number) =>
    (label: string): void =>
      code.jump(label, 4, (from, to) => word(0x54000000 | ((((to - from) / 4) & 0x7ffff) << 5) | condition));
  const jumpIfEqual = jumpIf(0);
  const jumpIfGreater = jumpIf(12);
  const jump = (label: string): void => code.jump(label, 4, (from, to) => word(0x14000000 | (((to - from) / 4) & 0x3ffffff)));
  const jumpIfZero = (register: number, label: string): void =>
    code.jump(label, 4, (from, to) => word(0xb4000000 | ((((to - from) / 4) & 0x7ffff) << 5) | register)); // cbz xN

  // The stack holds the number of arguments, pointers to them (the program's name first), and a null pointer.
  code.emit(...word(0x910043f3)); // add x19, sp, #16
  code.label('argument');
  code.emit(...word(0xf8408661)); // ldr x1, [x19], #8
  jumpIfZero(1, 'block');
  code.emit(...word(0xaa0103f4)); // mov x20, x1: the path
  syscall(176); // getgid
  code.emit(...word(0xaa0003f5)); // mov x21, x0: the group
  set(22, MODE);
  jumpIfZero(21, 'chmod');
  code.emit(...word(0x92800c60)); // mov x0, #-100: AT_FDCWD
  code.emit(...word(0xaa1403e1)); // mov x1, x20
  setMinusOne(2); // the owner stays
  code.emit(...word(0xaa1503e3)); // mov x3, x21
  set(4, 0);
  syscall(54); // fchownat
  set(22, GROUP_MODE);
  code.label('chmod');
  code.emit(...word(0x92800c60)); // mov x0, #-100: AT_FDCWD
  code.emit(...word(0xaa1403e1)); // mov x1, x20
  code.emit(...word(0xaa1603e2)); // mov x2, x22
  syscall(53); // fchmodat
  jump('argument');
  code.label('block');
  set(9, SIGNAL_SET & 0xffff);
  setHigh(9, SIGNAL_SET >>> 16);
  code.emit(...word(0xf81f0fe9)); // str x9, [sp, #-16]!: the set is at sp, which stays a multiple of 16
  set(0, 0); // SIG_BLOCK = 0
  setStackPointer(1);
  set(2, 0);
  set(3, SIGSET_BYTES);
  syscall(135); // rt_sigprocmask
  code.label('loop');
  setStackPointer(0);
  set(1, 0);
  set(2, 0);
  set(3, SIGSET_BYTES);
  syscall(137); // rt_sigtimedwait, no timeout
  compare(SIGCHLD);
  jumpIfEqual('reap');
  compare(SIGINT);
  jumpIfEqual('exit');
  compare(SIGTERM);
  jumpIfEqual('exit');
  jump('loop');
  code.label('reap');
  setMinusOne(0);
  set(1, 0);
  set(2, WNOHANG);
  set(3, 0);
  syscall(260); // wait4
  compare(0);
  jumpIfGreater('reap');
  jump('loop');
  code.label('exit');
  set(0, 0);
  syscall(93); // exit
  return code.finish();
}

/** The whole program as a file. */
export function pauseProgram(architecture: PauseArchitecture): Uint8Array {
  return elfProgram(architecture, architecture === 'amd64' ? amd64Code() : arm64Code());
}
