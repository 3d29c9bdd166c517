// A tiny assembler for programs that must run on nodes without a compiler: the program is written once in a few operations on eight
// registers, and made into machine code for x86-64 or arm64. Only what the watchdog (watchdog-code.ts) needs. Sums and products are of 64
// bits and signed; memory is addressed by a register and an offset. A system call changes no register but the one for its result.
import type { Architecture } from './machine.js';

/** One of eight registers. */
export type Register = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7;
export type Operand = Register | { readonly value: number };
export type Condition = 'equal' | 'not-equal' | 'less' | 'not-less';

/** The number of a system call differs between architectures. */
export type SystemCall = Readonly<Record<Architecture, number>>;

export interface Assembler {
  label(name: string): void;
  /** value: whole, of up to 64 bits. */
  set(to: Register, value: number | bigint): void;
  move(to: Register, from: Register): void;
  add(to: Register, a: Register, b: Register): void;
  subtract(to: Register, a: Register, b: Register): void;
  multiply(to: Register, a: Register, b: Register): void;
  /** to = from + value; value fits into 31 bits. */
  offset(to: Register, from: Register, value: number): void;
  /** Without sign. offset: up to 4095; for 2 bytes a multiple of 2, for 8 a multiple of 8. */
  load(to: Register, bytes: 1 | 2 | 8, base: Register, offset: number): void;
  store(from: Register, bytes: 1 | 8, base: Register, offset: number): void;
  jump(label: string): void;
  jumpIf(a: Register, condition: Condition, b: Register, label: string): void;
  /** At most four arguments. */
  call(number: SystemCall, args: readonly Operand[], result?: Register): void;
  stackPointer(to: Register): void;
  setStackPointer(from: Register): void;
  finish(): Uint8Array;
}

export function assembler(architecture: Architecture): Assembler {
  return architecture === 'amd64' ? new Amd64() : new Arm64();
}

/** Bytes with jumps to labels that may come later. A jump's bytes are made by "encode" when all labels are known. */
abstract class Code {
  readonly #bytes: number[] = [];
  readonly #labels = new Map<string, number>();
  readonly #jumps: { readonly at: number; readonly label: string; readonly encode: (distance: number) => readonly number[] }[] = [];

  protected emit(...bytes: readonly number[]): void {
    this.#bytes.push(...bytes);
  }

