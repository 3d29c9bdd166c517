// What the set-up scripts share: where things are, how to speak to the person, how to run a program. Plain JavaScript for any Node
// from 18 on, without packages: all of this runs before anything is installed. What is set up is in the files beside.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { delimiter, dirname, join, relative } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
export const bin = join(root, 'node_modules', '.bin');
/** Stamps of what was done; goes away with node_modules, as it must. */
const cache = join(root, 'node_modules', '.cache', 'podplane');

/** Something that the person has to put right. Printed without a stack. */
export class SetupError extends Error {
  /** @param {string} message what is wrong @param {string} [advice] what to do about it */
  constructor(message, advice) {
    super(message);
    this.advice = advice;
  }
}

/** One line on standard error: standard output belongs to the program that is started. */
export function say(text) {
  process.stderr.write(`${text}\n`);
}

/** The person pressed Ctrl-C (or somebody told us to end) while a program ran. */
let interrupted = false;

/** Runs main, turns what it throws into a message, and ends with its exit code. */
export async function entry(main) {
  try {
    process.exitCode = (await main()) ?? 0;
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    // Ctrl-C is why it failed, and the person knows.
    process.exitCode = interrupted ? 130 : 1;
    if (interrupted) return;
    say(`\nError: ${error.message}`);
    if (error.advice) say(error.advice);
  }
}

/** 1.2 s, 12 s */
export function seconds(since) {
  const spent = (Date.now() - since) / 1000;
  return `${spent.toFixed(spent < 10 ? 1 : 0)} s`;
}

/** The environment for programs of the checkout: its own Node and tools come first. */
export function toolEnv() {
  return { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH ?? ''}` };
}

/** Runs a program to its end with our own terminal. Resolves to its exit code; 128 + n where signal n ended it. */
export function run(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: 'inherit', ...options });
    // On a terminal the whole foreground group gets Ctrl-C: the child decides when to end, we only wait for it.
    const keep = () => {
      interrupted = true;
    };
    const pass = (signal) => {
      interrupted = true;
      child.kill(signal);
    };
    process.on('SIGINT', keep);
    process.on('SIGTERM', pass);
    process.on('SIGHUP', pass);
    const done = () => {
      process.off('SIGINT', keep);
      process.off('SIGTERM', pass);
      process.off('SIGHUP', pass);
    };
    child.once('error', (error) => {
      done();
      reject(error);
    });
    child.once('exit', (code, signal) => {
      done();
      resolve(code ?? 128 + (constants.signals[signal] ?? 0));
    });
  });
}

/** Is a program of this name on the PATH (or where only root looks)? Answers its path. */
export function find(command) {
  for (const folder of [
    ...(process.env.PATH ?? '').split(delimiter),
    '/usr/local/sbin',
    '/usr/sbin',
    '/sbin',
    '/usr/local/bin',
    '/usr/bin',
    '/bin',
  ]) {
    if (folder !== '' && existsSync(join(folder, command))) return join(folder, command);
  }
  return undefined;
}

/** Asks a question that is answered with yes or no. Without a terminal the answer is no. */
export async function agreed(question) {
  if (!process.stdin.isTTY || !process.stderr.isTTY) return false;
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await lines.question(`${question} [y/N] `);
    return /^y(es)?$/i.test(answer.trim());
  } finally {
    lines.close();
  }
}

/** Command and arguments that do this as root: as it is, or through sudo. */
export function asRoot(command, args) {
  if (process.getuid?.() === 0) return [command, args];
  if (!find('sudo'))
    throw new SetupError(`'${command}' must be run as root, and there is no sudo here.`, `Run as root: ${[command, ...args].join(' ')}`);
  return ['sudo', [command, ...args]];
}

/** All files below a folder as sorted paths from root; dist, gen and node_modules are left out, they are made from the others. */
export function filesBelow(folder) {
  const found = [];
  const walk = (path) => {
    for (const item of readdirSync(path, { withFileTypes: true })) {
      if (item.isDirectory()) {
        if (!['node_modules', 'dist', 'gen', '.git', 'coverage'].includes(item.name)) walk(join(path, item.name));
      } else if (item.isFile()) found.push(relative(root, join(path, item.name)));
    }
  };
  const start = join(root, folder);
  if (existsSync(start)) walk(start);
  return found.sort();
}

/** One hash over names and contents of files (paths from root). */
export function hashOf(files, salt = '') {
  const hash = createHash('sha256').update(salt);
  for (const file of files) hash.update(`\0${file}\0`).update(readFileSync(join(root, file)));
  return hash.digest('hex');
}

/** What was noted under this name; undefined where nothing was. */
export function readStamp(name) {
  try {
    return readFileSync(join(cache, name), 'utf8');
  } catch {
    return undefined;
  }
}

export function writeStamp(name, text) {
  mkdirSync(cache, { recursive: true });
  writeFileSync(join(cache, name), text);
}

/** The Node that runs the project: the one among the packages, or this very one where it is new enough. */
export function runtimeNode() {
  const own = join(root, 'node_modules', 'node', 'bin', 'node');
  if (existsSync(own) && spawnSync(own, ['-e', '0'], { stdio: 'ignore' }).status === 0) return own;
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major > 22 || (major === 22 && minor >= 12)) return process.execPath;
  throw new SetupError(
    `Node ${process.versions.node} is too old to run Podplane (22.12 or newer), and the Node among its npm packages does not run here.`,
    "Was the script of the package 'node' kept from running? Try: npm rebuild node --ignore-scripts=false --foreground-scripts\nOr install Node 24: https://nodejs.org/",
  );
}
