// What stands around the machine code of a program in its file: a static ELF executable. The code is made elsewhere (pause-code.ts, runner-code.ts, watchdog-code.ts).
import type { Architecture } from './machine.js';

const ELF_HEADER_BYTES = 64;
const PROGRAM_HEADER_BYTES = 56;
const LOAD_ADDRESS = 0x400000n;
// The largest page that Linux uses on either architecture.
const ALIGNMENT = 0x10000n;

/** A static ELF executable: header, one readable and executable segment that holds the whole file, the code. */
export function elfProgram(architecture: Architecture, code: Uint8Array): Uint8Array {
  const machine = architecture === 'amd64' ? 62 : 183;
  const codeAt = ELF_HEADER_BYTES + PROGRAM_HEADER_BYTES;
  const file = Buffer.alloc(codeAt + code.length);
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0]); // magic, 64 bits, little-endian, version, System V
  file.writeUInt16LE(2, 16); // executable
  file.writeUInt16LE(machine, 18);
  file.writeUInt32LE(1, 20);
  file.writeBigUInt64LE(LOAD_ADDRESS + BigInt(codeAt), 24); // entry
  file.writeBigUInt64LE(BigInt(ELF_HEADER_BYTES), 32); // program headers
  file.writeUInt16LE(ELF_HEADER_BYTES, 52);
  file.writeUInt16LE(PROGRAM_HEADER_BYTES, 54);
  file.writeUInt16LE(1, 56); // one program header
  file.writeUInt16LE(64, 58); // size of a section header; there is none
  file.writeUInt32LE(1, ELF_HEADER_BYTES); // PT_LOAD
  file.writeUInt32LE(5, ELF_HEADER_BYTES + 4); // read, execute
  file.writeBigUInt64LE(0n, ELF_HEADER_BYTES + 8); // offset
  file.writeBigUInt64LE(LOAD_ADDRESS, ELF_HEADER_BYTES + 16);
  file.writeBigUInt64LE(LOAD_ADDRESS, ELF_HEADER_BYTES + 24);
  file.writeBigUInt64LE(BigInt(file.length), ELF_HEADER_BYTES + 32);
  file.writeBigUInt64LE(BigInt(file.length), ELF_HEADER_BYTES + 40);
  file.writeBigUInt64LE(ALIGNMENT, ELF_HEADER_BYTES + 48);
  file.set(code, codeAt);
  return file;
}