  label(name: string): void {
    if (this.#labels.has(name)) throw new Error(`label ${name} is there twice`);
    this.#labels.set(name, this.#bytes.length);
  }

  /** encode: the instruction, given how far the label is from its first byte. Its length must not depend on it. */
  protected later(label: string, encode: (distance: number) => readonly number[]): void {
    this.#jumps.push({ at: this.#bytes.length, label, encode });
    this.#bytes.push(...encode(0));
  }

  finish(): Uint8Array {
    const out = Uint8Array.from(this.#bytes);
    for (const { at, label, encode } of this.#jumps) {
      const to = this.#labels.get(label);
      if (to === undefined) throw new Error(`label ${label} is nowhere`);
      out.set(encode(to - at), at);
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

const wholeValue = (operand: Operand): number | undefined => (typeof operand === 'number' ? undefined : operand.value);

class Amd64 extends Code implements Assembler {
  // rbx, rbp, r12 to r15, r8, r9: none is an argument of a system call of four arguments, and the kernel changes none.
  static readonly #REGISTERS = [3, 5, 12, 13, 14, 15, 8, 9] as const;
  static readonly #ARGUMENTS = [7, 6, 2, 10] as const; // rdi, rsi, rdx, r10
  static readonly #RAX = 0;
  static readonly #RSP = 4;
  static readonly #CONDITIONS = { equal: 0x84, 'not-equal': 0x85, less: 0x8c, 'not-less': 0x8d } as const;

  set(to: Register, value: number | bigint): void {
    this.#set(Amd64.#number(to), BigInt(value));
  }

  move(to: Register, from: Register): void {
    this.#move(Amd64.#number(to), Amd64.#number(from));
  }

  add(to: Register, a: Register, b: Register): void {
    this.#combine([0x03], to, a, b);
  }

  subtract(to: Register, a: Register, b: Register): void {
    this.#combine([0x2b], to, a, b);
  }

  multiply(to: Register, a: Register, b: Register): void {
    this.#combine([0x0f, 0xaf], to, a, b);
  }

  offset(to: Register, from: Register, value: number): void {
    this.#memory([0x8d], Amd64.#number(to), Amd64.#number(from), value, true); // lea
  }

  load(to: Register, bytes: 1 | 2 | 8, base: Register, offset: number): void {
    const opcode = bytes === 8 ? [0x8b] : [0x0f, bytes === 1 ? 0xb6 : 0xb7]; // mov, movzx
    this.#memory(opcode, Amd64.#number(to), Amd64.#number(base), offset, true);
  }

  store(from: Register, bytes: 1 | 8, base: Register, offset: number): void {
    this.#memory([bytes === 8 ? 0x89 : 0x88], Amd64.#number(from), Amd64.#number(base), offset, bytes === 8);
  }

  jump(label: string): void {
    this.later(label, (distance) => [0xe9, ...littleEndian32(distance - 5)]);
  }

  jumpIf(a: Register, condition: Condition, b: Register, label: string): void {
    this.#registers([0x3b], Amd64.#number(a), Amd64.#number(b)); // cmp a, b
    this.later(label, (distance) => [0x0f, Amd64.#CONDITIONS[condition], ...littleEndian32(distance - 6)]);
  }

  call(number: SystemCall, args: readonly Operand[], result?: Register): void {
    for (const [index, operand] of args.entries()) {
      const target = Amd64.#ARGUMENTS[index];
      if (target === undefined) throw new RangeError('a system call of more than four arguments');
      if (typeof operand === 'number') this.#move(target, Amd64.#number(operand));
      else this.#set(target, BigInt(wholeValue(operand) ?? 0));
    }
    this.#set(Amd64.#RAX, BigInt(number.amd64));
    this.emit(0x0f, 0x05);
    if (result !== undefined) this.#move(Amd64.#number(result), Amd64.#RAX);
  }

  stackPointer(to: Register): void {
    this.#move(Amd64.#number(to), Amd64.#RSP);
  }

  setStackPointer(from: Register): void {
    this.#move(Amd64.#RSP, Amd64.#number(from));
  }

  static #number(register: Register): number {
    return Amd64.#REGISTERS[register] ?? 0;
  }

  #set(to: number, value: bigint): void {
    const bytes = Array.from({ length: 8 }, (_, index) => Number((BigInt.asUintN(64, value) >> BigInt(8 * index)) & 0xffn));
    this.emit(0x48 | (to >> 3), 0xb8 | (to & 7), ...bytes); // mov r64, imm64
  }

  #move(to: number, from: number): void {
    if (to !== from) this.#registers([0x8b], to, from);
  }

  #combine(opcode: readonly number[], to: Register, a: Register, b: Register): void {
    if (to === b && to !== a) {
      // The second operand would be lost before it is read.
      this.#move(Amd64.#RAX, Amd64.#number(b));
      this.#move(Amd64.#number(to), Amd64.#number(a));
      this.#registers(opcode, Amd64.#number(to), Amd64.#RAX);
      return;
    }
    this.#move(Amd64.#number(to), Amd64.#number(a));
    this.#registers(opcode, Amd64.#number(to), Amd64.#number(b));
  }

  /** Register and register, 64 bits. */
  #registers(opcode: readonly number[], register: number, other: number): void {
    this.emit(0x48 | ((register >> 3) << 2) | (other >> 3), ...opcode, 0xc0 | ((register & 7) << 3) | (other & 7));
  }

  /** Register and [base + 32 bits]. */
  #memory(opcode: readonly number[], register: number, base: number, offset: number, wide: boolean): void {
    const prefix = 0x40 | (wide ? 8 : 0) | ((register >> 3) << 2) | (base >> 3);
    const index = (base & 7) === 4 ? [0x24] : []; // rsp and r12 need a byte more
    this.emit(prefix, ...opcode, 0x80 | ((register & 7) << 3) | (base & 7), ...index, ...littleEndian32(offset));
  }
}

class Arm64 extends Code implements Assembler {
  static readonly #FIRST = 19; // x19 to x26
  static readonly #SCRATCH = 9;
  static readonly #NUMBER = 8; // of a system call
  static readonly #CONDITIONS = { equal: 0, 'not-equal': 1, less: 11, 'not-less': 10 } as const;

