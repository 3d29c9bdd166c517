// The program that runs exec probes inside a container: one `docker exec` starts it, then it runs one command after the other as it is told over
// its standard input, instead of one `docker exec` each. It was itself started by the engine in the container's namespaces, cgroup, user,
// capabilities and seccomp profile, and can give its children nothing that an exec would not have. Who talks to it is runner.ts.
//
//   request   u32 length, then as many bytes; length 0: kill the command that runs (none: no effect)
//             the bytes: offsets (u64, from their first byte) of paths to try, 0, offsets of the arguments, 0, and the texts that they point to
//   answer    u32 n, then n bytes of output (both streams as one); or one u32 with ENDED set and how it ended, as wait(2) says;
//             or one with FAILED set: the command could not be begun (no processes, no memory)
//
//   block SIGCHLD and have it told by a descriptor; adopt whoever is orphaned below
//   idle:     read a request; make a pipe; clone
//     child:  setsid, /dev/null as input, the pipe as output, no signals blocked, execve each path; exit with 127
//   running:  wait for (a request | output | SIGCHLD)
//             request: SIGKILL to the child and its group.  input ends: the same, sweep, and exit.  output: pass it on, at most OUTPUT_LIMIT bytes
//             SIGCHLD: reap; was it the child: pass on what is left in the pipe, sweep if it was killed, say how it ended, idle
//   sweep:    kill and reap own children until there are none: whoever left the group of a killed command is adopted when its parent ends. What
//             commands before have left behind goes, too; a kernel that does not tell children (no CONFIG_PROC_CHILDREN) leaves them
import { elfProgram } from './elf.js';
import { type Architecture, type Machine, machine } from './machine.js';

/** Set in an answer: the low 16 bits say how the command ended. */
export const RUNNER_ENDED = 0x80000000;
/** Set beside it: the command could not be begun. */
export const RUNNER_FAILED = 0x40000000;
/** Bytes of one request, at most. */
export const RUNNER_REQUEST_LIMIT = 64 * 1024;
/** Bytes of output that are passed on of one command, about; the rest is read and dropped. As much as Kubernetes keeps. */
export const RUNNER_OUTPUT_LIMIT = 10 * 1024;

const SIGKILL = 9;
const SIGCHLD = 17;
const O_CLOEXEC = 0x80000;
const AT_FDCWD = -100;
const WNOHANG = 1;
const POLLIN = 1;
const PR_SET_CHILD_SUBREAPER = 36;
const SIG_BLOCK = 0;
const SIG_SETMASK = 2;
const SIGSET_BYTES = 8;
const SIGINFO_BYTES = 128;
const NOT_FOUND = 127;
const OUTPUT_BYTES = 4088;
/** What the kernel says the children of a process are: numbers, each with a space behind it. As many more bytes as make it a multiple of 4. */
const CHILDREN = Buffer.from('/proc/thread-self/children\0\0', 'latin1');
/** Events that happened are the upper half of the word behind a poll's descriptor. */
const NO_EVENT = 0xffff;

// The frame, in bytes from its lowest address.
const MASK = 0;
const HEADER = 8;
const STATUS = 16;
const ANY_STATUS = 20;
const POLL = 24; // input, pipe, signals: 8 bytes each
const PIPE = 48; // the end to read from, the end to write to
const SIGNALS = 56;
const CHILD = 64;
const LEFT = 72;
const ZERO_TIME = 80; // 16 bytes
const ENDING = 96;
const ARGUMENTS = 104;
const NULL_PATH = 112; // 16 bytes
const SIGINFO = 128; // 128 bytes
const KILLED = 256; // 32 bits
const OUTPUT = 264; // its header stands 4 bytes before
const REQUEST = OUTPUT + OUTPUT_BYTES; // the program ends before it takes a longer one
const FRAME = Math.ceil((REQUEST + RUNNER_REQUEST_LIMIT) / 16) * 16;

/** The whole program as a file. */
export function runnerProgram(architecture: Architecture): Uint8Array {
  const m = machine(architecture);
  begin(m);
  idle(m);
  start(m);
  running(m);
  passOn(m);
  ended(m);
  child(m);
  return elfProgram(architecture, m.finish());
}

