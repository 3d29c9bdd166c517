// A machine of a few operations that exists twice, as x86-64 and as arm64 code: a program for containers is written once in these operations
// and needs no compiler. Programs are the files that use it (runner-code.ts, watchdog-code.ts); what stands around the code in a file is elf.ts.

export type Architecture = 'amd64' | 'arm64';

/**
 * Registers that system calls leave alone, and `result`: what the last system call returned; it is no argument of the next, and a place for
 * anything until then. `base` and `given` are what `enter` says.
 */
export type Register = 'base' | 'given' | 'a' | 'b' | 'c' | 'd' | 'e' | 'result';
export type Condition = 'equal' | 'notEqual' | 'less' | 'notLess' | 'greater';
/** A number of at most 31 bits and a sign, what is in a register, the address of a place in the frame, or what is in that place (64 bits). */
export type Value = number | Register | { readonly address: number } | { readonly at: number };

/** System calls with their numbers on x86-64 and arm64. */
const SYSCALLS = {
  read: [0, 63],
  write: [1, 64],
  close: [3, 57],
  ppoll: [271, 73],
  rt_sigprocmask: [14, 135],
  pipe2: [293, 59],
  clone: [56, 220],
  setsid: [112, 157],
  dup3: [292, 24],
  openat: [257, 56],
  execve: [59, 221],
  exit: [60, 93],
  wait4: [61, 260],
  kill: [62, 129],
  prctl: [157, 167],
  signalfd4: [289, 74],
  clock_gettime: [228, 113],
  clock_nanosleep: [230, 115],
  getdents64: [217, 61],
} as const;
export type Syscall = keyof typeof SYSCALLS;

/** Offsets are bytes from the register named, multiples of the size (64 bits: 8), and below 4096 times it. Less than 64 bits are loaded without sign. */
export interface Machine {
  label(name: string): void;
  jump(label: string): void;
  /** Compares as signed numbers of 64 bits. */
  jumpIf(left: Register, condition: Condition, right: number | Register, label: string): void;
  /**
   * The program's first operation: `base` becomes the lowest address of a frame of this many bytes on the stack, `given` the address of the pointers
   * to the arguments (the program's name first) or to the environment.
   */
  enter(frameBytes: number, given: 'arguments' | 'environment'): void;
  set(register: Register, value: Value): void;
  add(register: Register, value: number | Register): void;
  subtract(register: Register, value: Register): void;
  multiply(register: Register, value: number): void;
  load64(register: Register, from: Register, offset: number): void;
  load32(register: Register, from: Register, offset: number): void;
  load16(register: Register, from: Register, offset: number): void;
  load8(register: Register, from: Register, offset: number): void;
  store64(to: Register, offset: number, value: Register): void;
  store32(to: Register, offset: number, value: Register): void;
  store8(to: Register, offset: number, value: Register): void;
  syscall(name: Syscall, ...args: readonly Value[]): void;
  finish(): Uint8Array;
}

export function machine(architecture: Architecture): Machine {
  return architecture === 'amd64' ? new Amd64() : new Arm64();
}

const bytesOf = (value: number): readonly number[] => [value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, (value >>> 24) & 0xff];

interface Jump {
  readonly at: number;
  readonly size: number;
  readonly label: string;
  readonly encode: (from: number, to: number) => readonly number[];
}

/** Bytes with jumps to labels that may come later; all jumps are long ones, so that their size is known at once. */
abstract class Code {
  protected readonly bytes: number[] = [];
  private readonly labels = new Map<string, number>();
  private readonly jumps: Jump[] = [];

  protected emit(...bytes: readonly number[]): void {
    this.bytes.push(...bytes);
  }

  label(name: string): void {
    if (this.labels.has(name)) throw new Error(`label ${name} is there twice`);
    this.labels.set(name, this.bytes.length);
  }

  protected jumpLater(label: string, size: number, encode: Jump['encode']): void {
    this.jumps.push({ at: this.bytes.length, size, label, encode });
    for (let i = 0; i < size; i++) this.bytes.push(0);
  }

