// The program of the watchdog as machine code: it kills the containers that must not outlive the node's lease, when nobody else does.
// Its arguments are the file that the agent writes (lease-file.ts) and the folder of processes, /proc.
//
//   loop:  read the file: the end of the lease (8 bytes, little-endian, ns of CLOCK_BOOTTIME) and ids of containers (64 bytes each; less at
//          the end is passed over).
//          Where it cannot be read, what it said last counts.
//          no ids: sleep for a second. The end is to come: sleep until then, at most a second
//          the end is over: for each process, if its cgroup's path has one of the ids in it, kill -9; sleep for 50 ms
//
// It needs no engine, which may hang; it does not know pids, which would be told too late for a container that just starts; and it goes
// by a clock that counts the time in which the machine sleeps, also while it waits. All that runs in a container (also commands that
// somebody runs inside, also one with the host's processes) is in the container's cgroup, and nothing in it can change that.
import { type Assembler, assembler, type Register, type SystemCall } from './assembler.js';
import { elfProgram } from './elf.js';
import type { Architecture } from './machine.js';

const READ: SystemCall = { amd64: 0, arm64: 63 };
const CLOSE: SystemCall = { amd64: 3, arm64: 57 };
const OPENAT: SystemCall = { amd64: 257, arm64: 56 };
const CLOCK_GETTIME: SystemCall = { amd64: 228, arm64: 113 };
const CLOCK_NANOSLEEP: SystemCall = { amd64: 230, arm64: 115 };
const GETDENTS64: SystemCall = { amd64: 217, arm64: 61 };
const KILL: SystemCall = { amd64: 62, arm64: 129 };

const AT_FDCWD = -100;
const CLOCK_BOOTTIME = 7;
const SIGKILL = 9;
const LONGEST_SLEEP_NS = 999_999_999;
const BETWEEN_KILLS_NS = 50_000_000;
const NS_PER_SECOND = 1_000_000_000;

/** Bytes of a container's id. */
export const ID_BYTES = 64;
/** More ids than this are not read. */
export const MOST_IDS = 1023;

// Where things are in memory, from the address in BASE.
const LEASE_PATH = 0;
const PROC_PATH = 8;
const TIME = 16; // seconds and nanoseconds
const FOLDER = 32;
const LENGTH = 40;
const PID = 48;
const PATH = 64;
const TEXT = 128;
const TEXT_BYTES = 8192;
const ENTRIES = TEXT + TEXT_BYTES;
const ENTRIES_BYTES = 32_768;
const LEASE = ENTRIES + ENTRIES_BYTES;
const LEASE_BYTES = 8 + MOST_IDS * ID_BYTES;
const MEMORY = Math.ceil((LEASE + LEASE_BYTES) / 4096) * 4096;

// linux_dirent64
const ENTRY_LENGTH = 16;
const ENTRY_NAME = 19;

const BASE = 0;
/** "/cgroup" and a zero byte. */
const CGROUP = 0x00_70_75_6f_72_67_63_2fn;

/** The program as an executable file. */
export function watchdogProgram(architecture: Architecture): Uint8Array {
  const code = assembler(architecture);
  begin(code);
  readLease(code);
  compareTimes(code);
  killAll(code);
  sleep(code);
  return elfProgram(architecture, code.finish());
}

/** Buffers on the stack; the arguments are above them. */
function begin(code: Assembler): void {
  code.stackPointer(BASE);
  code.load(1, 8, BASE, 16);
  code.load(2, 8, BASE, 24);
  code.offset(BASE, BASE, -MEMORY);
  code.setStackPointer(BASE);
  code.store(1, 8, BASE, LEASE_PATH);
  code.store(2, 8, BASE, PROC_PATH);
  code.set(3, 0);
  code.store(3, 8, BASE, LENGTH);
}

function readLease(code: Assembler): void {
  code.label('loop');
  code.load(3, 8, BASE, LEASE_PATH);
  code.call(OPENAT, [{ value: AT_FDCWD }, 3, { value: 0 }, { value: 0 }], 3);
  jumpIfValue(code, 3, 'less', 0, 'compare');
  code.offset(4, BASE, LEASE);
  code.call(READ, [3, 4, { value: LEASE_BYTES }], 5);
  code.call(CLOSE, [3]);
  jumpIfValue(code, 5, 'less', 8, 'compare');
  code.store(5, 8, BASE, LENGTH);
}

/** Leaves in 4 for how long to sleep, or goes on to kill. */
function compareTimes(code: Assembler): void {
  code.label('compare');
  code.load(5, 8, BASE, LENGTH);
  code.set(4, LONGEST_SLEEP_NS);
  jumpIfValue(code, 5, 'less', 8 + ID_BYTES, 'sleep');
  code.offset(6, BASE, TIME);
  code.call(CLOCK_GETTIME, [{ value: CLOCK_BOOTTIME }, 6]);
  code.load(3, 8, BASE, TIME);
  code.set(5, NS_PER_SECOND);
  code.multiply(3, 3, 5);
  code.load(6, 8, BASE, TIME + 8);
  code.add(3, 3, 6);
  code.offset(7, BASE, LEASE);
  code.load(5, 8, 7, 0);
  code.jumpIf(3, 'not-less', 5, 'over');
  code.subtract(5, 5, 3);
  code.jumpIf(4, 'less', 5, 'sleep');
  code.move(4, 5);
  code.jump('sleep');
}