  set(to: Register, value: number | bigint): void {
    this.#set(Arm64.#FIRST + to, BigInt(value));
  }

  move(to: Register, from: Register): void {
    this.#move(Arm64.#FIRST + to, Arm64.#FIRST + from);
  }

  add(to: Register, a: Register, b: Register): void {
    this.#combine(0x8b000000, to, a, b);
  }

  subtract(to: Register, a: Register, b: Register): void {
    this.#combine(0xcb000000, to, a, b);
  }

  multiply(to: Register, a: Register, b: Register): void {
    this.#combine(0x9b007c00, to, a, b); // madd with xzr
  }

  offset(to: Register, from: Register, value: number): void {
    this.#set(Arm64.#SCRATCH, BigInt(value));
    this.#word(0x8b000000 | (Arm64.#SCRATCH << 16) | ((Arm64.#FIRST + from) << 5) | (Arm64.#FIRST + to));
  }

  load(to: Register, bytes: 1 | 2 | 8, base: Register, offset: number): void {
    const opcode = { 1: 0x39400000, 2: 0x79400000, 8: 0xf9400000 }[bytes];
    this.#word(opcode | ((offset / bytes) << 10) | ((Arm64.#FIRST + base) << 5) | (Arm64.#FIRST + to));
  }

  store(from: Register, bytes: 1 | 8, base: Register, offset: number): void {
    const opcode = bytes === 1 ? 0x39000000 : 0xf9000000;
    this.#word(opcode | ((offset / bytes) << 10) | ((Arm64.#FIRST + base) << 5) | (Arm64.#FIRST + from));
  }

  jump(label: string): void {
    this.later(label, (distance) => littleEndian32(0x14000000 | ((distance / 4) & 0x3ffffff)));
  }

  jumpIf(a: Register, condition: Condition, b: Register, label: string): void {
    this.#word(0xeb00001f | ((Arm64.#FIRST + b) << 16) | ((Arm64.#FIRST + a) << 5)); // cmp
    this.later(label, (distance) => littleEndian32(0x54000000 | (((distance / 4) & 0x7ffff) << 5) | Arm64.#CONDITIONS[condition]));
  }

  call(number: SystemCall, args: readonly Operand[], result?: Register): void {
    if (args.length > 4) throw new RangeError('a system call of more than four arguments');
    for (const [index, operand] of args.entries()) {
      if (typeof operand === 'number') this.#move(index, Arm64.#FIRST + operand);
      else this.#set(index, BigInt(wholeValue(operand) ?? 0));
    }
    this.#set(Arm64.#NUMBER, BigInt(number.arm64));
    this.#word(0xd4000001); // svc #0
    if (result !== undefined) this.#move(Arm64.#FIRST + result, 0);
  }

  stackPointer(to: Register): void {
    this.#word(0x910003e0 | (Arm64.#FIRST + to)); // mov xN, sp
  }

  setStackPointer(from: Register): void {
    this.#word(0x9100001f | ((Arm64.#FIRST + from) << 5)); // mov sp, xN
  }

  #word(value: number): void {
    this.emit(...littleEndian32(value));
  }

  #combine(opcode: number, to: Register, a: Register, b: Register): void {
    this.#word(opcode | ((Arm64.#FIRST + b) << 16) | ((Arm64.#FIRST + a) << 5) | (Arm64.#FIRST + to));
  }

  #move(to: number, from: number): void {
    this.#word(0xaa0003e0 | (from << 16) | to); // orr with xzr
  }

  #set(to: number, value: bigint): void {
    for (let part = 0; part < 4; part++) {
      const bits = Number((BigInt.asUintN(64, value) >> BigInt(16 * part)) & 0xffffn);
      this.#word((part === 0 ? 0xd2800000 : 0xf2800000) | (part << 21) | (bits << 5) | to); // movz, movk
    }
  }
}