  finish(): Uint8Array {
    const out = Uint8Array.from(this.bytes);
    for (const { at, size, label, encode } of this.jumps) {
      const to = this.labels.get(label);
      if (to === undefined) throw new Error(`label ${label} is nowhere`);
      const bytes = encode(at, to);
      if (bytes.length !== size) throw new Error(`a jump to ${label} has ${bytes.length} bytes, not ${size}`);
      out.set(bytes, at);
    }
    return out;
  }
}

class Amd64 extends Code implements Machine {
  // By number: rax 0, rcx 1, rdx 2, rbx 3, rsp 4, rbp 5, rsi 6, rdi 7, r8 to r15. `rcx`, which system calls destroy, is scratch.
  private static readonly REGISTERS: Readonly<Record<Register, number>> = {
    result: 0,
    base: 3,
    a: 5,
    given: 12,
    b: 13,
    c: 14,
    d: 15,
    e: 9,
  };
  private static readonly ARGUMENTS = [7, 6, 2, 10, 8] as const;
  private static readonly SCRATCH = 1;

  private number(register: Register): number {
    return Amd64.REGISTERS[register];
  }

  private wide(reg: number, rm: number): number {
    return 0x48 | (reg >= 8 ? 4 : 0) | (rm >= 8 ? 1 : 0);
  }

  /** opcode with two registers, 64 bits. */
  private two(opcode: number, reg: number, rm: number): void {
    this.emit(this.wide(reg, rm), opcode, 0xc0 | ((reg & 7) << 3) | (rm & 7));
  }

  /** opcode with a register and memory at [rm + offset]. */
  private memory(opcode: number | readonly [number, number], reg: number, rm: number, offset: number, bits: 32 | 64): void {
    const rex = bits === 64 ? this.wide(reg, rm) : this.wide(reg, rm) & ~8;
    this.emit(rex, ...(typeof opcode === 'number' ? [opcode] : opcode), 0x80 | ((reg & 7) << 3) | (rm & 7));
    if ((rm & 7) === 4) this.emit(0x24); // rsp and r12 need a second byte
    this.emit(...bytesOf(offset));
  }

  private move(to: number, value: Value): void {
    if (typeof value === 'number') {
      if (value < -(2 ** 31) || value >= 2 ** 31) throw new RangeError(`${value} is too large`);
      this.emit(this.wide(0, to), 0xc7, 0xc0 | (to & 7), ...bytesOf(value));
    } else if (typeof value === 'string') this.two(0x89, this.number(value), to);
    else if ('at' in value) this.memory(0x8b, to, this.number('base'), value.at, 64);
    else this.memory(0x8d, to, this.number('base'), value.address, 64);
  }

  jump(label: string): void {
    this.jumpLater(label, 5, (from, to) => [0xe9, ...bytesOf(to - from - 5)]);
  }

  jumpIf(left: Register, condition: Condition, right: number | Register, label: string): void {
    const rm = this.number(left);
    if (typeof right === 'number') this.emit(this.wide(0, rm), 0x81, 0xf8 | (rm & 7), ...bytesOf(right));
    else this.two(0x39, this.number(right), rm);
    const opcode = { equal: 0x84, notEqual: 0x85, less: 0x8c, notLess: 0x8d, greater: 0x8f }[condition];
    this.jumpLater(label, 6, (from, to) => [0x0f, opcode, ...bytesOf(to - from - 6)]);
  }

  enter(frameBytes: number, given: 'arguments' | 'environment'): void {
    // The stack holds the number of arguments, pointers to them, 0, and then the environment.
    if (given === 'environment') {
      this.emit(0x48, 0x8b, 0x0c, 0x24); // mov rcx, [rsp]
      this.emit(0x4c, 0x8d, 0x64, 0xcc, 0x10); // lea r12, [rsp + rcx*8 + 16]
    } else this.emit(0x4c, 0x8d, 0x64, 0x24, 0x08); // lea r12, [rsp + 8]
    this.emit(0x48, 0x81, 0xec, ...bytesOf(frameBytes)); // sub rsp, frame
    this.two(0x89, 4, this.number('base')); // mov rbx, rsp
  }

