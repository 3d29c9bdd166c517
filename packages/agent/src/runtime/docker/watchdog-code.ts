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
import { elfProgram } from './elf.js';
import { type Architecture, type Machine, machine } from './machine.js';

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

// The frame, in bytes from its lowest address.
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
const FRAME = Math.ceil((LEASE + LEASE_BYTES) / 4096) * 4096;

// linux_dirent64
const ENTRY_LENGTH = 16;
const ENTRY_NAME = 19;

/** "/cgroup" and a zero byte, four at a time. */
const CGROUP = [0x72_67_63_2f, 0x00_70_75_6f] as const;

/** The program as an executable file. */
export function watchdogProgram(architecture: Architecture): Uint8Array {
  const m = machine(architecture);
  begin(m);
  readLease(m);
  compareTimes(m);
  killAll(m);
  sleep(m);
  return elfProgram(architecture, m.finish());
}

function begin(m: Machine): void {
  m.enter(FRAME, 'arguments');
  m.load64('a', 'given', 8);
  m.store64('base', LEASE_PATH, 'a');
  m.load64('a', 'given', 16);
  m.store64('base', PROC_PATH, 'a');
  m.set('a', 0);
  m.store64('base', LENGTH, 'a');
}

function readLease(m: Machine): void {
  m.label('loop');
  m.syscall('openat', AT_FDCWD, { at: LEASE_PATH }, 0, 0);
  m.jumpIf('result', 'less', 0, 'compare');
  m.set('c', 'result');
  m.syscall('read', 'c', { address: LEASE }, LEASE_BYTES);
  m.set('e', 'result');
  m.syscall('close', 'c');
  m.jumpIf('e', 'less', 8, 'compare');
  m.store64('base', LENGTH, 'e');
}

/** Leaves in d for how long to sleep, or goes on to kill. */
function compareTimes(m: Machine): void {
  m.label('compare');
  m.load64('e', 'base', LENGTH);
  m.set('d', LONGEST_SLEEP_NS);
  m.jumpIf('e', 'less', 8 + ID_BYTES, 'sleep');
  m.syscall('clock_gettime', CLOCK_BOOTTIME, { address: TIME });
  m.load64('c', 'base', TIME);
  m.multiply('c', NS_PER_SECOND);
  m.load64('e', 'base', TIME + 8);
  m.add('c', 'e');
  m.set('e', { address: LEASE });
  m.load64('e', 'e', 0);
  m.jumpIf('c', 'notLess', 'e', 'over');
  m.subtract('e', 'c');
  m.jumpIf('d', 'less', 'e', 'sleep');
  m.set('d', 'e');
  m.jump('sleep');
}

function killAll(m: Machine): void {
  m.label('over');
  m.syscall('openat', AT_FDCWD, { at: PROC_PATH }, 0, 0);
  m.jumpIf('result', 'less', 0, 'killed');
  m.store64('base', FOLDER, 'result');

  // a: the entry, b: the end of the entries that were read.
  m.label('entries');
  m.syscall('getdents64', { at: FOLDER }, { address: ENTRIES }, ENTRIES_BYTES);
  m.jumpIf('result', 'less', 1, 'close');
  m.set('a', { address: ENTRIES });
  m.set('b', 'result');
  m.add('b', 'a');
  m.label('entry');
  m.jumpIf('a', 'notLess', 'b', 'entries');
  processOf(m);
  textOf(m);
  findId(m);
  m.label('next');
  m.load16('c', 'a', ENTRY_LENGTH);
  m.add('a', 'c');
  m.jump('entry');

  m.label('close');
  m.syscall('close', { at: FOLDER });
  m.label('killed');
  m.set('d', BETWEEN_KILLS_NS);
}

/** The pid that the entry's name is, and the path of its cgroup file; other names are passed over. */
function processOf(m: Machine): void {
  m.set('c', 'a');
  m.add('c', ENTRY_NAME);
  m.set('d', { address: PATH });
  m.set('e', 0);
  m.label('digit');
  m.load8('result', 'c', 0);
  m.jumpIf('result', 'equal', 0, 'name');
  m.jumpIf('result', 'less', 0x30, 'next');
  m.jumpIf('result', 'notLess', 0x3a, 'next');
  m.store8('d', 0, 'result');
  m.multiply('e', 10);
  m.add('e', 'result');
  m.add('e', -0x30);
  m.add('c', 1);
  m.add('d', 1);
  m.jump('digit');
  m.label('name');
  m.jumpIf('e', 'less', 1, 'next');
  for (const [i, four] of CGROUP.entries()) {
    m.set('c', four);
    m.store32('d', 4 * i, 'c');
  }
  m.store64('base', PID, 'e');
}

/** Reads the cgroup file. Leaves in e the first place at which no id can begin any more. */
function textOf(m: Machine): void {
  m.syscall('openat', { at: FOLDER }, { address: PATH }, 0, 0);
  m.jumpIf('result', 'less', 0, 'next');
  m.set('c', 'result');
  m.syscall('read', 'c', { address: TEXT }, TEXT_BYTES);
  m.set('e', 'result');
  m.syscall('close', 'c');
  m.jumpIf('e', 'less', ID_BYTES, 'next');
  m.set('d', { address: TEXT });
  m.add('e', 'd');
  m.add('e', 1 - ID_BYTES);
}

/** Kills the process where one of the ids is in the text. c: the id, d: the place in the text. */
function findId(m: Machine): void {
  m.set('c', { address: LEASE + 8 });
  m.label('id');
  m.set('result', { address: LEASE });
  m.load64('given', 'base', LENGTH);
  m.add('result', 'given');
  m.set('given', 'c');
  m.add('given', ID_BYTES);
  m.jumpIf('result', 'less', 'given', 'next');
  m.set('d', { address: TEXT });
  m.label('place');
  m.jumpIf('d', 'notLess', 'e', 'next id');
  for (let at = 0; at < ID_BYTES; at += 8) {
    m.load64('result', 'd', at);
    m.load64('given', 'c', at);
    m.jumpIf('result', 'notEqual', 'given', 'next place');
  }
  m.syscall('kill', { at: PID }, SIGKILL);
  m.jump('next');
  m.label('next place');
  m.add('d', 1);
  m.jump('place');
  m.label('next id');
  m.add('c', ID_BYTES);
  m.jump('id');
}

/** For as many ns as d holds, less than a second. */
function sleep(m: Machine): void {
  m.label('sleep');
  m.set('c', 0);
  m.store64('base', TIME, 'c');
  m.store64('base', TIME + 8, 'd');
  m.syscall('clock_nanosleep', CLOCK_BOOTTIME, 0, { address: TIME }, 0);
  m.jump('loop');
}