function killAll(code: Assembler): void {
  code.label('over');
  code.load(3, 8, BASE, PROC_PATH);
  code.call(OPENAT, [{ value: AT_FDCWD }, 3, { value: 0 }, { value: 0 }], 3);
  jumpIfValue(code, 3, 'less', 0, 'killed');
  code.store(3, 8, BASE, FOLDER);

  // 1: the entry, 2: the end of the entries that were read.
  code.label('entries');
  code.load(3, 8, BASE, FOLDER);
  code.offset(1, BASE, ENTRIES);
  code.call(GETDENTS64, [3, 1, { value: ENTRIES_BYTES }], 2);
  jumpIfValue(code, 2, 'less', 1, 'close');
  code.add(2, 2, 1);
  code.label('entry');
  code.jumpIf(1, 'not-less', 2, 'entries');
  processOf(code);
  textOf(code);
  findId(code);
  code.label('next');
  code.load(3, 2, 1, ENTRY_LENGTH);
  code.add(1, 1, 3);
  code.jump('entry');

  code.label('close');
  code.load(3, 8, BASE, FOLDER);
  code.call(CLOSE, [3]);
  code.label('killed');
  code.set(4, BETWEEN_KILLS_NS);
}

/** The pid that the entry's name is, and the path of its cgroup file; other names are passed over. */
function processOf(code: Assembler): void {
  code.offset(3, 1, ENTRY_NAME);
  code.offset(4, BASE, PATH);
  code.set(5, 0);
  code.label('digit');
  code.load(6, 1, 3, 0);
  jumpIfValue(code, 6, 'equal', 0, 'name');
  jumpIfValue(code, 6, 'less', 0x30, 'next');
  jumpIfValue(code, 6, 'not-less', 0x3a, 'next');
  code.store(6, 1, 4, 0);
  code.set(7, 10);
  code.multiply(5, 5, 7);
  code.add(5, 5, 6);
  code.offset(5, 5, -0x30);
  code.offset(3, 3, 1);
  code.offset(4, 4, 1);
  code.jump('digit');
  code.label('name');
  jumpIfValue(code, 5, 'less', 1, 'next');
  code.set(6, CGROUP);
  code.store(6, 8, 4, 0);
  code.store(5, 8, BASE, PID);
}

/** Reads the cgroup file. Leaves in 5 the first place at which no id can begin any more. */
function textOf(code: Assembler): void {
  code.load(3, 8, BASE, FOLDER);
  code.offset(4, BASE, PATH);
  code.call(OPENAT, [3, 4, { value: 0 }, { value: 0 }], 3);
  jumpIfValue(code, 3, 'less', 0, 'next');
  code.offset(4, BASE, TEXT);
  code.call(READ, [3, 4, { value: TEXT_BYTES }], 5);
  code.call(CLOSE, [3]);
  jumpIfValue(code, 5, 'less', ID_BYTES, 'next');
  code.add(5, 5, 4);
  code.offset(5, 5, 1 - ID_BYTES);
}

/** Kills the process where one of the ids is in the text. 3: the id, 4: the place in the text. */
function findId(code: Assembler): void {
  code.offset(3, BASE, LEASE + 8);
  code.label('id');
  code.offset(6, BASE, LEASE);
  code.load(7, 8, BASE, LENGTH);
  code.add(6, 6, 7);
  code.offset(7, 3, ID_BYTES);
  code.jumpIf(6, 'less', 7, 'next');
  code.offset(4, BASE, TEXT);
  code.label('place');
  code.jumpIf(4, 'not-less', 5, 'next id');
  for (let at = 0; at < ID_BYTES; at += 8) {
    code.load(6, 8, 4, at);
    code.load(7, 8, 3, at);
    code.jumpIf(6, 'not-equal', 7, 'next place');
  }
  code.load(3, 8, BASE, PID);
  code.call(KILL, [3, { value: SIGKILL }]);
  code.jump('next');
  code.label('next place');
  code.offset(4, 4, 1);
  code.jump('place');
  code.label('next id');
  code.offset(3, 3, ID_BYTES);
  code.jump('id');
}

/** For as many ns as 4 holds, less than a second. */
function sleep(code: Assembler): void {
  code.label('sleep');
  code.set(3, 0);
  code.store(3, 8, BASE, TIME);
  code.store(4, 8, BASE, TIME + 8);
  code.offset(5, BASE, TIME);
  code.call(CLOCK_NANOSLEEP, [{ value: CLOCK_BOOTTIME }, { value: 0 }, 5, { value: 0 }]);
  code.jump('loop');
}

/** Uses register 7. */
function jumpIfValue(
  code: Assembler,
  register: Exclude<Register, 7>,
  condition: 'equal' | 'less' | 'not-less',
  value: number,
  label: string,
): void {
  code.set(7, value);
  code.jumpIf(register, condition, 7, label);
}