  set(register: Register, value: Value): void {
    this.move(this.number(register), value);
  }

  add(register: Register, value: number | Register): void {
    const rm = this.number(register);
    if (typeof value === 'number') this.emit(this.wide(0, rm), 0x81, 0xc0 | (rm & 7), ...bytesOf(value));
    else this.two(0x01, this.number(value), rm);
  }

  subtract(register: Register, value: Register): void {
    this.two(0x29, this.number(value), this.number(register));
  }

  multiply(register: Register, value: number): void {
    const number = this.number(register);
    this.emit(this.wide(number, number), 0x69, 0xc0 | ((number & 7) << 3) | (number & 7), ...bytesOf(value)); // imul
  }

  load64(register: Register, from: Register, offset: number): void {
    this.memory(0x8b, this.number(register), this.number(from), offset, 64);
  }

  load32(register: Register, from: Register, offset: number): void {
    this.memory(0x8b, this.number(register), this.number(from), offset, 32);
  }

  load16(register: Register, from: Register, offset: number): void {
    this.memory([0x0f, 0xb7], this.number(register), this.number(from), offset, 64);
  }

  load8(register: Register, from: Register, offset: number): void {
    this.memory([0x0f, 0xb6], this.number(register), this.number(from), offset, 64);
  }

  store64(to: Register, offset: number, value: Register): void {
    this.memory(0x89, this.number(value), this.number(to), offset, 64);
  }

  store32(to: Register, offset: number, value: Register): void {
    this.memory(0x89, this.number(value), this.number(to), offset, 32);
  }

  store8(to: Register, offset: number, value: Register): void {
    this.memory(0x88, this.number(value), this.number(to), offset, 32);
  }

  syscall(name: Syscall, ...args: readonly Value[]): void {
    for (const [i, value] of args.entries()) this.move(Amd64.ARGUMENTS[i] ?? Amd64.SCRATCH, value);
    this.move(0, SYSCALLS[name][0]);
    this.emit(0x0f, 0x05);
  }
}

class Arm64 extends Code implements Machine {
  private static readonly REGISTERS: Readonly<Record<Register, number>> = {
    result: 0,
    base: 19,
    given: 20,
    a: 21,
    b: 22,
    c: 23,
    d: 24,
    e: 25,
  };
  private static readonly SCRATCH = 9;
  private static readonly STACK = 31;

  private number(register: Register): number {
    return Arm64.REGISTERS[register];
  }

  private word(value: number): void {
    this.emit(...bytesOf(value >>> 0));
  }

  private constant(to: number, value: number): void {
    if (value < -(2 ** 31) || value >= 2 ** 31) throw new RangeError(`${value} is too large`);
    const low = value & 0xffff;
    const high = (value >>> 16) & 0xffff;
    if (value < 0) {
      this.word(0x92800000 | ((~low & 0xffff) << 5) | to); // movn: all other bits are ones
      if (high !== 0xffff) this.word(0xf2a00000 | (high << 5) | to); // movk, lsl 16
    } else {
      this.word(0xd2800000 | (low << 5) | to); // movz
      if (high !== 0) this.word(0xf2a00000 | (high << 5) | to);
    }
  }

  /** ldr and str with an offset that is a multiple of the size. */
  private memory(opcode: number, register: number, from: number, offset: number, size: 1 | 2 | 4 | 8): void {
    const scaled = offset / size;
    if (!Number.isInteger(scaled) || scaled < 0 || scaled > 0xfff) throw new RangeError(`offset ${offset} cannot be used`);
    this.word(opcode | (scaled << 10) | (from << 5) | register);
  }

  private move(to: number, value: Value): void {
    if (typeof value === 'number') this.constant(to, value);
    else if (typeof value === 'string')
      this.word(0xaa0003e0 | (this.number(value) << 16) | to); // mov
    else if ('at' in value) this.memory(0xf9400000, to, this.number('base'), value.at, 8);
    else {
      this.constant(to, value.address);
      this.word(0x8b000000 | (this.number('base') << 16) | (to << 5) | to); // add
    }
  }

