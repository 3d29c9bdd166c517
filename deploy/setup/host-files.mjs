// Programs of this machine as the content of an image, each with the libraries that it needs. How an image is made of that is in
// docker-archive.mjs.
import { execFileSync } from 'node:child_process';
import { closeSync, existsSync, openSync, readdirSync, readSync, realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { SetupError } from './lib.mjs';

const PROGRAM_FOLDERS = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];
// The loader finds libraries here by itself.
const KNOWN_FOLDERS = /^(\/usr)?\/lib(64)?(\/(x86_64|aarch64)-linux-gnu)?$/;

const PT_DYNAMIC = 2;
const PT_INTERP = 3;

function readAt(file, offset, length) {
  const data = Buffer.alloc(length);
  return data.subarray(0, readSync(file, data, 0, length, offset));
}

/**
 * What the headers of a file say: undefined where it is no 64-bit ELF file of this byte order; else whether it needs libraries, and
 * the loader that it asks for (libraries ask for none).
 */
function elfOf(path) {
  const file = openSync(path, 'r');
  try {
    const head = readAt(file, 0, 64);
    if (head.length < 64 || !head.subarray(0, 6).equals(Buffer.from('\x7fELF\x02\x01', 'latin1'))) return undefined;
    const size = head.readUInt16LE(54);
    const table = readAt(file, Number(head.readBigUInt64LE(32)), size * head.readUInt16LE(56));
    let dynamic = false;
    let loader;
    for (let at = 0; at + size <= table.length; at += size) {
      const type = table.readUInt32LE(at);
      if (type === PT_DYNAMIC) dynamic = true;
      if (type === PT_INTERP)
        loader = readAt(file, Number(table.readBigUInt64LE(at + 8)), Number(table.readBigUInt64LE(at + 32)))
          .toString('latin1')
          .replace(/\0.*$/s, '');
    }
    return { dynamic, loader };
  } finally {
    closeSync(file);
  }
}

/** Paths of the libraries of a program (or library), and of its loader, as the loader itself tells them. Static programs have none. */
function librariesOf(program) {
  const elf = elfOf(program);
  if (elf === undefined || !elf.dynamic) return [];
  const own = elfOf(process.execPath)?.loader;
  const loader = elf.loader ?? own;
  // A static program may be position-independent: then it has a dynamic part, but asks for no loader.
  if (loader === undefined || (elf.loader === undefined && !/\.so(\.|$)/.test(basename(program)))) return [];
  let text;
  try {
    text = execFileSync(loader, ['--list', program], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, LC_ALL: 'C', LD_PRELOAD: '' },
    });
  } catch (error) {
    throw new SetupError(
      `The libraries of ${program} cannot be found: ${String(error.stderr ?? error.message).trim()}`,
      'On Debian and Ubuntu the C++ library that Node needs is the package libstdc++6.',
    );
  }
  return [...new Set([loader, ...[...text.matchAll(/(?:=>\s+)?(\/\S+)\s+\(0x/g)].map((match) => match[1])])];
}

/** Where this machine has a program; undefined where it does not. */
export function whereIs(name) {
  return PROGRAM_FOLDERS.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

export class HostFiles {
  /** @type {Map<string, import('./tar.mjs').Entry>} path in the image -> entry */
  #entries = new Map();
  /** @type {Map<string, string>} file of this machine -> path in the image */
  #placed = new Map();

  /** @param {string} path without leading slash @param {Omit<import('./tar.mjs').Entry, 'path'>} item */
  add(path, item) {
    this.#entries.set(path, { path, ...item });
  }

  has(path) {
    return this.#entries.has(path);
  }

  #libraries(program) {
    for (const library of librariesOf(program)) this.add(library.slice(1), { source: realpathSync(library), mode: 0o755 });
  }

  /** A program at a path in the image. One file under a second path becomes a link: programs of many names tell by it what to do. */
  addProgram(source, path) {
    const file = realpathSync(source);
    const placed = this.#placed.get(file);
    if (placed !== undefined) {
      if (placed !== path) this.add(path, { link: `/${placed}` });
      return;
    }
    this.#placed.set(file, path);
    this.add(path, { source: file, mode: 0o755 });
    this.#libraries(file);
  }

  /** Programs by name, into usr/bin. Scripts are left out where only binaries are wanted. Answers the names that this machine lacks. */
  addPrograms(names, { scripts = false } = {}) {
    return names.filter((name) => {
      const found = whereIs(name);
      if (found === undefined || (!scripts && elfOf(realpathSync(found)) === undefined)) return true;
      this.addProgram(found, `usr/bin/${name}`);
      return false;
    });
  }

  /** Every library in a folder of this machine, at the same place. */
  addPlugins(folder) {
    for (const name of readdirSync(folder)) {
      if (!name.endsWith('.so')) continue;
      const file = realpathSync(join(folder, name));
      this.add(join(folder, name).slice(1), { source: file, mode: 0o755 });
      this.#libraries(file);
    }
  }

  /** Folders of libraries where the loader must be told to look. */
  unknownLibraryFolders() {
    const folders = new Set(
      [...this.#entries.keys()]
        .filter((path) => /\.so(\.|$)/.test(basename(path)) && !path.includes('/xtables/'))
        .map((path) => `/${dirname(path)}`),
    );
    return [...folders].filter((folder) => !KNOWN_FOLDERS.test(folder));
  }

  /** All entries with the folders above them, in an order that does not depend on how they came. */
  entries() {
    for (const path of [...this.#entries.keys()]) {
      for (let folder = dirname(path); folder !== '.'; folder = dirname(folder)) if (!this.has(folder)) this.add(folder, { folder: true });
    }
    return [...this.#entries.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
  }
}