function begin(m: Machine): void {
  m.enter(FRAME, 'environment');
  m.set('a', 1 << (SIGCHLD - 1));
  m.store64('base', MASK, 'a');
  m.syscall('rt_sigprocmask', SIG_BLOCK, { address: MASK }, 0, SIGSET_BYTES);
  m.syscall('signalfd4', -1, { address: MASK }, SIGSET_BYTES, O_CLOEXEC);
  m.store64('base', SIGNALS, 'result');
  m.syscall('prctl', PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  m.set('a', 0);
  m.store64('base', ZERO_TIME, 'a');
  m.store64('base', ZERO_TIME + 8, 'a');
}

/** Four bytes from the input, which come in one piece or in several; otherwise at its end. */
function readHeader(m: Machine, name: string, otherwise: string): void {
  m.set('b', { address: HEADER });
  m.set('a', 4);
  m.label(name);
  m.syscall('read', 0, 'b', 'a');
  m.jumpIf('result', 'less', 1, otherwise);
  m.add('b', 'result');
  m.subtract('a', 'result');
  m.jumpIf('a', 'greater', 0, name);
}

function idle(m: Machine): void {
  m.label('idle');
  readHeader(m, 'header', 'exit');
  m.load32('a', 'base', HEADER);
  m.jumpIf('a', 'equal', 0, 'idle'); // to kill what has ended by itself
  m.jumpIf('a', 'greater', RUNNER_REQUEST_LIMIT, 'exit');
  m.set('b', { address: REQUEST });
  m.label('request');
  m.syscall('read', 0, 'b', 'a');
  m.jumpIf('result', 'less', 1, 'exit');
  m.add('b', 'result');
  m.subtract('a', 'result');
  m.jumpIf('a', 'greater', 0, 'request');
  // Offsets become addresses.
  m.set('c', { address: REQUEST });
  m.set('b', 'c');
  for (const list of ['path', 'argument'] as const) {
    m.label(list);
    m.load64('a', 'b', 0);
    m.jumpIf('a', 'equal', 0, `${list}s-end`);
    m.add('a', 'c');
    m.store64('b', 0, 'a');
    m.add('b', 8);
    m.jump(list);
    m.label(`${list}s-end`);
    m.add('b', 8);
    if (list === 'path') m.store64('base', ARGUMENTS, 'b');
  }
}

function start(m: Machine): void {
  m.syscall('pipe2', { address: PIPE }, O_CLOEXEC);
  m.jumpIf('result', 'less', 0, 'failed');
  m.syscall('clone', SIGCHLD, 0, 0, 0, 0);
  m.jumpIf('result', 'equal', 0, 'child');
  m.store64('base', CHILD, 'result');
  m.load32('a', 'base', PIPE + 4);
  m.syscall('close', 'a');
  m.load64('a', 'base', CHILD);
  m.jumpIf('a', 'less', 0, 'not-begun');
  m.set('a', 0);
  m.store32('base', POLL, 'a');
  m.store32('base', KILLED, 'a');
  m.store64('base', ENDING, 'a');
  m.load32('a', 'base', PIPE);
  m.store32('base', POLL + 8, 'a');
  m.load64('a', 'base', SIGNALS);
  m.store32('base', POLL + 16, 'a');
  m.set('a', RUNNER_OUTPUT_LIMIT);
  m.store64('base', LEFT, 'a');
}

function kill(m: Machine): void {
  // The child alone, too: it may not have come to its own group yet.
  m.load64('a', 'base', CHILD);
  m.set('b', 0);
  m.subtract('b', 'a');
  m.syscall('kill', 'b', SIGKILL);
  m.syscall('kill', 'a', SIGKILL);
}

function running(m: Machine): void {
  m.label('running');
  m.set('a', POLLIN);
  for (const at of [4, 12, 20]) m.store32('base', POLL + at, 'a');
  m.syscall('ppoll', { address: POLL }, 3, 0, 0, 0);
  m.jumpIf('result', 'less', 1, 'running');
  m.load32('a', 'base', POLL + 20);
  m.jumpIf('a', 'greater', NO_EVENT, 'reap-some');
  m.load32('a', 'base', POLL + 12);
  m.jumpIf('a', 'greater', NO_EVENT, 'output');
  readHeader(m, 'order', 'abandon');
  kill(m);
  m.set('a', 1);
  m.store32('base', KILLED, 'a');
  m.jump('running');

  m.label('abandon');
  kill(m);
  m.syscall('wait4', 'a', 0, 0, 0);
  sweep(m, 'last');
  m.label('exit');
  m.syscall('exit', 0);
}

/** Uses the places of output and request. Children that were killed adopt nobody any more, so the number of rounds is that of generations. */
function sweep(m: Machine, name: string): void {
  m.set('c', { address: REQUEST });
  for (let at = 0; at < CHILDREN.length; at += 4) {
    m.set('a', CHILDREN.readInt32LE(at));
    m.store32('c', at, 'a');
  }
  m.label(`${name}-round`);
  m.syscall('openat', AT_FDCWD, { address: REQUEST }, 0, 0);
  m.jumpIf('result', 'less', 0, `${name}-swept`);
  m.set('c', 'result');
  m.syscall('read', 'c', { address: OUTPUT }, OUTPUT_BYTES);
  m.set('e', 'result');
  m.syscall('close', 'c');
  m.jumpIf('e', 'less', 1, `${name}-swept`);
  m.set('d', { address: OUTPUT });
  m.add('e', 'd');
  m.set('a', 0);
  m.label(`${name}-digit`);
  m.jumpIf('d', 'notLess', 'e', `${name}-reap`);
  m.load8('result', 'd', 0);
  m.add('d', 1);
  m.jumpIf('result', 'less', 0x30, `${name}-number`);
  m.multiply('a', 10);
  m.add('a', 'result');
  m.add('a', -0x30);
  m.jump(`${name}-digit`);
  m.label(`${name}-number`);
  m.jumpIf('a', 'equal', 0, `${name}-digit`);
  m.syscall('kill', 'a', SIGKILL);
  m.set('a', 0);
  m.jump(`${name}-digit`);
  m.label(`${name}-reap`);
  m.syscall('wait4', -1, 0, 0, 0);
  m.jump(`${name}-round`);
  m.label(`${name}-swept`);
}

function passOn(m: Machine): void {
  m.label('output');
  m.load32('a', 'base', PIPE);
  m.syscall('read', 'a', { address: OUTPUT }, OUTPUT_BYTES);
  m.jumpIf('result', 'less', 1, 'closed');
  m.set('c', 'result');
  m.load64('b', 'base', LEFT);
  m.jumpIf('b', 'less', 1, 'passed');
  m.subtract('b', 'c');
  m.store64('base', LEFT, 'b');
  m.store32('base', OUTPUT - 4, 'c');
  m.add('c', 4);
  m.syscall('write', 1, { address: OUTPUT - 4 }, 'c');
  m.label('passed');
  m.load64('a', 'base', ENDING);
  m.jumpIf('a', 'notEqual', 0, 'drain');
  m.jump('running');
  m.label('closed');
  m.set('a', -1); // not polled any more
  m.store32('base', POLL + 8, 'a');
  m.jump('passed');
}

function ended(m: Machine): void {
  m.label('reap-some');
  m.syscall('read', { at: SIGNALS }, { address: SIGINFO }, SIGINFO_BYTES);
  m.label('reap');
  m.syscall('wait4', -1, { address: ANY_STATUS }, WNOHANG, 0);
  m.jumpIf('result', 'less', 1, 'reaped');
  m.load64('a', 'base', CHILD);
  m.jumpIf('result', 'notEqual', 'a', 'reap');
  m.load32('a', 'base', ANY_STATUS);
  m.store32('base', STATUS, 'a');
  m.set('a', 1);
  m.store64('base', ENDING, 'a');
  m.jump('reap');
  m.label('reaped');
  m.load64('a', 'base', ENDING);
  m.jumpIf('a', 'equal', 0, 'running');

  // What it wrote before its end. Whoever it left behind may hold the pipe, and may write for ever.
  m.label('drain');
  m.load64('a', 'base', LEFT);
  m.jumpIf('a', 'less', 1, 'report');
  m.set('a', POLLIN);
  m.store32('base', POLL + 12, 'a');
  m.syscall('ppoll', { address: POLL + 8 }, 1, { address: ZERO_TIME }, 0, 0);
  m.jumpIf('result', 'greater', 0, 'output');
  m.label('report');
  m.load32('a', 'base', KILLED);
  m.jumpIf('a', 'equal', 0, 'swept');
  sweep(m, 'killed');
  m.label('swept');
  m.load32('a', 'base', PIPE);
  m.syscall('close', 'a');
  m.load32('a', 'base', STATUS);
  m.jump('say');

  m.label('not-begun');
  m.load32('a', 'base', PIPE);
  m.syscall('close', 'a');
  m.label('failed');
  m.set('a', RUNNER_FAILED);
  m.label('say');
  m.set('b', RUNNER_ENDED / 2);
  m.add('a', 'b');
  m.add('a', 'b');
  m.store32('base', HEADER, 'a');
  m.syscall('write', 1, { address: HEADER }, 4);
  m.jump('idle');
}

function child(m: Machine): void {
  m.label('child');
  m.syscall('setsid');
  // The input is where requests come from: without /dev/null there is none.
  m.syscall('close', 0);
  for (const [i, four] of ['/dev', '/nul', 'l\0\0\0'].entries()) {
    m.set('a', Buffer.from(four, 'latin1').readInt32LE());
    m.store32('base', NULL_PATH + 4 * i, 'a');
  }
  m.syscall('openat', AT_FDCWD, { address: NULL_PATH }, 0, 0);
  m.load32('a', 'base', PIPE + 4);
  for (const stream of [1, 2]) m.syscall('dup3', 'a', stream, 0);
  m.set('a', 0);
  m.store64('base', MASK, 'a');
  m.syscall('rt_sigprocmask', SIG_SETMASK, { address: MASK }, 0, SIGSET_BYTES);
  m.set('b', { address: REQUEST });
  m.label('try');
  m.load64('a', 'b', 0);
  m.jumpIf('a', 'equal', 0, 'not-found');
  m.syscall('execve', 'a', { at: ARGUMENTS }, 'given');
  m.add('b', 8);
  m.jump('try');
  m.label('not-found');
  m.syscall('exit', NOT_FOUND);
}