  jump(label: string): void {
    this.jumpLater(label, 4, (from, to) => bytesOf((0x14000000 | (((to - from) / 4) & 0x3ffffff)) >>> 0));
  }

  jumpIf(left: Register, condition: Condition, right: number | Register, label: string): void {
    if (typeof right === 'number') this.constant(Arm64.SCRATCH, right);
    const other = typeof right === 'number' ? Arm64.SCRATCH : this.number(right);
    this.word(0xeb00001f | (other << 16) | (this.number(left) << 5)); // cmp
    const code = { equal: 0, notEqual: 1, less: 11, notLess: 10, greater: 12 }[condition];
    this.jumpLater(label, 4, (from, to) => bytesOf((0x54000000 | ((((to - from) / 4) & 0x7ffff) << 5) | code) >>> 0));
  }

  enter(frameBytes: number, given: 'arguments' | 'environment'): void {
    if (frameBytes % 16 !== 0) throw new RangeError('the stack must stay a multiple of 16');
    const to = this.number('given');
    if (given === 'environment') {
      this.memory(0xf9400000, Arm64.SCRATCH, Arm64.STACK, 0, 8); // ldr x9, [sp]
      this.word(0x910043e0 | to); // add given, sp, 16
      this.word(0x8b000000 | (Arm64.SCRATCH << 16) | (3 << 10) | (to << 5) | to); // add given, given, x9, lsl 3
    } else this.word(0x910023e0 | to); // add given, sp, 8
    this.constant(Arm64.SCRATCH, frameBytes);
    this.word(0xcb2063ff | (Arm64.SCRATCH << 16)); // sub sp, sp, x9
    this.word(0x910003e0 | this.number('base')); // mov base, sp
  }

  set(register: Register, value: Value): void {
    this.move(this.number(register), value);
  }

  add(register: Register, value: number | Register): void {
    const to = this.number(register);
    if (typeof value === 'number') this.constant(Arm64.SCRATCH, value);
    const other = typeof value === 'number' ? Arm64.SCRATCH : this.number(value);
    this.word(0x8b000000 | (other << 16) | (to << 5) | to);
  }

  subtract(register: Register, value: Register): void {
    const to = this.number(register);
    this.word(0xcb000000 | (this.number(value) << 16) | (to << 5) | to);
  }

  multiply(register: Register, value: number): void {
    const to = this.number(register);
    this.constant(Arm64.SCRATCH, value);
    this.word(0x9b007c00 | (Arm64.SCRATCH << 16) | (to << 5) | to); // madd with xzr
  }

  load64(register: Register, from: Register, offset: number): void {
    this.memory(0xf9400000, this.number(register), this.number(from), offset, 8);
  }

  load32(register: Register, from: Register, offset: number): void {
    this.memory(0xb9400000, this.number(register), this.number(from), offset, 4);
  }

  load16(register: Register, from: Register, offset: number): void {
    this.memory(0x79400000, this.number(register), this.number(from), offset, 2);
  }

  load8(register: Register, from: Register, offset: number): void {
    this.memory(0x39400000, this.number(register), this.number(from), offset, 1);
  }

  store64(to: Register, offset: number, value: Register): void {
    this.memory(0xf9000000, this.number(value), this.number(to), offset, 8);
  }

  store32(to: Register, offset: number, value: Register): void {
    this.memory(0xb9000000, this.number(value), this.number(to), offset, 4);
  }

  store8(to: Register, offset: number, value: Register): void {
    this.memory(0x39000000, this.number(value), this.number(to), offset, 1);
  }

  syscall(name: Syscall, ...args: readonly Value[]): void {
    for (const [i, value] of args.entries()) this.move(i, value);
    this.constant(8, SYSCALLS[name][1]);
    this.word(0xd4000001); // svc 0
  }
}
